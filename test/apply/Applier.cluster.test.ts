// The Applier on a real API server: what was asked of it is counted in its audit log.
import { randomBytes } from "node:crypto"
import { type Effect, ManagedRuntime } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Applier } from "../../src/apply/Applier.ts"
import type { Claims } from "../../src/cache/Claims.ts"
import type { Live } from "../../src/cache/Live.ts"
import type { KubeError } from "../../src/domain/errors.ts"
import type { KubeObject } from "../../src/domain/object.ts"
import { GIT_REPOSITORIES } from "../../src/domain/repository.ts"
import type { Kube } from "../../src/kube/Kube.ts"
import { layer as kubeLayer } from "../../src/kube/KubeHttp.ts"
import { eventually } from "../cluster/Api.ts"
import type { AuditMark } from "../cluster/audit.ts"
import {
  audit,
  auditCount,
  cluster,
  connect,
  freshNamespace,
  markAudit,
} from "../cluster/connect.ts"
import { definition } from "../deploy/manifests.ts"
import { applying, type Repository, repository, type SyncOptions, sync } from "./syncs.ts"

const agent = `nopea-apply-${randomBytes(4).toString("hex")}`
const api = connect()
const namespace = freshNamespace(api, "apply")

const open = () => {
  const runtime = ManagedRuntime.make(
    applying(kubeLayer({ kubeconfig: cluster().kubeconfig, userAgent: agent })),
  )
  afterAll(() => runtime.dispose())
  return runtime
}
const runtime = open()
const run = <A>(effect: Effect.Effect<A, KubeError, Kube | Live | Claims | Applier>): Promise<A> =>
  runtime.runPromise(effect)
const go = (repo: Repository, objects: ReadonlyArray<KubeObject>, options?: SyncOptions) =>
  run(sync(repo, objects, options))

let counter = 0
const repo = (policy: Repository["policy"] = {}): Repository => {
  const name = `repo-${++counter}`
  return repository({ namespace, name, uid: `${agent}-${name}` }, policy)
}
/** The API server knows of it too: an owner that it does not know is gone, and what it had is free. */
const realRepo = async (policy: Repository["policy"] = {}): Promise<Repository> => {
  const made = repo(policy)
  const { group, version, kind } = GIT_REPOSITORIES
  const apiVersion = `${group}/${version}`
  const spec = { url: "https://git.example.com/shop.git", suspend: true }
  await api.create({ apiVersion, kind, metadata: { name: made.owner.name, namespace }, spec })
  return made
}
const configMap = (name: string, data: Record<string, string> = { a: "1" }, meta: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace, ...meta },
  data,
})
const crd = (group: string, scope = "Namespaced") => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope,
    names: { kind: "Widget", plural: "widgets", singular: "widget", listKind: "WidgetList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { size: { type: "integer" } } } },
          },
        },
      },
    ],
  },
})
const widget = (group: string, name: string, size: unknown = 1) => ({
  apiVersion: `${group}/v1`,
  kind: "Widget",
  metadata: { name, namespace },
  spec: { size },
})
const group = () => `g${randomBytes(4).toString("hex")}.nopea.dev`
const removed: Array<KubeObject> = []
afterAll(async () => {
  for (const object of removed) await api.delete(object)
})
const shown = (name: string) => `/ConfigMap/${namespace}/${name}`

beforeAll(async () => api.applyDefinition(await definition()))

