/** Connections to the API server, with the identity in force; one exchange, or an answer that is read as it comes. */
import type { Readable } from "node:stream"
import { Effect, Redacted, type Scope } from "effect"
import { type Dispatcher, Pool, ProxyAgent } from "undici"
import type { KubeError } from "../domain/errors.ts"
import { undiciUrl, type WebProxy } from "../domain/proxy.ts"
import type { Identity, Source, Tls } from "./credential.ts"
import type { Caller } from "./Kube.ts"
import type { Asked } from "./status.ts"
import { type Turnstile, turnstile } from "./Turnstile.ts"
import { broken, garbage, notLeading } from "./unanswered.ts"

export interface ConnectionOptions {
  /** Such as `nopea/1.2.3`. */
  readonly userAgent: string
  /** Largest answer in bytes; default 128 MiB. */
  readonly maxResponseBytes?: number
  /** Asked right before each write; default: always. */
  readonly mayWrite?: () => boolean
}

export interface Request {
  readonly asked: Asked
  readonly caller: Caller
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  /** With query. */
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string
}

/** An answer, whatever its status. */
export interface Raw {
  readonly status: number
  readonly body: string
  readonly retryAfter: unknown
}

/** What every request needs. */
export interface Wire extends Required<ConnectionOptions> {
  readonly origin: string
  readonly proxy: WebProxy | undefined
  readonly poolOf: (tls: Tls) => Dispatcher
  /** Path of the server's address: clusters behind a proxy have one. */
  readonly prefix: string
  readonly take: Turnstile
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** HTTP/1.1: one HTTP/2 connection applies at half the rate of many. Bounds and deadlines are ours, not undici's. */
const openPool = (
  origin: string,
  { key, ...rest }: Tls,
  proxy: WebProxy | undefined,
): Dispatcher => {
  const tls = { timeout: 10_000, ...rest, ...(key && { key: Redacted.value(key) }) }
  const limits = { allowH2: false, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 30_000 }
  if (proxy === undefined) return new Pool(origin, { ...limits, connect: tls })
  const uri = undiciUrl(proxy)
  return new ProxyAgent({ ...limits, uri, requestTls: tls, proxyTls: { timeout: 10_000 } })
}

/** The pool of the TLS settings in force; those of former ones end with their last request, or with the scope. */
const makePools = (
  origin: string,
  proxy: WebProxy | undefined,
): Effect.Effect<Wire["poolOf"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const alive = new Set<Dispatcher>()
    let open: { readonly tls: Tls; readonly pool: Dispatcher } | undefined
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => Promise.all([...alive].map((pool) => pool.destroy()))),
    )
    const retire = (pool: Dispatcher): void => {
      const forget = () => alive.delete(pool)
      pool.close().then(forget, forget)
    }
    return (tls) => {
      if (open?.tls === tls) return open.pool
      if (open !== undefined) retire(open.pool)
      open = { tls, pool: openPool(origin, tls, proxy) }
      alive.add(open.pool)
      return open.pool
    }
  })

const optionsOf = (
  wire: Wire,
  request: Request,
  identity: Identity,
): Dispatcher.DispatchOptions => {
  const { method, body, caller } = request
  const headers: Record<string, string> = {
    "user-agent": wire.userAgent,
    accept: request.accept ?? "application/json",
  }
  if (body !== undefined) headers["content-type"] = request.contentType ?? "application/json"
  if (identity.authorization) headers["authorization"] = Redacted.value(identity.authorization)
  // The API server adds a service account's groups by itself, so no right on groups is needed.
  if (caller.impersonate) headers["impersonate-user"] = caller.impersonate
  const { origin, prefix } = wire
  return { origin, method, path: prefix + request.path, headers, body: body ?? null }
}

const CANCELLED = new Error("the request was cancelled")

/**
 * Undici's handler instead of its `request`: less CPU, and an interruption has nothing to wait for.
 * `onRequestStart` comes right before the first byte: until then nothing was sent.
 */
export const exchange = (
  wire: Wire,
  request: Request,
  identity: Identity,
): Effect.Effect<Raw, KubeError> =>
  Effect.callback((resume) => {
    const { asked, method } = request
    const chunks: Array<Buffer> = []
    let size = 0
    let head = { status: 0, retryAfter: undefined as unknown }
    let connection: Dispatcher.DispatchController | undefined
    let isCancelled = false
    const cancel = (): void => {
      isCancelled = true
      connection?.abort(CANCELLED)
    }
    const refuse = (error: KubeError): void => {
      resume(Effect.fail(error))
      cancel()
    }
    wire.poolOf(identity.tls).dispatch(optionsOf(wire, request, identity), {
      onRequestStart: (controller) => {
        connection = controller
        if (isCancelled) cancel()
        else if (method !== "GET" && !wire.mayWrite()) refuse(notLeading(asked))
      },
      onResponseStart: (_, status, headers) => {
        head = { status, retryAfter: headers["retry-after"] }
      },
      onResponseData: (_, chunk) => {
        size += chunk.length
        if (size <= wire.maxResponseBytes) chunks.push(chunk)
        else refuse(garbage(asked, "the answer is larger than the configured bound"))
      },
      onResponseEnd: () =>
        wire.take(() =>
          resume(Effect.succeed({ ...head, body: Buffer.concat(chunks, size).toString("utf8") })),
        ),
      onResponseError: (_, error) => resume(Effect.fail(broken(asked, error, wire.proxy))),
    })
    return Effect.sync(cancel)
  })

/** Until its signal aborts; the stream is of use where the status is 2xx, else `body` is. */
export const open = (
  wire: Wire,
  request: Request,
  { identity, signal }: { readonly identity: Identity; readonly signal: AbortSignal },
): Effect.Effect<Raw & { readonly stream: Readable }, KubeError> =>
  Effect.tryPromise({
    try: async () => {
      const options = { ...optionsOf(wire, request, identity), signal }
      const { statusCode, headers, body } = await wire.poolOf(identity.tls).request(options)
      const said = isSuccess(statusCode) ? "" : await body.text()
      return { status: statusCode, body: said, retryAfter: headers["retry-after"], stream: body }
    },
    catch: (cause) => broken(request.asked, cause, wire.proxy),
  })

/** For a server's address; all connections end with the scope. */
export const makeWire = (
  { server, proxy }: Pick<Source, "server" | "proxy">,
  options: ConnectionOptions,
): Effect.Effect<Wire, never, Scope.Scope> => {
  const { maxResponseBytes = 128 * 2 ** 20, mayWrite = () => true, userAgent } = options
  const { origin, pathname } = new URL(server)
  const prefix = pathname.replace(/\/+$/u, "")
  const wire = { userAgent, maxResponseBytes, mayWrite, prefix, origin, proxy }
  return Effect.map(Effect.all([makePools(origin, proxy), turnstile]), ([poolOf, take]) => ({
    ...wire,
    poolOf,
    take,
  }))
}
