/** Which fields of an object are still ours: the desired tree and our field set side by side, without any schema. */
import type { Json, JsonObject } from "../domain/object.ts"
import {
  childOf,
  elementFor,
  type FieldSet,
  keyNames,
  listOf,
  memberElement,
  memberOf,
  nodeOf,
  pairUp,
  spelled,
  textOf,
} from "./fieldpath.ts"
import type { Field, FieldPath, Location } from "./fields.ts"
import { isJsonObject } from "./json.ts"

/** What the API server never takes from an apply. */
const IDENTITY = new Set(
  "name namespace uid resourceVersion generation creationTimestamp selfLink managedFields".split(
    " ",
  ),
)

export interface Missing {
  /** No longer ours: somebody changed or removed it. The topmost path of each; the empty one: all of the object. */
  readonly missing: ReadonlyArray<Field>
  /**
   * Ours or not, the field set does not tell. A map of a custom resource whose every field may have been taken;
   * an empty list, which nobody ever owns where it is associative; a status.
   */
  readonly unsure: ReadonlyArray<Field>
}

/** Whether an applied value leaves any trace in a field set: an empty associative list does not. */
const trace = (value: Json): "yes" | "maybe" | "no" => {
  if (value === null) return "no"
  if (Array.isArray(value)) return value.length === 0 ? "maybe" : "yes"
  if (!isJsonObject(value)) return "yes"
  const inner = Object.values(value).map(trace)
  if (inner.length === 0 || inner.includes("yes")) return "yes"
  return inner.includes("maybe") ? "maybe" : "no"
}

const has = (set: FieldSet, kind: string): boolean => {
  for (const element in set) if (element.startsWith(kind)) return true
  return false
}

interface Walk {
  readonly missing: Array<Field>
  readonly unsure: Array<Field>
  /** A childless node of a map may be one whose fields were all taken. */
  readonly doubtful: boolean
}
/** Where the walk is; joined to a path only for what is found. */
interface Step {
  readonly element: string
  readonly at: string | number
  readonly from: Step | undefined
}

const fieldOf = (step: Step): Field => {
  const steps: Array<Step> = []
  for (let s: Step | undefined = step; s !== undefined; s = s.from) steps.push(s)
  steps.reverse()
  return { path: steps.map((s) => s.element), at: steps.map((s) => s.at) }
}

const lost = (walk: Walk, value: Json, step: Step): void => {
  const traces = trace(value)
  if (traces === "yes") walk.missing.push(fieldOf(step))
  if (traces === "maybe") walk.unsure.push(fieldOf(step))
}

const walkField = (walk: Walk, key: string, value: Json, set: FieldSet, from?: Step): void => {
  if (value === null) return
  const step = { element: `f:${key}`, at: key, from }
  const node = nodeOf(set, step.element)
  if (node === undefined) lost(walk, value, step)
  else walkValue(walk, value, node, step)
}

const walkValue = (walk: Walk, value: Json, set: FieldSet, step: Step): void => {
  if (Array.isArray(value)) walkList(walk, value, set, step)
  else if (isJsonObject(value)) walkMap(walk, value, set, step)
}

const walkMap = (walk: Walk, value: JsonObject, set: FieldSet, step: Step): void => {
  if (has(set, "f:")) {
    for (const key in value) walkField(walk, key, value[key] ?? null, set, step)
  } else if (walk.doubtful && step.element.startsWith("f:") && Object.keys(value).length > 0) {
    if (trace(value) === "yes") walk.unsure.push(fieldOf(step))
  }
}

