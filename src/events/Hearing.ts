/** Hears what is reported, and hands it on: to the metrics, and as events to whoever wants them. */
import { Effect, Layer } from "effect"
import { Metrics } from "../metrics/Metrics.ts"
import { Audience } from "../report/Audience.ts"
import { measure } from "./numbers.ts"

export const layer: Layer.Layer<never> = Layer.effect(
  Audience,
  Effect.gen(function* () {
    const registry = yield* Metrics
    return (heard) => Effect.sync(() => measure(registry, heard))
  }),
)
