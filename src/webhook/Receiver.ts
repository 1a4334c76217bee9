/** One delivery from its headers to the workers it concerns: proof first, then the body, then a trigger each. */
import { Clock, Effect, Result } from "effect"
import type { GitRepository } from "../domain/repository.ts"
import { traceOf } from "../domain/trace.ts"
import type { Kube } from "../kube/Kube.ts"
import { Supervisor } from "../supervisor/Supervisor.ts"
import { type Answer, gently, ignored, queued, REFUSALS } from "./answer.ts"
import { cloneKey } from "./cloneKey.ts"
import { payloadOf } from "./form.ts"
import { makeHookSecrets } from "./HookSecrets.ts"
import { type Concerned, matchPush } from "./match.ts"
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

/** Deliveries that are known when they come again. */
const MAX_REMEMBERED = 10_000

interface Delivery extends Incoming {
  readonly route: Route
  readonly name: providers.ProviderName
  readonly provider: providers.Provider
  readonly offers: ReadonlyArray<Offer>
  /** Whose own route this is. */
  readonly repository?: GitRepository
}

type Own = Extract<Route, { readonly kind: "repository" }>

/** The newest of them at least, twice as many at most: forgetting half at a time costs nothing for each. */
const makeMemory = () => {
  let recent = new Set<string>()
  let earlier = new Set<string>()
  return {
    /** Whether it is new; it no longer is. */
    add: (id: string): boolean => {
      if (recent.has(id) || earlier.has(id)) return false
      if (recent.size >= MAX_REMEMBERED) {
        earlier = recent
        recent = new Set()
      }
      recent.add(id)
      return true
    },
    forget: (id: string): void => {
      recent.delete(id)
      earlier.delete(id)
    },
  }
}

const refuse = (answer: Answer): Effect.Effect<never, Answer> => Effect.fail(answer)

const parse = (bytes: Uint8Array): Result.Result<unknown, Answer> =>
  Result.try({
    try: () => JSON.parse(Buffer.from(bytes).toString()) as unknown,
    catch: (): Answer => REFUSALS.malformed,
  })

const make = Effect.fnUntraced(function* ({ webhookSecret }: ReceiverOptions) {
  const supervisor = yield* Supervisor
  const hookSecrets = yield* makeHookSecrets
  const memory = makeMemory()
  const places = new WeakMap<GitRepository, { readonly place: string | undefined }>()

  const placeOf = (repository: GitRepository): string | undefined => {
    const known = places.get(repository) ?? { place: cloneKey(repository.spec.url) }
    places.set(repository, known)
    return known.place
  }

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

  const send = Effect.fnUntraced(function* (delivery: Delivery, { key, commit }: Concerned) {
    const hint = commit === undefined ? {} : { commit }
    const trace = traceOf(delivery.headers)
    const traces = trace === undefined ? {} : { traces: [trace] }
    const isTaken = yield* supervisor.send(key, { kind: "webhook", ...hint, ...traces })
    const fields = { repository: key, provider: delivery.name, ...hint }
    if (isTaken) yield* Effect.logInfo("webhook: sync asked for").pipe(Effect.annotateLogs(fields))
    return isTaken
  })

  const dispatch = Effect.fnUntraced(function* (
    delivery: Delivery,
    push: providers.Push,
    id: string | undefined,
  ) {
    const { route, repository } = delivery
    const candidates = repository === undefined ? yield* supervisor.list : [repository]
    const { known, concerned } = matchPush(push, candidates, placeOf)
    if (known === 0) return REFUSALS.unmatched
    if (concerned.length === 0) return ignored("no followed branch or tag moved")
    const mark = `${JSON.stringify(route)} ${id}`
    if (id !== undefined && !memory.add(mark)) return ignored("this delivery came before")
    const taken = yield* Effect.filter(concerned, (one) => send(delivery, one))
    if (taken.length === 0) memory.forget(mark)
    return taken.length === 0 ? REFUSALS.notReady : queued(taken.length)
  })

  /** What the proven body asks for. */
  const serve = Effect.fnUntraced(function* (delivery: Delivery, payload: Uint8Array) {
    const { provider, headers } = delivery
    const body = yield* Effect.fromResult(parse(payload))
    const event = providers.readEvent(provider, headers, body)
    if (event.kind === "other") return ignored("not a push")
    if (event.kind === "incomplete") return REFUSALS.malformed
    return yield* dispatch(delivery, event.push, providers.deliveryId(provider, headers, body))
  })

  const deliveryOf = Effect.fnUntraced(function* (incoming: Incoming, route: Route) {
    const { headers } = incoming
    const name = route.kind === "provider" ? route.provider : providers.detect(headers)
    if (name === undefined) return yield* refuse(REFUSALS.unproven)
    if (providers.isUnsignedPing(name, headers)) return yield* refuse(ignored("a ping"))
    const provider: providers.Provider = providers.PROVIDERS[name]
    const offers = offersOf(provider, headers)
    if (offers.length === 0) return yield* refuse(REFUSALS.unproven)
    const repository = route.kind === "provider" ? undefined : yield* named(route)
    const own = repository === undefined ? {} : { repository }
    const delivery: Delivery = { ...incoming, route, name, provider, offers, ...own }
    return delivery
  })

  const receive = Effect.fn("Receiver.receive", { kind: "server" })(function* (incoming: Incoming) {
    const route = routeOf(incoming.path)
    if (route === undefined) return { status: 404, reason: "no such route" } satisfies Answer
    const answered = Effect.gen(function* () {
      const delivery = yield* deliveryOf(incoming, route)
      const payload = yield* prove(delivery)
      const answer = yield* serve(delivery, payload).pipe(Effect.catch(Effect.succeed))
      return gently(answer, delivery.provider.isTouchy)
    })
    const answer = yield* Effect.catch(answered, Effect.succeed)
    yield* Effect.annotateCurrentSpan({ status: answer.status })
    return answer
  })
  return receive
})

/** Knows what came before for as long as it lives: one term. */
export const makeReceiver: (
  options: ReceiverOptions,
) => Effect.Effect<Receive, never, Supervisor | Kube> = make
