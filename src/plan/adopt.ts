/** Taking an object over: whose fields become ours on first apply, so that what leaves Git later really goes. */
import type { JsonObject, ManagedFieldsEntry, ObjectMeta } from "../domain/object.ts"
import { isJsonObject } from "./json.ts"
import { FIELD_MANAGER, isOwn } from "./live.ts"
import type { Policy } from "./step.ts"

/** `kubectl apply` and its kin, and what server-side apply calls the time before it. */
const CLIENTS =
  /^(kubectl-client-side-apply|kubectl-create|kubectl-replace|kubectl-edit|kubectl-patch|kubectl|before-first-apply)$/u
const TOOLS =
  /^(kustomize-controller|helm-controller|argocd-controller|argocd-application-controller|helm)$/u

/** Labels and annotations by which those tools find their objects; they would go on pruning them. */
const TRACKING =
  /^(kustomize|helm)\.toolkit\.fluxcd\.io\/(name|namespace)$|^argocd\.argoproj\.io\/(instance|tracking-id|installation-id)$|^meta\.helm\.sh\//u
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

export interface JsonPatchOperation {
  readonly op: "add" | "test" | "replace" | "remove"
  readonly path: string
  readonly value?: unknown
}

const isTaken = (entry: ManagedFieldsEntry, adopt: Policy["adopt"]): boolean => {
  if (entry.subresource !== undefined && entry.subresource !== "") return false
  const manager = entry.manager ?? ""
  return CLIENTS.test(manager) || (adopt === "Always" && TOOLS.test(manager))
}

/** Union of two field sets: both are trees of keys. */
const union = (a: JsonObject, b: JsonObject): JsonObject => {
  const all: Record<string, JsonObject[string]> = { ...a }
  for (const [key, value] of Object.entries(b)) {
    const old = all[key]
    all[key] = isJsonObject(old) && isJsonObject(value) ? union(old, value) : value
  }
  return all
}

/** Tests the version that was read; makes `managedFields` those of `others`, and one entry of ours. */
export const handOver = (
  meta: ObjectMeta,
  apiVersion: string,
  others: ReadonlyArray<ManagedFieldsEntry>,
  sets: ReadonlyArray<JsonObject>,
): ReadonlyArray<JsonPatchOperation> => {
  const fieldsV1 = sets.reduce(union, {})
  const fields = { apiVersion, fieldsType: "FieldsV1", fieldsV1 }
  const value = [...others, { manager: FIELD_MANAGER, operation: "Apply", ...fields }]
  return [sameVersion(meta), { op: "replace", path: "/metadata/managedFields", value }]
}

/** Guards a patch: it fails where somebody wrote the object since. */
export const sameVersion = ({ resourceVersion }: ObjectMeta): JsonPatchOperation => ({
  op: "test",
  path: "/metadata/resourceVersion",
  value: resourceVersion,
})

const pointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1")

/** Takes away the labels or annotations that `goes` tells. */
export const removals = (
  meta: ObjectMeta,
  field: "labels" | "annotations",
  goes: (key: string) => boolean,
): ReadonlyArray<JsonPatchOperation> =>
  Object.keys(meta[field] ?? {})
    .filter(goes)
    .map((key) => ({ op: "remove", path: `/metadata/${field}/${pointer(key)}` }))

/**
 * The patch that makes other managers' fields ours before the first apply; `undefined`: there are none.
 * It tests the resourceVersion that it was made from.
 */
export const takeOver = (
  meta: ObjectMeta,
  apiVersion: string,
  adopt: Policy["adopt"],
): ReadonlyArray<JsonPatchOperation> | undefined => {
  const entries = meta.managedFields ?? []
  const taken = entries.filter((entry) => isTaken(entry, adopt))
  const goes = (key: string): boolean =>
    key === LAST_APPLIED || (adopt === "Always" && TRACKING.test(key))
  const removed = [...removals(meta, "labels", goes), ...removals(meta, "annotations", goes)]
  if (taken.length === 0 && removed.length === 0) return undefined
  if (taken.length === 0) return [sameVersion(meta), ...removed]
  const own = entries.filter(isOwn)
  const sets = [...own, ...taken].map((entry) => entry.fieldsV1 ?? {})
  const others = entries.filter((entry) => !taken.includes(entry) && !own.includes(entry))
  return [...handOver(meta, apiVersion, others, sets), ...removed]
}
