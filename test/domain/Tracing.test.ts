import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { currentTrace, follow, link } from "../../src/domain/Tracing.ts"
import type { TraceContext } from "../../src/domain/trace.ts"
import { recorded } from "../layers/Spans.ts"

const theirs = (digit: string, sampled = true): TraceContext => ({
  traceId: digit.repeat(32),
  spanId: digit.repeat(16),
  sampled,
})
const inner = currentTrace.pipe(Effect.withSpan("inner"))

describe("the trace under way", () => {
  it.effect("is nobody's business where traces are off, or nothing runs", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* inner)
      assert.isUndefined(yield* Effect.provide(currentTrace, recorded().layer))
    }),
  )

  it.effect("is the one that others began, with their state and their sampling", () => {
    const { layer, named, parentOf } = recorded()
    const parent = { ...theirs("a", false), state: "x=1" }
    return Effect.gen(function* () {
      const trace = yield* follow(inner.pipe(Effect.withSpan("outer")), parent)
      const [span] = named("inner")
      assert.deepStrictEqual(trace, { ...parent, spanId: span?.spanId ?? "" })
      assert.deepStrictEqual(named("outer").map(parentOf), [parent.spanId])
      const again = yield* follow(inner, trace)
      assert.deepStrictEqual([again?.traceId, again?.state], [parent.traceId, "x=1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is its own where nobody began it, and may be linked to others", () => {
    const { layer, named, parentOf } = recorded()
    return Effect.gen(function* () {
      yield* follow(Effect.withSpan(link([theirs("b"), theirs("c")]), "own"), undefined)
      const [own] = named("own")
      assert.deepStrictEqual(own && [parentOf(own), own.links.map(({ span }) => span.traceId)], [
        undefined,
        ["b".repeat(32), "c".repeat(32)],
      ])
      yield* link([theirs("b")])
    }).pipe(Effect.provide(layer))
  })
})
