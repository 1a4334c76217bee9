/** The live Kube: verbs as HTTP requests, JSON in and out. */
import { Effect, Layer, type Scope } from "effect"
import type { ConfigError, KubeError } from "../domain/errors.ts"
import { formatRef, type KubeObject } from "../domain/object.ts"
import { VERSION } from "../version.ts"
import { collections, METADATA, metadataOf, type WatchLimits } from "./Collections.ts"
import type { Request } from "./Connections.ts"
import { type Caller, Kube, type ObjectName, type Preview, type ResourceType } from "./Kube.ts"
import { type Access, type AccessOptions, openAccess } from "./KubeAuth.ts"
import { makeDiscovery } from "./KubeDiscovery.ts"
import { collectionPath, objectPath, type Query, queryText } from "./path.ts"
import { type Answer, makeTransport, type Transport, type TransportOptions } from "./Transport.ts"
import { nameless } from "./unanswered.ts"

/** Default of the user agent: `nopea/<version>`. */
export interface KubeHttpOptions extends Partial<TransportOptions>, WatchLimits {
  /** Who writes, for everything but applies; default `nopea`. */
  readonly fieldManager?: string
}

type Shape = Kube["Service"]

const CONTROLLER: Caller = { budget: "controller" }

interface Sent extends Omit<Request, "asked" | "caller" | "path"> {
  readonly operation: string
  readonly query?: Query
  readonly subresource?: "status" | undefined
}

/** An empty or dotted name would make the path that of the collection, or of another object. */
const isUsable = (name: string): boolean => name !== "" && name !== "." && name !== ".."

/** A request about one object; a POST goes to the collection, where an object need not have its name yet. */
const sender =
  (transport: Transport) =>
  (
    caller: Caller,
    type: ResourceType,
    name: ObjectName,
    sent: Sent,
  ): Effect.Effect<Answer, KubeError> => {
    const { operation, query = {}, subresource, ...rest } = sent
    const subject = formatRef({ ...type, ...name })
    const asked = { operation, subject, kind: type.kind }
    const isNew = sent.method === "POST"
    if (type.namespaced !== (name.namespace !== "") || !(isNew || isUsable(name.name)))
      return Effect.fail(nameless(asked))
    const path = isNew ? collectionPath(type, name.namespace) : objectPath(type, name, subresource)
    return transport.send({ ...rest, asked, caller, path: path + queryText(query) })
  }

const objectOf = ({ json }: Answer): KubeObject => json as KubeObject

const verbs = (
  transport: Transport,
  fieldManager = "nopea",
): Omit<Shape, "discovery" | "list" | "listMetadata" | "watch" | "watchMetadata"> => {
  const send = sender(transport)
  const patching =
    (contentType: string): Shape["mergePatch"] =>
    (caller, type, name, patch, subresource) => {
      const body = JSON.stringify(patch)
      const query = { fieldManager }
      const sent = {
        operation: "patch",
        method: "PATCH",
        query,
        contentType,
        subresource,
        body,
      } as const
      return Effect.map(send(caller, type, name, sent), objectOf)
    }
  const get = { operation: "get", method: "GET" } as const
  return {
    get: (caller, type, name) => Effect.map(send(caller, type, name, get), objectOf),
    getMetadata: (caller, type, name) =>
      Effect.map(send(caller, type, name, { ...get, accept: METADATA }), (answer) =>
        metadataOf(objectOf(answer)),
      ),
    apply: (caller, type, name, body, { fieldManager, force, dryRun }) =>
      Effect.map(
        send(caller, type, name, {
          operation: "apply",
          method: "PATCH",
          query: { fieldManager, force, dryRun: dryRun ? "All" : undefined },
          accept: METADATA,
          contentType: "application/apply-patch+yaml",
          body,
        }),
        (answer) => ({ metadata: objectOf(answer).metadata, created: answer.status === 201 }),
      ),
    create: (caller, type, namespace, object, options) =>
      Effect.map(
        send(
          caller,
          type,
          { namespace, name: object.metadata.name ?? "" },
          {
            operation: "create",
            method: "POST",
            query: { fieldManager, dryRun: options?.dryRun ? "All" : undefined },
            body: JSON.stringify(object),
          },
        ),
        objectOf,
      ),
    mergePatch: patching("application/merge-patch+json"),
    jsonPatch: patching("application/json-patch+json"),
    delete: (caller, type, name, { uid, resourceVersion, dryRun }) =>
      send(caller, type, name, {
        operation: "delete",
        method: "DELETE",
        body: JSON.stringify({
          kind: "DeleteOptions",
          apiVersion: "v1",
          propagationPolicy: "Background",
          preconditions: { uid, resourceVersion },
          // Beside a body the API server ignores the query.
          dryRun: dryRun ? ["All"] : undefined,
        }),
      }).pipe(
        Effect.asVoid,
        // Only the object's own absence: an unserved kind says nothing about its objects.
        Effect.catchIf(
          ({ code }) => code === "NOPEA-A003",
          () => Effect.void,
        ),
      ),
  }
}

const previewer =
  (transport: Transport): Preview =>
  (caller, type, name, body, fieldManager) =>
    Effect.map(
      sender(transport)(caller, type, name, {
        operation: "apply",
        method: "PATCH",
        query: { fieldManager, force: true, dryRun: "All" },
        contentType: "application/apply-patch+yaml",
        body,
      }),
      objectOf,
    )

/** Kube over an access that is open already, and what only people ask for. */
export const makeClient = (
  access: Access,
  options: KubeHttpOptions = {},
): Effect.Effect<{ readonly kube: Shape; readonly preview: Preview }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* makeTransport(access, { userAgent: `nopea/${VERSION}`, ...options })
    const discovery = yield* makeDiscovery((path, accept) => {
      const asked = { operation: "discover", subject: path, kind: "" }
      const request = { asked, caller: CONTROLLER, method: "GET", path, accept } as const
      return Effect.map(transport.send(request), ({ json }) => json)
    })
    const kube = Kube.of({
      discovery,
      ...collections(transport, options),
      ...verbs(transport, options.fieldManager),
    })
    return { kube, preview: previewer(transport) }
  })

/** Kube over an access that is open already. */
export const makeKube = (
  access: Access,
  options: KubeHttpOptions = {},
): Effect.Effect<Shape, never, Scope.Scope> =>
  Effect.map(makeClient(access, options), ({ kube }) => kube)

/** The cluster that the options name; a wrong setting ends the start with a clear error. */
export const layer = (
  options: AccessOptions & KubeHttpOptions = {},
): Layer.Layer<Kube, ConfigError> =>
  Layer.effect(
    Kube,
    Effect.flatMap(openAccess(options), (access) => makeKube(access, options)),
  )
