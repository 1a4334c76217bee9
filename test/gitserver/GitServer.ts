// A real Git server for tests: `git http-backend` behind Node's HTTP(S) server on 127.0.0.1, with
// authentication, a request log and failures that can be switched at run time.
import { mkdtempSync, rmSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createAuthority, issueCertificate } from "../cluster/certificates.ts"
import { answer } from "./answer.ts"
import type { Step } from "./failures.ts"
import { GitRepo, initBare } from "./GitRepo.ts"

/** How one repository is served. */
export interface Serving {
  /** Whether partial clones are allowed; default true. */
  readonly filters: boolean
  /** Whether objects may be wanted by id: `any`, `reachable` or only `tips`; default `any`. */
  readonly wants: "any" | "reachable" | "tips"
  /** 2 (default); 0 ignores the client's wish for 2; `dumb` serves plain files only. */
  readonly protocol: 0 | 2 | "dumb"
}

export interface GitServerOptions {
  /** Basic authentication: passwords by user name. With no user and no token everybody is let in. */
  readonly users?: Readonly<Record<string, string>>
  /** Bearer tokens. */
  readonly tokens?: readonly string[]
  /** HTTPS with an authority of its own. */
  readonly tls?: boolean
  /** How repositories are served unless they say otherwise. */
  readonly serving?: Partial<Serving>
}

/** One request; the later fields fill in as it goes on. */
export interface LoggedRequest {
  readonly repo: string
  readonly method: string
  readonly path: string
  readonly query: string
  readonly service: string
  readonly step: Step | "other"
  /** Protocol 2's command: `ls-refs` or `fetch`; otherwise "". */
  command: string
  /** The client's Git-Protocol header. */
  readonly protocol: string
  readonly authorization: "none" | "basic" | "bearer" | "other"
  /** The user who was let in. */
  user: string
  readonly userAgent: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** 0 while there is no answer. */
  status: number
  bytesReceived: number
  /** Bytes of the answer's body. */
  bytesSent: number
  /** `aborted`: the client, or a failure of ours, cut the connection. */
  state: "open" | "finished" | "aborted"
  durationMs: number
}

export interface GitServer {
  /** `http://127.0.0.1:1234`, without a slash. */
  readonly url: string
  readonly port: number
  /** The authority's certificate (PEM, and as a file) when TLS is on. */
  readonly ca?: string
  readonly caFile?: string
  /** Every request so far, oldest first. */
  readonly log: readonly LoggedRequest[]
  readonly clearLog: () => void
  /** The first request, already logged or still to come, that matches. */
  readonly waitForRequest: (
    matches: (request: LoggedRequest) => boolean,
    limitMs?: number,
  ) => Promise<LoggedRequest>
  /** An empty repository; the name may have slashes (`org/app`). */
  readonly createRepo: (name: string, serving?: Partial<Serving>) => Promise<GitRepo>
  /** Closes every connection, ends every child and removes the repositories. */
  readonly stop: () => Promise<void>
}

const stepOf = (path: string): LoggedRequest["step"] =>
  path.endsWith("/info/refs")
    ? "advertisement"
    : /\/git-(upload|receive)-pack$/.test(path)
      ? "rpc"
      : "other"

const schemeOf = (header: string | undefined): LoggedRequest["authorization"] => {
  const scheme = header?.split(" ", 1)[0]?.toLowerCase()
  if (scheme === undefined) return "none"
  return scheme === "basic" || scheme === "bearer" ? scheme : "other"
}

const repoName = (path: string): string => /^\/(.+?)\.git(?:\/|$)/.exec(path)?.[1] ?? ""

const logged = (request: IncomingMessage, url: URL): LoggedRequest => ({
  repo: repoName(url.pathname),
  method: request.method ?? "",
  path: url.pathname,
  query: url.search.slice(1),
  service: url.searchParams.get("service") ?? /git-[a-z]+-pack$/.exec(url.pathname)?.[0] ?? "",
  step: stepOf(url.pathname),
  command: "",
  protocol: String(request.headers["git-protocol"] ?? ""),
  authorization: schemeOf(request.headers.authorization),
  user: "",
  userAgent: request.headers["user-agent"] ?? "",
  at: Date.now(),
  status: 0,
  bytesReceived: 0,
  bytesSent: 0,
  state: "open",
  durationMs: 0,
})

