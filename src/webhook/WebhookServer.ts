/** The HTTP side: probes today, webhooks and metrics on the same listener. */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer } from "effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { ConfigError } from "../domain/errors.ts"

export interface Probes {
  /** Why the controller is not ready yet; `undefined` once it is. */
  readonly notReady: Effect.Effect<string | undefined>
}

export interface ListenOptions extends Probes {
  readonly host: string
  readonly port: number
}

const ready = (probes: Probes): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(probes.notReady, (reason) =>
    reason === undefined
      ? HttpServerResponse.text("ok\n")
      : HttpServerResponse.text(`not ready: ${reason}\n`, { status: 503 }),
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
    ),
    { disableLogger: true, disableListenLog: true },
  ).pipe(
    Layer.provide(HttpMiddleware.layerTracerDisabledForUrls(["/health", "/ready"])),
    Layer.provide(
      NodeHttpServer.layer(createServer, {
        host: options.host,
        port: options.port,
        gracefulShutdownTimeout: "3 seconds",
      }),
    ),
    Layer.catchTag("ServeError", (error) =>
      Layer.effectDiscard(cannotListen(options, error.cause)),
    ),
  )
