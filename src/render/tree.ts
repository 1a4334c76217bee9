/** One document's parser events -> a JSON tree: keys as text, anchors and merge keys expanded within a budget. */
import {
  EVENT_ID,
  type Event,
  getScalarValue,
  type MappingEvent,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
} from "js-yaml"
import type { Json } from "../domain/object.ts"
import * as flaws from "./flaws.ts"
import {
  fail,
  type Growth,
  NOTHING,
  type Node,
  offsetOf,
  scalarOf,
  slice,
  sourceOf,
} from "./growth.ts"
import { isMapping, showKey } from "./parsed.ts"
import { keyOf } from "./scalars.ts"

const scalar = (growth: Growth, event: ScalarEvent): Node => {
  const source = sourceOf(growth, event)
  const value = scalarOf(growth, event, source)
  if (value === undefined) return fail(growth, flaws.badTag(offsetOf(event)))
  if (typeof value === "number" && !Number.isFinite(value)) {
    return fail(growth, flaws.badNumber(offsetOf(event)))
  }
  return { value, weight: source.length + 1, height: 0 }
}

const alias = (growth: Growth, start: number, end: number, depth: number): Node => {
  const node = growth.anchors.get(slice(growth, start, end))
  if (node === undefined) return fail(growth, flaws.unknownAlias(start))
  growth.aliased += node.weight
  if (growth.aliased > flaws.MAX_ALIASED) return fail(growth, flaws.aliasBomb(start))
  return depth + node.height > flaws.MAX_DEPTH ? fail(growth, flaws.tooDeep(start)) : node
}

const isOpen = (growth: Growth): boolean =>
  growth.flaw === undefined && growth.events[growth.at]?.type !== EVENT_ID.POP

const sequence = (growth: Growth, depth: number): Node => {
  const value: Array<Json> = []
  let weight = 1
  let height = 0
  while (isOpen(growth)) {
    const item = read(growth, depth + 1)
    value.push(item.value)
    weight += item.weight
    height = Math.max(height, item.height)
  }
  growth.at++
  return { value, weight, height: height + 1 }
}

interface Entries {
  readonly fields: Map<string, Json>
  /** Keys that are written out. */
  readonly written: Map<string, number>
  /** Keys that only a merge brought: writing them out is no duplicate. */
  readonly merged: Map<string, number>
}

/** As kubectl: a merge also overrides the keys above it, so `<<` belongs first. */
const merge = (
  growth: Growth,
  { fields, written, merged }: Entries,
  node: Node,
  offset: number,
) => {
  const sources = Array.isArray(node.value) ? node.value.toReversed() : [node.value]
  for (const source of sources) {
    if (!isMapping(source)) return void fail(growth, flaws.badMerge(offset))
    for (const [key, value] of Object.entries(source)) {
      if (written.has(key)) {
        const text = `the merge key (<<) overrides ${showKey(key)}, which stands above it: write << first`
        growth.notes.push({ offset, text })
      }
      fields.set(key, value)
      merged.set(key, offset)
    }
  }
}

const write = (
  growth: Growth,
  entries: Entries,
  key: string,
  offset: number,
  value: Json,
): void => {
  const first = entries.written.get(key)
  if (first !== undefined) fail(growth, flaws.duplicateKey(key, offset, growth.lineAt(first)))
  entries.written.set(key, offset)
  entries.fields.set(key, value)
}

interface Key {
  readonly text: string
  readonly offset: number
  readonly merges: boolean
}

/** Says so where YAML 1.1 reads a key as something else than it looks: `on: x` is `true: x`. */
const noteKey = (growth: Growth, source: string, text: string, offset: number): void => {
  if (source === text || /^true|false$/iu.test(source)) return
  growth.notes.push({ offset, text: `key ${showKey(source)} means ${showKey(text)}: quote it` })
}

const readKey = (growth: Growth, depth: number): Key => {
  const event = growth.events[growth.at] as Event
  const offset = offsetOf(event)
  if (event.type !== EVENT_ID.SCALAR) {
    const { value } = read(growth, depth + 1)
    const text = typeof value === "object" ? undefined : keyOf(value, String(value))
    if (text === undefined) fail(growth, flaws.badKey(offset))
    return { text: text ?? "", offset, merges: false }
  }
  growth.at++
  const source = getScalarValue(growth.text, event)
  const tag = slice(growth, event.tagStart, event.tagEnd)
  const plain = event.style === SCALAR_STYLE.PLAIN
  if (source === "<<" && (plain || tag === "!!merge")) return { text: source, offset, merges: true }
  const value = scalarOf(growth, event, source)
  const text = value === undefined ? undefined : keyOf(value, source)
  if (text === undefined) fail(growth, flaws.badKey(offset))
  else if (plain && tag === "") noteKey(growth, source, text, offset)
  storeAnchor(growth, event, { value: value ?? null, weight: source.length + 1, height: 0 })
  return { text: text ?? "", offset, merges: false }
}

const mapping = (growth: Growth, depth: number): Node => {
  const entries: Entries = { fields: new Map(), written: new Map(), merged: new Map() }
  let weight = 1
  let height = 0
  while (isOpen(growth)) {
    const key = readKey(growth, depth)
    const node = growth.flaw === undefined ? read(growth, depth + 1) : NOTHING
    if (key.merges) merge(growth, entries, node, key.offset)
    else write(growth, entries, key.text, key.offset, node.value)
    weight += key.text.length + 1 + node.weight
    height = Math.max(height, node.height)
  }
  growth.at++
  const value = Object.fromEntries(entries.fields)
  growth.keys.set(value, new Map([...entries.merged, ...entries.written]))
  return { value, weight, height: height + 1 }
}

const storeAnchor = (
  growth: Growth,
  event: ScalarEvent | MappingEvent | SequenceEvent,
  node: Node,
): Node => {
  if (event.anchorStart >= 0) {
    growth.anchors.set(slice(growth, event.anchorStart, event.anchorEnd), node)
  }
  return node
}

const collection = (growth: Growth, event: MappingEvent | SequenceEvent, depth: number): Node => {
  growth.anchors.delete(slice(growth, event.anchorStart, event.anchorEnd))
  const isMap = event.type === EVENT_ID.MAPPING
  return storeAnchor(growth, event, isMap ? mapping(growth, depth) : sequence(growth, depth))
}

/** Reads the node at `growth.at`. */
const read = (growth: Growth, depth: number): Node => {
  const event = growth.events[growth.at++]
  switch (event?.type) {
    case EVENT_ID.SCALAR:
      return storeAnchor(growth, event, scalar(growth, event))
    case EVENT_ID.ALIAS:
      return alias(growth, event.anchorStart, event.anchorEnd, depth)
    case EVENT_ID.MAPPING:
    case EVENT_ID.SEQUENCE:
      return collection(growth, event, depth)
    default:
      return NOTHING
  }
}

/** Builds the tree of the one document that the events hold; `undefined` with `growth.flaw` set: it is none. */
export const grow = (growth: Growth): { value: Json; offset: number } | undefined => {
  if (growth.flaw !== undefined) return undefined
  const root = growth.events[1]
  if (growth.events[0]?.type !== EVENT_ID.DOCUMENT || root === undefined) {
    return { value: null, offset: 0 }
  }
  growth.at = 1
  const { value } = read(growth, 1)
  return growth.flaw === undefined ? { value, offset: offsetOf(root) } : undefined
}
