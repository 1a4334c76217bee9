/**
 * An in-memory API server behind the Kube port: objects, versions, uids, preconditions, finalizers, watches.
 * Of managedFields it knows what each manager applied, every list as one; nobody takes a field from another. That is
 * tested on recorded objects and on a real API server.
 */
import { Cause, Clock, Context, Effect, Layer, Queue, Stream } from "effect"
import type { KubeError } from "../../src/domain/errors.ts"
import {
  formatApiVersion,
  formatGroupKind,
  formatRef,
  type JsonObject,
  type KubeObject,
  type ObjectMeta,
} from "../../src/domain/object.ts"
import { discoveryOf } from "../../src/kube/discovery.ts"
import {
  type Caller,
  type DeleteOptions,
  Kube,
  type ListOptions,
  type ObjectMetadata,
  type ObjectName,
  type ResourceType,
  type WatchEvent,
} from "../../src/kube/Kube.ts"
import { refused } from "../../src/kube/response.ts"
import { applied, jsonPatch, mergePatch } from "./patches.ts"
import { selects } from "./selector.ts"

type Shape = Kube["Service"]

/** One call of the port, as it came. */
export interface Call {
  readonly verb: Exclude<keyof Shape, "discovery"> | "discovery"
  readonly caller?: Caller
  readonly type?: ResourceType
  readonly name?: ObjectName
  readonly body?: unknown
  readonly options?: unknown
}

/** Runs before each call: fail it, delay it, let it hang. */
export type Intercept = (call: Call) => Effect.Effect<void, KubeError>

const VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]

export const resourceType = (
  apiVersion: string,
  kind: string,
  scope: "Namespaced" | "Cluster" = "Namespaced",
): ResourceType => {
  const [version = "", group = ""] = apiVersion.split("/").reverse()
  const namespaced = scope === "Namespaced"
  return { group, version, kind, resource: `${kind.toLowerCase()}s`, namespaced, verbs: VERBS }
}

const BUILT_IN: ReadonlyArray<ResourceType> = [
  resourceType("v1", "Namespace", "Cluster"),
  resourceType("v1", "ConfigMap"),
  resourceType("v1", "Secret"),
  resourceType("v1", "Service"),
  resourceType("v1", "Event"),
  resourceType("v1", "ServiceAccount"),
  resourceType("apps/v1", "Deployment"),
  resourceType("batch/v1", "Job"),
  resourceType("coordination.k8s.io/v1", "Lease"),
  resourceType("rbac.authorization.k8s.io/v1", "Role"),
  resourceType("rbac.authorization.k8s.io/v1", "ClusterRole", "Cluster"),
  resourceType("apiextensions.k8s.io/v1", "CustomResourceDefinition", "Cluster"),
  resourceType("nopea.false.systems/v1alpha1", "GitRepository"),
]

interface Stored {
  readonly object: KubeObject
  /** Last applied body by field manager. */
  readonly bodies: ReadonlyMap<string, KubeObject>
}

interface Change {
  readonly version: number
  readonly key: string
  readonly kind: string
  readonly before: KubeObject | undefined
  readonly after: KubeObject | undefined
}

interface Watcher {
  readonly kind: string
  readonly sees: (meta: ObjectMeta) => boolean
  readonly queue: Queue.Queue<WatchEvent<KubeObject>, KubeError | "end">
}

const stamp = (object: KubeObject, version: number): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(version) },
})

/** What a filtered watch tells of a change: what left the filter is deleted, what entered it added. */
const eventOf = (change: Change, sees: Watcher["sees"]): WatchEvent<KubeObject> | undefined => {
  const saw = change.before !== undefined && sees(change.before.metadata)
  const seesNow = change.after !== undefined && sees(change.after.metadata)
  const object = stamp((change.after ?? change.before) as KubeObject, change.version)
  if (!saw && !seesNow) return undefined
  if (!seesNow) return { type: "DELETED", object }
  return { type: saw ? "MODIFIED" : "ADDED", object }
}

