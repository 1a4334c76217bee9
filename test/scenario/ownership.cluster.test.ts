import { assert, describe, it } from "vitest"
import type { AuditMark } from "../cluster/audit.ts"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import { stall } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
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

const LABELS = ["repository", "repository-namespace", "repository-uid"].map((l) => `nopea.io/${l}`)

const live = (name: string) => here.api.get(configMapKey(here.namespace, name))
const uidOf = async (name: string): Promise<string> => (await live(name)).metadata.uid

const ownedBy = (name: string, owner: string) =>
  here.api.waitFor(
    configMapKey(here.namespace, name),
    (found) => found?.metadata.labels?.["nopea.io/repository"] === owner,
    { until: `belongs to ${owner}`, deadlineMs: 40_000 },
  )

/** Deletes of one ConfigMap since, by anybody. */
const deletes = async (name: string, since: AuditMark): Promise<number> => {
  const entries = await audit({ namespace: here.namespace, name, since })
  return entries.filter((e) => e.verb === "delete" && e.resource === "configmaps").length
}

/** Two repositories: `a` holds x and its own y, `b` holds its own z. */
const pair = async (
  tag: string,
  spec: Record<string, unknown> = {},
): Promise<{ a: GitRepo; b: GitRepo }> => {
  const a = await here.git.createRepo(`${tag}-a`)
  const b = await here.git.createRepo(`${tag}-b`)
  const inA = await a.commit({
    "x.yaml": configMap(`${tag}-x`, "a"),
    "y.yaml": configMap(`${tag}-y`, "a"),
  })
  const inB = await b.commit({ "z.yaml": configMap(`${tag}-z`, "b") })
  await here.api.apply(gitRepository(here, `${tag}-a`, a.url, spec))
  await here.api.apply(gitRepository(here, `${tag}-b`, b.url, spec))
  await synced(here, `${tag}-a`, inA)
  await synced(here, `${tag}-b`, inB)
  return { a, b }
}

const failing = (name: string, code: string) =>
  statusOf(here, name, `fails with ${code}`, (status) =>
    status.failures?.some((f: { code: string }) => f.code === code),
  )

describe("an object that two GitRepositories have in Git", () => {
  it("stays with the first; the second says both names, applies everything else, and gets it when it is let go", async () => {
    explainFailure(here)
    const { a, b } = await pair("both")
    const uid = await uidOf("both-x")
    const mark = await markAudit()
    const inB = await b.commit({
      "x.yaml": configMap("both-x", "b"),
      "w.yaml": configMap("both-w", "b"),
    })
    await requestSync(here, "both-b")
    const status = await failing("both-b", "NOPEA-A042")
    const failure = status.failures[0]
    assert.include(failure.reason, `${here.namespace}/both-a`)
    assert.include(failure.reason, `${here.namespace}/both-b`)
    assert.deepInclude(failure, { file: "x.yaml", object: `/ConfigMap/${here.namespace}/both-x` })
    assert.strictEqual((await live("both-w")).data.value, "b")
    assert.strictEqual((await live("both-x")).data.value, "a")

    const inA = await a.commit({ "x.yaml": null })
    await requestSync(here, "both-a")
    await ownedBy("both-x", "both-b")
    await synced(here, "both-b", inB)
    await synced(here, "both-a", inA)
    assert.strictEqual((await live("both-x")).data.value, "b")
    assert.strictEqual(await uidOf("both-x"), uid)
    if (cluster().hasAudit) assert.strictEqual(await deletes("both-x", mark), 0)
  })
})

