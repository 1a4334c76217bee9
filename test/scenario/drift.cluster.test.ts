// Drift, policy by policy: who changed what is seen, named, and healed, held or left as the GitRepository says.
import { assert, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { audit, markAudit } from "../cluster/connect.ts"
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
const EDIT = { fieldManager: "kubectl-edit" }

const deployment = (name: string, image: string, more: { replicas?: string; env?: string } = {}) =>
  `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
${more.replicas === undefined ? "" : `  replicas: ${more.replicas}\n`}  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
      - name: main
        image: "registry.example/${image}"
        env: [{name: LEVEL, value: "${more.env ?? "info"}"}]
`
const deploymentKey = (name: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace: here.namespace },
})
const IMAGE = "spec.template.spec.containers[name=main].image"
const containersOf = (live: Json): ReadonlyArray<Json> =>
  live?.spec?.template?.spec?.containers ?? []
const imageOf = (live: Json): string => String(containersOf(live)[0]?.image).split("/")[1] ?? ""

/** One repository with one Deployment, synced. */
const given = async (name: string, spec: Readonly<Record<string, unknown>> = {}, more = {}) => {
  explainFailure(here)
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit({ "app.yaml": deployment(name, "app:1", more) })
  await here.api.apply(gitRepository(here, name, repo.url, spec))
  await synced(here, name, commit)
  const push = (text: string) => repo.commit({ "app.yaml": text })
  return { repo, commit, push, key: deploymentKey(name), name }
}
const setImage = (name: string, image: string, options = EDIT) =>
  here.api.patch(
    deploymentKey(name),
    {
      spec: {
        template: { spec: { containers: [{ name: "main", image: `registry.example/${image}` }] } },
      },
    },
    { ...options, type: "strategic" },
  )
const drifted = (name: string) =>
  statusOf(here, name, "is Drifted", ({ phase }) => phase === "Drifted")
const ask = (name: string) =>
  here.api.patch(repositoryKey(here.namespace, name), {
    metadata: { annotations: { "nopea.io/reconcile-requested-at": new Date().toISOString() } },
  })
const condition = (status: Json, type: string): Json =>
  status.conditions.find((one: Json) => one.type === type)
/** An Event follows the status. */
const eventOf = (name: string, reason: string, text: string): Promise<string> =>
  eventually(`an Event ${reason} of ${name} says ${text}`, async () =>
    (await here.api.list({ apiVersion: "v1", kind: "Event", namespace: here.namespace }))
      .filter((e) => e.involvedObject.name === name && e.reason === reason)
      .map((e) => String(e.message))
      .find((message) => message.includes(text)),
  )

