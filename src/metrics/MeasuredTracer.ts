/** Durations from the spans that the code has anyway: whatever tracer there is also tells the registry what ended. */
import { Effect, Layer, Tracer } from "effect"
import { Metrics } from "./Metrics.ts"
import type { Registry } from "./registry.ts"
import { measureOf } from "./spans.ts"

const measured = (registry: Registry, tracer: Tracer.Tracer): Tracer.Tracer => {
  const measures = new Map<string, ReturnType<typeof measureOf>>()
  const known = (name: string) => {
    if (!measures.has(name)) measures.set(name, measureOf(name))
    return measures.get(name)
  }
  return Tracer.make({
    span: (options) => {
      const span = tracer.span(options)
      const measure = known(options.name)
      if (measure === undefined) return span
      const end = span.end.bind(span)
      span.end = (endTime, exit) => {
        const isFirst = span.status._tag === "Started"
        end(endTime, exit)
        const seconds = Number(endTime - options.startTime) / 1e9
        if (isFirst) measure(registry, { name: options.name, seconds, exit })
      }
      return span
    },
    context: tracer.context,
  })
}

/** Around the tracer at hand. */
export const layer: Layer.Layer<never> = Layer.effect(
  Tracer.Tracer,
  Effect.gen(function* () {
    return measured(yield* Metrics, yield* Tracer.Tracer)
  }),
)
