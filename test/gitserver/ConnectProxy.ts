// An HTTP proxy for tests: CONNECT and plain requests, credentials, refusals and silence. It knows names that nobody
// else does: whatever it is asked for is on 127.0.0.1.
import { createServer, type IncomingMessage, request as send } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"

/** `silent` accepts and says nothing; `mute` opens the tunnel and lets nothing through. */
export type Mood = "good" | "silent" | "mute" | { readonly refuses: number }

export interface Asked {
  readonly method: string
  /** `host:port`, or a whole URL. */
  readonly target: string
  readonly authorization: string
}

export interface ConnectProxy {
  readonly port: number
  /** Without user and password. */
  readonly url: string
  readonly log: ReadonlyArray<Asked>
  readonly be: (mood: Mood) => void
  readonly stop: () => Promise<void>
}

export interface ConnectProxyOptions {
  /** `user:password` that it wants. */
  readonly login?: string
}

const piped = (a: Socket, b: Socket): void => {
  a.pipe(b).pipe(a)
  a.on("close", () => b.destroy()).on("error", () => b.destroy())
  b.on("close", () => a.destroy()).on("error", () => a.destroy())
}

export const startConnectProxy = async ({
  login,
}: ConnectProxyOptions = {}): Promise<ConnectProxy> => {
  const log: Asked[] = []
  const sockets = new Set<Socket>()
  let mood: Mood = "good"
  const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`

  /** Noted; the status of a refusal, or nothing. */
  const note = ({ method = "", url = "", headers }: IncomingMessage): number | undefined => {
    const authorization = headers["proxy-authorization"] ?? ""
    log.push({ method, target: url, authorization })
    if (typeof mood === "object") return mood.refuses
    return wanted === undefined || wanted === authorization ? undefined : 407
  }

  const server = createServer((request, response) => {
    const status = note(request)
    if (mood === "silent") return
    if (status !== undefined) {
      response.writeHead(status, { "proxy-authenticate": 'Basic realm="proxy"' }).end("no")
      return
    }
    const url = new URL(request.url ?? "")
    const { method, headers } = request
    const path = url.pathname + url.search
    const on = send({ host: "127.0.0.1", port: url.port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    on.on("error", () => response.writeHead(502).end())
    request.pipe(on)
  })
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {}).on("close", () => sockets.delete(socket))
  })
  server.on("connect", (request: IncomingMessage, socket: Socket) => {
    const status = note(request)
    if (mood === "silent") return
    if (status !== undefined) {
      const wants = status === 407 ? 'Proxy-Authenticate: Basic realm="proxy"\r\n' : ""
      socket.end(`HTTP/1.1 ${status} No\r\n${wants}Connection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    const opened = "HTTP/1.1 200 Connection established\r\n\r\n"
    if (mood === "mute") {
      socket.write(opened)
      return
    }
    const target = connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
      socket.write(opened)
      piped(socket, target)
    })
    target.on("error", () => socket.destroy())
  })
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  )
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    log,
    be: (next) => {
      mood = next
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
