/** What the process costs and how its event loop does; names are those of Prometheus' client for Node. */
import { readdirSync } from "node:fs"
import { constants, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks"
import { Clock, Effect, Layer } from "effect"
import { VERSION } from "../version.ts"
import { Metrics } from "./Metrics.ts"
import type { Registry } from "./registry.ts"

/** Milliseconds between looks at the event loop: what is measured is how late they come. */
const RESOLUTION = 50

const KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weakcb",
}

/** Since the last reading. */
const collectDelay = (registry: Registry, delay: ReturnType<typeof monitorEventLoopDelay>) => {
  const late = (nanoseconds: number): number =>
    delay.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - RESOLUTION / 1e3)
  registry.set("nodejs_eventloop_lag_mean_seconds", {}, late(delay.mean))
  registry.set("nodejs_eventloop_lag_p99_seconds", {}, late(delay.percentile(99)))
  registry.set("nodejs_eventloop_lag_max_seconds", {}, late(delay.max))
  delay.reset()
}

/** Linux has them; elsewhere the series is missing. */
const openFiles = (): number | undefined => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}

const collectProcess = (registry: Registry): void => {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  registry.set("process_cpu_seconds_total", {}, (user + system) / 1e6)
  registry.set("process_resident_memory_bytes", {}, rss)
  registry.set("nodejs_heap_size_used_bytes", {}, heapUsed)
  registry.set("nodejs_heap_size_total_bytes", {}, heapTotal)
  registry.set("nodejs_external_memory_bytes", {}, external)
  const files = openFiles()
  if (files !== undefined) registry.set("process_open_fds", {}, files)
}

const observeCollections = (registry: Registry): PerformanceObserver => {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as { readonly detail?: { readonly kind?: number } }
      const kind = KINDS[detail?.kind ?? 0] ?? "other"
      registry.observe("nodejs_gc_duration_seconds", { kind }, entry.duration / 1e3)
    }
  })
  observer.observe({ entryTypes: ["gc"] })
  return observer
}

const watch = Effect.fnUntraced(function* (registry: Registry) {
  const now = yield* Clock.currentTimeMillis
  registry.set("nopea_build_info", { version: VERSION, node: process.versions.node }, 1)
  registry.set("process_start_time_seconds", {}, now / 1e3 - process.uptime())
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  delay.enable()
  const observer = observeCollections(registry)
  const stop = registry.collect(() => {
    collectProcess(registry)
    collectDelay(registry, delay)
  })
  return () => {
    stop()
    observer.disconnect()
    delay.disable()
  }
})

/** Into the registry at hand, for as long as the layer lives. */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.acquireRelease(Effect.flatMap(Metrics, watch), (stop) => Effect.sync(stop)),
)