/** The user that the credentials name, or undefined when they let nobody in. */
const userOf = (header: string | undefined, options: GitServerOptions): string | undefined => {
  const { users = {}, tokens = [] } = options
  if (Object.keys(users).length === 0 && tokens.length === 0) return ""
  const [scheme = "", credentials = ""] = (header ?? "").split(" ")
  if (scheme.toLowerCase() === "bearer") return tokens.includes(credentials) ? "token" : undefined
  const [name = "", ...password] = Buffer.from(credentials, "base64").toString().split(":")
  return Object.hasOwn(users, name) && users[name] === password.join(":") ? name : undefined
}

const challenges = (options: GitServerOptions): string[] => [
  ...(options.users === undefined ? [] : ['Basic realm="nopea-test"']),
  ...(options.tokens === undefined ? [] : ['Bearer realm="nopea-test"']),
]

/** Follows one answer to its end, for the log. */
const follow = (entry: LoggedRequest, response: ServerResponse, requests: RequestLog): void => {
  response.once("close", () => {
    entry.state = response.writableFinished ? "finished" : "aborted"
    entry.durationMs = Date.now() - entry.at
    requests.changed(entry)
  })
}

interface Waiter {
  readonly matches: (request: LoggedRequest) => boolean
  readonly found: (request: LoggedRequest) => void
}

/** The requests so far, and those who wait for one. */
class RequestLog {
  entries: LoggedRequest[] = []
  #waiters = new Set<Waiter>()

  add(entry: LoggedRequest): void {
    this.entries.push(entry)
    this.changed(entry)
  }

  changed(entry: LoggedRequest): void {
    for (const waiter of this.#waiters) if (waiter.matches(entry)) waiter.found(entry)
  }

  wait(matches: Waiter["matches"], limitMs = 10_000): Promise<LoggedRequest> {
    const known = this.entries.find(matches)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        matches,
        found: (entry) => {
          clearTimeout(limit)
          this.#waiters.delete(waiter)
          resolve(entry)
        },
      }
      const limit = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new Error(`no such request reached the Git server within ${limitMs} ms`))
      }, limitMs)
      this.#waiters.add(waiter)
    })
  }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  })

const openServer = async (folder: string, tls: boolean) => {
  if (!tls) return { server: createServer() }
  const pki = join(folder, "pki")
  await mkdir(pki)
  const authority = await createAuthority(pki, "nopea-test-git-ca")
  const names = ["IP:127.0.0.1", "DNS:localhost", "DNS:git.nopea.test"]
  const pair = await issueCertificate(pki, {
    file: "server",
    commonName: "git",
    names,
    usage: "serverAuth",
  })
  const server: Server = createTlsServer({ cert: pair.cert, key: pair.key })
  return { server, ca: authority.cert, caFile: authority.certFile }
}

const defaults: Serving = { filters: true, wants: "any", protocol: 2 }

/** Starts a server with no repositories. */
export const startGitServer = async (options: GitServerOptions = {}): Promise<GitServer> => {
  const folder = mkdtempSync(join(tmpdir(), `nopea-git-${process.pid}-`))
  const root = join(folder, "repos")
  await mkdir(root)
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.once("exit", remove)
  const { server, ...authority } = await openServer(folder, options.tls === true)
  const repos = new Map<string, GitRepo>()
  const requests = new RequestLog()

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1")
    const entry = logged(request, url)
    follow(entry, response, requests)
    requests.add(entry)
    const repo = repos.get(entry.repo)
    const user = userOf(request.headers.authorization, options)
    await answer({
      request,
      response,
      entry,
      root,
      repo,
      user,
      challenges: challenges(options),
      failure: repo?.nextFailure(entry.step),
      changed: () => requests.changed(entry),
    })
  }
  server.on("request", (request, response) => {
    serve(request, response).catch((cause) => response.destroy(cause))
  })
  const port = await listen(server)
  const url = `${options.tls === true ? "https" : "http"}://127.0.0.1:${port}`

  return {
    url,
    port,
    ...authority,
    get log() {
      return requests.entries
    },
    clearLog: () => {
      requests.entries = []
    },
    waitForRequest: (matches, limitMs) => requests.wait(matches, limitMs),
    createRepo: async (name, serving) => {
      const path = join(root, `${name}.git`)
      await mkdir(dirname(path), { recursive: true })
      await initBare(path)
      const all = { ...defaults, ...options.serving, ...serving }
      const repo = new GitRepo({ name, path, url: `${url}/${name}.git`, serving: all })
      if (all.protocol === "dumb") await repo.git(["update-server-info"])
      repos.set(name, repo)
      return repo
    },
    stop: async () => {
      process.off("exit", remove)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
      remove()
    },
  }
}
