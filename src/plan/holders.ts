/** Who holds which fields: the entries of `managedFields`, whatever stands in them. */
import type { Author } from "../domain/drift.ts"
import type { Json, JsonObject, ManagedFieldsEntry } from "../domain/object.ts"
import { type FieldSet, listOf, nodeOf, spelled } from "./fieldpath.ts"
import { type FieldPath, isReplicas } from "./fields.ts"
import { isJsonObject } from "./json.ts"
import { isOwn } from "./live.ts"

/** The field manager that keeps the values of ceded fields. */
export const CEDED_MANAGER = "nopea-ceded"

/** The entries, whatever was sent in their place. */
export const entriesOf = (
  managedFields: ReadonlyArray<ManagedFieldsEntry> | undefined,
): ReadonlyArray<ManagedFieldsEntry> =>
  listOf(managedFields as unknown as Json).filter(isJsonObject) as ReadonlyArray<ManagedFieldsEntry>

export const fieldsOf = (entry: ManagedFieldsEntry): FieldSet =>
  isJsonObject(entry.fieldsV1) ? entry.fieldsV1 : {}

/** The `fieldsV1` of our Apply entry. */
export const ownSet = (
  managedFields: ReadonlyArray<ManagedFieldsEntry> | undefined,
): JsonObject | undefined => {
  const own = entriesOf(managedFields).find(isOwn)
  return own === undefined ? undefined : fieldsOf(own)
}

export const authorOf = ({
  manager,
  operation,
  subresource,
  time,
}: ManagedFieldsEntry): Author => ({
  manager: typeof manager === "string" ? manager : "",
  operation: operation === "Apply" ? "Apply" : "Update",
  ...(typeof subresource === "string" && subresource !== "" ? { subresource } : {}),
  ...(typeof time === "string" ? { time } : {}),
})

/** An item whose path leaves out a defaulted key is none that we still own. */
const holds = (set: FieldSet, path: FieldPath, own: FieldSet): boolean => {
  const [first, ...rest] = path
  if (first === undefined) return true
  return spelled(set, first)
    .filter((element) => element === first || nodeOf(own, element) === undefined)
    .some((element) => holds(nodeOf(set, element) ?? {}, rest, nodeOf(own, element) ?? {}))
}

/** Who else owns the field or something in it; of several the one that wrote last. */
export const holderOf = (
  path: FieldPath,
  managedFields: ReadonlyArray<ManagedFieldsEntry> | undefined,
): Author | undefined => {
  if (path.length === 0) return undefined
  const own = ownSet(managedFields) ?? {}
  const holders = entriesOf(managedFields)
    .filter((entry) => !isOwn(entry) && entry.manager !== CEDED_MANAGER)
    .filter((entry) => holds(fieldsOf(entry), path, own))
    .map(authorOf)
  return holders.reduce<Author | undefined>(
    (last, one) => (last === undefined || (one.time ?? "") >= (last.time ?? "") ? one : last),
    undefined,
  )
}

/** `spec.replicas`, written by an autoscaler and no person. */
export const isAutoscaled = (
  path: FieldPath,
  managedFields: ReadonlyArray<ManagedFieldsEntry> | undefined,
): boolean => {
  if (!isReplicas(path)) return false
  const holder = holderOf(path, managedFields)
  return holder?.subresource === "scale" && !holder.manager.startsWith("kubectl")
}
