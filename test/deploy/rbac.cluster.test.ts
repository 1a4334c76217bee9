// The controller at its whole job with the rights that deploy/ gives it, and not one more.
import { afterAll, assert, beforeAll, describe, it, onTestFailed } from "vitest"
import { audit, cluster, freshNamespace } from "../cluster/connect.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { deployment, deploymentKey } from "../scenario/drifting.ts"
import {
  configMap,
  configMapKey,
  gitRepository,
  repositoryKey,
  requestSync,
  stage,
  synced,
} from "../scenario/world.ts"
import { type Installation, startInstallation } from "./Installation.ts"

const secret = (namespace: string, name: string, stringData: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace },
  stringData,
})

describe.each([
  ["plain", "deploy"],
  ["restricted", "deploy/restricted"],
] as const)("with the %s rights", (variant, folder) => {
  const git = stage({ users: { robot: "hunter2" } })
  const { api } = git
  const home = git.namespace
  const tenant = freshNamespace(api, "tenant")
  const isPlain = variant === "plain"
  /** The plain one works with its own rights from its own namespace; the restricted one in the tenant's, as its account. */
  const here = {
    api,
    namespace: isPlain ? home : tenant,
    get git() {
      return git.git
    },
  }
  let installed: Installation | undefined
  let repo: GitRepo

  beforeAll(async () => {
    const tenants = isPlain ? [] : [tenant]
    installed = await startInstallation(api, { folder, home, tenants, others: [tenant] })
    const keys = { username: "robot", password: "hunter2" }
    await api.apply(secret(here.namespace, "git", keys))
    repo = await git.git.createRepo(variant)
  })
  afterAll(() => installed?.remove())
  const explain = () =>
    onTestFailed(async () => {
      process.stderr.write(`--- controller log ---\n${await installed?.controller.tail()}\n`)
    })

  const spec = {
    secretRef: { name: "git" },
    deletionPolicy: "Delete",
    ...(isPlain ? { targetNamespace: tenant } : {}),
  }
  const secretText = "apiVersion: v1\nkind: Secret\nmetadata: {name: applied}\nstringData: {a: b}\n"

  it("a private repository is applied: Deployment, ConfigMap, Secret", async () => {
    explain()
    const commit = await repo.commit({
      "a.yaml": deployment("web", { replicas: 1 }),
      "b.yaml": configMap("stays", "one"),
      "c.yaml": configMap("goes", "one"),
      "d.yaml": secretText,
    })
    await api.apply(gitRepository(here, "app", repo.url, spec))
    assert.strictEqual((await synced(here, "app", commit)).appliedCount, 4)
    assert.isDefined(await api.get(deploymentKey(tenant, "web")))
  })

  it("a push changes and prunes", async () => {
    explain()
    const commit = await repo.commit({ "b.yaml": configMap("stays", "two"), "c.yaml": null })
    await requestSync(here, "app")
    await synced(here, "app", commit)
    await api.waitForGone(configMapKey(tenant, "goes"))
    assert.strictEqual((await api.get(configMapKey(tenant, "stays"))).data.value, "two")
  })

  it("drift is seen by the watch and healed", async () => {
    explain()
    const key = configMapKey(tenant, "stays")
    await api.patch(key, { data: { value: "edited" } }, { fieldManager: "kubectl-edit" })
    await api.waitFor(key, (live) => live.data.value === "two", { until: "is healed" })
    const deploymentOf = deploymentKey(tenant, "web")
    await api.delete(deploymentOf)
    await api.waitFor(deploymentOf, (live) => live !== undefined, { until: "is there again" })
  })

  it("it leads by its Lease, keeps its hash key, and writes Events", async () => {
    explain()
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" }
    const held = await api.get({ ...lease, metadata: { name: "nopea", namespace: home } })
    assert.isNotEmpty(held.spec.holderIdentity)
    assert.isDefined(await api.get(secret(home, "nopea-hash-key", {})))
    const events = await api.list({ apiVersion: "v1", kind: "Event", namespace: here.namespace })
    assert.include(
      events.map(({ involvedObject }) => involvedObject.name),
      "app",
    )
  })

  it("a deleted GitRepository takes its objects with it", async () => {
    explain()
    await api.delete(repositoryKey(here.namespace, "app"))
    await api.waitForGone(repositoryKey(here.namespace, "app"))
    for (const key of [configMapKey(tenant, "stays"), deploymentKey(tenant, "web")])
      await api.waitForGone(key)
  })

  it("nothing was refused, and nothing is said of rights", async (context) => {
    explain()
    const log = JSON.stringify(await installed?.controller.lines())
    assert.notMatch(log, /NOPEA-A002|forbidden|cannot be watched|cannot be kept|\b403\b/iu)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const refused = (await audit({ user: String(installed?.user) })).filter(
      ({ code }) => code === 403 || code === 401,
    )
    // A list of Secrets as the account is tried in the whole cluster first, then where the account works.
    const isExpected = ({ impersonatedUser, resource, verb }: (typeof refused)[number]) =>
      impersonatedUser !== undefined && resource === "secrets" && verb === "list"
    assert.deepEqual(
      refused.filter((one) => !isExpected(one)).map(({ verb, requestURI }) => [verb, requestURI]),
      [],
    )
  })
})
