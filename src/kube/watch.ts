/**
 * Watching as values: text -> lines -> events, and the informer's states.
 * `listing`: entered at the start, and when the position is lost (expired, garbage, time for a relist); left by a list.
 * `watching`: entered by a list; events and bookmarks move its position; left by expiry.
 */
import { Result } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import type { Listed, WatchEvent } from "./Kube.ts"
import { refused } from "./response.ts"
import type { Asked } from "./status.ts"
import { garbage } from "./unanswered.ts"

/** What is left of `pending` (a line without its end), and the lines that end in `text`; empty ones are skipped. */
export const splitLines = (
  pending: string,
  text: string,
): readonly [pending: string, lines: ReadonlyArray<string>] => {
  if (!text.includes("\n")) return [pending + text, []]
  const lines = (pending + text).split("\n")
  const rest = lines.pop() ?? ""
  return [rest, lines.filter((line) => line.trim() !== "")]
}

interface Line {
  readonly type?: unknown
  readonly object?: {
    readonly code?: unknown
    readonly metadata?: { readonly resourceVersion?: unknown; readonly name?: unknown }
  }
}

const parse = (line: string): Line => {
  try {
    return (JSON.parse(line) as Line | null) ?? {}
  } catch {
    return {}
  }
}

/** One line of a watch; an ERROR event is the error that it carries (410: expired). */
export const decodeEvent = (
  asked: Asked,
  line: string,
): Result.Result<WatchEvent<KubeObject>, KubeError> => {
  const { type, object } = parse(line)
  const { resourceVersion, name } = object?.metadata ?? {}
  if (type === "ERROR") {
    const status = typeof object?.code === "number" ? object.code : 500
    return Result.fail(refused(asked, { status, body: JSON.stringify(object ?? {}) }))
  }
  if (typeof resourceVersion === "string") {
    if (type === "BOOKMARK") return Result.succeed({ type, resourceVersion })
    if ((type === "ADDED" || type === "MODIFIED" || type === "DELETED") && typeof name === "string")
      return Result.succeed({ type, object: object as KubeObject })
  }
  return Result.fail(garbage(asked, "a line of the watch is no watch event"))
}

/** What an informer tells. `synced` is the whole truth as of a version: what it does not name is gone. */
export type InformerEvent<A> =
  | { readonly type: "applied"; readonly object: A }
  | { readonly type: "deleted"; readonly object: A }
  | {
      readonly type: "synced"
      readonly objects: ReadonlyArray<A>
      readonly resourceVersion: string
    }
  /** Nothing changed up to this version: the watch is alive. */
  | { readonly type: "current"; readonly resourceVersion: string }
  /** It could not list or watch, and tries again in so many milliseconds; what was told before may be old. */
  | { readonly type: "failed"; readonly error: KubeError; readonly retryIn: number }

export type InformerState =
  | { readonly at: "listing" }
  | { readonly at: "watching"; readonly resourceVersion: string }

export type InformerInput<A> =
  | { readonly type: "listed"; readonly list: Listed<A> }
  /** `at`: the version that the event brings the watch to. */
  | { readonly type: "event"; readonly event: WatchEvent<A>; readonly at: string }
  /** The position is lost, or it is time to list anew. */
  | { readonly type: "expired" }

export interface Step<A> {
  readonly state: InformerState
  readonly events: ReadonlyArray<InformerEvent<A>>
}

export const LISTING: InformerState = { at: "listing" }

const watching = <A>(resourceVersion: string, event: InformerEvent<A>): Step<A> => ({
  state: { at: "watching", resourceVersion },
  events: [event],
})

/** Law: a store that is replaced by `synced` and changed by `applied` and `deleted` ends as the server's. */
export const step = <A>(state: InformerState, input: InformerInput<A>): Step<A> => {
  if (input.type === "expired") return { state: LISTING, events: [] }
  if (input.type === "listed") {
    const { items: objects, resourceVersion } = input.list
    return watching(resourceVersion, { type: "synced", objects, resourceVersion })
  }
  if (state.at === "listing") return { state, events: [] }
  const { event, at } = input
  if (event.type === "BOOKMARK") return watching(at, { type: "current", resourceVersion: at })
  const { type, object } = event
  return watching(at, { type: type === "DELETED" ? "deleted" : "applied", object })
}

/** A failure that listing anew mends: the position expired, or what came made no sense. */
export const losesPosition = ({ status, code }: KubeError): boolean =>
  status === 410 || code === "NOPEA-A020" || code === "NOPEA-A015"
