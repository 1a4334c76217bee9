// One answer of the test Git server: who is let in, which failure is played, else git http-backend.
import type { IncomingMessage, ServerResponse } from "node:http"
import { setTimeout as pause } from "node:timers/promises"
import { gunzipSync } from "node:zlib"
import type { Failure } from "./failures.ts"
import type { GitRepo } from "./GitRepo.ts"
import type { LoggedRequest } from "./GitServer.ts"
import { runCgi } from "./HttpBackend.ts"

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly entry: LoggedRequest
  readonly root: string
  readonly repo: GitRepo | undefined
  /** Undefined: the credentials let nobody in. */
  readonly user: string | undefined
  readonly challenges: readonly string[]
  readonly failure: Failure | undefined
  /** Tells those who wait for a request that its log entry changed. */
  readonly changed: () => void
}

const bodyLimit = 256 * 1024 * 1024

const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) throw new Error("the request is too large")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const commandOf = (body: Buffer, encoding: string | undefined): string => {
  const text = encoding === "gzip" ? gunzipSync(body) : body
  return /^[0-9a-f]{4}command=([a-z-]+)/.exec(text.subarray(0, 64).toString("latin1"))?.[1] ?? ""
}

const reply = (
  { response, entry }: Exchange,
  code: number,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  body = "",
): void => {
  entry.status = code
  entry.bytesSent = Buffer.byteLength(body)
  response.writeHead(code, headers as Record<string, string | string[]>)
  response.end(body)
}

/** Plays a failure that needs no answer of git; true when it did. */
const isPlayed = (exchange: Exchange, failure: Failure): boolean => {
  const { entry } = exchange
  switch (failure.kind) {
    case "stall":
      return true
    case "status":
      reply(exchange, failure.code, failure.headers, failure.body)
      return true
    case "redirect": {
      const rest = entry.path.slice(`/${entry.repo}.git`.length)
      reply(exchange, 302, { location: `${failure.to}${rest}${entry.query && `?${entry.query}`}` })
      return true
    }
    case "garbage": {
      const type =
        entry.step === "rpc" ? `${entry.service}-result` : `${entry.service}-advertisement`
      reply(
        exchange,
        200,
        { "content-type": `application/x-${type}` },
        "no pkt-line\u0000\u00ff".repeat(50),
      )
      return true
    }
    default:
      return false
  }
}

/** What is done with the body's bytes: how many may pass, and what happens behind them. */
const limitOf = (
  failure: Failure | undefined,
): { readonly bytes: number; readonly after: string } => {
  if (failure?.kind === "stallAfter") return { bytes: failure.bytes, after: "stall" }
  if (failure?.kind === "truncate")
    return { bytes: failure.bytes, after: failure.clean === true ? "end" : "cut" }
  return { bytes: Number.POSITIVE_INFINITY, after: "end" }
}

const backend = async (exchange: Exchange, repo: GitRepo, body: Buffer): Promise<void> => {
  const { request, response, entry, root, user = "" } = exchange
  const isDumb = repo.serving.protocol === "dumb"
  const { bytes, after } = limitOf(exchange.failure)
  let isOver = false
  const finish = () => {
    isOver = true
    child.stdout?.resume()
    exchange.changed()
    if (after === "cut") response.destroy()
    else if (after === "end") response.end()
  }
  const child = runCgi(
    {
      root,
      method: entry.method,
      path: entry.path,
      query: isDumb ? "" : entry.query,
      headers: request.headers,
      body,
      user,
      protocol: repo.serving.protocol === 2 ? entry.protocol : "",
      config: repo.config,
    },
    {
      head: (head) => {
        entry.status = head.status
        exchange.changed()
        response.writeHead(head.status, Object.fromEntries(head.headers))
      },
      body: (chunk) => {
        if (isOver) return true
        const part = chunk.subarray(0, bytes - entry.bytesSent)
        entry.bytesSent += part.length
        const isFlowing = response.write(part)
        if (entry.bytesSent >= bytes) finish()
        return isFlowing || isOver
      },
      end: (code, stderr) => {
        if (isOver) return
        if (response.headersSent) response.end()
        else reply(exchange, 500, {}, `git http-backend ended with ${code}: ${stderr}`)
      },
    },
  )
  response.on("drain", () => child.stdout?.resume())
  response.once("close", () => child.kill("SIGKILL"))
}

/** Answers one request; a stalled one stays open until the client or the server gives up. */
export const answer = async (exchange: Exchange): Promise<void> => {
  const { request, response, entry, repo, failure } = exchange
  if (failure !== undefined && isPlayed(exchange, failure)) return
  const body = await readBody(request)
  entry.bytesReceived = body.length
  if (entry.protocol.includes("version=2"))
    entry.command = commandOf(body, request.headers["content-encoding"])
  if (failure?.kind === "slow") await pause(failure.ms, undefined, { ref: false })
  if (response.destroyed) return
  if (exchange.user === undefined)
    return reply(exchange, 401, { "www-authenticate": exchange.challenges })
  entry.user = exchange.user
  if (repo === undefined) return reply(exchange, 404, {}, "no such repository")
  if (repo.serving.protocol === "dumb" && entry.method === "POST") return reply(exchange, 403)
  await backend(exchange, repo, body)
}
