// Drift while the Git server does not answer: the cluster is kept as the commit known before says.
import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import { status } from "../gitserver/failures.ts"
import { conditionOf, Drifting, deployment, imageOf } from "./drifting.ts"
import { world } from "./world.ts"

const here = world()

const isGitFailed = (found: Json): boolean =>
  found.phase === "Failed" && conditionOf(found, "Ready")?.reason === "GitFailed"

describe("while the Git server does not answer", () => {
  it("edits and deletions are healed, GitFailed stands, and the server is asked on as before", async () => {
    const one = await Drifting.deployment(here, "offline", { interval: "2s" })
    one.repo.fail(status(503))
    await one.status("is GitFailed", isGitFailed)
    await one.setImage("app:9")
    await one.waitFor("is as Git said", (live) => imageOf(live) === "app:1")
    const told = await one.status("tells the heal", (s) => s.history?.[0]?.healed === 1)
    assert.isTrue(isGitFailed(told), JSON.stringify(told.conditions))
    assert.equal(conditionOf(told, "Reconciling")?.status, "True")
    assert.equal(told.lastSyncedCommit, one.commit)
    const { uid } = (await one.live()).metadata
    await here.api.delete(one.key)
    await one.waitFor("is there again", (live) => live !== undefined && live.metadata.uid !== uid)
    const again = await one.status("tells the second heal", (s) => s.history?.[1]?.healed === 1)
    assert.isTrue(isGitFailed(again), JSON.stringify(again.conditions))
    one.repo.recover()
    one.commit = await one.repo.commit({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    const synced = await one.synced()
    assert.equal(conditionOf(synced, "Ready")?.reason, "Succeeded")
    assert.deepEqual(synced.failures, [])
    assert.equal(imageOf(await one.live()), "app:2")
  })

  it("a controller that starts then heals as the commit synced last says, from its mirror", async () => {
    const one = await Drifting.deployment(here, "started", { interval: "2s" })
    await here.controller.kill()
    one.repo.fail(status(503))
    await here.api.delete(one.key)
    await here.controller.start()
    await one.waitFor("is there again", (live) => live !== undefined)
    await one.status("is GitFailed", isGitFailed)
    await one.setImage("app:9")
    await one.waitFor("is as Git said", (live) => imageOf(live) === "app:1")
    const told = await one.status("tells the heals", (s) => s.history?.[1]?.healed === 1)
    assert.isTrue(isGitFailed(told), JSON.stringify(told.conditions))
    assert.equal(conditionOf(told, "Reconciling")?.status, "True")
    one.repo.recover()
    one.commit = await one.repo.commit({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    await one.synced()
    assert.equal(imageOf(await one.live()), "app:2")
  })

  it("what was deleted on purpose is left by a controller that starts, also after a sync that failed", async () => {
    const one = await Drifting.deployment(here, "purpose", {
      interval: "2s",
      healPolicy: "manual",
    })
    one.repo.fail(status(503))
    await one.status("is GitFailed", isGitFailed)
    await here.controller.kill()
    await here.api.delete(one.key)
    one.repo.recover()
    one.commit = await one.repo.commit({ "README.md": "nothing of the cluster" })
    await here.controller.start()
    const told = await one.status("goes on", (s) => s.lastSyncedCommit === one.commit)
    assert.deepInclude(told.drift[0], { type: "deleted", action: "left" })
    assert.isUndefined(await one.live())
  })

  it("drift of before is healed once its grace period ends", async () => {
    const spec = { interval: "2s", healGracePeriod: "6s" }
    const one = await Drifting.deployment(here, "patient", spec)
    await one.setImage("app:9")
    await one.drifted()
    one.repo.fail(status(503))
    const failed = await one.status("is GitFailed", isGitFailed)
    assert.equal(failed.drift[0]?.action, "held")
    await one.waitFor("is as Git said", (live) => imageOf(live) === "app:1")
    const told = await one.status("tells the heal", (s) => s.history?.[0]?.healed === 1)
    assert.isTrue(isGitFailed(told), JSON.stringify(told.conditions))
    assert.deepEqual(told.drift, [])
    one.repo.recover()
    await one.synced()
  })
})