/** Every list counts as atomic. */
const fieldSet = (value: unknown): JsonObject =>
  typeof value !== "object" || value === null || Array.isArray(value)
    ? {}
    : Object.fromEntries(Object.entries(value).map(([key, one]) => [`f:${key}`, fieldSet(one)]))

const IDENTITY = new Set(["name", "namespace", "uid", "resourceVersion"])

const fieldsOf = (manager: string, object: KubeObject, time: string) => {
  const { apiVersion, kind: _, metadata, ...rest } = object
  const own = Object.entries(metadata).filter(([key]) => !IDENTITY.has(key))
  return {
    manager,
    operation: "Apply" as const,
    apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: fieldSet({ metadata: Object.fromEntries(own), ...rest }),
  }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The server's memory; every method is synchronous, so each request is atomic. */
class Server {
  readonly types: Array<ResourceType> = [...BUILT_IN]
  readonly #objects = new Map<string, Stored>()
  readonly #changes: Array<Change> = []
  readonly watchers = new Set<Watcher>()
  version = 1
  oldest = 0
  #uids = 0

  all(type: ResourceType): ReadonlyArray<KubeObject> {
    const kind = formatGroupKind(type)
    return [...this.#objects.values()]
      .map(({ object }) => object)
      .filter(
        (o) => `${o.apiVersion.includes("/") ? o.apiVersion.split("/")[0] : ""}/${o.kind}` === kind,
      )
  }

  stored(type: ResourceType, name: ObjectName): Stored | undefined {
    return this.#objects.get(formatRef({ ...type, ...name }))
  }

  uid(): string {
    this.#uids += 1
    return `00000000-0000-4000-8000-${String(this.#uids).padStart(12, "0")}`
  }

  /** Stores what is new; the same object again changes nothing. */
  store(type: ResourceType, name: ObjectName, stored: Stored): KubeObject {
    const before = this.stored(type, name)?.object
    if (before !== undefined && same(stored.object, before)) return before
    this.version += 1
    const object = stamp(stored.object, this.version)
    const key = formatRef({ ...type, ...name })
    const isFinal =
      object.metadata.deletionTimestamp !== undefined &&
      (object.metadata.finalizers ?? []).length === 0
    if (isFinal) this.#objects.delete(key)
    else this.#objects.set(key, { ...stored, object })
    this.#tell({ type, key, before, after: isFinal ? undefined : object })
    return object
  }

  remove(type: ResourceType, name: ObjectName): void {
    const key = formatRef({ ...type, ...name })
    const before = this.#objects.get(key)?.object
    if (before === undefined) return
    this.version += 1
    this.#objects.delete(key)
    this.#tell({ type, key, before, after: undefined })
  }

  #tell({
    type,
    ...rest
  }: Omit<Change, "version" | "kind"> & { readonly type: ResourceType }): void {
    const change = { ...rest, version: this.version, kind: formatGroupKind(type) }
    this.#changes.push(change)
    for (const watcher of [...this.watchers]) {
      const event = watcher.kind === change.kind ? eventOf(change, watcher.sees) : undefined
      if (event !== undefined) Queue.offerUnsafe(watcher.queue, event)
    }
  }

  since(version: number, kind: string): ReadonlyArray<Change> {
    return this.#changes.filter((change) => change.version > version && change.kind === kind)
  }
}

export class KubeMemory extends Context.Service<
  KubeMemory,
  {
    /** Every call so far. */
    readonly calls: Array<Call>
    readonly intercept: (intercept: Intercept) => void
    /** Somebody else creates or replaces an object. */
    readonly put: (object: KubeObject) => KubeObject
    /** Somebody else changes an object; it must exist. */
    readonly edit: (
      type: ResourceType,
      name: ObjectName,
      change: (object: KubeObject) => KubeObject,
    ) => KubeObject
    readonly remove: (type: ResourceType, name: ObjectName) => void
    readonly find: (type: ResourceType, name: ObjectName) => KubeObject | undefined
    readonly all: (type: ResourceType) => ReadonlyArray<KubeObject>
    readonly serve: (type: ResourceType) => void
    /** Positions up to now have expired: watches fail with 410. */
    readonly expire: () => void
    readonly bookmark: () => void
    /** The server ends every watch, or cuts it with an error. */
    readonly endWatches: (error?: KubeError) => void
    readonly watching: () => number
  }
