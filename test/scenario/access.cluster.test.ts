import { assert, describe, it } from "vitest"
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

const here = world({
  git: { users: { robot: "hunter2-basic" }, tokens: ["hunter2-bearer"], tls: true },
  env: { NOPEA_ALLOW_CONTROLLER_IDENTITY: "false" },
})

const secret = (name: string, keys: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: here.namespace },
  stringData: keys,
})

/** A ServiceAccount that may manage ConfigMaps of the namespace, and nothing else. */
const account = async (name: string): Promise<void> => {
  const metadata = { name, namespace: here.namespace }
  await here.api.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata })
  const group = "rbac.authorization.k8s.io"
  await here.api.apply({
    apiVersion: `${group}/v1`,
    kind: "Role",
    metadata,
    rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }],
  })
  await here.api.apply({
    apiVersion: `${group}/v1`,
    kind: "RoleBinding",
    metadata,
    roleRef: { apiGroup: group, kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: here.namespace }],
  })
}

describe("access", () => {
  it("basic and bearer credentials and the server's own authority are taken from the Secret", async () => {
    explainFailure(here)
    await account("tenant")
    const ca = String(here.git.ca)
    const kinds: ReadonlyArray<[string, Record<string, string>]> = [
      ["basic", { username: "robot", password: "hunter2-basic", "ca.crt": ca }],
      ["bearer", { bearerToken: "hunter2-bearer", "ca.crt": ca }],
    ]
    for (const [name, keys] of kinds) {
      const repo = await here.git.createRepo(name)
      const commit = await repo.commit({ "a.yaml": configMap(name, "x") })
      await here.api.apply(secret(name, keys))
      const spec = { secretRef: { name }, serviceAccountName: "tenant" }
      await here.api.apply(gitRepository(here, name, repo.url, spec))
      await synced(here, name, commit)
    }
  })

  it("a wrong password is reported without its value, and a corrected Secret is picked up", async () => {
    explainFailure(here)
    await account("tenant")
    const repo = await here.git.createRepo("rotated")
    const commit = await repo.commit({ "a.yaml": configMap("rotated", "x") })
    const ca = String(here.git.ca)
    const wrong = { username: "robot", password: "hunter2-wrong", "ca.crt": ca }
    await here.api.apply(secret("rotated", wrong))
    const spec = { secretRef: { name: "rotated" }, serviceAccountName: "tenant" }
    await here.api.apply(gitRepository(here, "rotated", repo.url, spec))
    const status = await statusOf(here, "rotated", "is Failed", (s) => s.phase === "Failed")
    assert.match(status.failures[0].code, /^NOPEA-G/u)
    assert.notInclude(JSON.stringify(status), "hunter2")
    await here.api.apply(secret("rotated", { ...wrong, password: "hunter2-basic" }))
    await requestSync(here, "rotated")
    await synced(here, "rotated", commit)
    assert.notInclude(await here.controller.tail(), "hunter2")
  })

  it("a Secret that is not there is named", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("nosecret")
    const spec = { secretRef: { name: "absent" }, serviceAccountName: "tenant" }
    await here.api.apply(gitRepository(here, "nosecret", repo.url, spec))
    const status = await statusOf(here, "nosecret", "is Failed", (s) => s.phase === "Failed")
    assert.strictEqual(status.failures[0].code, "NOPEA-C002")
    assert.include(status.failures[0].reason, `${here.namespace}/absent`)
  })

  it("objects are applied with the repository's account and no further", async () => {
    explainFailure(here)
    await account("tenant")
    const ca = String(here.git.ca)
    await here.api.apply(secret("git", { bearerToken: "hunter2-bearer", "ca.crt": ca }))
    const repo = await here.git.createRepo("limits")
    await repo.commit({
      "a.yaml": configMap("limits", "x"),
      "b.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: limits}\nstringData: {a: b}\n",
    })
    const spec = { secretRef: { name: "git" }, serviceAccountName: "tenant" }
    await here.api.apply(gitRepository(here, "limits", repo.url, spec))
    const status = await statusOf(here, "limits", "is Failed", (s) => s.phase === "Failed")
    assert.strictEqual(status.failures.length, 1)
    assert.strictEqual(status.failures[0].object, `/Secret/${here.namespace}/limits`)
    assert.include(status.failures[0].fix, "tenant")
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "limits")))
  })

  it("without an account the controller's own rights are not lent", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("noaccount")
    await here.api.apply(gitRepository(here, "noaccount", repo.url))
    const status = await statusOf(here, "noaccount", "is Failed", (s) => s.phase === "Failed")
    assert.strictEqual(status.failures[0].code, "NOPEA-C004")
  })
})
