// What every Kube does, in memory and on a real API server.
import { randomBytes } from "node:crypto"
import { Effect, Fiber, type Layer, type Scope, Stream } from "effect"
import { describe, expect, it } from "vitest"
import type { KubeObject } from "../../src/domain/object.ts"
import { type Distilled, informDistilled } from "../../src/kube/Informer.ts"
import {
  Kube,
  type ObjectMetadata,
  type ObjectName,
  type ResourceType,
} from "../../src/kube/Kube.ts"

const me = { budget: "test/contract" }
const options = { fieldManager: "nopea", force: true }

/** All metadata is kept. */
export const whole: Distilled<ObjectMetadata> = {
  keep: (object) => object,
  versionOf: ({ metadata }) => metadata.resourceVersion ?? "",
}

export interface Setting {
  readonly layer: Layer.Layer<Kube, unknown>
  /** A served custom kind with a status subresource whose spec is free-form; answers its group and kind. */
  readonly custom: { readonly group: string; readonly kind: string; readonly version: string }
}

type Fields = { readonly [key: string]: unknown }

const body = (name: ObjectName, fields: Fields = {}, metadata: Fields = {}): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: name.name, namespace: name.namespace, ...metadata },
    ...fields,
  })

const served = (kube: Kube["Service"], group: string, kind: string) =>
  Effect.map(kube.discovery("refresh"), (found) => found.find({ group, kind }) as ResourceType)

/** A namespace of its own for each test. */
const prepare = Effect.gen(function* () {
  const kube = yield* Kube
  const configMaps = yield* served(kube, "", "ConfigMap")
  const namespaces = yield* served(kube, "", "Namespace")
  const namespace = `contract-${randomBytes(4).toString("hex")}`
  const metadata = { name: namespace }
  yield* kube.create(me, namespaces, "", { apiVersion: "v1", kind: "Namespace", metadata })
  yield* Effect.addFinalizer(() =>
    kube.getMetadata(me, namespaces, { namespace: "", name: namespace }).pipe(
      Effect.flatMap((found) =>
        kube.delete(
          me,
          namespaces,
          { namespace: "", name: namespace },
          { uid: found.metadata.uid ?? "" },
        ),
      ),
      Effect.ignore,
    ),
  )
  const apply = (name: string, fields: Fields = {}, extra: Fields = {}, dryRun = false) =>
    kube.apply(me, configMaps, { namespace, name }, body({ namespace, name }, fields, extra), {
      ...options,
      dryRun,
    })
  return {
    kube,
    configMaps,
    namespaces,
    namespace,
    apply,
    at: (name: string) => ({ namespace, name }),
  }
})

