/**
 * One worker per GitRepository: starts, stops, restarts after crashes, and reaches them.
 *
 * There is no limit on running syncs: a Git server that hangs would use it up and delay everybody else. What
 * is heavy is bounded where it runs (processes in the Git port, threads in the render pool, requests in the fair
 * budget). Only first syncs take turns, so that a start does not run them all at once; a slow one passes
 * its turn on.
 */
import { Context, Deferred, Duration, Effect, Fiber, Layer, RcMap, Semaphore } from "effect"
import { Cache } from "../cache/Cache.ts"
import type { Claims } from "../cache/Claims.ts"
import type { Dependencies } from "../cache/Dependencies.ts"
import type { Live } from "../cache/Live.ts"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { TRIGGER_KINDS, type Trigger } from "../domain/trigger.ts"
import { Metrics } from "../metrics/Metrics.ts"
import type { Reporter } from "../report/Reporter.ts"
import { type Reply, type Running, WorkerHandle } from "../worker/Handle.ts"
import { SyncRefused } from "../worker/refused.ts"
import type { Syncer } from "../worker/Syncer.ts"
import { supervise } from "./Incarnations.ts"
import { makeRegister } from "./Register.ts"
import { survive } from "./Survive.ts"

/** Nobody waits longer for a worker to stop; what follows it does. */
const STOP_GRACE = Duration.seconds(5)
/** First syncs that run at a time, by Git server. */
const TURNS = 16

export interface CutSync extends Running {
  readonly repository: string
}

/** `forget`: the repository is gone, and so is what was kept of it. */
export type Memory = "keep" | "forget"

export class Supervisor extends Context.Service<
  Supervisor,
  {
    /** Starts the worker, or hands a running one its new GitRepository. Another uid is another repository. */
    readonly start: (repository: GitRepository) => Effect.Effect<void>
    /**
     * Answers within five seconds whether there was one. If it still runs then, it is waited for in the
     * background, and a new worker of that key with it: two never overlap.
     */
    readonly stop: (key: string, memory: Memory) => Effect.Effect<boolean>
    /** Whether there is such a worker; never waits. */
    readonly send: (key: string, trigger: Trigger) => Effect.Effect<boolean>
    /** The outcome of the next sync that starts after now. */
    readonly syncNow: (
      key: string,
      commit?: string,
    ) => Effect.Effect<SyncOutcome, SyncError | SyncRefused>
    /** From the cache, never through the mailbox. */
    readonly status: (key: string) => Effect.Effect<RepositoryStatus | undefined>
    /** The newest spec of every repository that has a worker; the same array as long as they are the same. */
    readonly list: Effect.Effect<ReadonlyArray<GitRepository>>
    /**
     * For good: nothing is taken any more, running syncs may end within `drain`, the rest is cut and answered.
     * Takes at most `drain` and five seconds.
     */
    readonly stopAll: (drain: Duration.Input) => Effect.Effect<ReadonlyArray<CutSync>>
  }
>()("nopea/supervisor/Supervisor") {}

interface Entry {
  readonly handle: WorkerHandle
  readonly fiber: Fiber.Fiber<void>
}

const tellCut = ({ repository, trigger, syncId, startedAt }: CutSync): Effect.Effect<void> =>
  Effect.logWarning("sync cut short: the controller stops").pipe(
    Effect.annotateLogs({ repository, trigger: trigger.kind, syncId, startedAt }),
  )

/** Waits as long as it takes, and says so. */
const awaitEnd = Effect.fnUntraced(function* (fiber: Fiber.Fiber<void>) {
  const inTime = yield* Effect.timeoutOption(Fiber.await(fiber), STOP_GRACE)
  if (inTime._tag === "Some") return
  yield* Effect.logError("worker did not stop in time; the next one of this repository waits")
  yield* Fiber.await(fiber)
  yield* Effect.logWarning("worker stopped late")
})

