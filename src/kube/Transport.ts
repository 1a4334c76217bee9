/** Requests on the wire: connections, identity, deadline, the fair budget, 401 and 429; answers as text or as a stream. */
import type { Readable } from "node:stream"
import { Clock, Effect, Redacted, type Scope } from "effect"
import type { Dispatcher, Pool } from "undici"
import type { KubeError } from "../domain/errors.ts"
import { type Budget, type BudgetOptions, makeBudget } from "./Budget.ts"
import type { Identity, Tls } from "./credential.ts"
import type { Caller } from "./Kube.ts"
import type { Access } from "./KubeAuth.ts"
import { makePools, type PoolOptions, type Pools } from "./Pools.ts"
import { refused, retryAfterOf } from "./response.ts"
import type { Asked } from "./status.ts"
import { broken, late, notLeading, wasCut } from "./unanswered.ts"

export interface TransportOptions extends BudgetOptions, PoolOptions {
  /** Such as `nopea/1.2.3`. */
  readonly userAgent: string
  /** Milliseconds until a sent request is given up; default 30,000. */
  readonly deadline?: number
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

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface Transport {
  /** One request in its turn; every answer but 2xx is a failure. */
  readonly send: (request: Request) => Effect.Effect<Answer, KubeError>
  /** An answer that is read as it comes; closed with the scope. Outside the budget. */
  readonly open: (request: Request) => Effect.Effect<Readable, KubeError, Scope.Scope>
}

type Response = Dispatcher.ResponseData

const headersOf = (request: Request, identity: Identity, userAgent: string) => ({
  "user-agent": userAgent,
  accept: request.accept ?? "application/json",
  ...(request.body === undefined
    ? {}
    : { "content-type": request.contentType ?? "application/json" }),
  ...(identity.authorization && { authorization: Redacted.value(identity.authorization) }),
  // The API server adds a service account's groups by itself, so no right on groups is needed.
  ...(request.caller.impersonate && { "impersonate-user": request.caller.impersonate }),
})

/** Ends only when the connection is done with the request, also when interrupted. */
const settle = <A>(
  asked: Asked,
  run: (signal: AbortSignal) => Promise<A>,
): Effect.Effect<A, KubeError> =>
  Effect.callback<A, KubeError>((resume, signal) => {
    const settled = run(signal).then(
      (value) => resume(Effect.succeed(value)),
      (cause: unknown) => resume(Effect.fail(broken(asked, cause))),
    )
    return Effect.promise(() => settled)
  })

interface Raw extends Answer {
  readonly retryAfter: number | undefined
}

const readWhole = async (response: Response, now: number): Promise<Raw> => ({
  status: response.statusCode,
  body: await response.body.text(),
  retryAfter: retryAfterOf(response.headers["retry-after"], now),
})

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** What every request needs. */
interface Wire {
  readonly access: Access
  readonly budget: Budget
  readonly pools: (tls: Tls) => Pools
  /** Path of the server's address: clusters behind a proxy have one. */
  readonly prefix: string
  readonly userAgent: string
  readonly deadline: number
  readonly mayWrite: () => boolean
}

const start = (
  wire: Wire,
  use: { readonly pool: Pool; readonly identity: Identity; readonly signal: AbortSignal },
  request: Request,
): Promise<Response> =>
  use.pool.request({
    method: request.method,
    path: wire.prefix + request.path,
    headers: headersOf(request, use.identity, wire.userAgent),
    body: request.body ?? null,
    signal: use.signal,
  })

const bounded = <A>(
  wire: Wire,
  asked: Asked,
  run: (signal: AbortSignal) => Promise<A>,
): Effect.Effect<A, KubeError> =>
  Effect.timeoutOrElse(settle(asked, run), {
    duration: wire.deadline,
    orElse: () => Effect.fail(late(asked, wire.deadline)),
  })

const exchange = (
  wire: Wire,
  request: Request,
  identity: Identity,
): Effect.Effect<Raw, KubeError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (request.method !== "GET" && !wire.mayWrite()) return Effect.fail(notLeading(request.asked))
    const pool = wire.pools(identity.tls).requests
    const read = async (signal: AbortSignal) =>
      readWhole(await start(wire, { pool, identity, signal }, request), now)
    return bounded(wire, request.asked, read)
  })

