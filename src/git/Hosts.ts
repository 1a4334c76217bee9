/** One Git server and all who ask it: how many at a time, how many in a second, and nobody while it wants rest. */
import { Clock, Duration, Effect, Random, RcMap, type Scope, Semaphore } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import { GitError } from "../domain/errors.ts"
import { type Fault, gitError, isFault, type Place } from "./failure.ts"
import { comeAgain, dueAfterHurry, MAX_TURN, nextTurn, restFor, restText } from "./pace.ts"

/** Conversations with one host at a time: a provider limits by host, and a stalled host stalls only its own. */
const PER_HOST = 8
/** Longer than any rest: what is forgotten counts for nothing any more. */
const IDLE = Duration.hours(2)

/** A host that asked for rest; by whose question is nobody else's business. */
interface Rest {
  readonly until: number
  readonly fault: Fault
  readonly text: string
}

interface State {
  readonly places: Semaphore.Semaphore
  /** By who asks. */
  readonly rests: Map<string, Rest>
  due: number
}

/** Who asks, and for what. */
export interface Asker {
  /** `https://host:port`; "" for files, which know no pace. */
  readonly origin: string
  /** Equal for equal credentials; "" for none. */
  readonly who: string
  readonly place: Place
}

/**
 * One conversation. `inTurn`: it waits until the host's pace lets it begin, as a poll may. Else it begins at once and
 * those in turn wait for it: it follows a push, or ends what has begun.
 */
export type Converse = <A>(
  talk: Effect.Effect<A, GitError>,
  how: "inTurn" | "atOnce",
) => Effect.Effect<A, GitError>

export interface Hosts {
  readonly open: (asker: Asker) => Effect.Effect<Converse, never, Scope.Scope>
  /** Hosts that are not forgotten. */
  readonly known: Effect.Effect<ReadonlyArray<string>>
}

const newState = (): State => ({
  places: Semaphore.makeUnsafe(PER_HOST),
  rests: new Map(),
  due: Number.NEGATIVE_INFINITY,
})

const refusal = Effect.fnUntraced(function* ({ fault, text, until }: Rest, place: Place) {
  const left = until - (yield* elapsedMillis)
  return gitError(fault, place, text, comeAgain(left, yield* Random.next))
})

/** Fails where the host wants rest from this asker. */
const keepAway = Effect.fnUntraced(function* (
  { rests }: State,
  { who, place }: Asker,
): Effect.fn.Return<void, GitError> {
  const rest = rests.get(who)
  if (rest === undefined) return
  if (rest.until > (yield* elapsedMillis)) return yield* yield* refusal(rest, place)
  rests.delete(who)
})

/** Whoever asks without credentials is limited by our address: by what those with credentials were told, too. */
const respect = Effect.fnUntraced(function* (
  { rests }: State,
  { origin, who }: Asker,
  error: GitError,
): Effect.fn.Return<GitError> {
  const { retryAfter: asked } = error
  const fault = (["rateLimited", "serverError"] as const).find((one) => isFault(error, one))
  if (asked === undefined || fault === undefined) return error
  const [now, wall] = [yield* elapsedMillis, yield* Clock.currentTimeMillis]
  for (const [one, { until }] of rests) if (until <= now) rests.delete(one)
  const left = restFor(asked)
  const rest = { until: now + left, fault, text: restText(origin, wall + left) }
  for (const one of new Set([who, ""])) {
    if ((rests.get(one)?.until ?? now) < rest.until) rests.set(one, rest)
  }
  const retryAfter = comeAgain(left, yield* Random.next)
  return new GitError({ ...error, reason: `${rest.text}: ${error.reason}`, retryAfter })
})

const crowded = (place: Place, origin: string, wait: number): GitError =>
  gitError("hostCrowded", place, `more is to be asked of ${origin} than its pace lets`, wait)

/** `perSecond`: conversations that begin with one host, in the long run. */
export const makeHosts = Effect.fnUntraced(function* (
  perSecond: number,
): Effect.fn.Return<Hosts, never, Scope.Scope> {
  const map = yield* RcMap.make({
    lookup: (_: string) => Effect.sync(newState),
    idleTimeToLive: IDLE,
  })
  const gapOf = (origin: string): number => (origin === "" ? 0 : 1000 / perSecond)

  const awaitTurn = Effect.fnUntraced(function* (state: State, { origin, place }: Asker) {
    const gap = gapOf(origin)
    const { due, wait } = nextTurn(state.due, yield* elapsedMillis, gap)
    if (wait > MAX_TURN) return yield* crowded(place, origin, wait)
    state.due = due
    if (wait === 0) return
    yield* Effect.onInterrupt(Effect.sleep(Math.ceil(wait)), () =>
      Effect.sync(() => {
        state.due -= gap
      }),
    )
  })

  const count = (state: State, { origin }: Asker) =>
    Effect.map(elapsedMillis, (now) => {
      state.due = dueAfterHurry(state.due, now, gapOf(origin))
    })

  const converse =
    (state: State, asker: Asker): Converse =>
    (talk, how) => {
      const away = keepAway(state, asker)
      const turn = how === "inTurn" ? awaitTurn(state, asker) : count(state, asker)
      const heard = Effect.catch(talk, (error) =>
        Effect.flatMap(respect(state, asker, error), Effect.fail),
      )
      const talking = state.places.withPermit(Effect.andThen(away, heard))
      return Effect.andThen(Effect.andThen(away, turn), talking)
    }

  return {
    open: (asker) => Effect.map(RcMap.get(map, asker.origin), (state) => converse(state, asker)),
    known: Effect.map(RcMap.keys(map), (keys) => [...keys]),
  }
})
