// `git http-backend` as a CGI program: one process per request.
import { type ChildProcess, spawn } from "node:child_process"
import type { IncomingMessage } from "node:http"
import { gitEnvironment } from "./RunGit.ts"

export interface CgiRequest {
  readonly root: string
  readonly method: string
  /** Path below the root. */
  readonly path: string
  readonly query: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
  readonly user: string
  /** The client's Git-Protocol header, or "" to answer in protocol 0. */
  readonly protocol: string
  /** git's configuration for this request. */
  readonly config: ReadonlyArray<readonly [string, string]>
}

export interface CgiHead {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
}

const environment = (request: CgiRequest): NodeJS.ProcessEnv =>
  gitEnvironment({
    GIT_PROJECT_ROOT: request.root,
    GIT_HTTP_EXPORT_ALL: "1",
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_PROTOCOL: "HTTP/1.1",
    REQUEST_METHOD: request.method,
    PATH_INFO: request.path,
    QUERY_STRING: request.query,
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    CONTENT_LENGTH: request.method === "POST" ? String(request.body.length) : "",
    HTTP_CONTENT_ENCODING: String(request.headers["content-encoding"] ?? ""),
    REMOTE_ADDR: "127.0.0.1",
    // http-backend accepts pushes only of a user with a name.
    REMOTE_USER: request.user === "" ? "anonymous" : request.user,
    GIT_CONFIG_COUNT: String(request.config.length),
    ...Object.fromEntries(
      request.config.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
    ...(request.protocol === "" ? {} : { GIT_PROTOCOL: request.protocol }),
  })

const headOf = (text: string): CgiHead => {
  const headers = text
    .split(/\r?\n/)
    .map((line): readonly [string, string] => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
    })
    .filter(([name]) => name !== "")
  const status = headers.find(([name]) => name.toLowerCase() === "status")?.[1]
  return {
    status: status === undefined ? 200 : Number.parseInt(status, 10),
    headers: headers.filter(([name]) => name.toLowerCase() !== "status"),
  }
}

/** The index just behind the blank line, or -1 while it has not come. */
const endOfHead = (text: Buffer): number => {
  const ends = ["\r\n\r\n", "\n\n"].map((mark) => [text.indexOf(mark), mark.length] as const)
  const found = ends.filter(([at]) => at >= 0).map(([at, length]) => at + length)
  return found.length === 0 ? -1 : Math.min(...found)
}

export interface CgiSink {
  readonly head: (head: CgiHead) => void
  /** A part of the body; false asks for a pause until `resume`. */
  readonly body: (chunk: Buffer) => boolean
  readonly end: (code: number, stderr: string) => void
}

/** Runs one request; the caller kills the child when nobody waits for the answer any more. */
export const runCgi = (request: CgiRequest, sink: CgiSink): ChildProcess => {
  const child = spawn("git", ["http-backend"], { env: environment(request), stdio: "pipe" })
  let pending: Buffer | undefined = Buffer.alloc(0)
  const stderr: string[] = []
  const pass = (chunk: Buffer) => {
    if (chunk.length > 0 && !sink.body(chunk)) child.stdout.pause()
  }
  child.stdout.on("data", (chunk: Buffer) => {
    if (pending === undefined) return pass(chunk)
    pending = Buffer.concat([pending, chunk])
    const end = endOfHead(pending)
    if (end < 0) return
    sink.head(headOf(pending.subarray(0, end).toString("latin1")))
    const rest = pending.subarray(end)
    pending = undefined
    pass(rest)
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text))
  child.stdin.on("error", () => undefined)
  child.stdin.end(request.body)
  let ended = false
  const end = (code: number) => {
    if (ended) return
    ended = true
    sink.end(code, stderr.join(""))
  }
  child.once("error", (cause) => {
    stderr.push(String(cause))
    end(127)
  })
  child.once("close", (code) => end(code ?? 1))
  return child
}
