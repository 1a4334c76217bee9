// Break-glass: while a person works on an object, neither healing nor Git nor pruning touches it.
import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import type { AuditMark } from "../cluster/audit.ts"
import {
  askedSince,
  containersOf,
  Drifting,
  deployment,
  EDIT,
  IMAGE,
  imageOf,
  markAudit,
} from "./drifting.ts"
import { configMap, configMapKey, world } from "./world.ts"

const here = world()
const SUSPEND = "nopea.io/suspend-heal"
const REASON = "nopea.io/suspend-heal-reason"
const written = async (one: Drifting, since: AuditMark) =>
  (await askedSince(since, { resource: "deployments", name: one.name })).writes
const suspended = (count: number) => (status: Json) => status.suspendedCount === count
const events = async (one: Drifting): Promise<ReadonlyArray<string>> =>
  (await here.api.list({ apiVersion: "v1", kind: "Event", namespace: here.namespace }))
    .filter(({ involvedObject }) => involvedObject.name === one.name)
    .map(({ message }) => String(message))
const within = (ms: number) => new Date(Date.now() + ms).toISOString()

describe("break-glass", () => {
  it("keeps healing, Git and a prune off, says why, and is over when it is removed", async () => {
    const one = await Drifting.of(here, "all-off", {
      "app.yaml": deployment("all-off"),
      "b.yaml": configMap("all-off-b", "x"),
    })
    const since = await markAudit()
    await one.annotate({ [SUSPEND]: "true", [REASON]: "INC-7" })
    await one.setImage("app:9")
    await one.status("counts it", suspended(1))
    await one.push({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    await one.status("has tried the commit", (s) => s.lastAttemptedCommit === one.commit)
    await one.push({ "app.yaml": null })
    const status = await one.status(
      "has tried to prune",
      (s) => s.lastAttemptedCommit === one.commit,
    )
    assert.equal(status.suspendedCount, 1)
    assert.isAbove((await events(one)).filter((text) => text.includes("INC-7")).length, 0)
    assert.equal(imageOf(await one.live()), "app:9")
    assert.deepEqual(await written(one, since), [])
    await one.annotate({ [SUSPEND]: null, [REASON]: null })
    await here.api.waitForGone(one.key, 15_000)
  })

  for (const value of ["yes", "tomorrow", "2026-13-45T99:00:00Z", "1800000000"])
    it(`holds with the unreadable value ${value}, and says so`, async () => {
      const one = await Drifting.deployment(here, `odd-${value.slice(0, 4).toLowerCase()}`)
      const since = await markAudit()
      await one.annotate({ [SUSPEND]: value })
      await one.setImage("app:9")
      const status = await one.look()
      assert.equal(status.suspendedCount, 1)
      assert.equal(imageOf(await one.live()), "app:9")
      assert.deepEqual(await written(one, since), [])
      await one.annotate({ [SUSPEND]: "false" })
      await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
    })

  it("that is over already, or false, or empty, holds nothing", async () => {
    const one = await Drifting.deployment(here, "over")
    for (const [nth, value] of [within(-60_000), "false", ""].entries()) {
      await one.annotate({ [SUSPEND]: value })
      await one.setImage(`app:9${nth}`)
      await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
    }
  })

  it("goes on after a restart, and ends by itself at its time, also when no controller ran then", async () => {
    const one = await Drifting.deployment(here, "timed")
    const since = await markAudit()
    const until = within(6000)
    await one.annotate({ [SUSPEND]: until })
    await one.setImage("app:9")
    await one.status("counts it", suspended(1))
    await here.controller.kill()
    await here.controller.start()
    await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
    await one.status("counts none", suspended(0))
    const { at } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.isAbove(Math.min(...at), Date.parse(until))
  })

  it("in Git is left out with a warning, and holds nothing", async () => {
    const metadata = `  annotations: {"${SUSPEND}": "true", "${REASON}": "from Git"}\n`
    const one = await Drifting.deployment(here, "in-git", {}, { metadata })
    assert.notProperty((await one.live()).metadata.annotations, SUSPEND)
    const told = (await events(one)).filter((text) => text.includes(SUSPEND))
    const logged = (await here.controller.lines()).filter(
      (l) =>
        JSON.stringify(l).includes("in-git") &&
        JSON.stringify(l).includes("counts on the live object only"),
    )
    assert.isAbove(told.length + logged.length, 0, "it is told somewhere")
    await one.setImage("app:9")
    await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
    await one.annotate({ [SUSPEND]: "true" })
    await one.setImage("app:9")
    const status = await one.look()
    assert.equal(status.suspendedCount, 1)
    assert.equal(imageOf(await one.live()), "app:9")
  })

  it("set during a grace period outlasts it", async () => {
    const one = await Drifting.deployment(here, "in-grace", { healGracePeriod: "3s" })
    const since = await markAudit()
    await one.setImage("app:9")
    const { drift } = await one.drifted()
    await one.annotate({ [SUSPEND]: "true" })
    await one.status("counts it", suspended(1))
    const over = Date.parse(drift[0].until) + 500
    while (Date.now() < over) await one.look()
    assert.equal(imageOf(await one.live()), "app:9")
    assert.deepEqual(await written(one, since), [])
    await one.annotate({ [SUSPEND]: null })
    await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
  })

  it("set together with the edit, or right after it, wins over the heal", async () => {
    for (let nth = 0; nth < 8; nth++) {
      const one = await Drifting.deployment(here, `race-${nth}`)
      const since = await markAudit()
      const containers = [{ name: "main", image: "registry.example/app:9" }]
      const edit = { spec: { template: { spec: { containers } } } }
      const options = { ...EDIT, type: "strategic" } as const
      await here.api.patch(one.key, edit, options)
      await one.annotate({ [SUSPEND]: "true" })
      const before = await one.live()
      await one.status("counts it", suspended(1))
      await one.look()
      const after = await one.live()
      assert.equal(imageOf(after), imageOf(before), "nothing was written once it was set")
      const done = (await written(one, since)).filter((write) => write === "patch 200")
      assert.isAtMost(done.length, imageOf(before) === "app:1" ? 1 : 0)
    }
  })

  it("keeps what somebody added, and lets it be removed afterwards", async () => {
    const one = await Drifting.deployment(here, "addition")
    await one.annotate({ [SUSPEND]: "true" })
    const containers = [{ name: "extra", image: "registry.example/extra:1" }]
    await here.api.patch(
      one.key,
      { spec: { template: { spec: { containers } } } },
      { ...EDIT, type: "strategic" },
    )
    const status = await one.look()
    assert.equal(containersOf(await one.live()).length, 2)
    assert.include(status.drift[0], { type: "added", action: "held" })
    await one.annotate({ [SUSPEND]: null })
    await one.waitFor("has one container", (live) => containersOf(live).length === 1)
  })

  it("on one object leaves the others to Git and healing", async () => {
    const one = await Drifting.of(here, "beside", {
      "app.yaml": deployment("beside"),
      "b.yaml": configMap("beside-b", "x"),
    })
    await one.annotate({ [SUSPEND]: "true" })
    await one.setImage("app:9")
    const other = configMapKey(here.namespace, "beside-b")
    await here.api.patch(other, { data: { value: "edited" } }, EDIT)
    await one.waitFor("is healed", (live) => live.data.value === "x", other)
    const { drift } = await one.look()
    assert.deepEqual(
      drift.map((row: Json) => [row.path, row.action]),
      [[IMAGE, "held"]],
    )
  })
})
