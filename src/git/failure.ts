/** What can go wrong with a repository: the table of codes, and from git's words and HTTP's numbers to a row of it. */
import { type Disposition, GitError } from "../domain/errors.ts"

interface Row {
  readonly code: string
  readonly disposition: Disposition
  readonly fix: string
}

const row = (code: string, disposition: Disposition, fix: string): Row => ({
  code: `NOPEA-${code}`,
  disposition,
  fix,
})

const R = "retry"
const W = "wait"
const S = "stall"

/** Codes are never reused. */
export const FAULTS = {
  unreachable: row("G001", R, "check spec.url's host, DNS, network policies and the proxy"),
  timeout: row("G002", R, "check that the Git server is healthy and reachable"),
  authentication: row(
    "G003",
    S,
    "name credentials in spec.secretRef that may read it, if it exists",
  ),
  forbidden: row("G004", S, "allow these credentials to read the repository"),
  repositoryMissing: row("G005", S, "correct spec.url, or give the credentials access to it"),
  branchMissing: row("G006", W, "push the branch, or correct spec.branch"),
  emptyRepository: row("G007", W, "push a first commit"),
  pathMissing: row("G008", S, "correct spec.path, or commit files there"),
  tls: row("G009", S, "put the authority into ca.crt of spec.secretRef, or mend the certificate"),
  hostKey: row("G010", S, "put the server's key into known_hosts of spec.secretRef"),
  rateLimited: row(
    "G011",
    R,
    "nothing now: it is asked again after that time; against the next one lengthen spec.interval, use a webhook, or use credentials",
  ),
  redirect: row("G012", S, "set spec.url to the address that the server redirects to"),
  serverError: row("G013", R, "check the health of the Git server"),
  corrupted: row("G014", R, "check the disk below NOPEA_DATA_DIR; its contents may be lost"),
  diskFull: row("G015", R, "give NOPEA_DATA_DIR more space"),
  tooLarge: row("G016", S, "narrow spec.path, or raise NOPEA_MIRROR_MAX_BYTES"),
  urlRefused: row(
    "G017",
    S,
    "set spec.url to an https:// address without credentials, or to ssh://user@host/path",
  ),
  plainCredentials: row("G018", S, "use https://, or remove spec.secretRef"),
  fileRefused: row("G019", S, "use https://, or set NOPEA_ALLOW_FILE_URLS"),
  gitMissing: row("G021", S, "install git 2.39 or newer beside the controller"),
  branchRefused: row("G022", S, "set spec.branch to a valid branch name, such as main"),
  credentialsRefused: row("G023", S, "store each credential as one line, a token without spaces"),
  badAnswer: row("G024", R, "check that spec.url is a Git repository, and the proxy between"),
  unsupported: row("G025", S, "serve the repository by Git's smart HTTP protocol, with SHA-1 ids"),
  gone: row("G026", R, "nothing: the next sync fetches the branch's head"),
  pathRefused: row("G027", S, "use paths inside the repository, without .. or .git"),
  dataDir: row("G028", S, "make NOPEA_DATA_DIR a directory that the controller may write"),
  noProcess: row("G029", R, "give the controller more processes, files or memory; look for git"),
  pathTooLarge: row(
    "G030",
    S,
    "narrow spec.path, or split the directory over several GitRepositories",
  ),
  tagMissing: row("G031", W, "push the tag, or correct spec.ref.tag"),
  tagRefused: row("G032", S, "set spec.ref.tag to a valid tag name, such as v1.2.3"),
  versionMissing: row("G033", W, "push such a tag, or widen spec.ref.semver"),
  rangeRefused: row("G034", S, "set spec.ref.semver to a range such as 1.x or >=1.2.0 <2.0.0"),
  commitMissing: row("G035", W, "push the commit, or correct spec.ref.commit"),
  commitRefused: row(
    "G036",
    S,
    "follow a branch or a tag at that commit, or have the server allow it (uploadpack.allowReachableSHA1InWant)",
  ),
  noCommit: row("G037", S, "follow a commit, or a tag of one"),
  tooManyTags: row("G038", S, "name one tag in spec.ref.tag instead of a range"),
  hostKeyChanged: row(
    "G039",
    S,
    "find out whether the server's key was changed on purpose; then put the new one into known_hosts of spec.secretRef",
  ),
  sshCredentials: row(
    "G040",
    S,
    "give the Secret of spec.secretRef an SSH private key as identity, the server's key as known_hosts, and the passphrase of an encrypted key as password",
  ),
  sshMissing: row("G041", S, "install OpenSSH's client beside the controller"),
  unsigned: row("G042", S, "sign the commit with an SSH key that spec.verify trusts, and push it"),
  untrusted: row(
    "G043",
    S,
    "have somebody trusted sign and push a commit, or add that key to the Secret of spec.verify",
  ),
  altered: row("G044", S, "find out who made this commit; push one that is signed as it is"),
  hostCrowded: row(
    "G045",
    R,
    "lengthen spec.interval, use webhooks, or raise NOPEA_GIT_HOST_RATE as far as the server allows",
  ),
  proxy: row(
    "G046",
    R,
    "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the controller, and the proxy",
  ),
  unknown: row("G099", R, "read the reason; the controller retries"),
} as const satisfies Record<string, Row>

