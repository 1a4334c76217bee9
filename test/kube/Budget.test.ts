import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { type Budget, makeBudget } from "../../src/kube/Budget.ts"

const asked = { operation: "apply", subject: "x", kind: "ConfigMap" }

/** A request that takes 10 ms of virtual time and notes when it began. */
const request = (budget: Budget, key: string, began: Array<string>) =>
  budget.run(
    asked,
    key,
    Effect.andThen(
      Effect.sync(() => began.push(key)),
      Effect.sleep(10),
    ),
  )

const settle = TestClock.adjust(0)

describe("the request budget", () => {
  it.effect("lets at most so many requests fly", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget({ requests: 3 })
      let flying = 0
      let most = 0
      const one = budget.run(
        asked,
        "a",
        Effect.acquireUseRelease(
          Effect.sync(() => {
            flying += 1
            most = Math.max(most, flying)
          }),
          () => Effect.sleep(10),
          () => Effect.sync(() => (flying -= 1)),
        ),
      )
      const all = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 20 }, () => one),
          { concurrency: "unbounded" },
        ),
      )
      yield* TestClock.adjust(100)
      yield* Fiber.join(all)
      expect([most, flying]).toEqual([3, 0])
    }).pipe(Effect.scoped),
  )

  it.effect(
    "lets 10,000 requests of one repository delay another's by one round only",
    () =>
      Effect.gen(function* () {
        const budget = yield* makeBudget({ requests: 4 })
        const began: Array<string> = []
        const many = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 10_000 }, () => request(budget, "big", began)),
            { concurrency: "unbounded", discard: true },
          ),
        )
        yield* settle
        expect(began.length).toBe(4)
        yield* Effect.forkChild(request(budget, "small", began))
        yield* settle
        yield* TestClock.adjust(10)
        expect(began.slice(4, 8).toSorted()).toEqual(["big", "big", "big", "small"])
        yield* Fiber.interrupt(many)
      }).pipe(Effect.scoped),
    60_000,
  )

  it.effect("serves those that wait in turn, whoever came first", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget({ requests: 1 })
      const began: Array<string> = []
      for (const key of ["a", "a", "a", "a", "b", "b", "c"])
        yield* Effect.forkChild(request(budget, key, began), { startImmediately: true })
      yield* TestClock.adjust(100)
      expect(began).toEqual(["a", "a", "b", "c", "a", "b", "a"])
    }).pipe(Effect.scoped),
  )

  it.effect(
    "forgets a request that is interrupted while it waits, and frees the place of one that flies",
    () =>
      Effect.gen(function* () {
        const budget = yield* makeBudget({ requests: 1 })
        const began: Array<string> = []
        const flying = yield* Effect.forkChild(budget.run(asked, "a", Effect.never), {
          startImmediately: true,
        })
        const waiting = yield* Effect.forkChild(request(budget, "b", began), {
          startImmediately: true,
        })
        const last = yield* Effect.forkChild(request(budget, "c", began), {
          startImmediately: true,
        })
        yield* Fiber.interrupt(waiting)
        yield* Fiber.interrupt(flying)
        yield* TestClock.adjust(10)
        yield* Fiber.join(last)
        expect(began).toEqual(["c"])
      }).pipe(Effect.scoped),
  )

  it.effect("gives back its place when a request fails or dies", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget({ requests: 1 })
      yield* Effect.exit(budget.run(asked, "a", Effect.fail("no")))
      yield* Effect.exit(budget.run(asked, "a", Effect.die("crash")))
      expect(yield* budget.run(asked, "a", Effect.succeed("served"))).toBe("served")
    }).pipe(Effect.scoped),
  )

  it.effect("sends nothing during a pause, and half as many at once after it", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget({ requests: 8 })
      const began: Array<string> = []
      yield* budget.slowDown(5_000)
      yield* budget.slowDown(3_000)
      const all = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 100 }, () => request(budget, "a", began)),
          { concurrency: "unbounded", discard: true },
        ),
      )
      yield* TestClock.adjust(4_999)
      expect(began.length).toBe(0)
      yield* TestClock.adjust(1)
      expect(began.length).toBe(4)
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(all)
    }).pipe(Effect.scoped),
  )

  it.effect(
    "halves once for a burst of refusals, again for the next, and grows back to its limit and no further",
    () =>
      Effect.gen(function* () {
        const budget = yield* makeBudget({ requests: 8 })
        const flight = Effect.gen(function* () {
          const gate = yield* Deferred.make<void>()
          let flying = 0
          const one = budget.run(
            asked,
            "a",
            Effect.andThen(
              Effect.sync(() => (flying += 1)),
              Deferred.await(gate),
            ),
          )
          const all = yield* Effect.forkChild(
            Effect.all(
              Array.from({ length: 12 }, () => one),
              { concurrency: "unbounded" },
            ),
          )
          yield* settle
          const seen = flying
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(all)
          return seen
        })
        for (let i = 0; i < 20; i++) yield* budget.slowDown(100)
        yield* TestClock.adjust(1_000)
        expect(yield* flight).toBe(4)
        yield* budget.slowDown(100)
        yield* TestClock.adjust(1_000)
        expect(yield* flight).toBeLessThan(4)
        for (let i = 0; i < 20; i++) yield* flight
        expect(yield* flight).toBe(8)
      }).pipe(Effect.scoped),
  )

  it.effect("refuses past its places, and past its patience, by a typed error", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget({ requests: 1, places: 2, patience: 1_000 })
      yield* Effect.forkChild(budget.run(asked, "a", Effect.never), { startImmediately: true })
      const waiting = yield* Effect.forkChild(Effect.flip(budget.run(asked, "a", Effect.void)), {
        startImmediately: true,
      })
      yield* Effect.forkChild(Effect.exit(budget.run(asked, "a", Effect.void)), {
        startImmediately: true,
      })
      expect(yield* Effect.flip(budget.run(asked, "a", Effect.void))).toMatchObject({
        code: "NOPEA-A024",
        disposition: "retry",
        reason: "2 requests of a are waiting already",
      })
      yield* TestClock.adjust(1_000)
      expect(yield* Fiber.join(waiting)).toMatchObject({
        code: "NOPEA-A024",
        reason: "waited 1 s for its turn",
      })
    }).pipe(Effect.scoped),
  )
})
