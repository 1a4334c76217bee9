/**
 * Posts one notification to its receiver. The address is the tenant's own and may be any host that the controller
 * reaches, also inside the cluster: that is where receivers live. What a tenant could gain by naming another is small:
 * the body is ours, the answer is not shown (only its status), no redirect is followed. Link-local and metadata
 * addresses are refused, by number and by name: they answer with the node's own identity and are never a receiver.
 * Network policies limit the rest.
 */
import { lookup } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"
import { Clock, Duration, Effect, Redacted } from "effect"
import { Client, type Dispatcher } from "undici"
import { retryAfterOf } from "../kube/response.ts"
import { VERSION } from "../version.ts"
import {
  forbiddenAddress,
  noAnswer,
  type Receiver,
  refusedWith,
  type Undelivered,
} from "./notification.ts"

export type Post = (receiver: Receiver, body: string) => Effect.Effect<void, Undelivered>

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

interface Answer {
  readonly status: number
  readonly retryAfter: unknown
}

const failureOf = (url: URL, error: Error & { readonly code?: unknown }): Undelivered =>
  error.code === FORBIDDEN
    ? forbiddenAddress(url)
    : noAnswer(url, typeof error.code === "string" ? error.code : "the connection broke")

const optionsOf = ({ url, token }: Receiver, body: string): Dispatcher.DispatchOptions => ({
  method: "POST",
  path: `${url.pathname}${url.search}`,
  headers: {
    "content-type": "application/json",
    "user-agent": `nopea/${VERSION}`,
    ...(token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token)}` }),
  },
  body,
})

/** The status is all that is wanted of the answer. */
const exchange = (
  client: Client,
  receiver: Receiver,
  body: string,
): Effect.Effect<Answer, Undelivered> =>
  Effect.callback((resume) => {
    let connection: Dispatcher.DispatchController | undefined
    let isCancelled = false
    const cancel = (): void => {
      isCancelled = true
      connection?.abort(CANCELLED)
    }
    client.dispatch(optionsOf(receiver, body), {
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
      onResponseError: (_, error) => resume(Effect.fail(failureOf(receiver.url, error))),
    })
    return Effect.sync(cancel)
  })

/** A connection for each post: they are few, and a receiver that changed its address is found. */
const open = ({ url }: Receiver, resolve: LookupFunction) =>
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new Client(url.origin, {
          allowH2: false,
          connect: { timeout: Duration.toMillis(LIMIT), lookup: guarded(resolve) },
          headersTimeout: 0,
          bodyTimeout: 0,
        }),
    ),
    (client) => Effect.promise(() => client.destroy()),
  )

/** An address in numbers is never looked up. */
const literal = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/u, "$1")

/** `resolve`: how names become addresses. */
export const postingBy = (resolve: LookupFunction): Post =>
  Effect.fn("Notifier.post")(function* (receiver, body) {
    const { url } = receiver
    const address = literal(url)
    if (isIP(address) !== 0 && isForbidden(address))
      return yield* Effect.fail(forbiddenAddress(url))
    const { status, retryAfter } = yield* Effect.flatMap(open(receiver, resolve), (client) =>
      exchange(client, receiver, body),
    ).pipe(
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: LIMIT,
        orElse: () => Effect.fail(noAnswer(url, `it took longer than ${Duration.format(LIMIT)}`)),
      }),
    )
    if (status >= 200 && status < 300) return
    const now = yield* Clock.currentTimeMillis
    return yield* Effect.fail(refusedWith(url, status, retryAfterOf(retryAfter, now)))
  })

export const post: Post = postingBy(lookup)
