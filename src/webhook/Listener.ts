/** Node's HTTP server for as long as a scope lives: what comes in is bounded before our code sees it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Duration, Effect, FiberSet, type Scope } from "effect"
import { describeCrash } from "../domain/crash.ts"
import { ConfigError } from "../domain/errors.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

/** Bounds before our code sees a request, in milliseconds and bytes. */
export interface Bounds {
  /** For the headers to come whole. */
  readonly headersTimeout: number
  /** For all of a request. */
  readonly requestTimeout: number
  readonly keepAliveTimeout: number
  /** How often the above are looked at. */
  readonly connectionsCheckingInterval: number
  readonly maxHeaderSize: number
}

/** A request that is not whole in time is answered with 408 and cut. */
export const BOUNDS: Bounds = {
  headersTimeout: Duration.toMillis("5 seconds"),
  requestTimeout: Duration.toMillis("20 seconds"),
  keepAliveTimeout: Duration.toMillis("5 seconds"),
  connectionsCheckingInterval: Duration.toMillis("1 second"),
  maxHeaderSize: 16 * 2 ** 10,
}
/** Of requests that are served when the scope closes. */
const GRACE = "3 seconds"

export interface Reply {
  readonly status: number
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Answers a request, at once where that takes no waiting. `invite` goes before reading: a body may wait for it. */
export type Serve = (request: IncomingMessage, invite: () => void) => Reply | Effect.Effect<Reply>

const PLAIN = { "content-type": "text/plain; charset=utf-8" }

const send = (response: ServerResponse, { status, text, headers }: Reply): void => {
  const length = Buffer.byteLength(text)
  response.writeHead(status, { ...PLAIN, "content-length": length, ...headers })
  response.end(text)
}

const CRASHED: Reply = {
  status: 500,
  text: "crashed; the log says where\n",
  headers: { connection: "close" },
}

const cannotListen = ({ host, port }: Address, cause: Error): ConfigError =>
  new ConfigError({
    code: "NOPEA-C011",
    operation: "listen",
    subject: `${host}:${port}`,
    reason: cause.message,
    fix: "free the port, or set NOPEA_LISTEN to another address",
    disposition: "stall",
  })

type NodeServer = ReturnType<typeof createServer>

const open = (server: NodeServer, address: Address): Effect.Effect<NodeServer, ConfigError> =>
  Effect.callback((resume) => {
    server.once("error", (cause) => resume(Effect.fail(cannotListen(address, cause))))
    server.listen({ host: address.host, port: address.port }, () => resume(Effect.succeed(server)))
  })

/** Idle connections end at once, busy ones within the grace. */
const close = (server: NodeServer): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
  }).pipe(
    Effect.timeoutOption(GRACE),
    Effect.interruptible,
    Effect.andThen(Effect.sync(() => server.closeAllConnections())),
  )

/** What is served runs in fibers of the scope's own, and hears of its end after the last connection. */
export const listen = Effect.fnUntraced(function* (
  address: Address,
  bounds: Bounds,
  serve: Serve,
): Effect.fn.Return<void, ConfigError, Scope.Scope> {
  const fork = yield* FiberSet.runtime(yield* FiberSet.make<void>())()
  const later = (reply: Effect.Effect<Reply>, response: ServerResponse) =>
    reply.pipe(
      Effect.map((found) => send(response, found)),
      Effect.tapCause((cause) => {
        send(response, CRASHED)
        return Effect.logError("a request crashed").pipe(
          Effect.annotateLogs({ crash: describeCrash(cause) }),
        )
      }),
    )
  const answer = (request: IncomingMessage, response: ServerResponse, invite: () => void) => {
    try {
      const reply = serve(request, invite)
      if (Effect.isEffect(reply)) fork(later(reply, response))
      else send(response, reply)
    } catch (crash) {
      fork(later(Effect.die(crash), response))
    }
  }
  const server = createServer({ ...bounds }, (request, response) =>
    answer(request, response, () => {}),
  )
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
    answer(request, response, () => response.writeContinue()),
  )
  yield* Effect.acquireRelease(open(server, address), close)
})
