/** One incarnation of the actor: waits for its mailbox and its timers, runs one sync at a time. */
import { Clock, Duration, Effect, Random, Result } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { GitRepository } from "../domain/repository.ts"
import { follow, link } from "../domain/Tracing.ts"
import type { Trigger } from "../domain/trigger.ts"
import { ulid } from "../domain/ulid.ts"
import { Reporter } from "../report/Reporter.ts"
import type { Answer, Reply, WorkerHandle } from "./Handle.ts"
import { makeHealthWatch } from "./HealthWatch.ts"
import type { Request } from "./mailbox.ts"
import { SyncRefused } from "./refused.ts"
import { Syncer, type SyncRequest } from "./Syncer.ts"
import { IDLE, isSuspended, type Step, step, type WorkerEvent, type WorkerState } from "./state.ts"
import { type Timers, tick, wakeAfter } from "./timers.ts"

/** A sync that ends sooner is told once, when it has ended. */
const SLOW = Duration.seconds(1)
/**
 * How long after a sync, in milliseconds, a webhook waits that tells of no other commit: a flood of deliveries
 * must not become a flood of questions to the Git server. Syncs that run meanwhile make no echo wait longer.
 */
const CALM = 1000

const make = Effect.fnUntraced(function* (handle: WorkerHandle) {
  const syncer = yield* Syncer
  const reporter = yield* Reporter
  const health = yield* makeHealthWatch(handle.key)
  const startedAt = yield* Clock.currentTimeMillis
  let state: WorkerState = IDLE
  let timers: Timers = { poll: startedAt, reconcile: startedAt }
  let hasRun = false
  let calmUntil = 0

  const advance = (event: WorkerEvent): Step => {
    const next = step(state, event)
    state = next.state
    return next
  }

  /** Offers what is due; answers how long nothing else will be. */
  const offerDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const ticked = tick(timers, handle.repository, now)
    timers = ticked.timers
    for (const kind of ticked.due) handle.offer({ kind })
    const elapsed = yield* elapsedMillis
    const calm = handle.hasEcho ? calmUntil - elapsed : ticked.wait
    if (calm <= 0) handle.hear()
    const left = state.phase === "retrying" ? state.retryAt - elapsed : ticked.wait
    if (state.phase === "retrying" && left <= 0) handle.offer({ kind: "retry" })
    return Math.max(Math.min(ticked.wait, calm, left), 0)
  })

  const pause = Effect.suspend(() =>
    handle.isClosed
      ? Effect.never
      : Effect.flatMap(offerDue, (wait) => Effect.timeoutOption(handle.waiting, wait)),
  )

  /** The very first sync is told before it runs, for people who just created it and wait to see something. */
  const tellFirst = ({ repository, trigger, syncId }: SyncRequest) => {
    const isFirst = !hasRun && repository.status?.lastAttemptedCommit === undefined
    hasRun = true
    return isFirst ? reporter.syncing(repository, trigger, syncId) : Effect.void
  }

  /** Never ends by itself; what it has begun to tell is told before the outcome is. */
  const tellSlow = ({ repository, trigger, syncId }: SyncRequest) =>
    Effect.uninterruptible(reporter.syncing(repository, trigger, syncId)).pipe(
      Effect.delay(SLOW),
      Effect.andThen(Effect.never),
    )

  const sync = Effect.fn("Worker.sync")(function* (repository: GitRepository, trigger: Trigger) {
    const startedAt = yield* Clock.currentTimeMillis
    const syncId = ulid(startedAt, [yield* Random.next, yield* Random.next])
    handle.begin({ trigger, syncId, startedAt })
    yield* Effect.annotateCurrentSpan({ repository: handle.key, trigger: trigger.kind, syncId })
    yield* link(trigger.traces?.slice(1) ?? [])
    const request: SyncRequest = { repository, trigger, syncId }
    yield* tellFirst(request)
    yield* health.pause
    const outcome = yield* syncer
      .run(request)
      .pipe(
        Effect.annotateLogs({ trigger: trigger.kind, syncId }),
        Effect.raceFirst(tellSlow(request)),
        Effect.result,
      )
    const now = yield* elapsedMillis
    const random = yield* Random.next
    if (!handle.hasEcho) calmUntil = now + CALM
    timers = wakeAfter(timers, outcome, yield* Clock.currentTimeMillis)
    const { retryIn } = advance({ type: "finished", trigger: trigger.kind, outcome, now, random })
    const retry = retryIn === undefined ? {} : { retryIn }
    yield* reporter.finished({ ...request, startedAt, outcome, ...retry })
    yield* health.after(request, outcome)
    return outcome
  })

  const serve = Effect.fnUntraced(function* ({ trigger }: Request<Reply>) {
    const { repository } = handle
    const { action } = advance({ type: "taken", suspended: isSuspended(repository) })
    if (action === "run") return yield* follow(sync(repository, trigger), trigger.traces?.[0])
    if (action === "tellSuspended")
      yield* Effect.andThen(health.pause, reporter.suspended(repository))
    const answer: Answer = Result.fail(
      new SyncRefused({ repository: handle.key, why: "suspended" }),
    )
    return answer
  })

  // Once a request is taken its callers get an answer, whatever happens: `onExit` stands outside `restore`,
  // so that an interruption that is already pending cannot skip it.
  const turn = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(pause), () => {
      const request = handle.take()
      if (request === undefined) return Effect.void
      return Effect.onExit(restore(serve(request)), (exit) =>
        Effect.sync(() => handle.settle(exit)),
      )
    }),
  )
  return { turn, watchHealth: health.run }
})

/**
 * Ends only by interruption (stop) or by a defect (crash): a sync that fails is data. The first sync is asked for
 * from outside, by a `startup` in the mailbox.
 */
export const runWorker: (handle: WorkerHandle) => Effect.Effect<never, never, Syncer | Reporter> =
  Effect.fnUntraced(function* (handle) {
    const { turn, watchHealth } = yield* make(handle)
    return yield* Effect.raceFirst(Effect.forever(turn), watchHealth)
  })