export type Fault = keyof typeof FAULTS

/** Where a failure happened: the port's verb, and the repository as a person may read it. */
export interface Place {
  readonly operation: string
  readonly subject: string
}

export const gitError = (
  fault: Fault,
  place: Place,
  reason: string,
  retryAfter?: number,
): GitError =>
  new GitError({
    ...FAULTS[fault],
    operation: place.operation,
    subject: place.subject,
    reason,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })

/** The first pattern that matches decides. */
const SAID: ReadonlyArray<readonly [Fault, RegExp]> = [
  ["diskFull", /no space left on device|disk quota exceeded/iu],
  ["unsupported", /dumb http transport|does not support shallow|mismatched algorithms/iu],
  ["branchMissing", /couldn't find remote ref/iu],
  ["sshMissing", /cannot run ssh|\bssh: not found/iu],
  ["sshCredentials", /incorrect passphrase|^fatal: load key "identity"/imu],
  [
    "authentication",
    /could not read (username|password)|authentication failed|permission denied \(/iu,
  ],
  ["hostKeyChanged", /host identification has changed|host key for .* has changed/iu],
  ["hostKey", /host key verification failed|host key is known for/iu],
  [
    "unreachable",
    /could ?n[o']t (resolve|connect)|failed to connect|connection (?:refused|reset)|no route to host|unreachable/iu,
  ],
  ["timeout", /operation too slow|timed out/iu],
  ["tls", /certificate|\bssl\b|\btls\b|gnutls|x509/iu],
  ["redirect", /unable to update url base from redirection|maximum .*redirects/iu],
  [
    "repositoryMissing",
    /repository '?.*'? ?(not found|does not exist)|project you were looking for could not be found|does not appear to be a git repository|no such repository/iu,
  ],
  ["gone", /not our ref|unadvertised object|not a valid object name|not a tree object/iu],
  [
    "corrupted",
    /\.lock': file exists|bad config|cannot lock ref|not a git repository|is corrupt|is empty|bad object|bad tree|packfile|index file|pack has|inflate: data stream|shallow file has changed|does not point to a valid object|did not send all necessary objects|missing necessary objects|unable to (read|parse|load|find)|unresolved delta|bad signature|hash mismatch/iu,
  ],
  ["dataDir", /permission denied|read-only file system/iu],
  [
    "badAnswer",
    /early eof|rpc failed|protocol error|bad line length|unexpected disconnect|hung up|index-pack|unpack|expected flush|invalid server response|not valid: is this a git repository|empty reply|bad band|premature|unable to access|remote error|curl \d+|could not read from remote|connection closed|kex_exchange|unable to negotiate/iu,
  ],
]

const byStatus = (status: number, retryAfter: number | undefined): Fault | undefined => {
  if (status === 429 || (status === 403 && retryAfter !== undefined)) return "rateLimited"
  if (status === 407) return "proxy"
  if (status === 401) return "authentication"
  if (status === 403) return "forbidden"
  if (status === 404 || status === 410) return "repositoryMissing"
  if (status >= 300 && status < 400) return "redirect"
  return status >= 500 ? "serverError" : undefined
}

/** A repository called `certificate` is no certificate problem. */
const FOREIGN = /'[^'\n]*:\/\/[^'\n]*'|^remote:.*$/gmu
/** What git repeats of the server's words. */
const REPEATED = /^(?:fatal|error): remote error:.*$/gmu
/** Of this machine: the server's full disk is not ours. */
const OURS: ReadonlySet<Fault> = new Set(["diskFull", "corrupted", "dataDir"])

/** Everything a failed git process left behind. */
export interface Traces {
  readonly stderr: string
  /** What ssh and the server said, where that is not among git's own words. */
  readonly far?: string
  /** The last HTTP answer's status; 0 without one. */
  readonly status: number
  /** Milliseconds. */
  readonly retryAfter?: number | undefined
}

/** What GitHub says beside a bare 403, and GitLab over SSH. */
const LIMITED =
  /^\s*(?:remote|fatal): .*(?:rate limit|requested too many times|too many requests)/imu

/** A path as it is repeated: who is called `rate limit` was not limited. */
const PATH = /(?<![^\s])'[^'\n]*\/[^'\n]*'/gu

export const faultOf = ({ stderr, far = "", status, retryAfter }: Traces): Fault => {
  const isOpen = status === 0 || status === 403
  if (isOpen && LIMITED.test(`${far}\n${stderr}`.replace(PATH, ""))) return "rateLimited"
  const said = `${far}\n${stderr.replace(FOREIGN, "")}`
  const own = stderr.replace(FOREIGN, "").replace(REPEATED, "")
  return (
    byStatus(status, retryAfter) ??
    SAID.find(([fault, pattern]) => pattern.test(OURS.has(fault) ? own : said))?.[0] ??
    (status >= 400 ? "badAnswer" : "unknown")
  )
}

/** How long to stay away from a server that limits without saying for how long. */
export const DEFAULT_REST = 60_000

/** Text that may leave this folder: without the secrets, without user names in URLs, without header values. */
export const redact = (text: string, secrets: ReadonlyArray<string>): string =>
  secrets
    .filter((secret) => secret !== "")
    .sort((a, b) => b.length - a.length)
    .reduce((left, secret) => left.split(secret).join("***"), text)
    .replace(/\/\/[^/@\s]*@/gu, "//")
    .replace(/((?:authorization|extraheader)\s*[:=]).*/giu, "$1 ***")

const MAX_REASON = 400
const isControl = /[^\P{Cc}\n]|\p{Cf}/gu

/**
 * The telling lines of git's stderr, bounded, free of control characters. The body of an HTTP error, which git
 * shows as `remote:`, is left out: it may come from any service that only the controller reaches.
 */
export const reasonOf = (stderr: string, secrets: ReadonlyArray<string>, status = 0): string => {
  const all = redact(stderr, secrets).replace(isControl, "").split("\n")
  const lines = status < 400 ? all : all.filter((line) => !/^\s*remote:/u.test(line))
  const said = lines.filter((line) => /^(fatal|error|remote): ?\S/u.test(line))
  const text = (said.length > 0 ? said : lines)
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("; ")
  return text.length > MAX_REASON
    ? `${text.slice(0, MAX_REASON)}…`
    : text || "git failed without a word; something may have ended one of its processes"
}

export const isFault = (error: GitError, ...faults: ReadonlyArray<Fault>): boolean =>
  faults.some((fault) => FAULTS[fault].code === error.code)
