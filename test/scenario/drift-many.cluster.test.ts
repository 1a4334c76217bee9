// Drift in numbers: more objects than a status lists, a storm of edits, and nothing at all.
import { assert, describe, it } from "vitest"
import { eventually } from "../cluster/Api.ts"
import type { AuditMark } from "../cluster/audit.ts"
import { audit } from "../cluster/connect.ts"
import { askedSince, Drifting, EDIT, markAudit } from "./drifting.ts"
import { configMap, configMapKey, world } from "./world.ts"

/** Only then is a sync that found nothing in the log. */
const here = world({ env: { NOPEA_LOG_LEVEL: "debug" } })
const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, nth) => `${prefix}-${String(nth).padStart(3, "0")}`)
const filesOf = (all: ReadonlyArray<string>, value = "git") =>
  Object.fromEntries(all.map((name) => [`${name}.yaml`, configMap(name, value)]))
const edit = (all: ReadonlyArray<string>) =>
  Promise.all(
    all.map((name) =>
      here.api.patch(configMapKey(here.namespace, name), { data: { value: "edited" } }, EDIT),
    ),
  )
const valuesOf = async (prefix: string): Promise<ReadonlySet<string>> => {
  const all = await here.api.list({
    apiVersion: "v1",
    kind: "ConfigMap",
    namespace: here.namespace,
  })
  return new Set(
    all
      .filter(({ metadata }) => metadata.name.startsWith(`${prefix}-`))
      .map(({ data }) => data.value),
  )
}

describe("70 drifted objects", () => {
  it("are counted, 50 are listed, one of each; the policy's change heals all of them", async () => {
    const all = names("listed", 70)
    const one = await Drifting.of(here, "listed", filesOf(all), { healPolicy: "manual" })
    await edit(all)
    const status = await one.status("counts them", (s) => s.driftedCount === 70)
    assert.equal(status.phase, "Drifted")
    assert.equal(status.drift.length, 50)
    assert.equal(new Set(status.drift.map(({ object }: { object: string }) => object)).size, 50)
    assert.deepInclude(status, { resourceCount: 70 })
    await here.controller.kill()
    await here.controller.start()
    assert.equal((await one.look()).driftedCount, 70)
    assert.deepEqual(await valuesOf("listed"), new Set(["edited"]))
    await one.set({ healPolicy: "auto" })
    await one.synced()
    assert.deepEqual(await valuesOf("listed"), new Set(["git"]))
  })
})

describe("a storm of 300 edits", () => {
  it("is healed, each object with one write, while another repository's push goes live", async () => {
    const all = names("storm", 300)
    const one = await Drifting.of(here, "storm", filesOf(all))
    const other = await Drifting.of(here, "still", { "a.yaml": configMap("still", "one") })
    const since = await markAudit()
    const storm = edit(all)
    const push = other.push({ "a.yaml": configMap("still", "two") })
    await Promise.all([storm, push])
    await other.synced()
    await one.status(
      "is Synced after heals",
      (s) => s.phase === "Synced" && s.driftedCount === 0 && s.history[0].healed > 0,
    )
    await eventually("all is as Git says", async () =>
      (await valuesOf("storm")).has("edited") ? undefined : true,
    )
    await one.look()
    const { writes } = await askedSince(since, {
      resource: "configmaps",
      namespace: here.namespace,
    })
    assert.equal(writes.length, 301)
  })
})

describe("200 objects in which nothing changes", () => {
  it("cost no request at reconciles, and at a restart none about any one of them", async () => {
    const all = names("idle", 200)
    const one = await Drifting.of(here, "idle", filesOf(all), { reconcileInterval: "2s" })
    const since = await markAudit()
    const reconciles = async () =>
      (await here.controller.lines()).filter(
        (l) =>
          l.message === "sync finished" &&
          l.repository?.endsWith("/idle") &&
          l.trigger === "reconcile",
      ).length
    const before = await reconciles()
    await eventually("three reconciles", async () =>
      (await reconciles()) >= before + 3 ? true : undefined,
    )
    const about = (mark: AuditMark) =>
      audit({ userAgent: "nopea/", resource: "configmaps", since: mark })
    assert.deepEqual(
      (await about(since)).map(({ verb, requestURI }) => `${verb} ${requestURI}`),
      [],
    )
    await here.controller.kill()
    const again = await markAudit()
    await here.controller.start()
    assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
    const verbs = (await about(again)).map(({ verb }) => verb)
    assert.notInclude(verbs, "patch")
    assert.notInclude(verbs, "get")
  })
})
