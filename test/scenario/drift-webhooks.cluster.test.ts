// What admission webhooks do to our objects is not drift; and one that refuses dry runs keeps healing away, no more.
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { AdmissionServer } from "./AdmissionServer.ts"
import {
  askedSince,
  conditionOf,
  containersOf,
  Drifting,
  deployment,
  deploymentKey,
  IMAGE,
  imageOf,
  markAudit,
} from "./drifting.ts"
import { configMap, configMapKey, world } from "./world.ts"

const here = world()
let admission: AdmissionServer
beforeAll(async () => {
  admission = await AdmissionServer.start()
})
afterAll(() => admission?.stop(here.api))

const selected = (value: string) => ({ matchLabels: { admission: value } })
const labelled = (value: string) => `  labels: {admission: "${value}"}\n`
/** A webhook is asked some time after it is registered. */
const asked = (what: string, look: () => Promise<boolean>) =>
  eventually(what, async () => ((await look()) ? true : undefined))

/** Rewrites the image, adds a sidecar and an env entry, removes a label of the pods and the first env entry. */
const meddle = ({ object }: Json): ReadonlyArray<Json> => {
  const at = "/spec/template/spec/containers"
  const [main, ...others] = containersOf(object)
  const sidecar = { name: "sidecar", image: "registry.example/sidecar:1" }
  return [
    {
      op: "replace",
      path: `${at}/0/image`,
      value: main.image.replace("registry.example", "mirror.example"),
    },
    { op: "replace", path: `${at}/0/env`, value: [{ name: "INJECTED", value: "yes" }] },
    ...(others.length === 0 ? [{ op: "add", path: `${at}/-`, value: sidecar }] : []),
    { op: "add", path: "/metadata/labels/added", value: "yes" },
    { op: "remove", path: "/metadata/labels/removed" },
  ].filter(({ path }) => path !== "/metadata/labels/removed" || object.metadata.labels?.removed)
}

describe("a mutating webhook", () => {
  it("that rewrites, adds and removes our fields starts no heal, right away, at reconciles and after a restart", async () => {
    const { namespace, api } = here
    await admission.register(api, "meddling", {
      kind: "MutatingWebhookConfiguration",
      namespace,
      groups: ["apps"],
      resources: ["deployments"],
      objectSelector: selected("meddled"),
      judge: (request) => ({ patch: meddle(request) }),
    })
    const probe = deploymentKey(namespace, "meddled-probe")
    await asked("the webhook is asked", async () => {
      const { load } = await import("js-yaml")
      const object = load(deployment("meddled-probe", { metadata: labelled("meddled") })) as Json
      const answer = await api.apply(
        { ...object, metadata: { ...object.metadata, namespace } },
        { dryRun: true, force: true },
      )
      return containersOf(answer).length === 2
    })
    assert.isUndefined(await api.get(probe))
    const metadata = `  labels: {admission: meddled, removed: "yes"}\n`
    const since = await markAudit()
    const one = await Drifting.of(
      here,
      "meddled",
      { "app.yaml": deployment("meddled", { metadata }) },
      {
        reconcileInterval: "1s",
      },
    )
    const live = await one.live()
    assert.equal(containersOf(live).length, 2)
    assert.match(containersOf(live)[0].image, /^mirror/)
    assert.notProperty(live.metadata.labels, "removed")
    await one.look()
    await one.look()
    const first = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(first.writes, ["patch 201"])
    const again = await markAudit()
    await here.controller.kill()
    await here.controller.start()
    const status = await one.look()
    assert.deepInclude(status, { phase: "Synced", driftedCount: 0 })
    await one.look()
    const after = await askedSince(again, { resource: "deployments", name: one.name })
    assert.deepEqual(after.writes, [])
    await one.setImage("app:9")
    await one.waitFor("is healed", (l) => imageOf(l) === "app:1" && containersOf(l).length === 2)
    await one.push({ "app.yaml": deployment("meddled", { metadata, image: "app:2" }) })
    await one.synced()
    assert.match(containersOf(await one.live())[0].image, /^mirror.example\/app:2/)
    const writes = await askedSince(again, { resource: "deployments", name: one.name })
    assert.deepEqual(writes.writes, ["patch 200", "patch 200"])
  })
})

describe("a validating webhook that refuses dry runs", () => {
  it("after a restart: what drifted is told and not healed, and nothing else is held up", async () => {
    const { namespace, api } = here
    const maps = {
      "quiet.yaml": configMap("guarded-quiet", "x"),
      "map.yaml": configMap("guarded-map", "x"),
    }
    const one = await Drifting.of(here, "guarded", {
      "app.yaml": deployment("guarded", { metadata: labelled("guarded") }),
      ...maps,
    })
    await here.controller.stop()
    await one.setImage("app:9")
    const end = await admission.register(api, "guarding", {
      kind: "ValidatingWebhookConfiguration",
      namespace,
      groups: ["apps"],
      resources: ["deployments"],
      objectSelector: selected("guarded"),
      judge: ({ dryRun }) => (dryRun ? { allowed: false, message: "no dry runs here" } : {}),
    })
    await asked("dry runs are refused", async () => {
      const object = {
        ...one.key,
        metadata: { ...one.key.metadata, labels: { admission: "guarded" } },
      }
      return api.apply(object, { dryRun: true, force: true }).then(
        () => false,
        ({ message }: Error) => message.includes("no dry runs here"),
      )
    })
    const since = await markAudit()
    await here.controller.start()
    const status = await one.drifted()
    assert.equal(status.driftedCount, 1)
    assert.include(status.drift[0], {
      object: `apps/Deployment/${namespace}/guarded`,
      path: IMAGE,
      manager: "kubectl-edit",
    })
    assert.notEqual(status.drift[0].action, "healed")
    assert.equal(conditionOf(status, "Ready").status, "True")
    assert.include(JSON.stringify(status), "dry run")
    const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(writes, [])
    const refused = await markAudit()
    await api.patch(
      configMapKey(namespace, "guarded-map"),
      { data: { value: "edited" } },
      { fieldManager: "kubectl-edit" },
    )
    await one.waitFor(
      "is healed",
      (l) => l.data.value === "x",
      configMapKey(namespace, "guarded-map"),
    )
    const again = await askedSince(refused, { resource: "deployments", name: one.name })
    assert.equal(again.dryRuns, 0, "what was refused once is not asked again of the same version")
    await one.push({ "map.yaml": configMap("guarded-map", "y") })
    await one.status("has the commit", (s) => s.lastSyncedCommit === one.commit)
    assert.equal((await api.get(configMapKey(namespace, "guarded-map"))).data.value, "y")
    assert.equal(imageOf(await one.live()), "app:9")
    await end()
    await asked("dry runs pass", async () => {
      await one.look()
      return imageOf(await one.live()) === "app:1"
    })
    await one.synced()
  })
})
