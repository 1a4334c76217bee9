/** The words of planning: what is wanted, under which rules, and the write that follows. */
import type { Change } from "../domain/change.ts"
import type { Drift } from "../domain/drift.ts"
import type { DesiredObject, ObjectRef } from "../domain/object.ts"
import type { RepositorySpec } from "../domain/spec.ts"
import type { Others } from "./claims.ts"
import type { Evidence, Memory } from "./evidence.ts"
import type { FieldPath, Location } from "./fields.ts"
import type { LiveObject, Owner } from "./live.ts"
import type { Guard } from "./stamp.ts"

/** The fields of `spec` that planning reads. */
export type Policy = Pick<
  RepositorySpec,
  | "targetNamespace"
  | "prune"
  | "pruneLimit"
  | "healPolicy"
  | "healGracePeriod"
  | "conflictPolicy"
  | "ignore"
  | "adopt"
  | "force"
  | "rolloutRef"
>

export interface Rules {
  readonly owner: Owner
  readonly policy: Policy
  /** What the other GitRepositories want. */
  readonly others: Others
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly memory: Memory
  /** About objects that look drifted. */
  readonly evidence: Evidence
}

/**
 * Left to the cluster before. Where nobody remembers and the cluster may win it counts as that: what was left must
 * not be undone by a restart.
 */
export const wasDisputed = ({ memory, policy }: Rules, key: string): boolean =>
  memory.conflicts.has(key) ||
  (memory.isPartial === true && policy.conflictPolicy === "live" && !memory.firstSeen.has(key))

/** A desired object in its final place. */
export interface Want {
  /** With the namespace filled in, or taken away. */
  readonly ref: ObjectRef
  readonly marks: Readonly<Record<string, string>>
  readonly desired: DesiredObject
  /** Value of `nopea.io/applied`. */
  readonly hash: string
  /** Exactly this was applied before: where it is absent, somebody deleted it. */
  readonly appliedBefore: boolean
  /** It was applied before, in this version or another. */
  readonly isKnown: boolean
  /** What was applied before was another version. */
  readonly wasOther: boolean
  /** Places of the desired tree that `spec.ignore` names. */
  readonly ignored: ReadonlyArray<Location>
  /** Name of the CustomResourceDefinition of the same commit that brings its kind. */
  readonly definedBy?: string
  /** Only these fields of a Rollout that is not in Git: it is not ours, and `nopea-rollout` patches it. */
  readonly lent?: true
  /** It was delegated, or filled with what was: it is applied as Git writes it, whatever became of it meanwhile. */
  readonly returns?: true
}

/** One write that is due. */
export interface Step extends Want {
  readonly guard: Guard
  /** It undoes what somebody did to the cluster; Git did not change. */
  readonly heals: boolean
  /** Left out of the patch: others keep these fields. */
  readonly holds?: ReadonlyArray<Location>
  /** It makes an object ours that others made. */
  readonly adopts?: true
  /** Somebody's additions, to be removed. */
  readonly takes?: ReadonlyArray<FieldPath>
  readonly drift?: ReadonlyArray<Drift>
  readonly until?: number
  /** What was known of the object. */
  readonly live?: LiveObject
}

/** A write, or what there is to say without one. */
export type Verdict = Step | Change

export const isStep = (verdict: Verdict): verdict is Step => "guard" in verdict
export const isChange = (verdict: Verdict): verdict is Change => !isStep(verdict)
