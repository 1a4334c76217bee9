/** Status before + news -> status after. Pure; equal news give an equal status, so nothing is written. */
import { Result } from "effect"
import { type SyncError, toFailure } from "../domain/errors.ts"
import { isUntouched, type SyncOutcome } from "../domain/outcome.ts"
import { reconcileRequestOf } from "../domain/repository.ts"
import {
  type ConditionNews,
  conditionOf,
  type DriftEntry,
  MAX_LISTED,
  type Moment,
  type RepositoryStatus,
  timeText,
  withConditions,
} from "../domain/status.ts"
import type { TriggerKind } from "../domain/trigger.ts"
import {
  didText,
  driftRows,
  fateText,
  healFailures,
  isHealFailed,
  listed,
  objectsOf,
} from "./drift.ts"
import {
  commitEntry,
  failureEntries,
  planEntries,
  summaryOf,
  wholeEntries,
  withHistory,
  wroteAnything,
} from "./entries.ts"
import { awaiting, healthyNews, isDecidedByHealth, UNKNOWN } from "./health.ts"
import type { HealthReport, SyncReport } from "./Reporter.ts"
import { line, MAX_MESSAGE } from "./text.ts"
import { appliedVerdict, noted, type Verdict, verdictOf, verdictOfError } from "./verdict.ts"

const progressing = (message: string) =>
  ({ status: "True", reason: "Progressing", message }) as const

/** `Reconciling` and `Stalled` are there only while they are true: https://github.com/kubernetes-sigs/cli-utils */
const judged = (before: RepositoryStatus, verdict: Verdict, at: Moment): RepositoryStatus => {
  const { phase, ready, reason, next } = verdict
  const message = line(verdict.message, MAX_MESSAGE)
  const status = { ...before, ...summaryOf(before), phase, observedGeneration: at.generation }
  const news: ConditionNews = {
    Ready: { status: ready, reason, message },
    Reconciling:
      next === "retrying" ? progressing(verdict.waits ?? "it is tried again by itself") : undefined,
    Stalled: next === "stalled" ? { status: "True", reason, message } : undefined,
  }
  return withConditions(status, news, at)
}

/** Somebody waits to see it begin. All others look whether there is something to do; where there is nothing, nothing is written. */
const AWAITED: ReadonlySet<TriggerKind> = new Set(["webhook", "syncNow", "specChanged"])

/** A sync is under way. Whether the last one left things ready still holds. */
export const whileSyncing = (
  before: RepositoryStatus,
  trigger: TriggerKind,
  at: Moment,
): RepositoryStatus => {
  const isFirst = conditionOf(before, "Ready") === undefined
  if (!isFirst && !AWAITED.has(trigger)) return before
  const ready = {
    status: "Unknown",
    reason: "Progressing",
    message: "the first sync runs",
  } as const
  const news: ConditionNews = {
    ...(isFirst ? { Ready: ready } : {}),
    Reconciling: progressing("a sync runs"),
    Stalled: undefined,
  }
  return withConditions({ ...before, phase: "Syncing" }, news, at)
}

/** What was applied stays ready or not; only nobody looks after it. */
export const whileSuspended = (before: RepositoryStatus, at: Moment): RepositoryStatus => {
  const ready = conditionOf(before, "Ready")?.status ?? "Unknown"
  const message = "spec.suspend is true: nothing is synced or healed"
  const verdict = {
    phase: "Suspended",
    ready,
    reason: "Suspended",
    message,
    next: "settled",
  } as const
  return judged(before, verdict, at)
}

/** `cause` has no secrets. */
export const afterCrash = (
  before: RepositoryStatus,
  cause: string,
  at: Moment,
): RepositoryStatus => {
  const message = `its worker crashed and is started again: ${cause}`
  const reason = "WorkerCrashed"
  return judged(before, { phase: "Failed", ready: "False", reason, message, next: "retrying" }, at)
}

/** The sync as a whole failed, or the GitRepository cannot be read. What is in the cluster stays known. */
export const afterError = (
  before: RepositoryStatus,
  error: SyncError,
  at: Moment,
  retryIn?: number,
): RepositoryStatus => {
  const status = { ...before, failures: failureEntries([toFailure(error)]) }
  return judged(status, verdictOfError(error, retryIn), at)
}

/** Names the first of them, and how many objects there are. */
const driftedNews = (
  rows: ReadonlyArray<DriftEntry>,
  { changes }: SyncOutcome,
): ConditionNews["Drifted"] => {
  const first = rows.find(isHealFailed) ?? rows[0]
  if (first === undefined)
    return { status: "False", reason: "Succeeded", message: "the cluster is as Git says" }
  const objects = objectsOf(rows).size
  const deeds = rows.filter(({ object }) => object === first.object)
  const told = healFailures(changes).get(first.object) ?? `${didText(deeds)}; ${fateText(first)}`
  const message = `${told}${objects > 1 ? `; ${objects} objects in all` : ""}`
  const reason = isHealFailed(first) ? "HealFailed" : "DriftDetected"
  return { status: "True", reason, message: line(message, MAX_MESSAGE) }
}

