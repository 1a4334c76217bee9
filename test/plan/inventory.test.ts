import { assert, describe, it } from "@effect/vitest"
import { formatRef } from "../../src/domain/object.ts"
import { type TrackInput, trackedKinds } from "../../src/plan/inventory.ts"
import { live, US } from "./words.ts"

const objects = (...texts: ReadonlyArray<string>): TrackInput["live"] =>
  new Map(texts.map((text) => live(text)).map((o) => [formatRef(o.ref), o]))
const track = (more: Partial<TrackInput>) => [
  ...trackedKinds({
    owner: US,
    previous: [],
    unknown: new Set(),
    live: new Map(),
    deleted: new Set(),
    written: [],
    ...more,
  }),
]

describe("the kinds to keep in sight", () => {
  it("are those that hold something of ours, sorted", () =>
    assert.deepStrictEqual(
      track({
        live: objects("Secret shop/a ours", "ConfigMap shop/a ours", "ConfigMap shop/b ours"),
      }),
      ["/ConfigMap", "/Secret"],
    ))
  it("do not include what others own, or what is ours by labels alone", () =>
    assert.deepStrictEqual(
      track({ live: objects("Secret shop/a other", "ConfigMap shop/a ours unproven") }),
      [],
    ))
  it("lose one that a whole list shows empty", () =>
    assert.deepStrictEqual(track({ previous: ["/Secret"] }), []))
  it("keep one that could not be listed whole", () =>
    assert.deepStrictEqual(track({ previous: ["/Secret"], unknown: new Set(["/Secret"]) }), [
      "/Secret",
    ]))
  it("lose one whose last object was deleted, and keep one whose delete failed", () =>
    assert.deepStrictEqual(
      track({
        previous: ["/ConfigMap", "/Secret"],
        live: objects("Secret shop/a ours", "ConfigMap shop/a ours"),
        deleted: new Set(["/Secret/shop/a"]),
      }),
      ["/ConfigMap"],
    ))
  it("gain what this sync wrote, or tried to", () =>
    assert.deepStrictEqual(track({ written: ["apps/Deployment"] }), ["apps/Deployment"]))
})
