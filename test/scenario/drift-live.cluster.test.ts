// Fields that the cluster keeps: conflicts under conflictPolicy live, and what spec.ignore leaves to others.
import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import {
  askedSince,
  Drifting,
  deployment,
  EDIT,
  envOf,
  IMAGE,
  imageOf,
  markAudit,
} from "./drifting.ts"
import { configMap, configMapKey, world } from "./world.ts"

const here = world()
const LIVE = { healPolicy: "manual", conflictPolicy: "live" }
const ENV = "spec.template.spec.containers[name=main].env[name=LEVEL].value"
const conflictsOf = (status: Json) =>
  (status.drift ?? []).filter((row: Json) => row.type === "conflict").map((row: Json) => row.path)
const tells = (one: Drifting, ...paths: ReadonlyArray<string | undefined>) =>
  one.status(
    `tells conflicts ${paths}`,
    (s) => conflictsOf(s).join() === paths.join() && s.lastSyncedCommit === one.commit,
  )

describe("conflictPolicy live", () => {
  it("keeps a list item's field, and what it is told stays a conflict at later looks and after a restart", async () => {
    const one = await Drifting.deployment(here, "items", LIVE)
    await one.setEnv("debug")
    await one.drifted()
    await one.push({ "app.yaml": deployment(one.name, { env: "warn", image: "app:2" }) })
    await tells(one, ENV)
    assert.deepEqual([envOf(await one.live()), imageOf(await one.live())], ["debug", "app:2"])
    assert.deepEqual(conflictsOf(await one.look()), [ENV])
    await here.controller.kill()
    await here.controller.start()
    assert.deepEqual(conflictsOf(await one.look()), [ENV])
    await one.push({ "app.yaml": deployment(one.name, { env: "debug", image: "app:2" }) })
    await one.synced()
    assert.equal(envOf(await one.live()), "debug")
  })

  it("keeps more conflicts than the status has room for, also over a restart", async () => {
    const names = Array.from({ length: 60 }, (_, i) => `crowd-${i}`)
    const files = (value: string) =>
      Object.fromEntries(names.map((name) => [`${name}.yaml`, configMap(name, value)]))
    const one = await Drifting.of(here, "crowd", files("x"), LIVE)
    const keys = names.map((name) => configMapKey(here.namespace, name))
    await Promise.all(keys.map((key) => here.api.patch(key, { data: { value: "edited" } }, EDIT)))
    await one.status("tells all", (s) => s.driftedCount === names.length)
    await one.push(files("y"))
    const told = await one.status("tells all conflicts", (s) => {
      const isAll = s.driftedCount === names.length && s.lastSyncedCommit === one.commit
      return isAll && conflictsOf(s).length === 50
    })
    assert.lengthOf(told.drift, 50)
    await one.set({ healPolicy: "auto" })
    await one.look()
    const since = await markAudit()
    await here.controller.kill()
    await here.controller.start()
    for (let look = 0; look < 2; look++) {
      const status = await one.look()
      assert.equal(status.driftedCount, names.length)
    }
    const { writes } = await askedSince(since, {
      resource: "configmaps",
      namespace: here.namespace,
    })
    assert.deepEqual(writes, [])
    const live = await Promise.all(keys.map((key) => here.api.get(key)))
    assert.deepEqual([...new Set(live.map(({ data }) => data.value))], ["edited"])
  })

  it("keeps the cluster's value also where drift is healed by itself", async () => {
    const one = await Drifting.deployment(here, "auto", {
      conflictPolicy: "live",
      healGracePeriod: "2s",
    })
    await one.setImage("app:9")
    const { drift } = await one.drifted()
    await one.push({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    await tells(one, IMAGE)
    while (Date.now() < Date.parse(drift[0].until) + 1500) await one.look()
    assert.equal(imageOf(await one.live()), "app:9")
    await one.setEnv("debug")
    await one.waitFor("has Git's env", (live) => envOf(live) === "info")
    assert.equal(imageOf(await one.live()), "app:9")
    await one.set({ conflictPolicy: "git" })
    await one.waitFor("has Git's image", (live) => imageOf(live) === "app:2")
    await one.synced()
  })

  it("leaves a deleted object deleted, also later and after a restart", async () => {
    const one = await Drifting.deployment(here, "deleted", {
      conflictPolicy: "live",
      healGracePeriod: "1h",
    })
    await here.api.delete(one.key)
    await one.drifted()
    await one.push({ "app.yaml": deployment(one.name, { image: "app:2" }) })
    await tells(one, undefined)
    await one.set({ healGracePeriod: "0s" })
    assert.deepEqual(conflictsOf(await one.look()), [undefined])
    await here.controller.kill()
    await here.controller.start()
    assert.deepEqual(conflictsOf(await one.look()), [undefined])
    assert.isUndefined(await one.live())
    await one.set({ conflictPolicy: "git" })
    await one.waitFor("is there", (live) => imageOf(live) === "app:2")
  })

  it("replicas: a person's stay where Git changed them too, an autoscaler's are no conflict", async () => {
    const one = await Drifting.deployment(here, "replicas", LIVE, { replicas: 2 })
    const scale = (replicas: number, fieldManager: string) =>
      here.api.patch(one.key, { spec: { replicas } }, { fieldManager, subresource: "scale" })
    await scale(5, "kubectl")
    await one.drifted()
    await one.push({ "app.yaml": deployment(one.name, { replicas: 3 }) })
    await tells(one, "spec.replicas")
    assert.equal((await one.live()).spec.replicas, 5)
    await scale(6, "horizontal-pod-autoscaler")
    assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
    await one.push({ "app.yaml": deployment(one.name, { replicas: 4 }) })
    await one.synced()
    assert.equal((await one.live()).spec.replicas, 6)
  })
})

const maps = (
  name: string,
  data: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>> = {},
) => JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, annotations }, data })

