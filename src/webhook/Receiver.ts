/** One delivery from its headers to its answer: proof first, then the body, then the workers it concerns. */
import { Effect, Result } from "effect"
import type { GitRepository } from "../domain/repository.ts"
import type { Kube } from "../kube/Kube.ts"
import { Supervisor } from "../supervisor/Supervisor.ts"
import { type Answer, REFUSALS } from "./answer.ts"
import { makeDispatch } from "./Dispatch.ts"
import { type Delivery, deliveryOf, proofOf, provenPayload, softened, toldIn } from "./delivery.ts"
import { makeHookSecrets } from "./HookSecrets.ts"
import type { Secrets } from "./proof.ts"
import type { Headers } from "./providers.ts"
import { type Route, routeOf } from "./route.ts"

export interface Incoming {
  /** As it stands in the request line. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Headers
  /** Reads it, bounded in size and time; asked for only where it is needed. */
  readonly body: Effect.Effect<Uint8Array, Answer>
}

export type Receive = (incoming: Incoming) => Effect.Effect<Answer>

export interface ReceiverOptions {
  /** Of the providers' routes. */
  readonly webhookSecret: Secrets
}

/** Providers wait 5 to 10 s. What is not asked of the API server waits for its body only. */
const LIMIT = "10 seconds"
const NO_ROUTE: Answer = { status: 404, reason: "no such route" }

type Own = Extract<Route, { readonly kind: "repository" }>

const make = Effect.fnUntraced(function* ({ webhookSecret }: ReceiverOptions) {
  const supervisor = yield* Supervisor
  const hookSecrets = yield* makeHookSecrets
  const dispatch = makeDispatch(supervisor)

  const serve = (
    delivery: Delivery,
    payload: Uint8Array,
    repository?: GitRepository,
  ): Effect.Effect<Answer> => {
    const told = toldIn(delivery, payload)
    if (Result.isFailure(told)) return Effect.succeed(softened(told.failure, delivery))
    const answered = dispatch(delivery, told.success, repository)
    return Effect.map(answered, (answer) => softened(answer, delivery))
  }

  /** The body of who may send it. Whose headers were proof hears gently what is wrong with it. */
  const bodyOf = (
    { body }: Incoming,
    delivery: Delivery,
    isProven: boolean,
  ): Effect.Effect<Uint8Array, Answer> =>
    isProven ? Effect.mapError(body, (answer) => softened(answer, delivery)) : body

  /** Of few steps, none of them a generator: everybody may knock here. */
  const shared = (incoming: Incoming, route: Route): Effect.Effect<Answer, Answer> => {
    const found = deliveryOf(route, incoming.headers)
    if (Result.isFailure(found)) return Effect.fail(found.failure)
    const delivery = found.success
    const proof = proofOf(delivery, webhookSecret)
    if (Result.isFailure(proof)) return Effect.fail(proof.failure)
    return Effect.flatMap(bodyOf(incoming, delivery, proof.success), (body) =>
      Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const payload = provenPayload(delivery, webhookSecret, body, now)
        return Result.isFailure(payload)
          ? Effect.fail(payload.failure)
          : serve(delivery, payload.success)
      }),
    )
  }

  /** The one that this route names, if it is the only one. */
  const named = ({ namespace, name }: Own) =>
    Effect.map(supervisor.list, (all) => {
      const found = all.filter(
        ({ metadata }) =>
          metadata.name === name && (namespace === undefined || metadata.namespace === namespace),
      )
      return found.length === 1 ? found[0] : undefined
    })

  /** With secrets that are known, then with those that a new look brings. */
  const withOwn = Effect.fnUntraced(function* <A>(
    repository: GitRepository | undefined,
    proves: (secrets: Secrets) => Result.Result<A, Answer>,
  ) {
    if (repository === undefined) return yield* Effect.fromResult(proves([]))
    const known = yield* hookSecrets.of(repository, false)
    const first = proves(known)
    if (Result.isSuccess(first)) return first.success
    const renewed = yield* hookSecrets.of(repository, true)
    return yield* Effect.fromResult(renewed === known ? first : proves(renewed))
  })

  const own = Effect.fnUntraced(function* (incoming: Incoming, route: Own) {
    const repository = yield* named(route)
    const delivery = yield* Effect.fromResult(deliveryOf(route, incoming.headers))
    const isProven = yield* withOwn(repository, (secrets) => proofOf(delivery, secrets))
    const body = yield* bodyOf(incoming, delivery, isProven)
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const payload = yield* withOwn(repository, (secrets) =>
      provenPayload(delivery, secrets, body, now),
    )
    return yield* serve(delivery, payload, repository)
  })

  const boundedOwn = (incoming: Incoming, route: Own): Effect.Effect<Answer, Answer> =>
    Effect.timeoutOrElse(own(incoming, route), {
      duration: LIMIT,
      orElse: () => Effect.succeed<Answer>(REFUSALS.busy),
    })

  // No span: strangers could fill the collector, and one takes as long as the proof. A sync's trace begins with its sync.
  return (incoming: Incoming): Effect.Effect<Answer> => {
    const route = routeOf(incoming.path)
    if (route === undefined) return Effect.succeed(NO_ROUTE)
    const answered =
      route.kind === "provider" ? shared(incoming, route) : boundedOwn(incoming, route)
    return Effect.catch(answered, Effect.succeed)
  }
})

/** Knows what came before for as long as it lives: one term. */
export const makeReceiver: (
  options: ReceiverOptions,
) => Effect.Effect<Receive, never, Supervisor | Kube> = make
