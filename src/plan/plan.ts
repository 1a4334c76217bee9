/** The one entry of planning: desired objects beside live ones, answered as an ordered Plan. Pure. */
import { type Change, type ChangeSet, isAsGitSays } from "../domain/change.ts"
import { formatGroupKind, formatRef, type ObjectKey, type ObjectRef } from "../domain/object.ts"
import type { Delegated } from "../domain/status.ts"
import { decide, optOut } from "./decide.ts"
import { claimedTwice } from "./failures.ts"
import { NO_PRUNE, type PruneSet, postponed, pruneSet, unanswered } from "./inventory.ts"
import type { LiveObject } from "./live.ts"
import { applyStages } from "./order.ts"
import { type Placed, type PlaceInput, placeAll } from "./placement.ts"
import { isChange, isStep, type Rules, type Step, type Verdict, type Want } from "./step.ts"

export interface PlanInput extends PlaceInput {
  /** The full commit that `desired` was rendered from. */
  readonly commit: string
  /** `nopea.io/approve-prune`. */
  readonly approvedPrune?: string | undefined
  /** Every document rendered. */
  readonly complete: boolean
  readonly live: {
    readonly objects: ReadonlyMap<ObjectKey, LiveObject>
    /** Kinds (`group/kind`) that were not listed whole. */
    readonly unknown: ReadonlySet<string>
  }
  /** Why the Rollout that is not in Git could not be read, or may not be written. */
  readonly barred?: Change | undefined
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
  /** Every document rendered. */
  readonly complete: boolean
  /** Every identity that a desired object has, or may come to have. */
  readonly claimed: ReadonlySet<ObjectKey>
  /** What would be deleted now, were there no limit: others are asked first. */
  readonly leaving: ReadonlyArray<ObjectKey>
  /** What the plan saw, for the inventory that follows. */
  readonly live: PlanInput["live"]
  /** What `spec.rolloutRef` delegates, and what was delegated until now. */
  readonly delegated?: Delegated | undefined
  readonly formerly?: Delegated | undefined
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
  if (want.lent) return [input.barred ?? decide(want, live, input.rules)]
  const isUnseen = live === undefined && input.live.unknown.has(formatGroupKind(want.ref))
  return isUnseen && want.appliedBefore
    ? [{ ref: want.ref, action: "unchanged" }]
    : [decide(isUnseen ? { ...want, isKnown: false } : want, live, input.rules)]
}

/** Of an object that has no place yet, both identities it may come to have. */
const possibleKeys = (ref: ObjectRef, { policy, owner }: Rules): ReadonlyArray<ObjectKey> => [
  formatRef(ref),
  formatRef({ ...ref, namespace: policy.targetNamespace ?? owner.namespace }),
]

/** Every identity that a desired object has, or may come to have; also of what is delegated. */
export const claimedKeys = (placed: Placed, rules: Rules): ReadonlySet<ObjectKey> => {
  const { wants, unplaced, delegations } = placed
  const own = [...wants].filter(([, [want]]) => want?.lent !== true).map(([key]) => key)
  const left = delegations.map(({ ref }) => formatRef(ref))
  return new Set([...own, ...left, ...unplaced.flatMap((c) => possibleKeys(c.ref, rules))])
}

/**
 * Of them, what Git itself says not to apply: opted out, or delegated. What is defined twice, or of a kind that is not
 * served yet, is still wanted: who moves an object and errs there must not lose it.
 */
export const idleKeys = ({ wants, delegations }: Placed): ReadonlySet<ObjectKey> => {
  const isOut = ([, same]: readonly [ObjectKey, ReadonlyArray<Want>]): boolean =>
    same.every((want) => optOut(want, undefined) !== undefined)
  const out = [...wants].filter(isOut).map(([key]) => key)
  const given = delegations.filter(({ action }) => action === "delegated")
  return new Set([...out, ...given.map(({ ref }) => formatRef(ref))])
}

/** A Rollout that has pod templates from here stays, also where Git does not have it any more. */
const keptBeside = (
  claimed: ReadonlySet<ObjectKey>,
  ...all: ReadonlyArray<Delegated | undefined>
) => new Set([...claimed, ...all.flatMap((one) => one?.rollout ?? [])])

const pruneOf = (input: PlanInput, desired: ReadonlySet<ObjectKey>): PruneSet => {
  if (!input.complete) return NO_PRUNE
  const { rules, commit, live } = input
  return pruneSet({
    live: live.objects,
    unknown: live.unknown,
    desired,
    rules,
    commit,
    approved: input.approvedPrune,
  })
}

/** Whatever of a kind that cannot be seen left Git, it stays: that is said. */
const unseenWarnings = (unknown: ReadonlySet<string>): ReadonlyArray<string> =>
  [...unknown].map((kind) => `${kind} cannot be listed whole: nothing of it is deleted`)

/** Something desired is not as Git says: nothing may be pruned. */
export const isIncomplete = (changes: ChangeSet): boolean =>
  changes.some(({ action }) => action === "failed" || action === "waiting")

/**
 * Decides for every desired and every live object. Applying a plan and planning again gives an empty
 * one; nothing desired is pruned; nothing that is not proven ours is pruned. Where something already
 * failed or waits, nothing is pruned.
 */
