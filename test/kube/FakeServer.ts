// A loopback HTTP server that answers as a test tells it: late, never, broken, or not at all.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { Effect, Redacted, type Scope } from "effect"
import type { Credential } from "../../src/kube/credential.ts"
import { makeAccess } from "../../src/kube/KubeAuth.ts"
import { type KubeHttpOptions, makeKube } from "../../src/kube/KubeHttp.ts"

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  /** Values as they came, without joining. */
  readonly raw: ReadonlyArray<string>
  readonly body: string
  /** Settles when the client is gone. */
  readonly closed: Promise<void>
}

export type Answering = (
  seen: Seen,
  response: ServerResponse,
  count: number,
) => void | Promise<void>

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

export const answer = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers = {},
): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(typeof body === "string" ? body : JSON.stringify(body))
}

/** The server's address and what it saw. */
export const fakeServer = (
  answering: Answering,
): Effect.Effect<
  { readonly url: string; readonly seen: Array<Seen>; readonly sockets: ReadonlySet<Socket> },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const seen: Array<Seen> = []
    const sockets = new Set<Socket>()
    const server = createServer((request, response) => {
      const closed = new Promise<void>((resolve) => response.once("close", resolve))
      bodyOf(request)
        .then((body) => {
          const { method = "", url = "", headers, rawHeaders } = request
          const one = { method, url, headers, raw: rawHeaders, body, closed }
          seen.push(one)
          return answering(one, response, seen.length)
        })
        .catch(() => response.destroy())
    })
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(() => {
          server.closeAllConnections()
          return new Promise<void>((resolve) => server.close(() => resolve()))
        }),
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, sockets }
  })

/** A Kube for an address; tokens are handed out in order, the last one for ever. */
export const kubeAt = (
  url: string,
  options: KubeHttpOptions & { readonly tokens?: ReadonlyArray<string> } = {},
) =>
  Effect.gen(function* () {
    const left = [...(options.tokens ?? ["t"])]
    const read = Effect.sync((): Credential => {
      const token = left.length > 1 ? left.shift() : left[0]
      const authorization = Redacted.make(`Bearer ${token}`)
      return { identity: { authorization, tls: {} }, until: Number.POSITIVE_INFINITY }
    })
    return yield* makeKube(yield* makeAccess({ server: url, read }), options)
  })
