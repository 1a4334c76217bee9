import { assert, describe, it } from "vitest"
import { eventually, type Json, type KubeObject } from "../cluster/Api.ts"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world()

const FINALIZER = "nopea.false.systems/objects"
const DELETE = { deletionPolicy: "Delete" }

const live = (name: string) => here.api.get(configMapKey(here.namespace, name))
const remove = (name: string) => here.api.delete(repositoryKey(here.namespace, name))
const gone = (name: string) => here.api.waitForGone(repositoryKey(here.namespace, name), 40_000)
const objectGone = (name: string) => here.api.waitForGone(configMapKey(here.namespace, name))

/** A repository of these files that is synced and carries the finalizer. */
const deleting = async (
  name: string,
  files: Readonly<Record<string, string>>,
  spec: Record<string, unknown> = {},
): Promise<GitRepo> => {
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit(files)
  await here.api.apply(gitRepository(here, name, repo.url, { ...DELETE, ...spec }))
  await synced(here, name, commit)
  await withFinalizers(name, [FINALIZER])
  return repo
}

const withFinalizers = (name: string, finalizers: ReadonlyArray<string>) =>
  here.api.waitFor(
    repositoryKey(here.namespace, name),
    (found) => JSON.stringify(found.metadata.finalizers ?? []) === JSON.stringify(finalizers),
    { until: `has the finalizers ${finalizers.join()}` },
  )

/** The Kubernetes Event with this reason about a GitRepository. */
const event = (name: string, reason: string): Promise<Json> =>
  eventually(`an event ${reason} about ${name}`, async () => {
    const events = await here.api.list({
      apiVersion: "v1",
      kind: "Event",
      namespace: here.namespace,
    })
    return events.find((e) => e.involvedObject.name === name && e.reason === reason)
  })

const group = "rbac.authorization.k8s.io"

/** A ServiceAccount that may do `verbs` to ConfigMaps. */
const account = async (name: string, verbs: ReadonlyArray<string>): Promise<void> => {
  const metadata = { name, namespace: here.namespace }
  await here.api.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata })
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs }]
  await here.api.apply({ apiVersion: `${group}/v1`, kind: "Role", metadata, rules })
  await here.api.apply({
    apiVersion: `${group}/v1`,
    kind: "RoleBinding",
    metadata,
    roleRef: { apiGroup: group, kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: here.namespace }],
  })
}
const APPLY = ["get", "list", "create", "patch"]

describe("a GitRepository that is deleted", () => {
  it("leaves its objects under Orphan, and carries no finalizer", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("orphan")
    const commit = await repo.commit({ "a.yaml": configMap("orphan", "x") })
    await here.api.apply(gitRepository(here, "orphan", repo.url))
    await synced(here, "orphan", commit)
    await withFinalizers("orphan", [])
    await remove("orphan")
    await gone("orphan")
    assert.isUndefined((await live("orphan")).metadata.deletionTimestamp)
  })

  it("takes its objects along under Delete: last applied, first deleted, as its account", async () => {
    explainFailure(here)
    await account("owner", [...APPLY, "delete"])
    const mark = cluster().hasAudit ? await markAudit() : undefined
    await deleting(
      "takes",
      {
        "a.yaml": configMap(
          "takes-early",
          "x",
          '  annotations: {argocd.argoproj.io/sync-wave: "-1"}\n',
        ),
        "b.yaml": configMap("takes-late", "x"),
      },
      { serviceAccountName: "owner" },
    )
    await remove("takes")
    await gone("takes")
    assert.isUndefined(await live("takes-early"))
    assert.isUndefined(await live("takes-late"))
    assert.include((await event("takes", "ObjectsDeleted")).message, "deleted 2 objects")
    if (!cluster().hasAudit) return
    const deletes = (await audit({ userAgent: "nopea/", namespace: here.namespace, since: mark }))
      .filter(({ verb, resource }) => verb === "delete" && resource === "configmaps")
      .map(({ name }) => name)
    assert.deepEqual(deletes, ["takes-late", "takes-early"])
  })

  it("carries the finalizer only while the policy is Delete", async () => {
    explainFailure(here)
    await deleting("policy", { "a.yaml": configMap("policy", "x") })
    const key = repositoryKey(here.namespace, "policy")
    await here.api.patch(key, { spec: { deletionPolicy: "Orphan" } })
    await withFinalizers("policy", [])
    await here.api.patch(key, { spec: { deletionPolicy: "Delete", suspend: true } })
    await withFinalizers("policy", [FINALIZER])
    await remove("policy")
    await gone("policy")
    await objectGone("policy")
  })

  it("keeps what is annotated or protected, and says so", async () => {
    explainFailure(here)
    const namespace = `${here.namespace}-kept`
    await deleting("keeps", {
      "a.yaml": configMap("keeps-a", "x", "  annotations: {nopea.io/prune: disabled}\n"),
      "b.yaml": configMap("keeps-b", "x"),
      "c.yaml": `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${namespace}}\n`,
    })
    await remove("keeps")
    await gone("keeps")
    const key = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }
    const kept = await here.api.get(key)
    await here.api.delete(key)
    assert.isUndefined(kept.metadata.deletionTimestamp)
    assert.isDefined(await live("keeps-a"))
    await objectGone("keeps-b")
    const { message } = await event("keeps", "ObjectsOrphaned")
    assert.include(message, `/ConfigMap/${here.namespace}/keeps-a`)
    assert.include(message, "nopea.io/prune: disabled")
    assert.include(message, `/Namespace/${namespace}`)
  })

  it("hands over what another GitRepository has in Git", async () => {
    explainFailure(here)
    await deleting("hands", {
      "a.yaml": configMap("hands-x", "a"),
      "b.yaml": configMap("hands-y", "a"),
    })
    const { uid } = (await live("hands-x")).metadata
    const other = await here.git.createRepo("heir")
    const commit = await other.commit({ "x.yaml": configMap("hands-x", "b") })
    await here.api.apply(gitRepository(here, "heir", other.url))
    await statusOf(here, "heir", "waits", (s) => s.phase === "Failed")
    await remove("hands")
    await gone("hands")
    await synced(here, "heir", commit)
    assert.strictEqual((await live("hands-x")).metadata.uid, uid)
    assert.strictEqual((await live("hands-x")).data.value, "b")
    await objectGone("hands-y")
    // The heir may take it before or while the deletion looks: either way one object is deleted, the other one.
    assert.include((await event("hands", "ObjectsDeleted")).message, "deleted 1 object")
  })
})

