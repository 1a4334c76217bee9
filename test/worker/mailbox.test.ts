import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { MAX_TRACES, type TraceContext } from "../../src/domain/trace.ts"
import { TRIGGER_KINDS, type TriggerKind } from "../../src/domain/trigger.ts"
import {
  coalesce,
  covers,
  hasRoom,
  MAX_OVERTAKEN,
  MAX_REPLIES,
  offer,
  type Request,
  type Slots,
  take,
} from "../../src/worker/mailbox.ts"

const kinds = fc.constantFrom(...TRIGGER_KINDS)
const MANY: ReadonlyArray<TraceContext> = Array.from({ length: 2 * MAX_TRACES }, (_, i) => ({
  traceId: "1".repeat(32),
  spanId: i.toString(16).padStart(16, "0"),
  sampled: true,
}))
const traces = fc.uniqueArray(fc.constantFrom(...MANY), { minLength: 1, maxLength: MAX_TRACES })
const requests: fc.Arbitrary<Request<number>> = fc.record({
  trigger: fc.record(
    { kind: kinds, commit: fc.constantFrom("c1", "c2", "c3"), traces },
    { requiredKeys: ["kind"] },
  ),
  replies: fc.uniqueArray(fc.nat(200), { maxLength: 40 }),
})
const NONE: Slots<number> = new Map()
const ask = (kind: TriggerKind, commit?: string, ...replies: ReadonlyArray<number>) => ({
  trigger: { kind, ...(commit === undefined ? {} : { commit }) },
  replies,
})
const box = (...all: ReadonlyArray<Request<number>>) => all.reduce(offer<number>, NONE)
const kindsIn = (slots: Slots<number>) => [...slots.keys()].toSorted()
const drain = (slots: Slots<number>): ReadonlyArray<TriggerKind> => {
  const taken = take(slots)
  return taken === undefined ? [] : [taken.request.trigger.kind, ...drain(taken.rest)]
}
/** Webhook and sync now have one rank. */
const rank = (kind: TriggerKind) => Math.max(TRIGGER_KINDS.indexOf(kind), 1)

describe("coalesce", () => {
  it("is associative", () => {
    fc.assert(
      fc.property(requests, requests, requests, (a, b, c) => {
        assert.deepStrictEqual(coalesce(coalesce(a, b), c), coalesce(a, coalesce(b, c)))
      }),
    )
  })

  it("is idempotent", () => {
    fc.assert(fc.property(requests, (a) => assert.deepStrictEqual(coalesce(a, a), a)))
  })

  it("answers the highest priority, the newest commit and every reply and the first traces, boundedly", () => {
    fc.assert(
      fc.property(requests, requests, (a, b) => {
        const one = coalesce(a, b)
        const best = Math.min(rank(a.trigger.kind), rank(b.trigger.kind))
        assert.strictEqual(rank(one.trigger.kind), best)
        assert.strictEqual(one.trigger.commit, b.trigger.commit ?? a.trigger.commit)
        const replies = [...new Set([...a.replies, ...b.replies])]
        assert.deepStrictEqual(one.replies, replies.slice(0, MAX_REPLIES))
        const both = [...new Set([...(a.trigger.traces ?? []), ...(b.trigger.traces ?? [])])]
        assert.deepStrictEqual(one.trigger.traces ?? [], both.slice(0, MAX_TRACES))
      }),
    )
  })
})

describe("covers", () => {
  it("is reflexive and transitive", () => {
    fc.assert(
      fc.property(kinds, kinds, kinds, (a, b, c) => {
        assert.isTrue(covers(a, a))
        if (covers(a, b) && covers(b, c)) assert.isTrue(covers(a, c))
      }),
    )
  })

  it.each([
    [
      "syncNow",
      [
        ...["claim", "drift", "poll", "reconcile", "retry", "specChanged", "startup"],
        ...["syncNow", "webhook"],
      ],
    ],
    ["webhook", ["claim", "webhook"]],
    ["claim", ["claim", "webhook"]],
    ["specChanged", ["claim", "drift", "poll", "retry", "specChanged", "webhook"]],
    ["poll", ["poll"]],
    ["drift", ["drift"]],
    ["retry", ["drift", "retry"]],
    ["reconcile", ["drift", "reconcile"]],
    ["startup", ["drift", "poll", "reconcile", "retry", "startup"]],
  ] as const)("a sync for %s serves exactly %j", (kind, covered) => {
    const found = TRIGGER_KINDS.filter((other) => covers(kind, other))
    assert.deepStrictEqual(found.toSorted(), [...covered])
  })
})

describe("take", () => {
  it("an empty mailbox has nothing", () => assert.isUndefined(take(NONE)))

  it("goes by priority, whatever the order of arrival", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...TRIGGER_KINDS]), (arrived) => {
        const ranks = drain(box(...arrived.map((kind) => ask(kind)))).map(rank)
        assert.deepStrictEqual(
          ranks,
          ranks.toSorted((a, b) => a - b),
        )
      }),
    )
  })

  it("serves or keeps every waiting kind and every reply", () => {
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 4 }), (all) => {
        const slots = box(...all)
        const taken = take(slots)
        if (taken === undefined) return assert.strictEqual(slots.size, 0)
        const { kind } = taken.request.trigger
        const lost = kindsIn(slots).filter((k) => !taken.rest.has(k) && !covers(kind, k))
        assert.deepStrictEqual(lost, [])
        assert.isFalse(taken.rest.has(kind))
      }),
    )
  })

  it("one sync answers callers and pushes that wait together, with the newest commit of the push", () => {
    const slots = box(
      ask("webhook", "c1"),
      ask("syncNow", undefined, 1),
      ask("webhook", "c2"),
      ask("syncNow", undefined, 2),
    )
    assert.deepStrictEqual(take(slots), {
      request: { trigger: { kind: "syncNow", commit: "c2" }, replies: [1, 2] },
      rest: new Map(),
    })
  })

  it("a push does not swallow drift, reconcile or a new spec", () => {
    const slots = box(ask("drift"), ask("webhook", "c1"), ask("reconcile"), ask("specChanged"))
    assert.deepStrictEqual(drain(slots), ["webhook", "specChanged", "reconcile"])
  })

  it("a waiting request is overtaken a bounded number of times", () => {
    let slots = box(ask("reconcile"))
    const served: Array<TriggerKind> = []
    for (let turn = 0; turn <= MAX_OVERTAKEN; turn++) {
      const taken = take(offer(slots, ask("webhook", `c${turn}`)))
      served.push(taken?.request.trigger.kind ?? "startup")
      slots = taken?.rest ?? NONE
    }
    assert.deepStrictEqual(served, [...Array(MAX_OVERTAKEN).fill("webhook"), "reconcile"])
  })
})

describe("offer", () => {
  it("never holds more than one request per kind nor more replies than the bound", () => {
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 50 }), (all) => {
        const slots = box(...all)
        assert.isAtMost(slots.size, TRIGGER_KINDS.length)
        for (const { replies } of slots.values()) assert.isAtMost(replies.length, MAX_REPLIES)
      }),
    )
  })

  it("says when another reply would be dropped", () => {
    const many = Array.from({ length: MAX_REPLIES }, (_, i) => i)
    assert.isTrue(hasRoom(box(ask("syncNow", undefined, ...many.slice(1))), "syncNow"))
    assert.isFalse(hasRoom(box(ask("syncNow", undefined, ...many)), "syncNow"))
    assert.isTrue(hasRoom(NONE, "syncNow"))
  })
})
