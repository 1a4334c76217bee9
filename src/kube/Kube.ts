/** Port 3: the API server. Every call is bounded, cancellable, and takes its turn in the fair request budget. */
import { Context, type Effect, type Stream } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { GroupKind, KubeObject, ObjectMeta } from "../domain/object.ts"

/** On whose behalf a request goes out. */
export interface Caller {
  /** Key of the request budget: `namespace/name` of the GitRepository, or `controller`. */
  readonly budget: string
  /** `system:serviceaccount:<namespace>:<name>` to impersonate; absent: the controller itself. */
  readonly impersonate?: string
}

/** One served kind. */
export interface ResourceType extends GroupKind {
  readonly version: string
  /** Plural name in URLs. */
  readonly resource: string
  readonly namespaced: boolean
  readonly verbs: ReadonlyArray<string>
}

/** What the API server serves. `incomplete` names group versions that could not be read. */
export interface Discovery {
  readonly types: ReadonlyArray<ResourceType>
  readonly incomplete: ReadonlyArray<string>
  /** The type of a kind: in this version, else (no version given) in the server's preferred one. */
  readonly find: (kind: GroupKind, version?: string) => ResourceType | undefined
}

/** `PartialObjectMetadata`: metadata without the object. */
export interface ObjectMetadata {
  readonly metadata: ObjectMeta
}

export interface ObjectName {
  /** Empty for cluster-scoped objects. */
  readonly namespace: string
  readonly name: string
}

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface Listed<A> {
  readonly items: ReadonlyArray<A>
  readonly resourceVersion: string
}

export type WatchEvent<A> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: A }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }

export interface ApplyOptions {
  readonly fieldManager: string
  readonly force: boolean
  readonly dryRun?: boolean
}

export interface DeleteOptions {
  readonly uid: string
  readonly resourceVersion?: string
  readonly dryRun?: boolean
}

type Answer<A> = Effect.Effect<A, KubeError>

/** `keep` distils each item as its page comes in. */
type List<I> = <A = I>(
  caller: Caller,
  type: ResourceType,
  options?: ListOptions,
  keep?: (item: I) => A,
) => Answer<Listed<A>>

type Watch<A> = (
  caller: Caller,
  type: ResourceType,
  options: ListOptions & { readonly resourceVersion: string },
) => Stream.Stream<WatchEvent<A>, KubeError>

/** Of the object, or of its `status` subresource. */
type Patch<A> = (
  caller: Caller,
  type: ResourceType,
  name: ObjectName,
  patch: A,
  subresource?: "status",
) => Answer<KubeObject>

/**
 * A server-side apply as a dry run: the whole object that it would make. For people who compare; the controller
 * asks for metadata alone.
 */
export type Preview = (
  caller: Caller,
  type: ResourceType,
  name: ObjectName,
  body: string,
  fieldManager: string,
) => Answer<KubeObject>

export class Kube extends Context.Service<
  Kube,
  {
    /** Served kinds; kept until `refresh` asks anew. */
    readonly discovery: (refresh?: "refresh") => Answer<Discovery>
    readonly get: (caller: Caller, type: ResourceType, name: ObjectName) => Answer<KubeObject>
    readonly getMetadata: (
      caller: Caller,
      type: ResourceType,
      name: ObjectName,
    ) => Answer<ObjectMetadata>
    /** Every page; starts over where a page token expired. */
    readonly list: List<KubeObject>
    readonly listMetadata: List<ObjectMetadata>
    /** One watch connection, with bookmarks. Ends when the server ends it; fails with status 410 when expired. */
    readonly watch: Watch<KubeObject>
    readonly watchMetadata: Watch<ObjectMetadata>
    /**
     * Server-side apply. `body` is JSON text (without managedFields); answers the metadata after it,
     * and whether the object was created (201).
     */
    readonly apply: (
      caller: Caller,
      type: ResourceType,
      name: ObjectName,
      body: string,
      options: ApplyOptions,
    ) => Answer<ObjectMetadata & { readonly created: boolean }>
    readonly create: (
      caller: Caller,
      type: ResourceType,
      namespace: string,
      body: KubeObject,
      options?: { readonly dryRun?: boolean },
    ) => Answer<KubeObject>
    /** JSON merge patch. */
    readonly mergePatch: Patch<unknown>
    /** JSON patch (RFC 6902). */
    readonly jsonPatch: Patch<ReadonlyArray<unknown>>
    /** With preconditions, propagation `Background`. An object that is gone already is a success. */
    readonly delete: (
      caller: Caller,
      type: ResourceType,
      name: ObjectName,
      options: DeleteOptions,
    ) => Answer<void>
  }
>()("nopea/kube/Kube") {}
