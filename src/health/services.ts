/** What the cluster itself answers for: addresses, volumes, definitions, scaling. */
import {
  at,
  conditionsOf,
  degraded,
  fails,
  find,
  HEALTHY,
  type Health,
  holds,
  list,
  progressing,
  said,
  text,
} from "./facts.ts"

type Rule = (object: unknown) => Health

/** What is awaited of a condition that has to be True. */
export const awaits = (object: unknown, type: string): Health => {
  const condition = find(conditionsOf(object), type)
  if (condition === undefined) return progressing(`nobody has said ${type} yet`)
  return holds(condition) ? HEALTHY : progressing(said(condition))
}

export const service: Rule = (object) => {
  const isBalanced = text(at(object, "spec", "type")) === "LoadBalancer"
  const addresses = [
    ...list(at(object, "status", "loadBalancer", "ingress")),
    ...list(at(object, "spec", "externalIPs")),
  ]
  return isBalanced && addresses.length === 0
    ? progressing("its load balancer has no address yet")
    : HEALTHY
}

export const volumeClaim: Rule = (object) => {
  const phase = text(at(object, "status", "phase"))
  if (phase === "Bound") return HEALTHY
  if (phase === "Lost") return degraded("its volume is lost")
  return progressing(`it is not bound to a volume yet (phase ${phase || "not set"})`)
}

export const volume: Rule = (object) => {
  const phase = text(at(object, "status", "phase"))
  if (phase === "Failed") return degraded("its reclamation failed")
  return phase === "Pending" ? progressing("it is not available yet") : HEALTHY
}

export const namespace: Rule = (object) =>
  text(at(object, "status", "phase")) === "Terminating"
    ? { state: "terminating", reason: "its objects are being deleted" }
    : HEALTHY

export const definition: Rule = (object) => {
  const conditions = conditionsOf(object)
  const names = find(conditions, "NamesAccepted")
  const established = find(conditions, "Established")
  if (names !== undefined && fails(names)) return degraded(said(names))
  if (established !== undefined && fails(established) && established.reason !== "Installing")
    return degraded(said(established))
  return awaits(object, "Established")
}

export const apiService: Rule = (object) => awaits(object, "Available")

/** Metrics that are not there yet come by waiting; a target that is not there does not. */
export const autoscaler: Rule = (object) => {
  const conditions = conditionsOf(object)
  const able = find(conditions, "AbleToScale")
  const active = find(conditions, "ScalingActive")
  if (able !== undefined && fails(able)) return degraded(said(able))
  if (able === undefined) return progressing("nobody has said AbleToScale yet")
  if (active !== undefined && fails(active) && active.reason !== "ScalingDisabled")
    return progressing(said(active))
  return HEALTHY
}

export const disruptionBudget: Rule = (object) => {
  const allowed = find(conditionsOf(object), "DisruptionAllowed")
  return allowed?.reason === "SyncFailed" && fails(allowed) ? degraded(said(allowed)) : HEALTHY
}
