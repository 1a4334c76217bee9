import { assert, describe, it } from "@effect/vitest"
import { Duration, Result } from "effect"
import fc from "fast-check"
import { nextTick, type Timers, tick, wakeAfter } from "../../src/worker/timers.ts"
import { gitError, outcome } from "../layers/Actors.ts"
import { repository } from "../layers/repositories.ts"

const MINUTE = 60_000
const times = fc.integer({ min: 0, max: 4_000_000_000_000 })
const intervals = fc.integer({ min: 1000, max: 90 * 24 * 60 * MINUTE })

describe("nextTick", () => {
  it("is later than now, by one interval at most", () => {
    fc.assert(
      fc.property(times, intervals, fc.string(), (now, interval, seed) => {
        const next = nextTick(now, interval, seed)
        assert.isAbove(next, now)
        assert.isAtMost(next, now + interval)
      }),
    )
  })

  it("is one grid: whenever it is asked, equal seeds and intervals tick together", () => {
    fc.assert(
      fc.property(times, times, intervals, fc.string(), (a, b, interval, seed) => {
        const apart = nextTick(a, interval, seed) - nextTick(b, interval, seed)
        assert.strictEqual(Math.abs(apart % interval), 0)
      }),
    )
  })

  it("the ticks of twice the interval are ticks of the interval", () => {
    fc.assert(
      fc.property(times, intervals, fc.string(), (now, interval, seed) => {
        const tick = nextTick(now, 2 * interval, seed)
        assert.strictEqual(nextTick(tick - 1, interval, seed), tick)
      }),
    )
  })

  it("spreads different seeds over the interval", () => {
    const buckets = new Array<number>(10).fill(0)
    for (let i = 0; i < 1000; i++) {
      const phase = nextTick(0, 5 * MINUTE, `https://git.example/team/app-${i}.git`) % (5 * MINUTE)
      const bucket = Math.floor(phase / (MINUTE / 2))
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    for (const count of buckets) {
      assert.isAbove(count, 60)
      assert.isBelow(count, 140)
    }
  })
})

describe("tick", () => {
  const every = (interval: string, reconcileInterval = "24h") =>
    repository("a", { spec: { interval, reconcileInterval } })

  it("tells what is due and how long nothing else will be", () => {
    const now = nextTick(1_000_000_000, 5 * MINUTE, every("5m").spec.url)
    const started = { poll: now - 1, reconcile: now - 1 }
    const before = tick(started, every("5m"), now - 1)
    assert.deepStrictEqual([before.due, before.wait], [[], 1])
    const after = tick(started, every("5m"), now)
    assert.deepStrictEqual([after.due, after.wait], [["poll"], 5 * MINUTE])
    assert.deepStrictEqual(after.timers, { poll: now, reconcile: now - 1 })
  })

  it("a shorter interval takes effect at once", () => {
    const now = 1_000_000_000
    const timers = { poll: now - 30 * MINUTE, reconcile: now }
    assert.deepStrictEqual(tick(timers, every("1m"), now).due, ["poll"])
  })

  it("edits of the interval, however many, cannot starve polling", () => {
    const edits = fc.array(
      fc.record({
        interval: fc.integer({ min: 30, max: 600 }),
        after: fc.integer({ min: 1, max: 60 }),
      }),
      { minLength: 1, maxLength: 60 },
    )
    fc.assert(
      fc.property(times, edits, (start, all) => {
        let now = start
        let timers = { poll: now, reconcile: now }
        for (const { interval, after } of all) {
          now += after * 1000
          const ticked = tick(timers, every(`${interval}s`), now)
          assert.isAtMost(ticked.wait, interval * 1000)
          timers = ticked.timers
          assert.isBelow(now - timers.poll, interval * 1000)
        }
      }),
    )
  })

  it("a wall clock that was set back does not stop the timers", () => {
    const timers = { poll: 10_000 * MINUTE, reconcile: 10_000 * MINUTE }
    const now = 5000 * MINUTE
    const set = tick(timers, every("5m"), now)
    assert.isAtMost(set.wait, 5 * MINUTE)
    assert.deepStrictEqual(tick(set.timers, every("5m"), now + set.wait).due, ["poll"])
  })

  it("never waits longer than an hour, so that a clock that was set forward is seen", () => {
    const { wait } = tick({ poll: 0, reconcile: 0 }, every("24h"), 1)
    assert.isAtMost(wait, Duration.toMillis(Duration.hours(1)))
  })
})

describe("waking for drift", () => {
  const subject = repository("a", { spec: { interval: "24h", reconcileInterval: "24h" } })
  const now = 1_000_000_000
  const held = (wakeAt?: number): Timers => ({
    poll: now,
    reconcile: now,
    ...(wakeAt === undefined ? {} : { wakeAt }),
  })
  const looked = (wakeAt?: number) =>
    Result.succeed(outcome({ result: "done", ...(wakeAt === undefined ? {} : { wakeAt }) }))
  const untouched = Result.succeed(outcome({ result: "nothing", changes: [] }))

  it("comes when it is time, once", () => {
    const before = tick(held(now + 5000), subject, now)
    assert.deepStrictEqual([before.due, before.wait], [[], 5000])
    assert.deepStrictEqual(before.timers, held(now + 5000))
    const then = tick(before.timers, subject, now + 5000)
    assert.deepStrictEqual([then.due, then.timers], [["drift"], held()])
    assert.isAbove(then.wait, 5000)
    assert.deepStrictEqual(tick(then.timers, subject, now + 5001).due, [])
  })

  it("is never waited for longer than an hour at a time, however far away it is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), (ahead) => {
        const { wait } = tick(held(now + ahead), subject, now)
        assert.isAtLeast(wait, 1)
        assert.isAtMost(wait, Math.min(ahead, 60 * MINUTE))
      }),
    )
  })

  it.each([
    ["a look that found none clears it", held(now + 9000), looked(), held()],
    ["a look sets it anew", held(now + 9000), looked(now + 4000), held(now + 4000)],
    ["a look that asks for the past does not spin", held(), looked(now - 9000), held(now + 1000)],
    ["a sync that ended early leaves it", held(now + 9000), untouched, held(now + 9000)],
    ["so does one that failed", held(now + 9000), Result.fail(gitError()), held(now + 9000)],
  ])("%s", (_, before, result, after) =>
    assert.deepStrictEqual(wakeAfter(before, result, now), after),
  )
})
