/** What a worker tells becomes status, Kubernetes Events and one line in the log. */
import { isDeepStrictEqual } from "node:util"
import { Clock, Effect, Layer, Result } from "effect"
import type { Cache } from "../cache/Cache.ts"
import { count } from "../domain/change.ts"
import { findCondition } from "../domain/conditions.ts"
import type { SyncError } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { MAX_LISTED, type RepositoryStatus } from "../domain/status.ts"
import type { TriggerKind } from "../domain/trigger.ts"
import type { Kube } from "../kube/Kube.ts"
import { failureEntry } from "./entries.ts"
import { noticesOf } from "./events.ts"
import { afterCrash, afterRejection, whileSuspended, whileSyncing } from "./judge.ts"
import * as RecorderLive from "./Recorder.ts"
import { Reporter, type SyncReport } from "./Reporter.ts"
import * as Writer from "./StatusWriter.ts"
import { afterSync } from "./status.ts"
import { line } from "./text.ts"
import { ranked } from "./verdict.ts"

/** These look whether there is something to do; when there is nothing, nothing is written. */
const QUIET: ReadonlySet<TriggerKind> = new Set(["poll", "reconcile", "drift", "retry", "startup"])

const MAX_LOGGED = 200

const generationOf = ({ metadata }: GitRepository): number => metadata.generation ?? 0

const levelOf = (ready: string | undefined, report: SyncReport) => {
  if (ready !== "True") return Effect.logWarning
  const isQuiet = Result.isSuccess(report.outcome) && report.outcome.success.result === "nothing"
  return isQuiet ? Effect.logDebug : Effect.logInfo
}

const outcomeFields = ({ outcome }: SyncReport) => {
  if (Result.isFailure(outcome))
    return { code: outcome.failure.code, fix: line(outcome.failure.fix, 500) }
  const { changes, commit, failures, resourceCount, appliedCount, warnings } = outcome.success
  const { created, configured, deleted, healed, waiting, held, failed } = count(changes)
  const [first] = ranked(failures)
  return {
    commit: commit.sha,
    resources: `${appliedCount}/${resourceCount}`,
    ...{ created, configured, deleted, healed, waiting, held, failed },
    ...(warnings.length === 0
      ? {}
      : { warnings: warnings.slice(0, MAX_LISTED).map((w) => line(w, 300)) }),
    ...(first === undefined ? {} : { code: first.code, fix: line(first.fix, 500) }),
  }
}

const logSync = (report: SyncReport, after: RepositoryStatus, now: number): Effect.Effect<void> => {
  const ready = findCondition(after.conditions ?? [], "Ready")
  return levelOf(
    ready?.status,
    report,
  )("sync finished").pipe(
    Effect.annotateLogs({
      repository: keyOf(report.repository),
      trigger: report.trigger.kind,
      syncId: report.syncId,
      duration: (now - report.startedAt) / 1000,
      phase: after.phase,
      reason: ready?.reason,
      told: ready?.message,
      ...outcomeFields(report),
      ...(report.retryIn === undefined ? {} : { retryIn: Math.round(report.retryIn) / 1000 }),
    }),
  )
}

/** The status has room for some failures; the log has the rest, once. */
const logUnlisted = (
  { outcome, repository, syncId }: SyncReport,
  { before, after }: Writer.Told,
): Effect.Effect<void> => {
  if (Result.isFailure(outcome) || isDeepStrictEqual(before.failures, after.failures)) {
    return Effect.void
  }
  const unlisted = ranked(outcome.success.failures).slice(MAX_LISTED)
  return Effect.forEach(
    unlisted.slice(0, MAX_LOGGED),
    (failure) =>
      Effect.logWarning("failure beyond those in the status").pipe(
        Effect.annotateLogs({ repository: keyOf(repository), syncId, of: unlisted.length }),
        Effect.annotateLogs({ ...failureEntry(failure) }),
      ),
    { discard: true },
  )
}

const make = Effect.gen(function* () {
  const writer = yield* Writer.StatusWriter
  const recorder = yield* RecorderLive.Recorder

  /** Status first, then the events that its change is worth. */
  const tell = Effect.fnUntraced(function* (target: Writer.Target, news: Writer.News) {
    const { before, after } = yield* writer.tell(target, news)
    yield* recorder.record(target, noticesOf(before, after))
  })

  const finished = Effect.fn("Reporter.finished")(function* (report: SyncReport) {
    const { repository } = report
    const now = yield* Clock.currentTimeMillis
    const told = yield* writer.tell(repository, (status) => afterSync(status, report, now))
    const { before, after } = told
    yield* logSync(report, after, now)
    yield* logUnlisted(report, told)
    const outcome = Result.isSuccess(report.outcome) ? report.outcome.success : undefined
    yield* recorder.record(repository, noticesOf(before, after, outcome))
  })

  const rejected = Effect.fnUntraced(function* (
    metadata: Writer.Target["metadata"],
    generation: number,
    error: SyncError,
  ) {
    const repository = keyOf({ metadata })
    yield* Effect.logError("GitRepository refused").pipe(
      Effect.annotateLogs({ repository, code: error.code, reason: error.reason, fix: error.fix }),
    )
    const now = yield* Clock.currentTimeMillis
    yield* writer.read({ metadata }).pipe(
      Effect.flatMap((target) => tell(target, (s) => afterRejection(s, error, generation, now))),
      Effect.catch((failure) =>
        Effect.logWarning("status not written").pipe(
          Effect.annotateLogs({ repository, code: failure.code, reason: failure.reason }),
        ),
      ),
    )
  })

  return Reporter.of({
    syncing: (repository, trigger) =>
      Effect.gen(function* () {
        if (QUIET.has(trigger.kind) && repository.status?.lastAttemptedCommit !== undefined) return
        const now = yield* Clock.currentTimeMillis
        yield* writer.tell(repository, (s) => whileSyncing(s, generationOf(repository), now))
      }),
    finished,
    suspended: (repository) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        tell(repository, (s) => whileSuspended(s, generationOf(repository), now)),
      ),
    crashed: (repository, cause) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        tell(repository, (s) => afterCrash(s, cause, generationOf(repository), now)),
      ),
    announceKinds: (repository, kinds) =>
      Effect.asVoid(writer.store(repository, (s) => ({ ...s, inventoryKinds: kinds }))),
    rejected,
  })
})

export const layer: Layer.Layer<Reporter, never, Kube | Cache> = Layer.effect(Reporter, make).pipe(
  Layer.provide([Writer.layer, RecorderLive.layer]),
)
