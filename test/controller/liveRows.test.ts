import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LiveStore } from "../../src/controller/LiveStore.ts"
import {
  isNewer,
  isNews,
  kindOf,
  seenAs,
  selectorOf,
  TRUSTED_FOR,
  type WatchView,
  wayOf,
} from "../../src/controller/liveRows.ts"
import type { ObjectMeta } from "../../src/domain/object.ts"
import { inherited, type LiveObject, withBaseline } from "../../src/plan/live.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"

const type = KubeMemory.resourceType("apps/v1", "Deployment")
const labels = {
  "nopea.io/repository": "web",
  "nopea.io/repository-namespace": "shop",
  "nopea.io/repository-uid": "u1",
}
const entry = (paths: object, manager = "nopea", operation: "Apply" | "Update" = "Apply") => ({
  manager,
  operation,
  fieldsV1: { "f:metadata": { "f:labels": { "f:nopea.io/repository-uid": {} } }, ...paths },
})
const meta = (over: Partial<ObjectMeta> = {}): ObjectMeta => ({
  name: "api",
  namespace: "apps",
  uid: "1",
  resourceVersion: "10",
  labels,
  managedFields: [entry({ "f:spec": { "f:image": {} } })] as never,
  ...over,
})
const seen = (over: Partial<ObjectMeta> = {}) => seenAs(type)({ metadata: meta(over) })
const live = (over: Partial<ObjectMeta> = {}): LiveObject => seen(over).live
const settled = (object: LiveObject): LiveObject =>
  withBaseline(object, { ownership: object.ownership, whole: true })
const taken = { managedFields: [entry({})] as never }

describe("what a live object says of itself", () => {
  it("is its repository, its kind and its selector", () => {
    expect(seen().repository).toBe("shop/web")
    expect(seen({ labels: { "nopea.io/repository": "web" } }).repository).toBeUndefined()
    expect(selectorOf("shop/web")).toBe(
      "nopea.io/repository=web,nopea.io/repository-namespace=shop",
    )
    expect(kindOf("apps/Deployment/shop/api")).toBe("apps/Deployment")
    expect(kindOf("/Namespace/shop")).toBe("/Namespace")
  })

  it.each([
    ["10", "9", true],
    ["9", "10", false],
    ["10", "10", false],
    ["18446744073709551617", "18446744073709551616", true],
    ["", "1", false],
    ["x", "1", false],
  ])("%s is newer than %s: %s", (a, b, newer) => expect(isNewer(a, b)).toBe(newer))
})

describe("news of an object", () => {
  const before = settled(live())
  const rows: ReadonlyArray<[string, LiveObject | undefined, LiveObject | undefined, boolean]> = [
    ["nothing at all", undefined, undefined, false],
    ["it is gone", before, undefined, true],
    ["it appears, and we applied it", undefined, live(), true],
    ["it appears with labels that somebody copied", undefined, live({ managedFields: [] }), false],
    ["it appears, going", undefined, live({ deletionTimestamp: "t" }), false],
    ["only its version moved", before, inherited(live({ resourceVersion: "11" }), before), false],
    ["its deletion begins", before, inherited(live({ deletionTimestamp: "t" }), before), false],
    ["a field was taken", before, inherited(live(taken), before), true],
    [
      "a person added a field",
      before,
      live({
        managedFields: [
          entry({ "f:spec": { "f:image": {} } }),
          entry({}, "kubectl-edit", "Update"),
        ] as never,
      }),
      true,
    ],
    [
      "others wrote what is theirs",
      live(),
      live({
        managedFields: [
          entry({ "f:spec": { "f:image": {} } }),
          entry({}, "operator", "Update"),
        ] as never,
      }),
      false,
    ],
    ["what had drifted is as it was judged", live(taken), inherited(live(), before), false],
    ["it was made anew", before, inherited(live({ uid: "2" }), before), true],
    [
      "break-glass",
      before,
      inherited(live({ annotations: { "nopea.io/break-glass": "x" } }), before),
      true,
    ],
    ["break-glass is lifted", live({ annotations: { "nopea.io/break-glass": "x" } }), live(), true],
    [
      "another hash",
      before,
      inherited(live({ annotations: { "nopea.io/applied": "v1:x" } }), before),
      true,
    ],
    [
      "another life of the owner",
      before,
      live({ labels: { ...labels, "nopea.io/repository-uid": "u2" } }),
      true,
    ],
    [
      "somebody's child now",
      before,
      live({
        ownerReferences: [{ apiVersion: "v1", kind: "A", name: "a", uid: "a", controller: true }],
      }),
      true,
    ],
  ]
  it.each(rows)("%s", (_, was, is, expected) => expect(isNews(was, is)).toBe(expected))
})

