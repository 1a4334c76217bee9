/** The one entry of planning: desired objects beside live ones, answered as an ordered Plan. Pure. */
import type { Redacted } from "effect"
import type { Change, ChangeSet } from "../domain/change.ts"
import {
  type DesiredObject,
  formatGroupKind,
  formatRef,
  type ObjectKey,
  type ObjectRef,
} from "../domain/object.ts"
import {
  decide,
  isChange,
  isStep,
  type Rules,
  type Step,
  type Verdict,
  type Want,
} from "./decide.ts"
import { claimedTwice, kindNotServed, notAppliable } from "./failures.ts"
import { NO_PRUNE, type PruneSet, postponed, pruneSet } from "./inventory.ts"
import { type Definition, definitionsOf, isUnreadable, type ServedKinds } from "./kinds.ts"
import type { LiveObject } from "./live.ts"
import { applyStages } from "./order.ts"
import { hashOf, stampWarnings } from "./stamp.ts"

export interface PlanInput {
  readonly rules: Rules
  /** The full commit that `desired` was rendered from. */
  readonly commit: string
  /** `nopea.io/approve-prune`. */
  readonly approvedPrune?: string | undefined
  readonly desired: ReadonlyArray<DesiredObject>
  /** Every document rendered. */
  readonly complete: boolean
  readonly live: {
    readonly objects: ReadonlyMap<ObjectKey, LiveObject>
    /** Kinds (`group/kind`) that were not listed whole. */
    readonly unknown: ReadonlySet<string>
  }
  readonly kinds: ServedKinds
  /** What was applied last, by object: value of `nopea.io/applied`. */
  readonly applied: ReadonlyMap<ObjectKey, string>
  /** This commit was applied whole before, under this very spec: whatever is absent was deleted. */
  readonly settled: boolean
  readonly hashKey: Redacted.Redacted<Uint8Array>
}

export interface Plan {
  readonly rules: Rules
  /** Writes, stage after stage. */
  readonly stages: ReadonlyArray<ReadonlyArray<Step>>
  /** Deletions, stage after stage; only after every write succeeded. */
  readonly prune: ReadonlyArray<ReadonlyArray<LiveObject>>
  /** What needs no request: unchanged, skipped, held, waiting, failed. */
  readonly settled: ChangeSet
  readonly warnings: ReadonlyArray<string>
  /** Every desired object that has a place. */
  readonly wanted: ReadonlyMap<ObjectKey, Want>
  /** What the plan saw, for the inventory that follows. */
  readonly live: PlanInput["live"]
}

interface Placement {
  readonly namespaced: boolean
  readonly definedBy?: string
}

const waiting = (desired: DesiredObject, kinds: ServedKinds): Change => {
  const { ref, source } = desired
  const other = kinds.find(ref)?.version
  const unreadable = isUnreadable(kinds.incomplete, ref.group)
  return {
    ref,
    action: "waiting",
    failure: kindNotServed({ ref, source }, other, unreadable),
  }
}

const place = (
  desired: DesiredObject,
  kinds: ServedKinds,
  definitions: ReadonlyMap<string, Definition>,
): Placement | Change => {
  const { ref, source } = desired
  const served = kinds.find(ref, ref.version)
  if (served?.verbs.includes("patch") === false) {
    return { ref, action: "failed", failure: notAppliable({ ref, source }) }
  }
  if (served !== undefined) return served
  const definition = definitions.get(formatGroupKind(ref))
  return definition?.versions.includes(ref.version)
    ? { namespaced: definition.namespaced, definedBy: definition.name }
    : waiting(desired, kinds)
}

const wantOf = (desired: DesiredObject, placement: Placement, input: PlanInput): Want => {
  const { owner, policy } = input.rules
  const fallback = policy.targetNamespace ?? owner.namespace
  const namespace = placement.namespaced ? desired.ref.namespace || fallback : ""
  const ref: ObjectRef = { ...desired.ref, namespace }
  const hash = hashOf({ desired, namespace, owner, hashKey: input.hashKey })
  const appliedBefore = input.settled || input.applied.get(formatRef(ref)) === hash
  const { definedBy } = placement
  return {
    ref,
    marks: desired.marks,
    desired,
    hash,
    appliedBefore,
    ...(definedBy === undefined ? {} : { definedBy }),
  }
}

interface Placed {
  readonly wants: ReadonlyMap<ObjectKey, ReadonlyArray<Want>>
  readonly unplaced: ReadonlyArray<Change>
  readonly warnings: ReadonlyArray<string>
}

const unservedGroups = ({ desired, kinds }: PlanInput): ReadonlySet<string> =>
  new Set(desired.filter((d) => !kinds.find(d.ref, d.ref.version)).map((d) => d.ref.group))

