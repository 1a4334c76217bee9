/** Kubernetes objects as values: identity, format and parse, and what Git wants of each. */

/** Parsed YAML or JSON. Integers beyond ±2^53 are `bigint`, so that no digit is lost. */
export type Json = null | boolean | number | bigint | string | ReadonlyArray<Json> | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export interface GroupKind {
  /** Empty for the core group. */
  readonly group: string
  readonly kind: string
}

/** Identity of one object. `version` is how it is spoken to; it is no part of the identity. */
export interface ObjectRef extends GroupKind {
  readonly version: string
  /** Empty for cluster-scoped objects, and for desired objects that name none yet. */
  readonly namespace: string
  readonly name: string
}

/** `group/kind/namespace/name`, or `group/kind/name` where cluster-scoped. */
export type ObjectKey = string

/** Metadata as the API server sends it, also in `PartialObjectMetadata`. */
export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: ReadonlyArray<string>
  readonly ownerReferences?: ReadonlyArray<{
    readonly apiVersion: string
    readonly kind: string
    readonly name: string
    readonly uid: string
    readonly controller?: boolean
  }>
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly managedFields?: ReadonlyArray<ManagedFieldsEntry>
}

/** Who owns which fields. https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
export interface ManagedFieldsEntry {
  readonly manager?: string
  readonly operation?: "Apply" | "Update"
  readonly apiVersion?: string
  readonly time?: string
  readonly subresource?: string
  readonly fieldsV1?: JsonObject
}

/** An unstructured object. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}

/** Where in Git an object stands. `document` and `line` count from 1. */
export interface SourcePosition {
  readonly file: string
  readonly document: number
  readonly line: number
}

/**
 * One object as Git wants it, kept small: the tree itself stays JSON text until somebody needs it.
 * `digest` is a SHA-256 (hex) of the canonical JSON; `marks` are its annotations below `nopea.io/`,
 * `kustomize.toolkit.fluxcd.io/` and `argocd.argoproj.io/`.
 */
export interface DesiredObject {
  readonly ref: ObjectRef
  readonly json: string
  readonly digest: string
  readonly marks: Readonly<Record<string, string>>
  readonly source: SourcePosition
}

/** `apps/v1` -> `{group: "apps", version: "v1"}`, `v1` -> `{group: "", version: "v1"}`. */
export const parseApiVersion = (apiVersion: string): { group: string; version: string } => {
  const slash = apiVersion.indexOf("/")
  return slash < 0
    ? { group: "", version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}

export const formatApiVersion = (ref: { group: string; version: string }): string =>
  ref.group === "" ? ref.version : `${ref.group}/${ref.version}`

/** `apps/Deployment`, `/Service`: how `status.inventoryKinds` spells a kind. */
export const formatGroupKind = ({ group, kind }: GroupKind): string => `${group}/${kind}`

export const parseGroupKind = (text: string): GroupKind => {
  const slash = text.lastIndexOf("/")
  return { group: text.slice(0, Math.max(slash, 0)), kind: text.slice(slash + 1) }
}

/** `apps/Deployment/shop/api`, `/Namespace/shop`: identity, without the version. */
export const formatRef = (ref: Omit<ObjectRef, "version">): ObjectKey =>
  ref.namespace === ""
    ? `${ref.group}/${ref.kind}/${ref.name}`
    : `${ref.group}/${ref.kind}/${ref.namespace}/${ref.name}`

/** ES2027; not in TypeScript's library yet. https://github.com/tc39/proposal-json-parse-with-source */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => object }

/** JSON text of a tree; `bigint` keeps every digit. */
export const stringify = (tree: unknown): string =>
  JSON.stringify(tree, (_, value: unknown) =>
    typeof value === "bigint" ? rawJSON(value.toString()) : value,
  )

/** Canonical JSON text: keys sorted, so that equal objects have equal text. `bigint` keeps every digit. */
export const canonical = (tree: Json): string => {
  if (typeof tree === "bigint") return tree.toString()
  if (tree === null || typeof tree !== "object") return JSON.stringify(tree)
  if (Array.isArray(tree)) return `[${tree.map(canonical).join(",")}]`
  const object = tree as JsonObject
  const fields = Object.keys(object).sort()
  return `{${fields.map((key) => `${JSON.stringify(key)}:${canonical(object[key] as Json)}`).join(",")}}`
}

const MARK = /^(nopea\.io|[a-z]+\.toolkit\.fluxcd\.io|argocd\.argoproj\.io|meta\.helm\.sh)\//u
const NONE: Readonly<Record<string, string>> = Object.freeze({})

/** The annotations and labels that planning looks at; one frozen record where there are none. */
export const marksOf = (
  ...records: ReadonlyArray<Readonly<Record<string, string>> | undefined>
): Readonly<Record<string, string>> => {
  const found = records.flatMap((r) => Object.entries(r ?? NONE)).filter(([k]) => MARK.test(k))
  return found.length === 0 ? NONE : Object.fromEntries(found)
}
