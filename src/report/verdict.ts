/** What a sync came to, in one phase, one reason and one sentence. Pure. */
import { type Change, type ChangeSet, failuresOf } from "../domain/change.ts"
import { type Failure, type SyncError, toFailure } from "../domain/errors.ts"
import { isUntouched, type SyncOutcome } from "../domain/outcome.ts"
import {
  type Condition,
  conditionOf,
  MAX_PLANNED,
  type Phase,
  type RepositoryStatus,
} from "../domain/status.ts"
import type { SyncReport } from "./Reporter.ts"
import { plural, short, steady } from "./text.ts"

export interface Verdict {
  readonly phase: Phase
  readonly ready: Condition["status"]
  readonly reason: string
  readonly message: string
  /** `stalled`: only a person can help. `retrying`: it is tried again by itself. */
  readonly next: "settled" | "retrying" | "stalled"
  /** Why it becomes otherwise by itself; absent: because it is tried again. */
  readonly waits?: string
}

/** Codes of the notes that planning puts on objects it leaves alone. */
export const NOTE = {
  pruneHeld: "NOPEA-A050",
  suspended: "NOPEA-A053",
  drifted: "NOPEA-A055",
} as const

export const noted = (changes: ChangeSet, note: keyof typeof NOTE): ReadonlyArray<Change> =>
  changes.filter((change) => change.note?.code === NOTE[note])

/** What the cluster was to get back, and did not. While it still waits for something, nothing failed. */
export const isFailedHeal = ({ heals, action }: Change): boolean =>
  heals === true && action === "failed"

/** Those that keep the commit from being applied whole: a heal has no news from Git. */
const ordinary = ({ changes, failures }: SyncOutcome): ReadonlyArray<Failure> => {
  const heals = new Set(failuresOf(changes.filter((change) => change.heals === true)))
  return failures.filter((failure) => !heals.has(failure))
}

/** Failures that somebody has to look at go before those that only wait. */
export const ranked = (failures: ReadonlyArray<Failure>): ReadonlyArray<Failure> =>
  failures.toSorted((a, b) => Number(a.disposition === "wait") - Number(b.disposition === "wait"))

const BY_LETTER: Readonly<Record<string, string>> = {
  G: "GitFailed",
  R: "RenderFailed",
  A: "ApplyFailed",
  D: "HealFailed",
  C: "ConfigInvalid",
}

/** `NOPEA-G001` -> `GitFailed`. */
const reasonOf = ({ code }: Failure): string => BY_LETTER[code.charAt(6)] ?? "Failed"

const sentence = ({ code, object, file, line: row, reason, fix }: Failure): string => {
  const place = file === undefined ? "" : `${file}${row === undefined ? "" : `:${row}`}`
  const subject = object === undefined ? place : `${object}${place && ` (${place})`}`
  return `${subject && `${subject}: `}${steady(reason)} [${code}]. Fix: ${fix}`
}

const failed = (reason: string, message: string, retryIn: number | undefined): Verdict => ({
  phase: reason === "DependencyNotReady" ? "Pending" : "Failed",
  ready: "False",
  reason,
  message,
  next: retryIn === undefined ? "stalled" : "retrying",
})

const errorReason = (error: SyncError): string => {
  if (error._tag === "SyncTimeout") return "Timeout"
  if (error._tag === "ConfigError" && error.disposition === "wait") return "DependencyNotReady"
  return reasonOf(toFailure(error))
}

/** The sync as a whole failed. `retryIn` absent: it waits for a trigger. */
export const verdictOfError = (error: SyncError, retryIn: number | undefined): Verdict =>
  failed(errorReason(error), sentence(toFailure(error)), retryIn)

/** Before what went wrong with a commit that somebody went back to. */
const goingBack = ({ rollback }: SyncOutcome): string =>
  rollback === undefined ? "" : `rollback from ${short(rollback.from)} to ${short(rollback.to)}: `

/** After what went well. */
export const wentBack = ({ rollback }: Pick<RepositoryStatus, "rollback">): string =>
  rollback === undefined
    ? ""
    : `; rolled back from ${short(rollback.from)} to ${short(rollback.to)}: the next commit other than ${short(rollback.from)} is followed again`

const verdictOfFailures = (outcome: SyncOutcome, retryIn: number | undefined): Verdict => {
  const { commit, failures, resourceCount, appliedCount } = outcome
  const [first, ...others] = ranked(failures) as [Failure, ...Array<Failure>]
  const head = `${goingBack(outcome)}${short(commit.sha)}: ${appliedCount} of ${plural(resourceCount, "object")} applied`
  const more = others.length === 0 ? "" : ` (and ${plural(others.length, "more failure")})`
  const reason = first.disposition === "wait" ? "Progressing" : reasonOf(first)
  return failed(reason, `${head}${more}. ${sentence(first)}`, retryIn)
}

/** Why deletes are held; `undefined`: they are not. */
const heldBecause = (known: RepositoryStatus, outcome: SyncOutcome): string | undefined => {
  const note = noted(outcome.changes, "pruneHeld")[0]?.note
  if (note !== undefined) return `${goingBack(outcome)}${note.reason}. Fix: ${note.fix}`
  if (!isUntouched(outcome)) return undefined
  const ready = conditionOf(known, "Ready")
  if (ready?.reason === "PruneHeld") return ready.message
  const { sha } = outcome.commit
  return known.lastSyncedCommit === sha
    ? undefined
    : `${goingBack(outcome)}${short(sha)}: deletes are held by spec.pruneLimit. Fix: annotate the GitRepository with nopea.io/approve-prune=${sha}, or bring the objects back to Git`
}

/** What is delegated is no write. */
const planned = ({ plan = [] }: RepositoryStatus) =>
  plan.filter(({ action }) => action !== "delegated")

const plannedText = (known: RepositoryStatus): string => {
  const plan = planned(known)
  if (plan.length === 0) return "nothing"
  return plan.length < MAX_PLANNED
    ? plural(plan.length, "object")
    : `${plan.length} or more objects`
}

/** Nothing failed, and nothing is held. */
export const appliedVerdict = (known: RepositoryStatus, sha: string): Verdict => ({
  phase: known.driftedCount ? "Drifted" : "Synced",
  ready: "True",
  reason: "Succeeded",
  message: `applied ${short(sha)}: ${plural(known.resourceCount ?? 0, "object")}${wentBack(known)}`,
  next: "settled",
})

/**
 * `known`: of the objects, what this sync saw, else what was known before. Where nothing failed but heals, Git's
 * commit is applied whole: phase `Drifted`, and Ready stays `True`, as it does for drift that a policy leaves. The
 * condition `Drifted` says what failed and the way out (`HealFailed`), and `failures` lists it.
 */
export const verdictOf = (
  known: RepositoryStatus,
  outcome: SyncOutcome,
  { repository, retryIn }: SyncReport,
): Verdict => {
  const { commit } = outcome
  const failures = ordinary(outcome)
  if (failures.length > 0) return verdictOfFailures({ ...outcome, failures }, retryIn)
  const good = { ready: "True", reason: "Succeeded", next: "settled" } as const
  if (repository.spec.dryRun) {
    const message = `dry run of ${short(commit.sha)}: ${plannedText(known)} would be written${wentBack(known)}`
    return { ...good, phase: planned(known).length > 0 ? "Pending" : "Synced", message }
  }
  const held = heldBecause(known, outcome)
  if (held !== undefined) return failed("PruneHeld", held, undefined)
  return appliedVerdict(known, commit.sha)
}
