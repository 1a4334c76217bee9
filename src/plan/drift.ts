/** What of one object is not as it was applied: fields that somebody took, removed or added. Pure. */
import type { Author } from "../domain/drift.ts"
import type { Failure } from "../domain/errors.ts"
import {
  canonical,
  formatRef,
  type Json,
  type JsonObject,
  type ManagedFieldsEntry,
} from "../domain/object.ts"
import { added } from "./additions.ts"
import { driftKey } from "./evidence.ts"
import { childOf, listOf, nodeOf, textOf } from "./fieldpath.ts"
import {
  type Field,
  type FieldPath,
  formatPath,
  isReplicas,
  type Location,
  locate,
  startsWith,
  valueAt,
} from "./fields.ts"
import { entriesOf, holderOf, isAutoscaled, ownSet } from "./holders.ts"
import { ignoredIn, isIgnored } from "./ignore.ts"
import { isJsonObject, parseJson } from "./json.ts"
import { isCustom } from "./kinds.ts"
import {
  ANNOTATION_APPLIED,
  type Baseline,
  type LiveObject,
  metadataOf,
  versionOf,
} from "./live.ts"
import { difference, missing } from "./ownership.ts"
import { stampedTree } from "./stamp.ts"
import { type Rules, type Step, type Want, wasDisputed } from "./step.ts"

/** A desired field that is no longer ours; the root of the object has an empty path. */
export interface Lost extends Field {
  readonly author: Author | undefined
  /** Git changed it too since it was applied. */
  readonly isConflict: boolean
  /** The live value is what Git says now: seen only where it was asked for. */
  readonly agrees: boolean
}

export interface Assessment {
  readonly lost: ReadonlyArray<Lost>
  readonly added: ReadonlyArray<{ readonly path: FieldPath; readonly author: Author }>
  /** Nothing tells yet whether what is missing was ever ours: a dry-run apply would. */
  readonly isDoubtful: boolean
  /** Why that could not be told. */
  readonly blocked?: Failure
  /** Of the baseline, as far as it is known now. */
  readonly whole: boolean
}

const isBelow = (at: Location, places: ReadonlyArray<Location>): boolean =>
  places.some((place) => startsWith(at, place))

/** What the walk needs of one object. */
interface Sight {
  readonly want: Want
  readonly tree: JsonObject
  readonly entries: ReadonlyArray<ManagedFieldsEntry>
  readonly set: JsonObject | undefined
  readonly rules: Rules
}

const treeOf = (json: Want["desired"], { ref, hash, lent }: Want, { owner }: Rules): JsonObject =>
  stampedTree(json, { namespace: ref.namespace, owner, hash, lent })

/** A map that is missing with its only key is that key's loss. */
const deepest = (tree: JsonObject, field: Field): Field => {
  let [{ path, at: place }, value] = [field, valueAt(tree, field.at)]
  while (path.at(-1)?.startsWith("f:") && isJsonObject(value)) {
    const [key, ...more] = Object.keys(value)
    if (key === undefined || more.length > 0) break
    path = [...path, `f:${key}`]
    place = [...place, key]
    value = value[key]
  }
  return { path, at: place }
}

const walk = ({ want, tree, entries, set, rules }: Sight) => {
  const { ref } = want
  const found = missing(tree, set, { custom: isCustom(ref.group) })
  const ignore = rules.policy.ignore ?? []
  const counts = (field: Field): boolean =>
    !isBelow(field.at, want.ignored) && !isAutoscaled(field.path, entries)
  const isAddition = (path: FieldPath) => !isReplicas(path) && !isIgnored(ignore, ref, path, tree)
  return {
    missing: found.missing.map((field) => deepest(tree, field)).filter(counts),
    unsure: found.unsure.map((field) => deepest(tree, field)).filter(counts),
    added: want.lent ? [] : added(tree, entries).filter(({ path }) => isAddition(path)),
  }
}

const at = (tree: Json, path: FieldPath): Json | undefined => {
  const place = locate(tree, path)
  return place === undefined ? undefined : valueAt(tree, place)
}

/** Whether the live value is all that Git says; the API server may have filled in the rest. */
export const says = (live: Json | undefined, desired: Json): boolean => {
  if (Array.isArray(desired)) {
    const [wanted, found] = [listOf(desired), listOf(live)]
    return wanted.length === found.length && wanted.every((item, i) => says(found[i], item))
  }
  if (!isJsonObject(desired)) return textOf(live ?? null) === textOf(desired)
  return Object.entries(desired).every(([key, value]) => says(childOf(live, key), value))
}

const wholeOf = ({ evidence }: Rules, { ref }: Want): Json | undefined =>
  evidence.whole.get(formatRef(ref)) as unknown as Json | undefined

/** Whose the field was last, and what is known of it; that the object as a whole was ours, no value tells. */
const plain = ({ want, tree, rules, entries }: Sight, { path, at: place }: Field): Lost => {
  const key = driftKey(formatRef(want.ref), path.length === 0 ? {} : { path: formatPath(path) })
  const whole = path.length === 0 ? undefined : wholeOf(rules, want)
  return {
    path,
    at: place,
    author: holderOf(path, entries),
    isConflict: wasDisputed(rules, key),
    agrees: whole !== undefined && says(at(whole, path), valueAt(tree, place) ?? null),
  }
}

const refusedBefore = ({ hash }: Want, live: LiveObject, { now }: Rules) => {
  const { refused } = live.baseline ?? {}
  return refused?.version === versionOf(live, hash) && now < refused.until ? refused : undefined
}