const placeAll = (input: PlanInput): Placed => {
  const definitions = definitionsOf(input.desired, unservedGroups(input))
  const wants = new Map<ObjectKey, Array<Want>>()
  const unplaced: Array<Change> = []
  const warnings: Array<string> = []
  for (const desired of input.desired) {
    const placement = place(desired, input.kinds, definitions)
    if ("action" in placement) {
      unplaced.push(placement)
      continue
    }
    warnings.push(...stampWarnings(desired, placement.namespaced))
    const want = wantOf(desired, placement, input)
    const key = formatRef(want.ref)
    const same = wants.get(key)
    if (same === undefined) wants.set(key, [want])
    else same.push(want)
  }
  return { wants, unplaced, warnings }
}

const verdictOf = (
  key: ObjectKey,
  wants: ReadonlyArray<Want>,
  input: PlanInput,
): ReadonlyArray<Verdict> => {
  const [want] = wants
  if (want === undefined) return []
  if (wants.length > 1) {
    const all = wants.map((w) => w.desired)
    return all.map((d) => ({
      ref: want.ref,
      action: "failed",
      failure: claimedTwice([d, ...all.filter((other) => other !== d)], want.ref),
    }))
  }
  const live = input.live.objects.get(key)
  const isUnseen = live === undefined && input.live.unknown.has(formatGroupKind(want.ref))
  return isUnseen && want.appliedBefore
    ? [{ ref: want.ref, action: "unchanged" }]
    : [decide(want, live, input.rules)]
}

/** Of an object that has no place yet, both identities it may come to have. */
const possibleKeys = (ref: ObjectRef, { policy, owner }: Rules): ReadonlyArray<ObjectKey> => [
  formatRef(ref),
  formatRef({ ...ref, namespace: policy.targetNamespace ?? owner.namespace }),
]

const pruneOf = (input: PlanInput, { wants, unplaced }: Placed): PruneSet => {
  if (!input.complete) return NO_PRUNE
  const { rules, commit, live } = input
  return pruneSet({
    live: live.objects,
    unknown: live.unknown,
    desired: new Set([...wants.keys(), ...unplaced.flatMap((c) => possibleKeys(c.ref, rules))]),
    rules,
    commit,
    approved: input.approvedPrune,
  })
}

/** Something desired is not as Git says: nothing may be pruned. */
export const isIncomplete = (changes: ChangeSet): boolean =>
  changes.some(({ action }) => action === "failed" || action === "waiting")

/**
 * Decides for every desired and every live object. Applying a plan and planning again gives an empty
 * one; nothing desired is pruned; nothing that is not proven ours is pruned. Where something already
 * failed or waits, nothing is pruned.
 */
export const makePlan = (input: PlanInput): Plan => {
  const placed = placeAll(input)
  const verdicts = [...placed.wants].flatMap(([key, same]) => verdictOf(key, same, input))
  const decided = [...placed.unplaced, ...verdicts.filter(isChange)]
  const prune = pruneOf(input, placed)
  const isBlocked = isIncomplete(decided)
  return {
    rules: input.rules,
    stages: applyStages(verdicts.filter(isStep)),
    prune: isBlocked ? [] : prune.stages,
    settled: [...decided, ...prune.kept, ...(isBlocked ? postponed(prune.stages) : [])],
    warnings: placed.warnings,
    wanted: new Map([...placed.wants].flatMap(([key, [want]]) => (want ? [[key, want]] : []))),
    live: input.live,
  }
}

const AS_GIT_SAYS: ReadonlySet<Change["action"]> = new Set([
  "created",
  "configured",
  "unchanged",
  "healed",
])

/**
 * What the next plan takes as `applied`. An object that is held or fails keeps its place in it: that it
 * was deleted, and is left so, must outlive later commits that do not touch it.
 */
export const appliedAfter = (plan: Plan, changes: ChangeSet): ReadonlyMap<ObjectKey, string> => {
  const done = changes.filter((c) => AS_GIT_SAYS.has(c.action)).map((c) => formatRef(c.ref))
  const live = new Set(done)
  return new Map(
    [...plan.wanted].flatMap(([key, want]) =>
      live.has(key) || want.appliedBefore ? [[key, want.hash]] : [],
    ),
  )
}

/** What `spec.dryRun` reports: everything but the unchanged, in the order it would happen. */
export const describePlan = (
  plan: Plan,
): ReadonlyArray<{ readonly object: string; readonly action: string }> => {
  const line = (ref: ObjectRef, action: string) => ({ object: formatRef(ref), action })
  const written = (step: Step): string =>
    step.heals ? "healed" : step.guard.on === "absent" ? "created" : "configured"
  return [
    ...plan.stages.flat().map((step) => line(step.ref, written(step))),
    ...plan.prune.flat().map(({ ref }) => line(ref, "deleted")),
    ...plan.settled.filter((c) => c.action !== "unchanged").map((c) => line(c.ref, c.action)),
  ]
}
