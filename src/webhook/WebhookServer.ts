/** What is served: probes, metrics, and webhooks within bounds that leave syncs and probes alone. */
import { Effect, Layer } from "effect"
import type { ConfigError } from "../domain/errors.ts"
import { CONTENT_TYPE } from "../metrics/exposition.ts"
import { Metrics } from "../metrics/Metrics.ts"
import { type Answer, REFUSALS, textOf } from "./answer.ts"
import { type Bodies, type Body, type Incoming, makeBodies } from "./Bodies.ts"
import { type Address, BOUNDS, type Bounds, listen, type Reply, type Serve } from "./Listener.ts"
import type { Headers } from "./providers.ts"
import type { Receive } from "./Receiver.ts"
import { Room } from "./Room.ts"
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
  /** Milliseconds for a body to come whole; default 8,000. */
  readonly bodyTimeout?: number
  /** Others than `BOUNDS`. */
  readonly bounds?: Partial<Bounds>
}

/** Providers wait 5 to 10 s. */
const BODY_TIMEOUT = 8000
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

const closing = { connection: "close" }

/** Who is refused, in whatever way it is told, is not read on: the connection goes with the answer. */
const replyOf = (answer: Answer): Reply => {
  const { status, code } = answer
  const again = status === 503 ? { "retry-after": "5" } : {}
  const headers = status < 400 && code === undefined ? {} : { ...closing, ...again }
  return { status, text: textOf(answer), headers }
}

const accept = (incoming: Incoming, body: Body, door: Door): Effect.Effect<Answer> => {
  if (door.receive === undefined) return Effect.succeed<Answer>(REFUSALS.notReady)
  const { headers, url = "" } = incoming.request
  return door.receive({ path: url, headers: headers as Headers, body })
}

type Deliver = (incoming: Incoming) => Effect.Effect<Reply>

const webhook = ({ webhookMaxBytes: full, door }: ListenOptions, bodies: Bodies): Deliver => {
  const bytes = { bytes: FULL_BODIES.all * full, bytesEach: FULL_BODIES.each * full }
  const room = new Room({ ...PLACES, ...bytes })
  const tell = makeTell()
  return (incoming) =>
    Effect.suspend(() => {
      const visit = room.enter(incoming.request.socket.remoteAddress ?? "")
      if (visit === undefined) return Effect.succeed<Answer>(REFUSALS.busy)
      const body = bodies.read(incoming, visit)
      const accepted = Effect.suspend(() => accept(incoming, body, door))
      return Effect.ensuring(accepted, Effect.sync(visit.leave))
    }).pipe(
      Effect.flatMap((answer) => {
        const reply = Effect.succeed(replyOf(answer))
        return answer.code === undefined ? reply : Effect.andThen(tell(answer), reply)
      }),
    )
}

const routes = (options: ListenOptions, bodies: Bodies, metrics: () => string): Serve => {
  const deliver = webhook(options, bodies)
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
      const { webhookMaxBytes: maxBytes, bodyTimeout: timeout = BODY_TIMEOUT } = options
      const bodies = makeBodies({ maxBytes, timeout })
      const serve = routes(options, bodies, () => registry.text())
      yield* Effect.forkScoped(bodies.endLate)
      yield* listen(options, { ...BOUNDS, ...options.bounds }, serve)
    }),
  )
