import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Cache, layer } from "../../src/cache/Cache.ts"
import { SYNCED } from "../layers/repositories.ts"

describe("Cache", () => {
  it.effect("keeps each repository's rows apart, and drops them together", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      yield* cache.states.set("apps/a", SYNCED)
      yield* cache.states.set("apps/b", { phase: "Failed" })
      yield* cache.applied.set("apps/a", new Map())
      assert.strictEqual((yield* cache.states.get("apps/b"))?.phase, "Failed")
      yield* cache.drop("apps/a")
      assert.isUndefined(yield* cache.states.get("apps/a"))
      assert.isUndefined(yield* cache.applied.get("apps/a"))
      assert.strictEqual((yield* cache.states.get("apps/b"))?.phase, "Failed")
    }).pipe(Effect.provide(layer())),
  )

  it.effect("is bounded: the row that was written longest ago makes room", () =>
    Effect.gen(function* () {
      const { states } = yield* Cache
      for (const name of ["a", "b", "a", "c"]) yield* states.set(name, SYNCED)
      assert.isDefined(yield* states.get("a"))
      assert.isUndefined(yield* states.get("b"))
      assert.isDefined(yield* states.get("c"))
    }).pipe(Effect.provide(layer(2))),
  )
})
