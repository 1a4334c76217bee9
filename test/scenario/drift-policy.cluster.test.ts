// Grace periods, suspension and observation: when drift is put back, and when nothing is written at all.
import { assert, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import type { AuditMark } from "../cluster/audit.ts"
import {
  askedSince,
  Drifting,
  deployment,
  EDIT,
  envOf,
  IMAGE,
  imageOf,
  markAudit,
} from "./drifting.ts"
import { configMap, configMapKey, gitRepository, statusOf, world } from "./world.ts"

const here = world()
const ENV = "spec.template.spec.containers[name=main].env[name=LEVEL].value"
const written = async (one: Drifting, since: AuditMark) =>
  (await askedSince(since, { resource: "deployments", name: one.name })).writes
const rowOf = (status: Json, path: string): Json =>
  status.drift.find((row: Json) => row.path === path)

describe("healGracePeriod", () => {
  it("a commit of other fields lands at once, the held field waits its time", async () => {
    const one = await Drifting.deployment(here, "held", { healGracePeriod: "4s" })
    await one.setImage("app:9")
    const { drift } = await one.drifted()
    await one.push({ "app.yaml": deployment(one.name, { env: "debug", replicas: 2 }) })
    const live = await one.waitFor("has the commit", (l) => envOf(l) === "debug")
    assert.deepEqual([imageOf(live), live.spec.replicas], ["app:9", 2])
    const status = await one.status("has the commit", (s) => s.lastSyncedCommit === one.commit)
    assert.deepEqual(rowOf(status, IMAGE), drift[0])
    assert.isBelow(Date.now(), Date.parse(drift[0].until) + 1000, "all this was within the period")
    const healed = await one.waitFor("is healed", (l) => imageOf(l) === "app:1")
    assert.deepEqual([envOf(healed), healed.spec.replicas], ["debug", 2])
    await one.synced()
  })

  it("two fields of one object are put back each at its own time", async () => {
    const one = await Drifting.deployment(here, "two-times", { healGracePeriod: "4s" })
    await one.setImage("app:9")
    const first = await one.status("tells the first", (s) => s.drift?.length === 1)
    const since = Date.parse(first.drift[0].firstSeen)
    while (Date.now() < since + 2000) await one.look()
    await one.setEnv("debug")
    const both = await one.status("tells both", (s) => s.drift?.length === 2)
    assert.isAbove(Date.parse(rowOf(both, ENV).until), Date.parse(rowOf(both, IMAGE).until))
    const live = await one.waitFor("has its image again", (l) => imageOf(l) === "app:1")
    assert.equal(envOf(live), "debug")
    await one.waitFor("has its env again", (l) => envOf(l) === "info")
    await one.synced()
  })

  it("outlives a kill: what is due after it is put back then, and what is not yet is not", async () => {
    const one = await Drifting.deployment(here, "grace-kill", { healGracePeriod: "5s" })
    await one.setImage("app:9")
    const { drift } = await one.drifted()
    const since = await markAudit()
    await here.controller.kill()
    await here.controller.start()
    await one.waitFor("is healed", (l) => imageOf(l) === "app:1")
    const { at } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.equal(at.length, 1)
    assert.isAtLeast(at[0] ?? 0, Date.parse(drift[0].until))
  })

  it("is not prolonged by further edits of the same field", async () => {
    const one = await Drifting.deployment(here, "again", { healGracePeriod: "4s" })
    await one.setImage("app:8")
    const first = await one.drifted()
    await one.setImage("app:9")
    const { drift } = await one.look()
    assert.equal(drift[0].until, first.drift[0].until)
    await one.waitFor("is healed", (l) => imageOf(l) === "app:1")
  })

  it("holds what is deleted as well, and is cancelled where Git lets it go", async () => {
    const one = await Drifting.of(
      here,
      "deleted",
      {
        "app.yaml": deployment("deleted"),
        "b.yaml": configMap("deleted-b", "x"),
      },
      { healGracePeriod: "1h" },
    )
    await here.api.delete(one.key)
    const { drift } = await one.drifted()
    assert.include(drift[0], { type: "deleted", action: "held" })
    await one.push({ "app.yaml": null })
    await one.synced()
    assert.isUndefined(await one.live())
  })
})

describe("healPolicy manual", () => {
  it("a field put back by hand is drift no more, and seen again at the next edit", async () => {
    const one = await Drifting.deployment(here, "put-back", { healPolicy: "manual" })
    await one.setImage("app:9")
    await one.drifted()
    await one.setImage("app:1")
    const status = await one.look()
    assert.deepInclude(status, { phase: "Synced", driftedCount: 0 })
    const since = await markAudit()
    await one.look()
    assert.deepEqual(await written(one, since), [])
    await one.setImage("app:8")
    await one.drifted()
    assert.equal(imageOf(await one.live()), "app:8")
  })

  it("an object put back by hand is ours again; one that is something else is left", async () => {
    const one = await Drifting.deployment(here, "replaced", { healPolicy: "manual" })
    const { spec } = await one.live()
    await here.api.delete(one.key)
    await one.drifted()
    await here.api.create({ ...one.key, spec })
    const status = await one.look()
    assert.deepInclude(status, { phase: "Synced", driftedCount: 0 })
    await one.setImage("app:9")
    await one.drifted()
  })

  it("what is left is compared once, and costs no request while nothing changes", async () => {
    const spec = { healPolicy: "manual", reconcileInterval: "1s" }
    const one = await Drifting.of(here, "idle", { "b.yaml": configMap("idle-b", "x") }, spec)
    const asked = (since: AuditMark) =>
      askedSince(since, { resource: "configmaps", name: "idle-b" })
    const reconciled = async (): Promise<number> => {
      const lines = (await here.controller.says("/metrics")).split("\n")
      const name = `nopea_syncs_total{repository="${here.namespace}/idle",trigger="reconcile"`
      const counts = lines.filter((line) => line.startsWith(name))
      return counts.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)
    }
    const more = async (times: number): Promise<void> => {
      const before = await reconciled()
      await eventually(`${times} reconciles more`, async () =>
        (await reconciled()) >= before + times ? true : undefined,
      )
    }
    const since = await markAudit()
    await here.api.patch(configMapKey(here.namespace, "idle-b"), { data: { value: "y" } }, EDIT)
    await one.drifted()
    await more(1)
    const first = await asked(since)
    assert.deepEqual([first.reads, first.dryRuns, first.writes], [1, 0, []])
    const idle = await markAudit()
    await more(3)
    const none = await asked(idle)
    assert.deepEqual([none.reads, none.dryRuns, none.writes], [0, 0, []])
    await here.api.patch(configMapKey(here.namespace, "idle-b"), { data: { value: "x" } }, EDIT)
    await one.synced()
  })

  it("what was left is put back when the policy becomes auto", async () => {
    const one = await Drifting.deployment(here, "turned", { healPolicy: "manual" })
    await one.setImage("app:9")
    await one.drifted()
    await one.set({ healPolicy: "auto" })
    await one.waitFor("is healed", (l) => imageOf(l) === "app:1")
    await one.synced()
  })
})

