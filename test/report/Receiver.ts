// A server that takes notifications.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Deferred, Effect } from "effect"

interface Seen {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export type Answer = (response: ServerResponse) => void

/** A server that remembers what it was sent; gone with the scope, however its connections hang. */
export const receiver = (answer: Answer) =>
  Effect.gen(function* () {
    const seen: Array<Seen> = []
    const arrived = yield* Deferred.make<void>()
    const open = { sockets: 0 }
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const { method, url: path, headers } = request
        seen.push({ method, path, headers, body: Buffer.concat(chunks).toString("utf8") })
        Deferred.doneUnsafe(arrived, Effect.void)
        answer(response)
      })
    })
    const closed = new Promise<void>((resolve) => {
      server.on("connection", (socket) => {
        open.sockets += 1
        socket.on("close", () => {
          open.sockets -= 1
          if (open.sockets === 0) resolve()
        })
      })
    })
    yield* Effect.acquireRelease(
      Effect.promise(
        () => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve())),
      ),
      () =>
        Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              server.closeAllConnections()
              server.close(() => resolve())
            }),
        ),
    )
    const { port } = server.address() as AddressInfo
    const url = (path: string, host = "127.0.0.1") => new URL(`http://${host}:${port}${path}`)
    return { seen, url, arrived: Deferred.await(arrived), closed: Effect.promise(() => closed) }
  })
