import { assert, describe, it } from "vitest"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  synced,
  world,
} from "./world.ts"

const here = world()

describe("a controller that stops and starts", () => {
  it("ends with 0 on SIGTERM and writes nothing when it comes back to an unchanged world", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const repo = await here.git.createRepo("calm")
    const commit = await repo.commit({ "a.yaml": configMap("calm", "x") })
    await here.api.apply(gitRepository(here, "calm", repo.url))
    await synced(here, "calm", commit)
    assert.strictEqual(await here.controller.stop(), 0)
    const mark = await markAudit()
    await here.controller.start()
    await here.git.waitForRequest((r) => r.repo === "calm" && r.command === "ls-refs")
    await here.controller.stop()
    const own = await audit({ userAgent: "nopea/", namespace: here.namespace, since: mark })
    assert.deepEqual(
      own.filter(({ verb }) => !["get", "list", "watch"].includes(verb)).map((e) => e.verb),
      [],
    )
    await here.controller.start()
  })

  it("catches up with a push, a prune and a new GitRepository that came while it was down", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("missed")
    const before = await repo.commit({
      "a.yaml": configMap("missed-a", "old"),
      "b.yaml": configMap("missed-b", "old"),
    })
    await here.api.apply(gitRepository(here, "missed", repo.url))
    await synced(here, "missed", before)
    await here.controller.kill()
    const after = await repo.commit({ "a.yaml": configMap("missed-a", "new"), "b.yaml": null })
    const other = await here.git.createRepo("born")
    const first = await other.commit({ "a.yaml": configMap("born", "x") })
    await here.api.apply(gitRepository(here, "born", other.url))
    await here.controller.start()
    await synced(here, "missed", after)
    await synced(here, "born", first)
    await here.api.waitForGone(configMapKey(here.namespace, "missed-b"))
  })

  it("forgets a GitRepository that was deleted while it was down, and leaves its objects", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("left")
    const commit = await repo.commit({ "a.yaml": configMap("left", "x") })
    await here.api.apply(gitRepository(here, "left", repo.url))
    await synced(here, "left", commit)
    await here.controller.kill()
    await here.api.delete(repositoryKey(here.namespace, "left"))
    await here.controller.start()
    assert.strictEqual(await here.controller.probe("/health"), 200)
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "left")))
  })

  it("loses its mirrors and goes on", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("mirror")
    const before = await repo.commit({ "a.yaml": configMap("mirror", "old") })
    await here.api.apply(gitRepository(here, "mirror", repo.url))
    await synced(here, "mirror", before)
    await here.controller.loseMirrors()
    const after = await repo.commit({ "a.yaml": configMap("mirror", "new") })
    await requestSync(here, "mirror")
    await synced(here, "mirror", after)
  })
})