describe("a sync on a real API server", () => {
  it("creates what is absent, once, with its labels and its hash", async () => {
    const r = repo()
    const since = await markAudit()
    const { lines, inventoryKinds } = await go(r, [configMap("first")])
    expect(lines).toEqual([`created ${shown("first")}`])
    expect(inventoryKinds).toEqual(["/ConfigMap"])
    const live = await api.get(configMap("first"))
    expect(live.metadata.labels).toEqual({
      "app.kubernetes.io/managed-by": "nopea",
      "nopea.io/repository": r.owner.name,
      "nopea.io/repository-namespace": namespace,
      "nopea.io/repository-uid": r.owner.uid,
    })
    expect(live.metadata.annotations["nopea.io/applied"]).toMatch(/^v1:/)
    expect(live.metadata.managedFields).toHaveLength(1)
    expect(await auditCount({ userAgent: agent, verb: "patch", since })).toBe(1)
  })

  it("sends one PATCH per changed object and none for the others", async () => {
    const r = repo()
    const objects = Array.from({ length: 20 }, (_, i) => configMap(`many-${i}`))
    await go(r, objects)
    const since = await markAudit()
    const again = await go(r, objects, { freshness: "known" })
    expect(again.lines.every((line) => line.startsWith("unchanged"))).toBe(true)
    expect(await auditCount({ userAgent: agent, since })).toBe(0)
    objects[7] = configMap("many-7", { a: "2" })
    const { lines } = await go(r, objects, { freshness: "known" })
    expect(lines.filter((line) => !line.startsWith("unchanged"))).toEqual([
      `configured ${shown("many-7")}`,
    ])
    expect(await auditCount({ userAgent: agent, verb: "patch", since })).toBe(1)
    expect(await auditCount({ userAgent: agent, since })).toBe(1)
  })

  it("knows after a restart what is applied: one list per kind, no write", async () => {
    const r = repo()
    await go(r, [configMap("kept-1"), configMap("kept-2")])
    const fresh = open()
    const since = await markAudit()
    const { lines } = await fresh.runPromise(
      sync({ ...r, applied: new Map() }, [configMap("kept-1"), configMap("kept-2")]),
    )
    expect(lines).toEqual([`unchanged ${shown("kept-1")}`, `unchanged ${shown("kept-2")}`])
    expect(
      await auditCount({ userAgent: agent, resource: "configmaps", verb: "list", since }),
    ).toBe(1)
    expect(await auditCount({ userAgent: agent, verb: "patch", since })).toBe(0)
  })

  it("applies a definition and its objects in one commit", async () => {
    const g = group()
    const r = repo()
    removed.push(crd(g))
    const { lines, inventoryKinds } = await go(r, [widget(g, "one"), widget(g, "two"), crd(g)])
    expect(lines).toEqual([
      `created apiextensions.k8s.io/CustomResourceDefinition/widgets.${g}`,
      `created ${g}/Widget/${namespace}/one`,
      `created ${g}/Widget/${namespace}/two`,
    ])
    expect(inventoryKinds).toEqual([`apiextensions.k8s.io/CustomResourceDefinition`, `${g}/Widget`])
    expect(r.announced).toEqual([inventoryKinds])
  })

  it("gives a cluster-scoped custom resource of the same commit no namespace", async () => {
    const g = group()
    removed.push(crd(g))
    const { lines, plan } = await go(repo(), [widget(g, "one"), crd(g, "Cluster")])
    expect(lines).toContain(`created ${g}/Widget/one`)
    expect(plan.warnings.join()).toContain("cluster-scoped")
  })

  it("lets objects wait for a definition that fails, and applies the rest", async () => {
    const g = group()
    const bad = { ...crd(g), spec: { ...crd(g).spec, scope: "Everywhere" } }
    const { lines, changes } = await go(repo(), [widget(g, "one"), bad, configMap("beside")])
    expect(lines).toEqual([
      `created ${shown("beside")}`,
      `failed apiextensions.k8s.io/CustomResourceDefinition/widgets.${g} A009`,
      expect.stringMatching(`waiting ${g}/Widget/.*one A049`),
    ])
    expect(changes.find((c) => c.action === "failed")?.failure?.reason).toContain("spec.scope")
  })

  it("lets objects wait for a definition whose names another one holds", async () => {
    const g = group()
    const second = crd(g)
    const clash = {
      ...second,
      metadata: { name: `gadgets.${g}` },
      spec: { ...second.spec, names: { ...second.spec.names, kind: "Gadget", plural: "gadgets" } },
    }
    removed.push(crd(g), clash)
    await go(repo(), [crd(g)])
    const { lines } = await go(repo(), [clash, { ...widget(g, "one"), kind: "Gadget" }])
    expect(lines).toContain(`waiting ${g}/Gadget/${namespace}/one A049`)
  })

  it("applies a Namespace and its content in one commit", async () => {
    const name = `${namespace}-inner`
    const ns = { apiVersion: "v1", kind: "Namespace", metadata: { name } }
    removed.push(ns)
    const inner = { ...configMap("inside"), metadata: { name: "inside", namespace: name } }
    expect((await go(repo(), [inner, ns])).lines).toEqual([
      `created /ConfigMap/${name}/inside`,
      `created /Namespace/${name}`,
    ])
  })

  it("lets an object wait whose namespace does not exist", async () => {
    const lost = { ...configMap("lost"), metadata: { name: "lost", namespace: "nowhere-to-go" } }
    const { lines } = await go(repo(), [lost, configMap("found")])
    expect(lines).toEqual([
      `created ${shown("found")}`,
      "waiting /ConfigMap/nowhere-to-go/lost A013",
    ])
  })

  it("reports all failures at once, applies everything else, and tries only those again", async () => {
    const r = repo()
    const typo = { ...configMap("typo"), dat: { a: "1" } }
    const invalid = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "bad-service", namespace },
      spec: { ports: [{ port: 99_999_999 }] },
    }
    const good = configMap("good")
    const first = await go(r, [typo, good, invalid])
    expect(first.lines).toEqual(
      [
        `created ${shown("good")}`,
        `failed ${shown("typo")} A010`,
        `failed /Service/${namespace}/bad-service A009`,
      ].sort(),
    )
    expect(first.changes.find((c) => c.ref.name === "typo")?.failure).toMatchObject({
      file: "deploy/all.yaml",
      line: 1,
      disposition: "stall",
      reason: expect.stringContaining("dat"),
    })
    const since = await markAudit()
    const second = await go(r, [typo, good, invalid], { freshness: "known" })
    expect(second.lines).toContain(`unchanged ${shown("good")}`)
    expect(
      await auditCount({ userAgent: agent, verb: "patch", resource: "configmaps", since }),
    ).toBe(1)
    const third = await go(r, [configMap("typo"), good], { freshness: "known" })
    expect(third.lines).toEqual([`created ${shown("typo")}`, `unchanged ${shown("good")}`])
  })
})

