import { assert, describe, it } from "vitest"
import { eventually, type Json, type ObjectKey } from "../cluster/Api.ts"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import { explainFailure, gitRepository, requestSync, statusOf, synced, world } from "./world.ts"

const here = world()

const deploymentKey = (name: string): ObjectKey => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace: here.namespace },
})

const deployment = (name: string, replicas: number, image = "registry.example/app:1"): string =>
  JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "main", image }] },
      },
    },
  })

const pods = (app: string): Promise<ReadonlyArray<Json>> =>
  here.api.list({ apiVersion: "v1", kind: "Pod", namespace: here.namespace }, `app=${app}`)

/** What a kubelet would say of each pod of a Deployment. */
const becomeReady = async (app: string): Promise<void> => {
  const found = await eventually(`there is a pod of ${app}`, async () => {
    const all = await pods(app)
    return all.length > 0 ? all : undefined
  })
  const lastTransitionTime = new Date(Date.now() - 1000).toISOString()
  for (const { metadata } of found)
    await here.api.patch(
      { apiVersion: "v1", kind: "Pod", metadata },
      {
        status: {
          phase: "Running",
          conditions: [{ type: "Ready", status: "True", lastTransitionTime }],
        },
      },
      { subresource: "status" },
    )
}

const condition = (status: Json, type: string): Json =>
  status.conditions?.find((one: Json) => one.type === type)
const gist = (status: Json): string =>
  [
    status.phase,
    ...["Ready", "Healthy"].map((type) => {
      const found = condition(status, type)
      return `${type}=${found?.status}/${found?.reason}`
    }),
  ].join(" ")

const READY = "Synced Ready=True/Succeeded Healthy=True/Succeeded"
const WAITS = "Syncing Ready=Unknown/Progressing Healthy=Unknown/Progressing"
const LATE = "Failed Ready=False/HealthCheckFailed Healthy=False/HealthCheckFailed"

const becomes = (name: string, expected: string, commit: string): Promise<Json> =>
  statusOf(
    here,
    name,
    `is ${expected}`,
    (status) => gist(status) === expected && status.lastSyncedCommit === commit,
  )

const events = async (name: string, reason: string): Promise<ReadonlyArray<Json>> =>
  (await here.api.list({ apiVersion: "v1", kind: "Event", namespace: here.namespace })).filter(
    (event: Json) => event.involvedObject.name === name && event.reason === reason,
  )

describe.skipIf(!cluster().hasControllerManager)("a repository that waits", () => {
  it("looks at many of one kind with one list", async (context) => {
    explainFailure(here)
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const repo = await here.git.createRepo("many")
    const service = (nth: number) =>
      JSON.stringify({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: `many-${nth}` },
        spec: { ports: [{ port: 80 }] },
      })
    const files = Array.from({ length: 30 }, (_, nth) => [`${nth}.json`, service(nth)] as const)
    const commit = await repo.commit(Object.fromEntries(files))
    const mark = await markAudit()
    await here.api.apply(gitRepository(here, "many", repo.url, { wait: true }))
    await synced(here, "many", commit)
    const own = await audit({ userAgent: "nopea/", resource: "services", since: mark })
    const isWhole = ({ requestURI }: Json) =>
      requestURI.includes("labelSelector=nopea.io%2Frepository-uid")
    assert.strictEqual(own.filter(({ verb }) => verb === "get").length, 0)
    assert.strictEqual(own.filter((one) => one.verb === "list" && isWhole(one)).length, 1)
  })

  it("is ready once its pods are, says meanwhile what it waits for, and asks nobody again and again", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("slow")
    const commit = await repo.commit({ "a.json": deployment("slow", 1) })
    const mark = await markAudit()
    await here.api.apply(gitRepository(here, "slow", repo.url, { wait: true }))
    const waits = await becomes("slow", WAITS, commit)
    assert.strictEqual(condition(waits, "Reconciling").status, "True")
    await statusOf(here, "slow", "says what it waits for", (status) =>
      condition(status, "Healthy").message.includes("0 of 1 replicas are available"),
    )
    await becomeReady("slow")
    const ready = await becomes("slow", READY, commit)
    assert.isUndefined(condition(ready, "Reconciling"))
    assert.deepEqual(
      ready.history.map(({ phase }: Json) => phase),
      ["Synced"],
    )
    assert.deepEqual(await events("slow", "HealthCheckFailed"), [])
    if (!cluster().hasAudit) return
    const own = await audit({ userAgent: "nopea/", namespace: here.namespace, since: mark })
    const reads = own.filter(({ verb, resource }) => verb === "get" && resource === "deployments")
    assert.isAbove(reads.length, 0)
    assert.isBelow(reads.length, 15)
  })

  it("is ready at once where nothing has to come, and stays so over a reconcile", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("none")
    const commit = await repo.commit({ "a.json": deployment("none", 0) })
    await here.api.apply(gitRepository(here, "none", repo.url, { wait: true }))
    await becomes("none", READY, commit)
    const token = await requestSync(here, "none")
    const after = await statusOf(
      here,
      "none",
      "has answered",
      (status) => status.lastHandledReconcileAt === token && status.phase !== "Syncing",
    )
    assert.strictEqual(gist(after), READY)
  })

  it("is overtaken by a newer commit", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("stuck")
    const first = await repo.commit({ "a.json": deployment("stuck", 1) })
    await here.api.apply(gitRepository(here, "stuck", repo.url, { wait: true, timeout: "10m" }))
    await becomes("stuck", WAITS, first)
    const second = await repo.commit({ "a.json": deployment("stuck", 0) })
    await requestSync(here, "stuck")
    await becomes("stuck", READY, second)
  })

  it("fails when its time is up, names who did not come, and is ready by itself when it comes", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("late")
    const commit = await repo.commit({ "a.json": deployment("late", 1) })
    await here.api.apply(gitRepository(here, "late", repo.url, { wait: true, timeout: "4s" }))
    const late = await becomes("late", LATE, commit)
    assert.match(
      condition(late, "Healthy").message,
      /^1 of 1 object not healthy within 4s: apps\/Deployment\/[^:]+\/late: 0 of 1 replicas/u,
    )
    await eventually("it is told", async () => {
      const all = await events("late", "HealthCheckFailed")
      return all.length === 1 || undefined
    })
    await becomeReady("late")
    await becomes("late", READY, commit)
  })

  it("says nothing of health where nobody asked for it, and no longer when nobody does", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("plain")
    const commit = await repo.commit({ "a.json": deployment("plain", 1) })
    await here.api.apply(gitRepository(here, "plain", repo.url))
    const status = await synced(here, "plain", commit)
    assert.isUndefined(condition(status, "Healthy"))
    await here.api.patch({ ...gitRepository(here, "plain", repo.url) }, { spec: { wait: true } })
    await becomes("plain", WAITS, commit)
    await here.api.patch({ ...gitRepository(here, "plain", repo.url) }, { spec: { wait: false } })
    await statusOf(
      here,
      "plain",
      "is Synced without a word of health",
      (now) => now.phase === "Synced" && condition(now, "Healthy") === undefined,
    )
    await here.api.delete(deploymentKey("plain"))
  })
})
