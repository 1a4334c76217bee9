/** What may be asked for: URLs, branches and paths, checked and in their one normal form. */
import { createHash } from "node:crypto"
import { Redacted, Result } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { GitCredentials } from "../domain/source.ts"
import { type Fault, gitError, type Place, redact } from "./failure.ts"
import { unfitForSsh } from "./ssh.ts"

export interface Remote {
  /** Normal form; what git is given. */
  readonly url: string
  readonly scheme: "http" | "https" | "file" | "ssh"
  /** `https://host:port`; "" for files. */
  readonly origin: string
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/u
const USER = "[A-Za-z0-9_][\\w.+-]*@"
const HOST = "[A-Za-z0-9][\\w.-]*"
const SSH = new RegExp(
  `^ssh://((?:${USER})?)(${HOST}|\\[[0-9A-Fa-f:.]+\\])(?::(\\d{1,5}))?(/.+)$`,
  "iu",
)
/** A path without a leading slash is below the user's home: another place than that of `ssh://`. */
const SCP_LIKE = new RegExp(`^(${USER})(${HOST}):(/?[^-:/].*)$`, "iu")
const IS_SSH = /^[^/\s:]+@[^/\s:]+:(?!\/\/)|^ssh:\/\//iu

/** A URL as a message may show it. */
export const shown = (url: string): string =>
  redact(url.replace(/[^\P{C}]/gu, "?"), []).slice(0, 300)

const hasSecret = (credentials: GitCredentials): boolean =>
  credentials.password !== undefined || credentials.bearerToken !== undefined

interface Rules {
  readonly allowFileUrls: boolean
  readonly credentials: GitCredentials
}

const refusalOf = (text: string, url: URL | null, rules: Rules): [Fault, string] | undefined => {
  if (text.startsWith("-")) return ["urlRefused", "the URL starts with -"]
  if (/[^\P{C}]|\s/u.test(text)) return ["urlRefused", "the URL holds a space or control character"]
  if (url === null) return ["urlRefused", "this is not a URL"]
  if (!/^(https?|file):$/u.test(url.protocol) || !/^[a-z]+:\/\//iu.test(text)) {
    return ["urlRefused", `transport ${url.protocol} is not allowed`]
  }
  if (url.username !== "" || url.password !== "") {
    return ["urlRefused", "the URL holds credentials or a user name before @"]
  }
  if (/[?#]/u.test(text)) return ["urlRefused", "the URL holds a query or a fragment"]
  if (url.protocol === "file:" && !rules.allowFileUrls) {
    return ["fileRefused", "file:// URLs are not allowed here"]
  }
  if (url.protocol === "http:" && hasSecret(rules.credentials) && !LOOPBACK.test(url.hostname)) {
    return ["plainCredentials", "credentials would cross the network unencrypted"]
  }
  return undefined
}

const withoutSlashes = (path: string): string => path.replace(/\/{2,}/gu, "/").replace(/\/$/u, "")

const sshPlace = (text: string): Remote | undefined => {
  const [, user = "", host = "", port, path = ""] = SSH.exec(text) ?? []
  if (host !== "") {
    const at = `${host.toLowerCase()}${port === undefined || port === "22" ? "" : `:${port}`}`
    return {
      url: `ssh://${user}${at}${withoutSlashes(path)}`,
      scheme: "ssh",
      origin: `ssh://${at}`,
    }
  }
  const [, who = "", where = "", below = ""] = SCP_LIKE.exec(text) ?? []
  if (where === "") return undefined
  const at = where.toLowerCase()
  return { url: `${who}${at}:${withoutSlashes(below)}`, scheme: "ssh", origin: `ssh://${at}` }
}

const sshRemote = (text: string, { credentials }: Rules, place: Place) => {
  const remote = /[^\P{C}]|\s|[?#]/u.test(text) ? undefined : sshPlace(text)
  if (remote === undefined) {
    const reason = "this is neither ssh://user@host/path nor user@host:path"
    return Result.fail(gitError("urlRefused", place, reason))
  }
  const unfit = unfitForSsh(credentials)
  return unfit === undefined
    ? Result.succeed(remote)
    : Result.fail(gitError("sshCredentials", place, unfit))
}

/** Scheme and host in lower case, no default port, no doubled or trailing slash: equal places, equal text. */
export const parseRemote = (
  text: string,
  rules: Rules,
  place: Place,
): Result.Result<Remote, GitError> => {
  if (IS_SSH.test(text)) return sshRemote(text, rules, place)
  const url = URL.parse(text)
  const refused = refusalOf(text, url, rules)
  if (refused !== undefined || url === null) {
    return Result.fail(gitError(refused?.[0] ?? "urlRefused", place, refused?.[1] ?? "not a URL"))
  }
  const scheme = url.protocol.slice(0, -1) as Remote["scheme"]
  const origin = scheme === "file" ? "" : url.origin
  const base = scheme === "file" ? "file://" : origin
  return Result.succeed({ url: `${base}${withoutSlashes(url.pathname)}`, scheme, origin })
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")
const open = (secret: Redacted.Redacted | undefined): string | null =>
  secret === undefined ? null : Redacted.value(secret)

/** Who may read a mirror is who could have fetched it: equal place and equal credentials. */
export const mirrorKey = (remote: Remote, credentials: GitCredentials): string =>
  sha256(
    JSON.stringify([
      remote.url,
      credentials.username ?? null,
      open(credentials.password),
      open(credentials.bearerToken),
      open(credentials.identity),
      credentials.knownHosts ?? null,
      credentials.caCrt ?? null,
    ]),
  )

/** Equal for those whom a server counts as one: equal credentials; "" for none. */
export const whoAsks = (credentials: GitCredentials): string => {
  const secrets = [credentials.password, credentials.bearerToken, credentials.identity].map(open)
  return secrets.every((secret) => secret === null)
    ? ""
    : sha256(JSON.stringify([credentials.username ?? null, ...secrets]))
}

/** Where the mirror keeps what it fetched, by a target's key; a hash, because `a` and `a/b` may follow each other. */
export const mirrorRef = (key: string): string => `refs/nopea/${sha256(key)}`

/** The rules of git-check-ref-format for what follows `refs/heads/` or `refs/tags/`, and no leading `-`. */
export const isRefName = (name: string): boolean =>
  name !== "" &&
  name !== "@" &&
  name.length <= 250 &&
  !/[^\P{C}]|[ ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$/u.test(name) &&
  name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"))

/** `./deploy//app/` -> `deploy/app`; the root is "". `undefined`: it would leave the repository. */
export const normalPath = (path: string): string | undefined => {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".")
  const isBad = path.startsWith("/") || /[^\P{C}]/u.test(path) || parts.includes("..")
  return isBad ? undefined : parts.join("/")
}
