/** What a worker tells becomes status, Kubernetes Events and one line in the log. */
import { isDeepStrictEqual } from "node:util"
import { Clock, Effect, Layer, Result } from "effect"
import type { Cache } from "../cache/Cache.ts"
import { count } from "../domain/change.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { conditionOf, MAX_LISTED, type RepositoryStatus } from "../domain/status.ts"
import type { Kube } from "../kube/Kube.ts"
import { Audience, type HeardOf } from "./Audience.ts"
import { failureEntry } from "./entries.ts"
import { noticesOf, undelivered } from "./events.ts"
import { Notifier, layer as notifierLayer } from "./Notifier.ts"
import { type DriftNews, type Known, knownOf, newsOf } from "./news.ts"
import { makeRecorder } from "./Recorder.ts"
import { Reporter, type SyncReport } from "./Reporter.ts"
import { keep } from "./rows.ts"
import { logUnwritten, makeWriter, type News, type Target, type Told } from "./StatusWriter.ts"
import {
  afterCrash,
  afterError,
  afterHealth,
  afterSync,
  whileSuspended,
  whileSyncing,
} from "./status.ts"
import { line } from "./text.ts"
import { ranked } from "./verdict.ts"

const MAX_LOGGED = 200

const outcomeFields = ({ outcome }: SyncReport) => {
  if (Result.isFailure(outcome))
    return { code: outcome.failure.code, fix: line(outcome.failure.fix, 500) }
  const { changes, commit, failures, resourceCount, appliedCount, warnings } = outcome.success
  const { unchanged: _, skipped: __, ...counts } = count(changes)
  const [first] = ranked(failures)
  return {
    commit: commit.sha,
    resources: `${appliedCount}/${resourceCount}`,
    ...counts,
    ...(warnings.length > 0 && {
      warnings: warnings.slice(0, MAX_LISTED).map((warning) => line(warning, 300)),
    }),
    ...(first && { code: first.code, fix: line(first.fix, 500) }),
  }
}

const logSync = Effect.fnUntraced(function* (report: SyncReport, { after }: Told) {
  const now = yield* Clock.currentTimeMillis
  const { repository, trigger, syncId, startedAt, outcome, retryIn } = report
  const ready = conditionOf(after, "Ready")
  const isCalm = ready?.status !== "False" || ready.reason === "DependencyNotReady"
  const isWell = isCalm && conditionOf(after, "Drifted")?.reason !== "HealFailed"
  const isQuiet = Result.isSuccess(outcome) && outcome.success.result === "nothing"
  const calm = isQuiet ? Effect.logDebug : Effect.logInfo
  yield* (isWell ? calm : Effect.logWarning)("sync finished").pipe(
    Effect.annotateLogs({
      repository: keyOf(repository),
      trigger: trigger.kind,
      syncId,
      duration: (now - startedAt) / 1000,
      phase: after.phase,
      reason: ready?.reason,
      told: ready?.message,
      ...outcomeFields(report),
      ...(retryIn === undefined ? {} : { retryIn: Math.round(retryIn) / 1000 }),
    }),
  )
})

/** The status has room for some failures; the log has the rest, once. */
const logUnlisted = (
  { outcome, repository, syncId }: SyncReport,
  { before, after }: Told,
): Effect.Effect<void> => {
  const isKnown = isDeepStrictEqual(before.failures, after.failures)
  if (Result.isFailure(outcome) || isKnown) return Effect.void
  const unlisted = ranked(outcome.success.failures).slice(MAX_LISTED)
  const shared = { repository: keyOf(repository), syncId, of: unlisted.length }
  return Effect.forEach(
    unlisted.slice(0, MAX_LOGGED),
    (failure) =>
      Effect.logWarning("failure beyond those in the status").pipe(
        Effect.annotateLogs({ ...shared, ...failureEntry(failure) }),
      ),
    { discard: true },
  )
}

/** What of drift is new, or what becomes of it; each is said once. */
const logDrift = (
  { repository, syncId }: SyncReport,
  { changed, healed }: DriftNews,
): Effect.Effect<void> => {
  const shared = { repository: keyOf(repository), syncId }
  const rows = [...changed, ...healed.map((deed) => ({ ...deed, action: "healed" }))]
  return Effect.forEach(
    rows.slice(0, MAX_LOGGED),
    (row) => Effect.logInfo("drift").pipe(Effect.annotateLogs({ ...row, ...shared })),
    { discard: true },
  )
}

const MAX_ROWS = 5_000

