// Somebody who sends as many deliveries as are answered, from a thread whose event loop is nobody else's.
import { Worker } from "node:worker_threads"
import type { Built } from "./deliveries.ts"

/** One request, again and again. */
export interface Post {
  /** Request line and headers, each line with its end. */
  readonly head: string
  readonly body: Uint8Array
  /** The header that holds another id each time; without it every delivery is a replay. */
  readonly idHeader?: string
}

export interface Order {
  readonly port: number
  /** Taken in turn. */
  readonly posts: ReadonlyArray<Post>
  /** Connections, each with one request at a time. */
  readonly lanes: number
  /** Requests in all. */
  readonly count: number
  /** Milliseconds that a connection rests between two requests. */
  readonly everyMs?: number
  /** Begins the ids. */
  readonly name: string
}

export interface Sent {
  /** How many answers of which HTTP status; 0: the connection was cut without one. */
  readonly statuses: Readonly<Record<string, number>>
  readonly seconds: number
  /** Milliseconds from sending to the whole answer. */
  readonly median: number
  readonly p99: number
  readonly max: number
}

export interface Sender {
  readonly done: Promise<Sent>
  /** Sends no more; answers what was sent. */
  readonly stop: () => Promise<Sent>
}

export const postOf = (
  path: string,
  { headers, body }: Built,
  idHeader?: "x-github-delivery",
): Post => {
  const own = Object.entries(headers).filter(([name]) => name !== idHeader)
  const all = [["host", "nopea.example"], ["content-length", String(body.length)], ...own]
  const head = `POST ${path} HTTP/1.1\r\n${all.map((one) => `${one.join(": ")}\r\n`).join("")}`
  return { head, body, ...(idHeader === undefined ? {} : { idHeader }) }
}

export const startSender = (order: Order): Sender => {
  const thread = new Worker(new URL("./senderThread.ts", import.meta.url), { workerData: order })
  const done = new Promise<Sent>((resolve, reject) => {
    thread.once("message", resolve)
    thread.once("error", reject)
  })
  done.catch(() => undefined)
  return {
    done,
    stop: () => {
      thread.postMessage("stop")
      return done
    },
  }
}

export const sendAll = (order: Order): Promise<Sent> => startSender(order).done
