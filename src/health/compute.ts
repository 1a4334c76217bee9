/**
 * Whether a live object is as its spec says: the one entry of health. Pure, and never throws.
 * The words are those of kstatus: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
 */
import { formatGroupKind, type GroupKind } from "../domain/object.ts"
import {
  at,
  conditionsOf,
  degraded,
  find,
  generation,
  HEALTHY,
  type Health,
  holds,
  list,
  observedGeneration,
  progressing,
  said,
  text,
} from "./facts.ts"
import { GATEWAY_GROUP, gateway, gatewayClass, policy, route } from "./gateway.ts"
import * as services from "./services.ts"
import * as workloads from "./workloads.ts"

type Rule = (object: unknown) => Health

/** There is nothing to wait for: they are never read. */
const ALWAYS: ReadonlySet<string> = new Set([
  ...["ConfigMap", "Secret", "ServiceAccount", "LimitRange", "Endpoints"].map((k) => `/${k}`),
  ...["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"].map(
    (kind) => `rbac.authorization.k8s.io/${kind}`,
  ),
  "batch/CronJob",
  "networking.k8s.io/Ingress",
  "networking.k8s.io/IngressClass",
  "networking.k8s.io/NetworkPolicy",
  "scheduling.k8s.io/PriorityClass",
  "storage.k8s.io/StorageClass",
  "coordination.k8s.io/Lease",
])

const RULES: Readonly<Record<string, Rule>> = {
  "apps/Deployment": workloads.deployment,
  "apps/StatefulSet": workloads.statefulSet,
  "apps/DaemonSet": workloads.daemonSet,
  "apps/ReplicaSet": workloads.replicaSet,
  "batch/Job": workloads.job,
  "/Pod": workloads.pod,
  "kulta.io/Rollout": workloads.rollout,
  "/Service": services.service,
  "/PersistentVolumeClaim": services.volumeClaim,
  "/PersistentVolume": services.volume,
  "/Namespace": services.namespace,
  "apiextensions.k8s.io/CustomResourceDefinition": services.definition,
  "apiregistration.k8s.io/APIService": services.apiService,
  "autoscaling/HorizontalPodAutoscaler": services.autoscaler,
  "policy/PodDisruptionBudget": services.disruptionBudget,
  [`${GATEWAY_GROUP}/Gateway`]: gateway,
  [`${GATEWAY_GROUP}/GatewayClass`]: gatewayClass,
}

/** Whoever has `status` conditions and keeps to the conventions; without a status there is nothing to wait for. */
const generic: Rule = (object) => {
  const conditions = conditionsOf(object)
  const stalled = find(conditions, "Stalled")
  if (stalled !== undefined && holds(stalled)) return degraded(said(stalled))
  const reconciling = find(conditions, "Reconciling")
  if (reconciling !== undefined && holds(reconciling)) return progressing(said(reconciling))
  const ready = find(conditions, "Ready") ?? find(conditions, "Available")
  return ready === undefined || holds(ready) ? HEALTHY : progressing(said(ready))
}

const ruleFor = (kind: GroupKind): Rule => {
  const name = formatGroupKind(kind)
  if (ALWAYS.has(name)) return () => HEALTHY
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined
  if (rule !== undefined) return rule
  if (kind.group !== GATEWAY_GROUP) return generic
  if (kind.kind.endsWith("Route")) return route
  return kind.kind.endsWith("Policy") ? policy : generic
}

/** Whether objects of this kind can be anything but healthy; the others need not be read. */
export const hasHealth = (kind: GroupKind): boolean => !ALWAYS.has(formatGroupKind(kind))

/** Law: what its controller has not seen in its newest generation is never healthy. */
export const compute = (kind: GroupKind, object: unknown): Health => {
  if (at(object, "metadata", "deletionTimestamp") !== undefined) {
    const finalizers = list(at(object, "metadata", "finalizers")).map(text)
    const why = finalizers.length === 0 ? "" : `; finalizers: ${finalizers.slice(0, 3).join(", ")}`
    return { state: "terminating", reason: `it is being deleted${why}` }
  }
  const [now, seen] = [generation(object), observedGeneration(object)]
  if (now !== undefined && seen !== undefined && now !== seen)
    return progressing(`its controller has not seen the newest change (generation ${now})`)
  return ruleFor(kind)(object)
}
