/** The state of building one document's tree, and what its scalars mean. */
import { type Event, getScalarValue, SCALAR_STYLE, type ScalarEvent } from "js-yaml"
import type { Json } from "../domain/object.ts"
import type * as flaws from "./flaws.ts"
import type { Format } from "./parsed.ts"
import { resolveJson, resolvePlain, resolveTagged, type Scalar } from "./scalars.ts"

/** A value with what it costs to write it out once more, and how deep it is. */
export interface Node {
  readonly value: Json
  readonly weight: number
  readonly height: number
}

export interface Note {
  readonly offset: number
  readonly text: string
}

/** The builder's state; the first flaw ends it. */
export interface Growth {
  readonly text: string
  readonly format: Format
  readonly lineAt: (offset: number) => number
  readonly events: ReadonlyArray<Event>
  at: number
  flaw: flaws.Flaw | undefined
  aliased: number
  readonly anchors: Map<string, Node>
  /** Offsets of each mapping's keys; merged keys stand where their `<<` does. */
  readonly keys: WeakMap<object, ReadonlyMap<string, number>>
  readonly notes: Array<Note>
}

/** A document's events, ready to be built. */
export const newGrowth = (
  from: Pick<Growth, "text" | "format" | "lineAt" | "events" | "flaw">,
): Growth => ({ ...from, at: 0, aliased: 0, anchors: new Map(), keys: new WeakMap(), notes: [] })

export const NOTHING: Node = { value: null, weight: 1, height: 0 }

export const fail = (growth: Growth, flaw: flaws.Flaw): Node => {
  growth.flaw ??= flaw
  return NOTHING
}

export const slice = (growth: Growth, start: number, end: number): string =>
  start < 0 ? "" : growth.text.slice(start, end)

export const offsetOf = (event: Event): number => {
  if ("valueStart" in event && event.valueStart >= 0) return event.valueStart
  if ("start" in event) return event.start
  return "anchorStart" in event ? Math.max(event.anchorStart, 0) : 0
}

export const scalarOf = (
  growth: Growth,
  event: ScalarEvent,
  source: string,
): Scalar | undefined => {
  const tag = slice(growth, event.tagStart, event.tagEnd)
  if (tag !== "") return resolveTagged(tag, source)
  if (event.style !== SCALAR_STYLE.PLAIN) return source
  return growth.format === "json" ? resolveJson(source) : resolvePlain(source)
}

/** As in kubectl, a block scalar that ends with the file has no line break if the file has none. */
export const sourceOf = ({ text }: Growth, event: ScalarEvent): string => {
  const source = getScalarValue(text, event)
  const isBlock =
    event.style === SCALAR_STYLE.LITERAL_BLOCK || event.style === SCALAR_STYLE.FOLDED_BLOCK
  if (!isBlock || event.valueEnd < text.length || !source.endsWith("\n")) return source
  const last = text.slice(Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1)
  return event.indent >= 0 && last.length > event.indent ? source.slice(0, -1) : source
}