export const makePlan = (input: PlanInput, placed: Placed = placeAll(input)): Plan => {
  const verdicts = [...placed.wants].flatMap(([key, same]) => verdictOf(key, same, input))
  const decided = [...placed.delegations, ...placed.unplaced, ...verdicts.filter(isChange)]
  const claimed = claimedKeys(placed, input.rules)
  const { delegated } = placed
  const prune = pruneOf(input, keptBeside(claimed, delegated, input.formerly))
  const isBlocked = isIncomplete(decided)
  return {
    rules: input.rules,
    stages: applyStages(verdicts.filter(isStep)),
    prune: isBlocked ? [] : prune.stages,
    settled: [...decided, ...prune.kept, ...(isBlocked ? postponed(prune.stages) : [])],
    warnings: [...placed.warnings, ...unseenWarnings(input.live.unknown)],
    claimed,
    complete: input.complete,
    leaving: isBlocked ? [] : prune.leaving.map(({ ref }) => formatRef(ref)),
    wanted: new Map([...placed.wants].flatMap(([key, [want]]) => (want ? [[key, want]] : []))),
    live: input.live,
    delegated,
    formerly: input.formerly,
  }
}

/** The same plan while it is not known whether others want what it would delete. */
export const withoutPrune = (plan: Plan): Plan => ({
  ...plan,
  prune: [],
  settled: [...plan.settled, ...unanswered(plan.prune.flat())],
})

/**
 * What the next plan takes as `applied`; `known` is what this one took. An object that is held or fails keeps its place
 * in it: that it was deleted, and is left so, must outlive later commits that do not touch it. So does one that this
 * plan could not see: its document did not render, or its kind is not served now.
 */
export const appliedAfter = (
  plan: Plan,
  changes: ChangeSet,
  known: ReadonlyMap<ObjectKey, string> = new Map(),
): ReadonlyMap<ObjectKey, string> => {
  const { wanted, claimed, complete, delegated } = plan
  const done = changes.filter(isAsGitSays).map((c) => formatRef(c.ref))
  const live = new Set(done)
  const mayBe = (key: ObjectKey): boolean =>
    !wanted.has(key) && key !== delegated?.deployment && (!complete || claimed.has(key))
  return new Map([
    ...[...known].filter(([key]) => mayBe(key)),
    ...[...wanted].flatMap(
      ([key, want]): ReadonlyArray<readonly [ObjectKey, string]> =>
        live.has(key) || (want.appliedBefore && !want.returns) ? [[key, want.hash]] : [],
    ),
  ])
}

/** What counts as applied if the run is cut short: of what it may have deleted by then, nobody else did. */
export const appliedWhile = (
  { prune, stages, rules }: Plan,
  known: ReadonlyMap<ObjectKey, string>,
): ReadonlyMap<ObjectKey, string> => {
  const recreated = rules.policy.force ? stages.flat() : []
  const going = new Set([...prune.flat(), ...recreated].map(({ ref }) => formatRef(ref)))
  return going.size === 0 ? known : new Map([...known].filter(([key]) => !going.has(key)))
}

/** Objects of Git that are live as it says; a delegated one is, once its Rollout has its pod template. */
export const appliedCountOf = ({ claimed, delegated }: Plan, changes: ChangeSet): number => {
  const live = changes.filter(isAsGitSays).map((c) => formatRef(c.ref))
  const own = live.filter((key) => claimed.has(key)).length
  return delegated !== undefined && live.includes(delegated.rollout) ? own + 1 : own
}

/** The Rollout that is to be given back: it had what was delegated, and has it no more, or has it from Git now. */
export const releasedBy = ({ delegated, formerly, rules, wanted }: Plan): Delegated | undefined => {
  if (formerly === undefined) return undefined
  if (delegated === undefined && rules.policy.rolloutRef !== undefined) return undefined
  if (delegated?.rollout === formerly.rollout && !delegated.inGit) return undefined
  return wanted.has(formerly.rollout) && formerly.inGit ? undefined : formerly
}

/** Whether people keep us off the Rollout that is to be given back. */
export const isReleaseHeld = (plan: Plan, changes: ChangeSet): boolean => {
  const rollout = releasedBy(plan)?.rollout
  const isKept = ({ action }: Change) => action === "held" || action === "skipped"
  return changes.some((change) => isKept(change) && formatRef(change.ref) === rollout)
}

/** What the status says is delegated from now on: until all that follows from a change is done, what it said before. */
export const delegatedAfter = (plan: Plan, changes: ChangeSet): Delegated | undefined => {
  const { delegated, formerly, rules, wanted } = plan
  const isOff = delegated === undefined && rules.policy.rolloutRef === undefined
  const back = isOff ? formerly?.deployment : undefined
  const isBack =
    back === undefined ||
    wanted.get(back)?.returns !== true ||
    changes.some((change) => formatRef(change.ref) === back && isAsGitSays(change))
  const isUnsettled = isIncomplete(changes) || isReleaseHeld(plan, changes)
  const isOpen = isUnsettled || (!isOff && delegated === undefined) || !isBack
  return isOpen ? (formerly ?? delegated) : delegated
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
