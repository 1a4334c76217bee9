/** What is served: probes, metrics, and webhooks within bounds that leave syncs and probes alone. */
import type { IncomingMessage } from "node:http"
import { Duration, Effect, Layer } from "effect"
import type { ConfigError } from "../domain/errors.ts"
import { CONTENT_TYPE } from "../metrics/exposition.ts"
import { Metrics } from "../metrics/Metrics.ts"
import { type Answer, REFUSALS, textOf } from "./answer.ts"
import { type Address, BOUNDS, type Bounds, listen, type Reply, type Serve } from "./Listener.ts"
import type { Headers } from "./providers.ts"
import type { Receive } from "./Receiver.ts"
import { Room, type Visit } from "./Room.ts"
import { makeTell } from "./Tell.ts"

export interface Probes {
  /** Why the controller is not ready yet; `undefined` once it is. */
  readonly notReady: Effect.Effect<string | undefined>
}

/** Who takes deliveries now; nobody while the controller does not lead. */
export interface Door {
  receive: Receive | undefined
}

export interface ListenOptions extends Probes, Address {
  readonly door: Door
  /** A larger body is refused. */
  readonly webhookMaxBytes: number
  /** For a body to come whole; default 8 s. */
  readonly bodyTimeout?: Duration.Input
  /** Others than `BOUNDS`. */
  readonly bounds?: Partial<Bounds>
}

/** Providers wait 5 to 10 s. */
const LIMIT = Duration.seconds(10)
const BODY_LIMIT = Duration.seconds(8)
/** Behind an ingress, all senders are one client. */
const PLACES = { places: 128, placesEach: 64 }
/** Bodies of full size that are held at a time. */
const FULL_BODIES = { all: 16, each: 8 }

const OK: Reply = { status: 200, text: "ok\n" }
const NOT_FOUND: Reply = { status: 404, text: "not found\n" }

const ready = (probes: Probes): Effect.Effect<Reply> =>
  Effect.map(probes.notReady, (reason) =>
    reason === undefined ? OK : { status: 503, text: `not ready: ${reason}\n` },
  )

interface Incoming {
  readonly request: IncomingMessage
  readonly invite: () => void
}

const closing = { connection: "close" }

/** Who is refused, in whatever way it is told, is not read on: the connection goes with the answer. */
const replyOf = (answer: Answer): Reply => {
  const { status, code } = answer
  const again = status === 503 ? { "retry-after": "5" } : {}
  const headers = status < 400 && code === undefined ? {} : { ...closing, ...again }
  return { status, text: textOf(answer), headers }
}

/** What headers tell of a body before it is read. */
const refusalOf = ({ headers }: IncomingMessage, maxBytes: number): Answer | undefined => {
  if (Number(headers["content-length"] ?? 0) > maxBytes) return REFUSALS.tooLarge
  const encoding = headers["content-encoding"] ?? "identity"
  return encoding.toLowerCase() === "identity" ? undefined : REFUSALS.encoded
}

/** By events and not by a stream of Effect's, which takes several times the work of all the rest. */
const collect = (
  { request, invite }: Incoming,
  visit: Visit,
  maxBytes: number,
): Effect.Effect<Uint8Array, Answer> =>
  Effect.callback((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const refuse = (answer: Answer) => {
      leave()
      resume(Effect.fail(answer))
    }
    const take = (chunk: Uint8Array) => {
      size += chunk.length
      if (size > maxBytes) refuse(REFUSALS.tooLarge)
      else if (visit.grow(chunk.length)) chunks.push(chunk)
      else refuse(REFUSALS.busy)
    }
    const finish = () => {
      leave()
      resume(Effect.succeed(Buffer.concat(chunks)))
    }
    const breakOff = () => refuse(REFUSALS.malformed)
    const events = { data: take, end: finish, error: breakOff, close: breakOff } as const
    const leave = () => {
      for (const [name, hear] of Object.entries(events)) request.off(name, hear)
      request.pause()
    }
    if (request.destroyed) return breakOff()
    for (const [name, hear] of Object.entries(events)) request.on(name, hear)
    invite()
    return Effect.sync(leave)
  })

const readBody = (incoming: Incoming, visit: Visit, options: ListenOptions) =>
  Effect.suspend(() => {
    const refused = refusalOf(incoming.request, options.webhookMaxBytes)
    if (refused !== undefined) return Effect.fail(refused)
    return collect(incoming, visit, options.webhookMaxBytes)
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.bodyTimeout ?? BODY_LIMIT,
      orElse: () => Effect.fail<Answer>(REFUSALS.late),
    }),
  )

const accept = (
  incoming: Incoming,
  visit: Visit,
  options: ListenOptions,
): Effect.Effect<Answer> => {
  if (options.door.receive === undefined) return Effect.succeed<Answer>(REFUSALS.notReady)
  const body = readBody(incoming, visit, options)
  const { headers, url = "" } = incoming.request
  return options.door.receive({ path: url, headers: headers as Headers, body }).pipe(
    Effect.timeoutOrElse({
      duration: LIMIT,
      orElse: () => Effect.succeed<Answer>(REFUSALS.busy),
    }),
  )
}

const webhook = (options: ListenOptions): ((incoming: Incoming) => Effect.Effect<Reply>) => {
  const { webhookMaxBytes: full } = options
  const bytes = { bytes: FULL_BODIES.all * full, bytesEach: FULL_BODIES.each * full }
  const room = new Room({ ...PLACES, ...bytes })
  const tell = makeTell()
  return (incoming) =>
    Effect.suspend(() => {
      const visit = room.enter(incoming.request.socket.remoteAddress ?? "")
      if (visit === undefined) return Effect.succeed<Answer>(REFUSALS.busy)
      return Effect.ensuring(accept(incoming, visit, options), Effect.sync(visit.leave))
    }).pipe(Effect.flatMap((answer) => Effect.as(tell(answer), replyOf(answer))))
}

const routes = (options: ListenOptions, metrics: () => string): Serve => {
  const deliver = webhook(options)
  return (request, invite) => {
    const path = request.url?.split("?", 1)[0] ?? ""
    if (request.method === "POST" && path.startsWith("/webhook/"))
      return deliver({ request, invite })
    if (request.method !== "GET" && request.method !== "HEAD") return NOT_FOUND
    if (path === "/health") return OK
    if (path === "/ready") return ready(options)
    if (path !== "/metrics") return NOT_FOUND
    return { status: 200, text: metrics(), headers: { "content-type": CONTENT_TYPE } }
  }
}

/** Serves until its scope closes; idle connections end at once, busy ones within three seconds. */
export const layer = (options: ListenOptions): Layer.Layer<never, ConfigError> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const registry = yield* Metrics
      const serve = routes(options, () => registry.text())
      yield* listen(options, { ...BOUNDS, ...options.bounds }, serve)
    }),
  )