describe("an object that exists already", () => {
  it("is adopted where no tool claims it, and its other fields stay", async () => {
    await api.create(configMap("plain", { mine: "x", a: "0" }))
    expect((await go(repo(), [configMap("plain")])).lines).toEqual([`configured ${shown("plain")}`])
    expect((await api.get(configMap("plain"))).data).toEqual({ mine: "x", a: "1" })
  })

  it("loses what kubectl put there once it is adopted, and keeps what controllers did", async () => {
    const before = configMap("of-kubectl", { a: "0", stale: "x" })
    await api.apply(before, { fieldManager: "before-first-apply" })
    await api.call("PATCH", await api.path(before), {
      query: { fieldManager: "kubectl-edit" },
      contentType: "application/merge-patch+json",
      body: { data: { edited: "y" } },
    })
    await api.patch(before, { data: { theirs: "z" } })
    const r = repo()
    expect((await go(r, [configMap("of-kubectl")])).lines).toEqual([
      `configured ${shown("of-kubectl")}`,
    ])
    const live = await api.get(before)
    expect(live.data).toEqual({ a: "1", theirs: "z" })
    const since = await markAudit()
    expect((await go(r, [configMap("of-kubectl")])).lines).toEqual([
      `unchanged ${shown("of-kubectl")}`,
    ])
    expect(await auditCount({ userAgent: agent, verb: "patch", since })).toBe(0)
  })

  it("is not touched where none may be adopted", async () => {
    await api.create(configMap("untouched", { a: "0" }))
    const { lines } = await go(repo({ adopt: "Never" }), [configMap("untouched")])
    expect(lines).toEqual([`failed ${shown("untouched")} A045`])
    expect((await api.get(configMap("untouched"))).data).toEqual({ a: "0" })
  })

  it("of Flux, Argo CD or Helm is taken only where all may be adopted", async () => {
    const marked = [
      configMap("of-flux", {}, { labels: { "kustomize.toolkit.fluxcd.io/name": "apps" } }),
      configMap("of-argo", {}, { annotations: { "argocd.argoproj.io/tracking-id": "apps:x" } }),
      configMap("of-helm", {}, { labels: { "app.kubernetes.io/managed-by": "Helm" } }),
    ]
    for (const object of marked) await api.create(object)
    const names = ["of-argo", "of-flux", "of-helm"]
    const wanted = names.map((name) => configMap(name))
    expect((await go(repo(), wanted)).lines).toEqual(names.map((n) => `failed ${shown(n)} A043`))
    expect((await go(repo({ adopt: "Always" }), wanted)).lines).toEqual(
      names.map((n) => `configured ${shown(n)}`),
    )
  })

  it("of another repository is never taken, and both are named", async () => {
    const one = await realRepo()
    const two = await realRepo({ adopt: "Always" })
    await go(one, [configMap("contested")])
    const { lines, changes } = await go(two, [configMap("contested", { a: "2" })])
    expect(lines).toEqual([`failed ${shown("contested")} A042`])
    expect(changes[0]?.failure?.reason).toContain(`${namespace}/${one.owner.name}`)
    expect(changes[0]?.failure?.reason).toContain(`${namespace}/${two.owner.name}`)
    expect((await api.get(configMap("contested"))).data).toEqual({ a: "1" })
  })

  it("goes to one of two repositories that want it at the same time", async () => {
    await api.create(configMap("race", {}))
    const both = await Promise.all([
      go(await realRepo(), [configMap("race")]),
      go(await realRepo(), [configMap("race")]),
    ])
    expect(both.flatMap((result) => result.lines).sort()).toEqual([
      `configured ${shown("race")}`,
      `failed ${shown("race")} A042`,
    ])
  })

  it("of an earlier life of the repository is taken over", async () => {
    const before = repo()
    await go(before, [configMap("reborn"), configMap("left")])
    const after = repository({ ...before.owner, uid: `${before.owner.uid}-2` }, { adopt: "Never" })
    const { lines } = await go(after, [configMap("reborn")])
    expect(lines).toEqual([`configured ${shown("reborn")}`])
    expect(await api.get(configMap("left"))).toBeDefined()
  })

  it("was recreated behind our back: it is looked at again, and adopted", async () => {
    const r = repo()
    await go(r, [configMap("again")])
    await api.delete(configMap("again"))
    await api.create(configMap("again", { other: "y" }))
    const { lines } = await go(r, [configMap("again", { a: "2" })], { freshness: "known" })
    expect(lines).toEqual([`configured ${shown("again")}`])
    expect((await api.get(configMap("again"))).data).toEqual({ a: "2", other: "y" })
  })

  it("was deleted behind our back: it is created whole", async () => {
    const r = repo()
    await go(r, [configMap("deleted")])
    await api.delete(configMap("deleted"))
    const { lines } = await go(r, [configMap("deleted", { a: "2" })], { freshness: "known" })
    expect(lines).toEqual([`created ${shown("deleted")}`])
  })

  it("is healed where it is found deleted, and left where nothing heals by itself", async () => {
    for (const healPolicy of ["auto", "manual"] as const) {
      const name = `gone-${healPolicy}`
      const r = repo({ healPolicy })
      await go(r, [configMap(name)])
      await api.delete(configMap(name))
      const expected = healPolicy === "auto" ? `healed ${shown(name)}` : `held ${shown(name)} A055`
      expect((await go(r, [configMap(name)])).lines).toEqual([expected])
    }
  })

  it("under break-glass set a moment ago is not patched by an older plan", async () => {
    await api.create(configMap("glass", {}, { annotations: { "nopea.io/suspend-heal": "true" } }))
    expect((await go(repo(), [configMap("glass")])).lines).toEqual([`held ${shown("glass")} A053`])
  })

  it("waits while it is being deleted", async () => {
    const r = repo()
    const stuck = configMap("stuck", { a: "1" }, { finalizers: ["test.nopea.dev/hold"] })
    await go(r, [stuck])
    await api.delete(configMap("stuck"))
    expect((await go(r, [stuck])).lines).toEqual([`waiting ${shown("stuck")} A046`])
    expect((await go(r, [stuck], { freshness: "known" })).lines[0]).toContain("A046")
    await api.patch(configMap("stuck"), { metadata: { finalizers: null } })
    await api.waitForGone(configMap("stuck"))
    expect((await go(r, [configMap("stuck")])).lines).toEqual([`created ${shown("stuck")}`])
    expect(r.kinds).toEqual(["/ConfigMap"])
  })
})