/** Git did not change: every field that a heal would bring back is drift. */
const whileGitRests = (sight: Sight, live: LiveObject): Assessment => {
  const { rules, set, want } = sight
  const found = walk(sight)
  const isKnown = live.baseline?.whole === true && found.unsure.length === 0
  const candidates = [...found.missing, ...found.unsure]
  const told = rules.evidence.wouldOwn.get(formatRef(want.ref)) ?? refusedBefore(want, live, rules)
  const all = (fields: ReadonlyArray<Field>) => fields.map((field) => plain(sight, field))
  if (candidates.length === 0 || isKnown || set === undefined)
    return { lost: all(candidates), added: found.added, isDoubtful: false, whole: true }
  if (told === undefined)
    return { lost: all(found.missing), added: found.added, isDoubtful: true, whole: false }
  if ("failure" in told) {
    const { failure } = told
    return { ...EMPTY, lost: all(found.missing), added: found.added, blocked: failure }
  }
  const back = difference(told.set, set)
  const isBack = ({ path }: Field) => back.some((b) => startsWith(b, path) || startsWith(path, b))
  const lost = all(candidates.filter(isBack))
  const whole = found.missing.every(isBack)
  return { lost, added: found.added, isDoubtful: false, whole }
}

/** The only field of a map of a custom resource leaves the map in our set: what others hold of it tells. */
const lostIn = (sight: Sight): ReadonlyArray<Field> => {
  const { missing: lost, unsure } = walk(sight)
  return [...lost, ...unsure.filter(({ path }) => holderOf(path, sight.entries) !== undefined)]
}

const EMPTY: Assessment = { lost: [], added: [], isDoubtful: false, whole: false }

const same = (a: Json | undefined, b: Json | undefined): boolean =>
  canonical(a ?? null) === canonical(b ?? null)

/**
 * Git changed too. What was applied last tells lost fields from new ones; where that cannot be had, a field that
 * somebody else holds counts as lost, and never as a conflict.
 */
const whileGitMoves = (sight: Sight): Assessment => {
  const { tree, want, entries, rules, set } = sight
  const found = walk(sight)
  const last = rules.evidence.lastApplied.get(formatRef(want.ref))
  const whole = wholeOf(rules, want)
  const rest = { added: found.added, isDoubtful: false, whole: false }
  if (set === undefined)
    return { ...rest, lost: found.missing.map((f) => ({ ...plain(sight, f), isConflict: true })) }
  if (last === undefined) {
    const held = lostIn(sight).map((field) => plain(sight, field))
    return { ...rest, lost: held.filter(({ author }) => author !== undefined) }
  }
  const before = treeOf({ ...want.desired, json: last }, want, rules)
  const ignored = ignoredIn(rules.policy.ignore ?? [], want.ref, before)
  const gone = lostIn({ ...sight, tree: before, want: { ...want, ignored } })
  const lost = gone.flatMap(({ path }): ReadonlyArray<Lost> => {
    const now = locate(tree, path)
    if (now === undefined || isBelow(now, want.ignored)) return []
    const value = valueAt(tree, now) ?? null
    const { isConflict: isKept } = plain(sight, { path, at: now })
    const isConflict = isKept || !same(at(before, path), value)
    const agrees = isConflict && whole !== undefined && says(at(whole, path), value)
    return [{ path, at: now, author: holderOf(path, entries), isConflict, agrees }]
  })
  return { ...rest, lost }
}

/**
 * What our own apply left: what it did not get is nobody's drift, unless the step left it out on purpose. An object
 * whose drift stays is never settled.
 */
export const baselineAfter = (step: Step, live: LiveObject, rules: Rules): Baseline => {
  const { holds = [] } = step
  const found = walk(sightOf(step, live, rules))
  const isHeld = found.missing.some(({ at: place }) => isBelow(place, holds))
  const whole = found.missing.every(({ at: place }) => isBelow(place, holds))
  return { ownership: isHeld || found.added.length > 0 ? "" : live.ownership, whole }
}

const sightOf = (want: Want, live: LiveObject, rules: Rules): Sight => {
  const entries = entriesOf(metadataOf(live).managedFields)
  const tree = treeOf(want.desired, want, rules)
  return { want, tree, entries, set: ownSet(entries), rules }
}

/** An apply of ours is among its entries. Not asked of settled objects. */
export const hasOwnSet = (live: LiveObject): boolean =>
  ownSet(metadataOf(live).managedFields) !== undefined

const HASH: FieldPath = ["f:metadata", "f:annotations", `f:${ANNOTATION_APPLIED}`]

/** Whether we wrote the hash that is live: as long as `fields` are not needed, nothing of ours was taken. */
export const isOwnHash = (live: LiveObject): boolean => {
  if (live.fields === undefined) return true
  const set = ownSet(metadataOf(live).managedFields)
  return (
    HASH.reduce<JsonObject | undefined>((node, element) => nodeOf(node, element), set) !== undefined
  )
}

/** Git changed it since it was applied. A hash that somebody else wrote or removed tells nothing of that. */
export const hasMoved = (want: Want, live: LiveObject): boolean =>
  live.applied !== want.hash &&
  (!want.appliedBefore || live.applied === `${want.hash}-` || isOwnHash(live))

/** What somebody made in the place of ours has all that Git says: taking it changes no value. */
export const isPutBack = (want: Want, live: LiveObject, rules: Rules): boolean => {
  const whole = ownSet(metadataOf(live).managedFields) ? undefined : wholeOf(rules, want)
  return whole !== undefined && says(whole, parseJson(want.desired.json))
}

/** Only asked of objects that are not settled. */
export const assess = (want: Want, live: LiveObject, rules: Rules): Assessment => {
  const sight = sightOf(want, live, rules)
  return hasMoved(want, live) ? whileGitMoves(sight) : whileGitRests(sight, live)
}
