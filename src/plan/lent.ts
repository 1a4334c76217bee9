/** A Rollout that is not in Git, through the eyes of the field manager that lends it a pod template. Pure. */
import type {
  GroupKind,
  Json,
  JsonObject,
  KubeObject,
  ManagedFieldsEntry,
  ObjectMeta,
} from "../domain/object.ts"
import { type JsonPatchOperation, removals, sameVersion } from "./adopt.ts"
import { says } from "./drift.ts"
import { type FieldPath, locate, without } from "./fields.ts"
import { ownSet } from "./holders.ts"
import { isJsonObject } from "./json.ts"
import {
  ANNOTATION_APPLIED,
  FIELD_MANAGER,
  isOwn,
  isSameOwner,
  LABEL_REPOSITORY,
  LABEL_REPOSITORY_NAMESPACE,
  LABEL_REPOSITORY_UID,
  type LiveObject,
  liveObject,
  type Owner,
  ownerOf,
} from "./live.ts"
import { missing } from "./ownership.ts"
import { stampedTree } from "./stamp.ts"
import type { Want } from "./step.ts"

/** Field manager of what goes into a Rollout that is not in Git. */
export const ROLLOUT_MANAGER = "nopea-rollout"

const isGuest = ({ manager, operation, subresource }: ManagedFieldsEntry): boolean =>
  manager === ROLLOUT_MANAGER && operation === "Apply" && !subresource

const seenByGuest = (entry: ManagedFieldsEntry): ManagedFieldsEntry => {
  if (isGuest(entry)) return { ...entry, manager: FIELD_MANAGER }
  return isOwn(entry) ? { ...entry, manager: "nopea-git" } : entry
}

/** Metadata of a Rollout that is not in Git: what is ours in it is what `nopea-rollout` applied. */
export const asGuest = (meta: ObjectMeta): ObjectMeta => ({
  ...meta,
  managedFields: (meta.managedFields ?? []).map(seenByGuest),
})

/** An apply of a GitRepository gives the pod template, in whole or in part. */
const hasTemplateFromGit = ({ managedFields = [] }: ObjectMeta): boolean =>
  managedFields.filter(isOwn).some(({ fieldsV1 }) => {
    const spec: Json | undefined = fieldsV1?.["f:spec"]
    return isJsonObject(spec) && spec["f:template"] !== undefined
  })

/** Places of a field set that an object does not have. */
const hasMore = (set: JsonObject, tree: Json, path: FieldPath = []): boolean =>
  Object.keys(set).some((element) => {
    if (element === ".") return false
    const [below, here] = [set[element], [...path, element]]
    if (locate(tree, here) === undefined) return true
    return isJsonObject(below) && hasMore(below, tree, here)
  })

/**
 * Whether what is ours of a live Rollout is what Git says: it bears no hash of ours that would tell. What others took
 * of it tells nothing.
 */
const isAsApplied = ({ desired, ref, hash, ignored }: Want, whole: KubeObject, owner: Owner) => {
  const set = ownSet(asGuest(whole.metadata).managedFields)
  if (set === undefined) return false
  const tree = stampedTree(desired, { namespace: ref.namespace, owner, hash, lent: true })
  const gone = missing(tree, set, { custom: true })
  const taken = [...gone.missing, ...gone.unsure].map(({ at }) => at)
  const own = without(tree, [...taken, ...ignored])
  return !hasMore(set, tree) && says(whole as unknown as Json, own)
}

/** `last`: the hash that is remembered of it. A status that says that all was applied may be older than a hold. */
export const asLent = (
  want: Want,
  whole: KubeObject | undefined,
  { last, owner }: { readonly last: string | undefined; readonly owner: Owner },
): Want => {
  const isSeen = want.appliedBefore && whole !== undefined && isAsApplied(want, whole, owner)
  return { ...want, appliedBefore: whole !== undefined && (last === want.hash || isSeen) }
}

/** A Rollout that is not in Git as planning sees it. */
export const lentObject = (
  { hash, appliedBefore }: Pick<Want, "hash" | "appliedBefore">,
  kind: GroupKind & { readonly version: string },
  meta: ObjectMeta,
): LiveObject => ({
  ...liveObject(kind, asGuest(meta)),
  proven: liveObject(kind, meta).proven,
  applied: appliedBefore ? hash : undefined,
})

/** Another GitRepository whose Git gives this Rollout its pod template. */
export const otherGiver = (meta: ObjectMeta, us: Owner): Owner | undefined => {
  const owner = ownerOf(meta.labels)
  const isOwn = owner?.name === us.name && owner.namespace === us.namespace
  return !isOwn && hasTemplateFromGit(meta) ? owner : undefined
}

const LABELS: ReadonlySet<string> = new Set([
  LABEL_REPOSITORY,
  LABEL_REPOSITORY_NAMESPACE,
  LABEL_REPOSITORY_UID,
])

/**
 * The patch that gives a Rollout back: nobody owns what `nopea-rollout` applied, and the values stay. One of ours that
 * left Git becomes nobody's, so that nothing deletes it. `undefined`: there is nothing to give back.
 */
export const giveBack = (
  meta: ObjectMeta,
  isInGit: boolean,
  us: Owner,
): ReadonlyArray<JsonPatchOperation> | undefined => {
  const { managedFields = [] } = meta
  const owner = ownerOf(meta.labels)
  const isOrphan = !isInGit && owner !== undefined && isSameOwner(owner, us)
  const left = managedFields.filter((entry) => !isGuest(entry) && !(isOrphan && isOwn(entry)))
  if (left.length === managedFields.length && !isOrphan) return undefined
  return [
    sameVersion(meta),
    // An empty list would change nothing: https://kubernetes.io/docs/reference/using-api/server-side-apply/
    { op: "replace", path: "/metadata/managedFields", value: left.length > 0 ? left : [{}] },
    ...removals(meta, "labels", (key) => isOrphan && LABELS.has(key)),
    ...removals(meta, "annotations", (key) => isOrphan && key === ANNOTATION_APPLIED),
  ]
}