describe("an object that another GitRepository has in Git and opts out", () => {
  const IGNORED = "  annotations: {kustomize.toolkit.fluxcd.io/ssa: Ignore}\n"
  const DISABLED = "  annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}\n"
  it.each<[string, (name: string) => Record<string, string>]>([
    ["opted-out", (x) => ({ "x.yaml": configMap(x, "b", IGNORED) })],
    ["left-alone", (x) => ({ "x.yaml": configMap(x, "b", DISABLED) })],
  ])("goes when its owner drops it: %s", async (tag, files) => {
    explainFailure(here)
    const { a, b } = await pair(tag)
    await b.commit(files(`${tag}-x`))
    await requestSync(here, `${tag}-b`)
    const inA = await a.commit({ "x.yaml": null })
    await requestSync(here, `${tag}-a`)
    await here.api.waitForGone(configMapKey(here.namespace, `${tag}-x`))
    await synced(here, `${tag}-a`, inA)
  })
})

describe("an object that moves to another GitRepository", () => {
  it("is never deleted where the new one has it in Git before the old one drops it, unseen by either", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const { a, b } = await pair("adds")
    const uid = await uidOf("adds-x")
    const mark = await markAudit()
    const inB = await b.commit({ "x.yaml": configMap("adds-x", "b") })
    await a.commit({ "x.yaml": null })
    await requestSync(here, "adds-a")
    await ownedBy("adds-x", "adds-b")
    await synced(here, "adds-b", inB)
    assert.strictEqual(await uidOf("adds-x"), uid)
    assert.strictEqual(await deletes("adds-x", mark), 0)
  })

  it("is never deleted where the old one drops it before the new one has it, and both are synced at once", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const { a, b } = await pair("drops")
    const uid = await uidOf("drops-x")
    const mark = await markAudit()
    const inA = await a.commit({ "x.yaml": null })
    const inB = await b.commit({ "x.yaml": configMap("drops-x", "b") })
    await Promise.all([requestSync(here, "drops-a"), requestSync(here, "drops-b")])
    await ownedBy("drops-x", "drops-b")
    await synced(here, "drops-a", inA)
    await synced(here, "drops-b", inB)
    assert.strictEqual(await uidOf("drops-x"), uid)
    assert.strictEqual(await deletes("drops-x", mark), 0)
  })

  it("is never deleted by a controller that was down while it moved", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const { a, b } = await pair("down")
    const uid = await uidOf("down-x")
    await here.controller.kill()
    const mark = await markAudit()
    const inA = await a.commit({ "x.yaml": null })
    const inB = await b.commit({ "x.yaml": configMap("down-x", "b") })
    await here.controller.start()
    await ownedBy("down-x", "down-b")
    await synced(here, "down-a", inA)
    await synced(here, "down-b", inB)
    assert.strictEqual(await uidOf("down-x"), uid)
    assert.strictEqual(await deletes("down-x", mark), 0)
  })

  it("is never deleted where one commit moves it between two paths of one repository", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const repo = await here.git.createRepo("mono")
    const x = configMap("mono-x", "x")
    const before = await repo.commit({
      "a/x.yaml": x,
      "a/y.yaml": configMap("mono-y", "a"),
      "b/z.yaml": configMap("mono-z", "b"),
    })
    for (const path of ["a", "b"]) {
      await here.api.apply(gitRepository(here, `mono-${path}`, repo.url, { path }))
      await synced(here, `mono-${path}`, before)
    }
    const uid = await uidOf("mono-x")
    const mark = await markAudit()
    const after = await repo.commit({ "a/x.yaml": null, "b/x.yaml": x })
    await requestSync(here, "mono-a")
    await ownedBy("mono-x", "mono-b")
    await synced(here, "mono-a", after)
    await synced(here, "mono-b", after)
    assert.strictEqual(await uidOf("mono-x"), uid)
    assert.strictEqual(await deletes("mono-x", mark), 0)
  })

  it("does not count against the prune limit of the old one, and goes when the new one drops it too", async () => {
    explainFailure(here)
    const names = Array.from({ length: 8 }, (_, i) => `bulk-${i}`)
    const files = Object.fromEntries(names.map((n) => [`${n}.yaml`, configMap(n, "x")]))
    const none = Object.fromEntries(names.map((n) => [`${n}.yaml`, null]))
    const { a, b } = await pair("limit")
    await a.commit(files)
    await requestSync(here, "limit-a")
    await ownedBy("bulk-7", "limit-a")
    const inB = await b.commit(files)
    const inA = await a.commit(none)
    await requestSync(here, "limit-a")
    await synced(here, "limit-a", inA)
    await synced(here, "limit-b", inB)
    for (const name of names) await ownedBy(name, "limit-b")
    await b.commit({ "bulk-0.yaml": null })
    await requestSync(here, "limit-b")
    await here.api.waitForGone(configMapKey(here.namespace, "bulk-0"))
  })

  it("is held back from deletion while a GitRepository that may want it cannot be asked, and goes once it has answered", async () => {
    explainFailure(here)
    const { a, b } = await pair("slow", { timeout: "20s" })
    b.fail(stall())
    await a.commit({ "x.yaml": null })
    await requestSync(here, "slow-a")
    await failing("slow-a", "NOPEA-A048")
    assert.isDefined(await live("slow-x"))
    b.recover()
    await here.api.waitForGone(configMapKey(here.namespace, "slow-x"))
  })
})