describe("spec.suspend", () => {
  it("stops healing and Git; what happened meanwhile is put right when it ends", async () => {
    const one = await Drifting.of(here, "suspended", {
      "app.yaml": deployment("suspended"),
      "b.yaml": configMap("suspended-b", "x"),
    })
    await one.set({ suspend: true })
    await one.status("is Suspended", (s) => s.phase === "Suspended")
    const since = await markAudit()
    await one.setImage("app:9")
    await here.api.delete(configMapKey(here.namespace, "suspended-b"))
    await one.push({ "app.yaml": deployment(one.name, { env: "debug" }) })
    const bystander = await Drifting.deployment(here, "bystander")
    await bystander.setImage("app:9")
    await bystander.healed()
    assert.deepEqual([imageOf(await one.live()), envOf(await one.live())], ["app:9", "info"])
    assert.deepEqual(await written(one, since), [])
    await one.set({ suspend: false })
    await one.synced()
    assert.deepEqual([imageOf(await one.live()), envOf(await one.live())], ["app:1", "debug"])
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "suspended-b")))
  })
})

describe("spec.dryRun", () => {
  it("tells what drifted and was deleted, and writes nothing, before and after a restart", async () => {
    const one = await Drifting.of(here, "observed", {
      "app.yaml": deployment("observed"),
      "b.yaml": configMap("observed-b", "x"),
    })
    await one.set({ dryRun: true })
    await one.look()
    const since = await markAudit()
    await one.setImage("app:9")
    await here.api.delete(configMapKey(here.namespace, "observed-b"))
    const isTold = (s: Json) =>
      (s.plan ?? [])
        .map((row: Json) => `${row.action} ${row.object}`)
        .sort()
        .join() ===
      [
        `healed /ConfigMap/${here.namespace}/observed-b`,
        `healed apps/Deployment/${here.namespace}/observed`,
      ]
        .sort()
        .join()
    await one.status("plans both heals", isTold)
    await here.controller.kill()
    await here.controller.start()
    assert.isTrue(isTold(await one.look()))
    const asked = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(asked.writes, [])
    assert.deepEqual(
      (await askedSince(since, { resource: "configmaps", name: "observed-b" })).writes,
      [],
    )
    await one.set({ dryRun: false })
    await one.waitFor("is healed", (l) => imageOf(l) === "app:1")
    await one.synced()
  })

  it("from the first moment creates nothing", async () => {
    const repo = await here.git.createRepo("observer")
    await repo.commit({ "app.yaml": deployment("observer") })
    const since = await markAudit()
    await here.api.apply(gitRepository(here, "observer", repo.url, { dryRun: true }))
    const status = await statusOf(here, "observer", "plans it", (s) => s.plan?.length === 1)
    assert.include(status.plan[0], { action: "created" })
    assert.deepEqual(
      (await askedSince(since, { resource: "deployments", name: "observer" })).writes,
      [],
    )
    await here.api.patch(
      gitRepository(here, "observer", repo.url),
      { spec: { suspend: true } },
      EDIT,
    )
  })
})