describe("healPolicy auto", () => {
  it("puts an edited field back at once, and names who changed it", async () => {
    const { key, name } = await given("auto")
    await setImage(name, "app:9")
    await here.api.waitFor(key, (live) => imageOf(live) === "app:1", { until: "is healed" })
    const status = await statusOf(here, name, "tells the heal", (s) => s.history[0].healed === 1)
    assert.deepInclude(status, { phase: "Synced", driftedCount: 0 })
    assert.equal(status.history[0].trigger, "drift")
    assert.include(await eventOf(name, "Healed", "kubectl-edit"), IMAGE)
  })

  it("creates what somebody deleted, and gives back the labels that somebody removed", async () => {
    const { key, name } = await given("gone")
    await here.api.delete(key)
    await here.api.waitFor(key, (live) => live !== undefined && !live.metadata.deletionTimestamp)
    const owner = (await here.api.get(key)).metadata.labels["nopea.io/repository-uid"]
    await here.api.patch(key, { metadata: { labels: { "nopea.io/repository-uid": null } } }, EDIT)
    await here.api.waitFor(
      key,
      (live) => live.metadata.labels["nopea.io/repository-uid"] === owner,
      { until: "has its labels again" },
    )
    await synced(here, name, (await statusOf(here, name, "is there", () => true)).lastSyncedCommit)
  })

  it("takes away what kubectl added, and leaves a restart alone", async () => {
    const { key } = await given("added")
    const sidecar = { name: "extra", image: "registry.example/extra:1" }
    const annotations = { "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" }
    const options = { ...EDIT, type: "strategic" } as const
    await here.api.patch(
      key,
      { spec: { template: { metadata: { annotations } } } },
      { ...options, fieldManager: "kubectl-rollout" },
    )
    await here.api.patch(key, { spec: { template: { spec: { containers: [sidecar] } } } }, options)
    const live = await here.api.waitFor(key, (found) => containersOf(found).length === 1, {
      until: "has one container again",
    })
    assert.deepEqual(live.spec.template.metadata.annotations, annotations)
  })

  it("leaves replicas to an autoscaler, also when Git changes something else, and takes them from kubectl scale", async () => {
    const { key, push, name } = await given("scaled", {}, { replicas: "2" })
    const scale = (replicas: number, fieldManager: string) =>
      here.api.patch(key, { spec: { replicas } }, { fieldManager, subresource: "scale" })
    await scale(5, "horizontal-pod-autoscaler")
    const commit = await push(deployment(name, "app:2", { replicas: "2" }))
    await ask(name)
    await synced(here, name, commit)
    const live = await here.api.get(key)
    assert.deepEqual([imageOf(live), live.spec.replicas], ["app:2", 5])
    await scale(7, "kubectl")
    await here.api.waitFor(key, (found) => found.spec.replicas === 2, {
      until: "has Git's replicas",
    })
  })

  it("asks nothing and writes nothing about an object that only others' fields change in", async () => {
    const { key, name } = await given("quiet")
    const since = await markAudit()
    await here.api.patch(key, { metadata: { labels: { team: "a" } } }, { fieldManager: "labeller" })
    await here.api.patch(
      key,
      { status: { observedGeneration: 1 } },
      { subresource: "status", fieldManager: "kcm" },
    )
    await setImage(name, "app:9")
    await here.api.waitFor(key, (live) => imageOf(live) === "app:1")
    const entries = await audit({ userAgent: "nopea/", namespace: here.namespace, since })
    const about = entries.filter((e) => e.resource === "deployments" && e.name === name)
    assert.equal(about[0]?.verb, "patch", "the first request is the heal")
  })

  it("gives way to somebody who takes it back every time, and says so", async () => {
    const { key, name } = await given("contest")
    for (const nth of [1, 2, 3]) {
      await setImage(name, `app:other-${nth}`, { fieldManager: "other-controller" })
      await here.api.waitFor(key, (live) => imageOf(live) === "app:1", { until: `heals ${nth}` })
    }
    await setImage(name, "app:other-4", { fieldManager: "other-controller" })
    const status = await drifted(name)
    assert.include(status.drift[0], { path: IMAGE, manager: "other-controller", action: "held" })
    assert.isString(status.drift[0].until)
    assert.equal(imageOf(await here.api.get(key)), "app:other-4")
  })
})

describe("healPolicy manual", () => {
  it("reports and leaves; a commit of other fields lands, one of the same field wins", async () => {
    const { key, name, push } = await given("manual", { healPolicy: "manual" })
    await setImage(name, "app:9")
    const status = await drifted(name)
    assert.include(status.drift[0], {
      object: `apps/Deployment/${here.namespace}/${name}`,
      type: "manual_drift",
      path: IMAGE,
      manager: "kubectl-edit",
      operation: "Update",
      action: "left",
    })
    assert.equal(condition(status, "Ready").status, "True")
    assert.deepInclude(condition(status, "Drifted"), { status: "True", reason: "DriftDetected" })
    const other = await push(deployment(name, "app:1", { env: "debug" }))
    await ask(name)
    const after = await statusOf(here, name, "has the commit", (s) => s.lastSyncedCommit === other)
    assert.include(after.drift[0], { path: IMAGE, action: "left" })
    const live = await here.api.get(key)
    assert.deepEqual([imageOf(live), containersOf(live)[0].env[0].value], ["app:9", "debug"])
    const same = await push(deployment(name, "app:2", { env: "debug" }))
    await ask(name)
    await synced(here, name, same)
    assert.equal(imageOf(await here.api.get(key)), "app:2")
  })

  it("leaves a deleted object deleted, also after a restart that finds a new commit", async () => {
    const { key, name, repo } = await given("manual-gone", { healPolicy: "manual" })
    await here.api.delete(key)
    const status = await drifted(name)
    assert.include(status.drift[0], { type: "deleted", action: "left" })
    assert.isUndefined(await here.api.get(key))
    await here.controller.kill()
    const next = await repo.commit({ "extra.yaml": configMap("manual-gone-extra", "x") })
    await here.controller.start()
    await statusOf(
      here,
      name,
      "has the commit",
      (s) => s.lastAttemptedCommit === next && s.phase === "Drifted",
    )
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "manual-gone-extra")))
    assert.isUndefined(await here.api.get(key))
  })
})

