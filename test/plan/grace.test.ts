import fc from "fast-check"
import { assert, describe, expect, it } from "vitest"
import { contested, MAX_REMEMBERED, remember } from "../../src/plan/grace.ts"

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const NOW = 1_800_000_000_000

/** Milliseconds until the next heal may come. */
const wait = (history: ReadonlyArray<number>, now: number): number =>
  Math.max((contested(history, now).until ?? now) - now, 0)

/** An opponent that takes the object back so long after each heal; answers when it was healed. */
const fight = (reactions: ReadonlyArray<number>): ReadonlyArray<number> => {
  let history: ReadonlyArray<number> = []
  let now = NOW
  return reactions.map((reaction) => {
    now += reaction
    now += wait(history, now)
    history = remember(history, now)
    return now
  })
}

const gaps = (heals: ReadonlyArray<number>) =>
  heals.slice(1).map((at, nth) => (at - (heals[nth] ?? 0)) / SECOND)

describe("contested", () => {
  it("three heals in a row are free, then waits double up to ten minutes, for as long as it lasts", () => {
    const met = gaps(fight(Array<number>(40).fill(0)))
    expect(met.slice(0, 9)).toEqual([0, 0, 10, 20, 40, 80, 160, 320, 600])
    expect(new Set(met.slice(8))).toEqual(new Set([600]))
  })

  it.each<[string, ReadonlyArray<number>, number]>([
    ["never healed", [], 0],
    ["healed twice", [NOW - 2, NOW - 1], 0],
    ["healed three times just now", [NOW - 2, NOW - 1, NOW], 10 * SECOND],
    ["four times", [NOW - 30 * SECOND, NOW - 20 * SECOND, NOW - 10 * SECOND, NOW], 20 * SECOND],
    ["a part of the wait is over", [NOW - 9, NOW - 8, NOW - 4 * SECOND], 6 * SECOND],
    ["the wait is over", [NOW - 12, NOW - 11, NOW - 10 * SECOND], 0],
    ["long ago", Array.from({ length: 20 }, (_, at) => NOW - 21 * MINUTE - 20 + at), 0],
    ["a quiet time between", [...Array<number>(18).fill(NOW - HOUR), NOW - 1, NOW], 0],
    ["a clock that was set back", Array<number>(20).fill(NOW + HOUR), 0],
  ])("%s", (_, history, expected) => expect(wait(history, NOW)).toBe(expected))

  it("heals are never many in an hour, whatever the opponent does", () => {
    const reactions = fc.array(
      fc.oneof(fc.constant(0), fc.integer({ max: 5 * MINUTE, min: 0 }), fc.nat(2 * HOUR)),
      { minLength: 1, maxLength: 120 },
    )
    fc.assert(
      fc.property(reactions, (all) => {
        const heals = fight(all)
        for (const start of heals) {
          const inTheHour = heals.filter((at) => at >= start && at < start + HOUR)
          assert.isAtMost(inTheHour.length, 30)
        }
      }),
    )
  })

  it("no wait is longer than ten minutes, and its end does not move while it is waited for", () => {
    const histories = fc.array(fc.nat(2 * HOUR), { maxLength: 30 })
    fc.assert(
      fc.property(histories, fc.nat(10 * MINUTE), (ago, later) => {
        const history = ago.map((one) => NOW - one).toSorted((a, b) => a - b)
        const { until } = contested(history, NOW)
        if (until === undefined) return
        assert.isAbove(until, NOW)
        assert.isAtMost(until, NOW + 10 * MINUTE)
        const still = contested(history, NOW + later).until
        assert.strictEqual(still, NOW + later < until ? until : undefined)
      }),
    )
  })

  it("who changes something now and then is never made to wait", () => {
    const seldom = fc.array(fc.integer({ min: 10 * MINUTE, max: 5 * HOUR }), { maxLength: 60 })
    fc.assert(
      fc.property(seldom, (pauses) => {
        const met = fight(pauses)
        assert.deepStrictEqual(
          gaps(met),
          pauses.slice(1).map((pause) => pause / SECOND),
        )
      }),
    )
  })
})

it("what is remembered is bounded, and nothing of the future", () => {
  const many = Array.from({ length: 100 }, (_, at) => NOW - 100 + at)
  const history = many.reduce<ReadonlyArray<number>>(remember, [])
  expect(history).toEqual(many.slice(-MAX_REMEMBERED))
  expect(remember([NOW + HOUR], NOW)).toEqual([NOW])
})
