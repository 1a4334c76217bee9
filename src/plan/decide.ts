/** One object: what Git wants beside what is live, and what follows. Asked in the plan, and again where a write met a surprise. */
import type { Action, Change } from "../domain/change.ts"
import type { Drift } from "../domain/drift.ts"
import type { Failure } from "../domain/errors.ts"
import type { ObjectRef } from "../domain/object.ts"
import { claimOf, FLUX } from "./claim.ts"
import { assess, hasMoved, hasOwnSet, isPutBack } from "./drift.ts"
import {
  beingDeleted,
  brokenGlass,
  notHealed,
  notTold,
  optedOut,
  type Subject,
} from "./failures.ts"
import type { Location } from "./fields.ts"
import { type Governed, govern, governDeleted, hasMovedOn, isLeft, nextLook, told } from "./heal.ts"
import { isSameOwner, isSettled, type LiveObject } from "./live.ts"
import { rolloutAbsent } from "./rolloutFailures.ts"
import type { Rules, Step, Verdict, Want } from "./step.ts"
import { suspension } from "./suspension.ts"

const failed = (ref: ObjectRef, failure: Failure): Change => ({ ref, action: "failed", failure })
const waiting = (ref: ObjectRef, failure: Failure): Change => ({ ref, action: "waiting", failure })
const left = (
  ref: ObjectRef,
  action: Extract<Action, "skipped" | "held">,
  note: Failure,
  drift: ReadonlyArray<Drift> = [],
): Change => ({ ref, action, note, ...(drift.length === 0 ? {} : { drift }) })

const is = (value: string | undefined, word: string): boolean =>
  value !== undefined && value.trim().toLowerCase() === word

/** Live annotations that keep us off an object, in a patch and in a prune alike. */
export const leftAlone = (live: LiveObject, subject: Subject, now: number): Change | undefined => {
  if (is(live.marks[`${FLUX}/reconcile`], "disabled")) {
    return left(subject.ref, "skipped", optedOut(subject, `${FLUX}/reconcile: disabled`))
  }
  const glass = suspension(live.marks, now)
  if (glass === undefined) return undefined
  const note = brokenGlass(subject, glass.text, live.marks["nopea.io/suspend-heal-reason"])
  const held = left(subject.ref, "held", note)
  return glass.until === undefined ? held : { ...held, until: glass.until }
}

/** Annotations in Git that keep us off. */
export const optOut = (want: Want, live: LiveObject | undefined): string | undefined => {
  const ssa = want.marks[`${FLUX}/ssa`]
  if (is(ssa, "ignore")) return `${FLUX}/ssa: Ignore`
  if (is(want.marks[`${FLUX}/reconcile`], "disabled")) return `${FLUX}/reconcile: disabled`
  return is(ssa, "ifnotpresent") && live !== undefined ? `${FLUX}/ssa: IfNotPresent` : undefined
}

const heldBy = (want: Want, what: string, drift: ReadonlyArray<Drift>): Change => {
  const subject = { ref: want.ref, source: want.desired.source }
  const until = nextLook(drift)
  const held = left(want.ref, "held", notHealed(subject, what, drift))
  return { ...held, drift, ...(until === undefined ? {} : { until }) }
}

const ROOT = "somebody removed what marks it as ours (its managedFields)"
const GONE = "it was applied and is gone (or lost its nopea.io labels)"

const whenAbsent = (want: Want, rules: Rules): Verdict => {
  const heals = want.isKnown && !hasMovedOn(want, rules)
  const create: Step = { ...want, guard: { on: "absent" }, heals }
  if (!want.isKnown) return create
  const drift = [governDeleted(want, rules)]
  return drift.some(isLeft) ? heldBy(want, GONE, drift) : { ...create, drift }
}

/** An autoscaler's replicas stay its own in every patch. */
const scaledPlace = ({ replicas }: LiveObject): ReadonlyArray<Location> =>
  replicas === "scaled" ? [["spec", "replicas"]] : []

const isHealing = ({ drift }: Governed): boolean => drift.some((row) => !isLeft(row))

const stepOn = (want: Want, live: LiveObject, governed: Governed, isNew: boolean): Step => {
  const { drift, takes, holds } = governed
  const { uid, resourceVersion } = live
  const until = nextLook(drift)
  const isAsSeen = !isNew || isHealing(governed) || !isWatched(want.ref)
  return {
    ...want,
    live,
    guard: { on: "object", uid, ...(isAsSeen ? { resourceVersion } : {}) },
    heals: !isNew && isHealing(governed),
    takes,
    holds: [...scaledPlace(live), ...(holds === "all" ? [] : holds)],
    ...(drift.length === 0 ? {} : { drift }),
    ...(until === undefined ? {} : { until }),
  }
}

