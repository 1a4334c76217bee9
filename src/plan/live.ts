/** What planning needs to know of a live object, distilled from its metadata. */
import { hash } from "node:crypto"
import type { Failure } from "../domain/errors.ts"
import {
  type GroupKind,
  type ManagedFieldsEntry,
  marksOf,
  type ObjectMeta,
  type ObjectRef,
} from "../domain/object.ts"

export const FIELD_MANAGER = "nopea"
export const LABEL_REPOSITORY = "nopea.io/repository"
export const LABEL_REPOSITORY_NAMESPACE = "nopea.io/repository-namespace"
export const LABEL_REPOSITORY_UID = "nopea.io/repository-uid"
export const LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
export const ANNOTATION_APPLIED = "nopea.io/applied"

/** Which GitRepository an object's labels name. */
export interface Owner {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export const isSameOwner = (a: Owner, b: Owner): boolean =>
  a.uid === b.uid && a.name === b.name && a.namespace === b.namespace

export interface LiveObject {
  readonly ref: ObjectRef
  readonly uid: string
  readonly resourceVersion: string
  /** From the labels; `undefined` where they are not all there. */
  readonly owner: Owner | undefined
  /** An Apply entry of ours owns the labels: operators copy labels to children, never that entry. */
  readonly proven: boolean
  /** Has a controller ownerReference: somebody else's child. */
  readonly controlled: boolean
  readonly terminating: boolean
  /** `nopea.io/applied`: hash of what was applied last. */
  readonly applied: string | undefined
  /** Annotations of NOPEA, Flux and Argo CD, and the labels and annotations other tools mark theirs with. */
  readonly marks: Readonly<Record<string, string>>
  /** Digest of what drift shows in: our fields, and those that people and scaling took or added. */
  readonly ownership: string
  /** `managedFields` as JSON text; dropped while `ownership` is that of the baseline. */
  readonly fields?: string
  /** What was judged last: with this `ownership` nothing had drifted; `whole`: then every desired field was ours. */
  readonly baseline?: Baseline
  /**
   * Whose `spec.replicas` is: `ours`, so leaving it out of an apply would delete it; or an autoscaler's, so it is
   * left out of every apply.
   */
  readonly replicas?: "ours" | "scaled"
}

export interface Baseline {
  readonly ownership: string
  readonly whole: boolean
  /** `versionOf` when its values were compared, and none that somebody took was what Git says. */
  readonly compared?: string
  /** Why a dry run of that version was refused; after `until` (milliseconds since the epoch) it is asked anew. */
  readonly refused?: { readonly version: string; readonly failure: Failure; readonly until: number }
}

/** Of a live object beside what is wanted: while it stays, what was asked of both needs no second question. */
export const versionOf = ({ uid, resourceVersion }: LiveObject, hash: string): string =>
  `${uid} ${resourceVersion} ${hash}`

/** Nothing drifted since somebody looked. */
export const isSettled = ({ baseline, ownership }: LiveObject): boolean =>
  baseline?.ownership === ownership

/** `undefined` where the labels are not all there. */
export const ownerOf = (
  labels: Readonly<Record<string, string>> | undefined,
): Owner | undefined => {
  const name = labels?.[LABEL_REPOSITORY]
  const namespace = labels?.[LABEL_REPOSITORY_NAMESPACE]
  const uid = labels?.[LABEL_REPOSITORY_UID]
  return name === undefined || namespace === undefined || uid === undefined
    ? undefined
    : { namespace, name, uid }
}

/** The entry of what we applied. */
export const isOwn = ({ manager, operation, subresource }: ManagedFieldsEntry): boolean =>
  manager === FIELD_MANAGER && operation === "Apply" && !subresource

/** Somebody at a keyboard: every kubectl command names itself so, whatever it is called with. */
export const isPerson = ({ manager, operation }: ManagedFieldsEntry): boolean =>
  operation === "Update" && (manager ?? "").startsWith("kubectl")

type Fields = Readonly<Record<string, unknown>> | undefined
const child = (fields: Fields, key: string): Fields => fields?.[key] as Fields

const ownFields = (meta: ObjectMeta): Fields => meta.managedFields?.find(isOwn)?.fieldsV1 as Fields

const ownsLabels = (own: Fields): boolean =>
  child(child(own, "f:metadata"), "f:labels")?.[`f:${LABEL_REPOSITORY_UID}`] !== undefined

const counts = (entry: ManagedFieldsEntry): boolean =>
  isOwn(entry) ||
  (entry.subresource === "scale" && entry.manager !== FIELD_MANAGER) ||
  (isPerson(entry) && !entry.subresource)

const hasReplicas = (fields: Fields): boolean =>
  child(child(fields, "f:spec"), "f:replicas") !== undefined

/** `kubectl scale` writes through the same subresource, and is a person. */
const isAutoscaler = ({ subresource, manager }: ManagedFieldsEntry): boolean =>
  subresource === "scale" && !(manager ?? "").startsWith("kubectl")

const replicasOf = (meta: ObjectMeta): Pick<LiveObject, "replicas"> => {
  if (hasReplicas(ownFields(meta))) return { replicas: "ours" }
  const isScaled = (entry: ManagedFieldsEntry) =>
    isAutoscaler(entry) && hasReplicas(entry.fieldsV1 as Fields)
  return (meta.managedFields ?? []).some(isScaled) ? { replicas: "scaled" } : {}
}

/** What a person wrote again may be another value; of others an entry with the same fields says nothing new. */
const ownershipOf = ({ managedFields = [] }: ObjectMeta): string => {
  const told = managedFields.filter(counts).map((entry) => {
    const { manager, operation, fieldsV1, time } = entry
    return [manager, operation, fieldsV1, isPerson(entry) ? time : undefined]
  })
  return hash("sha1", JSON.stringify(told), "base64")
}

/** What every object of ours carries is kept in fields of its own. */
const STAMPED = /^nopea\.io\/(applied|repository(-.+)?)$/u
const HELM = { [LABEL_MANAGED_BY]: "Helm" }

const liveMarks = ({ annotations, labels }: ObjectMeta): LiveObject["marks"] => {
  const found = Object.entries(marksOf(annotations, labels)).filter(([key]) => !STAMPED.test(key))
  const isHelm = labels?.[LABEL_MANAGED_BY] === "Helm"
  if (found.length === 0) return isHelm ? HELM : marksOf()
  return { ...Object.fromEntries(found), ...(isHelm ? HELM : {}) }
}

/** Distils metadata as any list, watch or write answers it. */
export const liveObject = (
  kind: GroupKind & { readonly version: string },
  meta: ObjectMeta,
): LiveObject => {
  const own = ownFields(meta)
  return {
    ref: {
      group: kind.group,
      version: kind.version,
      kind: kind.kind,
      namespace: meta.namespace ?? "",
      name: meta.name,
    },
    uid: meta.uid ?? "",
    resourceVersion: meta.resourceVersion ?? "",
    owner: ownerOf(meta.labels),
    proven: ownsLabels(own),
    controlled: (meta.ownerReferences ?? []).some((r) => r.controller === true),
    terminating: meta.deletionTimestamp !== undefined,
    applied: meta.annotations?.[ANNOTATION_APPLIED],
    marks: liveMarks(meta),
    ownership: ownershipOf(meta),
    fields: JSON.stringify(meta.managedFields ?? []),
    ...replicasOf(meta),
  }
}

/** As much of the metadata as a patch of `managedFields` needs. */
export const metadataOf = ({ ref, resourceVersion, fields }: LiveObject): ObjectMeta => ({
  name: ref.name,
  resourceVersion,
  managedFields: JSON.parse(fields ?? "[]") as ReadonlyArray<ManagedFieldsEntry>,
})

/**
 * The object as it is kept beside what was kept of it before: where it has no baseline of its own it is inherited, and
 * as long as that holds `fields` are not needed.
 */
export const inherited = (live: LiveObject, before: LiveObject | undefined): LiveObject => {
  const baseline = live.baseline ?? (before?.uid === live.uid ? before.baseline : undefined)
  return baseline === undefined ? live : withBaseline(live, baseline)
}

export const withBaseline = (live: LiveObject, baseline: Baseline): LiveObject => {
  const { fields: _, ...rest } = live
  return baseline.ownership === live.ownership ? { ...rest, baseline } : { ...live, baseline }
}