const make = Effect.gen(function* () {
  const cache = yield* Cache
  const { enter, retire, forget } = yield* makeRegister
  const metrics = yield* Metrics
  const turns = yield* RcMap.make({ lookup: (_: string) => Semaphore.make(TURNS) })
  // Forks with the supervisor's own context: a worker inherits neither span nor log fields of who starts it.
  const fork = Effect.runForkWith(yield* Effect.context<Syncer | Reporter>())
  const entries = new Map<string, Entry>()
  /** Stopped workers that have not ended, with all that came before them. */
  const ending = new Map<string, Fiber.Fiber<void>>()
  let isClosed = false
  let listed: ReadonlyArray<GitRepository> | undefined
  const list = (): ReadonlyArray<GitRepository> => {
    listed ??= [...entries.values()].map(({ handle }) => handle.repository)
    return listed
  }

  const previous = (key: string): Effect.Effect<void> => {
    const before = ending.get(key)
    return before === undefined ? Effect.void : Effect.asVoid(Fiber.await(before))
  }

  /** Synchronous up to the answer: a fiber that ends when nothing of this key runs any more. */
  const end = (key: string, memory: Memory): Fiber.Fiber<void> => {
    const entry = entries.get(key)
    entries.delete(key)
    listed = undefined
    retire(key)
    entry?.handle.abandon()
    entry?.fiber.interruptUnsafe()
    const settled = Effect.all([
      entry === undefined ? Effect.void : awaitEnd(entry.fiber),
      previous(key),
      memory === "forget" ? forget(key) : Effect.void,
    ])
    const ended = fork(survive("a stop", settled).pipe(Effect.annotateLogs({ repository: key })))
    ending.set(key, ended)
    ended.addObserver(() => {
      if (ending.get(key) === ended) ending.delete(key)
    })
    return ended
  }

  const launch = (repository: GitRepository) => {
    const handle = new WorkerHandle(repository)
    const { key } = handle
    const fiber = fork(
      Effect.andThen(
        previous(key),
        Effect.sync(() => enter(handle)),
      ).pipe(Effect.andThen(supervise(handle, turns)), Effect.annotateLogs({ repository: key })),
    )
    entries.set(key, { handle, fiber })
    listed = undefined
  }

  const start = (repository: GitRepository) =>
    Effect.sync(() => {
      if (isClosed) return
      const key = keyOf(repository)
      const handle = entries.get(key)?.handle
      if (handle?.uid === repository.metadata.uid) {
        handle.respec(repository)
        listed = undefined
        return enter(handle)
      }
      if (handle !== undefined) end(key, "forget")
      launch(repository)
    })

  const stop = (key: string, memory: Memory) =>
    Effect.suspend(() => {
      const isKnown = entries.has(key)
      return Effect.as(Effect.timeoutOption(Fiber.await(end(key, memory)), STOP_GRACE), isKnown)
    })

  const syncNow = (key: string, commit?: string) =>
    Effect.suspend(() => {
      const entry = entries.get(key)
      if (entry === undefined)
        return Effect.fail(new SyncRefused({ repository: key, why: "unknown" }))
      const reply: Reply = Deferred.makeUnsafe()
      entry.handle.offer({ kind: "syncNow", ...(commit === undefined ? {} : { commit }) }, reply)
      return Deferred.await(reply)
    })

  const cutOf = ({ handle }: Entry): ReadonlyArray<CutSync> =>
    handle.running === undefined ? [] : [{ ...handle.running, repository: handle.key }]

  const collect = (): void => {
    metrics.set("nopea_repositories", {}, entries.size)
    const waiting = [...entries.values()].flatMap(({ handle }) => handle.waitingKinds)
    for (const trigger of TRIGGER_KINDS) {
      const count = waiting.filter((kind) => kind === trigger).length
      metrics.set("nopea_mailbox_requests", { trigger }, count)
    }
  }
  /** Another process may serve them from now on. */
  const leave = (stop: () => void) => {
    stop()
    entries.clear()
    listed = undefined
    collect()
    metrics.forgetAll()
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => metrics.collect(collect)),
    (stop) => Effect.sync(() => leave(stop)),
  )

  const stopAll = Effect.fn("Supervisor.stopAll")(function* (drain: Duration.Input) {
    isClosed = true
    const all = [...entries.values()]
    for (const { handle } of all) handle.close()
    const drained = Effect.forEach(all, ({ handle }) => handle.idle, { concurrency: "unbounded" })
    yield* Effect.timeoutOption(drained, drain)
    const cut = all.flatMap(cutOf)
    yield* Effect.forEach(cut, tellCut, { discard: true })
    for (const { handle } of all) end(handle.key, "keep")
    const ended = Effect.forEach(ending.values(), Fiber.await, { concurrency: "unbounded" })
    yield* Effect.timeoutOption(ended, STOP_GRACE)
    return cut
  })

  return Supervisor.of({
    start,
    stop,
    send: (key, trigger) =>
      Effect.sync(() => {
        entries.get(key)?.handle.offer(trigger)
        return entries.has(key) && !isClosed
      }),
    syncNow,
    status: (key) =>
      Effect.map(
        cache.states.get(key),
        (status) => status ?? entries.get(key)?.handle.repository.status,
      ),
    list: Effect.sync(list),
    stopAll,
  })
})

export interface SupervisorOptions {
  /** Milliseconds that running syncs may go on when the layer closes; asked then. */
  readonly drainTimeout: () => number
}

export const layer = ({
  drainTimeout,
}: SupervisorOptions): Layer.Layer<
  Supervisor,
  never,
  Cache | Claims | Dependencies | Live | Reporter | Syncer
> =>
  Layer.effect(
    Supervisor,
    Effect.acquireRelease(make, (supervisor) =>
      Effect.suspend(() => supervisor.stopAll(drainTimeout())),
    ),
  )
