// The API server's GitRepositories for intake tests: versions, lists, watches, lost connections, a missing CRD.
import { Cause, Effect, Layer, Queue, Stream } from "effect"
import type { KubeError } from "../../src/domain/errors.ts"
import type { KubeObject } from "../../src/domain/object.ts"
import { Kube, type ListOptions, type WatchEvent } from "../../src/kube/Kube.ts"
import { refused } from "../../src/kube/response.ts"

type Event = WatchEvent<KubeObject>

const asked = { operation: "list", subject: "/GitRepository", kind: "GitRepository" }
const refusal = (status: number): KubeError => refused(asked, { status, body: "" })
const missing = (name: string): KubeError =>
  refused(asked, {
    status: 404,
    body: JSON.stringify({ kind: "Status", reason: "NotFound", details: { name } }),
  })

export const watchedRepositories = () => {
  const store = new Map<string, KubeObject>()
  const log: Array<{ readonly version: number; readonly event: Event }> = []
  const watches = new Set<Queue.Queue<Event, KubeError | Cause.Done>>()
  let version = 0
  let status: number | undefined
  let patchRefusal: number | undefined

  const events: Array<string> = []
  const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`
  const isIn = (object: KubeObject, { namespace }: ListOptions) =>
    namespace === undefined || object.metadata.namespace === namespace

  const happen = (type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject) => {
    version += 1
    const metadata = { ...object.metadata, resourceVersion: String(version) }
    const event: Event = { type, object: { ...object, metadata } }
    if (type === "DELETED") store.delete(keyOf(object))
    else store.set(keyOf(object), event.object)
    log.push({ version, event })
    for (const queue of watches) Queue.offerUnsafe(queue, event)
  }

  const unused = () => Effect.die("not part of this double")
  const layer = Layer.succeed(
    Kube,
    Kube.of({
      discovery: unused,
      get: (_, __, { namespace, name }) =>
        Effect.suspend(() => {
          const found = store.get(`${namespace}/${name}`)
          return found === undefined ? Effect.fail(missing(name)) : Effect.succeed(found)
        }),
      getMetadata: unused,
      listMetadata: unused,
      watchMetadata: () => Stream.fromEffect(unused()),
      apply: unused,
      create: (_, __, ___, body) =>
        Effect.sync(() => {
          events.push(`${body["reason"]}: ${body["message"]}`)
          return body
        }),
      // Only what the finalizer writes: metadata under a resourceVersion; the last finalizer lets a deleted one go.
      mergePatch: (_, __, { namespace, name }, patch) =>
        Effect.suspend(() => {
          if (patchRefusal !== undefined) return Effect.fail(refusal(patchRefusal))
          const found = store.get(`${namespace}/${name}`)
          if (found === undefined) return Effect.fail(missing(name))
          const { metadata } = patch as { readonly metadata: KubeObject["metadata"] }
          if (metadata.resourceVersion !== found.metadata.resourceVersion) {
            return Effect.fail(refusal(409))
          }
          const next = { ...found, metadata: { ...found.metadata, ...metadata } }
          const isGone =
            next.metadata.deletionTimestamp !== undefined && next.metadata.finalizers?.length === 0
          happen(isGone ? "DELETED" : "MODIFIED", next)
          return Effect.succeed(next)
        }),
      jsonPatch: unused,
      delete: unused,
      list: <A>(
        _: unknown,
        __: unknown,
        options: ListOptions = {},
        keep: (item: KubeObject) => A = (item) => item as A,
      ) =>
        Effect.suspend(() =>
          status === undefined
            ? Effect.succeed({
                items: [...store.values()].filter((object) => isIn(object, options)).map(keep),
                resourceVersion: String(version),
              })
            : Effect.fail(refusal(status)),
        ),
      watch: (_, __, options) =>
        Stream.callback<Event, KubeError>((queue) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const from = Number(options.resourceVersion)
              for (const { version: v, event } of log) if (v > from) Queue.offerUnsafe(queue, event)
              watches.add(queue)
            }),
            () => Effect.sync(() => watches.delete(queue)),
          ),
        ).pipe(Stream.filter((event) => event.type === "BOOKMARK" || isIn(event.object, options))),
    }),
  )

  return {
    layer,
    /** Kubernetes Events: `reason: message`. */
    events,
    /** Created or changed. */
    put: (object: object): void => {
      const next = object as KubeObject
      happen(store.has(keyOf(next)) ? "MODIFIED" : "ADDED", next)
    },
    remove: (key: string): void => {
      const object = store.get(key)
      if (object !== undefined) happen("DELETED", object)
    },
    /** Every watch ends with 410; what happens meanwhile is forgotten, so only a list tells it. */
    expire: (meanwhile: () => void): void => {
      const lost = [...watches]
      watches.clear()
      meanwhile()
      log.length = 0
      for (const queue of lost) Queue.failCauseUnsafe(queue, Cause.fail(refusal(410)))
    },
    find: (key: string): KubeObject | undefined => store.get(key),
    /** Every patch is refused with this status; `undefined`: taken. */
    refusePatches: (code: number | undefined): void => {
      patchRefusal = code
    },
    /** Every list is refused with this status; `undefined`: served. */
    refuse: (code: number | undefined): void => {
      status = code
    },
  }
}
