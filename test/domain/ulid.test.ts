import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ulid } from "../../src/domain/ulid.ts"

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const times = fc.integer({ min: 0, max: 2 ** 48 - 1 })

describe("ulid", () => {
  it("is spelt as the specification says", () => {
    assert.strictEqual(ulid(1_469_918_176_385, [0, 0]), "01ARYZ6S410000000000000000")
    assert.strictEqual(
      ulid(2 ** 48 - 1, [1 - 2 ** -53, 1 - 2 ** -53]),
      "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    )
  })

  it("has 26 characters and sorts by time", () => {
    fc.assert(
      fc.property(times, times, random, random, (a, b, r, s) => {
        const [first, second] = [ulid(a, [r, s]), ulid(b, [s, r])]
        assert.match(first, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)
        if (a < b) assert.isTrue(first < second)
      }),
    )
  })
})
