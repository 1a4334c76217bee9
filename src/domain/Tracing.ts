/** The trace that is under way: handed on to others where traces are exported, and taken up where others began it. */
import { Context, Effect, Option, Tracer } from "effect"
import type { TraceContext } from "./trace.ts"

/** Whether spans go anywhere. Ids of spans that nobody ever sees are of no use to others. */
export const TracesOn: Context.Reference<boolean> = Context.Reference("nopea/domain/TracesOn", {
  defaultValue: () => false,
})

const State = Context.Reference<string>("nopea/domain/TraceState", { defaultValue: () => "" })

/** A span of somebody else. */
const spanOf = ({ traceId, spanId, sampled, state = "" }: TraceContext): Tracer.AnySpan =>
  Tracer.externalSpan({ traceId, spanId, sampled, annotations: Context.make(State, state) })

/** Only who began a trace has a state of it. */
const stateAbove = (span: Tracer.AnySpan): string => {
  let above = span
  while (above._tag === "Span" && Option.isSome(above.parent)) above = above.parent.value
  return Context.get(above.annotations, State)
}

/** The span that runs now, for others to follow; `undefined`: none, or traces are off. */
export const currentTrace: Effect.Effect<TraceContext | undefined> = Effect.gen(function* () {
  const span = yield* Effect.option(Effect.currentParentSpan)
  if (!(yield* TracesOn) || Option.isNone(span)) return undefined
  const { traceId, spanId, sampled } = span.value
  const state = stateAbove(span.value)
  return { traceId, spanId, sampled, ...(state === "" ? {} : { state }) }
})

/** What runs here belongs to that trace. */
export const follow = <A, E>(
  work: Effect.Effect<A, E>,
  trace: TraceContext | undefined,
): Effect.Effect<A, E> => (trace === undefined ? work : Effect.withParentSpan(work, spanOf(trace)))

/** The span that runs now is also about these. */
export const link = (traces: ReadonlyArray<TraceContext>): Effect.Effect<void> =>
  traces.length === 0
    ? Effect.void
    : Effect.map(Effect.option(Effect.currentSpan), (span) => {
        const links = traces.map((trace) => ({ span: spanOf(trace), attributes: {} }))
        if (Option.isSome(span)) span.value.addLinks(links)
      })
