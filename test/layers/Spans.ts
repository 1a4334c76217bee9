// A tracer that remembers, where traces are on.
import { Layer, Option, Tracer } from "effect"
import { TracesOn } from "../../src/domain/Tracing.ts"

export const recorded = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    },
  })
  const layer = Layer.merge(Layer.succeed(Tracer.Tracer, tracer), Layer.succeed(TracesOn, true))
  const named = (name: string) => spans.filter((span) => span.name === name)
  const parentOf = ({ parent }: Tracer.NativeSpan) => Option.getOrUndefined(parent)?.spanId
  return { layer, spans, named, parentOf }
}
