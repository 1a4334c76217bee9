// Drift in custom resources, where no schema tells maps apart from what somebody emptied.
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import { askedSince, Drifting, EDIT, markAudit } from "./drifting.ts"
import { world } from "./world.ts"

const here = world()
const GROUP = "drift.example.com"
const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true }
const version = {
  name: "v1",
  served: true,
  storage: true,
  schema: {
    openAPIV3Schema: {
      type: "object",
      properties: {
        free: anything,
        words: {
          type: "object",
          additionalProperties: { type: "object", additionalProperties: { type: "string" } },
        },
        typed: {
          type: "object",
          properties: { size: { type: "integer" }, unit: { type: "string", default: "cm" } },
        },
      },
    },
  },
}
const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `gadgets.${GROUP}` },
  spec: {
    group: GROUP,
    names: { plural: "gadgets", singular: "gadget", kind: "Gadget", listKind: "GadgetList" },
    scope: "Namespaced",
    versions: [version],
  },
}
beforeAll(() => here.api.applyDefinition(definition))
afterAll(() => here.api.delete(definition))
const gadget = (name: string, image = "one") => `apiVersion: ${GROUP}/v1
kind: Gadget
metadata: {name: ${name}}
free: {inner: {image: ${image}}, other: {a: "1", b: "2"}}
words: {first: {hello: world}}
typed: {size: 3}
`
const key = (name: string) => ({
  apiVersion: `${GROUP}/v1`,
  kind: "Gadget",
  metadata: { name, namespace: here.namespace },
})
const of = (live: Json) => [live.free?.inner?.image, live.words?.first?.hello, live.typed?.size]
const GIT = ["one", "world", 3]

const given = (name: string, spec = {}) => Drifting.of(here, name, { "b.yaml": gadget(name) }, spec)

/** Each takes or removes the only leaf of an inner map: that leaf is told; `changed` is what is live then. */
const edits: ReadonlyArray<
  readonly [name: string, path: string, patch: Json, changed: ReadonlyArray<Json>]
> = [
  ["takes-free", "free.inner.image", { free: { inner: { image: "two" } } }, ["two", "world", 3]],
  [
    "removes-free",
    "free.inner.image",
    { free: { inner: { image: null } } },
    [undefined, "world", 3],
  ],
  ["takes-words", "words.first.hello", { words: { first: { hello: "moon" } } }, ["one", "moon", 3]],
  ["removes-words", "words.first.hello", { words: { first: null } }, ["one", undefined, 3]],
  ["takes-typed", "typed.size", { typed: { size: 4 } }, ["one", "world", 4]],
  ["removes-typed", "typed.size", { typed: { size: null } }, ["one", "world", undefined]],
]

describe("somebody at a custom resource", () => {
  for (const [name, path, patch, changed] of edits) {
    it(`${name}: seen and healed`, async () => {
      const one = await given(name)
      await one.look()
      await here.api.patch(key(name), patch, EDIT)
      await one.waitFor(
        "is as Git says",
        (live) => JSON.stringify(of(live)) === JSON.stringify(GIT),
        key(name),
      )
      await one.healed()
    })

    it(`${name}: left under manual, named, and the same after kill -9; healed when told to`, async () => {
      const id = `${name}-manual`
      const one = await given(id, { healPolicy: "manual" })
      const since = await markAudit()
      await here.api.patch(key(id), patch, EDIT)
      const status = await one.drifted()
      assert.equal(status.drift.length, 1, JSON.stringify(status.drift))
      assert.equal(status.drift[0].path, path)
      await here.controller.kill()
      await here.controller.start()
      const again = await one.look()
      assert.deepEqual(again.drift, status.drift)
      assert.deepEqual(of(await here.api.get(key(id))), changed)
      const { writes } = await askedSince(since, { resource: "gadgets", name: id })
      assert.deepEqual(writes, [])
      await one.set({ healPolicy: "auto" })
      await one.waitFor(
        "is as Git says",
        (live) => JSON.stringify(of(live)) === JSON.stringify(GIT),
        key(id),
      )
      await one.synced()
    })
  }

  it("edits while no controller runs: found at the start, and only what drifted is asked about", async () => {
    const names = ["down-a", "down-b", "down-c"]
    const one = await Drifting.of(
      here,
      "down",
      Object.fromEntries(names.map((name) => [`${name}.yaml`, gadget(name)])),
    )
    await here.controller.kill()
    await here.api.patch(key("down-b"), { free: { inner: { image: "two" } } }, EDIT)
    const since = await markAudit()
    await here.controller.start()
    await one.waitFor(
      "is as Git says",
      (live) => JSON.stringify(of(live)) === JSON.stringify(GIT),
      key("down-b"),
    )
    await one.synced()
    const { writes, dryRuns } = await askedSince(since, {
      resource: "gadgets",
      namespace: here.namespace,
    })
    assert.deepEqual(writes, ["patch 200"])
    assert.isAtMost(dryRuns, 1)
  })
})
