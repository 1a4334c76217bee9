/**
 * One POST to an address that is not ours, bounded and without a second thought: no redirect is followed, and of the
 * answer only its status is read. Link-local and metadata addresses are refused, by number and by what a name means for
 * the very connection: they answer with the node's own identity and are never a receiver.
 */
import { lookup } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"
import { Clock, Data, Duration, Effect } from "effect"
import { Client, type Dispatcher, ProxyAgent } from "undici"
import { proxyFor, undiciUrl, type Variables, type WebProxy } from "../domain/proxy.ts"
import { currentTrace } from "../domain/Tracing.ts"
import { traceHeaders } from "../domain/trace.ts"
import { retryAfterOf } from "../kube/response.ts"
import { VERSION } from "../version.ts"

export interface Sending {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Answer {
  readonly status: number
  /** Milliseconds that the receiver asked us to stay away. */
  readonly retryAfter?: number | undefined
}

/** No answer. `forbidden`: nobody was asked. */
export class Unsent extends Data.TaggedError("Unsent")<{
  readonly how: "forbidden" | "silent"
  /** Never with more of the address than its host. */
  readonly why: string
  /** The proxy that was asked, as messages name it. */
  readonly proxy?: string
}> {}

export type Send = (sending: Sending) => Effect.Effect<Answer, Unsent>

const LIMIT = Duration.seconds(10)
const FORBIDDEN = "NOPEA_FORBIDDEN"

const forbidden = new BlockList()
forbidden.addSubnet("169.254.0.0", 16, "ipv4")
forbidden.addAddress("100.100.100.200", "ipv4")
forbidden.addSubnet("fe80::", 10, "ipv6")
forbidden.addAddress("fd00:ec2::254", "ipv6")
forbidden.addAddress("fd20:ce::254", "ipv6")

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html and its likes. */
const isForbidden = (address: string): boolean =>
  forbidden.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")

/** Asked for every connection, so a name cannot change its meaning after it was checked. */
const guarded =
  (resolve: LookupFunction): LookupFunction =>
  (hostname, options, callback) =>
    resolve(hostname, options, (error, address, family) => {
      const found = typeof address === "string" ? [{ address }] : (address ?? [])
      if (error === null && found.some((one) => isForbidden(one.address)))
        callback(Object.assign(new Error("forbidden"), { code: FORBIDDEN }), "", 0)
      else callback(error, address, family)
    })

const CANCELLED = new Error("the request was cancelled")

interface Raw {
  readonly status: number
  readonly retryAfter: unknown
}

const silent = (why: string, proxy: WebProxy | undefined): Unsent =>
  proxy === undefined
    ? new Unsent({ how: "silent", why })
    : new Unsent({ how: "silent", why: `${why}, by ${proxy.shown}`, proxy: proxy.shown })
const notAllowed = (): Unsent =>
  new Unsent({ how: "forbidden", why: "a link-local or metadata address" })

/** Undici tells of a proxy's refusal in words alone. */
const whyOf = ({ code, message }: Error & { readonly code?: unknown }): string => {
  const status = /\bproxy\b.*\((\d{3})\)/iu.exec(message)?.[1]
  if (status !== undefined) return `the answer was ${status}`
  return typeof code === "string" ? code : "the connection broke"
}

const failureOf = (error: Error & { readonly code?: unknown }, proxy: WebProxy | undefined) =>
  error.code === FORBIDDEN ? notAllowed() : silent(whyOf(error), proxy)

const optionsOf = ({ url, headers, body }: Sending): Dispatcher.DispatchOptions => ({
  method: "POST",
  origin: url.origin,
  path: `${url.pathname}${url.search}`,
  headers: { "user-agent": `nopea/${VERSION}`, ...headers },
  body,
  headersTimeout: 0,
  bodyTimeout: 0,
})

/** The status is all that is wanted of the answer. */
const exchange = (
  client: Dispatcher,
  sending: Sending,
  proxy: WebProxy | undefined,
): Effect.Effect<Raw, Unsent> =>
  Effect.callback((resume) => {
    let connection: Dispatcher.DispatchController | undefined
    let isCancelled = false
    const cancel = (): void => {
      isCancelled = true
      connection?.abort(CANCELLED)
    }
    client.dispatch(optionsOf(sending), {
      onRequestStart: (controller) => {
        connection = controller
        if (isCancelled) cancel()
      },
      onResponseStart: (_, status, headers) => {
        if (status < 200) return
        resume(Effect.succeed({ status, retryAfter: headers["retry-after"] }))
        cancel()
      },
      onResponseData: () => {},
      onResponseEnd: () => {},
      onResponseError: (_, error) => resume(Effect.fail(failureOf(error, proxy))),
    })
    return Effect.sync(cancel)
  })

const timeout = Duration.toMillis(LIMIT)

/** What a name means behind a proxy is the proxy's to say, and to refuse. */
const dispatcherFor = (
  { origin }: URL,
  resolve: LookupFunction,
  proxy: WebProxy | undefined,
): Dispatcher =>
  proxy === undefined
    ? new Client(origin, { allowH2: false, connect: { timeout, lookup: guarded(resolve) } })
    : new ProxyAgent({
        uri: undiciUrl(proxy),
        allowH2: false,
        proxyTls: { timeout },
        requestTls: { timeout },
      })

/** A connection for each post: they are few, and a receiver that changed its address is found. */
const open = (...which: Parameters<typeof dispatcherFor>) =>
  Effect.acquireRelease(
    Effect.sync(() => dispatcherFor(...which)),
    (client) => Effect.promise(() => client.destroy()),
  )

/** An address in numbers is never looked up. */
const literal = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/u, "$1")

/** `resolve`: how names become addresses; `variables`: which proxies there are. */
export const sendingBy = (resolve: LookupFunction, variables: Variables = process.env): Send =>
  Effect.fn("Sending.send", { kind: "client" })(function* (sending) {
    const { url } = sending
    const address = literal(url)
    if (isIP(address) !== 0 && isForbidden(address)) return yield* notAllowed()
    const proxy = yield* Effect.mapError(
      Effect.fromResult(proxyFor(url, variables)),
      ({ reason, fix }) => new Unsent({ how: "silent", why: `${reason}: ${fix}` }),
    )
    const headers = { ...traceHeaders(yield* currentTrace), ...sending.headers }
    const { status, retryAfter } = yield* Effect.flatMap(open(url, resolve, proxy), (client) =>
      exchange(client, { ...sending, headers }, proxy),
    ).pipe(
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: LIMIT,
        orElse: () => Effect.fail(silent(`it took longer than ${Duration.format(LIMIT)}`, proxy)),
      }),
    )
    const now = yield* Clock.currentTimeMillis
    return { status, retryAfter: retryAfterOf(retryAfter, now) }
  })

export const send: Send = sendingBy(lookup)
