/** The one entry of planning: desired objects beside live ones, answered as an ordered Plan. Pure. */
import type { Change, ChangeSet } from "../domain/change.ts"
import { formatGroupKind, formatRef, type ObjectKey, type ObjectRef } from "../domain/object.ts"
import { atOnce, type Parts } from "../domain/parts.ts"
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

/** Objects between two rests. */
const PART = 500

/**
 * Decides for every desired and every live object. Applying a plan and planning again gives an empty
 * one; nothing desired is pruned; nothing that is not proven ours is pruned. Where something already
 * failed or waits, nothing is pruned.
 */
export const planning = function* (input: PlanInput, placed: Placed): Parts<Plan> {
  const verdicts: Array<Verdict> = []
  for (const [at, [key, same]] of [...placed.wants].entries()) {
    if (at % PART === PART - 1) yield
    verdicts.push(...verdictOf(key, same, input))
  }
  yield
  const decided = [...placed.delegations, ...placed.unplaced, ...verdicts.filter(isChange)]
  const claimed = claimedKeys(placed, input.rules)
  const { delegated } = placed
  yield
  const prune = pruneOf(input, keptBeside(claimed, delegated, input.formerly))
  const isBlocked = isIncomplete(decided)
  yield
  const stages = applyStages(verdicts.filter(isStep))
  yield
  return {
    rules: input.rules,
    stages,
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

export const makePlan = (input: PlanInput, placed: Placed = placeAll(input)): Plan =>
  atOnce(planning(input, placed))

/** The same plan while it is not known whether others want what it would delete. */
export const withoutPrune = (plan: Plan): Plan => ({
  ...plan,
  prune: [],
  settled: [...plan.settled, ...unanswered(plan.prune.flat())],
})

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
