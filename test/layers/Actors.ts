// Doubles of what stands around the actors: a syncer that is scripted, a reporter that remembers, a live index that counts.
import { Clock, Effect, Layer, Random, Result } from "effect"
import { layer as cacheLayer } from "../../src/cache/Cache.ts"
import { Live } from "../../src/cache/Live.ts"
import { type Failure, GitError, KubeError, type SyncError } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import { keyOf } from "../../src/domain/repository.ts"
import type { TriggerKind } from "../../src/domain/trigger.ts"
import { Reporter } from "../../src/report/Reporter.ts"
import { layer as supervisorLayer } from "../../src/supervisor/Supervisor.ts"
import { Syncer, type SyncRequest } from "../../src/worker/Syncer.ts"

export const outcome = (over: Partial<SyncOutcome> = {}): SyncOutcome => ({
  commit: {
    sha: "a".repeat(40),
    message: "m",
    author: "a@example.com",
    time: "2026-11-20T10:00:00Z",
  },
  result: "done",
  changes: [],
  failures: [],
  warnings: [],
  resourceCount: 1,
  appliedCount: 1,
  inventoryKinds: [],
  ...over,
})

export const failure = (disposition: Failure["disposition"]): Failure => ({
  code: "NOPEA-A004",
  reason: "r",
  fix: "f",
  disposition,
})

const fields = { code: "NOPEA-G001", operation: "fetch", subject: "s", reason: "r", fix: "f" }

export const gitError = (retryAfter?: number): GitError =>
  new GitError({
    ...fields,
    disposition: "retry",
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })

export const kubeError = (disposition: Failure["disposition"]): KubeError =>
  new KubeError({ ...fields, disposition, status: 503, statusReason: "" })

export interface Call {
  readonly key: string
  readonly trigger: TriggerKind
  readonly commit: string | undefined
  readonly syncId: string
  readonly request: SyncRequest
  /** Milliseconds of virtual time. */
  readonly at: number
}

export interface Told {
  readonly what: "syncing" | "finished" | "health" | "suspended" | "crashed" | "rejected"
  readonly key: string
  readonly at: number
  readonly text?: string
  readonly retryIn?: number | undefined
}

type Run = (request: SyncRequest, nth: number) => Effect.Effect<SyncOutcome, SyncError>

/** Records what ran and what was told; how a repository's sync behaves can be replaced at run time. */
export const actors = (drainTimeout = 20_000) => {
  const calls: Array<Call> = []
  const told: Array<Told> = []
  const dropped: Array<string> = []
  /** How the live index wakes a worker. */
  const wakes = new Map<string, () => void>()
  const script = new Map<string, Run>()
  const running = new Map<string, number>()
  const overlaps: Array<string> = []

  /** Milliseconds that telling `Syncing` takes. */
  const writing = { takes: 0 }

  const tell = (what: Told["what"], key: string, more: Partial<Told> = {}) =>
    Effect.map(Clock.currentTimeMillis, (at) => void told.push({ what, key, at, ...more }))

  const enter = (key: string) =>
    Effect.sync(() => {
      const now = (running.get(key) ?? 0) + 1
      running.set(key, now)
      if (now > 1) overlaps.push(key)
    })
  const leave = (key: string) => Effect.sync(() => running.set(key, (running.get(key) ?? 0) - 1))

  const syncer = Layer.succeed(Syncer, {
    run: (request) =>
      Effect.gen(function* () {
        const key = keyOf(request.repository)
        const { kind: trigger, commit } = request.trigger
        const at = yield* Clock.currentTimeMillis
        calls.push({ key, trigger, commit, syncId: request.syncId, request, at })
        const run = script.get(key)
        const nth = calls.filter((c) => c.key === key).length
        if (run === undefined) return outcome()
        return yield* Effect.acquireUseRelease(
          enter(key),
          () => run(request, nth),
          () => leave(key),
        )
      }),
  })

  const reporter = Layer.succeed(Reporter, {
    syncing: (r) => Effect.andThen(Effect.sleep(writing.takes), tell("syncing", keyOf(r))),
    finished: ({ repository, outcome: o, retryIn }) =>
      tell("finished", keyOf(repository), {
        text: Result.isFailure(o) ? o.failure.code : o.success.result,
        retryIn,
      }),
    health: ({ repository, view }) =>
      tell("health", keyOf(repository), { text: view?.state ?? "unwanted" }),
    suspended: (r) => tell("suspended", keyOf(r)),
    crashed: (r, text, retryIn) => tell("crashed", keyOf(r), { text, retryIn }),
    announceKinds: () => Effect.void,
    rejected: ({ namespace, name }, _, { reason }) =>
      tell("rejected", `${namespace}/${name}`, { text: reason }),
  })

  const live = Layer.succeed(Live, {
    snapshot: () => Effect.succeed({ objects: new Map(), unknown: new Set<string>() }),
    record: () => Effect.void,
    forget: () => Effect.void,
    writing: () => (write) => write,
    settle: () => Effect.void,
    register: (key, wake) => void wakes.set(key, wake),
    follow: () => undefined,
    isWatched: () => false,
    drop: (key) => Effect.sync(() => void dropped.push(key)),
  })

  /** In the middle: delays come without jitter. */
  const random = Layer.succeed(Random.Random, {
    nextIntUnsafe: () => 0,
    nextDoubleUnsafe: () => 0.5,
  })

  return {
    calls,
    told,
    dropped,
    wakes,
    script,
    overlaps,
    writing,
    /** How many syncs of this repository run now. */
    running: (key: string): number => running.get(key) ?? 0,
    of: (key: string) => calls.filter((c) => c.key === key),
    toldOf: (key: string, what: Told["what"]) =>
      told.filter((t) => t.key === key && t.what === what),
    layer: supervisorLayer({ drainTimeout: () => drainTimeout }).pipe(
      Layer.provide([syncer, reporter, live, random]),
      Layer.provideMerge(cacheLayer()),
    ),
    reporter,
  }
}
