// The live index on a real API server: what it lists, what it keeps, what it owns up to not knowing.
import { beforeAll, describe, expect, it } from "vitest"
import { liveObject } from "../../src/plan/live.ts"
import { CONFIG_MAP, liveWorld, NAMESPACE } from "./liveWorld.ts"

const { api, namespace, open, query, labelled, key, counting } = liveWorld()

beforeAll(async () => {
  await api.apply(labelled("now", "one"), { fieldManager: "nopea" })
  await api.apply(labelled("before", "one", "u0"), { fieldManager: "nopea" })
  await api.apply(labelled("copied", "one"), { fieldManager: "operator" })
  await api.apply(labelled("foreign", "two"), { fieldManager: "nopea" })
})

describe("the live index", () => {
  it("sees what this repository and its earlier lives applied, and nobody else's", async () => {
    const { objects, unknown } = await open().use((live) => live.snapshot(query("one")))
    expect([...objects.keys()].sort()).toEqual([key("before"), key("copied"), key("now")])
    expect(unknown.size).toBe(0)
    expect(objects.get(key("now"))).toMatchObject({ proven: true, owner: { uid: "u1" } })
    expect(objects.get(key("before"))).toMatchObject({ proven: true, owner: { uid: "u0" } })
    expect(objects.get(key("copied"))?.proven).toBe(false)
  })

  it("asks once per kind for all repositories, and again only when told or dropped", async () => {
    const { use } = open()
    const count = await counting()
    const lists = () => count("list")
    const { objects } = await use((live) => live.snapshot(query("one", { freshness: "fresh" })))
    expect(objects.has(key("now"))).toBe(true)
    const both = ["one", "two"].map((name) =>
      use((live) => live.snapshot(query(name, { freshness: "fresh" }))),
    )
    const [, two] = await Promise.all(both)
    expect([...(two?.objects.keys() ?? [])]).toEqual([key("foreign")])
    await use((live) => live.snapshot(query("two", { freshness: "known" })))
    expect(await lists()).toBe(1)
    await use((live) =>
      live.snapshot(query("one", { freshness: "known", kinds: [CONFIG_MAP, NAMESPACE] })),
    )
    expect(await lists()).toBe(2)
    await use((live) => live.snapshot(query("one")))
    expect(await lists()).toBe(3)
    await use((live) => live.drop(`${namespace}/one`))
    await use((live) => live.snapshot(query("one", { freshness: "known" })))
    await use((live) => live.snapshot(query("one", { freshness: "known" })))
    expect(await lists()).toBe(4)
  })

  it("notices at a list what was deleted and changed meanwhile", async () => {
    const { use } = open()
    await api.apply(labelled("fleeting", "three"), { fieldManager: "nopea" })
    const before = await use((live) => live.snapshot(query("three")))
    expect(before.objects.has(key("fleeting"))).toBe(true)
    await api.delete(labelled("fleeting", "three"))
    const after = await use((live) => live.snapshot(query("three")))
    expect(after.objects.size).toBe(0)
    expect(before.objects.size).toBe(1)
  })

  it("keeps the newer of what it knows and what it is told", async () => {
    const { use } = open()
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
    const count = await counting()
    await use((live) => live.drop(repository))
    await use((live) => live.snapshot(query("four", { freshness: "known" })))
    expect(await count("list")).toBe(1)
  })

  it("calls a kind that it may not list unknown, and holds on to nothing old as whole", async () => {
    const { unknown, objects } = await open({ context: "nobody" }).use((live) =>
      live.snapshot(query("one", { kinds: [CONFIG_MAP, NAMESPACE] })),
    )
    expect([...unknown].sort()).toEqual(["/ConfigMap", "/Namespace"])
    expect(objects.size).toBe(0)
  })

  it("knows that a kind which is not served holds nothing", async () => {
    const kinds = [CONFIG_MAP, { group: "gone.nopea.dev", kind: "Widget" }]
    const { unknown } = await open().use((live) => live.snapshot(query("one", { kinds })))
    expect(unknown.size).toBe(0)
  })
})
