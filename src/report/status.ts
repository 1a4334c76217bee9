/** Status before + a finished sync -> status after. Pure; equal news give an equal status, so nothing is written. */
import { Result } from "effect"
import { type ConditionUpdate, setCondition } from "../domain/conditions.ts"
import { type SyncError, toFailure } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, reconcileRequestOf } from "../domain/repository.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { driftMessage, driftOf, NOTE, noted } from "./drift.ts"
import {
  commitEntry,
  failureEntries,
  planEntries,
  timeText,
  withHistory,
  withSummary,
  wroteAnything,
} from "./entries.ts"
import { judged } from "./judge.ts"
import type { SyncReport } from "./Reporter.ts"
import { line } from "./text.ts"
import {
  MAX_MESSAGE,
  type Seen,
  verdictOfError,
  verdictOfOutcome,
  verdictUntouched,
} from "./verdict.ts"

/** A request is handled once a sync that began after it has ended, well or not. */
const answered = (status: RepositoryStatus, repository: GitRepository): RepositoryStatus => {
  const request = reconcileRequestOf(repository)
  return request === undefined ? status : { ...status, lastHandledReconcileAt: line(request, 256) }
}

const generationOf = ({ metadata }: GitRepository): number => metadata.generation ?? 0

const failed = (before: RepositoryStatus, error: SyncError, report: SyncReport, now: number) =>
  judged(
    { ...before, failures: failureEntries([toFailure(error)]) },
    verdictOfError(error, report.retryIn),
    generationOf(report.repository),
    timeText(now),
  )

const withDrift = (
  status: RepositoryStatus,
  { changes }: SyncOutcome,
  generation: number,
  now: string,
): RepositoryStatus => {
  const drift = driftOf(changes, status.drift ?? [], now)
  const driftedCount = noted(changes, NOTE.drifted).length
  const update: ConditionUpdate = {
    type: "Drifted",
    status: driftedCount > 0 ? "True" : "False",
    reason: driftedCount > 0 ? "DriftDetected" : "Succeeded",
    message: line(driftMessage(drift, driftedCount), MAX_MESSAGE),
    observedGeneration: generation,
  }
  return {
    ...status,
    drift,
    driftedCount,
    suspendedCount: noted(changes, NOTE.suspended).length,
    conditions: setCondition(status.conditions ?? [], update, now),
  }
}

const looked = (before: RepositoryStatus, seen: Seen, report: SyncReport, now: number) => {
  const { outcome } = seen
  const { plan: _, ...rest } = before
  const verdict = verdictOfOutcome(seen)
  const isWhole = !seen.dryRun && verdict.ready === "True"
  const moved = isWhole && before.lastSyncedCommit !== outcome.commit.sha
  const time = timeText(now)
  const base: RepositoryStatus = {
    ...rest,
    ...planEntries(outcome),
    ...(isWhole ? { lastSyncedCommit: outcome.commit.sha } : {}),
    ...(moved || wroteAnything(outcome) ? { lastSyncTime: time } : {}),
    inventoryKinds: outcome.inventoryKinds,
    resourceCount: outcome.resourceCount,
    appliedCount: outcome.appliedCount,
    failures: failureEntries(outcome.failures),
  }
  const generation = generationOf(report.repository)
  return judged(withDrift(base, outcome, generation, time), verdict, generation, time)
}

/** A sync that ended before it looked at objects answers with none; an empty path looks the same and is as quiet. */
const isUntouched = ({ result, changes }: SyncOutcome): boolean =>
  result === "nothing" && changes.length === 0

const succeeded = (
  before: RepositoryStatus,
  outcome: SyncOutcome,
  report: SyncReport,
  now: number,
) => {
  const seen = { outcome, retryIn: report.retryIn, dryRun: report.repository.spec.dryRun }
  const attempted = {
    ...before,
    lastAttemptedCommit: outcome.commit.sha,
    commit: commitEntry(outcome.commit),
  }
  if (!isUntouched(outcome)) return looked(attempted, seen, report, now)
  const verdict = verdictUntouched(seen, before)
  const status = { ...attempted, failures: [] }
  return judged(status, verdict, generationOf(report.repository), timeText(now))
}

/** After a sync. `now` in milliseconds since the epoch. */
export const afterSync = (
  before: RepositoryStatus,
  report: SyncReport,
  now: number,
): RepositoryStatus => {
  const next = Result.isSuccess(report.outcome)
    ? succeeded(before, report.outcome.success, report, now)
    : failed(before, report.outcome.failure, report, now)
  return withSummary(answered(withHistory(next, report, now), report.repository))
}