describe("a GitRepository that is created anew", () => {
  it("owns again what its earlier life applied, without a delete", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("again")
    const commit = await repo.commit({ "a.yaml": configMap("again", "x") })
    await here.api.apply(gitRepository(here, "again", repo.url))
    await synced(here, "again", commit)
    const uid = await uidOf("again")
    const mark = await markAudit()
    await here.api.delete(repositoryKey(here.namespace, "again"))
    await here.api.waitForGone(repositoryKey(here.namespace, "again"))
    const anew = await here.api.apply(gitRepository(here, "again", repo.url))
    await synced(here, "again", commit)
    const found = await live("again")
    assert.strictEqual(found.metadata.uid, uid)
    assert.strictEqual(found.metadata.labels["nopea.io/repository-uid"], anew.metadata.uid)
    if (cluster().hasAudit) assert.strictEqual(await deletes("again", mark), 0)
    await repo.commit({ "a.yaml": null, "b.yaml": configMap("again-b", "x") })
    await requestSync(here, "again")
    await here.api.waitForGone(configMapKey(here.namespace, "again"))
  })

  it("takes what kubectl put there meanwhile, as where it adopts what it never had", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("between")
    const commit = await repo.commit({ "a.yaml": configMap("between", "x") })
    await here.api.apply(gitRepository(here, "between", repo.url))
    await synced(here, "between", commit)
    await here.api.delete(repositoryKey(here.namespace, "between"))
    await here.api.waitForGone(repositoryKey(here.namespace, "between"))
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}" }
    const byKubectl = { metadata: { annotations }, data: { extra: "y" } }
    await here.api.patch(configMapKey(here.namespace, "between"), byKubectl, {
      fieldManager: "kubectl-client-side-apply",
    })
    await here.api.patch(
      configMapKey(here.namespace, "between"),
      { data: { theirs: "z" } },
      { fieldManager: "operator" },
    )
    await here.api.apply(gitRepository(here, "between", repo.url))
    await synced(here, "between", commit)
    const { data, metadata } = await live("between")
    assert.deepEqual(data, { value: "x", theirs: "z" })
    assert.notProperty(metadata.annotations, "kubectl.kubernetes.io/last-applied-configuration")
    const managers = metadata.managedFields.map(({ manager }: { manager: string }) => manager)
    assert.sameMembers(managers, ["nopea", "operator"])
  })

  it("under another name takes over what the old one left behind", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("renamed")
    const commit = await repo.commit({ "a.yaml": configMap("renamed", "x") })
    await here.api.apply(gitRepository(here, "old-name", repo.url))
    await synced(here, "old-name", commit)
    const uid = await uidOf("renamed")
    await here.api.apply(gitRepository(here, "new-name", repo.url))
    await failing("new-name", "NOPEA-A042")
    await here.api.delete(repositoryKey(here.namespace, "old-name"))
    await synced(here, "new-name", commit)
    await ownedBy("renamed", "new-name")
    assert.strictEqual(await uidOf("renamed"), uid)
  })
})

