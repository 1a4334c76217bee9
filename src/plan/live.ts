/** What planning needs to know of a live object, distilled from its metadata. */
import { type GroupKind, marksOf, type ObjectMeta, type ObjectRef } from "../domain/object.ts"

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
}

const ownerOf = (labels: Readonly<Record<string, string>> | undefined): Owner | undefined => {
  const name = labels?.[LABEL_REPOSITORY]
  const namespace = labels?.[LABEL_REPOSITORY_NAMESPACE]
  const uid = labels?.[LABEL_REPOSITORY_UID]
  return name === undefined || namespace === undefined || uid === undefined
    ? undefined
    : { namespace, name, uid }
}

const ownsLabels = (meta: ObjectMeta): boolean =>
  (meta.managedFields ?? []).some((entry) => {
    if (entry.manager !== FIELD_MANAGER || entry.operation !== "Apply") return false
    if (entry.subresource !== undefined && entry.subresource !== "") return false
    const fields = entry.fieldsV1 as
      | { "f:metadata"?: { "f:labels"?: Record<string, unknown> } }
      | undefined
    return fields?.["f:metadata"]?.["f:labels"]?.[`f:${LABEL_REPOSITORY_UID}`] !== undefined
  })

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
): LiveObject => ({
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
  proven: ownsLabels(meta),
  controlled: (meta.ownerReferences ?? []).some((r) => r.controller === true),
  terminating: meta.deletionTimestamp !== undefined,
  applied: meta.annotations?.[ANNOTATION_APPLIED],
  marks: liveMarks(meta),
})
