/** The live Kube: verbs as HTTP requests, JSON in and out. */
import { Effect, Layer, type Scope, Stream } from "effect"
import type { ConfigError, KubeError } from "../domain/errors.ts"
import { formatRef, type KubeObject } from "../domain/object.ts"
import { VERSION } from "../version.ts"
import {
  list,
  METADATA,
  METADATA_LIST,
  metadataEvent,
  metadataOf,
  parseJson,
  type Use,
  type WatchLimits,
  watch,
  wholeObject,
} from "./Collections.ts"
import {
  type Caller,
  type DeleteOptions,
  Kube,
  type ObjectName,
  type ResourceType,
} from "./Kube.ts"
import { type Access, type AccessOptions, openAccess } from "./KubeAuth.ts"
import { makeDiscovery, type ReadJson } from "./KubeDiscovery.ts"
import { collectionPath, objectPath, queryText } from "./path.ts"
import type { Asked } from "./status.ts"
import { makeTransport, type Request, type Transport, type TransportOptions } from "./Transport.ts"
import { nameless } from "./unanswered.ts"

/** Defaults: user agent `nopea/<version>`, idle watches end after 3 minutes, lines have at most 16 MiB. */
export interface KubeHttpOptions extends Partial<TransportOptions>, Partial<WatchLimits> {}

const CONTROLLER: Caller = { budget: "controller" }

const askedOf = (operation: string, type: ResourceType, name: ObjectName): Asked => ({
  operation,
  subject: formatRef({ ...type, ...name }),
  kind: type.kind,
})

interface Sent {
  readonly operation: string
  readonly method: Request["method"]
  readonly query?: Parameters<typeof queryText>[0]
  readonly subresource?: string | undefined
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string
}

/** An empty or dotted name would make the path that of the collection, or of another object. */
const isUsable = (type: ResourceType, { namespace, name }: ObjectName): boolean =>
  name !== "" && !/^\.{1,2}$/u.test(name) && type.namespaced === (namespace !== "")

/** A request about one object. */
const onObject = (
  transport: Transport,
  use: Use,
  name: ObjectName,
  { operation, query = {}, subresource, ...rest }: Sent,
): Effect.Effect<{ readonly status: number; readonly json: unknown }, KubeError> =>
  Effect.gen(function* () {
    const asked = askedOf(operation, use.type, name)
    if (!isUsable(use.type, name)) return yield* nameless(asked)
    const path = objectPath(use.type, name, subresource) + queryText(query)
    const answer = yield* transport.send({ ...rest, asked, caller: use.caller, path })
    return { status: answer.status, json: yield* parseJson(asked, answer.body) }
  })

const fieldManager = "nopea"

const dryRunOf = (dryRun: boolean | undefined): string | undefined => (dryRun ? "All" : undefined)

/** Beside a body the API server ignores the query, so a dry run must be asked for here. */
const deleteBody = (options: DeleteOptions): string =>
  JSON.stringify({
    kind: "DeleteOptions",
    apiVersion: "v1",
    propagationPolicy: "Background",
    preconditions: { uid: options.uid, resourceVersion: options.resourceVersion },
    dryRun: options.dryRun ? ["All"] : undefined,
  })

type Shape = Kube["Service"]

const reading = (
  transport: Transport,
  limits: WatchLimits,
): Pick<Shape, "get" | "getMetadata" | "list" | "listMetadata" | "watch" | "watchMetadata"> => {
  const get = (use: Use, name: ObjectName, accept: string) =>
    onObject(transport, use, name, { operation: "get", method: "GET", accept })
  return {
    get: (caller, type, name) =>
      Effect.map(get({ caller, type }, name, "application/json"), ({ json }) => json as KubeObject),
    getMetadata: (caller, type, name) =>
      Effect.map(get({ caller, type }, name, METADATA), ({ json }) => metadataOf(json)),
    list: (caller, type, options = {}) => {
      const use = { caller, type }
      return list(transport, use, options, { accept: "application/json", item: wholeObject(use) })
    },
    listMetadata: (caller, type, options = {}) =>
      list(transport, { caller, type }, options, { accept: METADATA_LIST, item: metadataOf }),
    watch: (caller, type, options) =>
      watch(transport, { caller, type }, options, { ...limits, accept: "application/json" }),
    watchMetadata: (caller, type, options) =>
      Stream.map(
        watch(transport, { caller, type }, options, { ...limits, accept: METADATA }),
        metadataEvent,
      ),
  }
}

