/** The rows of the status: failures, drift, commit, plan, history and summary, each bounded. Pure. */
import { Result } from "effect"
import { type Action, type Change, count } from "../domain/change.ts"
import type { Failure } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { Commit } from "../domain/source.ts"
import {
  type FailureEntry,
  type HistoryEntry,
  MAX_HISTORY,
  MAX_LISTED,
  MAX_PLANNED,
  type Moment,
  type RepositoryStatus,
  timeText,
} from "../domain/status.ts"
import type { SyncReport } from "./Reporter.ts"
import { line, short, steady } from "./text.ts"
import { ranked } from "./verdict.ts"

/** What counts as having done something. */
export const WRITES = ["created", "configured", "deleted", "healed"] as const

export const wroteAnything = ({ changes }: SyncOutcome): boolean =>
  changes.some(({ action }) => (WRITES as ReadonlyArray<Action>).includes(action))

export const failureEntry = (failure: Failure): FailureEntry => {
  const { disposition: _, object, file, ...rest } = failure
  return {
    ...rest,
    ...(object === undefined ? {} : { object: line(object, 512) }),
    ...(file === undefined ? {} : { file: line(file, 512) }),
    reason: line(steady(failure.reason), 1000),
    fix: line(failure.fix, 500),
  }
}

export const failureEntries = (failures: ReadonlyArray<Failure>): ReadonlyArray<FailureEntry> =>
  ranked(failures).slice(0, MAX_LISTED).map(failureEntry)

export const commitEntry = (commit: Commit): Commit => ({
  ...commit,
  message: line(commit.message, 200),
  author: line(commit.author, 200),
})

export const planEntries = ({ plan }: SyncOutcome): Pick<RepositoryStatus, "plan"> => {
  const rows = plan?.slice(0, MAX_PLANNED).map(({ object, action }) => ({
    object: line(object, 512),
    action: line(action, 100),
  }))
  return rows === undefined ? {} : { plan: rows }
}

/** What the columns of `kubectl get` show. */
export const summaryOf = (status: RepositoryStatus): Pick<RepositoryStatus, "summary"> => {
  const sha = status.lastSyncedCommit ?? status.lastAttemptedCommit
  const { appliedCount = 0, resourceCount } = status
  const commit = sha === undefined ? {} : { commit: short(sha) }
  const resources =
    resourceCount === undefined ? {} : { resources: `${appliedCount}/${resourceCount}` }
  return { summary: { ...commit, ...resources } }
}

/** A retry that fails as before is no news, neither is a look that found nothing. */
export const withHistory = (
  status: RepositoryStatus,
  { outcome: result, trigger, startedAt, syncId }: SyncReport,
  { now }: Moment,
): RepositoryStatus => {
  const outcome = Result.getOrUndefined(result)
  const counts = count(outcome?.changes ?? [])
  const entry: HistoryEntry = {
    ...(outcome === undefined ? {} : { commit: outcome.commit.sha }),
    ...(outcome?.rollback === undefined ? {} : { rolledBackFrom: outcome.rollback.from }),
    trigger: trigger.kind,
    phase: status.phase ?? "Failed",
    startedAt: timeText(startedAt),
    duration: `${(Math.max(now - startedAt, 0) / 1000).toFixed(2)}s`,
    created: counts.created,
    configured: counts.configured,
    pruned: counts.deleted,
    healed: counts.healed,
    failed: outcome === undefined ? 1 : outcome.failures.length,
    syncId,
  }
  const history = status.history ?? []
  const isNews =
    (outcome !== undefined && wroteAnything(outcome)) ||
    (outcome?.unasked === undefined &&
      (history[0]?.phase !== entry.phase || history[0].commit !== entry.commit))
  return isNews ? { ...status, history: [entry, ...history].slice(0, MAX_HISTORY) } : status
}

/** Deleted by us; or about to be, or not created again, by `spec.force`. */
const mayBeGone = ({ action, failure, heals }: Change): boolean =>
  action === "deleted" || (heals !== true && RECREATED.has(failure?.code ?? ""))
const RECREATED = new Set(["NOPEA-A046", "NOPEA-A059"])

/** What was applied whole, and under which spec. Deletes for another commit's sake end that: what is absent may be its doing. */
export const wholeEntries = (
  { lastSyncedGeneration: generation, ...before }: RepositoryStatus,
  { commit, changes }: SyncOutcome,
  isWhole: boolean,
  at: Moment,
): RepositoryStatus => {
  if (isWhole)
    return { ...before, lastSyncedCommit: commit.sha, lastSyncedGeneration: at.generation }
  const isKept = generation !== undefined && !changes.some(mayBeGone)
  return isKept ? { ...before, lastSyncedGeneration: generation } : before
}
