/** One document's parser events -> a JSON tree: keys as text, anchors and merge keys expanded within a budget. */
import {
  type AliasEvent,
  type DocumentEvent,
  EVENT_ID,
  type Event,
  getScalarValue,
  type PopEvent,
  SCALAR_STYLE,
  type ScalarEvent,
} from "js-yaml"
import type { Json, JsonObject } from "../domain/object.ts"
import { lineIndex, type Piece } from "./documents.ts"
import * as flaws from "./flaws.ts"
import { type Format, isMapping, showKey, type Warning } from "./parsed.ts"
import { keyOf, resolvePlain, resolveTagged, type Scalar } from "./scalars.ts"

/** One document that could be read. */
export interface Document {
  readonly value: Json
  /** From 1. */
  readonly document: number
  /** Line of its content. */
  readonly line: number
  /** Line of a mapping's key; merged keys stand where their `<<` does. `line` where unknown. */
  readonly lineOf: (mapping: Json, key: string) => number
  readonly warnings: ReadonlyArray<Warning>
}

type NodeEvent = Exclude<Event, DocumentEvent | PopEvent>

interface Entry {
  readonly offset: number
  /** Not only merged: writing it once more is a duplicate. */
  readonly isWritten: boolean
}

/** A mapping on its way: values, and where their keys stand. */
interface Fields {
  readonly fields: Map<string, Json>
  readonly entries: Map<string, Entry>
}

interface Growth {
  readonly text: string
  readonly format: Format
  readonly events: Iterator<Event>
  readonly lineAt: (offset: number) => number
  readonly anchors: Map<string, Json>
  aliased: number
  readonly entries: WeakMap<object, ReadonlyMap<string, Entry>>
  readonly warnings: Array<Warning>
}

const flaw = (growth: Growth, offset: number, texts: flaws.Texts): flaws.Flaw =>
  new flaws.Flaw(texts, growth.lineAt(offset))

const warn = (growth: Growth, offset: number, text: string): void => {
  growth.warnings.push({ line: growth.lineAt(offset), text })
}

const offsetOf = (event: NodeEvent): number => {
  if ("start" in event) return event.start
  return "valueStart" in event
    ? Math.max(event.valueStart, event.anchorStart, 0)
    : event.anchorStart
}

/** `undefined`: the text denies its tag. JSON's only literals without a value are numbers too large for one. */
const scalarOf = (growth: Growth, event: ScalarEvent, source: string): Scalar | undefined => {
  const tag = growth.text.slice(event.tagStart, event.tagEnd)
  if (tag !== "") return resolveTagged(tag, source)
  if (event.style !== SCALAR_STYLE.PLAIN) return source
  const value = resolvePlain(source)
  return growth.format === "json" && typeof value === "string" ? Number.POSITIVE_INFINITY : value
}

/** As in kubectl, a block scalar that ends with the file has no line break if the file has none. */
const sourceOf = (text: string, event: ScalarEvent): string => {
  const source = getScalarValue(text, event)
  if (event.indent < 0 || event.valueEnd < text.length || !source.endsWith("\n")) return source
  const last = text.slice(Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1)
  return last.length > event.indent ? source.slice(0, -1) : source
}

const scalar = (growth: Growth, event: ScalarEvent): Json => {
  const value = scalarOf(growth, event, sourceOf(growth.text, event))
  if (value === undefined) throw flaw(growth, offsetOf(event), flaws.BAD_TAG)
  if (typeof value !== "number" || Number.isFinite(value)) return value
  throw flaw(growth, offsetOf(event), flaws.BAD_NUMBER)
}

/** Charges for a value that an alias at `offset` writes out once more. */
const charge = (growth: Growth, value: Json, depth: number, offset: number): void => {
  if (depth > flaws.MAX_DEPTH) throw flaw(growth, offset, flaws.TOO_DEEP)
  const isCollection = typeof value === "object" && value !== null
  growth.aliased += isCollection ? 1 : String(value).length + 1
  if (isMapping(value)) growth.aliased += Object.keys(value).join(" ").length + 1
  if (growth.aliased > flaws.MAX_ALIASED) throw flaw(growth, offset, flaws.ALIAS_BOMB)
  if (!isCollection) return
  for (const child of Object.values(value)) charge(growth, child, depth + 1, offset)
}

/** `undefined`: the collection ends here. */
const next = (growth: Growth): NodeEvent | undefined => {
  const event = growth.events.next().value as NodeEvent | PopEvent
  return event.type === EVENT_ID.POP ? undefined : event
}

const sequence = (growth: Growth, depth: number): ReadonlyArray<Json> => {
  const items: Array<Json> = []
  for (let event = next(growth); event !== undefined; event = next(growth)) {
    items.push(read(growth, event, depth + 1))
  }
  return items
}

