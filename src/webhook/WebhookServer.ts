/** The HTTP side: probes, metrics, and webhooks within bounds that leave syncs and probes alone. */
import { createServer, type ServerOptions } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Duration, Effect, Layer, Option, Stream } from "effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { ConfigError } from "../domain/errors.ts"
import { CONTENT_TYPE } from "../metrics/exposition.ts"
import { Metrics } from "../metrics/Metrics.ts"
import { type Answer, REFUSALS, textOf } from "./answer.ts"
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

export interface ListenOptions extends Probes {
  readonly host: string
  readonly port: number
  readonly door: Door
  /** A larger body is refused. */
  readonly webhookMaxBytes: number
  /** For a body to come whole; default 8 s. */
  readonly bodyTimeout?: Duration.Input
}

/** Before our code sees a request. A request that is not whole in time is answered with 408 and cut. */
const SERVER: ServerOptions = {
  headersTimeout: Duration.toMillis("5 seconds"),
  requestTimeout: Duration.toMillis("20 seconds"),
  keepAliveTimeout: Duration.toMillis("5 seconds"),
  connectionsCheckingInterval: Duration.toMillis("1 second"),
  maxHeaderSize: 16 * 2 ** 10,
}
/** Providers wait 5 to 10 s. */
const LIMIT = Duration.seconds(10)
const BODY_LIMIT = Duration.seconds(8)
/** Behind an ingress, all senders are one client. */
const PLACES = { places: 128, placesEach: 64 }
/** Bodies of full size that are held at a time. */
const FULL_BODIES = { all: 16, each: 8 }

const ready = (probes: Probes): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(probes.notReady, (reason) =>
    reason === undefined
      ? HttpServerResponse.text("ok\n")
      : HttpServerResponse.text(`not ready: ${reason}\n`, { status: 503 }),
  )

type Request = HttpServerRequest.HttpServerRequest

const closing = { connection: "close" }

/** Who is refused, in whatever way it is told, is not read on: the connection goes with the answer. */
const respond = (answer: Answer): HttpServerResponse.HttpServerResponse => {
  const { status, code } = answer
  const again = status === 503 ? { "retry-after": "5" } : {}
  const headers = status < 400 && code === undefined ? {} : { ...closing, ...again }
  return HttpServerResponse.text(textOf(answer), { status, headers })
}

/** What headers tell of a body before it is read. */
const refusalOf = ({ headers }: Request, maxBytes: number): Answer | undefined => {
  if (Number(headers["content-length"] ?? 0) > maxBytes) return REFUSALS.tooLarge
  const encoding = headers["content-encoding"] ?? "identity"
  return encoding.toLowerCase() === "identity" ? undefined : REFUSALS.encoded
}

const readBody = (request: Request, visit: Visit, options: ListenOptions) =>
  Effect.gen(function* () {
    const refused = refusalOf(request, options.webhookMaxBytes)
    if (refused !== undefined) return yield* Effect.fail(refused)
    const chunks: Array<Uint8Array> = []
    let size = 0
    const take = (chunk: Uint8Array): Effect.Effect<void, Answer> => {
      size += chunk.length
      if (size > options.webhookMaxBytes) return Effect.fail(REFUSALS.tooLarge)
      if (!visit.grow(chunk.length)) return Effect.fail(REFUSALS.busy)
      chunks.push(chunk)
      return Effect.void
    }
    const stream = Stream.mapError(request.stream, (): Answer => REFUSALS.malformed)
    yield* Stream.runForEach(stream, take)
    return Buffer.concat(chunks)
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.bodyTimeout ?? BODY_LIMIT,
      orElse: () => Effect.fail<Answer>(REFUSALS.late),
    }),
  )

const accept = (request: Request, visit: Visit, options: ListenOptions): Effect.Effect<Answer> =>
  Effect.suspend(() => {
    if (options.door.receive === undefined) return Effect.succeed<Answer>(REFUSALS.notReady)
    const body = readBody(request, visit, options)
    return options.door.receive({ path: request.url, headers: request.headers, body })
  }).pipe(
    Effect.timeoutOrElse({
      duration: LIMIT,
      orElse: () => Effect.succeed<Answer>(REFUSALS.busy),
    }),
  )

const webhook = (options: ListenOptions) => {
  const { webhookMaxBytes: full } = options
  const bytes = { bytes: FULL_BODIES.all * full, bytesEach: FULL_BODIES.each * full }
  const room = new Room({ ...PLACES, ...bytes })
  const tell = makeTell()
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const client = Option.getOrElse(request.remoteAddress, () => "")
    const answer = yield* Effect.acquireUseRelease(
      Effect.sync(() => room.enter(client)),
      (visit) =>
        visit === undefined
          ? Effect.succeed<Answer>(REFUSALS.busy)
          : accept(request, visit, options),
      (visit) => Effect.sync(() => visit?.leave()),
    )
    yield* tell(answer)
    return respond(answer)
  })
}

const metrics = Layer.unwrap(
  Effect.map(Metrics, (registry) => {
    const answer = () => HttpServerResponse.text(registry.text(), { contentType: CONTENT_TYPE })
    return HttpRouter.add("GET", "/metrics", Effect.sync(answer))
  }),
)

const cannotListen = (options: ListenOptions, cause: unknown): ConfigError =>
  new ConfigError({
    code: "NOPEA-C011",
    operation: "listen",
    subject: `${options.host}:${options.port}`,
    reason: cause instanceof Error ? cause.message : "the address cannot be used",
    fix: "free the port, or set NOPEA_LISTEN to another address",
    disposition: "stall",
  })

/** Serves until its scope closes; idle connections end at once, busy ones within three seconds. */
export const layer = (options: ListenOptions): Layer.Layer<never, ConfigError> =>
  HttpRouter.serve(
    Layer.mergeAll(
      HttpRouter.add("GET", "/health", HttpServerResponse.text("ok\n")),
      HttpRouter.add("GET", "/ready", ready(options)),
      metrics,
      HttpRouter.add("POST", "/webhook/*", webhook(options)),
    ),
    { disableLogger: true, disableListenLog: true },
  ).pipe(
    // It would believe the trace headers of strangers: `Receiver` does so after the proof.
    Layer.provide(Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)),
    Layer.provide(
      NodeHttpServer.layer(() => createServer(SERVER), {
        host: options.host,
        port: options.port,
        gracefulShutdownTimeout: "3 seconds",
      }),
    ),
    Layer.catchTag("ServeError", (error) =>
      Layer.effectDiscard(cannotListen(options, error.cause)),
    ),
  )
