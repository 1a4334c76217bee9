// Between a controller and the API server: sees each request whole, and can end the world between any two.
import { mkdtemp, rm } from "node:fs/promises"
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import { createServer, type Server } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Agent, type Dispatcher, request } from "undici"
import { createAuthority, issueCertificate } from "../cluster/certificates.ts"

export interface Passing {
  readonly method: string
  /** With query. */
  readonly path: string
  /** 0 while there is no answer. */
  status: number
}

/** `before`: the n-th request is not forwarded; `after`: it was answered, and the answer is not passed on. */
export interface Point {
  readonly at: number
  readonly when: "before" | "after"
}

interface Armed extends Point {
  readonly strike: () => Promise<void>
  seen: number
}

const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "content-length", "host"]

const forwarded = (headers: IncomingHttpHeaders): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || HOP_BY_HOP.includes(name) ? [] : [[name, value]],
    ),
  )

const wholeBody = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const isWatch = (path: string): boolean => /[?&]watch=(?:1|true)/.test(path)

export class ApiProxy {
  readonly ca: string
  /** Every request but watches, in the order of arrival. */
  readonly passed: Passing[] = []
  /** Resolves when the armed point was reached and whoever it strikes is dead. */
  struck: Promise<void> = new Promise(() => undefined)
  hasStruck = false
  readonly #folder: string
  readonly #server: Server
  readonly #upstream: Agent
  readonly #target: string
  #armed: Armed | undefined
  #onStruck: () => void = () => undefined
  #isMute = false
  #busy = 0

  private constructor(
    target: string,
    how: { folder: string; ca: string; server: Server; upstream: Agent },
  ) {
    this.#target = target
    this.#folder = how.folder
    this.ca = how.ca
    this.#server = how.server
    this.#upstream = how.upstream
  }

  static async open(target: { readonly server: string; readonly ca: string }): Promise<ApiProxy> {
    const folder = await mkdtemp(join(tmpdir(), "nopea-proxy-"))
    const authority = await createAuthority(folder, "nopea-test-proxy-ca")
    const subject = { file: "server", commonName: "proxy", names: ["IP:127.0.0.1"] }
    const { cert, key } = await issueCertificate(folder, { ...subject, usage: "serverAuth" })
    const upstream = new Agent({ connect: { ca: target.ca }, headersTimeout: 0, bodyTimeout: 0 })
    const server = createServer({ cert, key })
    const proxy = new ApiProxy(target.server, { folder, ca: authority.cert, server, upstream })
    server.on("request", (asked, answer) => {
      proxy.#serve(asked, answer).catch(() => answer.destroy())
    })
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
    return proxy
  }

  get server(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Requests that the API server has not answered yet, other than watches. */
  get busy(): number {
    return this.#busy
  }

  /** Counts from now on; from the strike on nothing passes until `disarm`. */
  arm(point: Point, strike: () => Promise<void>): void {
    this.hasStruck = false
    this.passed.length = 0
    this.#armed = { ...point, strike, seen: 0 }
    this.struck = new Promise((resolve) => {
      this.#onStruck = resolve
    })
  }

  disarm(): void {
    this.#armed = undefined
  }

  /** A partition: connections stay open, nothing passes, in either direction, until `mend`. */
  cut(): void {
    this.#isMute = true
  }

  /** What was held back is lost, never delivered late. */
  mend(): void {
    this.#isMute = false
    this.#server.closeAllConnections()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()))
    this.#server.closeAllConnections()
    await this.#upstream.destroy()
    await closed
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** False: this request, or its answer, goes no further. */
  async #mayPass(when: Point["when"], number: number): Promise<boolean> {
    if (this.#isMute || this.hasStruck) return false
    const armed = this.#armed
    if (armed === undefined || armed.when !== when || armed.at !== number) return true
    this.hasStruck = true
    await armed.strike()
    this.#onStruck()
    return false
  }

  async #serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/" } = asked
    const body = await wholeBody(asked)
    if (isWatch(path)) return this.#stream(asked, answer, body)
    const entry: Passing = { method, path, status: 0 }
    const number = this.#armed === undefined ? 0 : ++this.#armed.seen
    this.passed.push(entry)
    if (!(await this.#mayPass("before", number))) return
    this.#busy += 1
    try {
      const { statusCode, headers, body: stream } = await this.#forward(asked, body)
      const whole = Buffer.from(await stream.arrayBuffer())
      entry.status = statusCode
      if (!(await this.#mayPass("after", number))) return
      answer.writeHead(statusCode, forwarded(headers as IncomingHttpHeaders))
      answer.end(whole)
    } finally {
      this.#busy -= 1
    }
  }

  #forward(asked: IncomingMessage, body: Buffer): Promise<Dispatcher.ResponseData> {
    return request(`${this.#target}${asked.url}`, {
      method: asked.method as "GET",
      headers: forwarded(asked.headers),
      dispatcher: this.#upstream,
      ...(body.length === 0 ? {} : { body }),
    })
  }

  async #stream(asked: IncomingMessage, answer: ServerResponse, body: Buffer): Promise<void> {
    if (this.#isMute || this.hasStruck) return
    const { statusCode, headers, body: stream } = await this.#forward(asked, body)
    answer.on("close", () => stream.destroy())
    stream.on("error", () => answer.destroy())
    answer.writeHead(statusCode, forwarded(headers as IncomingHttpHeaders))
    answer.flushHeaders()
    for await (const chunk of stream) {
      // A chunk of a mute proxy is lost, and with it the stream's sense: the connection ends with `mend`.
      if (!this.#isMute) answer.write(chunk)
    }
    answer.end()
  }
}