/** As kubectl: a merge also overrides the keys above it, so `<<` belongs first. */
const merge = (growth: Growth, { fields, entries }: Fields, value: Json, offset: number): void => {
  const sources = Array.isArray(value) ? value.toReversed() : [value]
  for (const source of sources) {
    if (!isMapping(source)) throw flaw(growth, offset, flaws.BAD_MERGE)
    for (const [key, merged] of Object.entries(source)) {
      const above = entries.get(key)
      const isWritten = above?.isWritten === true
      const text = `the merge key (<<) overrides ${showKey(key)}, which stands above it: write << first`
      if (isWritten) warn(growth, offset, text)
      fields.set(key, merged)
      if (!isWritten) entries.set(key, { offset, isWritten })
    }
  }
}

const isMerge = ({ text }: Growth, event: NodeEvent): boolean => {
  if (event.type !== EVENT_ID.SCALAR) return false
  const isPlain = event.style === SCALAR_STYLE.PLAIN
  const mayMerge = isPlain
    ? text.startsWith("<<", event.valueStart)
    : text.slice(event.tagStart, event.tagEnd) === "!!merge"
  return mayMerge && getScalarValue(text, event) === "<<"
}

const anchorOf = ({ text }: Growth, event: NodeEvent): string =>
  text.slice(event.anchorStart, event.anchorEnd)

const scalarKey = (growth: Growth, event: ScalarEvent): string | undefined => {
  const source = getScalarValue(growth.text, event)
  const value = scalarOf(growth, event, source)
  const key = keyOf(value, source)
  if (event.anchorStart >= 0) growth.anchors.set(anchorOf(growth, event), value ?? null)
  const isPlain = event.style === SCALAR_STYLE.PLAIN && event.tagStart < 0
  // YAML 1.1 reads it as something else than it looks: `on: x` is `true: x`.
  if (isPlain && key !== undefined && source !== key && !/^(?:true|false)$/iu.test(source)) {
    warn(growth, offsetOf(event), `key ${showKey(source)} means ${showKey(key)}: quote it`)
  }
  return key
}

const readKey = (growth: Growth, event: NodeEvent, depth: number): string => {
  const isScalar = event.type === EVENT_ID.SCALAR
  const key = isScalar ? scalarKey(growth, event) : keyOf(read(growth, event, depth + 1))
  if (key === undefined) throw flaw(growth, offsetOf(event), flaws.BAD_KEY)
  return key
}

const mapping = (growth: Growth, depth: number): JsonObject => {
  const fields = new Map<string, Json>()
  const entries = new Map<string, Entry>()
  for (let event = next(growth); event !== undefined; event = next(growth)) {
    const offset = offsetOf(event)
    const key = isMerge(growth, event) ? undefined : readKey(growth, event, depth)
    const value = read(growth, next(growth) as NodeEvent, depth + 1)
    if (key === undefined) {
      merge(growth, { fields, entries }, value, offset)
      continue
    }
    const first = entries.get(key)
    if (first?.isWritten)
      throw flaw(growth, offset, flaws.duplicateKey(key, growth.lineAt(first.offset)))
    fields.set(key, value)
    entries.set(key, { offset, isWritten: true })
  }
  const object = Object.fromEntries(fields)
  growth.entries.set(object, entries)
  return object
}

const alias = (growth: Growth, event: AliasEvent, depth: number): Json => {
  const value = growth.anchors.get(anchorOf(growth, event))
  if (value === undefined) throw flaw(growth, event.anchorStart, flaws.UNKNOWN_ALIAS)
  charge(growth, value, depth, event.anchorStart)
  return value
}

const read = (growth: Growth, event: NodeEvent, depth: number): Json => {
  if (event.type === EVENT_ID.ALIAS) return alias(growth, event, depth)
  const anchor = anchorOf(growth, event)
  // Inside its own collection a name means nothing, also not what it meant above.
  if (anchor !== "") growth.anchors.delete(anchor)
  const value =
    event.type === EVENT_ID.SCALAR
      ? scalar(growth, event)
      : event.type === EVENT_ID.MAPPING
        ? mapping(growth, depth)
        : sequence(growth, depth)
  if (anchor !== "") growth.anchors.set(anchor, value)
  return value
}

/** The one document that the events hold, built from the text that they point into. Throws a `Flaw`. */
export const grow = (
  { text, line, document }: Piece,
  format: Format,
  events: ReadonlyArray<Event>,
): Document => {
  const growth: Growth = {
    text,
    format,
    events: events.values(),
    lineAt: lineIndex(text, line),
    anchors: new Map(),
    aliased: 0,
    entries: new WeakMap(),
    warnings: [],
  }
  const isEmpty = growth.events.next().done === true
  const root = isEmpty ? undefined : next(growth)
  const start = growth.lineAt(root === undefined ? 0 : offsetOf(root))
  return {
    value: root === undefined ? null : read(growth, root, 1),
    document,
    line: start,
    lineOf: (mapping, key) => {
      const entry = growth.entries.get(mapping as object)?.get(key)
      return entry === undefined ? start : growth.lineAt(entry.offset)
    },
    warnings: growth.warnings,
  }
}
