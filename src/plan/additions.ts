/** What people put into our objects that Git does not say, and how it becomes ours, so that the next apply removes it. */
import type { Author } from "../domain/drift.ts"
import type { Json, JsonObject, ManagedFieldsEntry, ObjectMeta } from "../domain/object.ts"
import { handOver, type JsonPatchOperation } from "./adopt.ts"
import {
  childOf,
  type FieldSet,
  keysOf,
  listOf,
  memberOf,
  nodeOf,
  pairUp,
  textOf,
} from "./fieldpath.ts"
import type { FieldPath } from "./fields.ts"
import { authorOf, entriesOf, fieldsOf, ownSet } from "./holders.ts"
import { isJsonObject } from "./json.ts"
import { isOwn, isPerson } from "./live.ts"

export interface Addition {
  readonly path: FieldPath
  readonly author: Author
}

/** `kubectl rollout restart`: an order, not a state. */
const RESTARTED = "f:kubectl.kubernetes.io/restartedAt"

const holdsRestart = (set: FieldSet): boolean =>
  Object.keys(set).some((key) => key === RESTARTED || holdsRestart(nodeOf(set, key) ?? {}))

const isKeyed = (element: string): boolean => element.startsWith("k:")

const isStated = (item: Json | undefined, element: string): boolean =>
  Object.keys(keysOf(element) ?? {}).every((name) => childOf(item, name) !== undefined)

/**
 * What desired says of each element of this set; `undefined`: nothing. Our own elements are matched first; only
 * they may be items that desired leaves a key of to its default.
 */
const saying = (
  desired: Json | undefined,
  set: FieldSet,
  own: FieldSet,
): ((element: string) => Json | undefined) => {
  if (!Array.isArray(desired)) return (element) => childOf(desired, element.slice(2))
  const list = listOf(desired)
  const keyed = [...new Set([...Object.keys(own), ...Object.keys(set)].filter(isKeyed))]
  const items = new Map(pairUp(list, keyed).map((element, index) => [element, list[index]]))
  const members = new Map(list.map((item) => [textOf(item), item]))
  return (element) => {
    if (isKeyed(element)) {
      const item = items.get(element)
      return nodeOf(own, element) !== undefined || isStated(item, element) ? item : undefined
    }
    const member = memberOf(element)
    return member === undefined ? list[Number(element.slice(2))] : members.get(textOf(member))
  }
}

interface Sets {
  readonly set: FieldSet
  readonly own: FieldSet
  /** Of all people, the set among them: a restart in any of them is not to be taken with what is around it. */
  readonly people: ReadonlyArray<FieldSet>
}

const inside = ({ set, own, people }: Sets, element: string): Sets => ({
  set: nodeOf(set, element) ?? {},
  own: nodeOf(own, element) ?? {},
  people: people.map((one) => nodeOf(one, element) ?? {}),
})

/** Topmost paths of a set that desired says nothing of. */
const unsaid = (
  sets: Sets,
  desired: Json | undefined,
  path: FieldPath,
): ReadonlyArray<FieldPath> => {
  const said = saying(desired, sets.set, sets.own)
  return Object.keys(sets.set).flatMap((element) => {
    if (element === "." || element === RESTARTED) return []
    const below = inside(sets, element)
    const value = said(element) ?? undefined
    const here = [...path, element]
    if (value === undefined && !below.people.some(holdsRestart)) return [here]
    const isLeaf = value !== undefined && typeof value !== "object"
    return isLeaf ? [] : unsaid(below, value, here)
  })
}

const APART = new Set(["f:metadata", "f:status"])

const isByHand = (entry: ManagedFieldsEntry): boolean => isPerson(entry) && !entry.subresource

/**
 * What people's own writes hold and desired does not say: the topmost path of each, by whoever wrote there last.
 * Metadata, status and a restart are nobody's drift.
 */
export const added = (
  desired: JsonObject,
  managedFields: ReadonlyArray<ManagedFieldsEntry> | undefined,
): ReadonlyArray<Addition> => {
  const own = ownSet(managedFields) ?? {}
  const found = new Map<string, Addition>()
  const written = entriesOf(managedFields).filter(isByHand)
  const people = written.map(fieldsOf)
  for (const entry of written) {
    const fields = Object.entries(fieldsOf(entry)).filter(([element]) => !APART.has(element))
    const author = authorOf(entry)
    for (const path of unsaid({ set: Object.fromEntries(fields), own, people }, desired, [])) {
      const key = JSON.stringify(path)
      const before = found.get(key)?.author.time ?? ""
      if (!found.has(key) || (author.time ?? "") >= before) found.set(key, { path, author })
    }
  }
  return [...found.values()]
}

interface Cut {
  /** `undefined`: nothing is left. */
  readonly left: FieldSet | undefined
  /** `undefined`: there was nothing at the path. */
  readonly taken: FieldSet | undefined
}

/** A set in two: what is at the path and below, and all the rest. */
const cut = (set: FieldSet, [element, ...rest]: FieldPath): Cut => {
  const node = element === undefined ? undefined : nodeOf(set, element)
  if (element === undefined || node === undefined) return { left: set, taken: undefined }
  const part = rest.length === 0 ? { left: undefined, taken: node } : cut(node, rest)
  if (part.taken === undefined) return { left: set, taken: undefined }
  const { [element]: _, ...others } = set
  const left = part.left === undefined ? others : { ...others, [element]: part.left }
  return {
    left: Object.keys(left).length === 0 ? undefined : left,
    taken: { [element]: part.taken },
  }
}

/**
 * The patch that moves these paths from people's entries to ours, so that the next apply removes them; `undefined`
 * where people hold none of them. It tests the resourceVersion that it was made from.
 */
export const takeAdded = (
  meta: ObjectMeta,
  apiVersion: string,
  paths: ReadonlyArray<FieldPath>,
): ReadonlyArray<JsonPatchOperation> | undefined => {
  const entries = entriesOf(meta.managedFields)
  const taken: Array<FieldSet> = []
  const others = entries.flatMap((entry) => {
    if (isOwn(entry)) return []
    if (!isByHand(entry) || !isJsonObject(entry.fieldsV1)) return [entry]
    let left: FieldSet | undefined = entry.fieldsV1
    for (const path of paths) {
      const step: Cut = cut(left ?? {}, path)
      if (step.taken === undefined) continue
      taken.push(step.taken)
      left = step.left
    }
    return left === undefined
      ? []
      : [left === entry.fieldsV1 ? entry : { ...entry, fieldsV1: left }]
  })
  const own = entries.filter(isOwn).map(fieldsOf)
  return taken.length === 0 ? undefined : handOver(meta, apiVersion, others, [...own, ...taken])
}