/** Once more with new credentials where the server does not accept the ones in use. */
const identified = <A extends { readonly status: number }>(
  wire: Wire,
  use: (identity: Identity) => Effect.Effect<A, KubeError>,
): Effect.Effect<A, KubeError> =>
  Effect.gen(function* () {
    const identity = yield* wire.access.identity()
    const answer = yield* use(identity)
    return answer.status === 401 ? yield* use(yield* wire.access.identity(identity)) : answer
  })

const attempt = (wire: Wire, request: Request): Effect.Effect<Answer, KubeError> =>
  Effect.gen(function* () {
    const { asked, caller } = request
    // The identity is asked for in the turn: one that waited may belong to connections that were closed since.
    const inTurn = identified(wire, (identity) => exchange(wire, request, identity))
    const raw = yield* wire.budget.run(asked, caller.budget, inTurn)
    return isSuccess(raw.status) ? raw : yield* refused(asked, raw)
  })

const LONGEST_PAUSE = 30_000
const TRIES = 4

/** 429 was not processed, a cut read had no effect: both may be sent again; the budget makes 429 wait. */
const send = (wire: Wire, request: Request, tries = TRIES): Effect.Effect<Answer, KubeError> =>
  Effect.matchEffect(attempt(wire, request), {
    onSuccess: Effect.succeed,
    onFailure: (error) =>
      Effect.gen(function* () {
        const pause = error.retryAfter ?? 1_000
        if (error.status === 429) yield* wire.budget.slowDown(Math.min(pause, LONGEST_PAUSE))
        const isRefused = error.status === 429 && pause <= LONGEST_PAUSE
        const isCut = wasCut(error) && request.method === "GET"
        if (tries <= 1 || !(isRefused || isCut)) return yield* error
        if (isCut) yield* Effect.sleep(100 * 2 ** (TRIES - tries))
        return yield* send(wire, request, tries - 1)
      }),
  })

type Opened = Raw | { readonly status: number; readonly stream: Readable }

const open = (wire: Wire, request: Request): Effect.Effect<Readable, KubeError, Scope.Scope> =>
  Effect.gen(function* () {
    const life = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort()),
    )
    const begin =
      (identity: Identity) =>
      async (signal: AbortSignal): Promise<Opened> => {
        signal.addEventListener("abort", () => life.abort(), { once: true })
        const pool = wire.pools(identity.tls).watches
        const response = await start(wire, { pool, identity, signal: life.signal }, request)
        const status = response.statusCode
        return isSuccess(status) ? { status, stream: response.body } : readWhole(response, 0)
      }
    const opened = yield* identified<Opened>(wire, (identity) =>
      bounded(wire, request.asked, begin(identity)),
    )
    return "stream" in opened ? opened.stream : yield* refused(request.asked, opened)
  })

export const makeTransport = (
  access: Access,
  options: TransportOptions,
): Effect.Effect<Transport, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { deadline = 30_000, userAgent, mayWrite = () => true } = options
    const { origin, pathname } = new URL(access.server)
    const pools = yield* makePools(origin, options)
    const budget = yield* makeBudget(options)
    const prefix = pathname.replace(/\/+$/u, "")
    const wire: Wire = { access, budget, pools, prefix, userAgent, deadline, mayWrite }
    return {
      send: (request) =>
        Effect.withSpan(send(wire, request), `Kube.${request.asked.operation}`, {
          attributes: { subject: request.asked.subject, budget: request.caller.budget },
        }),
      open: (request) => open(wire, request),
    }
  })
