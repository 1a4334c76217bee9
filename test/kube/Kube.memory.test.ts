import { it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { informDistilled } from "../../src/kube/Informer.ts"
import { Kube } from "../../src/kube/Kube.ts"
import { unanswered } from "../../src/kube/unanswered.ts"
import { liveObject } from "../../src/plan/live.ts"
import { kubeContract, whole } from "../contract/Kube.contract.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"

const custom = { group: "test.nopea.dev", kind: "Widget", version: "v1" }
const widgets = KubeMemory.resourceType("test.nopea.dev/v1", "Widget")

const withWidgets = KubeMemory.layer.pipe(
  Layer.tap((context) =>
    Effect.provide(
      Effect.map(KubeMemory.KubeMemory, (m) => m.serve(widgets)),
      context,
    ),
  ),
)

kubeContract("in memory", () => ({ layer: withWidgets, custom }))

const me = { budget: "shop/web" }
const configMaps = KubeMemory.resourceType("v1", "ConfigMap")
const at = (name: string) => ({ namespace: "default", name })
const labels = {
  "nopea.io/repository": "web",
  "nopea.io/repository-namespace": "shop",
  "nopea.io/repository-uid": "u",
}

describe("the memory's hands", () => {
  it.effect("note every call, and let a test fail, delay or hang it", () =>
    Effect.gen(function* () {
      const kube = yield* Kube
      const memory = yield* KubeMemory.KubeMemory
      const asked = { operation: "get", subject: "x", kind: "ConfigMap" }
      const down = unanswered(asked, { code: "NOPEA-A018", reason: "down", fix: "up" })
      memory.intercept((call) => (call.name?.name === "a" ? Effect.fail(down) : Effect.void))
      expect(yield* Effect.flip(kube.get(me, configMaps, at("a")))).toBe(down)
      expect((yield* Effect.flip(kube.get(me, configMaps, at("b")))).code).toBe("NOPEA-A003")
      expect(memory.calls.map((call) => [call.verb, call.name?.name])).toEqual([
        ["get", "a"],
        ["get", "b"],
      ])
      memory.intercept(() => Effect.never)
      const hanging = yield* Effect.forkChild(
        Effect.timeoutOption(kube.get(me, configMaps, at("a")), 1_000),
      )
      yield* TestClock.adjust(1_000)
      expect((yield* Fiber.join(hanging))._tag).toBe("None")
    }).pipe(Effect.provide(KubeMemory.layer)),
  )

  it.effect("prove an object ours by the labels we applied, until somebody else changes them", () =>
    Effect.gen(function* () {
      const kube = yield* Kube
      const memory = yield* KubeMemory.KubeMemory
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { ...at("a"), labels } }
      const options = { fieldManager: "nopea", force: true }
      const { metadata } = yield* kube.apply(
        me,
        configMaps,
        at("a"),
        JSON.stringify(object),
        options,
      )
      expect(liveObject(configMaps, metadata)).toMatchObject({ proven: true, owner: { uid: "u" } })
      const copied = memory.put({ ...object, metadata: { ...object.metadata, name: "copy" } })
      expect(liveObject(configMaps, copied.metadata).proven).toBe(false)
      const taken = memory.edit(configMaps, at("a"), (live) => ({
        ...live,
        metadata: { ...live.metadata, labels: { ...labels, "nopea.io/repository-uid": "other" } },
      }))
      expect(liveObject(configMaps, taken.metadata).proven).toBe(false)
    }).pipe(Effect.provide(KubeMemory.layer)),
  )

  it.effect("expire positions, end watches and send bookmarks, and an informer goes on", () =>
    Effect.gen(function* () {
      const memory = yield* KubeMemory.KubeMemory
      const seen: Array<string> = []
      const informing = yield* informDistilled({ caller: me, type: configMaps }, whole).pipe(
        Stream.runForEach((event) => Effect.sync(() => seen.push(event.type))),
        Effect.forkChild({ startImmediately: true }),
      )
      yield* TestClock.adjust("10 seconds")
      memory.bookmark()
      yield* TestClock.adjust(0)
      memory.expire()
      memory.endWatches()
      memory.put({ apiVersion: "v1", kind: "ConfigMap", metadata: at("later") })
      yield* TestClock.adjust("1 minute")
      expect(seen).toEqual(["synced", "current", "synced", "applied"])
      expect(memory.watching()).toBe(1)
      yield* Fiber.interrupt(informing)
      expect(memory.watching()).toBe(0)
    }).pipe(Effect.provide(KubeMemory.layer)),
  )
})