const walkList = (walk: Walk, list: ReadonlyArray<Json>, set: FieldSet, from: Step): void => {
  const elements = Object.keys(set)
  if (has(set, "k:")) {
    const keyed = elements.filter((element) => element.startsWith("k:"))
    const names = keyNames(keyed)
    for (const [at, element] of pairUp(list, keyed).entries()) {
      const item = list[at] ?? null
      const step = { element: element ?? elementFor(item, names), at, from }
      const node = element === undefined ? undefined : nodeOf(set, element)
      if (node === undefined) walk.missing.push(fieldOf(step))
      else walkValue(walk, item, node, step)
    }
  } else if (has(set, "v:")) {
    const members = new Set(
      elements
        .map(memberOf)
        .flatMap((m) => (m === undefined ? [] : [m]))
        .map(textOf),
    )
    for (const [at, item] of list.entries()) {
      if (!members.has(textOf(item)))
        walk.missing.push(fieldOf({ element: memberElement(item), at, from }))
    }
  }
}

const walkMetadata = (walk: Walk, metadata: Json, set: FieldSet): void => {
  const step = { element: "f:metadata", at: "metadata", from: undefined }
  for (const [key, value] of isJsonObject(metadata) ? Object.entries(metadata) : []) {
    if (!IDENTITY.has(key)) walkField(walk, key, value, set, step)
  }
}

/** Where status is a subresource, an apply of the object does not own any of it. */
const walkStatus = (walk: Walk, status: Json, set: FieldSet | undefined, custom: boolean): void => {
  const step = { element: "f:status", at: "status", from: undefined }
  if (set !== undefined) walkValue(walk, status, set, step)
  else if (custom && trace(status) !== "no") walk.unsure.push(fieldOf(step))
}

/**
 * What of `desired` our field set lacks. `set` is the `fieldsV1` of our Apply entry, `undefined` where there is no
 * such entry: then everything is missing. `custom`: a kind that a CustomResourceDefinition defines.
 */
export const missing = (
  desired: JsonObject,
  set: JsonObject | undefined,
  options: { readonly custom: boolean },
): Missing => {
  if (set === undefined) return { missing: [{ path: [], at: [] }], unsure: [] }
  const isDefinition = desired["kind"] === "CustomResourceDefinition"
  const walk: Walk = { missing: [], unsure: [], doubtful: options.custom || isDefinition }
  for (const [key, value] of Object.entries(desired)) {
    if (key === "apiVersion" || key === "kind") continue
    if (key === "metadata") walkMetadata(walk, value, nodeOf(set, "f:metadata") ?? {})
    else if (key === "status") walkStatus(walk, value, nodeOf(set, "f:status"), options.custom)
    else walkField(walk, key, value, set)
  }
  return walk
}

const differ = (a: FieldSet, b: FieldSet, path: FieldPath): ReadonlyArray<FieldPath> =>
  Object.keys(a).flatMap((element) => {
    if (element === ".") return []
    const [spelling] = spelled(b, element)
    const here = [...path, element]
    if (spelling === undefined) return [here]
    return differ(nodeOf(a, element) ?? {}, nodeOf(b, spelling) ?? {}, here)
  })

/** The topmost paths of field set `a` that `b` lacks. */
export const difference = (a: JsonObject, b: JsonObject): ReadonlyArray<FieldPath> =>
  isJsonObject(a) ? differ(a, b, []) : []

const elementAt = (value: Json | undefined, step: string | number, set: FieldSet): string => {
  if (typeof step === "string") return `f:${step}`
  const list = listOf(value)
  const keyed = Object.keys(set).filter((element) => element.startsWith("k:"))
  if (keyed.length > 0) {
    return pairUp(list, keyed)[step] ?? elementFor(list[step] ?? null, keyNames(keyed))
  }
  return has(set, "v:") ? memberElement(list[step] ?? null) : `i:${step}`
}

/** The path of a place in a desired tree, as our field set spells it. */
export const pathAt = (desired: Json, at: Location, set: JsonObject | undefined): FieldPath => {
  let value: Json | undefined = desired
  let node: FieldSet = set ?? {}
  return at.map((step) => {
    const element = elementAt(value, step, node)
    value = typeof step === "number" ? listOf(value)[step] : childOf(value, step)
    node = nodeOf(node, element) ?? {}
    return element
  })
}
