/** The rows of the status: failures, commit, plan and history, each bounded. Pure. */
import { Result } from "effect"
import { type Action, count } from "../domain/change.ts"
import type { Failure } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { Commit } from "../domain/source.ts"
import {
  type FailureEntry,
  type HistoryEntry,
  MAX_HISTORY,
  MAX_LISTED,
  type RepositoryStatus,
} from "../domain/status.ts"
import type { SyncReport } from "./Reporter.ts"
import { line, short } from "./text.ts"
import { ranked } from "./verdict.ts"

/** RFC 3339, in seconds. */
export const timeText = (millis: number): string =>
  new Date(millis).toISOString().replace(/\.\d{3}Z$/u, "Z")

const WROTE: ReadonlyArray<Action> = ["created", "configured", "deleted", "healed"]

export const wroteAnything = (outcome: SyncOutcome): boolean =>
  outcome.changes.some(({ action }) => WROTE.includes(action))

export const failureEntry = (failure: Failure): FailureEntry => {
  const { code, object, file, document, line: row } = failure
  return {
    code,
    ...(object === undefined ? {} : { object: line(object, 512) }),
    ...(file === undefined ? {} : { file: line(file, 512) }),
    ...(document === undefined ? {} : { document }),
    ...(row === undefined ? {} : { line: row }),
    reason: line(failure.reason, 1000),
    fix: line(failure.fix, 500),
  }
}

export const failureEntries = (failures: ReadonlyArray<Failure>): ReadonlyArray<FailureEntry> =>
  ranked(failures).slice(0, MAX_LISTED).map(failureEntry)

export const commitEntry = ({
  sha,
  message,
  author,
  time,
}: Commit): RepositoryStatus["commit"] & object => ({
  sha,
  message: line(message, 200),
  author: line(author, 200),
  time,
})

export const planEntries = (outcome: SyncOutcome): Pick<RepositoryStatus, "plan"> =>
  outcome.plan === undefined
    ? {}
    : {
        plan: outcome.plan.slice(0, 2 * MAX_LISTED).map(({ object, action }) => ({
          object: line(object, 512),
          action: line(action, 100),
        })),
      }

export const withSummary = (status: RepositoryStatus): RepositoryStatus => {
  const sha = status.lastSyncedCommit ?? status.lastAttemptedCommit
  const { appliedCount, resourceCount } = status
  return {
    ...status,
    summary: {
      ...(sha === undefined ? {} : { commit: short(sha) }),
      ...(resourceCount === undefined
        ? {}
        : { resources: `${appliedCount ?? 0}/${resourceCount}` }),
    },
  }
}

/** A retry that fails as before is no news, neither is a look that found nothing. */
const isNews = (entry: HistoryEntry, last: HistoryEntry | undefined, wrote: boolean): boolean =>
  wrote || last === undefined || last.phase !== entry.phase || last.commit !== entry.commit

export const withHistory = (
  status: RepositoryStatus,
  report: SyncReport,
  now: number,
): RepositoryStatus => {
  const outcome = Result.isSuccess(report.outcome) ? report.outcome.success : undefined
  const counts = count(outcome?.changes ?? [])
  const entry: HistoryEntry = {
    ...(outcome === undefined ? {} : { commit: outcome.commit.sha }),
    trigger: report.trigger.kind,
    phase: status.phase ?? "Failed",
    startedAt: timeText(report.startedAt),
    duration: `${(Math.max(now - report.startedAt, 0) / 1000).toFixed(2)}s`,
    created: counts.created,
    configured: counts.configured,
    pruned: counts.deleted,
    healed: counts.healed,
    failed: outcome === undefined ? 1 : outcome.failures.length,
    syncId: report.syncId,
  }
  const history = status.history ?? []
  const wrote = outcome !== undefined && wroteAnything(outcome)
  return isNews(entry, history[0], wrote)
    ? { ...status, history: [entry, ...history].slice(0, MAX_HISTORY) }
    : status
}