describe("conflictPolicy live", () => {
  it("keeps the cluster's value where both changed the same field, until they agree", async () => {
    const spec = { healGracePeriod: "1h", conflictPolicy: "live" }
    const { key, name, push } = await given("conflict", spec)
    await setImage(name, "app:9")
    await drifted(name)
    const commit = await push(deployment(name, "app:2"))
    await ask(name)
    const status = await statusOf(
      here,
      name,
      "tells the conflict",
      (s) => s.drift?.[0]?.type === "conflict",
    )
    assert.include(status.drift[0], { path: IMAGE, manager: "kubectl-edit", action: "left" })
    assert.equal(status.lastSyncedCommit, commit)
    assert.equal(imageOf(await here.api.get(key)), "app:9")
    const other = await push(deployment(name, "app:2", { env: "debug" }))
    await ask(name)
    await statusOf(here, name, "has the third commit", (s) => s.lastSyncedCommit === other)
    const live = await here.api.get(key)
    assert.deepEqual([imageOf(live), containersOf(live)[0].env[0].value], ["app:9", "debug"])
    const agreed = await push(deployment(name, "app:9"))
    await ask(name)
    await synced(here, name, agreed)
    assert.equal(imageOf(await here.api.get(key)), "app:9")
  })
})

describe("healGracePeriod", () => {
  it("waits, outlives a restart, and is cancelled by a commit that takes the change in", async () => {
    const { key, name, push } = await given("grace", { healGracePeriod: "1h" })
    await setImage(name, "app:9")
    const status = await drifted(name)
    assert.include(status.drift[0], { path: IMAGE, action: "held" })
    await here.controller.kill()
    await here.controller.start()
    const again = await statusOf(here, name, "is Drifted still", (s) => s.phase === "Drifted")
    assert.deepEqual(again.drift, status.drift)
    assert.equal(imageOf(await here.api.get(key)), "app:9")
    const commit = await push(deployment(name, "app:9"))
    await ask(name)
    await synced(here, name, commit)
    assert.equal(imageOf(await here.api.get(key)), "app:9")
  })

  it("heals when it is over, without another trigger", async () => {
    const { key, name } = await given("grace-over", { healGracePeriod: "2s" })
    await setImage(name, "app:9")
    await drifted(name)
    await here.api.waitFor(key, (live) => imageOf(live) === "app:1", { until: "is healed" })
    await statusOf(here, name, "is Synced", ({ phase }) => phase === "Synced")
  })
})

describe("break-glass", () => {
  it("keeps healing and Git off one object until the annotation goes", async () => {
    const { key, name, repo } = await given("glass")
    const note = { "nopea.io/suspend-heal": "true", "nopea.io/suspend-heal-reason": "INC-42" }
    await here.api.patch(key, { metadata: { annotations: note } }, EDIT)
    await setImage(name, "app:9")
    const files = {
      "app.yaml": deployment(name, "app:2"),
      "extra.yaml": configMap("glass-extra", "x"),
    }
    const commit = await repo.commit(files)
    await ask(name)
    await statusOf(
      here,
      name,
      "counts it",
      (s) => s.suspendedCount === 1 && s.lastAttemptedCommit === commit,
    )
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "glass-extra")))
    assert.equal(imageOf(await here.api.get(key)), "app:9")
    await eventOf(name, "HealSuspended", "INC-42")
    await here.api.patch(
      key,
      { metadata: { annotations: { "nopea.io/suspend-heal": null } } },
      EDIT,
    )
    await here.api.waitFor(key, (live) => imageOf(live) === "app:2", { until: "is as Git says" })
    await statusOf(here, name, "counts none", (s) => s.suspendedCount === 0 && s.phase === "Synced")
  })

  it("ends by itself at its time", async () => {
    const { key, name } = await given("glass-time")
    const until = new Date(Date.now() + 3000).toISOString()
    await here.api.patch(
      key,
      { metadata: { annotations: { "nopea.io/suspend-heal": until } } },
      EDIT,
    )
    await setImage(name, "app:9")
    await statusOf(here, name, "counts it", (s) => s.suspendedCount === 1)
    await here.api.waitFor(key, (live) => imageOf(live) === "app:1", { until: "is healed" })
  })
})

describe("fields of others", () => {
  it("an ignored field is given at creation and is its taker's from then on", async () => {
    const ignore = [
      { target: { kind: "Deployment" }, paths: ["/spec/template/spec/containers/0/image"] },
    ]
    const { key, name, push } = await given("ignored", { ignore })
    assert.equal(imageOf(await here.api.get(key)), "app:1")
    await setImage(name, "app:9", { fieldManager: "image-updater" })
    const commit = await push(deployment(name, "app:2", { env: "debug" }))
    await ask(name)
    await synced(here, name, commit)
    const live = await here.api.get(key)
    assert.deepEqual([imageOf(live), containersOf(live)[0].env[0].value], ["app:9", "debug"])
  })

  it("replicas that leave Git keep their value", async () => {
    const { key, name, push } = await given("ceded", {}, { replicas: "3" })
    const commit = await push(deployment(name, "app:1"))
    await ask(name)
    await synced(here, name, commit)
    assert.equal((await here.api.get(key)).spec.replicas, 3)
  })
})