describe("labels that somebody copied", () => {
  it("make nothing ours: a copied ConfigMap and an operator's child are never pruned", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("copied")
    const first = await repo.commit({
      "a.yaml": configMap("copied-a", "x"),
      "b.yaml": configMap("copied-b", "x"),
    })
    await here.api.apply(gitRepository(here, "copied", repo.url))
    await synced(here, "copied", first)
    const original = await live("copied-a")
    const labels = Object.fromEntries(LABELS.map((l) => [l, original.metadata.labels[l]]))
    const { annotations } = original.metadata
    const copy = (name: string, more: object = {}) => ({
      ...configMapKey(here.namespace, name),
      metadata: { name, namespace: here.namespace, labels, annotations, ...more },
      data: original.data,
    })
    // As `kubectl get -o yaml | kubectl create -f -` does, and as an operator does for a child.
    await here.api.create(copy("copied-by-kubectl"))
    await here.api.apply(copy("copied-by-operator"), { fieldManager: "operator" })
    const child = {
      ownerReferences: [
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          name: "copied-a",
          uid: original.metadata.uid,
          controller: true,
        },
      ],
    }
    await here.api.apply(copy("copied-child", child), { fieldManager: "nopea" })
    const after = await repo.commit({ "b.yaml": null })
    await requestSync(here, "copied")
    const status = await synced(here, "copied", after)
    assert.strictEqual(status.history[0].pruned, 1)
    await here.api.waitForGone(configMapKey(here.namespace, "copied-b"))
    for (const name of ["copied-by-kubectl", "copied-by-operator", "copied-child"]) {
      assert.isUndefined((await live(name)).metadata.deletionTimestamp, name)
    }
  })
})

describe("prune", () => {
  it("holds above the limit, ignores the approval of another commit, and goes on with the right one", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("held")
    const files = Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [`${i}.yaml`, configMap(`held-${i}`, "x")]),
    )
    const before = await repo.commit(files)
    await here.api.apply(gitRepository(here, "held", repo.url))
    await synced(here, "held", before)
    const after = await repo.commit({ "0.yaml": configMap("held-0", "x") }, { replace: true })
    await requestSync(here, "held")
    const held = await statusOf(here, "held", "holds the prune", (s) =>
      s.conditions?.some((c: { reason: string }) => c.reason === "PruneHeld"),
    )
    assert.include(JSON.stringify(held.conditions), `nopea.io/approve-prune=${after}`)
    const approve = (commit: string) =>
      here.api.patch(repositoryKey(here.namespace, "held"), {
        metadata: { annotations: { "nopea.io/approve-prune": commit } },
      })
    await approve(before)
    const token = await requestSync(here, "held")
    await statusOf(here, "held", "answers", (s) => s.lastHandledReconcileAt === token)
    assert.isDefined(await live("held-7"))
    await approve(after)
    const done = await synced(here, "held", after)
    assert.strictEqual(done.history[0].pruned, 7)
    for (let i = 1; i < 8; i++)
      await here.api.waitForGone(configMapKey(here.namespace, `held-${i}`))
    assert.isDefined(await live("held-0"))
  })

  it("finds, after a restart, objects of a kind that is nowhere in Git any more", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("kinds")
    const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: kinds}\nstringData: {a: b}\n"
    const before = await repo.commit({ "a.yaml": configMap("kinds", "x"), "b.yaml": secret })
    await here.api.apply(gitRepository(here, "kinds", repo.url))
    const status = await synced(here, "kinds", before)
    assert.deepEqual(status.inventoryKinds, ["/ConfigMap", "/Secret"])
    await here.controller.kill()
    const after = await repo.commit({ "b.yaml": null })
    await here.controller.start()
    const done = await synced(here, "kinds", after)
    const key = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "kinds", namespace: here.namespace },
    }
    await here.api.waitForGone(key)
    assert.deepEqual(done.inventoryKinds, ["/ConfigMap"])
  })
})
