/**
 * Leader election: runs the work that writes only while this process holds the Lease.
 *
 * A term: candidate until the lease is ours; then the work runs beside three fibers that renew the lease, end the
 * term once it could not be renewed for `renew`, and abort the process where the work still runs at `abortAfter`.
 * A term closes in this order: the work ends (its finalizers run, the lease is still renewed), the three fibers
 * end, the lease is released.
 *
 * A process that was paused beyond its lease aborts as soon as its timers run. Other callbacks may come first:
 * `mayWrite` is false from the first instruction on. What a socket was given before the pause is out of reach,
 * as Kubernetes has no fencing.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Option, Scope, Semaphore } from "effect"
import { Kube } from "../kube/Kube.ts"
import { attempt, type Candidate, release } from "./Candidate.ts"
import * as rules from "./election.ts"
import { LEASE_NAME } from "./lease.ts"

export class Leader extends Context.Service<
  Leader,
  {
    /**
     * Runs the work in each term, from its start; it is interrupted when the term ends. Answers when the work
     * ends by itself, and then releases the lease, as it does when interrupted. One at a time.
     */
    readonly whileLeading: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    readonly status: Effect.Effect<rules.Leadership>
    /** To be asked right before each write: false from the moment that the lease may not be relied upon. */
    readonly mayWrite: () => boolean
  }
>()("nopea/controller/Leader") {}

export interface LeaderOptions {
  /** The controller's own namespace; the Lease is `nopea` there. */
  readonly namespace: string
  /** Default: the host's name and a random suffix. */
  readonly identity?: string
  readonly timing?: rules.Timing
  /** Ends the process at once. Default: `process.exit(1)`. */
  readonly abort?: Effect.Effect<void>
}

interface Seat extends Candidate {
  readonly abort: Effect.Effect<void>
  leadership: rules.Leadership
}

/** Says each change of what a standby knows once. */
const standBy = (seat: Seat, holder: string, problem?: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = rules.whyNotLeading(seat.leadership)
    seat.leadership = { role: "standby", holder, problem }
    const after = rules.whyNotLeading(seat.leadership)
    if (after === before) return Effect.void
    return problem === undefined ? Effect.logInfo(after) : Effect.logWarning(after)
  })

const candidacy = Effect.fnUntraced(function* (seat: Seat) {
  const { identity, timing } = seat.view
  while (true) {
    const outcome = yield* attempt(seat)
    if (outcome.do === "acquire" || outcome.do === "renew") break
    if (outcome.do === "failed") yield* standBy(seat, "", outcome.problem)
    if (outcome.do === "wait") yield* standBy(seat, outcome.holder)
    const pause = outcome.do === "wait" ? Math.ceil(outcome.ms) : timing.retry
    yield* Effect.sleep(Math.min(pause, timing.retry))
  }
  seat.leadership = { role: "leader" }
  yield* Effect.annotateLogs(Effect.logInfo("leading"), { identity })
})

/** Ends when somebody else has the lease. */
const renewals = Effect.fnUntraced(function* (seat: Seat) {
  while (true) {
    yield* Effect.sleep(seat.view.timing.retry)
    const outcome = yield* attempt(seat)
    if (outcome.do === "failed") yield* Effect.logWarning(`lease not renewed: ${outcome.problem}`)
    if (outcome.do !== "lost") continue
    const taker = outcome.holder === "" ? "released by another" : `taken by ${outcome.holder}`
    return yield* Effect.logError(`the lease was ${taker}`)
  }
})

/** Ends when the last renewal is so many milliseconds old. */
const untilHeldFor = Effect.fnUntraced(function* (seat: Seat, limit: number) {
  while (true) {
    const left = limit - rules.heldFor(seat.view, seat.now())
    if (left <= 0) return
    yield* Effect.sleep(Math.ceil(left))
  }
})

