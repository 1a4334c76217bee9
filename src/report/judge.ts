/** From a verdict to phase and conditions, and the news that are no sync: syncing, suspended, crashed, unreadable. Pure. */
import {
  type Condition,
  type ConditionType,
  type ConditionUpdate,
  findCondition,
  removeCondition,
  setCondition,
} from "../domain/conditions.ts"
import { type SyncError, toFailure } from "../domain/errors.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { failureEntries, timeText, withSummary } from "./entries.ts"
import { line } from "./text.ts"
import { MAX_MESSAGE, type Verdict, verdictOfError } from "./verdict.ts"

const put = (
  conditions: ReadonlyArray<Condition>,
  update: ConditionUpdate,
  holds: boolean,
  now: string,
): ReadonlyArray<Condition> =>
  holds ? setCondition(conditions, update, now) : removeCondition(conditions, update.type)

const ORDER: ReadonlyArray<ConditionType> = [
  "Ready",
  "Drifted",
  "Healthy",
  "Reconciling",
  "Stalled",
]

/** The same conditions in the same order, so that the same news are the same status. */
const ordered = (conditions: ReadonlyArray<Condition>): ReadonlyArray<Condition> =>
  conditions.toSorted((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type))

/** `Reconciling` and `Stalled` are there only while they are true: https://github.com/kubernetes-sigs/cli-utils */
export const judged = (
  before: RepositoryStatus,
  { phase, ready, reason, message, next }: Verdict,
  generation: number,
  now: string,
): RepositoryStatus => {
  const observedGeneration = generation
  const stalled = { type: "Stalled", status: "True", reason, message, observedGeneration } as const
  const retrying = {
    type: "Reconciling",
    status: "True",
    reason: "Progressing",
    message: "it is tried again by itself",
    observedGeneration,
  } as const
  const told = setCondition(
    before.conditions ?? [],
    { type: "Ready", status: ready, reason, message, observedGeneration },
    now,
  )
  const conditions = put(
    put(told, retrying, next === "retrying", now),
    stalled,
    next === "stalled",
    now,
  )
  return { ...before, phase, observedGeneration, conditions: ordered(conditions) }
}

const progressing = (generation: number, message: string): ConditionUpdate => ({
  type: "Reconciling",
  status: "True",
  reason: "Progressing",
  message,
  observedGeneration: generation,
})

/** A sync is under way. Whether the last one left things ready still holds. */
export const whileSyncing = (
  before: RepositoryStatus,
  generation: number,
  now: number,
): RepositoryStatus => {
  const time = timeText(now)
  const known = removeCondition(before.conditions ?? [], "Stalled")
  const ready: ReadonlyArray<Condition> =
    findCondition(known, "Ready") !== undefined
      ? known
      : setCondition(
          known,
          {
            type: "Ready",
            status: "Unknown",
            reason: "Progressing",
            message: "the first sync runs",
          },
          time,
        )
  const conditions = setCondition(ready, progressing(generation, "a sync runs"), time)
  return { ...before, phase: "Syncing", conditions: ordered(conditions) }
}

/** What was applied stays ready or not; only nobody looks after it. */
export const whileSuspended = (
  before: RepositoryStatus,
  generation: number,
  now: number,
): RepositoryStatus => {
  const ready = findCondition(before.conditions ?? [], "Ready")?.status ?? "Unknown"
  const message = "spec.suspend is true: nothing is synced or healed"
  const verdict: Verdict = {
    phase: "Suspended",
    ready,
    reason: "Suspended",
    message,
    next: "settled",
  }
  return judged(before, verdict, generation, timeText(now))
}

/** `cause` has no secrets. */
export const afterCrash = (
  before: RepositoryStatus,
  cause: string,
  generation: number,
  now: number,
): RepositoryStatus => {
  const verdict: Verdict = {
    phase: "Failed",
    ready: "False",
    reason: "WorkerCrashed",
    message: line(`its worker crashed and is started again: ${cause}`, MAX_MESSAGE),
    next: "retrying",
  }
  return judged(before, verdict, generation, timeText(now))
}

/** The GitRepository cannot be read: only a new spec helps. What is in the cluster stays known. */
export const afterRejection = (
  before: RepositoryStatus,
  error: SyncError,
  generation: number,
  now: number,
): RepositoryStatus => {
  const status = { ...before, failures: failureEntries([toFailure(error)]) }
  return withSummary(judged(status, verdictOfError(error, undefined), generation, timeText(now)))
}
