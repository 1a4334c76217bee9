/**
 * Watching as values: bytes -> lines -> events, and the informer's states.
 * `listing`: entered at the start, and when the position is lost (expired, garbage, time for a relist); left by a list.
 * `watching`: entered by a list; events and bookmarks move its position; left by expiry.
 */
import { Result } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import type { Listed, ObjectMetadata, WatchEvent } from "./Kube.ts"
import { refused } from "./response.ts"
import type { Asked } from "./status.ts"
import { garbage } from "./unanswered.ts"

/** The beginning of a line whose end has not come yet. */
export interface Pending {
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly size: number
}

export const NOTHING_PENDING: Pending = { chunks: [], size: 0 }

const NEWLINE = 10

const lineOf = (pending: Pending, end: Uint8Array): string =>
  pending.chunks.length === 0
    ? Buffer.from(end.buffer, end.byteOffset, end.byteLength).toString("utf8")
    : Buffer.concat([...pending.chunks, end]).toString("utf8")

/** The lines that end in this chunk, and what is left over; empty lines are skipped. */
export const splitLines = (
  pending: Pending,
  chunk: Uint8Array,
): { readonly pending: Pending; readonly lines: ReadonlyArray<string> } => {
  const lines: Array<string> = []
  let rest = pending
  let from = 0
  for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
    const line = lineOf(rest, chunk.subarray(from, end))
    if (line.trim() !== "") lines.push(line)
    rest = NOTHING_PENDING
    from = end + 1
  }
  const left = chunk.subarray(from)
  if (left.length === 0) return { pending: rest, lines }
  return { pending: { chunks: [...rest.chunks, left], size: rest.size + left.length }, lines }
}

interface Line {
  readonly type?: unknown
  readonly object?: {
    readonly metadata?: { readonly resourceVersion?: unknown; readonly name?: unknown }
  }
}

const parse = (line: string): Line | undefined => {
  try {
    return JSON.parse(line) as Line
  } catch {
    return undefined
  }
}

const isChange = (type: unknown): type is "ADDED" | "MODIFIED" | "DELETED" =>
  type === "ADDED" || type === "MODIFIED" || type === "DELETED"

/** One line of a watch; an ERROR event is the error that it carries (410: expired). */
export const decodeEvent = (
  asked: Asked,
  line: string,
): Result.Result<WatchEvent<KubeObject>, KubeError> => {
  const { type, object } = parse(line) ?? {}
  const version = object?.metadata?.resourceVersion
  if (type === "ERROR") {
    const status = (object as { readonly code?: unknown } | undefined)?.code
    const body = JSON.stringify(object ?? {})
    return Result.fail(refused(asked, { status: typeof status === "number" ? status : 500, body }))
  }
  if (type === "BOOKMARK" && typeof version === "string")
    return Result.succeed({ type, resourceVersion: version })
  if (isChange(type) && typeof version === "string" && typeof object?.metadata?.name === "string")
    return Result.succeed({ type, object: object as KubeObject })
  return Result.fail(garbage(asked, "a line of the watch is no watch event"))
}

/** What an informer tells. `synced` is the whole truth: what it does not name is gone. */
export type InformerEvent<A> =
  | { readonly type: "applied"; readonly object: A }
  | { readonly type: "deleted"; readonly object: A }
  | { readonly type: "synced"; readonly objects: ReadonlyArray<A> }
  /** Nothing changed up to this version: the watch is alive. */
  | { readonly type: "current"; readonly resourceVersion: string }
  /** It could not list or watch, and tries again in so many milliseconds; what was told before may be old. */
  | { readonly type: "failed"; readonly error: KubeError; readonly retryIn: number }

export type InformerState =
  | { readonly at: "listing" }
  | { readonly at: "watching"; readonly resourceVersion: string }

export type InformerInput<A> =
  | { readonly type: "listed"; readonly list: Listed<A> }
  | { readonly type: "event"; readonly event: WatchEvent<A> }
  /** The position is lost, or it is time to list anew. */
  | { readonly type: "expired" }

export interface Step<A> {
  readonly state: InformerState
  readonly events: ReadonlyArray<InformerEvent<A>>
}

export const LISTING: InformerState = { at: "listing" }

const changed = <A extends ObjectMetadata>(
  event: Extract<WatchEvent<A>, { readonly object: A }>,
): Step<A> => ({
  state: { at: "watching", resourceVersion: event.object.metadata.resourceVersion ?? "" },
  events: [{ type: event.type === "DELETED" ? "deleted" : "applied", object: event.object }],
})

/** Law: a store that is replaced by `synced` and changed by `applied` and `deleted` ends as the server's. */
export const step = <A extends ObjectMetadata>(
  state: InformerState,
  input: InformerInput<A>,
): Step<A> => {
  if (input.type === "expired") return { state: LISTING, events: [] }
  if (input.type === "listed") {
    const { items, resourceVersion } = input.list
    return {
      state: { at: "watching", resourceVersion },
      events: [{ type: "synced", objects: items }],
    }
  }
  if (state.at === "listing") return { state, events: [] }
  if (input.event.type !== "BOOKMARK") return changed(input.event)
  const { resourceVersion } = input.event
  return {
    state: { at: "watching", resourceVersion },
    events: [{ type: "current", resourceVersion }],
  }
}

/** A failure that listing anew mends: the position expired, or what came made no sense. */
export const losesPosition = (error: KubeError): boolean =>
  error.status === 410 || error.code === "NOPEA-A020" || error.code === "NOPEA-A015"
