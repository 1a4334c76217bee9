/** What people put into our objects that Git does not say, and how it becomes ours, so that the next apply removes it. */
import type { Author } from "../domain/drift.ts"
import type { Json, JsonObject, ManagedFieldsEntry, ObjectMeta } from "../domain/object.ts"
import { handOver, type JsonPatchOperation } from "./adopt.ts"
import { childOf, type FieldSet, listOf, memberOf, nodeOf, pairUp, textOf } from "./fieldpath.ts"
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

/** What desired says of each element of this set; `undefined`: nothing. Our own elements are matched first. */
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
    if (isKeyed(element)) return items.get(element)
    const member = memberOf(element)
    return member === undefined ? list[Number(element.slice(2))] : members.get(textOf(member))
  }
}

/** Topmost paths of a set that desired says nothing of. */
const unsaid = (
  set: FieldSet,
  desired: Json | undefined,
  own: FieldSet,
  path: FieldPath,
): ReadonlyArray<FieldPath> => {
  const said = saying(desired, set, own)
  return Object.keys(set).flatMap((element) => {
    if (element === "." || element === RESTARTED) return []
    const node = nodeOf(set, element) ?? {}
    const value = said(element) ?? undefined
    const here = [...path, element]
    if (value === undefined && !holdsRestart(node)) return [here]
    const isLeaf = value !== undefined && typeof value !== "object"
    return isLeaf ? [] : unsaid(node, value, nodeOf(own, element) ?? {}, here)
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
  for (const entry of entriesOf(managedFields).filter(isByHand)) {
    const fields = Object.entries(fieldsOf(entry)).filter(([element]) => !APART.has(element))
    const author = authorOf(entry)
    for (const path of unsaid(Object.fromEntries(fields), desired, own, [])) {
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
  const inside = rest.length === 0 ? { left: undefined, taken: node } : cut(node, rest)
  if (inside.taken === undefined) return { left: set, taken: undefined }
  const { [element]: _, ...others } = set
  const left = inside.left === undefined ? others : { ...others, [element]: inside.left }
  return {
    left: Object.keys(left).length === 0 ? undefined : left,
    taken: { [element]: inside.taken },
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
