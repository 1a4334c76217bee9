/** Which objects are as they were applied, and what has to be asked about the others before the plan. Pure. */
import type { ObjectKey } from "../domain/object.ts"
import { formatGroupKind, formatRef } from "../domain/object.ts"
import type { Parts } from "../domain/parts.ts"
import { leftAlone, optOut } from "./decide.ts"
import { type Assessment, assess, hasMoved } from "./drift.ts"
import { govern, governDeleted, isLeft } from "./heal.ts"
import { type Baseline, isSameOwner, isSettled, type LiveObject, versionOf } from "./live.ts"
import type { Placed } from "./placement.ts"
import type { Rules, Want } from "./step.ts"

/** What was found of one object's ownership of its fields; see `cache/Live.ts`. */
export interface Judged extends Baseline {
  readonly key: ObjectKey
  readonly uid: string
}

/**
 * - `wouldOwn`: a dry-run apply
 * - `lastApplied`: what an earlier commit said of it
 * - `whole`: the whole live object, to compare values; of one that is not known, whether it is there at all
 */
export type Ask = "wouldOwn" | "lastApplied" | "whole"

export interface Asked {
  readonly want: Want
  readonly live: LiveObject | undefined
  readonly asks: ReadonlyArray<Ask>
}

/** A desired object beside the live one. */
export type Pair = readonly [Want, LiveObject | undefined]

/** Git changed what somebody keeps us off: whatever drifted of it, nothing is told and nothing written. */
const isKeptOff = (want: Want, object: LiveObject, now: number): boolean =>
  leftAlone(object, { ref: want.ref }, now) !== undefined && hasMoved(want, object)

/** Every object whose drift has to be looked into: all others cost nothing. */
export const unsettled = (
  { wants }: Placed,
  live: {
    readonly objects: ReadonlyMap<ObjectKey, LiveObject>
    readonly unknown: ReadonlySet<string>
  },
  { owner, now }: Rules,
): ReadonlyArray<Pair> =>
  [...wants].flatMap(([key, [want, ...twice]]): ReadonlyArray<Pair> => {
    if (want === undefined || twice.length > 0 || want.returns) return []
    const object = live.objects.get(key)
    if (object === undefined && want.lent) return []
    if (optOut(want, object) !== undefined) return []
    if (object === undefined) {
      const isGone = want.isKnown && !live.unknown.has(formatGroupKind(want.ref))
      return isGone ? [[want, object]] : []
    }
    const isOurs = want.lent || object.owner === undefined || isSameOwner(object.owner, owner)
    const isOpen = isOurs && !object.terminating && !isSettled(object)
    return isOpen && !isKeptOff(want, object, now) ? [[want, object]] : []
  })

/** Whether its values were compared, now or in this very version before, and nothing agreed. */
const isCompared = (want: Want, live: LiveObject, { lost }: Assessment, rules: Rules): boolean => {
  const version = versionOf(live, want.hash)
  if (live.baseline?.compared === version) return true
  const seen = rules.evidence.whole.get(formatRef(want.ref))?.metadata.resourceVersion
  return seen === live.resourceVersion && !lost.some(({ agrees }) => agrees)
}

/** Whoever put a field back that the policy leaves ends the drift; only its value tells. */
const mayAgree = (want: Want, live: LiveObject, found: Assessment, rules: Rules): boolean =>
  !rules.evidence.whole.has(formatRef(want.ref)) &&
  !isCompared(want, live, found, rules) &&
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
      ? asked("whole", ...(want.appliedBefore ? [] : (["lastApplied"] as const)))
      : undefined
  if (hasMoved(want, live))
    return rules.policy.conflictPolicy === "live"
      ? asked("lastApplied", "whole")
      : asked("lastApplied")
  const found = assess(want, live, rules)
  const { lost, added, isDoubtful, whole, blocked } = found
  const id = { key: formatRef(want.ref), uid: live.uid }
  if (blocked !== undefined) return refusal(id, want, live, rules)
  const compares = mayAgree(want, live, found, rules) ? (["whole"] as const) : []
  if (isDoubtful) return asked("wouldOwn", ...compares)
  if (compares.length > 0) return asked(...compares)
  const isAsApplied = lost.length === 0 && added.length === 0
  const ownership = isAsApplied ? live.ownership : ""
  const version = versionOf(live, want.hash)
  const compared = isCompared(want, live, found, rules) ? { compared: version } : {}
  return { ...id, ownership, whole, ...compared }
}

/** A webhook may let dry runs pass again without a sign. */
const REFUSED_FOR = 30 * 60_000

/** That a dry run was refused just now; what may pass is asked each time. */
const refusal = (
  id: Pick<Judged, "key" | "uid">,
  { hash }: Want,
  live: LiveObject,
  { evidence, now }: Rules,
): Judged | undefined => {
  const told = evidence.wouldOwn.get(id.key)
  if (told === undefined || !("failure" in told) || told.failure.disposition !== "stall")
    return undefined
  const version = versionOf(live, hash)
  const refused = { version, failure: told.failure, until: now + REFUSED_FOR }
  return { ...id, ownership: "", whole: false, refused }
}

/** Whoever asks for a sync has dry runs that were refused tried again. */
export const askedAnew = (
  objects: ReadonlyMap<ObjectKey, LiveObject>,
): ReadonlyMap<ObjectKey, LiveObject> =>
  new Map(
    [...objects].map(([key, live]) => {
      if (live.baseline?.refused === undefined) return [key, live]
      const { baseline: _, ...rest } = live
      return [key, rest]
    }),
  )

export const isAsked = (answer: Judged | Asked | undefined): answer is Asked =>
  answer !== undefined && "asks" in answer

export interface Judgement {
  readonly settled: ReadonlyArray<Judged>
  readonly asked: ReadonlyArray<Asked>
}

/** Objects between two rests: of each, the fields of its owners are walked. */
const PART = 50

export const judging = function* (pairs: ReadonlyArray<Pair>, rules: Rules): Parts<Judgement> {
  const settled: Array<Judged> = []
  const asked: Array<Asked> = []
  for (const [at, [want, live]] of pairs.entries()) {
    if (at % PART === PART - 1) yield
    const answer = judge(want, live, rules)
    if (isAsked(answer)) asked.push(answer)
    else if (answer !== undefined) settled.push(answer)
  }
  return { settled, asked }
}
