/** What is posted where of new drift, and what may go wrong with it. Pure. */
import { Redacted, Result } from "effect"
import type { Disposition } from "../domain/errors.ts"
import type { DriftEntry } from "../domain/status.ts"
import { didText, fateText } from "./drift.ts"
import { line, short } from "./text.ts"

export interface Notification {
  readonly repository: { readonly namespace: string; readonly name: string; readonly url: string }
  /** Full id. */
  readonly commit: string
  readonly drift: ReadonlyArray<DriftEntry>
}

/** Why a notification was not delivered; never with more of its address than the host. */
export interface Undelivered {
  readonly code: string
  readonly reason: string
  readonly fix: string
  readonly disposition: Disposition
  /** Milliseconds that the receiver asked us to stay away. */
  readonly retryAfter?: number
}

export interface Receiver {
  readonly url: URL
  readonly token?: Redacted.Redacted
}

const MAX_ROWS = 50
const NAMED = 5
const MAX_TEXT = 2000

/** Chat services read `<…>` as links and mentions. https://api.slack.com/reference/surfaces/formatting#escaping */
const escaped = (text: string): string =>
  text.replace(/[&<>]/gu, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? sign)

/** The line for people. */
const textOf = ({ repository, commit, drift }: Notification): string => {
  const objects = [...Map.groupBy(drift, ({ object }) => object).values()]
  const told = objects
    .slice(0, NAMED)
    .map((rows) => `${didText(rows)}; ${[...new Set(rows.map(fateText))].join("; ")}`)
  const more = objects.length - NAMED
  const head = `GitRepository ${repository.namespace}/${repository.name} at ${short(commit)}`
  return escaped(line(`${head}: ${told.join(". ")}${more > 0 ? `. ${more} more` : ""}`, MAX_TEXT))
}

/**
 * The body: `text` is one line for people, as chat services show it; the rest is for programs. `drift` has the rows of
 * `status.drift`, at most 50 of `driftCount`: names and paths, never values.
 */
export const bodyOf = (notification: Notification): string =>
  JSON.stringify({
    text: textOf(notification),
    type: "systems.false.nopea.drift.v1",
    repository: { ...notification.repository, url: line(notification.repository.url, 2048) },
    commit: notification.commit,
    driftCount: notification.drift.length,
    drift: notification.drift.slice(0, MAX_ROWS),
  })

const wrongSecret = (secret: string, reason: string, fix: string): Undelivered => ({
  code: "NOPEA-D021",
  reason: `Secret ${secret}: ${reason}`,
  fix,
  disposition: "stall",
})

export const missingSecret = (namespace: string, name: string): Undelivered => ({
  code: "NOPEA-D020",
  reason: `Secret ${namespace}/${name} does not exist`,
  fix: `create it in the namespace ${namespace} with the key address, or correct spec.notifyRef.name`,
  disposition: "stall",
})

export const unreadableSecret = (
  secret: string,
  error: Pick<Undelivered, "reason" | "fix" | "disposition"> & { readonly retryAfter?: number },
): Undelivered => ({
  code: "NOPEA-D022",
  reason: `Secret ${secret} could not be read: ${error.reason}`,
  fix: error.fix,
  disposition: error.disposition,
  ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
})

export const noReceiver = (): Undelivered => ({
  code: "NOPEA-D023",
  reason: "spec.healPolicy is notify and spec.notifyRef names no Secret",
  fix: "set spec.notifyRef.name, or spec.healPolicy: manual",
  disposition: "stall",
})

/** Loopback, and names that only this cluster's DNS knows. */
const NEAR = /^(localhost|127\.[0-9.]+|\[::1\]|[^.]+\.[^.]+\.svc(\.cluster\.local)?)$/u

const decode = (value: unknown): string | undefined =>
  typeof value === "string" ? Buffer.from(value, "base64").toString("utf8").trim() : undefined

/** `secret` is `namespace/name`, for messages; `encoded` is the Secret's `data`. */
export const receiverOf = (
  secret: string,
  encoded: Readonly<Record<string, unknown>>,
): Result.Result<Receiver, Undelivered> => {
  const wrong = (reason: string, fix: string) => Result.fail(wrongSecret(secret, reason, fix))
  const [address, token] = [decode(encoded["address"]), decode(encoded["token"])]
  if (!address) return wrong("it has no key address", "add the key address: an https:// URL")
  const url = URL.parse(address)
  if (url === null || !/^https?:$/u.test(url.protocol))
    return wrong("its address is no http(s) URL", "write it as https://host/path")
  if (url.username !== "" || url.password !== "")
    return wrong("its address has credentials in it", "put them into the key token")
  if (!token) return Result.succeed({ url })
  if (!/^[\x21-\x7e]+$/u.test(token))
    return wrong("its token has spaces or control characters", "store the token as one word")
  if (url.protocol === "http:" && !NEAR.test(url.hostname))
    return wrong(
      "its token would go over plain http to another network",
      "use https://, or leave out token",
    )
  return Result.succeed({ url, token: Redacted.make(token) })
}

export const forbiddenAddress = ({ host }: URL): Undelivered => ({
  code: "NOPEA-D024",
  reason: `${host} is a link-local or metadata address`,
  fix: "name a receiver that is a service of its own",
  disposition: "stall",
})

const LATER: ReadonlySet<number> = new Set([408, 425, 429])

/** Anything but 2xx. */
export const refusedWith = (
  { host }: URL,
  status: number,
  retryAfter: number | undefined,
): Undelivered => {
  const isRedirect = status >= 300 && status < 400
  const isLater = LATER.has(status) || status >= 500
  return {
    code: "NOPEA-D025",
    reason: `${host} answered ${status}${isRedirect ? ": redirects are not followed" : ""}`,
    fix: isRedirect
      ? "write the final address into the Secret"
      : "see the receiver's own log; check address and token in the Secret",
    disposition: isLater ? "retry" : "stall",
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
}

const CHECK =
  "check the address in the Secret, and that the receiver runs and the network lets the controller reach it"

export const noAnswer = ({ host }: URL, why: string, proxy?: string): Undelivered => ({
  code: "NOPEA-D026",
  reason: `${host} did not answer: ${line(why, 200)}`,
  fix: proxy === undefined ? CHECK : `check ${proxy}, or name the host in NO_PROXY; ${CHECK}`,
  disposition: "retry",
})

export const tooMany = (waiting: number): Undelivered => ({
  code: "NOPEA-D027",
  reason: `${waiting} notifications wait already: this one is dropped`,
  fix: "see why the receiver is slow; status.drift has what this one would have said",
  disposition: "stall",
})