const watchdog = Effect.fnUntraced(function* (seat: Seat) {
  yield* untilHeldFor(seat, rules.abortAfter(seat.view.timing))
  yield* Effect.logFatal("the work did not end before the lease: the process is ended now")
  yield* seat.abort
})

/** The end of a term; where the process slept past its lease, the watchdog's turn has come already. */
const ended = (seat: Seat): Effect.Effect<void> =>
  Effect.suspend(() =>
    rules.timeLeft(seat.view, seat.now()) > 0
      ? Effect.logError("leadership lost: the work stops")
      : watchdog(seat),
  )

/** In a fiber of its own: a finalizer cannot be interrupted, and this one needs its bound. */
const leave = Effect.fnUntraced(function* (seat: Seat) {
  seat.leadership = { role: "standby", holder: "" }
  const problem = yield* Effect.flatMap(Effect.forkDetach(release(seat)), Fiber.join)
  if (problem !== undefined)
    yield* Effect.logWarning(`lease not released, it will expire: ${problem}`)
})

/** None: the term ended before the work. The scope closes what was added last first. */
const term = <A, E, R>(
  seat: Seat,
  work: Effect.Effect<A, E, R>,
): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.scopedWith((scope) =>
    Effect.gen(function* () {
      yield* Scope.addFinalizer(scope, leave(seat))
      yield* candidacy(seat)
      const over = yield* Deferred.make<void>()
      const end = Deferred.succeed(over, undefined)
      const deadline = untilHeldFor(seat, seat.view.timing.renew)
      yield* Effect.forkIn(watchdog(seat), scope)
      yield* Effect.forkIn(Effect.ensuring(renewals(seat), end), scope)
      yield* Effect.forkIn(Effect.ensuring(deadline, end), scope)
      const running = yield* Effect.forkIn(work, scope)
      const lost = Deferred.await(over).pipe(
        Effect.andThen(ended(seat)),
        Effect.as(Option.none<A>()),
      )
      return yield* Effect.raceFirst(Effect.asSome(Fiber.join(running)), lost)
    }),
  )

const terms = Effect.fnUntraced(function* <A, E, R>(seat: Seat, work: Effect.Effect<A, E, R>) {
  while (true) {
    const result = yield* term(seat, work)
    if (Option.isSome(result)) return result.value
  }
})

const makeSeat = Effect.fnUntraced(function* (options: LeaderOptions) {
  const clock = yield* Clock.Clock
  const identity = options.identity ?? `${hostname()}_${randomBytes(4).toString("hex")}`
  const seat: Seat = {
    kube: yield* Kube,
    name: { namespace: options.namespace, name: LEASE_NAME },
    now: () => ({
      monotonic: Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
      wall: clock.currentTimeMillisUnsafe(),
    }),
    abort: options.abort ?? Effect.sync(() => process.exit(1)),
    view: rules.candidate(identity, options.timing ?? rules.TIMING),
    leadership: { role: "standby", holder: "" },
  }
  return seat
})

/** Give it a `Kube` of its own: a renewal must not queue behind the work's requests. */
export const layer = (options: LeaderOptions): Layer.Layer<Leader, never, Kube> =>
  Layer.effect(
    Leader,
    Effect.gen(function* () {
      const seat = yield* makeSeat(options)
      const one = yield* Semaphore.make(1)
      const mayWrite = () => rules.mayWrite(seat.view, seat.now())
      return Leader.of({
        whileLeading: (work) => one.withPermit(terms(seat, work)),
        status: Effect.sync((): rules.Leadership => {
          const isStopping = seat.leadership.role === "leader" && !mayWrite()
          return isStopping ? { role: "standby", holder: "" } : seat.leadership
        }),
        mayWrite,
      })
    }),
  )

/** Without election: the only controller, as its user promises. */
export const layerOff: Layer.Layer<Leader> = Layer.succeed(
  Leader,
  Leader.of({
    whileLeading: (work) => work,
    status: Effect.succeed({ role: "off" }),
    mayWrite: () => true,
  }),
)
