import { assert, describe, it } from "vitest"
import type { AuditMark } from "../cluster/audit.ts"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world()

const deployment = (name: string, replicas: number): string => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
      - {name: main, image: "registry.example/${name}:1"}
`

/** Writes of the controller to objects of this namespace, other than status and events. */
const writes = async (since: AuditMark): Promise<ReadonlyArray<string>> => {
  const entries = await audit({ userAgent: "nopea/", namespace: here.namespace, since })
  return entries
    .filter(({ verb }) => !["get", "list", "watch"].includes(verb))
    .filter(({ resource }) => resource !== "events" && resource !== "gitrepositories")
    .map(({ verb, resource, name }) => `${verb} ${resource}/${name}`)
}

describe("from Git to the cluster", () => {
  it("a first sync applies everything and says so in the status", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("first")
    const commit = await repo.commit(
      { "app/deployment.yaml": deployment("web", 2), "app/config.yaml": configMap("web", "one") },
      { message: "web: first\n\nbody" },
    )
    await here.api.apply(gitRepository(here, "first", repo.url, { path: "app" }))
    const status = await synced(here, "first", commit)
    assert.deepInclude(status, { resourceCount: 2, appliedCount: 2, observedGeneration: 1 })
    assert.deepInclude(status.commit, { sha: commit, message: "web: first" })
    assert.deepEqual(status.inventoryKinds, ["/ConfigMap", "apps/Deployment"])
    const ready = status.conditions.find((c: { type: string }) => c.type === "Ready")
    assert.deepInclude(ready, { status: "True", reason: "Succeeded" })

    const live = await here.api.get({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: here.namespace },
    })
    assert.strictEqual(live.spec.replicas, 2)
    assert.deepInclude(live.metadata.labels, {
      "nopea.io/repository": "first",
      "nopea.io/repository-namespace": here.namespace,
      "app.kubernetes.io/managed-by": "nopea",
    })
    assert.match(live.metadata.annotations["nopea.io/applied"], /^v1:/u)
    assert.strictEqual(live.metadata.managedFields[0].manager, "nopea")
  })

  it("a push becomes one request on the one object that changed", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const repo = await here.git.createRepo("push")
    const files = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`c${i}.yaml`, configMap(`push-${i}`, "old")]),
    )
    const before = await repo.commit(files)
    await here.api.apply(gitRepository(here, "push", repo.url))
    await synced(here, "push", before)
    const mark = await markAudit()
    const after = await repo.commit({ "c7.yaml": configMap("push-7", "new") })
    await requestSync(here, "push")
    const status = await synced(here, "push", after)
    assert.deepEqual(await writes(mark), ["patch configmaps/push-7"])
    assert.deepInclude(status.history[0], { commit: after, configured: 1, created: 0 })
    const live = await here.api.get(configMapKey(here.namespace, "push-7"))
    assert.strictEqual(live.data.value, "new")
  })

  it("a poll finds a push by itself", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("poll")
    await repo.commit({ "a.yaml": configMap("poll", "old") })
    await here.api.apply(gitRepository(here, "poll", repo.url, { interval: "1s" }))
    await statusOf(here, "poll", "is Synced", (status) => status.phase === "Synced")
    const after = await repo.commit({ "a.yaml": configMap("poll", "new") })
    await synced(here, "poll", after)
  })

  it("an object whose file is removed is pruned, a protected one stays", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("prune")
    const keep = configMap("kept", "x", "  annotations: {nopea.io/prune: disabled}\n")
    const before = await repo.commit({
      "a.yaml": configMap("stays", "x"),
      "b.yaml": configMap("goes", "x"),
      "c.yaml": keep,
    })
    await here.api.apply(gitRepository(here, "prune", repo.url))
    await synced(here, "prune", before)
    const after = await repo.commit({ "b.yaml": null, "c.yaml": null })
    await requestSync(here, "prune")
    const status = await synced(here, "prune", after)
    assert.strictEqual(status.history[0].pruned, 1)
    await here.api.waitForGone(configMapKey(here.namespace, "goes"))
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "stays")))
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "kept")))
  })

  it("a broken commit is reported with file and line, and changes nothing", async (context) => {
    explainFailure(here)
    const repo = await here.git.createRepo("broken")
    const good = await repo.commit({
      "a.yaml": configMap("broken-a", "x"),
      "b.yaml": configMap("broken-b", "x"),
    })
    await here.api.apply(gitRepository(here, "broken", repo.url))
    await synced(here, "broken", good)
    const mark = cluster().hasAudit ? await markAudit() : context.skip("needs the audit log")
    const bad = await repo.commit({
      "a.yaml": null,
      "b.yaml": `${configMap("broken-b", "x")}---\nkind: [unclosed\n`,
    })
    await requestSync(here, "broken")
    const status = await statusOf(here, "broken", "is Failed", (s) => s.phase === "Failed")
    assert.strictEqual(status.lastSyncedCommit, good)
    assert.strictEqual(status.lastAttemptedCommit, bad)
    assert.deepInclude(status.failures[0], { file: "b.yaml", document: 2 })
    assert.match(status.failures[0].code, /^NOPEA-R/u)
    assert.isNumber(status.failures[0].line)
    assert.isNotEmpty(status.failures[0].fix)
    assert.deepEqual(await writes(mark), [])
    const fixed = await repo.commit({ "b.yaml": configMap("broken-b", "y") })
    await requestSync(here, "broken")
    const well = await synced(here, "broken", fixed)
    assert.isTrue(well.failures === undefined || well.failures.length === 0)
    await here.api.waitForGone(configMapKey(here.namespace, "broken-a"))
  })

  it("one bad object does not keep the others from being applied", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("partial")
    const commit = await repo.commit({
      "a.yaml": configMap("partial-a", "x"),
      "b.yaml": deployment("partial", 1).replace("replicas", "replcas"),
      "c.yaml": configMap("partial-c", "x"),
      "d.yaml": "apiVersion: example.com/v1\nkind: Unheard\nmetadata: {name: of}\n",
    })
    await here.api.apply(gitRepository(here, "partial", repo.url))
    const status = await statusOf(here, "partial", "is Failed", (s) => s.phase === "Failed")
    assert.isUndefined(status.lastSyncedCommit)
    assert.strictEqual(status.lastAttemptedCommit, commit)
    assert.deepInclude(status, { resourceCount: 4, appliedCount: 2 })
    const byFile = Object.fromEntries(
      status.failures.map((f: { file: string; reason: string }) => [f.file, f.reason]),
    )
    assert.include(byFile["b.yaml"], "replcas")
    assert.include(byFile["d.yaml"], "Unheard")
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "partial-a")))
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "partial-c")))
  })

  it("the status is written on change only, never in a loop with its own watch", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const repo = await here.git.createRepo("quiet")
    const commit = await repo.commit({ "a.yaml": configMap("quiet", "x") })
    await here.api.apply(gitRepository(here, "quiet", repo.url, { interval: "1s" }))
    await synced(here, "quiet", commit)
    const mark = await markAudit()
    const polls = () => here.git.log.filter((r) => r.repo === "quiet" && r.command === "ls-refs")
    const seen = polls().length
    await here.git.waitForRequest(
      (r) => r.repo === "quiet" && r.command === "ls-refs" && polls().length >= seen + 3,
    )
    const own = await audit({ userAgent: "nopea/", name: "quiet", since: mark })
    assert.deepEqual(
      own.filter(({ verb }) => verb !== "get" && verb !== "watch"),
      [],
    )
  })

  it("both annotations ask for a sync, and each request is acknowledged", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("ask")
    const commit = await repo.commit({ "a.yaml": configMap("ask", "x") })
    await here.api.apply(gitRepository(here, "ask", repo.url))
    await synced(here, "ask", commit)
    for (const annotation of [
      "nopea.io/reconcile-requested-at",
      "reconcile.fluxcd.io/requestedAt",
    ]) {
      const token = await requestSync(here, "ask", annotation)
      await statusOf(here, "ask", "answers the request", (s) =>
        String(s.lastHandledReconcileAt).includes(token),
      )
    }
  })

  it("an object that somebody deleted comes back with the next reconcile", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("deleted")
    const commit = await repo.commit({ "a.yaml": configMap("deleted", "x") })
    await here.api.apply(gitRepository(here, "deleted", repo.url, { reconcileInterval: "1s" }))
    await synced(here, "deleted", commit)
    await here.api.delete(configMapKey(here.namespace, "deleted"))
    await here.api.waitFor(configMapKey(here.namespace, "deleted"), (live) => live !== undefined, {
      until: "is there again",
    })
  })

  it("an object that somebody deleted comes back with a sync on request, long before the reconcile", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("asked")
    const commit = await repo.commit({ "a.yaml": configMap("asked", "x") })
    await here.api.apply(gitRepository(here, "asked", repo.url))
    await synced(here, "asked", commit)
    await here.api.delete(configMapKey(here.namespace, "asked"))
    await requestSync(here, "asked")
    await here.api.waitFor(configMapKey(here.namespace, "asked"), (live) => live !== undefined, {
      until: "is there again",
    })
  })

  it("suspend stops syncing, resume picks up what was pushed meanwhile", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("pause")
    const before = await repo.commit({ "a.yaml": configMap("pause", "old") })
    await here.api.apply(gitRepository(here, "pause", repo.url))
    await synced(here, "pause", before)
    const key = repositoryKey(here.namespace, "pause")
    await here.api.patch(key, { spec: { suspend: true } })
    await statusOf(here, "pause", "is Suspended", (s) => s.phase === "Suspended")
    const after = await repo.commit({ "a.yaml": configMap("pause", "new") })
    await requestSync(here, "pause")
    await here.api.patch(key, { spec: { suspend: false } })
    await synced(here, "pause", after)
  })

  it("a deleted GitRepository leaves its objects", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("orphan")
    const commit = await repo.commit({ "a.yaml": configMap("orphan", "x") })
    await here.api.apply(gitRepository(here, "orphan", repo.url))
    await synced(here, "orphan", commit)
    await here.api.delete(repositoryKey(here.namespace, "orphan"))
    await here.api.waitForGone(repositoryKey(here.namespace, "orphan"))
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "orphan")))
  })

  it("a dry run plans and writes nothing", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("dry")
    await repo.commit({ "a.yaml": configMap("dry", "x") })
    await here.api.apply(gitRepository(here, "dry", repo.url, { dryRun: true }))
    const status = await statusOf(here, "dry", "has a plan", (s) => s.plan?.length > 0)
    assert.deepInclude(status.plan[0], {
      object: `/ConfigMap/${here.namespace}/dry`,
      action: "created",
    })
    assert.isUndefined(await here.api.get(configMapKey(here.namespace, "dry")))
  })
})
