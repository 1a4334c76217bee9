// What is remembered of drift from sync to sync.
import { assert, describe, it } from "@effect/vitest"
import type { Change } from "../../src/domain/change.ts"
import type { Drift } from "../../src/domain/drift.ts"
import { formatRef } from "../../src/domain/object.ts"
import { type Memory, memoryAfter, NO_MEMORY, type Scope } from "../../src/plan/evidence.ts"
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
const WHOLE: Scope = {
  claimed: new Set([A, B].map(formatRef)),
  complete: true,
  live: { unknown: new Set() },
}
const following = (memory: Memory, changes: ReadonlyArray<Change>, now: number, scope = WHOLE) =>
  memoryAfter(memory, changes, now, scope)
const key = (path: string, of = A) => `${formatRef(of)} ${path}`

describe("what is remembered", () => {
  it("is since when a field that stays has drifted, until it does no more", () => {
    const held = following(
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
    const one = following(held, [change("configured", row("left", "data.b"))], NOW + 1)
    assert.deepEqual([...one.firstSeen.keys()], [key("data.b")])
    assert.strictEqual(following(one, [{ ref: A, action: "unchanged" }], NOW + 2).firstSeen.size, 0)
  })

  it("stays of objects that a sync did not look at", () => {
    const held = following(NO_MEMORY, [change("held", row("left", "data.a", "conflict"))], NOW)
    const next = following(held, [{ ref: B, action: "unchanged" }], NOW + 1)
    assert.deepEqual(next, held)
  })

  it("goes with what left Git, and stays where a document did not render", () => {
    const left = [change("held", row("left", "data.a", "conflict"))]
    const healed = [change("healed", row("healed", "data.b"))]
    const held = following(following(NO_MEMORY, healed, NOW), left, NOW)
    const gone = { ...WHOLE, claimed: new Set([formatRef(B)]) }
    assert.deepEqual(following(held, [], NOW + 1, gone), NO_MEMORY)
    assert.deepEqual(following(held, [], NOW + 1, { ...gone, complete: false }), held)
  })

  it("is partial until a sync saw every kind", () => {
    const partial: Memory = { ...NO_MEMORY, isPartial: true }
    const blind = { ...WHOLE, live: { unknown: new Set(["/ConfigMap"]) } }
    assert.isTrue(following(partial, [], NOW, blind).isPartial)
    assert.isUndefined(following(partial, [], NOW).isPartial)
    assert.isUndefined(following(NO_MEMORY, [], NOW, blind).isPartial)
  })

  it("is each heal that was done, and none that failed", () => {
    const healed = following(NO_MEMORY, [change("healed", row("healed", "data.a"))], NOW)
    assert.deepEqual([...healed.heals], [[formatRef(A), [NOW]]])
    const failed = following(healed, [change("failed", row("healed", "data.a"))], NOW + 1)
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
      memory = following(memory, [change("healed", row("healed", "data.a"))], NOW + nth)
    assert.strictEqual(memory.heals.get(formatRef(A))?.length, MAX_REMEMBERED)
    assert.strictEqual(following(memory, [], NOW + 2 * 3_600_000).heals.size, 0)
  })

  it("is a conflict that was left, until it is healed or gone", () => {
    const left = following(
      NO_MEMORY,
      [change("configured", row("left", "data.a", "conflict"))],
      NOW,
    )
    assert.deepEqual([...left.conflicts], [key("data.a")])
    const healed = following(left, [change("healed", row("healed", "data.a", "conflict"))], NOW)
    assert.strictEqual(healed.conflicts.size, 0)
    const suspended = following(left, [change("held", row("held", "data.a", "conflict"))], NOW)
    assert.deepEqual(
      [...suspended.conflicts],
      [key("data.a")],
      "break-glass makes it no less a conflict",
    )
  })
})
