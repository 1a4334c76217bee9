// What the controller may see and what a repository's account may do are not the same; nothing is pruned on a guess.
import { randomBytes } from "node:crypto"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { eventually, type KubeObject } from "../cluster/Api.ts"
import { cluster, connect } from "../cluster/connect.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const api = connect()
const rbac = "rbac.authorization.k8s.io"
const CONTROLLER = "system:serviceaccount:nopea-system:nopea"
const names = { controller: `sight-${randomBytes(4).toString("hex")}` }
const secretKey = (name: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: here.namespace },
})
const secret = (name: string): string =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}}\nstringData: {a: b}\n`

const clusterRole = (): KubeObject => ({
  apiVersion: `${rbac}/v1`,
  kind: "ClusterRole",
  metadata: { name: names.controller },
  rules: [
    {
      apiGroups: ["nopea.false.systems"],
      resources: ["gitrepositories", "gitrepositories/status"],
      verbs: ["get", "list", "watch", "patch"],
    },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
    { apiGroups: [""], resources: ["serviceaccounts"], verbs: ["impersonate"] },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list", "watch"] },
  ],
})
const clusterBinding: KubeObject = {
  apiVersion: `${rbac}/v1`,
  kind: "ClusterRoleBinding",
  metadata: { name: names.controller },
  roleRef: { apiGroup: rbac, kind: "ClusterRole", name: names.controller },
  subjects: [{ kind: "User", apiGroup: rbac, name: CONTROLLER }],
}

const account = async (name: string, verbs: ReadonlyArray<string>): Promise<void> => {
  const metadata = { name, namespace: here.namespace }
  await here.api.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata })
  const rules = [{ apiGroups: [""], resources: ["configmaps", "secrets"], verbs }]
  await here.api.apply({ apiVersion: `${rbac}/v1`, kind: "Role", metadata, rules })
  await here.api.apply({
    apiVersion: `${rbac}/v1`,
    kind: "RoleBinding",
    metadata,
    roleRef: { apiGroup: rbac, kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: here.namespace }],
  })
}

beforeAll(async () => {
  await api.apply(clusterRole())
  await api.apply(clusterBinding)
})
afterAll(async () => {
  await api.delete(clusterBinding)
  await api.delete(clusterRole())
})

// After the grants: a controller that may not list GitRepositories is never ready.
const here = world({
  token: cluster().tokens.controller,
  env: { NOPEA_ALLOW_CONTROLLER_IDENTITY: "false" },
})

describe("rights that differ", () => {
  it("a kind that neither controller nor account may list is applied, never pruned, and said; and pruned once it is seen", async () => {
    explainFailure(here)
    await account("seer", ["get", "create", "patch", "delete"])
    const repo = await here.git.createRepo("unseen")
    const before = await repo.commit({
      "a.yaml": configMap("unseen", "x"),
      "b.yaml": secret("unseen"),
    })
    await here.api.apply(gitRepository(here, "unseen", repo.url, { serviceAccountName: "seer" }))
    await synced(here, "unseen", before)
    const after = await repo.commit({ "b.yaml": null })
    await requestSync(here, "unseen")
    const status = await synced(here, "unseen", after)
    assert.deepEqual(status.inventoryKinds, ["/ConfigMap", "/Secret"])
    assert.isUndefined((await here.api.get(secretKey("unseen"))).metadata.deletionTimestamp)
    await eventually("it is said", async () => {
      const kind = { apiVersion: "v1", kind: "Event", namespace: here.namespace }
      const events = await here.api.list(kind)
      return events.find((e) => String(e.message).includes("/Secret cannot be listed whole"))
    })
    await account("seer", ["get", "list", "create", "patch", "delete"])
    await eventually("it is pruned", async () => {
      await requestSync(here, "unseen")
      return (await here.api.get(secretKey("unseen"))) === undefined ? true : undefined
    })
  })

  it("an object that the account may not delete is reported, stays tracked, and goes once it may", async () => {
    explainFailure(here)
    const may = ["get", "list", "create", "patch"]
    await account("keeper", may)
    const repo = await here.git.createRepo("undeleted")
    const before = await repo.commit({
      "a.yaml": configMap("undeleted-a", "x"),
      "b.yaml": configMap("undeleted-b", "x"),
    })
    await here.api.apply(
      gitRepository(here, "undeleted", repo.url, { serviceAccountName: "keeper" }),
    )
    await synced(here, "undeleted", before)
    const after = await repo.commit({ "b.yaml": null })
    await requestSync(here, "undeleted")
    const status = await statusOf(here, "undeleted", "is Failed", (s) => s.phase === "Failed")
    assert.strictEqual(status.failures[0].code, "NOPEA-A002")
    assert.strictEqual(status.lastSyncedCommit, before)
    assert.include(status.failures[0].fix, "delete")
    await account("keeper", [...may, "delete"])
    await here.api.waitForGone(configMapKey(here.namespace, "undeleted-b"))
    await synced(here, "undeleted", after)
  })
})
