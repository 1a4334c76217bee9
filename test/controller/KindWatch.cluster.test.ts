// What the live index's watches tell on a real API server, and what they leave unsaid.
import { randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, describe, expect, it, onTestFinished } from "vitest"
import { Live } from "../../src/cache/Live.ts"
import { liveObject } from "../../src/plan/live.ts"
import { cluster } from "../cluster/connect.ts"
import { kubeconfigText } from "../cluster/users.ts"
import { ApiProxy } from "../scenario/ApiProxy.ts"
import { CONFIG_MAP, liveWorld } from "./liveWorld.ts"

const { api, namespace, open, query, labelled, labelsOf, key, counting } = liveWorld()
const ours = { fieldManager: "nopea", force: true }
const person = { fieldManager: "kubectl-edit" }
const configMap = (name: string, repository: string, x = "1") => ({
  ...labelled(name, repository),
  data: { x },
})
const patch = (name: string, body: object) => api.patch(configMap(name, ""), body, person)

/** What was told of a kind before this is known by now: one watch tells in order. */
const barrier = async (
  worker: { woken: (n: number) => Promise<true>; wakes: () => number },
  name: string,
) => {
  const before = worker.wakes()
  await patch(name, { data: { x: randomBytes(4).toString("hex") } })
  await worker.woken(before + 1)
  return before
}

/** A repository with the objects `<name>-a` and `<name>-mark`, the latter for barriers. */
const given = async (name: string, index = open()) => {
  await api.apply(configMap(`${name}-a`, name), ours)
  await api.apply(configMap(`${name}-mark`, name), ours)
  const worker = await index.worker(name)
  return { ...index, worker, a: `${name}-a`, mark: () => barrier(worker, `${name}-mark`) }
}

describe("a watched kind", () => {
  it("wakes the owner where somebody takes a field, with another ownership", async () => {
    const { worker, a } = await given("edit")
    const before = (await worker.known()).get(key(a))?.ownership
    expect(worker.wakes()).toBe(0)
    await patch(a, { data: { x: "2" } })
    await worker.woken(1)
    const after = (await worker.known()).get(key(a))?.ownership
    expect(after).not.toBe(before)
  })

  it("wakes nobody for what others add that is not drift", async () => {
    const { a, mark } = await given("added")
    await api.patch(configMap(a, ""), { data: { y: "1" } }, { fieldManager: "some-operator" })
    await api.patch(configMap(a, ""), { metadata: { annotations: { "a/b": "c" } } })
    expect(await mark()).toBe(0)
  })

  it("wakes for a deletion, a lost label, and a break-glass that is set or lifted", async () => {
    const { worker, a } = await given("gone")
    const glass = "nopea.io/break-glass"
    await patch(a, { metadata: { annotations: { [glass]: "until-fixed" } } })
    await worker.woken(1)
    expect((await worker.known()).get(key(a))?.marks[glass]).toBe("until-fixed")
    await patch(a, { metadata: { annotations: { [glass]: null } } })
    await worker.woken(2)
    await patch(a, { metadata: { labels: { "nopea.io/repository": null } } })
    await worker.woken(3)
    expect((await worker.known()).has(key(a))).toBe(false)
    await api.delete(configMap("gone-mark", ""))
    await worker.woken(4)
    expect((await worker.known()).size).toBe(0)
  })

  it("wakes neither for a write of the status nor for the begin of a deletion", async () => {
    const deployment = (name: string) => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace, labels: labelsOf("status") },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: [{ name: "c", image: "app:1" }] },
        },
      },
    })
    await api.apply(deployment("status-a"), ours)
    await api.apply(deployment("status-mark"), ours)
    const kinds = [{ group: "apps", kind: "Deployment" }]
    const worker = await open().worker("status", { kinds })
    const at = `apps/Deployment/${namespace}/status-a`
    const status = { status: { observedGeneration: 1, conditions: [] } }
    await api.patch(deployment("status-a"), status, { subresource: "status" })
    await api.patch(deployment("status-a"), { metadata: { finalizers: ["nopea.test/hold"] } })
    await api.delete(deployment("status-a"))
    await worker.sees((objects) => objects.get(at)?.terminating === true)
    await api.patch(deployment("status-mark"), { spec: { replicas: 1 } }, person)
    await worker.woken(1)
    expect(worker.wakes()).toBe(1)
    await api.patch(deployment("status-a"), { metadata: { finalizers: null } })
    await worker.woken(2)
  })

  it("wakes nobody for our own writes and deletes, told before their answer or after", async () => {
    const { use, worker, a, mark } = await given("own")
    const { repository } = worker
    const type = { ...CONFIG_MAP, version: "v1" }
    const write = (x: string, sees: boolean) =>
      Effect.gen(function* () {
        const live = yield* Live
        const answer = yield* Effect.promise(() => api.apply(configMap(a, "own", x), ours))
        const object = liveObject(type, answer.metadata)
        const told = worker.sees(
          (objects) => objects.get(key(a))?.resourceVersion === object.resourceVersion,
        )
        if (sees) yield* Effect.promise(() => told)
        yield* live.record(repository, object)
      })
    await use((live) =>
      live.writing(repository, key(a))(Effect.provideService(write("2", true), Live, live)),
    )
    await use((live) =>
      live.writing(repository, key(a))(Effect.provideService(write("3", false), Live, live)),
    )
    await use((live) =>
      live.writing(
        repository,
        key(a),
      )(
        Effect.promise(() => api.delete(configMap(a, ""))).pipe(
          Effect.andThen(live.forget(repository, key(a))),
        ),
      ),
    )
    expect(await mark()).toBe(0)
    expect((await worker.known()).has(key(a))).toBe(false)
  })

  it("tells after our own write what somebody else did meanwhile", async () => {
    const { use, worker, a } = await given("raced")
    const { repository } = worker
    await use((live) =>
      live.writing(
        repository,
        key(a),
      )(
        Effect.gen(function* () {
          const answer = yield* Effect.promise(() => api.apply(configMap(a, "raced", "2"), ours))
          yield* Effect.promise(() => patch(a, { data: { x: "3" } }))
          const own = liveObject({ ...CONFIG_MAP, version: "v1" }, answer.metadata)
          yield* Effect.promise(() =>
            worker.sees((objects) => objects.get(key(a))?.ownership !== own.ownership),
          )
          yield* live.record(repository, own)
          expect(worker.wakes()).toBe(0)
        }),
      ),
    )
    expect(worker.wakes()).toBe(1)
  })

  it("tells what happened while its connection was dead", async () => {
    const proxy = await ApiProxy.open(cluster())
    const folder = await mkdtemp(join(tmpdir(), "nopea-live-"))
    onTestFinished(async () => {
      await proxy.close()
      await rm(folder, { recursive: true })
    })
    const kubeconfig = join(folder, "config")
    await writeFile(kubeconfig, kubeconfigText(proxy.server, proxy.ca, { ...cluster().tokens }))
    const { worker, a } = await given("cut", open({ kubeconfig }))
    proxy.cut()
    await api.delete(configMap(a, ""))
    expect(worker.wakes()).toBe(0)
    proxy.mend()
    await worker.woken(1)
    expect((await worker.known()).has(key(a))).toBe(false)
  })
})