describe("prune on a real API server", () => {
  it("deletes what left Git, in reverse order, and forgets a kind that holds nothing", async () => {
    const r = repo()
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "leaving", namespace },
      stringData: { key: "hidden" },
    }
    await go(r, [configMap("leaving"), configMap("staying"), secret])
    expect(r.kinds).toEqual(["/ConfigMap", "/Secret"])
    const { lines } = await go(r, [configMap("staying")])
    expect(lines).toEqual(
      [
        `deleted ${shown("leaving")}`,
        `deleted /Secret/${namespace}/leaving`,
        `unchanged ${shown("staying")}`,
      ].sort(),
    )
    expect(r.kinds).toEqual(["/ConfigMap"])
    expect(await api.get(configMap("leaving"))).toBeUndefined()
  })

  it("keeps Namespaces, definitions and volume claims unless asked", async () => {
    const r = repo()
    const g = group()
    const name = `${namespace}-kept`
    const ns = { apiVersion: "v1", kind: "Namespace", metadata: { name } }
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "kept", namespace },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    }
    removed.push(ns, crd(g), claim)
    await go(r, [ns, crd(g), claim])
    expect((await go(r, [])).lines).toEqual([
      `skipped /Namespace/${name} A052`,
      `skipped /PersistentVolumeClaim/${namespace}/kept A052`,
      `skipped apiextensions.k8s.io/CustomResourceDefinition/widgets.${g} A052`,
    ])
    await api.patch(ns, { metadata: { annotations: { "nopea.io/prune": "enabled" } } })
    expect((await go(r, [])).lines).toContain(`deleted /Namespace/${name}`)
  })

  it("leaves copies of our labels, and what another account changed into somebody else's", async () => {
    const r = repo()
    await go(r, [configMap("original")])
    const { labels } = (await api.get(configMap("original"))).metadata
    await api.create(configMap("copy", {}, { labels }))
    expect((await go(r, [])).lines).toEqual([`deleted ${shown("original")}`])
    expect(await api.get(configMap("copy"))).toBeDefined()
  })

  it("does not delete while an object fails", async () => {
    const r = repo()
    await go(r, [configMap("old-name")])
    const { lines } = await go(r, [{ ...configMap("new-name"), dat: {} }])
    expect(lines).toEqual([`failed ${shown("new-name")} A010`, `held ${shown("old-name")} A051`])
    expect((await go(r, [configMap("new-name")])).lines).toEqual([
      `created ${shown("new-name")}`,
      `deleted ${shown("old-name")}`,
    ])
  })

  it("looks again where the object changed meanwhile: a protection set a moment ago wins", async () => {
    const r = repo()
    await go(r, [configMap("guarded"), configMap("edited")])
    await api.patch(configMap("guarded"), {
      metadata: { annotations: { "nopea.io/prune": "disabled" } },
    })
    await api.patch(configMap("edited"), { data: { more: "1" } })
    expect((await go(r, [], { freshness: "known" })).lines).toEqual([
      `deleted ${shown("edited")}`,
      `skipped ${shown("guarded")} A054`,
    ])
  })

  it("keeps tracking what could not be deleted", async () => {
    const r = repo()
    await go(r, [configMap("forbidden")])
    const account = { ...r, caller: { budget: "x", impersonate: "system:serviceaccount:x:nobody" } }
    const { lines, inventoryKinds } = await go(account, [])
    expect(lines).toEqual([`failed ${shown("forbidden")} A002`])
    expect(inventoryKinds).toEqual(["/ConfigMap"])
  })
})

