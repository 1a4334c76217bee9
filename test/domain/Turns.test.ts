import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { atOnce, type Parts } from "../../src/domain/parts.ts"
import { inTurns } from "../../src/domain/Turns.ts"

describe("work in parts", () => {
  const counting = function* (to: number, seen: Array<string> = []): Parts<number> {
    for (let at = 1; at <= to; at++) {
      seen.push(`part ${at}`)
      yield
    }
    return to
  }

  it("has the same answer with rests and without", () => {
    assert.strictEqual(atOnce(counting(3)), 3)
    assert.strictEqual(Effect.runSync(inTurns(counting(0))), 0)
  })

  it.effect("lets others have their turn, and needs no stack for many parts", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const long = yield* Effect.forkChild(inTurns(counting(2, seen)))
      yield* Effect.yieldNow
      seen.push("another")
      assert.strictEqual(yield* Fiber.join(long), 2)
      assert.deepStrictEqual(seen, ["part 1", "another", "part 2"])
      assert.strictEqual(yield* inTurns(counting(20_000)), 20_000)
    }),
  )

  it.effect("ends between two parts when it is interrupted", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const long = yield* Effect.forkChild(inTurns(counting(1000, seen)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(long)
      assert.isBelow(seen.length, 10)
    }),
  )
})
