// Drift in what marks an object as ours: managedFields, uid, labels and the hash of what was applied.
import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import { askedSince, Drifting, deployment, EDIT, imageOf, markAudit } from "./drifting.ts"
import { world } from "./world.ts"

const here = world()
const MANUAL = { healPolicy: "manual" }
const isOurs = (live: Json): boolean =>
  live.metadata.managedFields?.some(
    (e: Json) => e.manager === "nopea" && e.operation === "Apply",
  ) === true
const clear = (one: Drifting) =>
  here.api.patch(one.key, { metadata: { managedFields: [{}] } }, EDIT)
/** As `kubectl replace --force` does. */
const recreate = async (one: Drifting, image: string): Promise<string> => {
  const { spec } = await one.live()
  await here.api.delete(one.key)
  spec.template.spec.containers[0].image = `registry.example/${image}`
  const make = () =>
    here.api.create({ ...one.key, spec }).then((live) => live.metadata.uid as string)
  return make()
}

describe("cleared managedFields", () => {
  it("are one heal, after which nothing is written", async () => {
    const one = await Drifting.deployment(here, "cleared")
    const since = await markAudit()
    await clear(one)
    await one.waitFor("is ours again", isOurs)
    await one.healed()
    await one.look()
    await one.look()
    const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(writes, ["patch 200"])
  })

  it("under manual are told and left, until Git changes the object", async () => {
    const one = await Drifting.deployment(here, "cleared-manual", MANUAL)
    await clear(one)
    const status = await one.drifted()
    assert.equal(status.drift.length, 1)
    assert.include(status.drift[0], { type: "manual_drift", action: "left" })
    assert.isUndefined(status.drift[0].path)
    assert.isFalse(isOurs(await one.live()))
    await one.push({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    await one.synced()
    const live = await one.live()
    assert.equal(imageOf(live), "app:2")
    assert.isTrue(isOurs(live))
  })
})

describe("a recreated object", () => {
  it("is ours again, with Git's values and its new uid", async () => {
    const one = await Drifting.deployment(here, "recreated", { healGracePeriod: "2s" })
    const uid = await recreate(one, "app:9")
    const live = await one.waitFor("is ours again", (l) => isOurs(l) && imageOf(l) === "app:1")
    assert.equal(live.metadata.uid, uid)
    await one.synced()
  })

  it("under manual keeps what the person put there", async () => {
    const one = await Drifting.deployment(here, "recreated-manual", MANUAL)
    const since = await markAudit()
    await recreate(one, "app:9")
    await one.drifted()
    const status = await one.look()
    assert.include(status.drift[0], { action: "left" })
    assert.equal(imageOf(await one.live()), "app:9")
    const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(writes, [])
    await one.push({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    await one.synced()
    assert.equal(imageOf(await one.live()), "app:2")
  })
})

describe("labels", () => {
  it("that somebody removed are told and left under manual", async () => {
    const one = await Drifting.deployment(here, "labels-manual", MANUAL)
    const labels = {
      "nopea.io/repository": null,
      "nopea.io/repository-namespace": null,
      "nopea.io/repository-uid": null,
    }
    await here.api.patch(one.key, { metadata: { labels } }, EDIT)
    const { drift, phase } = await one.drifted()
    assert.equal(phase, "Drifted")
    assert.deepEqual(
      drift.map((row: Json) => [row.path, row.action]),
      Object.keys(labels).map((label) => [`metadata.labels["${label}"]`, "left"]),
    )
    assert.notProperty((await one.live()).metadata.labels, "nopea.io/repository")
    await one.set({ healPolicy: "auto" })
    await one.waitFor(
      "has them again",
      (l) => l.metadata.labels["nopea.io/repository"] === one.name,
    )
    await one.synced()
  })

  it("and the hash, both removed, are told and left under manual, and healed under auto", async () => {
    const one = await Drifting.deployment(here, "stripped", MANUAL)
    const since = await markAudit()
    const { labels, annotations } = (await one.live()).metadata
    const none = (from: Json) => Object.fromEntries(Object.keys(from).map((key) => [key, null]))
    await here.api.patch(
      one.key,
      { metadata: { labels: none(labels), annotations: { "nopea.io/applied": null } } },
      EDIT,
    )
    assert.isDefined(annotations["nopea.io/applied"])
    await one.drifted()
    await one.look()
    const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(writes, [])
    await one.set({ healPolicy: "auto" })
    await one.waitFor(
      "has them again",
      (l) => l.metadata.labels?.["nopea.io/repository"] === one.name,
    )
    await one.synced()
  })
})

describe("nopea.io/applied", () => {
  it("edited by hand is put back, once", async () => {
    const one = await Drifting.deployment(here, "hash")
    const hash = (await one.live()).metadata.annotations["nopea.io/applied"]
    const since = await markAudit()
    await one.annotate({ "nopea.io/applied": "v1:nonsense" })
    await one.waitFor(
      "has its hash again",
      (l) => l.metadata.annotations["nopea.io/applied"] === hash,
    )
    await one.look()
    await one.look()
    const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(writes, ["patch 200"])
  })

  for (const value of ["v1:nonsense", null])
    it(`${value === null ? "removed" : "edited"} under manual writes nothing, and what else was changed stays`, async () => {
      const one = await Drifting.deployment(here, `hash-manual-${value === null ? 0 : 1}`, MANUAL)
      const since = await markAudit()
      await one.setImage("app:9")
      await one.annotate({ "nopea.io/applied": value })
      await here.api.patch(
        one.key,
        [{ op: "remove", path: "/spec/template/spec/containers/0/env" }],
        {
          ...EDIT,
          type: "json",
        },
      )
      await one.status("tells it", (s) => s.drift?.length === 3)
      await one.look()
      await here.controller.kill()
      await here.controller.start()
      await one.look()
      const live = await one.live()
      assert.deepEqual(
        [imageOf(live), live.spec.template.spec.containers[0].env],
        ["app:9", undefined],
      )
      const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
      assert.deepEqual(writes, [])
      await one.push({ "app.yaml": deployment(one.name, { image: "app:2" }) })
      await one.status("has the commit", (s) => s.lastSyncedCommit === one.commit)
      assert.equal(imageOf(await one.live()), "app:2")
    })
})
