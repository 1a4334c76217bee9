import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Metrics } from "../../src/metrics/Metrics.ts"
import * as Process from "../../src/metrics/Process.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { parse, sumOf } from "./parse.ts"

describe("the process", () => {
  it.live("says what it costs while the layer lives, and is not asked any more after", () => {
    const registry = new Registry()
    const layer = Process.layer.pipe(Layer.provide(Layer.succeed(Metrics, registry)))
    return Effect.gen(function* () {
      yield* Effect.scoped(Layer.build(layer))
      const asked = new Registry()
      const look = Effect.sync(() => {
        const names = [...parse(asked.text()).keys()]
        assert.include(names, "process_cpu_seconds_total")
        assert.include(names, "nodejs_eventloop_lag_p99_seconds")
        assert.isAbove(sumOf(asked.text(), "process_resident_memory_bytes") ?? 0, 2 ** 20)
        const started = sumOf(asked.text(), "process_start_time_seconds") ?? 0
        assert.closeTo(started, Date.now() / 1000 - process.uptime(), 60)
      })
      const watched = Process.layer.pipe(Layer.provide(Layer.succeed(Metrics, asked)))
      yield* Effect.provide(look, watched)
      assert.isUndefined(sumOf(registry.text(), "process_resident_memory_bytes"))
    })
  })
})