describe("how a snapshot comes by a kind", () => {
  const now = 1_000_000
  const alive: WatchView = { isSynced: true, isWhole: true, trouble: undefined, sign: now }
  const starting: WatchView = { ...alive, isSynced: false }
  const stale: WatchView = { ...alive, sign: now - TRUSTED_FOR - 1 }
  const refused: WatchView = { ...alive, trouble: 403 }
  const gone: WatchView = { ...alive, trouble: 404 }
  const dropped: WatchView = { ...alive, isWhole: false }
  const never: WatchView = { ...starting, trouble: 403 }
  it.each([
    ["listed", alive, true, "list"],
    ["listed", starting, false, "list"],
    ["fresh", alive, false, "kept"],
    ["fresh", { ...alive, sign: now - TRUSTED_FOR }, false, "kept"],
    ["fresh", stale, true, "list"],
    ["fresh", starting, true, "await"],
    ["fresh", refused, true, "list"],
    ["fresh", dropped, true, "list"],
    ["fresh", undefined, true, "list"],
    ["known", stale, false, "kept"],
    ["known", refused, false, "kept"],
    ["known", starting, false, "await"],
    ["known", starting, true, "kept"],
    ["known", never, false, "list"],
    ["known", never, true, "kept"],
    ["known", gone, true, "list"],
    ["known", dropped, false, "list"],
    ["known", undefined, false, "list"],
    ["known", undefined, true, "kept"],
  ] as const)("%s, %o, listed before: %s -> %s", (freshness, watch, wasListed, way) =>
    expect(wayOf(freshness, watch, wasListed, now)).toBe(way),
  )
})