/** What somebody saw who looked at every object. */
const looked = (
  { plan: _, delegated: __, ...before }: RepositoryStatus,
  outcome: SyncOutcome,
  at: Moment,
): RepositoryStatus => {
  const rows = driftRows(outcome, before.drift ?? [], at.now)
  const status: RepositoryStatus = {
    ...before,
    ...planEntries(outcome),
    inventoryKinds: outcome.inventoryKinds,
    resourceCount: outcome.resourceCount,
    appliedCount: outcome.appliedCount,
    ...(outcome.delegated === undefined ? {} : { delegated: outcome.delegated }),
    drift: listed(rows, MAX_LISTED),
    driftedCount: objectsOf(rows).size,
    suspendedCount: noted(outcome.changes, "suspended").length,
  }
  return withConditions(status, { Drifted: driftedNews(rows, outcome) }, at)
}

/** The cluster is kept as the commit known before says: what is said of Git stands. */
const keptUp = (
  known: RepositoryStatus,
  outcome: SyncOutcome,
  unasked: SyncError,
  { retryIn }: SyncReport,
  at: Moment,
): RepositoryStatus => {
  const failures = failureEntries([toFailure(unasked), ...outcome.failures])
  const isLast = outcome.commit.sha === known.lastSyncedCommit
  const kept = isLast ? known : wholeEntries(known, outcome, false, at)
  const did = wroteAnything(outcome) ? { lastSyncTime: timeText(at.now) } : {}
  return judged({ ...kept, ...did, failures }, verdictOfError(unasked, retryIn), at)
}

const succeeded = (
  { rollback: _, ...told }: RepositoryStatus,
  outcome: SyncOutcome,
  report: SyncReport,
  at: Moment,
): RepositoryStatus => {
  const { commit, failures, rollback } = outcome
  const before = rollback === undefined ? told : { ...told, rollback }
  const known = isUntouched(outcome) ? before : looked(before, outcome, at)
  if (outcome.unasked !== undefined) return keptUp(known, outcome, outcome.unasked, report, at)
  const verdict = verdictOf(known, outcome, report)
  const isWhole = verdict.ready === "True" && !report.repository.spec.dryRun
  const hasMoved = isWhole && before.lastSyncedCommit !== commit.sha
  const isNew = hasMoved || wroteAnything(outcome)
  const status = {
    ...wholeEntries(known, outcome, isWhole, at),
    lastAttemptedCommit: commit.sha,
    ...(isNew ? { lastSyncTime: timeText(at.now) } : {}),
    commit: commitEntry(commit),
    failures: failureEntries(failures),
  }
  const { repository } = report
  const isUnseen = isNew || conditionOf(before, "Healthy")?.observedGeneration !== at.generation
  const isToBeSeen = isWhole && repository.spec.wait && isUnseen
  const seen = isToBeSeen ? withConditions(status, { Healthy: UNKNOWN }, at) : status
  return judged(seen, awaiting(verdict, seen, repository), at)
}

/** Somebody looked at what was applied. A look at another commit's objects says nothing any more. */
export const afterHealth = (
  before: RepositoryStatus,
  { repository, commit, view }: HealthReport,
  at: Moment,
): RepositoryStatus => {
  if (view === undefined || commit === undefined)
    return conditionOf(before, "Healthy") === undefined
      ? before
      : withConditions(before, { Healthy: undefined }, at)
  if (before.commit?.sha !== commit) return before
  const status = withConditions(before, { Healthy: healthyNews(view, repository) }, at)
  if (!isDecidedByHealth(status, repository)) return status
  return judged(status, awaiting(appliedVerdict(status, commit), status, repository), at)
}

/** A request is answered once a sync that began after it has ended, well or not. */
const answered = (before: RepositoryStatus, { repository }: SyncReport): RepositoryStatus => {
  const request = reconcileRequestOf(repository)
  return request === undefined ? before : { ...before, lastHandledReconcileAt: line(request, 256) }
}

/** In the history a sync is what it applied, whatever becomes of that. */
const [SYNCED, DRIFTED] = [{ phase: "Synced" }, { phase: "Drifted" }] as const

/** After a sync. */
export const afterSync = (
  before: RepositoryStatus,
  report: SyncReport,
  at: Moment,
): RepositoryStatus => {
  const { outcome, retryIn } = report
  const known = answered(before, report)
  const after = Result.isSuccess(outcome)
    ? succeeded(known, outcome.success, report, at)
    : afterError(known, outcome.failure, at, retryIn)
  const { phase } = after
  const applied = isDecidedByHealth(after, report.repository)
    ? { ...after, ...(after.driftedCount ? DRIFTED : SYNCED) }
    : after
  return { ...withHistory(applied, report, at), ...(phase === undefined ? {} : { phase }) }
}