export const kubeContract = (title: string, setting: () => Setting): void => {
  const test = (name: string, effect: Effect.Effect<void, unknown, Kube | Scope.Scope>) =>
    it(name, () => Effect.runPromise(effect.pipe(Effect.scoped, Effect.provide(setting().layer))))

  describe(`${title}: apply`, () => {
    test(
      "creates what is absent, and says so; only creates with resourceVersion 1",
      Effect.gen(function* () {
        const { apply } = yield* prepare
        const first = yield* apply(
          "a",
          { data: { x: "1" } },
          { resourceVersion: "1", labels: { l: "1" } },
        )
        expect(first.created).toBe(true)
        expect(first.metadata.uid).toMatch(/^[-0-9a-f]{36}$/)
        expect(first.metadata.managedFields).toMatchObject([
          {
            manager: "nopea",
            operation: "Apply",
            fieldsV1: { "f:metadata": { "f:labels": { "f:l": {} } } },
          },
        ])
        const again = yield* Effect.flip(apply("a", { data: { x: "1" } }, { resourceVersion: "1" }))
        expect(again).toMatchObject({ code: "NOPEA-A005", status: 409, disposition: "retry" })
      }),
    )

    test(
      "changes what is there, keeps its uid, and writes nothing where nothing changed",
      Effect.gen(function* () {
        const { apply } = yield* prepare
        const first = yield* apply("a", { data: { x: "1" } })
        const changed = yield* apply("a", { data: { x: "2" } })
        expect(changed).toMatchObject({ created: false, metadata: { uid: first.metadata.uid } })
        expect(changed.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion)
        const same = yield* apply("a", { data: { x: "2" } })
        expect(same.metadata.resourceVersion).toBe(changed.metadata.resourceVersion)
      }),
    )

    test(
      "removes what was applied before and is not any more, and leaves what others added",
      Effect.gen(function* () {
        const { kube, configMaps, apply, at } = yield* prepare
        yield* apply("a", { data: { x: "1", y: "1" } }, { labels: { l: "1", m: "1" } })
        yield* kube.mergePatch(me, configMaps, at("a"), { data: { z: "theirs" } })
        yield* apply("a", { data: { x: "1" } }, { labels: { l: "1" } })
        const live = yield* kube.get(me, configMaps, at("a"))
        expect(live["data"]).toEqual({ x: "1", z: "theirs" })
        expect(live.metadata.labels).toEqual({ l: "1" })
      }),
    )

    test(
      "with a uid never creates, and never touches an object that was recreated",
      Effect.gen(function* () {
        const { kube, configMaps, apply, at } = yield* prepare
        const { metadata } = yield* apply("a")
        const { uid = "" } = metadata
        yield* kube.delete(me, configMaps, at("a"), { uid })
        expect(yield* Effect.flip(apply("a", {}, { uid }))).toMatchObject({
          code: "NOPEA-A005",
          status: 409,
        })
        yield* apply("a")
        expect(yield* Effect.flip(apply("a", {}, { uid }))).toMatchObject({
          code: "NOPEA-A005",
          status: 422,
        })
      }),
    )

    test(
      "with an old resourceVersion is refused",
      Effect.gen(function* () {
        const { apply } = yield* prepare
        const { metadata } = yield* apply("a", { data: { x: "1" } })
        yield* apply("a", { data: { x: "2" } })
        const { resourceVersion } = metadata
        const error = yield* Effect.flip(apply("a", { data: { x: "3" } }, { resourceVersion }))
        expect(error).toMatchObject({ code: "NOPEA-A005", status: 409 })
      }),
    )

    test(
      "as a dry run answers as if, and stores nothing",
      Effect.gen(function* () {
        const { kube, configMaps, apply, at } = yield* prepare
        expect((yield* apply("a", {}, {}, true)).created).toBe(true)
        expect(yield* Effect.flip(kube.get(me, configMaps, at("a")))).toMatchObject({
          code: "NOPEA-A003",
          status: 404,
        })
      }),
    )

    test(
      "waits for a namespace that does not exist, and for a kind that is not served",
      Effect.gen(function* () {
        const { kube, configMaps, namespace } = yield* prepare
        const nowhere = { namespace: `${namespace}-not`, name: "a" }
        const homeless = yield* Effect.flip(
          kube.apply(me, configMaps, nowhere, body(nowhere), options),
        )
        expect(homeless).toMatchObject({ code: "NOPEA-A013", disposition: "wait" })
        const gadgets = {
          ...configMaps,
          group: "gadgets.example.com",
          kind: "Gadget",
          resource: "gadgets",
        }
        const name = { namespace, name: "a" }
        const gadget = body(name, { apiVersion: "gadgets.example.com/v1", kind: "Gadget" })
        const unknown = yield* Effect.flip(kube.apply(me, gadgets, name, gadget, options))
        expect(unknown).toMatchObject({ code: "NOPEA-A015", disposition: "wait" })
      }),
    )
  })

  describe(`${title}: create and delete`, () => {
    test(
      "create refuses what exists, also as a dry run",
      Effect.gen(function* () {
        const { kube, configMaps, namespace } = yield* prepare
        const object = JSON.parse(body({ namespace, name: "a" })) as KubeObject
        const dry = { dryRun: true }
        expect((yield* kube.create(me, configMaps, namespace, object, dry)).metadata.name).toBe("a")
        expect((yield* kube.create(me, configMaps, namespace, object)).metadata.uid).toBeDefined()
        for (const how of [undefined, dry]) {
          const error = yield* Effect.flip(kube.create(me, configMaps, namespace, object, how))
          expect(error).toMatchObject({ code: "NOPEA-A006", status: 409 })
        }
      }),
    )

    test(
      "delete takes only the object that was meant, and what is gone is done",
      Effect.gen(function* () {
        const { kube, configMaps, apply, at } = yield* prepare
        const { uid = "", resourceVersion = "" } = (yield* apply("a", { data: { x: "1" } }))
          .metadata
        const other = "11111111-1111-1111-1111-111111111111"
        expect(
          yield* Effect.flip(kube.delete(me, configMaps, at("a"), { uid: other })),
        ).toMatchObject({ code: "NOPEA-A005", status: 409 })
        yield* apply("a", { data: { x: "2" } })
        const stale = kube.delete(me, configMaps, at("a"), { uid, resourceVersion })
        expect(yield* Effect.flip(stale)).toMatchObject({ code: "NOPEA-A005", status: 409 })
        yield* kube.delete(me, configMaps, at("a"), { uid, dryRun: true })
        yield* kube.get(me, configMaps, at("a"))
        yield* kube.delete(me, configMaps, at("a"), { uid })
        yield* kube.delete(me, configMaps, at("a"), { uid })
        expect((yield* Effect.flip(kube.getMetadata(me, configMaps, at("a")))).code).toBe(
          "NOPEA-A003",
        )
      }),
    )

    test(
      "an object with a finalizer is terminating until the finalizer goes",
      Effect.gen(function* () {
        const { kube, configMaps, apply, at } = yield* prepare
        const { uid = "" } = (yield* apply("a", {}, { finalizers: ["example.com/hold"] })).metadata
        yield* kube.delete(me, configMaps, at("a"), { uid })
        const held = yield* kube.getMetadata(me, configMaps, at("a"))
        expect(held.metadata.deletionTimestamp).toBeDefined()
        yield* kube.mergePatch(me, configMaps, at("a"), { metadata: { finalizers: null } })
        expect((yield* Effect.flip(kube.getMetadata(me, configMaps, at("a")))).code).toBe(
          "NOPEA-A003",
        )
      }),
    )
  })

  describe(`${title}: reading`, () => {
    test(
      "lists by namespace, label and field, whole or metadata only",
      Effect.gen(function* () {
        const { kube, configMaps, namespace, apply } = yield* prepare
        yield* apply("a", { data: { x: "1" } }, { labels: { team: "red", tier: "1" } })
        yield* apply("b", {}, { labels: { team: "blue" } })
        yield* apply("c")
        const names = (more: object) =>
          Effect.map(kube.listMetadata(me, configMaps, { namespace, ...more }), ({ items }) =>
            items.map((item) => item.metadata.name).filter((n) => n.length === 1),
          )
        expect(yield* names({})).toEqual(["a", "b", "c"])
        expect(yield* names({ labelSelector: "team" })).toEqual(["a", "b"])
        expect(yield* names({ labelSelector: "team=red,tier!=2" })).toEqual(["a"])
        expect(yield* names({ labelSelector: "team in (blue,green)" })).toEqual(["b"])
        expect(yield* names({ labelSelector: "!team" })).toEqual(["c"])
        expect(yield* names({ fieldSelector: "metadata.name=b" })).toEqual(["b"])
        const [whole] = (yield* kube.list(me, configMaps, { namespace, labelSelector: "team=red" }))
          .items
        expect(whole).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { x: "1" } })
        const [thin] = (yield* kube.listMetadata(me, configMaps, {
          namespace,
          labelSelector: "team=red",
        })).items
        expect(Object.keys(thin ?? {})).toEqual(["metadata"])
        expect(
          Object.keys(yield* kube.getMetadata(me, configMaps, { namespace, name: "a" })),
        ).toEqual(["metadata"])
      }),
    )
  })

  describe(`${title}: patch`, () => {
    test(
      "merge patch sets and removes; a patch of the status leaves the rest, a uid too, and the other way round",
      Effect.gen(function* () {
        const { kube, namespace } = yield* prepare
        const { group, kind, version } = setting().custom
        const type = yield* served(kube, group, kind)
        const name = { namespace, name: "w" }
        const metadata = { ...name, labels: { l: "1" } }
        yield* kube.create(me, type, namespace, {
          apiVersion: `${group}/${version}`,
          kind,
          metadata,
          spec: { a: "1", b: "1" },
        })
        const status = { phase: "Synced" }
        const both = { spec: { a: "no" }, status }
        const first = yield* kube.mergePatch(me, type, name, both, "status")
        expect(first).toMatchObject({ spec: { a: "1", b: "1" }, status })
        expect(first.metadata.generation).toBe(1)
        const patch = { spec: { b: null, c: "1" }, status: { phase: "no" } }
        const second = yield* kube.mergePatch(me, type, name, patch)
        expect(second).toMatchObject({ spec: { a: "1", c: "1" }, status })
        expect(second["spec"]).not.toHaveProperty("b")
        expect(second.metadata.generation).toBe(2)
        const foreign = { metadata: { uid: "another" }, status: { phase: "Failed" } }
        const third = yield* kube.mergePatch(me, type, name, foreign, "status")
        expect(third).toMatchObject({
          metadata: { uid: first.metadata.uid },
          status: foreign.status,
        })
      }),
    )

    test(
      "JSON patch changes by pointer, and is refused on an old resourceVersion or a failing test",
      Effect.gen(function* () {
        const { kube, configMaps, apply, at } = yield* prepare
        const { resourceVersion } = (yield* apply("a", { data: { x: "1" } })).metadata
        const version = { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion }
        const label = { op: "add", path: "/metadata/labels", value: { "a/b": "1" } }
        const done = yield* kube.jsonPatch(me, configMaps, at("a"), [version, label])
        expect(done.metadata.labels).toEqual({ "a/b": "1" })
        const remove = { op: "remove", path: "/metadata/labels/a~1b" }
        const stale = yield* Effect.flip(kube.jsonPatch(me, configMaps, at("a"), [version, remove]))
        expect(stale).toMatchObject({ code: "NOPEA-A005", status: 409 })
        const test = { op: "test", path: "/data/x", value: "2" }
        const failing = yield* Effect.flip(kube.jsonPatch(me, configMaps, at("a"), [test, remove]))
        expect(failing).toMatchObject({ status: 422, disposition: "stall" })
      }),
    )
  })

  describe(`${title}: watch`, () => {
    test(
      "tells each change from its position on, in order",
      Effect.gen(function* () {
        const { kube, configMaps, namespace, apply, at } = yield* prepare
        const { resourceVersion } = yield* kube.listMetadata(me, configMaps, { namespace })
        yield* apply("a", { data: { x: "1" } })
        const watching = yield* kube.watch(me, configMaps, { namespace, resourceVersion }).pipe(
          Stream.filter((event) => event.type !== "BOOKMARK" && event.object.metadata.name === "a"),
          Stream.take(3),
          Stream.runCollect,
          Effect.forkChild({ startImmediately: true }),
        )
        const { uid = "" } = (yield* apply("a", { data: { x: "2" } })).metadata
        yield* kube.delete(me, configMaps, at("a"), { uid })
        const events = yield* Fiber.join(watching)
        const told = events.map((e) => (e.type === "BOOKMARK" ? [] : [e.type, e.object["data"]]))
        expect(told).toEqual([
          ["ADDED", { x: "1" }],
          ["MODIFIED", { x: "2" }],
          ["DELETED", { x: "2" }],
        ])
      }),
    )

    test(
      "filtered by label, tells an object that loses the label as deleted, and one that gets it as added",
      Effect.gen(function* () {
        const { kube, configMaps, namespace, apply, at } = yield* prepare
        const { resourceVersion } = yield* kube.listMetadata(me, configMaps, { namespace })
        const chosen = { namespace, resourceVersion, labelSelector: "team=red" }
        const watching = yield* kube.watchMetadata(me, configMaps, chosen).pipe(
          Stream.filter((event) => event.type !== "BOOKMARK"),
          Stream.take(2),
          Stream.runCollect,
          Effect.forkChild({ startImmediately: true }),
        )
        yield* apply("b", {}, { labels: { team: "blue" } })
        yield* apply("a", {}, { labels: { team: "red" } })
        yield* kube.mergePatch(me, configMaps, at("a"), { metadata: { labels: { team: "blue" } } })
        const events = yield* Fiber.join(watching)
        expect(events.map((e) => [e.type, Object.keys("object" in e ? e.object : {})])).toEqual([
          ["ADDED", ["metadata"]],
          ["DELETED", ["metadata"]],
        ])
      }),
    )

    test(
      "feeds an informer",
      Effect.gen(function* () {
        const { kube, configMaps, namespace, apply, at } = yield* prepare
        const { uid = "" } = (yield* apply("a", {}, { labels: { mine: "1" } })).metadata
        const wanted = { caller: me, type: configMaps, namespace, labelSelector: "mine" }
        const told = yield* informDistilled(wanted, whole).pipe(
          Stream.filter((event) => event.type !== "current"),
          Stream.tap((event) =>
            event.type === "synced"
              ? Effect.andThen(
                  apply("b", {}, { labels: { mine: "1" } }),
                  kube.delete(me, configMaps, at("a"), { uid }),
                )
              : Effect.void,
          ),
          Stream.take(3),
          Stream.runCollect,
        )
        const names = told.map((event) => {
          if (event.type === "synced")
            return ["synced", ...event.objects.map((o) => o.metadata.name)]
          return "object" in event ? [event.type, event.object.metadata.name] : [event.type]
        })
        expect(names).toEqual([
          ["synced", "a"],
          ["applied", "b"],
          ["deleted", "a"],
        ])
      }),
    )
  })
}
