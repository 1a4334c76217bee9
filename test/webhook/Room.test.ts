import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { Room, type Visit } from "../../src/webhook/Room.ts"

const limits = { places: 5, placesEach: 3, bytes: 100, bytesEach: 60 }
const client = fc.constantFrom("a", "b", "c")
const step = fc.oneof(
  fc.record({ do: fc.constant("enter" as const), client }),
  fc.record({ do: fc.constant("grow" as const), nth: fc.nat(9), bytes: fc.nat(50) }),
  fc.record({ do: fc.constant("leave" as const), nth: fc.nat(9) }),
)

describe("the room for deliveries", () => {
  it("is never taken beyond its limits, and is whole again when all have left", () => {
    void fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const room = new Room(limits)
        const inside: Array<{ client: string; visit: Visit; bytes: number }> = []
        const sum = (of: typeof inside) => of.reduce((all, { bytes }) => all + bytes, 0)
        for (const one of steps) {
          if (one.do === "enter") {
            const visit = room.enter(one.client)
            if (visit) inside.push({ client: one.client, visit, bytes: 0 })
          } else if (inside.length > 0) {
            const at = one.nth % inside.length
            const guest = inside[at]
            if (one.do === "grow" && guest?.visit.grow(one.bytes)) guest.bytes += one.bytes
            if (one.do === "leave") inside.splice(at, 1)[0]?.visit.leave()
          }
          assert.isAtMost(inside.length, limits.places)
          assert.isAtMost(sum(inside), limits.bytes)
          for (const name of ["a", "b", "c"]) {
            const own = inside.filter((guest) => guest.client === name)
            assert.isAtMost(own.length, limits.placesEach)
            assert.isAtMost(sum(own), limits.bytesEach)
          }
        }
        for (const { visit } of inside) visit.leave()
        const again = ["a", "a", "a", "b", "b"].map((name) => room.enter(name))
        assert.isTrue(again.every((visit) => visit !== undefined))
        assert.isUndefined(room.enter("c"))
        assert.isTrue(again[0]?.grow(60) === true && again[3]?.grow(40) === true)
      }),
    )
  })
})