/** Of Secrets what is known may be old: they are not watched unless a setting says so. */
const isWatched = ({ group, kind }: ObjectRef): boolean => group !== "" || kind !== "Secret"

const NOTHING: Governed = { drift: [], holds: [], takes: [] }

const whenOurs = (want: Want, live: LiveObject, rules: Rules): Verdict => {
  const isNew = hasMoved(want, live)
  const { ref } = want
  if (isSettled(live))
    return isNew ? stepOn(want, live, NOTHING, isNew) : { ref, action: "unchanged" }
  const found = assess(want, live, rules)
  if (found.blocked !== undefined && found.blocked.disposition !== "stall")
    return waiting(ref, found.blocked)
  if (found.blocked !== undefined) {
    const subject = { ref, source: want.desired.source }
    const { drift } = govern(want, found, rules, { reason: "a dry run was refused" })
    return left(ref, "held", notTold(subject, found.blocked), drift)
  }
  const governed = govern(want, found, rules)
  const { drift, holds } = governed
  if (holds === "all") return heldBy(want, ROOT, drift)
  const isDue = isNew || isHealing(governed) || found.lost.some(({ agrees }) => agrees)
  if (isDue) return stepOn(want, live, governed, isNew)
  return drift.length === 0 ? { ref, action: "unchanged" } : heldBy(want, told(drift), drift)
}

/** Left alone: what is different all the same is told. */
const whenLeftAlone = (want: Want, live: LiveObject, alone: Change, rules: Rules): Change => {
  const claim = isSameOwner(live.owner ?? rules.owner, rules.owner)
  if (!claim || isSettled(live) || hasMoved(want, live)) return alone
  const reason = alone.action === "held" ? "break-glass" : "an annotation keeps NOPEA off"
  const glass = { reason, ...(alone.until === undefined ? {} : { until: alone.until }) }
  const { drift } = govern(want, assess(want, live, rules), rules, glass)
  return drift.length === 0 ? alone : { ...alone, drift }
}

/** A Rollout that is not in Git: where nothing of ours is in it, what Git says now is news. */
const whenLent = (want: Want, live: LiveObject | undefined, rules: Rules): Verdict => {
  const subject = { ref: want.ref, source: want.desired.source }
  if (live === undefined || live.terminating) return waiting(want.ref, rolloutAbsent(subject))
  const alone = leftAlone(live, subject, rules.now)
  if (alone !== undefined) return whenLeftAlone(want, live, alone, rules)
  const isFirst = hasMoved(want, live) && !isSettled(live) && !hasOwnSet(live)
  return isFirst ? stepOn(want, live, NOTHING, true) : whenOurs(want, live, rules)
}

const whenPresent = (want: Want, live: LiveObject, rules: Rules): Verdict => {
  const subject = { ref: want.ref, source: want.desired.source }
  if (live.terminating) return waiting(want.ref, beingDeleted(subject))
  const { owner, others, policy } = rules
  const claimed = { ...subject, hash: want.hash }
  const claim = claimOf(claimed, live, { owner, others, adopt: policy.adopt })
  if (typeof claim === "object") return failed(want.ref, claim)
  const alone = leftAlone(live, subject, rules.now)
  if (alone !== undefined) return whenLeftAlone(want, live, alone, rules)
  if (claim === "ours")
    return want.returns ? stepOn(want, live, NOTHING, true) : whenOurs(want, live, rules)
  const isInPlace = live.owner === undefined && want.isKnown && !isPutBack(want, live, rules)
  const drift = isInPlace ? [governDeleted(want, rules)] : []
  if (drift.some(isLeft)) return heldBy(want, GONE, drift)
  const { uid, resourceVersion } = live
  return {
    ...want,
    live,
    adopts: true,
    guard: { on: "object", uid, resourceVersion },
    heals: false,
  }
}

/** What to do about one desired object beside the live one (`undefined`: none is known). */
export const decide = (want: Want, live: LiveObject | undefined, rules: Rules): Verdict => {
  if (want.lent) return whenLent(want, live, rules)
  const annotation = optOut(want, live)
  if (annotation !== undefined) {
    const subject = { ref: want.ref, source: want.desired.source }
    return left(want.ref, "skipped", optedOut(subject, annotation))
  }
  return live === undefined ? whenAbsent(want, rules) : whenPresent(want, live, rules)
}
