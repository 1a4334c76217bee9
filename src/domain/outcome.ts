/** What one sync came to: everything that state, status, events and metrics are made from. */
import type { ChangeSet } from "./change.ts"
import type { Failure, SyncError } from "./errors.ts"
import type { Rollback } from "./rollback.ts"
import type { Commit } from "./source.ts"
import type { Delegated } from "./status.ts"

export interface SyncOutcome {
  readonly commit: Commit
  /** `nothing`: a poll or reconcile that found everything as it was; it writes nothing. */
  readonly result: "nothing" | "done"
  readonly changes: ChangeSet
  /** Of render, plan and apply; empty: the commit is applied whole. */
  readonly failures: ReadonlyArray<Failure>
  readonly warnings: ReadonlyArray<string>
  /** Desired objects; those of them that are live as Git says. */
  readonly resourceCount: number
  readonly appliedCount: number
  /** `group/kind` of everything this repository may hold in the cluster, sorted. */
  readonly inventoryKinds: ReadonlyArray<string>
  /** What `spec.rolloutRef` delegates. */
  readonly delegated?: Delegated
  /** `spec.dryRun`: what would be done. */
  readonly plan?: ReadonlyArray<{ readonly object: string; readonly action: string }>
  /** Milliseconds since the epoch: when drift has to be looked at again by itself. */
  readonly wakeAt?: number
  /** Why `commit` is what was known before: Git gave no answer when it was asked last, or what it has now waits. */
  readonly unasked?: SyncError
  /** Git has `from`, and `commit` is what somebody went back to. */
  readonly rollback?: Rollback
}

/** It ended before it looked at objects, so it answers with none; an empty path is as quiet. */
export const isUntouched = ({ result, changes }: SyncOutcome): boolean =>
  result === "nothing" && changes.length === 0
