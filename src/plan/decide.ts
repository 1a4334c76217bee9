/** One object: what Git wants beside what is live, and what follows. Asked in the plan, and again where a write met a surprise. */
import type { Action, Change } from "../domain/change.ts"
import type { Failure } from "../domain/errors.ts"
import type { DesiredObject, ObjectRef } from "../domain/object.ts"
import type { RepositorySpec } from "../domain/spec.ts"
import { claimOf } from "./claim.ts"
import type { Others } from "./claims.ts"
import { beingDeleted, brokenGlass, notHealed, optedOut, type Subject } from "./failures.ts"
import type { LiveObject, Owner } from "./live.ts"
import type { Guard } from "./stamp.ts"

/** The fields of `spec` that planning reads. */
export type Policy = Pick<
  RepositorySpec,
  "targetNamespace" | "prune" | "pruneLimit" | "healPolicy" | "adopt" | "force"
>

export interface Rules {
  readonly owner: Owner
  readonly policy: Policy
  /** What the other GitRepositories want. */
  readonly others: Others
  /** Milliseconds since the epoch. */
  readonly now: number
}

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
  /** Name of the CustomResourceDefinition of the same commit that brings its kind. */
  readonly definedBy?: string
}

/** One write that is due. */
export interface Step extends Want {
  readonly guard: Guard
  /** It undoes what somebody did to the cluster; Git did not change. */
  readonly heals: boolean
}

/** A write, or what there is to say without one. */
export type Verdict = Step | Change

export const isStep = (verdict: Verdict): verdict is Step => "guard" in verdict
export const isChange = (verdict: Verdict): verdict is Change => !isStep(verdict)

const FLUX = "kustomize.toolkit.fluxcd.io"

const failed = (ref: ObjectRef, failure: Failure): Change => ({ ref, action: "failed", failure })
const waiting = (ref: ObjectRef, failure: Failure): Change => ({ ref, action: "waiting", failure })
const left = (
  ref: ObjectRef,
  action: Extract<Action, "skipped" | "held">,
  note: Failure,
): Change => ({
  ref,
  action,
  note,
})

const is = (value: string | undefined, word: string): boolean =>
  value !== undefined && value.trim().toLowerCase() === word

/** Break-glass: what to say of its end, or `undefined` where none holds. A value nobody can read still holds. */
export const suspendedUntil = (marks: LiveObject["marks"], now: number): string | undefined => {
  const value = marks["nopea.io/suspend-heal"]?.trim() ?? ""
  if (value === "" || is(value, "false")) return undefined
  if (is(value, "true")) return "until it is removed"
  const time = /^\d{4}-\d\d-\d\dT/u.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(time))
    return `"${value}" is neither true nor an RFC 3339 time: until it is removed`
  return time > now ? `until ${value}` : undefined
}

/** Live annotations that keep us off an object, in a patch and in a prune alike. */
export const leftAlone = (live: LiveObject, subject: Subject, now: number): Change | undefined => {
  if (is(live.marks[`${FLUX}/reconcile`], "disabled")) {
    return left(subject.ref, "skipped", optedOut(subject, `${FLUX}/reconcile: disabled`))
  }
  const until = suspendedUntil(live.marks, now)
  if (until === undefined) return undefined
  const reason = live.marks["nopea.io/suspend-heal-reason"]
  return left(subject.ref, "held", brokenGlass(subject, until, reason))
}

/** Annotations in Git that keep us off. */
const optOut = (want: Want, live: LiveObject | undefined): string | undefined => {
  const ssa = want.marks[`${FLUX}/ssa`]
  if (is(ssa, "ignore")) return `${FLUX}/ssa: Ignore`
  if (is(want.marks[`${FLUX}/reconcile`], "disabled")) return `${FLUX}/reconcile: disabled`
  return is(ssa, "ifnotpresent") && live !== undefined ? `${FLUX}/ssa: IfNotPresent` : undefined
}

const whenAbsent = (want: Want, { policy }: Rules): Verdict => {
  if (!want.appliedBefore || policy.healPolicy === "auto") {
    return { ...want, guard: { on: "absent" }, heals: want.appliedBefore }
  }
  const subject = { ref: want.ref, source: want.desired.source }
  const what = "it was applied and is gone (or lost its nopea.io labels)"
  return left(want.ref, "held", notHealed(subject, what, policy.healPolicy))
}

const whenOurs = (want: Want, live: LiveObject, { policy }: Rules): Verdict => {
  const step = { ...want, guard: { on: "object", uid: live.uid } } as const
  if (live.applied !== want.hash) return { ...step, heals: false }
  if (live.proven) return { ref: want.ref, action: "unchanged" }
  if (policy.healPolicy === "auto") return { ...step, heals: true }
  const subject = { ref: want.ref, source: want.desired.source }
  const what = "somebody removed what marks it as ours (labels or managedFields)"
  return left(want.ref, "held", notHealed(subject, what, policy.healPolicy))
}

const whenPresent = (want: Want, live: LiveObject, rules: Rules): Verdict => {
  const subject = { ref: want.ref, source: want.desired.source }
  if (live.terminating) return waiting(want.ref, beingDeleted(subject))
  const { owner, others, policy } = rules
  const claimed = { ...subject, hash: want.hash }
  const claim = claimOf(claimed, live, { owner, others, adopt: policy.adopt })
  if (typeof claim === "object") return failed(want.ref, claim)
  const alone = leftAlone(live, subject, rules.now)
  if (alone !== undefined) return alone
  if (claim === "ours") return whenOurs(want, live, rules)
  const { uid, resourceVersion } = live
  return { ...want, guard: { on: "object", uid, resourceVersion }, heals: false }
}

/** What to do about one desired object beside the live one (`undefined`: none is known). */
export const decide = (want: Want, live: LiveObject | undefined, rules: Rules): Verdict => {
  const annotation = optOut(want, live)
  if (annotation !== undefined) {
    const subject = { ref: want.ref, source: want.desired.source }
    return left(want.ref, "skipped", optedOut(subject, annotation))
  }
  return live === undefined ? whenAbsent(want, rules) : whenPresent(want, live, rules)
}
