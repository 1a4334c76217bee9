// The thread of `Sender.ts`: raw requests on a few connections, each as soon as the one before it is answered.
import { connect, type Socket } from "node:net"
import { performance } from "node:perf_hooks"
import { setTimeout as pause } from "node:timers/promises"
import { parentPort, workerData } from "node:worker_threads"
import type { Order, Post, Sent } from "./Sender.ts"

/** A connection, opened anew where the server closed it. */
class Line {
  readonly #port: number
  #socket: Socket | undefined
  #text = ""
  #answered: (status: number) => void = () => {}

  constructor(port: number) {
    this.#port = port
  }

  /** The status of the answer; 0: there was none. */
  ask(head: string, body: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      this.#answered = resolve
      const socket = this.#socket ?? this.#open()
      socket.cork()
      socket.write(head, "latin1")
      socket.write(body)
      socket.uncork()
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #open(): Socket {
    const socket = connect(this.#port, "127.0.0.1").setNoDelay(true)
    socket.on("data", (chunk) => this.#read(chunk.toString("latin1")))
    socket.on("error", () => {})
    socket.on("close", () => {
      if (this.#socket === socket) this.#end(0)
    })
    this.#socket = socket
    return socket
  }

  #read(text: string): void {
    this.#text += text
    const end = this.#text.indexOf("\r\n\r\n")
    if (end < 0) return
    const head = this.#text.slice(0, end).toLowerCase()
    const length = Number(/\ncontent-length: (\d+)/u.exec(head)?.[1] ?? 0)
    if (this.#text.length < end + 4 + length) return
    this.#end(Number(head.slice(9, 12)), head.includes("\nconnection: close"))
  }

  #end(status: number, isLast = status === 0): void {
    this.#text = ""
    if (isLast) this.close()
    this.#answered(status)
  }
}

const { port, posts, lanes, count, everyMs, name }: Order = workerData
const took: number[] = []
const statuses: Record<string, number> = {}
let sent = 0
let isStopped = false
parentPort?.on("message", () => {
  isStopped = true
})

const deliver = async (line: Line): Promise<void> => {
  const nth = sent++
  const { head, body, idHeader } = posts[nth % posts.length] as Post
  const id = idHeader === undefined ? "" : `${idHeader}: ${name}-${nth}\r\n`
  const start = performance.now()
  const status = await line.ask(`${head}${id}\r\n`, body)
  took.push(performance.now() - start)
  statuses[status] = (statuses[status] ?? 0) + 1
}

const work = async (): Promise<void> => {
  const line = new Line(port)
  while (sent < count && !isStopped) {
    await deliver(line)
    if (everyMs !== undefined) await pause(everyMs)
  }
  line.close()
}

const start = performance.now()
await Promise.all(Array.from({ length: lanes }, work))
const seconds = (performance.now() - start) / 1000
const sorted = took.toSorted((a, b) => a - b)
const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
const answer: Sent = { statuses, seconds, median: at(0.5), p99: at(0.99), max: at(1 - 1e-9) }
parentPort?.postMessage(answer)
parentPort?.close()