const make = Effect.gen(function* () {
  const writer = yield* makeWriter
  const record = yield* makeRecorder
  const notifier = yield* Notifier
  const hear = yield* Audience
  /** By uid; what is not known any more is taken from the status. */
  const said = new Map<string, Known>()

  const driftNews = (
    { metadata: { uid } }: GitRepository,
    before: RepositoryStatus,
    outcome: SyncOutcome,
    now: number,
  ): DriftNews => {
    const { known, news } = newsOf(said.get(uid) ?? knownOf(before), before, outcome, now)
    keep(said, uid, known, MAX_ROWS)
    return news
  }

  const notify = ({ repository }: SyncReport, { commit }: SyncOutcome, { appeared }: DriftNews) =>
    repository.spec.healPolicy !== "notify" || appeared.length === 0
      ? Effect.void
      : notifier.send(repository, { commit: commit.sha, drift: appeared }, (why) =>
          record(repository, [undelivered(why)]),
        )

  /** Where the sync got as far as to have an outcome: drift is said once, here and to whom it is to be told. */
  const tellDrift = Effect.fnUntraced(function* (report: SyncReport, before: RepositoryStatus) {
    const outcome = Result.getOrUndefined(report.outcome)
    if (outcome === undefined) return undefined
    const news = driftNews(report.repository, before, outcome, yield* Clock.currentTimeMillis)
    yield* logDrift(report, news)
    yield* notify(report, outcome, news)
    return { outcome, news }
  })

  /** Status first, then the events that its change is worth. */
  const tell = Effect.fnUntraced(function* (target: Target, news: News) {
    const told = yield* writer.tell(target, news)
    yield* record(target, noticesOf(told.before, told.after))
    return told
  })

  const tellAudience = (of: (at: number) => HeardOf) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => hear(of(at)))

  return Reporter.of({
    syncing: Effect.fnUntraced(function* (repository, trigger, syncId) {
      const told = yield* writer.tell(repository, (before, at) =>
        whileSyncing(before, trigger.kind, at),
      )
      const what = "syncing"
      yield* tellAudience((at) => ({ what, repository, trigger, syncId, ...told, at }))
    }),
    finished: Effect.fn("Reporter.finished")(function* (report) {
      const { repository } = report
      const told = yield* writer.tell(repository, (before, at) => afterSync(before, report, at))
      yield* logSync(report, told)
      yield* logUnlisted(report, told)
      const sync = yield* tellDrift(report, told.before)
      const news = sync === undefined ? {} : { news: sync.news }
      yield* tellAudience((at) => ({ what: "finished", ...report, ...told, ...news, at }))
      yield* record(repository, noticesOf(told.before, told.after, sync))
    }),
    health: Effect.fnUntraced(function* (report) {
      const { repository } = report
      const told = yield* tell(repository, (before, at) => afterHealth(before, report, at))
      if (told.before !== told.after)
        yield* tellAudience((at) => ({ what: "health", repository, ...told, at }))
    }),
    suspended: Effect.fnUntraced(function* (repository) {
      const told = yield* tell(repository, whileSuspended)
      yield* tellAudience((at) => ({ what: "suspended", repository, ...told, at }))
    }),
    crashed: Effect.fnUntraced(function* (repository, cause) {
      const told = yield* tell(repository, (before, at) => afterCrash(before, cause, at))
      yield* tellAudience((at) => ({ what: "crashed", repository, cause, ...told, at }))
    }),
    announceKinds: (repository, kinds) =>
      writer.store(repository, (before) => ({ ...before, inventoryKinds: kinds })),
    rejected: Effect.fn("Reporter.rejected")(function* (name, generation, error) {
      const target = { metadata: { ...name, generation } }
      const { code, reason, fix } = error
      yield* Effect.logError("GitRepository refused").pipe(
        Effect.annotateLogs({ repository: keyOf(target), code, reason, fix }),
      )
      yield* hear({ what: "rejected", key: keyOf(target) })
      yield* writer.read(target).pipe(
        Effect.flatMap((read) => tell(read, (before, at) => afterError(before, error, at))),
        Effect.catch((failure) => logUnwritten(target, failure)),
      )
    }),
  })
})

/** Reports, and hands what is to be notified to `notifier`. */
export const layerWith = (
  notifier: Layer.Layer<Notifier, never, Kube>,
): Layer.Layer<Reporter, never, Kube | Cache> =>
  Layer.effect(Reporter, make).pipe(Layer.provide(notifier))

export const layer: Layer.Layer<Reporter, never, Kube | Cache> = layerWith(notifierLayer)
