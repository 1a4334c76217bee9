import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { GitError } from "../../src/domain/errors.ts"
import * as MeasuredTracer from "../../src/metrics/MeasuredTracer.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { parse, sumOf } from "./parse.ts"

const given = () => {
  const registry = new Registry()
  const layer = MeasuredTracer.layer.pipe(Layer.provide(Layer.succeed(Metrics, registry)))
  return { registry, layer }
}
const slow = (name: string) => Effect.sleep("2 seconds").pipe(Effect.withSpan(name))
const refused = new GitError({
  ...{ code: "NOPEA-G004", operation: "fetch", subject: "s", reason: "r", fix: "f" },
  disposition: "stall",
})

describe("spans as durations", () => {
  it.effect("a stage takes as long as its span", () => {
    const { registry, layer } = given()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(slow("Sync.render"))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      const labels = { stage: "render" }
      const name = "nopea_sync_stage_duration_seconds"
      assert.strictEqual(sumOf(registry.text(), `${name}_sum`, labels), 2)
      assert.strictEqual(sumOf(registry.text(), `${name}_count`, labels), 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("operations on Git have their result: done, the code of the failure, or cut", () => {
    const { registry, layer } = given()
    return Effect.gen(function* () {
      const blobs = new Map([["a", new Uint8Array(7)]])
      yield* Effect.succeed(blobs).pipe(Effect.withSpan("Git.read"))
      yield* Effect.exit(Effect.fail(refused).pipe(Effect.withSpan("Git.sync")))
      const fiber = yield* Effect.forkChild(slow("Git.lsRemote"), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      const result = (operation: string) =>
        parse(registry.text())
          .get("nopea_git_operations_total")
          ?.samples.find(({ labels }) => labels["operation"] === operation)?.labels["result"]
      assert.deepStrictEqual(["read", "sync", "lsRemote"].map(result), [
        "done",
        "NOPEA-G004",
        "cut",
      ])
      assert.strictEqual(sumOf(registry.text(), "nopea_git_read_bytes_total"), 7)
    }).pipe(Effect.provide(layer))
  })

  it.effect("other spans leave nothing, and every span goes on to the tracer below", () => {
    const { registry, layer } = given()
    return Effect.gen(function* () {
      const span = yield* Effect.currentSpan.pipe(Effect.withSpan("Look.judge"))
      yield* Effect.void.pipe(Effect.withSpan("Kube.get"))
      assert.deepInclude(span.status, { _tag: "Ended", exit: Exit.succeed(span) })
      assert.deepStrictEqual(
        [...parse(registry.text()).keys()],
        ["nopea_kube_request_duration_seconds"],
      )
    }).pipe(Effect.provide(layer))
  })
})
