/** What follows from a plan, once it was carried out. Pure. */
import { type Change, type ChangeSet, isAsGitSays } from "../domain/change.ts"
import { formatRef, type ObjectKey } from "../domain/object.ts"
import type { Delegated } from "../domain/status.ts"
import { BREAK_GLASS } from "./failures.ts"
import { isIncomplete, type Plan } from "./plan.ts"

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

/** Whether people keep us off the Rollout that is to be given back; drift that a policy leaves in it does not. */
export const isReleaseHeld = (plan: Plan, changes: ChangeSet): boolean => {
  const rollout = releasedBy(plan)?.rollout
  const isKept = ({ action, note }: Change) => action === "skipped" || note?.code === BREAK_GLASS
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
