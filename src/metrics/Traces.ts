/** Spans to an OpenTelemetry collector, where one is named: one trace for each sync, a span for each of its stages. */
import { Effect, Layer } from "effect"
import type { TraceOptions } from "./Otlp.ts"

export const layer = (options: TraceOptions): Layer.Layer<never> =>
  options.otlpEndpoint === ""
    ? Layer.empty
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./Otlp.ts")),
          ({ exporter }) => exporter(options),
        ),
      )
