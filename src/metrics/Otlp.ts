/** The exporter of spans: OTLP over HTTP, JSON. A chunk of its own, loaded where a collector is named. */
import { Layer } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import { VERSION } from "../version.ts"

export interface TraceOptions {
  /** `http://collector:4318`; empty: spans are measured and go nowhere. */
  readonly otlpEndpoint: string
  readonly clusterName: string
}

/** Sent every five seconds, and at the end; a collector that is away costs shutdown three seconds and nothing else. */
export const exporter = ({ otlpEndpoint, clusterName }: TraceOptions): Layer.Layer<never> =>
  OtlpTracer.layer({
    url: `${otlpEndpoint}/v1/traces`,
    resource: {
      serviceName: "nopea",
      serviceVersion: VERSION,
      attributes: { "k8s.cluster.name": clusterName },
    },
  }).pipe(Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer]))
