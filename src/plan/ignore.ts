/** `spec.ignore`: which places of an object are neither applied nor called drift. */
import type { Json, JsonObject, ObjectRef } from "../domain/object.ts"
import type { RepositorySpec } from "../domain/spec.ts"
import { childOf, keysOf, listOf, memberOf, textOf } from "./fieldpath.ts"
import type { FieldPath, Location } from "./fields.ts"
import { isJsonObject } from "./json.ts"

export type IgnoreRule = NonNullable<RepositorySpec["ignore"]>[number]

/** Text as it stands in a pattern: in quotes it means a text, bare any scalar that reads so. */
interface Token {
  readonly text: string
  readonly quoted: boolean
}
type Segment =
  /** Of a JSON pointer: a field, or an index where a list stands. */
  | { readonly is: "pointer"; readonly name: string }
  | { readonly is: "field"; readonly name: string }
  | { readonly is: "index"; readonly index: number }
  | { readonly is: "member"; readonly member: Token }
  | { readonly is: "keys"; readonly keys: ReadonlyArray<readonly [name: string, value: Token]> }

const QUOTED = '"(?:[^"\\\\]|\\\\.)*"'
const VALUE = `(${QUOTED}|[^\\],"]*)`
const STEP = new RegExp(
  `\\.?([A-Za-z_][\\w-]*)|\\[(${QUOTED})\\]|\\[(\\d+)\\]|\\[=(${QUOTED}|[^\\]"]*)\\]|\\[((?:(?:${QUOTED}|[^\\],="]+)=${VALUE},?)+)\\]`,
  "uy",
)
const KEY = new RegExp(`(${QUOTED}|[^\\],="]+)=${VALUE}`, "gu")

const unquoted = (text: string): string => {
  if (!text.startsWith('"')) return text
  try {
    return String(JSON.parse(text))
  } catch {
    return text
  }
}
const token = (text: string): Token => ({ text: unquoted(text), quoted: text.startsWith('"') })

const segmentOf = ([, name, quoted, index, member, keys]: RegExpExecArray): Segment => {
  if (name !== undefined) return { is: "field", name }
  if (quoted !== undefined) return { is: "field", name: unquoted(quoted) }
  if (index !== undefined) return { is: "index", index: Number(index) }
  if (member !== undefined) return { is: "member", member: token(member) }
  const pairs = [...(keys ?? "").matchAll(KEY)]
  return {
    is: "keys",
    keys: pairs.map(([, key = "", value = ""]) => [unquoted(key), token(value)]),
  }
}

const dotted = (pattern: string): ReadonlyArray<Segment> => {
  const found: Array<Segment> = []
  STEP.lastIndex = 0
  for (let at = 0; at < pattern.length; at = STEP.lastIndex) {
    const step = STEP.exec(pattern)
    if (step === null) return []
    found.push(segmentOf(step))
  }
  return found
}

/** The parts of a pattern; none where it is neither a JSON pointer (RFC 6901) nor a path in dots. */
const segmentsOf = (pattern: string): ReadonlyArray<Segment> =>
  pattern.startsWith("/")
    ? pattern
        .slice(1)
        .split("/")
        .map((name) => ({
          is: "pointer",
          name: name.replaceAll("~1", "/").replaceAll("~0", "~"),
        }))
    : dotted(pattern)

const means = ({ text, quoted }: Token, value: Json | undefined): boolean => {
  if (value === undefined) return false
  if (typeof value === "string") return value === text
  return !quoted && textOf(value) === text
}

/** How many keys the item has as they are asked for; 0 where one of them is something else. */
const agreement = (
  item: Json | undefined,
  keys: ReadonlyArray<readonly [name: string, agrees: (value: Json) => boolean]>,
): number => {
  const told = keys.flatMap(([name, agrees]) => {
    const value = childOf(item, name)
    return value === undefined ? [] : [agrees(value)]
  })
  return told.every(Boolean) ? told.length : 0
}

type Keys = Parameters<typeof agreement>[1]

/** Indices of the items meant: those that say the most of it; what an item leaves out may have a default. */
const itemsWith = (list: ReadonlyArray<Json>, keys: Keys): ReadonlyArray<number> => {
  const scores = list.map((item) => agreement(item, keys))
  const best = Math.max(1, ...scores)
  return scores.flatMap((score, index) => (score === best ? [index] : []))
}

const asked = (keys: ReadonlyArray<readonly [string, Token]>): Keys =>
  keys.map(([name, value]) => [name, (said) => means(value, said)])

const spelledKeys = (keys: JsonObject): Keys =>
  Object.entries(keys).map(([name, value]) => [name, (said) => textOf(said) === textOf(value)])

