// The live index on a real API server: what it lists, what it keeps, what it owns up to not knowing.
import { randomBytes } from "node:crypto"
import { Effect, Layer, ManagedRuntime } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { Live, type LiveQuery } from "../../src/cache/Live.ts"
import { layer as liveLayer } from "../../src/controller/LiveIndex.ts"
import { layer as kubeLayer } from "../../src/kube/KubeHttp.ts"
import { liveObject } from "../../src/plan/live.ts"
import { auditCount, cluster, connect, freshNamespace, markAudit } from "../cluster/connect.ts"

const agent = `nopea-live-${randomBytes(4).toString("hex")}`
const api = connect()
const namespace = freshNamespace(api, "live")
const CONFIG_MAP = { group: "", kind: "ConfigMap" }
const NAMESPACE = { group: "", kind: "Namespace" }

const open = (context = "admin") => {
  const { kubeconfig } = cluster()
  const kube = kubeLayer({ kubeconfig, userAgent: agent, context })
  const runtime = ManagedRuntime.make(liveLayer.pipe(Layer.provide(kube)))
  afterAll(() => runtime.dispose())
  return <A, E>(use: (live: Live["Service"]) => Effect.Effect<A, E>): Promise<A> =>
    runtime.runPromise(Effect.flatMap(Live, use))
}
const query = (name: string, more: Partial<LiveQuery> = {}): LiveQuery => ({
  repository: `${namespace}/${name}`,
  kinds: [CONFIG_MAP],
  freshness: "listed",
  caller: { budget: `${namespace}/${name}` },
  namespaces: [namespace],
  ...more,
})
const labelled = (name: string, repository: string, uid = "u1") => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name,
    namespace,
    labels: {
      "nopea.io/repository": repository,
      "nopea.io/repository-namespace": namespace,
      "nopea.io/repository-uid": uid,
    },
  },
})
const key = (name: string) => `/ConfigMap/${namespace}/${name}`

describe("the live index", () => {
  it("sees what this repository and its earlier lives applied, and nobody else's", async () => {
    await api.apply(labelled("now", "one"), { fieldManager: "nopea" })
    await api.apply(labelled("before", "one", "u0"), { fieldManager: "nopea" })
    await api.apply(labelled("copied", "one"), { fieldManager: "operator" })
    await api.apply(labelled("foreign", "two"), { fieldManager: "nopea" })
    const { objects, unknown } = await open()((live) => live.snapshot(query("one")))
    expect([...objects.keys()].sort()).toEqual([key("before"), key("copied"), key("now")])
    expect(unknown.size).toBe(0)
    expect(objects.get(key("now"))).toMatchObject({ proven: true, owner: { uid: "u1" } })
    expect(objects.get(key("before"))).toMatchObject({ proven: true, owner: { uid: "u0" } })
    expect(objects.get(key("copied"))?.proven).toBe(false)
  })

  it("asks once per kind, and again only for kinds it never listed or when told", async () => {
    const use = open()
    const since = await markAudit()
    const lists = () => auditCount({ userAgent: agent, verb: "list", since })
    await use((live) => live.snapshot(query("one")))
    expect(await lists()).toBe(1)
    const known = { freshness: "known" } as const
    const { objects } = await use((live) => live.snapshot(query("one", known)))
    expect(objects.has(key("now"))).toBe(true)
    expect(await lists()).toBe(1)
    await use((live) => live.snapshot(query("one", { ...known, kinds: [CONFIG_MAP, NAMESPACE] })))
    expect(await lists()).toBe(2)
    await use((live) => live.snapshot(query("one")))
    expect(await lists()).toBe(3)
  })

  it("notices at a list what was deleted and changed meanwhile", async () => {
    const use = open()
    await api.apply(labelled("fleeting", "three"), { fieldManager: "nopea" })
    const before = await use((live) => live.snapshot(query("three")))
    expect(before.objects.has(key("fleeting"))).toBe(true)
    await api.delete(labelled("fleeting", "three"))
    const after = await use((live) => live.snapshot(query("three")))
    expect(after.objects.size).toBe(0)
    expect(before.objects.size).toBe(1)
  })

  it("keeps the newer of what it knows and what it is told", async () => {
    const use = open()
    await api.apply(labelled("told", "four"), { fieldManager: "nopea" })
    const { metadata } = await api.get(labelled("told", "four"))
    const version = (resourceVersion: string, applied: string) =>
      liveObject(
        { ...CONFIG_MAP, version: "v1" },
        { ...metadata, resourceVersion, annotations: { "nopea.io/applied": applied } },
      )
    const applied = async () => {
      const snapshot = await use((live) => live.snapshot(query("four", { freshness: "known" })))
      return snapshot.objects.get(key("told"))?.applied
    }
    await use((live) => live.snapshot(query("four")))
    const repository = `${namespace}/four`
    const next = String(BigInt(metadata.resourceVersion) + 100_000n)
    await use((live) => live.record(repository, version(next, "v1:new")))
    await use((live) => live.record(repository, version("1", "v1:old")))
    expect(await applied()).toBe("v1:new")
    await use((live) => live.snapshot(query("four")))
    expect(await applied()).toBe("v1:new")
    await use((live) => live.forget(repository, key("told")))
    expect(await applied()).toBeUndefined()
    await use((live) => live.drop(repository))
    expect(await applied()).toBeUndefined()
    const since = await markAudit()
    await use((live) => live.drop(repository))
    await use((live) => live.snapshot(query("four", { freshness: "known" })))
    expect(await auditCount({ userAgent: agent, verb: "list", since })).toBe(1)
  })

  it("calls a kind that it may not list unknown, and holds on to nothing old as whole", async () => {
    const { unknown, objects } = await open("nobody")((live) =>
      live.snapshot(query("one", { kinds: [CONFIG_MAP, NAMESPACE] })),
    )
    expect([...unknown].sort()).toEqual(["/ConfigMap", "/Namespace"])
    expect(objects.size).toBe(0)
  })

  it("knows that a kind which is not served holds nothing", async () => {
    const kinds = [CONFIG_MAP, { group: "gone.nopea.dev", kind: "Widget" }]
    const { unknown } = await open()((live) => live.snapshot(query("one", { kinds })))
    expect(unknown.size).toBe(0)
  })
})
