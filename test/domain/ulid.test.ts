import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ulid, ulidAfter } from "../../src/domain/ulid.ts"

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

describe("ulidAfter", () => {
  it("sorts after the one before: within a millisecond, and when the clock steps back", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -50, max: 50 }), random, random)),
        (steps) => {
          let [last, now] = ["0".repeat(26), 1_469_918_176_385]
          for (const [step, r, s] of steps) {
            now += step
            const next = ulidAfter(last, now, [r, s])
            assert.match(next, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/u)
            assert.isTrue(next > last, `${last} ${next}`)
            last = next
          }
        },
      ),
    ))

  it("is what the clock says where that is later", () =>
    assert.strictEqual(ulidAfter(ulid(1, [0.5, 0.5]), 2, [0, 0]), ulid(2, [0, 0])))

  it.each([
    ["01ARYZ6S410000000000000000", "01ARYZ6S410000000000000001"],
    ["01ARYZ6S41000000000000000Z", "01ARYZ6S410000000000000010"],
    ["01ARYZ6S41ZZZZZZZZZZZZZZZZ", "01ARYZ6S420000000000000000"],
  ])("after %s comes %s", (last, next) => assert.strictEqual(ulidAfter(last, 0, [0, 0]), next))
})
