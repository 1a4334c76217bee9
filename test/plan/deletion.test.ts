import { assert, describe, it } from "vitest"
import { dutyOf, FINALIZER, farewellNotices, isRefused } from "../../src/plan/deletion.ts"
import { repository } from "../layers/repositories.ts"
import { ref } from "./words.ts"

const duty = (finalizers: ReadonlyArray<string>, isLeaving: boolean, spec?: object) =>
  dutyOf(
    { name: "a", finalizers, ...(isLeaving ? { deletionTimestamp: "2026-11-20T10:00:00Z" } : {}) },
    spec === undefined ? undefined : repository("a", { spec: { ...spec } }).spec,
  )
const DELETE = { deletionPolicy: "Delete" }
const ORPHAN = { deletionPolicy: "Orphan" }
const OBSERVE = { ...DELETE, dryRun: true }

describe("the finalizer's duty", () => {
  it.each([
    ["add", [], false, DELETE],
    ["add", ["other"], false, DELETE],
    ["none", [FINALIZER], false, DELETE],
    ["none", [], false, ORPHAN],
    ["remove", [FINALIZER], false, ORPHAN],
    ["remove", [FINALIZER], false, OBSERVE],
    ["none", [], false, OBSERVE],
    ["none", [FINALIZER], false, undefined],
    ["delete", [FINALIZER], true, DELETE],
    ["orphan", [FINALIZER], true, ORPHAN],
    ["orphan", [FINALIZER], true, OBSERVE],
    ["orphan", [FINALIZER], true, undefined],
    ["none", [], true, DELETE],
    ["none", ["other"], true, DELETE],
  ] as const)("is %s with %j, leaving: %s, under %j", (expected, finalizers, leaving, spec) => {
    assert.strictEqual(duty(finalizers, leaving, spec), expected)
  })
})

describe("what is told in the end", () => {
  const nothing = { deleted: 0, handedOver: new Map(), left: new Map() }

  it("is nothing where there was nothing", () => {
    assert.deepStrictEqual(farewellNotices(nothing), [])
  })

  it("names what stays and why, as a warning, and counts what it does not name", () => {
    const left = new Map(Array.from({ length: 7 }, (_, i) => [`/ConfigMap/shop/${i}`, "kept"]))
    const [deleted, orphaned] = farewellNotices({ ...nothing, deleted: 3, left })
    assert.deepInclude(deleted, { type: "Normal", reason: "ObjectsDeleted" })
    assert.deepInclude(orphaned, { type: "Warning", reason: "ObjectsOrphaned" })
    assert.include(orphaned?.message, "/ConfigMap/shop/4 (kept); and 2 more")
  })
})

describe("a refusal", () => {
  it.each([
    [true, "RBAC", "NOPEA-A002", "retry"],
    [true, "an admission policy", "NOPEA-A011", "stall"],
    [false, "an API server in trouble", "NOPEA-A017", "retry"],
    [false, "an object that changes", "NOPEA-A056", "retry"],
  ] as const)("is %s for %s", (expected, _, code, disposition) => {
    const failure = { code, disposition, reason: "r", fix: "f" }
    const change = { ref: ref("ConfigMap shop/a"), action: "failed", failure } as const
    assert.strictEqual(isRefused(change), expected)
  })
})
