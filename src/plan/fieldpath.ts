/** The elements of `fieldsV1` (`f:image`, `k:{"name":"api"}`, `v:"x"`): what they say, and which list items they mean. */
import { canonical, type Json, type JsonObject } from "../domain/object.ts"
import { isJsonObject, parseJson } from "./json.ts"

/** A tree of elements as the API server keeps it; `.` stands for the node itself. */
export type FieldSet = JsonObject

/** Where something is read from: whatever is no list is an empty one. */
export const listOf = (value: Json | undefined): ReadonlyArray<Json> =>
  Array.isArray(value) ? (value as ReadonlyArray<Json>) : []

/** An own property: `constructor` is a name like any other. */
export const childOf = (value: Json | undefined, key: string): Json | undefined =>
  isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** A node of a field set; `undefined` where there is none. */
export const nodeOf = (set: FieldSet | undefined, element: string): FieldSet | undefined => {
  const node = childOf(set, element)
  return isJsonObject(node) ? node : undefined
}

const parsed = (text: string): Json | undefined => {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

/** What a `k:` element says; `undefined` for every other. */
export const keysOf = (element: string): JsonObject | undefined => {
  const keys = element.startsWith("k:") ? parsed(element.slice(2)) : undefined
  return isJsonObject(keys) ? keys : undefined
}

/** What a `v:` element says; `undefined` for every other. */
export const memberOf = (element: string): Json | undefined =>
  element.startsWith("v:") ? parsed(element.slice(2)) : undefined

const INT64 = 2n ** 63n

const numeric = (value: number | bigint): number | bigint => {
  if (typeof value === "bigint") return value >= -INT64 && value < INT64 ? value : Number(value)
  return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? BigInt(value) : value
}

const comparable = (value: Json): Json => {
  if (typeof value === "number" || typeof value === "bigint") return numeric(value)
  if (Array.isArray(value)) return value.map(comparable)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, comparable(one)]))
}

/** Equal texts for equal values: `1` is `1n`, and never `"1"`. */
export const textOf = (value: Json): string => canonical(comparable(value))

export const keyElement = (keys: JsonObject): string => `k:${canonical(keys)}`
export const memberElement = (member: Json): string => `v:${canonical(member)}`

const stated = (item: Json, names: ReadonlySet<string>): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const name of names) {
    const value = childOf(item, name)
    if (value !== undefined && value !== null) found.set(name, textOf(value))
  }
  return found
}

const signature = (keys: ReadonlyMap<string, string>): string =>
  [...keys].map(([name, text]) => `${JSON.stringify(name)}${text}`).join()

/** The item says nothing that the element denies; it may leave out keys that have defaults. */
const agrees = (keys: ReadonlyMap<string, string>, item: ReadonlyMap<string, string>): boolean =>
  [...item].every(([name, text]) => keys.get(name) === text)

/** Names of the fields that tell the items of an associative list apart. */
export const keyNames = (elements: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(elements.flatMap((element) => Object.keys(keysOf(element) ?? {})).sort())

/** The `k:` element of an item, as far as the item states its keys. */
export const elementFor = (item: Json, names: ReadonlySet<string>): string => {
  const keys = [...names].flatMap((name) => {
    const value = childOf(item, name)
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  return keys.length === 0 ? memberElement(item) : keyElement(Object.fromEntries(keys))
}

/**
 * Which `k:` element means which item, one to one: items that state the most keys come first, so that port 53
 * without a protocol cannot take the place of 53/UDP; among equals the first element wins.
 */
export const pairUp = (
  items: ReadonlyArray<Json>,
  elements: ReadonlyArray<string>,
): ReadonlyArray<string | undefined> => {
  const names = keyNames(elements)
  const left = new Map<string, { element: string; keys: ReadonlyMap<string, string> }>()
  for (const element of elements) {
    const keys = stated(keysOf(element) ?? {}, names)
    const text = signature(keys)
    if (keys.size > 0 && !left.has(text)) left.set(text, { element, keys })
  }
  const result: Array<string | undefined> = items.map(() => undefined)
  const claims = items.map((item, index) => ({ index, keys: stated(item, names) }))
  for (const { index, keys } of claims.sort((a, b) => b.keys.size - a.keys.size)) {
    const exact = signature(keys)
    const text = left.has(exact)
      ? exact
      : [...left].find((candidate) => agrees(candidate[1].keys, keys))?.[0]
    if (text === undefined || !isJsonObject(items[index])) continue
    result[index] = left.get(text)?.element
    left.delete(text)
  }
  return result
}

/** An element as this set may spell it: numbers compare by value, a path may leave out defaulted keys. */
export const spelled = (set: FieldSet, element: string): ReadonlyArray<string> => {
  if (nodeOf(set, element) !== undefined) return [element]
  const keys = keysOf(element)
  if (keys !== undefined) {
    return Object.keys(set).filter((other) => pairUp([keys], [other])[0] !== undefined)
  }
  const member = memberOf(element)
  if (member === undefined) return []
  const text = textOf(member)
  return Object.keys(set).filter((other) => {
    const value = memberOf(other)
    return value !== undefined && textOf(value) === text
  })
}