>()("nopea/test/KubeMemory") {}

const NOBODY: Intercept = () => Effect.void

type Refusal = readonly [status: number, reason: string, message: string, details?: object]

const fail = (
  operation: string,
  type: ResourceType,
  name: ObjectName | undefined,
  [status, reason, message, details]: Refusal,
): Effect.Effect<never, KubeError> => {
  const subject = name === undefined ? formatGroupKind(type) : formatRef({ ...type, ...name })
  const named = { name: name?.name ?? "", kind: type.resource, ...details }
  const body = JSON.stringify({
    kind: "Status",
    status: "Failure",
    reason,
    message,
    details: named,
  })
  return Effect.fail(refused({ operation, subject, kind: type.kind }, { status, body }))
}

const NOT_FOUND: Refusal = [404, "NotFound", "not found"]
const CONFLICT: Refusal = [409, "Conflict", "the object has been modified"]
const EXISTS: Refusal = [409, "AlreadyExists", "already exists"]
const RECREATED: Refusal = [
  422,
  "Invalid",
  "metadata.uid: Invalid value: field is immutable",
  {
    causes: [{ field: "metadata.uid", reason: "FieldValueInvalid", message: "field is immutable" }],
  },
]

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const server = new Server()
  const calls: Array<Call> = []
  let intercept: Intercept = NOBODY
  const now = (): string => new Date(clock.currentTimeMillisUnsafe()).toISOString()

  const begin = (call: Call) =>
    Effect.suspend(() => {
      calls.push(call)
      return intercept(call)
    })

  const isServed = (type: ResourceType): boolean =>
    server.types.some(
      (t) => formatGroupKind(t) === formatGroupKind(type) && t.version === type.version,
    )

  const request = <A>(
    call: Call & { readonly type: ResourceType },
    answer: () => Effect.Effect<A, KubeError>,
  ): Effect.Effect<A, KubeError> =>
    Effect.andThen(
      begin(call),
      Effect.suspend(() =>
        isServed(call.type)
          ? answer()
          : fail(call.verb, call.type, undefined, [
              404,
              "NotFound",
              "could not find the requested resource",
            ]),
      ),
    )

  /** Why an object cannot be created in its namespace. */
  const homeless = (type: ResourceType, { namespace }: ObjectName): Refusal | undefined => {
    if (!type.namespaced || namespace === "default") return undefined
    const home = server.stored(BUILT_IN[0] as ResourceType, { namespace: "", name: namespace })
    if (home === undefined)
      return [
        404,
        "NotFound",
        `namespaces "${namespace}" not found`,
        { name: namespace, kind: "namespaces" },
      ]
    return home.object.metadata.deletionTimestamp === undefined
      ? undefined
      : [403, "Forbidden", "is being terminated", { causes: [{ reason: "NamespaceTerminating" }] }]
  }

  const fresh = (type: ResourceType, name: ObjectName, body: KubeObject): KubeObject => {
    const { resourceVersion: _, uid: __, ...metadata } = body.metadata
    return {
      ...body,
      apiVersion: formatApiVersion(type),
      kind: type.kind,
      metadata: {
        ...metadata,
        name: name.name,
        ...(type.namespaced ? { namespace: name.namespace } : {}),
        uid: server.uid(),
        creationTimestamp: now(),
        generation: 1,
      },
    }
  }

  /** A changed object with the identity of the live one; a changed spec is a new generation. */
  const next = (live: KubeObject, body: KubeObject): KubeObject => {
    const {
      uid,
      creationTimestamp,
      generation = 1,
      deletionTimestamp,
      resourceVersion,
    } = live.metadata
    const { metadata: _, status: __, ...before } = live
    const { metadata: ___, status: ____, ...after } = body
    const moved = same(before, after) ? generation : generation + 1
    const kept = { uid, creationTimestamp, resourceVersion, generation: moved }
    return {
      ...body,
      metadata: { ...body.metadata, ...kept, ...(deletionTimestamp && { deletionTimestamp }) },
    } as KubeObject
  }

  /** Labels that somebody else changed or removed leave the sets of those who applied them. */
  const disowned = (live: KubeObject, after: KubeObject): KubeObject => {
    const isKept = (label: string) =>
      live.metadata.labels?.[label] === after.metadata.labels?.[label]
    const managedFields = (after.metadata.managedFields ?? []).map((entry) => {
      const fields = entry.fieldsV1 as { "f:metadata"?: { "f:labels"?: object } } | undefined
      const labels = Object.keys(fields?.["f:metadata"]?.["f:labels"] ?? {})
      if (labels.every((label) => isKept(label.slice(2)))) return entry
      const left = labels.filter((label) => isKept(label.slice(2))).map((label) => [label, {}])
      return { ...entry, fieldsV1: { "f:metadata": { "f:labels": Object.fromEntries(left) } } }
    })
    return managedFields.length === 0
      ? after
      : ({ ...after, metadata: { ...after.metadata, managedFields } } as KubeObject)
  }

  const guard = (live: KubeObject, wanted: Partial<ObjectMeta>): Refusal | undefined => {
    if (wanted.uid !== undefined && wanted.uid !== live.metadata.uid) return RECREATED
    const version = wanted.resourceVersion
    return version !== undefined && version !== live.metadata.resourceVersion ? CONFLICT : undefined
  }

  const entries = (live: ObjectMeta, manager: string, object: KubeObject) => {
    const before = (live.managedFields ?? []).find((entry) => entry.manager === manager)
    const entry = fieldsOf(manager, object, before?.time ?? now())
    return [entry, ...(live.managedFields ?? []).filter((other) => other !== before)]
  }

  const applyTo = (
    type: ResourceType,
    name: ObjectName,
    body: KubeObject,
    { fieldManager, dryRun }: { readonly fieldManager: string; readonly dryRun?: boolean },
  ) => {
    const found = server.stored(type, name)
    if (found === undefined && body.metadata.uid !== undefined)
      return fail("apply", type, name, CONFLICT)
    const refusal = found === undefined ? homeless(type, name) : guard(found.object, body.metadata)
    if (refusal !== undefined) return fail("apply", type, name, refusal)
    const before = found?.bodies.get(fieldManager)
    const { uid: _, resourceVersion: __, ...metadata } = body.metadata
    const wanted = { ...body, metadata }
    const object =
      found === undefined
        ? fresh(type, name, body)
        : next(found.object, applied(found.object, before, wanted) as KubeObject)
    const managedFields = entries(found?.object.metadata ?? object.metadata, fieldManager, body)
    const result = { ...object, metadata: { ...object.metadata, managedFields } }
    const bodies = new Map(found?.bodies).set(fieldManager, wanted)
    const stored = dryRun ? result : server.store(type, name, { object: result, bodies })
    return Effect.succeed({ metadata: stored.metadata, created: found === undefined })
  }

  const change = (
    operation: "mergePatch" | "jsonPatch",
    type: ResourceType,
    name: ObjectName,
    patch: (live: KubeObject) => unknown,
  ) => {
    const found = server.stored(type, name)
    if (found === undefined) return fail(operation, type, name, NOT_FOUND)
    const patched = patch(found.object) as KubeObject | undefined
    if (patched === undefined)
      return fail(operation, type, name, [422, "Invalid", "the patch does not fit"])
    const refusal = guard(found.object, patched.metadata)
    if (refusal !== undefined) return fail(operation, type, name, refusal)
    return Effect.succeed(
      server.store(type, name, {
        ...found,
        object: next(found.object, disowned(found.object, patched)),
      }),
    )
  }

  const isWithStatus = (type: ResourceType): boolean =>
    type.group !== "" || type.kind === "Namespace"

  /** As the API server does for kinds with a status subresource: each side sees its own part only, the status not even a uid. */
  const split = (
    type: ResourceType,
    live: KubeObject,
    patched: KubeObject,
    part?: "status",
  ): unknown => {
    if (part === "status") {
      const { resourceVersion } = patched.metadata
      return { ...live, metadata: { ...live.metadata, resourceVersion }, status: patched["status"] }
    }
    if (!isWithStatus(type)) return patched
    const { status: _, ...rest } = patched
    return live["status"] === undefined ? rest : { ...rest, status: live["status"] }
  }

  const place = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ""}/${metadata.name}`

  const list = (type: ResourceType, options: ListOptions = {}) => {
    const sees = selects(options)
    const items = server
      .all(type)
      .filter((object) => sees(object.metadata))
      .toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
    return { items, resourceVersion: String(server.version) }
  }

  const remove = (type: ResourceType, name: ObjectName, options: DeleteOptions) => {
    const found = server.stored(type, name)
    if (found === undefined) return Effect.void
    const refusal = guard(found.object, options)
    if (refusal !== undefined) return fail("delete", type, name, CONFLICT)
    if (options.dryRun) return Effect.void
    if ((found.object.metadata.finalizers ?? []).length === 0) server.remove(type, name)
    else {
      const deletionTimestamp = found.object.metadata.deletionTimestamp ?? now()
      const metadata = { ...found.object.metadata, deletionTimestamp }
      server.store(type, name, { ...found, object: { ...found.object, metadata } })
    }
    return Effect.void
  }

  const watch = (
    call: Call & { readonly type: ResourceType },
    options: ListOptions & { readonly resourceVersion: string },
  ): Stream.Stream<WatchEvent<KubeObject>, KubeError> =>
    Stream.unwrap(
      request(call, () =>
        Effect.gen(function* () {
          const { type } = call
          const from = Number(options.resourceVersion)
          if (from < server.oldest)
            return yield* fail("watch", type, undefined, [
              410,
              "Expired",
              "too old resource version",
            ])
          const queue = yield* Queue.unbounded<WatchEvent<KubeObject>, KubeError | "end">()
          const watcher = { kind: formatGroupKind(type), sees: selects(options), queue }
          for (const past of server.since(from, watcher.kind)) {
            const event = eventOf(past, watcher.sees)
            if (event !== undefined) Queue.offerUnsafe(queue, event)
          }
          server.watchers.add(watcher)
          return Stream.fromQueue(queue).pipe(
            Stream.catch((end) => (end === "end" ? Stream.empty : Stream.fail(end))),
            Stream.ensuring(Effect.sync(() => server.watchers.delete(watcher))),
          )
        }),
      ),
    )

  const onlyMetadata = ({ metadata }: ObjectMetadata): ObjectMetadata => ({ metadata })

  const kube = Kube.of({
    discovery: (refresh) =>
      Effect.andThen(
        begin({ verb: "discovery", options: refresh }),
        Effect.sync(() => discoveryOf([...server.types], [])),
      ),
    get: (caller, type, name) =>
      request({ verb: "get", caller, type, name }, () => {
        const found = server.stored(type, name)
        return found === undefined
          ? fail("get", type, name, NOT_FOUND)
          : Effect.succeed(found.object)
      }),
    getMetadata: (caller, type, name) =>
      request({ verb: "getMetadata", caller, type, name }, () => {
        const found = server.stored(type, name)
        return found === undefined
          ? fail("get", type, name, NOT_FOUND)
          : Effect.succeed(onlyMetadata(found.object))
      }),
    list: <A>(
      caller: Caller,
      type: ResourceType,
      options?: ListOptions,
      keep: (item: KubeObject) => A = (item) => item as A,
    ) =>
      request({ verb: "list", caller, type, options }, () => {
        const { items, resourceVersion } = list(type, options)
        return Effect.succeed({ items: items.map(keep), resourceVersion })
      }),
    listMetadata: <A>(
      caller: Caller,
      type: ResourceType,
      options?: ListOptions,
      keep: (item: ObjectMetadata) => A = (item) => item as A,
    ) =>
      request({ verb: "listMetadata", caller, type, options }, () => {
        const { items, resourceVersion } = list(type, options)
        return Effect.succeed({
          items: items.map((item) => keep(onlyMetadata(item))),
          resourceVersion,
        })
      }),
    watch: (caller, type, options) => watch({ verb: "watch", caller, type, options }, options),
    watchMetadata: (caller, type, options) =>
      watch({ verb: "watchMetadata", caller, type, options }, options).pipe(
        Stream.map((event) =>
          event.type === "BOOKMARK" ? event : { ...event, object: onlyMetadata(event.object) },
        ),
      ),
    apply: (caller, type, name, body, options) =>
      request({ verb: "apply", caller, type, name, body, options }, () =>
        applyTo(type, name, JSON.parse(body) as KubeObject, options),
      ),
    create: (caller, type, namespace, body, options) => {
      const name = { namespace, name: body.metadata.name }
      return request({ verb: "create", caller, type, name, body, options }, () => {
        const refusal = server.stored(type, name) === undefined ? homeless(type, name) : EXISTS
        if (refusal !== undefined) return fail("create", type, name, refusal)
        const object = fresh(type, name, body)
        return Effect.succeed(
          options?.dryRun ? object : server.store(type, name, { object, bodies: new Map() }),
        )
      })
    },
    mergePatch: (caller, type, name, body, subresource) =>
      request({ verb: "mergePatch", caller, type, name, body, options: subresource }, () =>
        change("mergePatch", type, name, (live) =>
          split(type, live, mergePatch(live, body) as KubeObject, subresource),
        ),
      ),
    jsonPatch: (caller, type, name, body, subresource) =>
      request({ verb: "jsonPatch", caller, type, name, body, options: subresource }, () =>
        change("jsonPatch", type, name, (live) => {
          const patched = jsonPatch(live, body) as KubeObject | undefined
          return patched === undefined ? undefined : split(type, live, patched, subresource)
        }),
      ),
    delete: (caller, type, name, options) =>
      request({ verb: "delete", caller, type, name, options }, () => remove(type, name, options)),
  })

  const typeOf = (object: KubeObject): ResourceType => {
    const found = server.types.find(
      (t) => t.kind === object.kind && formatApiVersion(t) === object.apiVersion,
    )
    if (found === undefined) throw new Error(`no such kind: ${object.apiVersion} ${object.kind}`)
    return found
  }

  const edit = (
    type: ResourceType,
    name: ObjectName,
    by: (object: KubeObject) => KubeObject,
  ): KubeObject => {
    const found = server.stored(type, name)
    if (found === undefined) throw new Error(`no such object: ${formatRef({ ...type, ...name })}`)
    const changed = disowned(found.object, by(found.object))
    return server.store(type, name, { ...found, object: next(found.object, changed) })
  }

  const memory = KubeMemory.of({
    calls,
    intercept: (by) => {
      intercept = by
    },
    put: (object) => {
      const type = typeOf(object)
      const name = { namespace: object.metadata.namespace ?? "", name: object.metadata.name }
      return server.stored(type, name) === undefined
        ? server.store(type, name, { object: fresh(type, name, object), bodies: new Map() })
        : edit(type, name, () => object)
    },
    edit,
    remove: (type, name) => server.remove(type, name),
    find: (type, name) => server.stored(type, name)?.object,
    all: (type) => server.all(type),
    serve: (type) => {
      server.types.push(type)
    },
    expire: () => {
      server.version += 1
      server.oldest = server.version
    },
    bookmark: () => {
      for (const { queue } of [...server.watchers])
        Queue.offerUnsafe(queue, { type: "BOOKMARK", resourceVersion: String(server.version) })
    },
    endWatches: (error) => {
      for (const { queue } of [...server.watchers])
        Queue.failCauseUnsafe(queue, Cause.fail(error ?? ("end" as const)))
    },
    watching: () => server.watchers.size,
  })
  return { kube, memory }
})

/** The port and the hands on it, one memory behind both. */
export const layer: Layer.Layer<Kube | KubeMemory> = Layer.effectContext(
  Effect.map(make, ({ kube, memory }) =>
    Context.make(Kube, kube).pipe(Context.add(KubeMemory, memory)),
  ),
)
