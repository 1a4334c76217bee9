import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatGoDuration, parseGoDuration } from "../../src/domain/duration.ts"

describe("a Go-style duration", () => {
  it.each([
    ["0s", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["1h1h", 7_200_000],
    ["0.1s", 100],
  ])("%s is %i milliseconds", (text, millis) => {
    expect(parseGoDuration(text)).toBe(millis)
  })

  it.each(["", "5", "5 m", "-5m", "5d", "m", "1.m", ".5h", "5m ", "5M", "１m", "1e3s", "5m\n"])(
    "%j is none",
    (text) => {
      expect(parseGoDuration(text)).toBeUndefined()
    },
  )

  it("is read back as it was written, to the millisecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 576 * 3_600_000 }), (millis) => {
        expect(parseGoDuration(formatGoDuration(millis))).toBe(millis)
      }),
    )
  })

  it("is written in the fewest units", () => {
    expect([0, 60_000, 5_400_000, 61_001].map(formatGoDuration)).toEqual([
      "0s",
      "1m",
      "1h30m",
      "1m1s1ms",
    ])
  })
})
