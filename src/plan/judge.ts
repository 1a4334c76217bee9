/** Which objects are as they were applied, and what has to be asked about the others before the plan. Pure. */
import type { ObjectKey } from "../domain/object.ts"
import { formatGroupKind, formatRef } from "../domain/object.ts"
import { type Assessment, assess, hasMoved } from "./drift.ts"
import { govern, governDeleted, isLeft } from "./heal.ts"
import { isSameOwner, isSettled, type LiveObject } from "./live.ts"
import type { Placed } from "./placement.ts"
import type { Rules, Want } from "./step.ts"

/** What was found of one object's ownership of its fields; see `cache/Live.ts`. */
export interface Judged {
  readonly key: ObjectKey
  readonly uid: string
  readonly ownership: string
  readonly whole: boolean
}

/**
 * - `wouldOwn`: a dry-run apply
 * - `lastApplied`: what an earlier commit said of it
 * - `whole`: the whole live object, to compare values
 * - `metadata`: whether it is there at all
 */
export type Ask = "wouldOwn" | "lastApplied" | "whole" | "metadata"

export interface Asked {
  readonly want: Want
  readonly live: LiveObject | undefined
  readonly asks: ReadonlyArray<Ask>
}

/** A desired object beside the live one. */
export type Pair = readonly [Want, LiveObject | undefined]

/** Every object whose drift has to be looked into: all others cost nothing. */
export const unsettled = (
  { wants }: Placed,
  live: {
    readonly objects: ReadonlyMap<ObjectKey, LiveObject>
    readonly unknown: ReadonlySet<string>
  },
  { owner }: Rules,
): ReadonlyArray<Pair> =>
  [...wants].flatMap(([key, [want, ...twice]]): ReadonlyArray<Pair> => {
    if (want === undefined || twice.length > 0) return []
    const object = live.objects.get(key)
    if (object === undefined) {
      const isGone = want.isKnown && !live.unknown.has(formatGroupKind(want.ref))
      return isGone ? [[want, object]] : []
    }
    const isOurs = object.owner === undefined || isSameOwner(object.owner, owner)
    return isOurs && !object.terminating && !isSettled(object) ? [[want, object]] : []
  })

/** Whoever put a field back that the policy leaves ends the drift; only its value tells. */
const mayAgree = (want: Want, found: Assessment, rules: Rules): boolean =>
  !rules.evidence.whole.has(formatRef(want.ref)) &&
  found.lost.some(({ path }) => path.length > 0) &&
  govern(want, found, rules).drift.some(({ action }) => action === "left")

/** A second look with evidence asks for nothing more. */
export const judge = (
  want: Want,
  live: LiveObject | undefined,
  rules: Rules,
): Judged | Asked | undefined => {
  const asked = (...asks: ReadonlyArray<Ask>): Asked => ({ want, live, asks })
  if (live === undefined)
    return isLeft(governDeleted(want, rules))
      ? asked("metadata", "whole", ...(want.appliedBefore ? [] : (["lastApplied"] as const)))
      : undefined
  if (hasMoved(want, live))
    return rules.policy.conflictPolicy === "live"
      ? asked("lastApplied", "whole")
      : asked("lastApplied")
  const found = assess(want, live, rules)
  const { lost, added, isDoubtful, whole, blocked } = found
  if (blocked !== undefined) return undefined
  const compares = mayAgree(want, found, rules) ? (["whole"] as const) : []
  if (isDoubtful) return asked("wouldOwn", ...compares)
  if (compares.length > 0) return asked(...compares)
  const isAsApplied = lost.length === 0 && added.length === 0
  const ownership = isAsApplied ? live.ownership : ""
  return { key: formatRef(want.ref), uid: live.uid, ownership, whole }
}

export const isAsked = (answer: Judged | Asked | undefined): answer is Asked =>
  answer !== undefined && "asks" in answer
