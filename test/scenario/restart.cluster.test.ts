import { assert, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import { lifeOf } from "./life.ts"
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

/** At home, so that the key of its Secrets' hashes outlives it. */
const here = world({ isAtHome: true })

const startupSyncs = async (name: string): Promise<ReadonlyArray<Json>> =>
  (await here.controller.lines()).filter(
    ({ message, repository, trigger }) =>
      message === "sync finished" &&
      repository === `${here.namespace}/${name}` &&
      trigger === "startup",
  )

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
    await here.controller.start()
    assert.deepEqual(
      own.filter(({ verb }) => !["get", "list", "watch"].includes(verb)).map((e) => e.verb),
      [],
    )
  })

  it("asks once per kind, custom kinds too, and writes nothing when it comes back to an unchanged world", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const repo = await here.git.createRepo("kinds")
    const { phases, group, remains } = lifeOf(here.namespace, "kinds")
    const [phase] = phases
    const commit = await repo.commit(phase.files)
    await here.api.apply(gitRepository(here, "kinds", repo.url))
    const { inventoryKinds } = await synced(here, "kinds", commit)
    assert.deepEqual(inventoryKinds, phase.inventoryKinds)
    await here.controller.kill()
    const mark = await markAudit()
    const before = (await startupSyncs("kinds")).length
    await here.controller.start()
    const [sync] = await eventually("the startup sync has ended", async () => {
      const ended = (await startupSyncs("kinds")).slice(before)
      return ended.length > 0 ? ended : undefined
    })
    await here.controller.stop()
    const all = await audit({ userAgent: "nopea/", since: mark })
    await here.controller.start()
    assert.deepInclude(sync, { phase: "Synced", created: 0, configured: 0, deleted: 0, healed: 0 })
    // Secrets are not watched: they are listed for each repository.
    const own = `nopea.io/repository=kinds,nopea.io/repository-namespace=${here.namespace}`
    const lists = all.filter(({ verb, requestURI }) => {
      const selector = new URLSearchParams(requestURI.split("?")[1]).get("labelSelector")
      return verb === "list" && (selector === "nopea.io/repository" || selector === own)
    })
    assert.deepEqual(lists.map(({ apiGroup, resource }) => `${apiGroup}/${resource}`).sort(), [
      "/configmaps",
      "/namespaces",
      "/secrets",
      "/services",
      "apiextensions.k8s.io/customresourcedefinitions",
      "apps/deployments",
      `${group}/widgets`,
    ])
    const isOurs = ({ namespace, name }: { namespace: string; name: string }) =>
      `${namespace}/${name}`.includes(here.namespace)
    const writes = all.filter((e) => isOurs(e) && !["get", "list", "watch"].includes(e.verb))
    assert.deepEqual(
      writes.map(({ verb, resource, name }) => `${verb} ${resource}/${name}`),
      [],
    )
    await here.api.delete(repositoryKey(here.namespace, "kinds"))
    for (const key of remains) await here.api.delete(key)
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
