import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { KubeError } from "../../src/domain/errors.ts"
import { HashKey, layer } from "../../src/worker/HashKey.ts"
import * as Memory from "../layers/KubeMemory.ts"

const SECRET = Memory.resourceType("v1", "Secret")
const place = { namespace: "nopea-system", name: "nopea-hash-key" }

const world = layer("nopea-system").pipe(
  Layer.provideMerge(Memory.layer),
  Layer.provideMerge(Logger.layer([])),
)

const bytes = Effect.gen(function* () {
  return Buffer.from(Redacted.value(yield* (yield* HashKey).get)).toString("hex")
})

const inNamespace = Effect.gen(function* () {
  const kube = yield* Memory.KubeMemory
  kube.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: place.namespace } })
  return kube
})

const refusal = (status: number): KubeError =>
  new KubeError({
    code: "NOPEA-A000",
    operation: "get",
    subject: "Secret",
    reason: "refused",
    fix: "none",
    disposition: "retry",
    status,
    statusReason: "",
  })

describe("the hash key", () => {
  it.effect("is made once, kept in the cluster, and asked for once", () =>
    Effect.gen(function* () {
      const kube = yield* inNamespace
      const first = yield* bytes
      assert.lengthOf(first, 64)
      const calls = kube.calls.length
      assert.strictEqual(yield* bytes, first)
      assert.lengthOf(kube.calls, calls)
      const kept = kube.find(SECRET, place)?.["data"] as { readonly key: string }
      assert.strictEqual(Buffer.from(kept.key, "base64").toString("hex"), first)
    }).pipe(Effect.provide(world)),
  )

  it.effect("is the one that the cluster has", () =>
    Effect.gen(function* () {
      const kube = yield* inNamespace
      const key = Buffer.alloc(32, 7)
      const metadata = { name: place.name, namespace: place.namespace }
      const data = { key: key.toString("base64") }
      kube.put({ apiVersion: "v1", kind: "Secret", metadata, data })
      assert.strictEqual(yield* bytes, key.toString("hex"))
    }).pipe(Effect.provide(world)),
  )

  it.effect("is one of this process where it may not be read", () =>
    Effect.gen(function* () {
      const kube = yield* inNamespace
      kube.intercept(() => Effect.fail(refusal(403)))
      const own = yield* bytes
      assert.lengthOf(own, 64)
      assert.strictEqual(yield* bytes, own)
    }).pipe(Effect.provide(world)),
  )

  it.effect("waits for an API server that does not answer, and asks again", () =>
    Effect.gen(function* () {
      const kube = yield* inNamespace
      kube.intercept(() => Effect.fail(refusal(503)))
      assert.strictEqual((yield* Effect.flip(bytes)).status, 503)
      kube.intercept(() => Effect.void)
      assert.lengthOf(yield* bytes, 64)
      assert.isDefined(kube.find(SECRET, place))
    }).pipe(Effect.provide(world)),
  )
})
