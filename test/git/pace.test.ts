import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  comeAgain,
  dueAfterHurry,
  MAX_TURN,
  nextTurn,
  restFor,
  restText,
} from "../../src/git/pace.ts"

/** When each of so many begins that come at these times. */
const begins = (times: ReadonlyArray<number>, gap: number): ReadonlyArray<number> => {
  let due = Number.NEGATIVE_INFINITY
  return times.map((now) => {
    const turn = nextTurn(due, now, gap)
    due = turn.due
    return now + turn.wait
  })
}

describe("the pace of a host", () => {
  it("lets ten seconds' worth begin at once, then one after the other", () => {
    const all = begins(new Array(150).fill(0), 100)
    expect(all.slice(0, 101).every((at) => at === 0)).toBe(true)
    expect(all.slice(101, 104)).toEqual([100, 200, 300])
  })

  it("lets no more begin in any stretch of time than it may, whenever they come", () => {
    const arrivals = fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 300 })
    fc.assert(
      fc.property(arrivals, fc.constantFrom(20, 100, 1000), (some, gap) => {
        const began = begins(
          some.toSorted((a, b) => a - b),
          gap,
        )
        for (const [first, from] of began.entries()) {
          const within = began.slice(first).filter((at) => at < from + 5000).length
          expect(within).toBeLessThanOrEqual((10_000 + 5000) / gap + 1)
        }
      }),
    )
  })

  it("never makes one wait who comes rarely, and files not at all", () => {
    expect(begins([0, 100, 200, 300, 5000], 100)).toEqual([0, 100, 200, 300, 5000])
    expect(begins(new Array(5000).fill(7), 0)).toEqual(new Array(5000).fill(7))
  })

  it("comes to all who wait, however often others are in a hurry", () => {
    let due = 0
    for (let now = 0; now < 600_000; now += 10) due = dueAfterHurry(due, now, 100)
    expect(nextTurn(due, 600_000, 100).wait).toBeLessThanOrEqual(MAX_TURN / 2)
    expect(dueAfterHurry(700_000, 600_000, 100), "who waits keeps the turn").toBeGreaterThanOrEqual(
      700_000,
    )
  })
})

describe("a rest", () => {
  it.each([
    [-5, 1000],
    [0, 1000],
    [7000, 7000],
    [1e15, 3_600_000],
  ])("asked for %i ms is %i ms", (asked, kept) => {
    expect(restFor(asked)).toBe(kept)
  })

  it("is not over before its time, and not for all at once", () => {
    const left = fc.integer({ min: 0, max: 3_600_000 })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(left, random, (rest, at) => {
        expect(comeAgain(rest, at)).toBeGreaterThanOrEqual(rest)
        expect(comeAgain(rest, at)).toBeLessThanOrEqual(rest + 60_000)
      }),
    )
    expect(comeAgain(60_000, 0.5) - comeAgain(60_000, 0)).toBe(3000)
  })

  it("is told with the server and the time", () => {
    expect(restText("https://git.example.com", Date.UTC(2026, 10, 20, 10, 0, 7, 250))).toBe(
      "https://git.example.com asked for rest: it is asked nothing before 2026-11-20T10:00:07Z",
    )
  })
})
