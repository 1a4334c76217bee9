/** Places in objects: as `fieldsV1` names them, as people read them, and trees without them or of them only. */
import type { Json, JsonObject } from "../domain/object.ts"
import { canonical } from "../domain/object.ts"
import { childOf, keysOf, listOf, memberOf, pairUp, textOf } from "./fieldpath.ts"
import { isJsonObject } from "./json.ts"

/** Elements of `fieldsV1` from the root on; the empty path is the object as a whole. */
export type FieldPath = ReadonlyArray<string>
/** The same place in a tree: keys of maps, indices of lists. As long as its `FieldPath`. */
export type Location = ReadonlyArray<string | number>

export interface Field {
  readonly path: FieldPath
  readonly at: Location
}

const PLAIN_NAME = /^[A-Za-z_][\w-]*$/u
const PLAIN_TEXT = /^(?!(true|false|null)$)[A-Za-z_/.][\w./:-]*$/u

const showName = (name: string): string => (PLAIN_NAME.test(name) ? name : JSON.stringify(name))
const showValue = (value: Json): string =>
  typeof value === "string" && PLAIN_TEXT.test(value) ? value : canonical(value)

const showKeys = (keys: JsonObject): string =>
  Object.keys(keys)
    .sort()
    .map((name) => `${showName(name)}=${showValue(keys[name] ?? null)}`)
    .join()

const showElement = (element: string): string => {
  if (element.startsWith("f:")) {
    const name = element.slice(2)
    return PLAIN_NAME.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
  }
  const keys = keysOf(element)
  if (keys !== undefined) return `[${showKeys(keys)}]`
  const member = memberOf(element)
  if (member !== undefined) return `[=${showValue(member)}]`
  return /^i:\d+$/u.test(element) ? `[${element.slice(2)}]` : `[?${JSON.stringify(element)}]`
}

/** `spec.template.spec.containers[name=api].image`: different paths read differently. */
export const formatPath = (path: FieldPath): string =>
  path.map(showElement).join("").replace(/^\./u, "")

export const valueAt = (tree: Json, at: Location): Json | undefined =>
  at.reduce<Json | undefined>(
    (value, step) => (typeof step === "number" ? listOf(value)[step] : childOf(value, step)),
    tree,
  )

const indexOf = (list: ReadonlyArray<Json>, element: string): number => {
  if (element.startsWith("k:")) return pairUp(list, [element]).indexOf(element)
  const member = memberOf(element)
  if (member === undefined) return element.startsWith("i:") ? Number(element.slice(2)) : -1
  const text = textOf(member)
  return list.findIndex((item) => textOf(item) === text)
}

/** `spec.replicas`: what Git leaves open is whoever's scales, and taking it away would scale to one. */
export const REPLICAS: FieldPath = ["f:spec", "f:replicas"]
export const isReplicas = (path: FieldPath): boolean =>
  path.length === 2 && startsWith(path, REPLICAS)

export const startsWith = <A>(all: ReadonlyArray<A>, first: ReadonlyArray<A>): boolean =>
  first.every((part, i) => all[i] === part)

/** Where a path leads in a tree; `undefined` where the tree has no such place. */
export const locate = (tree: Json, path: FieldPath): Location | undefined => {
  const at: Array<string | number> = []
  let value: Json | undefined = tree
  for (const element of path) {
    const list: ReadonlyArray<Json> = listOf(value)
    const step = element.startsWith("f:") ? element.slice(2) : indexOf(list, element)
    value = typeof step === "number" ? list[step] : childOf(value, step)
    if (value === undefined) return undefined
    at.push(step)
  }
  return at
}

/** Places as a tree of steps; `whole`: the place itself is one of them. */
interface Places {
  whole: boolean
  /** The element of the path that leads here. */
  element: string
  readonly below: Map<string | number, Places>
}
const noPlaces = (): Places => ({ whole: false, element: "", below: new Map() })

const gather = (places: ReadonlyArray<Location>, paths: ReadonlyArray<FieldPath>): Places => {
  const root = noPlaces()
  for (const [nth, at] of places.entries()) {
    let node = root
    for (const [depth, step] of at.entries()) {
      const next = node.below.get(step) ?? noPlaces()
      next.element ||= paths[nth]?.[depth] ?? ""
      node.below.set(step, next)
      node = next
    }
    node.whole = true
  }
  return root
}

const leave = (value: Json, places: Places | undefined): Json | undefined => {
  if (places === undefined) return value
  if (places.whole) return undefined
  if (Array.isArray(value)) {
    const items = listOf(value).map((item, index) => leave(item, places.below.get(index)))
    const left = items.filter((item) => item !== undefined)
    return left.length === 0 && value.length > 0 ? undefined : left
  }
  if (!isJsonObject(value)) return value
  const all = Object.entries(value)
  const left = leaveFields(all, places)
  return left.length === 0 && all.length > 0 ? undefined : Object.fromEntries(left)
}

const leaveFields = (
  fields: ReadonlyArray<readonly [string, Json]>,
  places: Places,
): ReadonlyArray<readonly [string, Json]> =>
  fields.flatMap(([key, value]) => {
    const left = leave(value, places.below.get(key))
    return left === undefined ? [] : [[key, left] as const]
  })

/**
 * The tree with these places left out, and with them every map and list that they leave empty, save `metadata`.
 * Leaving out the root itself means nothing.
 */
export const without = (tree: JsonObject, places: ReadonlyArray<Location>): JsonObject => {
  const left = Object.fromEntries(leaveFields(Object.entries(tree), gather(places, [])))
  const bare = isJsonObject(tree["metadata"]) && left["metadata"] === undefined
  return bare ? { ...left, metadata: {} } : left
}

/** The fields that tell an item apart, which it must not lose. */
const keyFields = (item: Json, element: string): JsonObject =>
  Object.fromEntries(
    Object.entries(keysOf(element) ?? {}).map(([name, value]) => [
      name,
      childOf(item, name) ?? value,
    ]),
  )

const pick = (value: Json, places: Places): Json | undefined => {
  if (places.whole) return value
  if (Array.isArray(value)) {
    const picked = listOf(value).flatMap((item, index): ReadonlyArray<Json> => {
      const inside = places.below.get(index)
      const found = inside === undefined ? undefined : pick(item, inside)
      if (inside === undefined || found === undefined) return []
      return isJsonObject(found) ? [{ ...keyFields(item, inside.element), ...found }] : [found]
    })
    return picked.length === 0 ? undefined : picked
  }
  if (!isJsonObject(value)) return undefined
  const picked = Object.entries(value).flatMap(([key, one]) => {
    const inside = places.below.get(key)
    const found = inside === undefined ? undefined : pick(one, inside)
    return found === undefined ? [] : [[key, found] as const]
  })
  return picked.length === 0 ? undefined : Object.fromEntries(picked)
}

/**
 * A tree of just these places, as far as they exist. `paths` are theirs, one for one: from them list items on the
 * way know the key fields they must keep.
 */
export const only = (
  tree: JsonObject,
  places: ReadonlyArray<Location>,
  paths: ReadonlyArray<FieldPath> = [],
): JsonObject => {
  const picked = pick(tree, gather(places, paths))
  return isJsonObject(picked) ? picked : {}
}