describe("the deletion ends, whatever happens", () => {
  it("where RBAC forbids the deletes", async () => {
    explainFailure(here)
    await account("appender", APPLY)
    await deleting(
      "forbidden",
      { "a.yaml": configMap("forbidden", "x") },
      { serviceAccountName: "appender" },
    )
    await remove("forbidden")
    await gone("forbidden")
    assert.isUndefined((await live("forbidden")).metadata.deletionTimestamp)
    const { message, type } = await event("forbidden", "ObjectsOrphaned")
    assert.strictEqual(type, "Warning")
    assert.include(message, "cannot delete resource")
  })

  it("where the account is gone", async () => {
    explainFailure(here)
    await account("leaver", [...APPLY, "delete"])
    await deleting(
      "noaccount",
      { "a.yaml": configMap("noaccount", "x") },
      { serviceAccountName: "leaver" },
    )
    const metadata = { name: "leaver", namespace: here.namespace }
    for (const kind of ["RoleBinding", "Role"])
      await here.api.delete({ apiVersion: `${group}/v1`, kind, metadata })
    await here.api.delete({ apiVersion: "v1", kind: "ServiceAccount", metadata })
    await remove("noaccount")
    await gone("noaccount")
    assert.isDefined(await live("noaccount"))
    await event("noaccount", "ObjectsOrphaned")
  })

  it("where a policy of the cluster refuses the deletes", async () => {
    explainFailure(here)
    const name = `refuse-${here.namespace}`
    const admission = "admissionregistration.k8s.io"
    const policy: KubeObject = {
      apiVersion: `${admission}/v1`,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": here.namespace } },
          resourceRules: [
            {
              apiGroups: [""],
              apiVersions: ["v1"],
              resources: ["configmaps"],
              operations: ["DELETE"],
            },
          ],
        },
        validations: [
          {
            expression: "!oldObject.metadata.name.startsWith('refused')",
            message: "kept by policy",
          },
        ],
      },
    }
    const binding: KubeObject = {
      apiVersion: `${admission}/v1`,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    }
    await here.api.apply(policy)
    await here.api.apply(binding)
    try {
      await deleting("refused", {
        "a.yaml": configMap("refused", "x"),
        "b.yaml": configMap("other", "x"),
      })
      await eventually("the policy is in force", async () => {
        const path = await here.api.path(configMapKey(here.namespace, "refused"))
        const answer = await here.api.call("DELETE", path, { query: { dryRun: "All" } })
        return answer.status >= 400 ? true : undefined
      })
      await remove("refused")
      await gone("refused")
      assert.include((await event("refused", "ObjectsOrphaned")).message, "kept by policy")
      assert.isDefined(await live("refused"))
      await objectGone("other")
    } finally {
      await here.api.delete(binding)
      await here.api.delete(policy)
    }
  })

  it("where an object's own finalizer holds it beyond spec.timeout, while others go on", async () => {
    explainFailure(here)
    const held = configMap("holds", "x", "  finalizers: [example.com/hold]\n")
    await deleting(
      "holds",
      { "a.yaml": held, "b.yaml": configMap("freely", "x") },
      { timeout: "5s" },
    )
    await remove("holds")
    const repo = await here.git.createRepo("meanwhile")
    const commit = await repo.commit({ "a.yaml": configMap("meanwhile", "x") })
    await here.api.apply(gitRepository(here, "meanwhile", repo.url))
    await synced(here, "meanwhile", commit)
    await gone("holds")
    await objectGone("freely")
    const { message } = await event("holds", "ObjectsOrphaned")
    assert.include(message, "still being deleted")
    await here.api.patch(configMapKey(here.namespace, "holds"), { metadata: { finalizers: null } })
    await objectGone("holds")
  })

  it("where the controller is killed in the middle of it", async () => {
    explainFailure(here)
    const held = configMap("killed-a", "x", "  finalizers: [example.com/hold]\n")
    await deleting(
      "killed",
      { "a.yaml": held, "b.yaml": configMap("killed-b", "x") },
      { timeout: "1m" },
    )
    await remove("killed")
    await here.api.waitFor(
      configMapKey(here.namespace, "killed-a"),
      (found) => found.metadata.deletionTimestamp !== undefined,
    )
    await here.controller.kill()
    assert.isDefined(await here.api.get(repositoryKey(here.namespace, "killed")))
    await here.controller.start()
    await here.api.patch(configMapKey(here.namespace, "killed-a"), {
      metadata: { finalizers: null },
    })
    await gone("killed")
    await objectGone("killed-a")
    await objectGone("killed-b")
  })

  it("where the whole namespace is being deleted", async () => {
    explainFailure(here)
    await account("last", [...APPLY, "delete"])
    await deleting("last", { "a.yaml": configMap("last", "x") }, { serviceAccountName: "last" })
    const key = { apiVersion: "v1", kind: "Namespace", metadata: { name: here.namespace } }
    await here.api.delete(key)
    await here.api.waitForGone(key, 50_000)
  })
})
