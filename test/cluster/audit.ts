// The API server's audit log as a list of requests: how "no request was made" is proven.
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { createInterface } from "node:readline"

export interface AuditEntry {
  readonly auditID: string
  /** `get`, `list`, `watch`, `patch`, `create`, `update`, `delete`, `deletecollection`… */
  readonly verb: string
  readonly userAgent: string
  readonly user: string
  readonly impersonatedUser?: string
  readonly requestURI: string
  readonly apiGroup: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
  /** HTTP status; 0 when the log has none. */
  readonly code: number
  /** When the server received the request, RFC 3339. */
  readonly receivedAt: string
}

export interface AuditFilter {
  /** A prefix of the User-Agent header, or a pattern. */
  readonly userAgent?: string | RegExp
  readonly verb?: string | readonly string[]
  readonly resource?: string | readonly string[]
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
  readonly user?: string
  /** Only requests that the server received after this mark (see `auditMark`). */
  readonly since?: AuditMark | undefined
}

/** A moment, as a place in the log and as a time: everything answered before it lies before it. */
export interface AuditMark {
  readonly offset: number
  /** Unix milliseconds: a request on its way at that moment is logged after it, and belongs before. */
  readonly takenAt: number
}

interface RawEvent {
  readonly auditID: string
  readonly stage: string
  readonly verb: string
  readonly userAgent?: string
  readonly requestURI: string
  readonly user?: { readonly username?: string }
  readonly impersonatedUser?: { readonly username?: string }
  readonly objectRef?: {
    readonly apiGroup?: string
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number }
  readonly requestReceivedTimestamp: string
}

/** Undefined for a line that was cut by a mark taken while the server wrote it. */
const decode = (line: string): RawEvent | undefined => {
  try {
    return JSON.parse(line) as RawEvent
  } catch {
    return undefined
  }
}

const entry = (event: RawEvent): AuditEntry => ({
  auditID: event.auditID,
  verb: event.verb,
  userAgent: event.userAgent ?? "",
  user: event.user?.username ?? "",
  ...(event.impersonatedUser?.username === undefined
    ? {}
    : { impersonatedUser: event.impersonatedUser.username }),
  requestURI: event.requestURI,
  apiGroup: event.objectRef?.apiGroup ?? "",
  resource: event.objectRef?.resource ?? "",
  subresource: event.objectRef?.subresource ?? "",
  namespace: event.objectRef?.namespace ?? "",
  name: event.objectRef?.name ?? "",
  code: event.responseStatus?.code ?? 0,
  receivedAt: event.requestReceivedTimestamp,
})

/** A watch is logged as it starts and as it ends: its end is no second request. */
const isEndOfWatch = (event: RawEvent): boolean =>
  event.stage === "ResponseComplete" && event.verb === "watch" && event.responseStatus?.code === 200

const isOneOf = (value: string, wanted: string | readonly string[] | undefined): boolean =>
  wanted === undefined || (typeof wanted === "string" ? value === wanted : wanted.includes(value))

const matches = (found: AuditEntry, filter: AuditFilter): boolean => {
  const { userAgent } = filter
  const isAgent =
    userAgent === undefined ||
    (typeof userAgent === "string"
      ? found.userAgent.startsWith(userAgent)
      : userAgent.test(found.userAgent))
  return (
    isAgent &&
    isOneOf(found.verb, filter.verb) &&
    isOneOf(found.resource, filter.resource) &&
    isOneOf(found.subresource, filter.subresource) &&
    isOneOf(found.namespace, filter.namespace) &&
    isOneOf(found.name, filter.name) &&
    isOneOf(found.user, filter.user)
  )
}

const endOf = (log: string): Promise<number> =>
  stat(log).then(
    ({ size }) => size,
    () => 0,
  )

/** Now. The server writes an entry before it ends the answer, so none of an answered one is late. */
export const auditMark = async (log: string): Promise<AuditMark> => ({
  takenAt: Date.now(),
  offset: await endOf(log),
})

/** The requests in the log that match, in the order of their answers, each one once. */
export const readAudit = async (log: string, filter: AuditFilter = {}): Promise<AuditEntry[]> => {
  const end = await endOf(log)
  const start = filter.since?.offset ?? 0
  if (end <= start) return []
  const found = new Map<string, AuditEntry>()
  const input = createReadStream(log, { start, end: end - 1, encoding: "utf8" })
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const event = decode(line)
    if (event === undefined || isEndOfWatch(event)) continue
    const request = entry(event)
    if (Date.parse(request.receivedAt) < (filter.since?.takenAt ?? 0)) continue
    if (matches(request, filter)) found.set(request.auditID, request)
  }
  return [...found.values()]
}
