import fc from "fast-check"
import { assert, describe, it } from "vitest"
import {
  type Claimant,
  type Claimants,
  declared,
  freed,
  PATIENCE,
  standOf,
  unasked,
  wantedByOther,
} from "../../src/plan/claims.ts"

const A = { namespace: "team", name: "a", uid: "uid-a" }
const X = "/ConfigMap/shop/x"
const Y = "/ConfigMap/shop/y"
const FAR = "/ConfigMap/elsewhere/z"

const row = (name: string, fields: Partial<Claimant> = {}): Claimant => ({
  uid: `uid-${name}`,
  url: `https://git.example/${name}`,
  namespace: "shop",
  answers: true,
  wants: new Set(),
  idle: new Set(),
  refused: new Set(),
  tried: 0,
  isWhole: true,
  since: 0,
  checked: 0,
  waits: new Map(),
  ...fields,
})
const table = (rows: Readonly<Record<string, Partial<Claimant>>>): Claimants =>
  new Map(Object.entries(rows).map(([name, fields]) => [`team/${name}`, row(name, fields)]))

describe("what is known of an object's owner", () => {
  it.each([
    ["wanted", "has it in Git", { a: { wants: new Set([X]) } }],
    ["wanted", "has it in Git, as far as rendered", { a: { wants: new Set([X]), isWhole: false } }],
    ["released", "rendered whole without it", { a: {} }],
    ["released", "was created anew and rendered whole without it", { a: { uid: "later" } }],
    ["unknown", "rendered in part, without it", { a: { isWhole: false } }],
    ["unknown", "is not served here", { b: {} }],
  ] as const)("%s: it %s", (stand, _, rows) => {
    assert.strictEqual(standOf(table(rows), A, X), stand)
  })

  it("a claim of one's own keeps nothing from oneself", () => {
    const all = table({ a: { wants: new Set([X]) }, b: {} })
    assert.isUndefined(wantedByOther(all, "team/a", X))
    assert.strictEqual(wantedByOther(all, "team/b", X), "team/a")
  })

  it("what a claimant's account may not write keeps nothing from anybody", () => {
    const all = table({ a: { wants: new Set([X, Y]), refused: new Set([X]) }, b: {} })
    assert.isUndefined(wantedByOther(all, "team/b", X))
    assert.strictEqual(wantedByOther(all, "team/b", Y), "team/a")
  })

  it("what its own Git keeps a claimant from applying keeps nothing from anybody", () => {
    const all = table({ a: { wants: new Set([X, Y]), idle: new Set([X]) }, b: {} })
    assert.isUndefined(wantedByOther(all, "team/b", X))
    assert.strictEqual(wantedByOther(all, "team/b", Y), "team/a")
    assert.strictEqual(standOf(all, A, X), "wanted", "what it has is not free for others")
  })
})

describe("who is asked before a delete", () => {
  const me = { since: 10, checked: 10 }
  it.each([
    ["one that looked before the news", { b: { checked: 9 } }, ["team/b"]],
    ["not one that looked since", { b: { checked: 10 } }, []],
    [
      "one that never said anything, wherever it is",
      { b: { checked: -1, isWhole: false, namespace: "x" } },
      ["team/b"],
    ],
    ["not one that shares no namespace", { b: { checked: 9, namespace: "x" } }, []],
    [
      "one that has something in the namespace",
      { b: { checked: 9, namespace: "x", wants: new Set([Y]) } },
      ["team/b"],
    ],
    [
      "one of the same URL, wherever it is",
      { b: { checked: 9, namespace: "x", url: "https://git.example/a" } },
      ["team/b"],
    ],
    [
      "one that had no right to write it, until it tried since",
      { b: { checked: 11, tried: 9, wants: new Set([X]), refused: new Set([X]) } },
      ["team/b"],
    ],
    [
      "not one that tried since and still has no right",
      { b: { checked: 11, tried: 10, wants: new Set([X]), refused: new Set([X]) } },
      [],
    ],
    [
      "not one that had no right to write something else",
      { b: { checked: 11, tried: 9, wants: new Set([Y]), refused: new Set([Y]) } },
      [],
    ],
    ["not one that is suspended or stopped", { b: { checked: 9, answers: false } }, []],
  ] as const)("%s", (_, others, asked) => {
    assert.deepStrictEqual(unasked(table({ a: me, ...others }), "team/a", [X], 10), [...asked])
  })

  it("nobody any more who has kept silent for ten minutes", () => {
    const all = table({ a: me, b: { checked: 9 } })
    assert.deepStrictEqual(unasked(all, "team/a", [X], 10 + PATIENCE), ["team/b"])
    assert.deepStrictEqual(unasked(all, "team/a", [X], 11 + PATIENCE), [])
  })

  it("two that lose objects at once never both wait for one another", () => {
    const time = fc.integer({ min: 0, max: 9 })
    fc.assert(
      fc.property(time, time, (a, b) => {
        const all = table({ a: { since: a, checked: a }, b: { since: b, checked: b } })
        const both = [unasked(all, "team/a", [X], 10), unasked(all, "team/b", [X], 10)]
        assert.isFalse(both.every((names) => names.length > 0))
      }),
    )
  })
})

