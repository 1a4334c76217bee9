/** In which order kinds are applied; prune is the exact reverse. */
import { formatRef, type ObjectRef } from "../domain/object.ts"

/** Kinds by stage; what is in no row is a route or a custom resource. */
const TABLE: ReadonlyArray<readonly [rank: number, group: string, kinds: string]> = [
  [0, "apiextensions.k8s.io", "CustomResourceDefinition"],
  [1, "", "Namespace"],
  [2, "rbac.authorization.k8s.io", "ClusterRole"],
  [2, "scheduling.k8s.io", "PriorityClass"],
  [2, "storage.k8s.io", "StorageClass CSIDriver VolumeAttributesClass"],
  [2, "networking.k8s.io", "IngressClass"],
  [2, "gateway.networking.k8s.io", "GatewayClass"],
  [2, "node.k8s.io", "RuntimeClass"],
  [2, "resource.k8s.io", "DeviceClass"],
  [2, "flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration FlowSchema"],
  [3, "rbac.authorization.k8s.io", "ClusterRoleBinding"],
  [4, "", "ServiceAccount ResourceQuota LimitRange"],
  [4, "rbac.authorization.k8s.io", "Role"],
  [4, "networking.k8s.io", "NetworkPolicy"],
  [5, "rbac.authorization.k8s.io", "RoleBinding"],
  [5, "", "ConfigMap Secret PersistentVolume PersistentVolumeClaim Service Endpoints"],
  [5, "discovery.k8s.io", "EndpointSlice"],
  [6, "apps", "Deployment StatefulSet DaemonSet ReplicaSet"],
  [6, "", "Pod ReplicationController"],
  [7, "batch", "Job CronJob"],
  [8, "autoscaling", "HorizontalPodAutoscaler"],
  [8, "policy", "PodDisruptionBudget"],
  [
    10,
    "admissionregistration.k8s.io",
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding ValidatingWebhookConfiguration MutatingWebhookConfiguration",
  ],
  [10, "apiregistration.k8s.io", "APIService"],
]
const CUSTOM = 9
/** Up to here nothing comes before by a sync wave: definitions and namespaces. */
const FOUNDATION = 1

const RANKS: ReadonlyMap<string, number> = new Map(
  TABLE.flatMap(([rank, group, kinds]) =>
    kinds.split(" ").map((kind) => [`${group}/${kind}`, rank] as const),
  ),
)

/** What is put in order: an object and its marks. */
export interface Placed {
  readonly ref: ObjectRef
  readonly marks: Readonly<Record<string, string>>
}

interface Stage {
  /** `argocd.argoproj.io/sync-wave`; 0 for definitions and namespaces, which are always first. */
  readonly wave: number
  readonly rank: number
}

const waveOf = (marks: Placed["marks"]): number => {
  const text = marks["argocd.argoproj.io/sync-wave"]?.trim() ?? ""
  return /^[+-]?\d{1,9}$/u.test(text) ? Number(text) : 0
}

const stageOf = ({ ref, marks }: Placed): Stage => {
  const rank = RANKS.get(`${ref.group}/${ref.kind}`) ?? CUSTOM
  return rank <= FOUNDATION
    ? { wave: Number.NEGATIVE_INFINITY, rank }
    : { wave: waveOf(marks), rank }
}

const compareStages = (a: Stage, b: Stage): number =>
  a.wave === b.wave ? a.rank - b.rank : a.wave < b.wave ? -1 : 1

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Stages in the order of apply; within one, by identity. A total order: the result is a permutation
 * that does not depend on the order of the input.
 */
export const applyStages = <A extends Placed>(
  objects: ReadonlyArray<A>,
): ReadonlyArray<ReadonlyArray<A>> => {
  const keyed = objects.map((object) => ({
    object,
    stage: stageOf(object),
    key: formatRef(object.ref),
  }))
  keyed.sort((a, b) => compareStages(a.stage, b.stage) || compareText(a.key, b.key))
  const stages: Array<Array<A>> = []
  keyed.forEach(({ object, stage }, i) => {
    const before = keyed[i - 1]
    if (before !== undefined && compareStages(before.stage, stage) === 0)
      stages.at(-1)?.push(object)
    else stages.push([object])
  })
  return stages
}

/** The exact reverse of `applyStages`. */
export const pruneStages = <A extends Placed>(
  objects: ReadonlyArray<A>,
): ReadonlyArray<ReadonlyArray<A>> =>
  applyStages(objects)
    .map((stage) => stage.toReversed())
    .toReversed()