/** One object's life on the server, told in pieces, late and twice. */
describe("the store", () => {
  const at = "apps/Deployment/apps/api"
  const kept = (store: LiveStore) => store.objects("shop/web", ["apps/Deployment"]).get(at)

  it("ends with the server's object, in whatever order answers, events and lists come in", () => {
    const version = fc.integer({ min: 1, max: 6 })
    const how = fc.constantFrom("event", "record", "list", "read")
    fc.assert(
      fc.property(
        fc.array(fc.tuple(how, version), { maxLength: 12 }),
        fc.boolean(),
        (told, ends) => {
          const store = new LiveStore()
          const at = (v: number) => seen({ resourceVersion: String(v) })
          const tell = (way: string, v: number) => {
            if (way === "event") store.applied(at(v))
            else if (way === "record") store.record("shop/web", at(v).live)
            else {
              const list = { items: [at(v)], resourceVersion: String(v) }
              if (way === "list") store.synced("apps/Deployment", list)
              else store.read("apps/Deployment", "shop/web", list)
            }
          }
          for (const [way, v] of told) tell(way, v)
          tell("event", 6)
          if (ends) store.deleted(at(7))
          for (const [way, v] of told) tell(way, v)
          expect(kept(store)?.resourceVersion).toBe(ends ? undefined : "6")
        },
      ),
    )
  })

  it("lets an older list take nothing away that came after it", () => {
    const store = new LiveStore()
    store.applied(seen({ resourceVersion: "20" }))
    store.read("apps/Deployment", "shop/web", { items: [], resourceVersion: "15" })
    store.synced("apps/Deployment", { items: [], resourceVersion: "15" })
    expect(kept(store)?.resourceVersion).toBe("20")
    store.synced("apps/Deployment", { items: [], resourceVersion: "25" })
    expect(kept(store)).toBeUndefined()
  })

  it("after our delete believes of that object only that it is still going", () => {
    const store = new LiveStore()
    let wakes = 0
    store.register("shop/web", () => {
      wakes += 1
    })
    store.record("shop/web", live())
    store.forget("shop/web", at)
    store.applied(seen({ resourceVersion: "11" }))
    expect(kept(store)).toBeUndefined()
    store.applied(seen({ resourceVersion: "12", deletionTimestamp: "t" }))
    expect(kept(store)?.terminating).toBe(true)
    store.deleted(seen({ resourceVersion: "13" }))
    expect(kept(store)).toBeUndefined()
    expect(wakes).toBe(0)
    store.applied(seen({ uid: "2", resourceVersion: "14" }))
    expect(wakes).toBe(1)
  })

  it("wakes a worker once for a whole list, when all of it is kept", () => {
    const store = new LiveStore()
    const left: Array<number> = []
    store.register("shop/web", () => {
      left.push(store.objects("shop/web", ["apps/Deployment"]).size)
    })
    const items = ["a", "b", "c"].map((name) => seen({ name, uid: name }))
    store.synced("apps/Deployment", { items, resourceVersion: "10" })
    store.synced("apps/Deployment", { items: items.slice(2), resourceVersion: "20" })
    expect(left).toEqual([1])
  })

  it("tells a former owner what another one has now", () => {
    const store = new LiveStore()
    const woken: Array<string> = []
    for (const name of ["shop/web", "shop/new"]) store.register(name, () => woken.push(name))
    store.record("shop/web", live())
    const moved = { labels: { ...labels, "nopea.io/repository": "new" }, resourceVersion: "11" }
    store.beginWrite("shop/new", at)
    store.applied(seen(moved))
    store.record("shop/new", live(moved))
    store.endWrite("shop/new", at)
    expect(woken).toEqual(["shop/web"])
    expect(kept(store)).toBeUndefined()
    expect(store.objects("shop/new", ["apps/Deployment"]).size).toBe(1)
  })

  it("keeps the baseline over events, and the fields only while they differ from it", () => {
    const store = new LiveStore()
    store.synced("apps/Deployment", { items: [seen()], resourceVersion: "10" })
    expect(kept(store)?.fields).toBeDefined()
    const { ownership } = live()
    store.settle("shop/web", [{ key: at, uid: "1", ownership, whole: true }])
    store.settle("shop/web", [{ key: at, uid: "another", ownership: "", whole: false }])
    store.applied(seen({ resourceVersion: "11" }))
    expect(kept(store)).toMatchObject({ baseline: { ownership, whole: true } })
    expect(kept(store)?.fields).toBeUndefined()
    store.applied(seen({ resourceVersion: "12", ...taken }))
    expect(kept(store)?.fields).toBeDefined()
  })

  it("tells after a write that failed what others did meanwhile, and nothing twice", () => {
    const store = new LiveStore()
    let wakes = 0
    store.register("shop/web", () => {
      wakes += 1
    })
    store.synced("apps/Deployment", { items: [seen()], resourceVersion: "10" })
    store.beginWrite("shop/web", at)
    store.beginWrite("shop/web", at)
    store.applied(seen({ resourceVersion: "11", ...taken }))
    store.endWrite("shop/web", at)
    expect(wakes).toBe(0)
    store.endWrite("shop/web", at)
    store.endWrite("shop/web", at)
    expect(wakes).toBe(1)
  })
})
