/** From what a sync did to what is told of it. */
import type { Worked } from "../cache/Cache.ts"
import { type ChangeSet, failuresOf } from "../domain/change.ts"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { GitRepository } from "../domain/repository.ts"
import type { Rollback } from "../domain/rollback.ts"
import type { Commit } from "../domain/source.ts"
import { appliedCountOf, delegatedAfter } from "../plan/after.ts"
import { describePlan, type Plan } from "../plan/plan.ts"
import type { Rendered } from "../render/Render.ts"

export interface Done {
  readonly repository: GitRepository
  readonly commit: Commit
  readonly rendered: Rendered
  readonly plan: Plan
  readonly result: {
    readonly changes: ChangeSet
    readonly inventoryKinds: ReadonlyArray<string>
  }
  /** The sync before this one. */
  readonly before: Worked | undefined
  readonly unasked: SyncError | undefined
  readonly rollback: Rollback | undefined
}

const QUIET = new Set(["unchanged", "skipped", "held", "delegated"])

/** Same commit, same spec, everything as it was: there is nothing to tell. What is only planned is no change. */
const isNothing = ({ before, commit, repository, result }: Done, failed: boolean): boolean =>
  !failed &&
  !repository.spec.dryRun &&
  before?.clean === true &&
  before.commit.sha === commit.sha &&
  before.generation === repository.metadata.generation &&
  result.changes.every(({ action }) => QUIET.has(action))

/** Between two tries at what failed while the retry is Git's: milliseconds. */
const AGAIN = 10_000

const wakeAt = (
  { result: { changes }, plan, unasked }: Done,
  failures: SyncOutcome["failures"],
): Pick<SyncOutcome, "wakeAt"> => {
  const times = changes.flatMap(({ until }) => until ?? [])
  const mayPass = failures.some(({ disposition }) => disposition !== "stall")
  if (unasked !== undefined && mayPass) times.push(plan.rules.now + AGAIN)
  return times.length === 0 ? {} : { wakeAt: Math.min(...times) }
}

/** Tags are taken to stay where they are; told once, by whoever tells of a new commit. */
const movedTag = ({ repository, commit, before, rollback }: Done): ReadonlyArray<string> => {
  const tag = repository.spec.ref?.tag
  const [was, is] = [before?.rollback?.from ?? before?.commit.sha, rollback?.from ?? commit.sha]
  const isSame = was === is || before?.generation !== repository.metadata.generation
  if (tag === undefined || was === undefined || isSame) return []
  return [`the tag ${tag} moved from ${was.slice(0, 12)} to ${is.slice(0, 12)}`]
}

/** A dry run changes nothing of it. */
const delegatedIn = ({ repository, plan, result }: Done): Pick<SyncOutcome, "delegated"> => {
  const { dryRun } = repository.spec
  const delegated = dryRun ? plan.formerly : delegatedAfter(plan, result.changes)
  return delegated === undefined ? {} : { delegated }
}

export const outcomeOf = (done: Done): SyncOutcome => {
  const { repository, commit, rendered, plan, result } = done
  const failures = [...rendered.failures, ...failuresOf(result.changes)]
  return {
    commit,
    result: isNothing(done, failures.length > 0) ? "nothing" : "done",
    changes: result.changes,
    failures,
    warnings: [...movedTag(done), ...rendered.warnings, ...plan.warnings],
    resourceCount: rendered.objects.length,
    appliedCount: appliedCountOf(plan, result.changes),
    inventoryKinds: result.inventoryKinds,
    ...wakeAt(done, failures),
    ...delegatedIn(done),
    ...(done.unasked === undefined ? {} : { unasked: done.unasked }),
    ...(done.rollback === undefined ? {} : { rollback: done.rollback }),
    ...(repository.spec.dryRun ? { plan: describePlan(plan) } : {}),
  }
}

/** The commit is applied already: nobody looked any further. */
export const untouched = (commit: Commit, rollback?: Rollback): SyncOutcome => ({
  commit,
  result: "nothing",
  changes: [],
  failures: [],
  warnings: [],
  resourceCount: 0,
  appliedCount: 0,
  inventoryKinds: [],
  ...(rollback === undefined ? {} : { rollback }),
})
