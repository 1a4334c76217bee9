/** The slots of a mailbox as values: one per kind of trigger, taken by priority; one sync serves all it covers. */
import { MAX_TRACES } from "../domain/trace.ts"
import { TRIGGER_KINDS, type Trigger, type TriggerKind } from "../domain/trigger.ts"
import { ANSWERS, type Route, routeOf } from "./route.ts"

/** Callers that may wait for one sync; more are refused. */
export const MAX_REPLIES = 64
/** A waiting request lets at most this many others go first. */
export const MAX_OVERTAKEN = 8

export interface Request<R> {
  readonly trigger: Trigger
  /** Each is answered once, whatever becomes of the sync. */
  readonly replies: ReadonlyArray<R>
}

interface Waiting<R> extends Request<R> {
  readonly overtaken: number
}

/** At most one request per kind: memory is bounded however fast triggers come in. */
export type Slots<R> = ReadonlyMap<TriggerKind, Waiting<R>>

/** Sync now and webhook have equal priority; the one that covers the other goes first. */
const ORDER: ReadonlyArray<TriggerKind> = [
  "syncNow",
  ...TRIGGER_KINDS.filter((kind) => kind !== "syncNow"),
]

const VIEWS: ReadonlyArray<Route["freshness"]> = ["known", "fresh", "listed"]
const COMMITS: ReadonlyArray<Route["commit"]> = ["mirror", "ask", "fetch"]

const includes = (all: Route, part: Route): boolean =>
  COMMITS.indexOf(all.commit) >= COMMITS.indexOf(part.commit) &&
  VIEWS.indexOf(all.freshness) >= VIEWS.indexOf(part.freshness) &&
  (!all.mayEndEarly || part.mayEndEarly) &&
  (all.renewCredentials || !part.renewCredentials)

/** A sync for `kind` does all that one for `other` would, whatever Git said last. */
export const covers = (kind: TriggerKind, other: TriggerKind): boolean =>
  ANSWERS.every((answer) => includes(routeOf({ kind }, answer), routeOf({ kind: other }, answer)))

const first = (a: TriggerKind, b: TriggerKind): TriggerKind =>
  ORDER.indexOf(a) <= ORDER.indexOf(b) ? a : b

const addsNothing = <R>({ trigger }: Request<R>, { trigger: next, replies }: Request<R>): boolean =>
  next.kind === trigger.kind &&
  (next.commit === undefined || next.commit === trigger.commit) &&
  next.traces === undefined &&
  replies.length === 0

/** Two requests as one: the higher priority, the newest commit, every reply, the first traces. */
export const coalesce = <R>(earlier: Request<R>, later: Request<R>): Request<R> => {
  if (addsNothing(earlier, later)) return earlier
  const commit = later.trigger.commit ?? earlier.trigger.commit
  const both = [...(earlier.trigger.traces ?? []), ...(later.trigger.traces ?? [])]
  const traces = [...new Set(both)].slice(0, MAX_TRACES)
  return {
    trigger: {
      kind: first(earlier.trigger.kind, later.trigger.kind),
      ...(commit === undefined ? {} : { commit }),
      ...(traces.length === 0 ? {} : { traces }),
    },
    replies: [...new Set([...earlier.replies, ...later.replies])].slice(0, MAX_REPLIES),
  }
}

/** Whether one more reply would be kept. */
export const hasRoom = <R>(slots: Slots<R>, kind: TriggerKind): boolean =>
  (slots.get(kind)?.replies.length ?? 0) < MAX_REPLIES

export const offer = <R>(slots: Slots<R>, request: Request<R>): Slots<R> => {
  const { kind } = request.trigger
  const waiting = slots.get(kind)
  const merged = waiting === undefined ? request : coalesce(waiting, request)
  if (merged === waiting) return slots
  return new Map(slots).set(kind, { ...merged, overtaken: waiting?.overtaken ?? 0 })
}

export interface Taken<R> {
  readonly request: Request<R>
  readonly rest: Slots<R>
}

/** The next sync and what waits on: by priority, unless a request was overtaken too often. */
export const take = <R>(slots: Slots<R>): Taken<R> | undefined => {
  const waiting = ORDER.flatMap((kind) => slots.get(kind) ?? [])
  const next = waiting.find((w) => w.overtaken >= MAX_OVERTAKEN) ?? waiting[0]
  if (next === undefined) return undefined
  const { kind } = next.trigger
  const served = waiting.filter((w) => w === next || covers(kind, w.trigger.kind))
  const { trigger, replies } = served.toReversed().reduce<Request<R>>(coalesce, next)
  const rest = waiting.filter((w) => !served.includes(w))
  return {
    request: { trigger: { ...trigger, kind }, replies },
    rest: new Map(rest.map((w) => [w.trigger.kind, { ...w, overtaken: w.overtaken + 1 }])),
  }
}