describe("spec.ignore", () => {
  const paths = {
    pointer: ["/data/app.conf", "/metadata/annotations/example.com~1owner"],
    dotted: ['data["app.conf"]', 'metadata.annotations["example.com/owner"]'],
  }
  for (const [way, ignored] of Object.entries(paths))
    it(`${way}: added later cedes, the taker keeps the value; removed later gives Git's back`, async () => {
      const name = `ignore-${way}`
      const key = configMapKey(here.namespace, name)
      const said = (conf: string, other: string, owner: string) => ({
        "a.json": maps(name, { "app.conf": conf, other }, { "example.com/owner": owner }),
      })
      const one = await Drifting.of(here, name, said("git", "git", "git"))
      const ignore = [{ target: { kind: "ConfigMap", name }, paths: ignored }]
      await one.set({ ignore })
      await one.synced()
      const valuesOf = (live: Json) => [
        live.data["app.conf"],
        live.data.other,
        live.metadata.annotations["example.com/owner"],
      ]
      assert.deepEqual(valuesOf(await here.api.get(key)), ["git", "git", "git"])
      const taken = {
        data: { "app.conf": "theirs" },
        metadata: { annotations: { "example.com/owner": "theirs" } },
      }
      await here.api.patch(key, taken, EDIT)
      assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
      await one.push(said("git2", "git2", "git2"))
      await one.synced()
      assert.deepEqual(valuesOf(await here.api.get(key)), ["theirs", "git2", "theirs"])
      await here.api.patch(key, { data: { other: "edited" } }, EDIT)
      await one.waitFor("heals the rest", (live) => live.data.other === "git2", key)
      assert.deepEqual(valuesOf(await here.api.get(key)), ["theirs", "git2", "theirs"])
      await here.controller.kill()
      const since = await markAudit()
      await here.controller.start()
      assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
      assert.deepEqual((await askedSince(since, { resource: "configmaps", name })).writes, [])
      await one.set({ ignore: [] })
      await one.waitFor("is Git's", (live) => valuesOf(live).join() === "git2,git2,git2", key)
      await one.synced()
    })

  it("a list item's field, by its key; nobody took it, so it stays and comes back with the rule's end", async () => {
    const one = await Drifting.deployment(here, "ignored-item")
    await one.set({ ignore: [{ paths: [IMAGE] }] })
    await one.synced()
    await one.push({ "app.yaml": deployment(one.name, { image: "app:2", env: "debug" }) })
    await one.synced()
    assert.deepEqual([imageOf(await one.live()), envOf(await one.live())], ["app:1", "debug"])
    await one.set({ ignore: [] })
    await one.waitFor("has Git's image", (live) => imageOf(live) === "app:2")
    await one.synced()
    await one.setImage("app:9")
    await one.waitFor("is healed", (live) => imageOf(live) === "app:2")
  })
})
