// RAUTA: kinds of the Gateway API come after what they name, and what is said of them counts for health.
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { load } from "js-yaml"
import { afterAll, assert, describe, it } from "vitest"
import type { Json, KubeObject, ObjectKey } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"
import { DEFINITIONS, gateway, routed, says } from "./gateways.ts"
import { explainFailure, gitRepository, requestSync, statusOf, synced, world } from "./world.ts"

const run = promisify(execFile)
const here = world()
const page = readFileSync(join(import.meta.dirname, "../../docs/rauta.md"), "utf8")

/** What kubectl prints for the page's command, of another GitRepository. */
const askedAsOnPage = async (name: string): Promise<string> => {
  const [, jsonpath = ""] = /-o jsonpath='(.*)'\n/u.exec(page) ?? []
  const { kubeconfig, bin } = cluster()
  const asked = ["get", "gitrepository", name, "-n", here.namespace, "-o", `jsonpath=${jsonpath}`]
  return (await run(bin.kubectl, ["--kubeconfig", kubeconfig, ...asked])).stdout
}

afterAll(async () => {
  for (const one of DEFINITIONS) await here.api.delete(one)
})

/** In one file, the routes first: the order is NOPEA's. */
const file = (...objects: ReadonlyArray<KubeObject>) =>
  objects.map((one) => JSON.stringify(one)).join("\n---\n")

const liveOf = (kind: string, name: string): Promise<Json> => {
  const version =
    kind === "Service"
      ? "v1"
      : `gateway.networking.k8s.io/${kind === "ReferenceGrant" ? "v1beta1" : "v1"}`
  const metadata = kind === "GatewayClass" ? { name } : { name, namespace: here.namespace }
  return here.api.get({ apiVersion: version, kind, metadata })
}

/** When each was written last, as the order of the store. */
const writtenAt = async (kind: string, name: string): Promise<number> =>
  Number((await liveOf(kind, name)).metadata.resourceVersion)

const ROUTES = ["HTTPRoute", "GRPCRoute", "ReferenceGrant"]

const speak = async (key: ObjectKey, status: object) =>
  here.api.patch(key, { status }, { subresource: "status", fieldManager: "rauta" })

const condition = (status: Json, type: string): Json =>
  (status.conditions ?? []).find((one: Json) => one.type === type)

describe("the Gateway API", () => {
  it("comes with its definitions, classes and Services in one commit, each after what it names", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("routes")
    const name = `${here.namespace}-routes`
    const commit = await repo.commit({
      "a.yaml": file(...routed("api", 8080), ...gateway(name)),
      "z.yaml": file(...DEFINITIONS),
    })
    await here.api.apply(gitRepository(here, "routes", repo.url))
    const status = await synced(here, "routes", commit)
    assert.deepInclude(status, { resourceCount: 11, appliedCount: 11 })
    const service = await writtenAt("Service", "api")
    for (const kind of ROUTES) assert.isAbove(await writtenAt(kind, "api"), service, kind)
    assert.isAbove(await writtenAt("Gateway", "public"), await writtenAt("GatewayClass", name))

    const next = await repo.commit({ "a.yaml": file(...routed("api", 9090), ...gateway(name)) })
    await requestSync(here, "routes")
    await synced(here, "routes", next)
    const moved = await writtenAt("Service", "api")
    assert.isAbove(moved, service)
    for (const kind of ["HTTPRoute", "GRPCRoute"])
      assert.isAbove(await writtenAt(kind, "api"), moved, kind)
  })

  it("is healthy once every parent accepts it and resolves what it names", async () => {
    explainFailure(here)
    for (const one of DEFINITIONS) await here.api.applyDefinition(one)
    const repo = await here.git.createRepo("healthy")
    const name = `${here.namespace}-healthy`
    const all = [...routed("web", 80), ...gateway(name)].map((one) =>
      one.kind === "Gateway" ? { ...one, metadata: { name: "private" } } : one,
    )
    const moved = JSON.parse(
      JSON.stringify(all).replaceAll('"public"', '"private"'),
    ) as KubeObject[]
    const commit = await repo.commit({ "a.yaml": file(...moved) })
    await here.api.apply(gitRepository(here, "healthy", repo.url, { wait: true }))
    const healthy = (word: string, part: string) =>
      statusOf(here, "healthy", `says ${part}`, (status) => {
        const said = condition(status, "Healthy")
        return (
          status.lastSyncedCommit === commit && said?.status === word && said.message.includes(part)
        )
      })
    await healthy("Unknown", "waits for 4 of")

    const accepted = async (
      kind: string,
      of: string,
      more: Readonly<Record<string, boolean>> = {},
    ) => {
      const live = await liveOf(kind, of)
      await speak(live, { conditions: says(live, { Accepted: true, ...more }) })
    }
    await accepted("GatewayClass", name)
    await accepted("Gateway", "private", { Programmed: true })
    await healthy("Unknown", `Gateway ${here.namespace}/private: it has not answered yet`)

    const answered = async (kind: string, isResolved: boolean) => {
      const live = await liveOf(kind, "web")
      const conditions = says(live, { Accepted: true, ResolvedRefs: isResolved })
      const parents = [
        { parentRef: { name: "private" }, controllerName: "rauta.example/gateway", conditions },
      ]
      await speak(live, { parents })
    }
    await answered("GRPCRoute", true)
    await answered("HTTPRoute", false)
    const bad = await healthy("False", "ResolvedRefs is False: Service gone not found")
    assert.deepInclude(condition(bad, "Ready"), { status: "False", reason: "HealthCheckFailed" })
    const [, said = ""] = /-o jsonpath=.*\n(.*)\n/u.exec(page) ?? []
    const expected = said
      .replace("/shop/api:", `/${here.namespace}/web:`)
      .replace("shop/public", `${here.namespace}/private`)
      .replace("Service api", "Service gone")
      .replace(/^1 of \d+/u, "1 of 6")
    assert.strictEqual(await askedAsOnPage("healthy"), expected)
    await answered("HTTPRoute", true)
    const good = await healthy("True", "healthy")
    assert.deepInclude(condition(good, "Ready"), { status: "True", reason: "Succeeded" })
  })

  it("weights of another are left to it where the page's ignore rule says so, through commits", async () => {
    explainFailure(here)
    for (const one of DEFINITIONS) await here.api.applyDefinition(one)
    const [, block = ""] = /```yaml\n(spec:[\s\S]*?)```/u.exec(page) ?? []
    const { spec } = load(block) as { readonly spec: Readonly<Record<string, unknown>> }
    const repo = await here.git.createRepo("weights")
    const first = await repo.commit({ "a.yaml": file(...routed("split", 80)) })
    await here.api.apply(gitRepository(here, "weights", repo.url, spec))
    await synced(here, "weights", first)
    const rules = [
      { backendRefs: ["split", "next"].map((name) => ({ name, port: 80, weight: 5 })) },
    ]
    const live = await liveOf("HTTPRoute", "split")
    await here.api.patch(live, { spec: { rules } }, { fieldManager: "kulta" })
    const second = await repo.commit({ "a.yaml": file(...routed("split", 90)) })
    await requestSync(here, "weights")
    const status = await synced(here, "weights", second)
    assert.deepEqual([status.drift ?? [], status.driftedCount], [[], 0])
    assert.deepEqual((await liveOf("HTTPRoute", "split")).spec.rules, rules)
    assert.strictEqual((await liveOf("Service", "split")).spec.ports[0].port, 90)
  })
})
