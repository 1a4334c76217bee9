/** What git writes, as values: ls-remote, cat-file --batch, commits, and the headers of a curl trace. */
import type { Parts } from "../domain/parts.ts"
import type { BlobId, Commit, CommitId } from "../domain/source.ts"

const OID = "[0-9a-f]{40}(?:[0-9a-f]{24})?"
const decoder = new TextDecoder()

const REF = new RegExp(`^(${OID})\t(.+)$`, "u")

/** Commits by ref name; lines of another form are not there. */
export const parseLsRemote = (text: string): ReadonlyMap<string, CommitId> => {
  const refs = new Map<string, CommitId>()
  for (const line of text.split("\n")) {
    const [, id, ref] = REF.exec(line) ?? []
    if (id !== undefined && ref !== undefined) refs.set(ref, id)
  }
  return refs
}

/** Answers of one `cat-file --batch-command`, by object id; `missing` as they were asked for. */
export interface Batch {
  readonly objects: ReadonlyMap<BlobId, Uint8Array>
  readonly missing: ReadonlyArray<string>
  /** False: the stream broke off, or is not what git writes. */
  readonly isWhole: boolean
}

const HEADER = new RegExp(`^(${OID}) [a-z]+ (\\d+)$`, "u")

/** Objects between two rests. */
const PART = 500

/** Every object gets memory of its own: one that is kept does not keep the whole answer. */
export const parseBatch = function* (answer: Buffer): Parts<Batch> {
  const objects = new Map<BlobId, Uint8Array>()
  const missing: string[] = []
  let at = 0
  while (at < answer.length) {
    if ((objects.size + missing.length) % PART === PART - 1) yield
    const end = answer.indexOf(10, at)
    const header = end < 0 ? "" : answer.toString("latin1", at, end)
    const [, oid, size] = HEADER.exec(header) ?? []
    at = end + 1 + (oid === undefined ? 0 : Number(size) + 1)
    if (oid !== undefined && answer[at - 1] === 10) {
      objects.set(oid, new Uint8Array(answer.subarray(end + 1, at - 1)))
    } else if (oid === undefined && header.endsWith(" missing")) {
      missing.push(header.slice(0, -" missing".length))
    } else return { objects, missing, isWhole: false }
  }
  return { objects, missing, isWhole: true }
}

const MAX_MESSAGE = 500

/** A commit object's text. */
export const parseCommit = (sha: CommitId, bytes: Uint8Array): Commit => {
  const text = decoder.decode(bytes)
  const end = text.indexOf("\n\n")
  const head = end < 0 ? text : text.slice(0, end)
  const message = end < 0 ? "" : (text.slice(end).trimStart().split("\n", 1)[0] ?? "")
  const author = /^author .*?<([^>\n]*)>/mu.exec(head)?.[1] ?? ""
  const seconds = Number(/^committer .*> (\d{1,12})/mu.exec(head)?.[1] ?? 0)
  const time = new Date(seconds * 1000).toISOString().replace(".000Z", "Z")
  return { sha, message: message.trimEnd().slice(0, MAX_MESSAGE), author, time }
}

/** Of the last HTTP answer. */
export interface Answered {
  /** 0: there was none. */
  readonly status: number
  /** Milliseconds from `now` on. */
  readonly retryAfter?: number
  /** It is a proxy's, about a tunnel to the server. */
  readonly isByProxy?: true
}

const MAX_REST = 3_600_000

/** Below it is a number of seconds to wait, above it a time: GitHub and GitLab send times, the IETF's draft waits. */
const EPOCH = 1_000_000_000

/** Times are the server's: they are measured by its own clock, where it tells it. */
const restOf = (header: (name: string) => string | undefined, ours: number): number | undefined => {
  const date = Date.parse(header("date") ?? "")
  const now = Number.isNaN(date) ? ours : date
  const asked = header("retry-after")
  if (asked !== undefined)
    return /^\d+$/u.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - now
  const isSpent = header("x-ratelimit-remaining") === "0" || header("ratelimit-remaining") === "0"
  const reset = isSpent ? (header("x-ratelimit-reset") ?? header("ratelimit-reset")) : undefined
  if (reset === undefined || !/^\d+$/u.test(reset)) return undefined
  return Number(reset) < EPOCH ? Number(reset) * 1000 : Number(reset) * 1000 - now
}

/** From GIT_TRACE_CURL: https://git-scm.com/docs/git#Documentation/git.txt-codeGITTRACECURLcode */
export const parseTrace = (trace: string, now: number): Answered => {
  const all = [...trace.matchAll(/(?:=> Send|<= Recv) header: .*/gu)].map(([line]) => line)
  const answer = all.findLastIndex((line) => /^<= Recv header: HTTP\/\S+ \d{3}/u.test(line))
  if (answer < 0) return { status: 0 }
  const request = all.slice(0, answer).findLast((line) => / HTTP\/\S+\r?$/u.test(line))
  const isByProxy = request?.startsWith("=> Send header: CONNECT ") === true
  const received = all.flatMap((line) => /^<= Recv header: (.*)/u.exec(line)?.[1] ?? [])
  const last = received.findLastIndex((line) => /^HTTP\/\S+ \d{3}/u.test(line))
  const status = Number(/ (\d{3})/u.exec(received[last] ?? "")?.[1])
  const headers = new Map(
    received.slice(last + 1).map((line): [string, string] => {
      const colon = line.indexOf(":")
      return [line.slice(0, Math.max(colon, 0)).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const rest = restOf((name) => headers.get(name), now)
  const answered: Answered = isByProxy ? { status, isByProxy } : { status }
  return rest === undefined || Number.isNaN(rest)
    ? answered
    : { ...answered, retryAfter: Math.min(Math.max(rest, 0), MAX_REST) }
}

/** Who was asked last, as its URL says: a redirect may lead to another host. */
export const hostAsked = (trace: string): string | undefined =>
  trace
    .match(/(?:=> Send|<= Recv) header: .*/gu)
    ?.flatMap((line) => {
      const [, host] = /^=> Send header: host: *(\S+)/iu.exec(line) ?? []
      return host?.toLowerCase() ?? []
    })
    .at(-1)

/** `git version 2.39.5 (Apple Git-154)` -> [2, 39]. */
export const parseVersion = (text: string): readonly [number, number] | undefined => {
  const [, major, minor] = /git version (\d+)\.(\d+)/u.exec(text) ?? []
  return major === undefined ? undefined : [Number(major), Number(minor)]
}
