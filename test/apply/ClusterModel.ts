// A small cluster for the Applier's own logic: objects with uid and version, guards that hold, failures on
// demand. Who owns which field is no business of it, save that an apply of ours is recorded as ours.
import { Effect, Layer } from "effect"
import { KubeError } from "../../src/domain/errors.ts"
import { formatRef, type KubeObject, type ObjectMeta } from "../../src/domain/object.ts"
import { discoveryOf } from "../../src/kube/discovery.ts"
import { Kube, type ObjectName, type ResourceType } from "../../src/kube/Kube.ts"

const VERBS = ["create", "patch", "list", "delete"]
export const type = (group: string, kind: string, namespaced = true): ResourceType => ({
  group,
  version: "v1",
  kind,
  resource: `${kind.toLowerCase()}s`,
  namespaced,
  verbs: VERBS,
})

const CODES: Readonly<Record<number, string>> = { 404: "NOPEA-A003", 409: "NOPEA-A005" }

export const refusal = (status: number, code = CODES[status] ?? "NOPEA-A017"): KubeError =>
  new KubeError({
    code,
    operation: "test",
    subject: "test",
    reason: `refused with ${status}`,
    fix: "none",
    disposition: code === "NOPEA-A015" ? "wait" : status === 422 ? "stall" : "retry",
    status,
    statusReason: "",
  })

export interface ClusterModel {
  readonly objects: Map<string, KubeObject>
  /** What is served; a definition that is applied joins it once `establish` says so. */
  types: Array<ResourceType>
  /** `apply /ConfigMap/shop/a`, in the order of arrival. */
  readonly requests: Array<string>
  /** Runs before each request; may fail it, wait, or change the cluster under it. */
  before: (request: string) => Effect.Effect<void, KubeError>
  /** Whether a definition becomes established when it is looked at. */
  establish: (name: string) => boolean
  readonly put: (object: KubeObject) => KubeObject
  readonly layer: Layer.Layer<Kube>
}

const keyOf = (t: ResourceType, name: ObjectName): string => formatRef({ ...t, ...name })

const fieldsOf = (meta: ObjectMeta): object =>
  Object.fromEntries(Object.keys(meta.labels ?? {}).map((label) => [`f:${label}`, {}]))

const ours = (meta: ObjectMeta): ObjectMeta["managedFields"] => [
  {
    manager: "nopea",
    operation: "Apply",
    fieldsV1: { "f:metadata": { "f:labels": fieldsOf(meta) } } as never,
  },
]

interface Definition {
  readonly group: string
  readonly scope: string
  readonly names: { readonly kind: string }
}

export const clusterModel = (types: ReadonlyArray<ResourceType>): ClusterModel => {
  let version = 100
  let uids = 0
  const model: ClusterModel = {
    objects: new Map(),
    types: [...types],
    requests: [],
    before: () => Effect.void,
    establish: () => true,
    put: (object) => {
      const [group = "", kind] = [object.apiVersion.split("/").at(-2), object.kind]
      const key = formatRef({ group, kind, namespace: "", ...object.metadata })
      const old = model.objects.get(key)
      const uid = old?.metadata.uid ?? `uid-${++uids}`
      const metadata = { ...object.metadata, uid, resourceVersion: String(++version) }
      const stored = { ...object, metadata }
      model.objects.set(key, stored)
      return stored
    },
    layer: Layer.suspend(() => Layer.succeed(Kube, service)),
  }
  const ask = (request: string): Effect.Effect<void, KubeError> =>
    Effect.suspend(() => {
      model.requests.push(request)
      return model.before(request)
    })
  const found = (key: string): Effect.Effect<KubeObject, KubeError> =>
    Effect.suspend(() => {
      const object = model.objects.get(key)
      return object === undefined ? Effect.fail(refusal(404)) : Effect.succeed(object)
    })
  const established = (object: KubeObject): KubeObject => {
    if (object.kind !== "CustomResourceDefinition" || !model.establish(object.metadata.name)) {
      return object
    }
    const { group, scope, names } = object["spec"] as Definition
    model.types.push(type(group, names.kind, scope === "Namespaced"))
    return { ...object, status: { conditions: [{ type: "Established", status: "True" }] } }
  }
  const refusesGuard = (meta: ObjectMeta, old: KubeObject | undefined): boolean => {
    if (old === undefined) return meta.uid !== undefined
    if (meta.uid !== undefined && meta.uid !== old.metadata.uid) return true
    const { resourceVersion } = meta
    return resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion
  }
  const unused = () => Effect.die(new Error("not part of this model")) as never
  const service = Kube.of({
    discovery: (refresh) =>
      Effect.sync(() => {
        if (refresh === "refresh") model.requests.push("discover")
        return discoveryOf(model.types, [])
      }),
    get: (_, t, name) =>
      ask(`get ${keyOf(t, name)}`).pipe(
        Effect.andThen(found(keyOf(t, name))),
        Effect.map(established),
      ),
    getMetadata: (_, t, name) =>
      ask(`look ${keyOf(t, name)}`).pipe(Effect.andThen(found(keyOf(t, name)))),
    listMetadata: (_, t) =>
      Effect.map(ask(`list ${t.group}/${t.kind}`), () => ({
        items: [...model.objects.entries()]
          .filter(([key]) => key.startsWith(`${t.group}/${t.kind}/`))
          .map(([, object]) => object),
        resourceVersion: String(version),
      })),
    apply: (_, t, name, body) =>
      Effect.gen(function* () {
        const key = keyOf(t, name)
        yield* ask(`apply ${key}`)
        const object = JSON.parse(body) as KubeObject
        const old = model.objects.get(key)
        if (refusesGuard(object.metadata, old)) return yield* Effect.fail(refusal(409))
        const { resourceVersion: _rv, uid: _uid, ...metadata } = object.metadata
        const stored = model.put({
          ...object,
          metadata: { ...metadata, managedFields: ours(metadata) ?? [] },
        })
        return { metadata: stored.metadata, created: old === undefined }
      }),
    delete: (_, t, name, { uid, resourceVersion }) =>
      Effect.gen(function* () {
        const key = keyOf(t, name)
        yield* ask(`delete ${key}`)
        const meta = model.objects.get(key)?.metadata
        if (meta === undefined) return
        const isOther =
          meta.uid !== uid || meta.resourceVersion !== (resourceVersion ?? meta.resourceVersion)
        if (isOther) return yield* Effect.fail(refusal(409))
        model.objects.delete(key)
      }),
    list: unused,
    watch: unused,
    watchMetadata: unused,
    create: unused,
    mergePatch: unused,
    jsonPatch: unused,
  })
  return model
}
