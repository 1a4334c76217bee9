/** One delivery from its headers to the workers it concerns: proof first, then the body, then a trigger each. */
import { Clock, Effect, Result } from "effect"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { traceOf } from "../domain/trace.ts"
import type { Kube } from "../kube/Kube.ts"
import { Supervisor } from "../supervisor/Supervisor.ts"
import { type Answer, gently, ignored, queued, REFUSALS } from "./answer.ts"
import { cloneKey } from "./cloneKey.ts"
import { payloadOf } from "./form.ts"
import { makeHookSecrets } from "./HookSecrets.ts"
import { matchPush } from "./match.ts"
import { makeMemory } from "./memory.ts"
import { type Offer, offersOf, provesByBody, provesByToken, type Secrets } from "./proof.ts"
import * as providers from "./providers.ts"
import { type Route, routeOf } from "./route.ts"

export interface Incoming {
  /** As it stands in the request line. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: providers.Headers
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
/** A stack is of no use where all come the same way, and takes longer than the proof. */
const SPAN = { kind: "server", captureStackTrace: false } as const

interface Delivery extends Incoming {
  readonly route: Route
  readonly name: providers.ProviderName
  readonly provider: providers.Provider
  readonly offers: ReadonlyArray<Offer>
  /** Whose own route this is. */
  readonly repository: GitRepository | undefined
}

type Own = Extract<Route, { readonly kind: "repository" }>

/** What is known of a repository as long as its spec is the same. */
interface Acquaintance {
  readonly place: string | undefined
  /** The last commit that the log told of. */
  told?: string
}

const refuse = (answer: Answer): Effect.Effect<never, Answer> => Effect.fail(answer)

/** One of its kind among all routes. */
const textOf = (route: Route): string =>
  route.kind === "provider" ? route.provider : `${route.namespace ?? ""}/${route.name}`

/** Who it claims to be, from headers alone. */
const deliveryOf = (
  incoming: Incoming,
  route: Route,
  repository: GitRepository | undefined,
): Result.Result<Delivery, Answer> => {
  const { headers } = incoming
  const name = route.kind === "provider" ? route.provider : providers.detect(headers)
  if (name === undefined) return Result.fail(REFUSALS.unproven)
  if (providers.isUnsignedPing(name, headers)) return Result.fail(ignored("a ping"))
  const provider: providers.Provider = providers.PROVIDERS[name]
  const offers = offersOf(provider, headers)
  if (offers.length === 0) return Result.fail(REFUSALS.unproven)
  return Result.succeed({ ...incoming, route, name, provider, offers, repository })
}

const parse = (bytes: Uint8Array): Result.Result<unknown, Answer> =>
  Result.try({
    try: () =>
      JSON.parse(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(),
      ) as unknown,
    catch: (): Answer => REFUSALS.malformed,
  })

const make = Effect.fnUntraced(function* ({ webhookSecret }: ReceiverOptions) {
  const supervisor = yield* Supervisor
  const hookSecrets = yield* makeHookSecrets
  const memory = makeMemory()
  const acquaintances = new WeakMap<GitRepository, Acquaintance>()

  const knownOf = (repository: GitRepository): Acquaintance => {
    const known = acquaintances.get(repository) ?? { place: cloneKey(repository.spec.url) }
    acquaintances.set(repository, known)
    return known
  }
  const placeOf = (repository: GitRepository): string | undefined => knownOf(repository).place

  /** The one that this route names, if it is the only one. */
  const named = Effect.fnUntraced(function* ({ namespace, name }: Own) {
    const found = (yield* supervisor.list).filter(
      ({ metadata }) =>
        metadata.name === name && (namespace === undefined || metadata.namespace === namespace),
    )
    return found.length === 1 ? found[0] : undefined
  })

  const secretsFor = (
    { repository }: Delivery,
    wasWrong: boolean,
  ): Effect.Effect<Secrets, Answer> =>
    repository === undefined ? Effect.succeed([]) : hookSecrets.of(repository, wasWrong)

  /** With secrets that are known, then with those that a new look brings. */
  const provenByOwn = Effect.fnUntraced(function* (
    delivery: Delivery,
    holds: (secrets: Secrets) => boolean,
  ) {
    const known = yield* secretsFor(delivery, false)
    if (holds(known)) return true
    const renewed = yield* secretsFor(delivery, true)
    return renewed !== known && holds(renewed)
  })

  const proven = (delivery: Delivery, holds: (secrets: Secrets) => boolean) =>
    delivery.route.kind === "provider"
      ? Effect.succeed(holds(webhookSecret))
      : provenByOwn(delivery, holds)

  /** Whether the headers alone are proof; who has nothing that could be one is sent away. */
  const proveHeaders = Effect.fnUntraced(function* (delivery: Delivery) {
    const { offers, route } = delivery
    const isSecret = yield* proven(delivery, (secrets) => secrets.length > 0)
    if (!isSecret) {
      return yield* refuse(route.kind === "provider" ? REFUSALS.noSecret : REFUSALS.unproven)
    }
    const tokens = offers.filter(({ by }) => by === "token")
    const byToken =
      tokens.length > 0 && (yield* proven(delivery, (secrets) => provesByToken(tokens, secrets)))
    const mayProve = byToken || tokens.length < offers.length
    return mayProve ? byToken : yield* refuse(REFUSALS.unproven)
  })

  /** The body of who may send it; looked into no further than its proof needs. */
  const prove = Effect.fnUntraced(function* (delivery: Delivery) {
    const { offers, provider, headers } = delivery
    const isProven = yield* proveHeaders(delivery)
    const told = (answer: Answer) => gently(answer, isProven && provider.isTouchy)
    const bytes = yield* Effect.mapError(delivery.body, told)
    if (isProven) return payloadOf(headers, bytes)
    const now = yield* Clock.currentTimeMillis
    const signed = provider.signsPayload ? payloadOf(headers, bytes) : bytes
    const holds = (secrets: Secrets) => provesByBody(offers, secrets, signed, now)
    if (!(yield* proven(delivery, holds))) return yield* refuse(REFUSALS.unproven)
    return provider.signsPayload ? signed : payloadOf(headers, bytes)
  })

  /** Told in the log once for a commit, however often it is delivered. */
  const tell = (repository: GitRepository, provider: string, commit: string | undefined) => {
    const known = knownOf(repository)
    const isNews = commit === undefined || known.told !== commit
    if (!isNews) return Effect.void
    known.told = commit ?? ""
    const fields = { repository: keyOf(repository), provider, ...(commit ? { commit } : {}) }
    return Effect.logInfo("webhook: sync asked for").pipe(Effect.annotateLogs(fields))
  }

  const dispatch = Effect.fnUntraced(function* (
    { route, repository, headers, name }: Delivery,
    push: providers.Push,
    id: string | undefined,
  ) {
    const candidates = repository === undefined ? yield* supervisor.list : [repository]
    const { known, concerned } = matchPush(push, candidates, placeOf)
    if (known === 0) return REFUSALS.unmatched
    if (concerned.length === 0) return ignored("no followed branch or tag moved")
    const mark = `${textOf(route)} ${id}`
    if (id !== undefined && !memory.add(mark)) return ignored("this delivery came before")
    const trace = traceOf(headers)
    const traces = trace === undefined ? {} : { traces: [trace] }
    let taken = 0
    for (const { repository: one, commit } of concerned) {
      const hint = commit === undefined ? {} : { commit }
      if (!(yield* supervisor.send(keyOf(one), { kind: "webhook", ...hint, ...traces }))) continue
      taken += 1
      yield* tell(one, name, commit)
    }
    if (taken === 0) memory.forget(mark)
    return taken === 0 ? REFUSALS.notReady : queued(taken)
  })

  /** What the proven body asks for. */
  const serve = (delivery: Delivery, payload: Uint8Array): Effect.Effect<Answer> => {
    const { provider, headers } = delivery
    const body = parse(payload)
    if (Result.isFailure(body)) return Effect.succeed(body.failure)
    const event = providers.readEvent(provider, headers, body.success)
    if (event.kind === "other") return Effect.succeed(ignored("not a push"))
    if (event.kind === "incomplete") return Effect.succeed(REFUSALS.malformed)
    const id = providers.deliveryId(provider, headers, body.success)
    return dispatch(delivery, event.push, id)
  }

  const answerTo = Effect.fnUntraced(function* (incoming: Incoming, route: Route) {
    const repository = route.kind === "provider" ? undefined : yield* named(route)
    const delivery = yield* Effect.fromResult(deliveryOf(incoming, route, repository))
    const payload = yield* prove(delivery)
    return gently(yield* serve(delivery, payload), delivery.provider.isTouchy)
  })

  const bounded = (answered: Effect.Effect<Answer, Answer>, route: Route) =>
    route.kind === "provider"
      ? answered
      : Effect.timeoutOrElse(answered, {
          duration: LIMIT,
          orElse: () => Effect.succeed<Answer>(REFUSALS.busy),
        })

  const receive = Effect.fnUntraced(function* (incoming: Incoming) {
    const route = routeOf(incoming.path)
    if (route === undefined) return { status: 404, reason: "no such route" } satisfies Answer
    const answered = bounded(answerTo(incoming, route), route)
    const answer = yield* Effect.catch(answered, Effect.succeed)
    yield* Effect.annotateCurrentSpan({ status: answer.status })
    return answer
  })
  return (incoming: Incoming) => Effect.withSpan(receive(incoming), "Receiver.receive", SPAN)
})

/** Knows what came before for as long as it lives: one term. */
export const makeReceiver: (
  options: ReceiverOptions,
) => Effect.Effect<Receive, never, Supervisor | Kube> = make
