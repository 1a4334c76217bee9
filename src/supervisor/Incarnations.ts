/** One incarnation of a worker after another: the first sync in turn, a restart after every crash. */
import {
  type Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Random,
  RcMap,
  type Semaphore,
} from "effect"
import { describeCrash } from "../domain/crash.ts"
import { Reporter } from "../report/Reporter.ts"
import type { Reply, WorkerHandle } from "../worker/Handle.ts"
import type { Syncer } from "../worker/Syncer.ts"
import { exponentialDelay } from "../worker/state.ts"
import { runWorker } from "../worker/Worker.ts"
import { survive } from "./Survive.ts"

/** A worker that lived this long starts over with a short delay after its next crash. */
const HEALTHY = Duration.toMillis(Duration.minutes(1))
/** How long a first sync keeps its turn; a slower one goes on without. */
const TURN = Duration.seconds(5)
/** Pushes cut the pause after a crash short, but not below this. */
const LEAST_PAUSE = 1000

const tellCrash = Effect.fnUntraced(function* (
  handle: WorkerHandle,
  cause: Cause.Cause<never>,
  restartIn: number,
) {
  const reporter = yield* Reporter
  const crash = describeCrash(cause)
  yield* Effect.logError("worker crashed").pipe(Effect.annotateLogs({ crash, restartIn }))
  yield* survive("telling a crash", reporter.crashed(handle.repository, crash, restartIn))
})

const SERVER = /^(?:[a-z+]+:\/\/(?:[^@/]*@)?([^/]*)|(?:[^@/]*@)?([^:/]+):)/iu

/** `github.com` of `https://github.com/a/b` and of `git@github.com:a/b`; with its port where one is named. */
export const serverOf = (url: string): string => {
  const [, byUrl, byScp] = SERVER.exec(url) ?? []
  return (byUrl ?? byScp ?? "").toLowerCase()
}

/** By Git server: first syncs that wait for one that hangs hold up no other's. */
export type Turns = RcMap.RcMap<string, Semaphore.Semaphore>

/** A first sync takes its turn here; meanwhile the worker serves whatever else comes. */
const takeTurn = (turns: Turns, handle: WorkerHandle): Effect.Effect<void> =>
  Effect.gen(function* () {
    const turn = yield* RcMap.get(turns, serverOf(handle.repository.spec.url))
    yield* turn.withPermit(
      Effect.suspend(() => {
        const reply: Reply = Deferred.makeUnsafe()
        handle.offer({ kind: "startup" }, reply)
        return Effect.asVoid(Effect.timeoutOption(Effect.exit(Deferred.await(reply)), TURN))
      }),
    )
  }).pipe(Effect.scoped)

/** Ends only by interruption: whatever else ends an incarnation is a crash, also an interruption from inside. */
export const supervise: (
  handle: WorkerHandle,
  turns: Turns,
) => Effect.Effect<never, never, Reporter | Syncer> = Effect.fnUntraced(function* (handle, turns) {
  let crashes = 0
  while (true) {
    const startedAt = yield* Clock.currentTimeMillis
    const incarnation = Effect.all([runWorker(handle), takeTurn(turns, handle)], { concurrency: 2 })
    const exit = yield* Effect.exit(incarnation)
    const lived = (yield* Clock.currentTimeMillis) - startedAt
    crashes = lived > HEALTHY ? 1 : crashes + 1
    const delay = Math.round(exponentialDelay(crashes, yield* Random.next))
    if (Exit.isFailure(exit)) yield* tellCrash(handle, exit.cause, delay)
    yield* Effect.sleep(Math.min(delay, LEAST_PAUSE))
    yield* Effect.timeoutOption(handle.urgent, Math.max(delay - LEAST_PAUSE, 0))
  }
})
