// A way to the API server that can be cut: bytes pass, or nothing does.
import { connect, createServer, type Server, type Socket } from "node:net"

export class Gateway {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #isCut = false

  constructor(target: string) {
    const { hostname, port } = new URL(target)
    this.#server = createServer((client) => {
      if (this.#isCut) return void client.destroy()
      const upstream = connect(Number(port), hostname)
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(one)
        one.on("error", () => other.destroy())
        one.on("close", () => {
          this.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
  }

  async open(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done))
    const address = this.#server.address()
    return `https://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise<void>((done) => this.#server.close(() => done()))
  }
}
