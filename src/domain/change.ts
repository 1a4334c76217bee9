/** The change set: what one sync did, object by object. Status, events and metrics all report from it. */
import type { Failure } from "./errors.ts"
import { formatRef, type ObjectRef } from "./object.ts"

/**
 * - `created configured unchanged deleted healed`: done, or found done
 * - `skipped`: left alone on purpose (an annotation, an adoption rule, dry run)
 * - `waiting`: its kind, namespace or predecessor is not there yet; retried without a new commit
 * - `held`: the policy says to wait (prune limit, break-glass)
 * - `failed`: see `failure`
 */
export type Action =
  | "created"
  | "configured"
  | "unchanged"
  | "deleted"
  | "healed"
  | "skipped"
  | "waiting"
  | "held"
  | "failed"

export interface Change {
  readonly ref: ObjectRef
  readonly action: Action
  /** Present for `failed` and `waiting`. */
  readonly failure?: Failure
  /** Present for `held` and `skipped`: why it was left alone, and the way on. No failure. */
  readonly note?: Failure
}

export type ChangeSet = ReadonlyArray<Change>

export type Counts = Readonly<Record<Action, number>>

export const count = (changes: ChangeSet): Counts => {
  const counts: Record<Action, number> = {
    created: 0,
    configured: 0,
    unchanged: 0,
    deleted: 0,
    healed: 0,
    skipped: 0,
    waiting: 0,
    held: 0,
    failed: 0,
  }
  for (const change of changes) counts[change.action]++
  return counts
}

export const failuresOf = (changes: ChangeSet): ReadonlyArray<Failure> =>
  changes.flatMap((change) => (change.failure === undefined ? [] : [change.failure]))

/** `created apps/Deployment/shop/api`: one line for logs and tests. */
export const formatChange = (change: Change): string => `${change.action} ${formatRef(change.ref)}`
