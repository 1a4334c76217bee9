/** Requests in their turn: the fair budget, identity, deadline, 401 and 429; answers as JSON or as a stream. */
import type { Readable } from "node:stream"
import { Clock, Effect, type Scope } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { type Budget, type BudgetOptions, makeBudget } from "./Budget.ts"
import {
  type ConnectionOptions,
  exchange,
  isSuccess,
  makeWire,
  open,
  type Raw,
  type Request,
  type Wire,
} from "./Connections.ts"
import type { Identity } from "./credential.ts"
import type { Access } from "./KubeAuth.ts"
import { refused, retryAfterOf } from "./response.ts"
import type { Asked } from "./status.ts"
import { garbage, late, wasCut } from "./unanswered.ts"

export interface TransportOptions extends BudgetOptions, ConnectionOptions {
  /** Milliseconds until a sent request is given up; default 30,000. */
  readonly deadline?: number
  /** Told of every answer, also of one that is tried again; status 0: none came. */
  readonly answered?: (verb: string, status: number) => void
}

export interface Answer {
  readonly status: number
  readonly json: unknown
}

export interface Transport {
  /** One request in its turn; every answer but 2xx and JSON is a failure. */
  readonly send: (request: Request) => Effect.Effect<Answer, KubeError>
  /** An answer that is read as it comes; closed with the scope. Outside the budget. */
  readonly open: (request: Request) => Effect.Effect<Readable, KubeError, Scope.Scope>
}

interface Parts extends Wire {
  readonly access: Access
  readonly budget: Budget
  readonly deadline: number
  readonly answered: (verb: string, status: number) => void
}

const bounded = <A>(
  { deadline }: Parts,
  { asked }: Request,
  effect: Effect.Effect<A, KubeError>,
): Effect.Effect<A, KubeError> =>
  Effect.timeoutOrElse(effect, {
    duration: deadline,
    orElse: () => Effect.fail(late(asked, deadline)),
  })

/** Once more with new credentials where the server does not accept the ones in use. */
const identified = <A extends { readonly status: number }>(
  { access }: Parts,
  use: (identity: Identity) => Effect.Effect<A, KubeError>,
): Effect.Effect<A, KubeError> =>
  Effect.flatMap(access.identity(), (identity) =>
    Effect.flatMap(use(identity), (answer) =>
      answer.status === 401
        ? Effect.flatMap(access.identity(identity), use)
        : Effect.succeed(answer),
    ),
  )

const refusal = (asked: Asked, raw: Raw): Effect.Effect<never, KubeError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.fail(refused(asked, { ...raw, retryAfter: retryAfterOf(raw.retryAfter, now) })),
  )

const answerOf = (asked: Asked, raw: Raw): Effect.Effect<Answer, KubeError> => {
  if (!isSuccess(raw.status)) return refusal(asked, raw)
  try {
    return Effect.succeed({ status: raw.status, json: JSON.parse(raw.body) })
  } catch {
    return Effect.fail(garbage(asked, "the answer is not JSON"))
  }
}

/** Right where it came, or did not: a watch that opens is one answer. */
const counted =
  ({ answered }: Parts, { operation }: Asked) =>
  <A extends { readonly status: number }>(
    answer: Effect.Effect<A, KubeError>,
  ): Effect.Effect<A, KubeError> =>
    answer.pipe(
      Effect.tap(({ status }) => Effect.sync(() => answered(operation, status))),
      Effect.tapError(() => Effect.sync(() => answered(operation, 0))),
    )

/** The identity is asked for in the turn: one that waited may belong to connections that were closed since. */
const attempt = (parts: Parts, request: Request): Effect.Effect<Answer, KubeError> => {
  const { asked, caller } = request
  const inTurn = identified(parts, (identity) =>
    bounded(parts, request, exchange(parts, request, identity)),
  ).pipe(counted(parts, asked))
  return Effect.flatMap(parts.budget.run(asked, caller.budget, inTurn), (raw) =>
    answerOf(asked, raw),
  )
}

const LONGEST_PAUSE = 30_000
const TRIES = 4

/** 429 was not processed, a cut read had no effect: both may be sent again; the budget makes 429 wait. */
const send = (parts: Parts, request: Request, tries = TRIES): Effect.Effect<Answer, KubeError> =>
  Effect.catch(
    attempt(parts, request),
    Effect.fnUntraced(function* (error) {
      const pause = error.retryAfter ?? 1_000
      if (error.status === 429) yield* parts.budget.slowDown(Math.min(pause, LONGEST_PAUSE))
      const isRefused = error.status === 429 && pause <= LONGEST_PAUSE
      const isCut = wasCut(error) && request.method === "GET"
      if (tries <= 1 || !(isRefused || isCut)) return yield* error
      if (isCut) yield* Effect.sleep(100 * 2 ** (TRIES - tries))
      return yield* send(parts, request, tries - 1)
    }),
  )

const openStream = Effect.fnUntraced(function* (parts: Parts, request: Request) {
  const { signal } = yield* Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (life) => Effect.sync(() => life.abort()),
  )
  const opened = yield* identified(parts, (identity) =>
    bounded(parts, request, open(parts, request, { identity, signal })),
  ).pipe(counted(parts, request.asked))
  return isSuccess(opened.status) ? opened.stream : yield* refusal(request.asked, opened)
})

export const makeTransport = (
  access: Access,
  options: TransportOptions,
): Effect.Effect<Transport, never, Scope.Scope> =>
  Effect.gen(function* () {
    const parts: Parts = {
      ...(yield* makeWire(access, options)),
      access,
      budget: yield* makeBudget(options),
      deadline: options.deadline ?? 30_000,
      answered: options.answered ?? (() => {}),
    }
    return {
      send: (request) =>
        Effect.withSpan(send(parts, request), `Kube.${request.asked.operation}`, {
          attributes: { subject: request.asked.subject, budget: request.caller.budget },
          captureStackTrace: false,
        }),
      open: (request) => openStream(parts, request),
    }
  })
