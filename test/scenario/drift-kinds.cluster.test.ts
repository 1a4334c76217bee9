// Drift in kinds of every sort: without a namespace, with fields the API server fills in, and Secrets.
import { randomBytes } from "node:crypto"
import { afterAll, assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import { askedSince, Drifting, EDIT, markAudit } from "./drifting.ts"
import { configMapKey, world } from "./world.ts"

const here = world()
const id = randomBytes(4).toString("hex")
const role = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: `drift-${id}` },
}
const space = { apiVersion: "v1", kind: "Namespace", metadata: { name: `drift-${id}` } }
afterAll(async () => {
  await here.api.delete(role)
  await here.api.delete(space)
})
const rules = [
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
  { apiGroups: ["apps"], resources: ["deployments"], verbs: ["get"] },
]
const text = JSON.stringify

describe("cluster-scoped kinds", () => {
  it("a ClusterRole's rules and a Namespace's labels are healed, and others' labels stay", async () => {
    const labels = { "example.com/tier": "gold" }
    const one = await Drifting.of(here, "scopeless", {
      "a.json": text({ ...role, rules }),
      "b.json": text({ ...space, metadata: { ...space.metadata, labels } }),
    })
    await here.api.patch(role, { rules: [] }, EDIT)
    const more = { "example.com/tier": "lead", "pod-security.kubernetes.io/enforce": "privileged" }
    await here.api.patch(space, { metadata: { labels: more } }, EDIT)
    await one.waitFor("has its rules", (live) => live.rules?.length === 2, role)
    const live = await one.waitFor(
      "has its label",
      (l) => l.metadata.labels["example.com/tier"] === "gold",
      space,
    )
    assert.equal(live.metadata.labels["pod-security.kubernetes.io/enforce"], "privileged")
    await one.synced()
  })
})

describe("a Service", () => {
  const key = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: here.namespace },
  }
  const ports = [
    { name: "http", port: 80 },
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53 },
  ]
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { selector: { app: "web" }, ports },
  }

  it("with all that the API server fills in is no drift; a port's target is, and a port somebody removed", async () => {
    const at = { ...key, metadata: { ...key.metadata, namespace: here.namespace } }
    const one = await Drifting.of(here, "service", { "a.json": text(service) })
    const since = await markAudit()
    await here.controller.kill()
    await here.controller.start()
    assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
    assert.deepEqual((await askedSince(since, { resource: "services", name: "web" })).writes, [])
    await here.api.patch(at, [{ op: "replace", path: "/spec/selector/app", value: "evil" }], {
      ...EDIT,
      type: "json",
    })
    await one.waitFor("selects its pods", (live) => live.spec.selector.app === "web", at)
    await here.api.patch(at, [{ op: "remove", path: "/spec/ports/1" }], { ...EDIT, type: "json" })
    const live = await one.waitFor("has its ports", (l) => l.spec.ports.length === 3, at)
    assert.sameMembers(
      live.spec.ports.map((p: Json) => `${p.name} ${p.port}/${p.protocol}`),
      ["http 80/TCP", "dns 53/UDP", "dns-tcp 53/TCP"],
    )
    await one.synced()
  })
})

describe("a Secret", () => {
  const at = (name: string) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: here.namespace },
  })
  const base64 = (value: string) => Buffer.from(value).toString("base64")
  const written = ["hunter2-from-git", "hunter3-typed", "hunter4-from-person"]

  it("is not watched: its drift is found and healed at a reconcile, and no value is told anywhere", async () => {
    const [data = "", typed = "", theirs = ""] = written
    const one = await Drifting.of(
      here,
      "secret",
      {
        "a.json": text({
          ...at("pass"),
          metadata: { name: "pass" },
          data: { word: base64(data) },
          stringData: { typed },
        }),
      },
      { reconcileInterval: "2s" },
    )
    const since = await markAudit()
    await here.api.patch(at("pass"), { data: { word: base64(theirs) } }, EDIT)
    await one.waitFor("has Git's value", (l) => l.data.word === base64(data), at("pass"))
    const status = await one.healed()
    assert.equal(status.history[0].trigger, "reconcile")
    await here.api.patch(at("pass"), { data: { typed: base64(theirs) } }, EDIT)
    await one.waitFor("has Git's typed value", (l) => l.data.typed === base64(typed), at("pass"))
    await one.healed()
    await one.look()
    const { writes } = await askedSince(since, { resource: "secrets", name: "pass" })
    assert.deepEqual(writes, ["patch 200", "patch 200"])
    await one.set({ healPolicy: "manual" })
    await one.look()
    await here.api.patch(at("pass"), { data: { word: base64(theirs) } }, EDIT)
    const { drift } = await one.drifted()
    assert.include(drift[0], { path: "data.word", manager: "kubectl-edit", action: "left" })
    const events = await here.api.list({
      apiVersion: "v1",
      kind: "Event",
      namespace: here.namespace,
    })
    const told = text([await one.look(), events, await here.controller.lines()])
    for (const value of written) {
      assert.notInclude(told, value)
      assert.notInclude(told, base64(value))
    }
    await here.api.patch(at("pass"), { data: { word: base64(data) } }, EDIT)
    assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
  })
})

describe("a ConfigMap", () => {
  it("gets a changed and a removed entry back, loses one that kubectl added, keeps one that a program added", async () => {
    const data = { "a.conf": "git", b: "git" }
    const one = await Drifting.of(here, "config", {
      "a.json": text({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "config" }, data }),
    })
    const at = configMapKey(here.namespace, "config")
    await here.api.patch(at, { data: { program: "kept" } }, { fieldManager: "some-program" })
    await here.api.patch(at, { data: { "a.conf": "edited", b: null, extra: "by hand" } }, EDIT)
    const isSo = (live: Json) => text(live.data) === text({ ...data, program: "kept" })
    await one.waitFor("is as Git says", isSo, at)
    await one.synced()
  })
})