describe("what a sync says", () => {
  const said = { isWhole: true, startedAt: 5 }

  it("dates the news that an object left, and keeps the date while nothing else leaves", () => {
    const first = declared(row("a", { wants: new Set([X, Y]), since: 1 }), {
      ...said,
      wants: new Set([Y]),
    })
    assert.strictEqual(first.since, 5)
    const old = declared(first, { ...said, startedAt: 9, wants: first.wants, isFromMirror: true })
    assert.strictEqual(old.checked, first.checked, "nobody looked into Git")
    const later = declared(first, { ...said, startedAt: 7, wants: new Set([Y, FAR]) })
    assert.deepInclude(later, { since: 5, checked: 7 })
  })

  it("dates a first word too: what was held before is not known", () => {
    const blank = row("a", { isWhole: false, since: Number.POSITIVE_INFINITY })
    assert.strictEqual(declared(blank, { ...said, wants: new Set([X]) }).since, 5)
  })

  it("takes nothing back where a document failed", () => {
    const before = row("a", { wants: new Set([X]) })
    const after = declared(before, { wants: new Set([Y]), isWhole: false, startedAt: 5 })
    assert.deepStrictEqual([...after.wants], [X, Y])
    assert.isFalse(after.isWhole)
  })
})

describe("what comes to nothing", () => {
  const idle = (row: Claimant) => [...row.idle]
  const said = { wants: new Set([X, Y]), startedAt: 5 }

  it("is what the last render says, where every document rendered", () => {
    const first = declared(row("a"), { ...said, idle: new Set([X]), isWhole: true })
    assert.deepStrictEqual(idle(first), [X])
    assert.deepStrictEqual(idle(declared(first, { ...said, isWhole: true })), [])
  })

  it("is kept where its document failed, and forgotten where it did not", () => {
    const first = declared(row("a"), { ...said, idle: new Set([X, Y]), isWhole: true })
    const later = declared(first, { wants: new Set([Y]), isWhole: false, startedAt: 6 })
    assert.deepStrictEqual(idle(later), [X])
  })
})

describe("who is woken", () => {
  const waits = new Map([[X, A]])
  it.each([
    ["who waits for what is let go", { a: {}, b: { waits } }, ["team/b"]],
    ["who waits for what a deleted one had", { b: { waits } }, ["team/b"]],
    ["nobody while it is wanted", { a: { wants: new Set([X]) }, b: { waits } }, []],
    ["nobody while it may be wanted", { a: { isWhole: false }, b: { waits } }, []],
    [
      "nobody who waits for others",
      { a: {}, b: { waits: new Map([[X, { ...A, name: "c" }]]) } },
      [],
    ],
  ] as const)("%s", (_, rows, woken) => {
    assert.deepStrictEqual(freed(table(rows), "team/a"), [...woken])
  })
})
