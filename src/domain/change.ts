/** The change set: what one sync did, object by object. Status, events and metrics all report from it. */
import type { Drift } from "./drift.ts"
import type { Failure } from "./errors.ts"
import type { ObjectRef } from "./object.ts"

const ACTIONS = [
  "created",
  "configured",
  "unchanged",
  "deleted",
  "healed",
  "skipped",
  "delegated",
  "waiting",
  "held",
  "failed",
] as const
/**
 * - `created configured unchanged deleted healed`: done, or found done
 * - `skipped`: left alone on purpose (an annotation, an adoption rule, dry run)
 * - `delegated`: neither applied nor pruned: a KULTA Rollout has its pod template
 * - `waiting`: its kind, namespace or predecessor is not there yet; retried without a new commit
 * - `held`: the policy says to wait (prune limit, break-glass)
 * - `failed`: see `failure`
 */
export type Action = (typeof ACTIONS)[number]

export interface Change {
  readonly ref: ObjectRef
  readonly action: Action
  /** Present for `failed` and `waiting`. */
  readonly failure?: Failure
  /** Present for `held`, `skipped` and `delegated`: why it was left alone, and the way on. No failure. */
  readonly note?: Failure
  /** What somebody changed, with what becomes of it: never empty where present. */
  readonly drift?: ReadonlyArray<Drift>
  /** Milliseconds since the epoch: when it is looked at again by itself. */
  readonly until?: number
  /** It was to undo a change of the cluster, with no news from Git: a failure of it is a failed heal. */
  readonly heals?: true
}

export type ChangeSet = ReadonlyArray<Change>

/** The object is live as Git says. */
export const isAsGitSays = ({ action }: Pick<Change, "action">): boolean =>
  action === "created" || action === "configured" || action === "unchanged" || action === "healed"

export type Counts = Readonly<Record<Action, number>>

/** How many objects had each action. */
export const count = (changes: ChangeSet): Counts => {
  const counts = Object.fromEntries(ACTIONS.map((action) => [action, 0])) as Record<Action, number>
  for (const { action } of changes) counts[action] += 1
  return counts
}

export const failuresOf = (changes: ChangeSet): ReadonlyArray<Failure> =>
  changes.flatMap((change) => (change.failure === undefined ? [] : [change.failure]))
