/** What a sync came to, in one phase, one reason and one sentence. Pure. */
import type { ConditionStatus } from "../domain/conditions.ts"
import { type Failure, type SyncError, toFailure } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { Phase, RepositoryStatus } from "../domain/status.ts"
import { NOTE, noted } from "./drift.ts"
import { line, plural, short } from "./text.ts"

export interface Verdict {
  readonly phase: Phase
  readonly ready: ConditionStatus
  readonly reason: string
  readonly message: string
  /** `stalled`: only a person can help. `retrying`: it is tried again by itself. */
  readonly next: "settled" | "retrying" | "stalled"
}

export const MAX_MESSAGE = 1024

const BY_LETTER: Readonly<Record<string, string>> = {
  G: "GitFailed",
  R: "RenderFailed",
  A: "ApplyFailed",
  D: "HealFailed",
  C: "ConfigInvalid",
}

/** `NOPEA-G001` -> `GitFailed`. */
const reasonOf = (failure: Failure): string => BY_LETTER[failure.code.charAt(6)] ?? "Failed"

const sentence = ({ code, object, file, line: row, reason, fix }: Failure): string => {
  const place = file === undefined ? "" : ` (${file}${row === undefined ? "" : `:${row}`})`
  const subject = object === undefined && file === undefined ? "" : `${object ?? ""}${place}: `
  return `${subject}${reason} [${code}]. Fix: ${fix}`
}

const nextOf = (retryIn: number | undefined): Verdict["next"] =>
  retryIn === undefined ? "stalled" : "retrying"

const errorReason = (error: SyncError): string => {
  if (error._tag === "SyncTimeout") return "Timeout"
  if (error._tag === "ConfigError" && error.disposition === "wait") return "DependencyNotReady"
  return reasonOf(toFailure(error))
}

/** The sync as a whole failed. */
export const verdictOfError = (error: SyncError, retryIn: number | undefined): Verdict => {
  const reason = errorReason(error)
  return {
    phase: reason === "DependencyNotReady" ? "Pending" : "Failed",
    ready: "False",
    reason,
    message: line(sentence(toFailure(error)), MAX_MESSAGE),
    next: nextOf(retryIn),
  }
}

/** Failures that somebody has to look at go before those that only wait. */
export const ranked = (failures: ReadonlyArray<Failure>): ReadonlyArray<Failure> => [
  ...failures.filter(({ disposition }) => disposition !== "wait"),
  ...failures.filter(({ disposition }) => disposition === "wait"),
]

const verdictOfFailures = (outcome: SyncOutcome, retryIn: number | undefined): Verdict => {
  const [first, ...others] = ranked(outcome.failures) as [Failure, ...Array<Failure>]
  const waits = first.disposition === "wait"
  const more = others.length === 0 ? "" : ` (and ${plural(others.length, "more failure")})`
  const head = `${short(outcome.commit.sha)}: ${outcome.appliedCount} of ${plural(outcome.resourceCount, "object")} applied`
  return {
    phase: "Failed",
    ready: "False",
    reason: waits ? "Progressing" : reasonOf(first),
    message: line(`${head}${more}. ${sentence(first)}`, MAX_MESSAGE),
    next: nextOf(retryIn),
  }
}

const heldVerdict = (reason: string, fix: string): Verdict => ({
  phase: "Failed",
  ready: "False",
  reason: "PruneHeld",
  message: line(`${reason}. Fix: ${fix}`, MAX_MESSAGE),
  next: "stalled",
})

const dryRunVerdict = (sha: string, planned: number): Verdict => ({
  phase: planned > 0 ? "Pending" : "Synced",
  ready: "True",
  reason: "Succeeded",
  message: `dry run of ${short(sha)}: ${planned > 0 ? `${plural(planned, "object")} would be written` : "nothing would be written"}`,
  next: "settled",
})

const appliedVerdict = (sha: string, objects: number, drifted: number): Verdict => ({
  phase: drifted > 0 ? "Drifted" : "Synced",
  ready: "True",
  reason: "Succeeded",
  message: `applied ${short(sha)}: ${plural(objects, "object")}`,
  next: "settled",
})

export interface Seen {
  readonly outcome: SyncOutcome
  readonly retryIn: number | undefined
  readonly dryRun: boolean
}

/** Somebody looked at every object. */
export const verdictOfOutcome = ({ outcome, retryIn, dryRun }: Seen): Verdict => {
  const { changes, commit, failures, plan, resourceCount } = outcome
  if (failures.length > 0) return verdictOfFailures(outcome, retryIn)
  if (dryRun) return dryRunVerdict(commit.sha, plan?.length ?? 0)
  const note = noted(changes, NOTE.pruneHeld)[0]?.note
  if (note !== undefined) return heldVerdict(note.reason, note.fix)
  return appliedVerdict(commit.sha, resourceCount, noted(changes, NOTE.drifted).length)
}

/** Nobody looked, because nothing can have changed: what was known still holds. */
export const verdictUntouched = (seen: Seen, before: RepositoryStatus): Verdict => {
  const { sha } = seen.outcome.commit
  if (seen.dryRun) return dryRunVerdict(sha, before.plan?.length ?? 0)
  if (before.lastSyncedCommit === sha) {
    return appliedVerdict(sha, before.resourceCount ?? 0, before.driftedCount ?? 0)
  }
  const known = before.conditions?.find(
    ({ type, reason }) => type === "Ready" && reason === "PruneHeld",
  )
  const generic = heldVerdict(
    `${short(sha)}: deletes are held by spec.pruneLimit`,
    `annotate the GitRepository with nopea.io/approve-prune=${sha}, or bring the objects back to Git`,
  )
  return known === undefined ? generic : { ...generic, message: known.message }
}