const patch =
  (transport: Transport, contentType: string) =>
  (use: Use, name: ObjectName, body: unknown, subresource?: "status") =>
    Effect.map(
      onObject(transport, use, name, {
        operation: "patch",
        method: "PATCH",
        query: { fieldManager },
        contentType,
        subresource,
        body: JSON.stringify(body),
      }),
      ({ json }) => json as KubeObject,
    )

const create = (
  transport: Transport,
  { caller, type }: Use,
  body: KubeObject,
  at: { readonly namespace: string; readonly dryRun?: boolean | undefined },
): Effect.Effect<KubeObject, KubeError> =>
  Effect.gen(function* () {
    const { name = "" } = body.metadata
    const asked = askedOf("create", type, { namespace: at.namespace, name })
    if (type.namespaced !== (at.namespace !== "")) return yield* nameless(asked)
    const query = queryText({ fieldManager, dryRun: dryRunOf(at.dryRun) })
    const answer = yield* transport.send({
      asked,
      caller,
      method: "POST",
      path: collectionPath(type, at.namespace) + query,
      body: JSON.stringify(body),
    })
    return (yield* parseJson(asked, answer.body)) as KubeObject
  })

const writing = (
  transport: Transport,
): Pick<Shape, "apply" | "create" | "mergePatch" | "jsonPatch" | "delete"> => {
  const merge = patch(transport, "application/merge-patch+json")
  const json = patch(transport, "application/json-patch+json")
  return {
    apply: (caller, type, name, body, { fieldManager, force, dryRun }) =>
      Effect.map(
        onObject(transport, { caller, type }, name, {
          operation: "apply",
          method: "PATCH",
          query: { fieldManager, force, dryRun: dryRunOf(dryRun) },
          accept: METADATA,
          contentType: "application/apply-patch+yaml",
          body,
        }),
        (answer) => ({ ...metadataOf(answer.json), created: answer.status === 201 }),
      ),
    create: (caller, type, namespace, body, options) =>
      create(transport, { caller, type }, body, { namespace, dryRun: options?.dryRun }),
    mergePatch: (caller, type, name, body, subresource) =>
      merge({ caller, type }, name, body, subresource),
    jsonPatch: (caller, type, name, body, subresource) =>
      json({ caller, type }, name, body, subresource),
    delete: (caller, type, name, options) =>
      onObject(transport, { caller, type }, name, {
        operation: "delete",
        method: "DELETE",
        body: deleteBody(options),
      }).pipe(
        // Only the object's own absence: an unserved kind says nothing about its objects.
        Effect.catchIf(
          (error) => error.code === "NOPEA-A003",
          () => Effect.void,
        ),
        Effect.asVoid,
      ),
  }
}

/** Kube over an access that is open already. */
export const makeKube = (
  access: Access,
  options: KubeHttpOptions = {},
): Effect.Effect<Shape, never, Scope.Scope> =>
  Effect.gen(function* () {
    const userAgent = options.userAgent ?? `nopea/${VERSION}`
    const { watchIdle = 180_000, maxLineBytes = 16 * 2 ** 20 } = options
    const transport = yield* makeTransport(access, { ...options, userAgent })
    const read: ReadJson = (path, accept) =>
      Effect.gen(function* () {
        const asked = { operation: "discover", subject: path, kind: "" }
        const request = { asked, caller: CONTROLLER, method: "GET", path, accept } as const
        return yield* parseJson(asked, (yield* transport.send(request)).body)
      })
    return Kube.of({
      discovery: yield* makeDiscovery(read),
      ...reading(transport, { watchIdle, maxLineBytes }),
      ...writing(transport),
    })
  })

/** The cluster that the options name; a wrong setting ends the start with a clear error. */
export const layer = (
  options: AccessOptions & KubeHttpOptions = {},
): Layer.Layer<Kube, ConfigError> =>
  Layer.effect(
    Kube,
    Effect.flatMap(openAccess(options), (access) => makeKube(access, options)),
  )
