// What is remembered of drift from sync to sync.
import { assert, describe, it } from "@effect/vitest"
import type { Change } from "../../src/domain/change.ts"
import type { Drift } from "../../src/domain/drift.ts"
import { formatRef } from "../../src/domain/object.ts"
import { memoryAfter, NO_MEMORY } from "../../src/plan/evidence.ts"
import { MAX_REMEMBERED } from "../../src/plan/grace.ts"
import { NOW, ref } from "./words.ts"

const A = ref("ConfigMap shop/a")
const B = ref("ConfigMap shop/b")
const row = (
  action: Drift["action"],
  path: string,
  type: Drift["type"] = "manual_drift",
): Drift => ({
  type,
  path,
  firstSeen: NOW - 5,
  action,
})
const change = (action: Change["action"], ...drift: ReadonlyArray<Drift>): Change => ({
  ref: A,
  action,
  drift,
})
const key = (path: string, of = A) => `${formatRef(of)} ${path}`

describe("what is remembered", () => {
  it("is since when a field that stays has drifted, until it does no more", () => {
    const held = memoryAfter(
      NO_MEMORY,
      [change("held", row("held", "data.a"), row("left", "data.b"))],
      NOW,
    )
    assert.deepEqual(
      [...held.firstSeen],
      [
        [key("data.a"), NOW - 5],
        [key("data.b"), NOW - 5],
      ],
    )
    const one = memoryAfter(held, [change("configured", row("left", "data.b"))], NOW + 1)
    assert.deepEqual([...one.firstSeen.keys()], [key("data.b")])
    assert.strictEqual(
      memoryAfter(one, [{ ref: A, action: "unchanged" }], NOW + 2).firstSeen.size,
      0,
    )
  })

  it("stays of objects that a sync did not look at", () => {
    const held = memoryAfter(NO_MEMORY, [change("held", row("left", "data.a", "conflict"))], NOW)
    const after = memoryAfter(held, [{ ref: B, action: "unchanged" }], NOW + 1)
    assert.deepEqual(after, held)
  })

  it("is each heal that was done, and none that failed", () => {
    const healed = memoryAfter(NO_MEMORY, [change("healed", row("healed", "data.a"))], NOW)
    assert.deepEqual([...healed.heals], [[formatRef(A), [NOW]]])
    const failed = memoryAfter(healed, [change("failed", row("healed", "data.a"))], NOW + 1)
    assert.deepEqual([...failed.heals], [[formatRef(A), [NOW]]])
    assert.deepEqual(
      [...failed.firstSeen],
      [[key("data.a"), NOW - 5]],
      "since when, for the next attempt",
    )
  })

  it("is bounded: so many heals, and for an hour", () => {
    let memory = NO_MEMORY
    for (let nth = 0; nth < 50; nth++)
      memory = memoryAfter(memory, [change("healed", row("healed", "data.a"))], NOW + nth)
    assert.strictEqual(memory.heals.get(formatRef(A))?.length, MAX_REMEMBERED)
    assert.strictEqual(memoryAfter(memory, [], NOW + 2 * 3_600_000).heals.size, 0)
  })

  it("is a conflict that was left, until it is healed or gone", () => {
    const left = memoryAfter(
      NO_MEMORY,
      [change("configured", row("left", "data.a", "conflict"))],
      NOW,
    )
    assert.deepEqual([...left.conflicts], [key("data.a")])
    const healed = memoryAfter(left, [change("healed", row("healed", "data.a", "conflict"))], NOW)
    assert.strictEqual(healed.conflicts.size, 0)
    const suspended = memoryAfter(left, [change("held", row("held", "data.a", "conflict"))], NOW)
    assert.deepEqual(
      [...suspended.conflicts],
      [key("data.a")],
      "break-glass makes it no less a conflict",
    )
  })
})