/** Where a segment leads from here. */
const stepsOf = (segment: Segment, here: Json): ReadonlyArray<string | number> => {
  if (!Array.isArray(here)) {
    const isName = segment.is === "field" || segment.is === "pointer"
    return isName && childOf(here, segment.name) !== undefined ? [segment.name] : []
  }
  const list = listOf(here)
  const indexed = indexOf(segment)
  if (indexed !== undefined) return indexed < list.length ? [indexed] : []
  if (segment.is === "keys") return itemsWith(list, asked(segment.keys))
  return list.flatMap((item, index) =>
    segment.is === "member" && means(segment.member, item) ? [index] : [],
  )
}

const indexOf = (segment: Segment): number | undefined => {
  if (segment.is === "index") return segment.index
  return segment.is === "pointer" && /^(0|[1-9]\d*)$/u.test(segment.name)
    ? Number(segment.name)
    : undefined
}

const find = (tree: Json, segments: ReadonlyArray<Segment>): ReadonlyArray<Location> => {
  const [first, ...rest] = segments
  if (first === undefined) return [[]]
  return stepsOf(first, tree).flatMap((step) => {
    const next = typeof step === "number" ? listOf(tree)[step] : childOf(tree, step)
    return find(next ?? null, rest).map((below) => [step, ...below])
  })
}

const appliesTo = ({ target = {} }: IgnoreRule, ref: ObjectRef): boolean =>
  (["group", "kind", "name", "namespace"] as const).every(
    (part) => target[part] === undefined || target[part] === ref[part],
  )

const patternsFor = (
  rules: ReadonlyArray<IgnoreRule>,
  ref: ObjectRef,
): ReadonlyArray<ReadonlyArray<Segment>> =>
  rules
    .filter((rule) => appliesTo(rule, ref))
    .flatMap((rule) => rule.paths.map(segmentsOf))
    .filter((segments) => segments.length > 0)

/** Without these an object is not found again, or is no longer known as ours. */
const PROTECTED =
  /^(apiVersion|kind|metadata (name|namespace|uid|resourceVersion)|metadata labels nopea\.io\/.*|metadata annotations nopea\.io\/applied)$/u
const AROUND = /^metadata( labels| annotations)?$/u

const spared = (tree: Json, at: Location): ReadonlyArray<Location> => {
  const text = at.join(" ")
  if (PROTECTED.test(text)) return []
  if (!AROUND.test(text)) return [at]
  const value = at.reduce<Json | undefined>((here, step) => childOf(here, String(step)), tree)
  const keys = isJsonObject(value) ? Object.keys(value) : []
  return keys.flatMap((key) => spared(tree, [...at, key]))
}

/** The places of the desired tree that the rules name; never those that make it ours. */
export const ignoredIn = (
  rules: ReadonlyArray<IgnoreRule>,
  ref: ObjectRef,
  desired: JsonObject,
): ReadonlyArray<Location> => {
  const found = patternsFor(rules, ref)
    .flatMap((segments) => find(desired, segments))
    .flatMap((at) => spared(desired, at))
  return [...new Map(found.map((at) => [JSON.stringify(at), at])).values()]
}

const itemOf = (here: Json | undefined, element: string): Json | undefined => {
  if (element.startsWith("f:")) return childOf(here, element.slice(2))
  const keys = keysOf(element)
  if (keys !== undefined) return listOf(here)[itemsWith(listOf(here), spelledKeys(keys))[0] ?? -1]
  const member = memberOf(element)
  if (member === undefined) return listOf(here)[Number(element.slice(2))]
  return listOf(here).find((item) => textOf(item) === textOf(member))
}

const names = (segment: Segment, element: string, here: Json | undefined): boolean => {
  if (element.startsWith("f:")) {
    const isName = segment.is === "field" || segment.is === "pointer"
    return isName && segment.name === element.slice(2)
  }
  const index = indexOf(segment)
  if (index !== undefined) {
    const item = itemOf(here, element)
    return item === undefined ? element === `i:${index}` : listOf(here)[index] === item
  }
  if (segment.is === "member") return means(segment.member, memberOf(element))
  const said = keysOf(element)
  return (
    segment.is === "keys" &&
    segment.keys.every(([name, value]) => means(value, childOf(said, name)))
  )
}

const covers = (
  segments: ReadonlyArray<Segment>,
  path: FieldPath,
  desired: Json | undefined,
): boolean => {
  let here = desired
  return segments.every((segment, depth) => {
    const element = path[depth]
    if (element === undefined || !names(segment, element, here)) return false
    here = itemOf(here, element)
    return true
  })
}

/** Whether a rule names this path or something above it; desired need not have it. */
export const isIgnored = (
  rules: ReadonlyArray<IgnoreRule>,
  ref: ObjectRef,
  path: FieldPath,
  desired: JsonObject,
): boolean => patternsFor(rules, ref).some((segments) => covers(segments, path, desired))