describe("a kind that cannot be watched", () => {
  it("is listed where the caller may look, when asked freshly", async () => {
    const rbac = "rbac.authorization.k8s.io"
    const name = "live-lister"
    const metadata = { name, namespace }
    const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["list"] }]
    await api.apply({ apiVersion: `${rbac}/v1`, kind: "Role", metadata, rules })
    const roleRef = { apiGroup: rbac, kind: "Role", name }
    const subjects = [{ apiGroup: rbac, kind: "User", name: "nobody" }]
    await api.apply({ apiVersion: `${rbac}/v1`, kind: "RoleBinding", metadata, roleRef, subjects })
    await api.apply(configMap("poor-a", "poor"), ours)
    const { use, worker } = open({ context: "nobody" })
    const poor = await worker("poor")
    const fresh = () => use((live) => live.snapshot(query("poor", { freshness: "fresh" })))
    expect([...(await fresh()).objects.keys()]).toEqual([key("poor-a")])
    expect((await fresh()).unknown.size).toBe(0)
    await api.delete(configMap("poor-a", ""))
    expect((await poor.known()).size).toBe(1)
    expect((await fresh()).objects.size).toBe(0)
    const elsewhere = query("poor", { freshness: "fresh", namespaces: ["default"] })
    expect([...(await use((live) => live.snapshot(elsewhere))).unknown]).toEqual(["/ConfigMap"])
  })

  it("is a Secret, unless the setting says otherwise", async () => {
    const secret = { ...labelled("secret-a", "secret"), kind: "Secret" }
    await api.apply(secret, ours)
    const kinds = [{ group: "", kind: "Secret" }]
    const at = `/Secret/${namespace}/secret-a`
    const count = await counting()
    const account = `system:serviceaccount:${namespace}:default`
    const as = { caller: { budget: "x", impersonate: account }, kinds, freshness: "fresh" } as const
    const { use } = open()
    const refused = await use((live) => live.snapshot(query("secret", as)))
    expect([...refused.unknown]).toEqual(["/Secret"])
    const own = await use((live) => live.snapshot(query("secret", { kinds, freshness: "fresh" })))
    expect([...own.objects.keys()]).toEqual([at])
    expect(own.objects.get(at)?.fields).not.toContain("hunter2")
    const watching = await open({ watchSecrets: true }).worker("secret", as)
    await api.patch(secret, { stringData: { password: "hunter2" } }, person)
    await api.delete(secret)
    await watching.woken(1)
    expect(await count("list", "secrets")).toBe(4)
  })
})

describe("a kind that comes and goes", () => {
  const group = `live-${randomBytes(4).toString("hex")}.nopea.dev`
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "widgets", kind: "Widget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
          },
        },
      ],
    },
  }
  afterAll(() => api.delete(definition))

  it("is watched again after its definition was deleted and made anew", async () => {
    const widget = {
      apiVersion: `${group}/v1`,
      kind: "Widget",
      metadata: { name: "w", namespace, labels: labelsOf("crd") },
      spec: { x: 1 },
    }
    const kinds = [{ group, kind: "Widget" }]
    await api.applyDefinition(definition)
    await api.apply(widget, ours)
    const { use, worker } = open()
    const crd = await worker("crd", { kinds })
    expect((await crd.known()).size).toBe(1)
    await api.delete(definition)
    await crd.woken(1)
    const fresh = () => use((live) => live.snapshot(query("crd", { kinds, freshness: "fresh" })))
    await api.waitFor(definition, (live) => live === undefined, { until: "is gone" })
    const gone = await use((live) => live.snapshot(query("crd", { kinds })))
    expect([gone.objects.size, gone.unknown.size]).toEqual([0, 0])
    await api.applyDefinition(definition)
    await api.apply(widget, ours)
    expect((await fresh()).objects.size).toBe(1)
    const before = crd.wakes()
    await api.patch(widget, { spec: { x: 2 } }, person)
    await crd.woken(before + 1)
  })
})
