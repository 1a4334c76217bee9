import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { makeTurnstile } from "../../src/kube/Turnstile.ts"

/** A loop whose turns and time are the test's. */
const loop = () => {
  let at = 0
  let next: Array<() => void> = []
  const did: string[] = []
  const pass = makeTurnstile({ now: () => at, nextTurn: (work) => void next.push(work) })
  const turn = () => {
    did.push("|")
    const now = next
    next = []
    for (const work of now) work()
  }
  return {
    did,
    turn,
    isIdle: () => next.length === 0,
    work: (name: string, takes: number) =>
      pass(() => {
        did.push(name)
        at += takes
      }),
  }
}

describe("answers", () => {
  it("are taken at once where there are few", () => {
    const { work, did, turn, isIdle } = loop()
    work("a", 2)
    work("b", 2)
    assert.deepEqual(did, ["a", "b"])
    turn()
    assert.isTrue(isIdle(), "a loop without answers has nothing to do")
  })

  it("that come together are taken for some milliseconds in a turn, in their order", () => {
    const { work, did, turn, isIdle } = loop()
    for (const name of ["a", "b", "c", "d", "e"]) work(name, 3)
    assert.deepEqual(did.join(""), "ab")
    turn()
    work("f", 3)
    while (!isIdle()) turn()
    assert.deepEqual(did.join("").replace(/\|+$/u, ""), "ab|cd|ef")
  })

  it("one at least in each turn, however long it takes", () => {
    const { work, did, turn } = loop()
    for (const name of ["a", "b", "c"]) work(name, 100)
    turn()
    turn()
    assert.deepEqual(did.join(""), "a|b|c")
  })

  it("one that crashes keeps none of the others from being taken", () => {
    const turns: Array<() => void> = []
    const done: string[] = []
    let at = 0
    const pass = makeTurnstile({ now: () => at, nextTurn: (work) => void turns.push(work) })
    pass(() => {
      at = 100
    })
    pass(() => {
      throw new Error("crash")
    })
    pass(() => void done.push("b"))
    assert.throws(() => turns.shift()?.())
    turns.shift()?.()
    assert.deepEqual(done, ["b"])
  })

  it("all of them, each once, in their order, with no turn much longer than the share", () => {
    const arrivals = fc.array(
      fc.record({ takes: fc.integer({ min: 0, max: 20 }), turn: fc.boolean() }),
    )
    fc.assert(
      fc.property(arrivals, (all) => {
        const { work, did, turn, isIdle } = loop()
        for (const [nth, one] of all.entries()) {
          if (one.turn) turn()
          work(`${nth} ${one.takes}`, one.takes)
        }
        while (!isIdle()) turn()
        const done = did.filter((name) => name !== "|")
        assert.deepEqual(
          done,
          all.map(({ takes }, nth) => `${nth} ${takes}`),
        )
        for (const part of did.join(",").split("|")) {
          const times = [...part.matchAll(/\d+ (\d+)/gu)].map(([, time]) => Number(time))
          const before = times.slice(0, -1).reduce((sum, time) => sum + time, 0)
          assert.isBelow(before, 5)
        }
      }),
    )
  })
})
