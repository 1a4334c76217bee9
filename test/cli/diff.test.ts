import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { comparable, placed, veiled, withMarksOf } from "../../src/cli/comparable.ts"
import { eventLine, eventsText, happeningOf, inTime } from "../../src/cli/happenings.ts"
import { listedIn, notesOf } from "../../src/cli/notes.ts"
import { unified } from "../../src/cli/unified.ts"
import { painted, unpainted } from "../../src/cli/words.ts"
import type { DesiredObject, JsonObject } from "../../src/domain/object.ts"
import { NOW, synced, view } from "./views.ts"

const lines = (...all: ReadonlyArray<string | number>) => all.join("\n")

describe("a unified diff", () => {
  it("shows three lines around each change", () => {
    const before = lines(1, 2, 3, 4, 5, 6, 7, 8, 9)
    expect(unified(before, lines(1, 2, 3, 4, "five", 6, 7, 8, 9), unpainted)).toBe(
      "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8",
    )
  })
  it("has a hunk for each change that is far from the others", () => {
    const many = Array.from({ length: 20 }, (_, at) => String(at))
    const changed = many.with(2, "two").with(17, "seventeen")
    expect(unified(lines(...many), lines(...changed), unpainted).match(/^@@/gm)).toHaveLength(2)
  })
  it.each([
    ["nothing before", "", "a", "@@ -0,0 +1,1 @@\n+a"],
    ["nothing after", "a", "", "@@ -1,1 +0,0 @@\n-a"],
    ["nothing at all", "", "", ""],
  ])("of %s", (_, before, after, expected) => {
    expect(unified(before, after, unpainted)).toBe(expected)
  })
  it("is coloured where a terminal is", () => {
    expect(unified("a", "b", painted)).toContain("\u001B[31m-a\u001B[0m\n\u001B[32m+b\u001B[0m")
  })
  it("is empty for equal texts, and names every line that came and went", () => {
    const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        const diff = unified(lines(...a), lines(...b), unpainted).split("\n")
        const came = diff.filter((line) => line.startsWith("+")).length
        const went = diff.filter((line) => line.startsWith("-")).length
        expect(came - went).toBe(b.length - a.length)
        expect(came + went === 0).toBe(lines(...a) === lines(...b))
      }),
    )
  })
})

const live: JsonObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name: "a",
    uid: "1",
    resourceVersion: "2",
    labels: { "nopea.io/repository": "shop", "app.kubernetes.io/managed-by": "nopea", app: "a" },
    annotations: { "nopea.io/applied": "v1:x" },
    managedFields: [],
  },
  status: { phase: "x" },
  data: { a: "1" },
}

describe("what is compared", () => {
  it("has neither the server's fields, nor NOPEA's marks, nor a status", () => {
    expect(comparable(live)).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", labels: { app: "a" } },
      data: { a: "1" },
    })
  })
  it("is asked for with the live object's marks, so that none goes", () => {
    const tree = { kind: "ConfigMap", metadata: { name: "a", labels: { app: "b" } } }
    expect(withMarksOf(live, tree)).toEqual({
      kind: "ConfigMap",
      metadata: {
        name: "a",
        labels: {
          "nopea.io/repository": "shop",
          "app.kubernetes.io/managed-by": "nopea",
          app: "b",
        },
        annotations: { "nopea.io/applied": "v1:x" },
      },
    })
    expect(withMarksOf(undefined, tree)).toEqual(tree)
  })
  it("stands in its namespace, or in none", () => {
    const desired = { json: '{"metadata":{"name":"a","namespace":"x"}}' } as DesiredObject
    expect(placed(desired, "shop")).toEqual({ metadata: { name: "a", namespace: "shop" } })
    expect(placed(desired, "")).toEqual({ metadata: { name: "a" } })
  })
})

describe("a Secret", () => {
  const secret = (data: JsonObject): JsonObject => ({ apiVersion: "v1", kind: "Secret", data })
  it("shows which keys differ, and no value", () => {
    const sides = veiled(
      secret({ same: "c2FtZQ==", a: "b25l" }),
      secret({ same: "c2FtZQ==", a: "dHdv", n: "bmV3" }),
    )
    expect(sides).toEqual([
      secret({ same: "***", a: "*** (before)" }),
      secret({ same: "***", a: "*** (after)", n: "*** (after)" }),
    ])
    expect(veiled(undefined, secret({ a: "b25l" }))).toEqual([
      undefined,
      secret({ a: "*** (after)" }),
    ])
  })
  it("of another API is an object as any", () => {
    const other = { apiVersion: "example.com/v1", kind: "Secret", data: { a: "1" } }
    expect(veiled(other, other)).toEqual([other, other])
  })
})

const event = (name: string, time: string, count: number) => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name, uid: name, resourceVersion: String(count) },
  type: "Warning",
  reason: "DriftDetected",
  message: "somebody\nchanged it",
  count,
  lastTimestamp: time,
  involvedObject: { namespace: "shop", name: "api" },
})

describe("events", () => {
  const all = [event("b", "2026-11-21T11:59:00Z", 3), event("a", "2026-11-21T11:50:00Z", 1)].map(
    happeningOf,
  )
  it("are told oldest first, on one line each", () => {
    expect(eventsText(all, NOW)).toBe(
      `LAST SEEN   TYPE      REASON          REPOSITORY   COUNT   MESSAGE
10m         Warning   DriftDetected   shop/api     1       somebody changed it
60s         Warning   DriftDetected   shop/api     3       somebody changed it`,
    )
    expect(inTime(all).map((one) => eventLine(one, unpainted))[1]).toBe(
      "2026-11-21T11:59:00Z  shop/api  DriftDetected  somebody changed it (3 times)",
    )
  })
  it("are told again when they are counted again", () => {
    expect(happeningOf(event("a", "", 1)).id).not.toBe(happeningOf(event("a", "", 2)).id)
  })
})

describe("below a diff", () => {
  it("stands where objects that left Git were looked for, if not everywhere", () => {
    expect(listedIn({ namespace: "shop", partly: new Set() })).toEqual([])
    const partly = new Set(["configmaps", "services"])
    expect(listedIn({ namespace: "shop", partly })[0]).toMatch(/^configmaps, services .* shop only/)
  })

  const [a, b] = ["a".repeat(40), "b".repeat(40)]
  it.each<[string, Parameters<typeof notesOf>[0], ReadonlyArray<RegExp>]>([
    ["nothing of a folder of nobody", undefined, []],
    ["nothing where every policy is as usual", view("api", synced), []],
    ["drift", view("api", { ...synced, driftedCount: 2 }), [/nopea drift api -n shop$/]],
    ["break-glass", view("api", { ...synced, suspendedCount: 1 }), [/on 1 object: nothing/]],
    [
      "a rollback",
      view("api", { ...synced, rollback: { from: b, to: a } }),
      [/^it is rolled back from bbbbbbb to aaaaaaa$/],
    ],
    [
      "what applies nothing at all",
      view("api", synced, { suspend: true, dryRun: true }),
      [/nopea resume$/, /spec\.dryRun/],
    ],
  ])("stands %s", (_, owner, said) => {
    const notes = notesOf(owner)
    expect(notes).toHaveLength(said.length)
    said.forEach((words, at) => {
      expect(notes[at]).toMatch(words)
    })
  })
})
