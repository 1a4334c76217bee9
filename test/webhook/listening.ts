// The real listener on a port of its own, with a door that keeps what comes in.
import { connect, type Socket } from "node:net"
import { Effect, Layer, Logger } from "effect"
import type { ConfigError } from "../../src/domain/errors.ts"
import { ignored } from "../../src/webhook/answer.ts"
import { type Door, type ListenOptions, layer } from "../../src/webhook/WebhookServer.ts"
import { freePort } from "../cluster/freePort.ts"

export const get = (port: number, path: string) =>
  Effect.promise(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    return `${answer.status} ${(await answer.text()).trim()}`
  })

export const MAX = 10_000
export const basics = {
  host: "127.0.0.1",
  notReady: Effect.succeed(undefined),
  door: { receive: undefined },
  webhookMaxBytes: MAX,
}

const quiet = Logger.layer([])

export interface World {
  readonly port: number
  readonly door: Door
  /** Bodies that were read to their end. */
  readonly bodies: Array<Buffer>
  readonly post: (
    body: Uint8Array | string,
    headers?: Record<string, string>,
  ) => Effect.Effect<string>
  /** A connection of its own, with what came back on it until the server closed it. */
  readonly raw: (head: string | Uint8Array) => {
    readonly socket: Socket
    readonly answer: Effect.Effect<string>
  }
}

export const world = (
  body: (w: World) => Effect.Effect<unknown>,
  over: Partial<ListenOptions> = {},
): Effect.Effect<void, ConfigError> =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(freePort)
    const bodies: Array<Buffer> = []
    const door: Door = {
      receive: (incoming) =>
        incoming.body.pipe(
          Effect.map((bytes) => {
            bodies.push(Buffer.from(bytes))
            return ignored(`${bytes.length} bytes on ${incoming.path}`)
          }),
          Effect.catch(Effect.succeed),
        ),
    }
    yield* Layer.build(layer({ ...basics, port, door, ...over }))
    const post: World["post"] = (sent, headers = {}) =>
      Effect.promise(async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/webhook/github`, {
          method: "POST",
          body: Buffer.from(sent as Uint8Array),
          headers,
        })
        return `${answer.status} ${(await answer.text()).trim()}`
      })
    const raw: World["raw"] = (head) => {
      const socket = connect(port, "127.0.0.1")
      let text = ""
      socket.on("data", (chunk) => {
        text += chunk.toString()
      })
      socket.on("error", () => {})
      const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(text)))
      socket.write(head)
      return { socket, answer: Effect.promise(() => closed) }
    }
    yield* body({ port, door, bodies, post, raw })
  }).pipe(Effect.asVoid, Effect.scoped, Effect.provide(quiet))

export const HEAD = "POST /webhook/github HTTP/1.1\r\nHost: x\r\n"