describe("spec.force on a real API server", () => {
  const frozen = (name: string, a: string, meta: object = {}) => ({
    ...configMap(name, { a }, meta),
    immutable: true,
  })
  const job = (name: string, image: string) => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace },
    spec: {
      template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image }] } },
    },
  })
  const verbs = async (name: string, since: AuditMark) =>
    (await audit({ userAgent: agent, namespace, name, since })).map(
      ({ verb, requestURI }) => `${verb}${requestURI.includes("dryRun=All") ? " (dry run)" : ""}`,
    )

  it("without it an immutable field is a failure and nothing is deleted", async () => {
    const r = repo()
    await go(r, [frozen("frozen-1", "1")])
    const { uid } = (await api.get(configMap("frozen-1"))).metadata
    const { lines } = await go(r, [frozen("frozen-1", "2")])
    expect(lines).toEqual([`failed ${shown("frozen-1")} A004`])
    expect((await api.get(configMap("frozen-1"))).metadata.uid).toBe(uid)
  })

  it("proves the new object by a dry run, deletes the old one, and creates the new one", async () => {
    const r = repo({ force: true })
    await go(r, [frozen("frozen-2", "1"), job("frozen-2", "registry.example/a:1")])
    const before = await api.get(configMap("frozen-2"))
    const since = await markAudit()
    const { lines } = await go(r, [
      frozen("frozen-2", "2"),
      job("frozen-2", "registry.example/a:2"),
    ])
    expect(lines).toEqual([
      `configured ${shown("frozen-2")}`,
      `configured batch/Job/${namespace}/frozen-2`,
    ])
    const after = await api.get(configMap("frozen-2"))
    expect(after.data).toEqual({ a: "2" })
    expect(after.metadata.uid).not.toBe(before.metadata.uid)
    expect(await verbs("frozen-2", since)).toContain("delete")
    const again = await go(r, [frozen("frozen-2", "2"), job("frozen-2", "registry.example/a:2")])
    expect(again.lines.every((line) => line.startsWith("unchanged"))).toBe(true)
  })

  it("deletes nothing where the new object is not valid or not admitted", async () => {
    const r = repo({ force: true })
    const name = `${namespace}-create`
    const admission = "admissionregistration.k8s.io/v1"
    const policy = {
      apiVersion: admission,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          resourceRules: [
            {
              apiGroups: [""],
              apiVersions: ["v1"],
              resources: ["configmaps"],
              operations: ["CREATE"],
            },
          ],
        },
        validations: [
          { expression: "!(object.metadata.name == 'frozen-3')", message: "no new ones" },
        ],
      },
    }
    const binding = {
      apiVersion: admission,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    }
    await go(r, [frozen("frozen-3", "1"), job("frozen-3", "registry.example/a:1")])
    removed.push(policy, binding)
    await api.apply(policy)
    await api.apply(binding)
    const probe = { ...configMap("frozen-3"), metadata: { name: "frozen-3", namespace } }
    await eventually("the policy is in force", async () => {
      const path = (await api.path(probe)).replace(/\/[^/]+$/u, "")
      const answer = await api.call("POST", path, { body: probe, query: { dryRun: "All" } })
      return answer.status === 422 || answer.status === 403 ? true : undefined
    })
    const uid = (await api.get(configMap("frozen-3"))).metadata.uid
    const since = await markAudit()
    const invalid = job("frozen-3", "registry.example/a:2")
    const { lines } = await go(r, [
      frozen("frozen-3", "2"),
      {
        ...invalid,
        spec: { template: { spec: { ...invalid.spec.template.spec, restartPolicy: "Sometimes" } } },
      },
    ])
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^failed .*frozen-3 A0(?!59)/u)
    expect(lines[1]).toMatch(/^failed .*frozen-3 A009/u)
    expect(await verbs("frozen-3", since)).not.toContain("delete")
    expect((await api.get(configMap("frozen-3"))).metadata.uid).toBe(uid)
  })

  it("never recreates a StatefulSet, nor what is annotated to stay, nor what suspends healing", async () => {
    const r = repo({ force: true })
    const set = (storage: string) => ({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "frozen-4", namespace },
      spec: {
        replicas: 0,
        serviceName: storage,
        selector: { matchLabels: { app: "frozen-4" } },
        template: {
          metadata: { labels: { app: "frozen-4" } },
          spec: { containers: [{ name: "main", image: "registry.example/a:1" }] },
        },
      },
    })
    const keep = { annotations: { "nopea.io/prune": "disabled" } }
    await go(r, [set("a"), frozen("frozen-4", "1", keep)])
    const since = await markAudit()
    const { changes } = await go(r, [set("b"), frozen("frozen-4", "2", keep)])
    expect(changes.map(({ action }) => action)).toEqual(["failed", "failed"])
    const reasons = changes.map(({ failure }) => failure?.reason).join("\n")
    expect(reasons).toContain("spec.force does not recreate a StatefulSet")
    expect(reasons).toContain("nopea.io/prune: disabled")
    expect(await verbs("frozen-4", since)).not.toContain("delete")
  })
})
