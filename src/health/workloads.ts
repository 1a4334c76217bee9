/** What runs pods: when each is as its spec says, and what it still waits for. */
import {
  at,
  conditionsOf,
  count,
  degraded,
  find,
  firstOf,
  HEALTHY,
  type Health,
  holds,
  list,
  observedGeneration,
  progressing,
  said,
  text,
} from "./facts.ts"

type Rule = (object: unknown) => Health

const UNSEEN = progressing("its controller has not looked at it yet")

const unseen = (object: unknown): Health | undefined =>
  observedGeneration(object) === undefined ? UNSEEN : undefined

/** `2 of 3 replicas are ready`, unless enough are. */
const enough = (have: number, want: number, what: string): Health | undefined =>
  have >= want ? undefined : progressing(`${have} of ${want} ${what}`)

const tooMany = (have: number, want: number): Health | undefined =>
  have <= want ? undefined : progressing(`${have - want} old replicas are still there`)

const replicasOf = (object: unknown): number => count(at(object, "spec", "replicas"), 1)

const status = (object: unknown, field: string): number => count(at(object, "status", field))

/** Why no pods come; the counts alone do not say it. */
const withCause = (health: Health, object: unknown): Health => {
  const failure = find(conditionsOf(object), "ReplicaFailure")
  const causes = [
    ...(at(object, "spec", "paused") === true ? ["spec.paused is true"] : []),
    ...(failure !== undefined && holds(failure) ? [said(failure)] : []),
  ]
  return health.state === "healthy" || causes.length === 0
    ? health
    : { ...health, reason: [health.reason, ...causes].join("; ") }
}

export const deployment: Rule = (object) => {
  const progress = find(conditionsOf(object), "Progressing")
  if (progress?.reason === "ProgressDeadlineExceeded") return degraded(said(progress))
  const want = replicasOf(object)
  const available = find(conditionsOf(object), "Available")
  const updated = status(object, "updatedReplicas")
  const health = firstOf(
    unseen(object),
    enough(updated, want, "replicas are updated"),
    tooMany(status(object, "replicas"), Math.max(want, updated)),
    enough(status(object, "availableReplicas"), want, "replicas are available"),
    enough(status(object, "readyReplicas"), want, "replicas are ready"),
    tooMany(status(object, "replicas"), want),
    available === undefined || holds(available) ? undefined : progressing(said(available)),
  )
  return withCause(health, object)
}

export const replicaSet: Rule = (object) => {
  const want = replicasOf(object)
  const health = firstOf(
    unseen(object),
    enough(status(object, "availableReplicas"), want, "replicas are available"),
    enough(status(object, "readyReplicas"), want, "replicas are ready"),
    tooMany(status(object, "replicas"), want),
  )
  return withCause(health, object)
}

const revised: Rule = (object) => {
  const want = replicasOf(object)
  const strategy = at(object, "spec", "updateStrategy")
  if (text(at(strategy, "type")) === "OnDelete") return HEALTHY
  const partition = count(at(strategy, "rollingUpdate", "partition"))
  const updated = status(object, "updatedReplicas")
  const [now, next] = ["currentRevision", "updateRevision"].map((field) =>
    text(at(object, "status", field)),
  )
  const isRolling = partition === 0 && next !== "" && now !== next
  return firstOf(
    now === next && partition === 0
      ? undefined
      : enough(updated, Math.max(want - partition, 0), "replicas are updated"),
    isRolling ? progressing("the rollout of the new revision is not complete") : undefined,
  )
}

export const statefulSet: Rule = (object) => {
  const want = replicasOf(object)
  return firstOf(
    unseen(object),
    enough(status(object, "readyReplicas"), want, "replicas are ready"),
    tooMany(status(object, "replicas"), want),
    revised(object),
  )
}

export const daemonSet: Rule = (object) => {
  const want = status(object, "desiredNumberScheduled")
  const isOnDelete = text(at(object, "spec", "updateStrategy", "type")) === "OnDelete"
  return firstOf(
    unseen(object),
    enough(status(object, "currentNumberScheduled"), want, "pods are scheduled"),
    isOnDelete
      ? undefined
      : enough(status(object, "updatedNumberScheduled"), want, "pods are updated"),
    enough(status(object, "numberAvailable"), want, "pods are available"),
    enough(status(object, "numberReady"), want, "pods are ready"),
  )
}

/** Healthy once it has done its work; what comes after a migration waits for its end. */
export const job: Rule = (object) => {
  const conditions = conditionsOf(object)
  const failed = ["Failed", "FailureTarget"]
    .map((type) => find(conditions, type))
    .find((condition) => holds(condition))
  if (failed !== undefined) return degraded(said(failed))
  if (holds(find(conditions, "Complete")) || at(object, "spec", "suspend") === true) return HEALTHY
  if (text(at(object, "status", "startTime")) === "") return progressing("it has not started yet")
  const want = count(at(object, "spec", "completions"), count(at(object, "spec", "parallelism"), 1))
  return progressing(`${status(object, "succeeded")} of ${want} completions are done`)
}

/** What a container waits for and does not get by waiting. */
const STUCK = /BackOff$|^Err|Error$|^Invalid/u

const stuckContainer = (object: unknown): Health | undefined => {
  const containers = ["initContainerStatuses", "containerStatuses"].flatMap((field) =>
    list(at(object, "status", field)),
  )
  const waiting = containers.map((container) => ({
    name: text(at(container, "name")),
    reason: text(at(container, "state", "waiting", "reason")),
  }))
  const stuck = waiting.find(({ reason }) => STUCK.test(reason))
  return stuck === undefined ? undefined : degraded(`container ${stuck.name}: ${stuck.reason}`)
}

export const pod: Rule = (object) => {
  const phase = text(at(object, "status", "phase"))
  const conditions = conditionsOf(object)
  const ready = find(conditions, "Ready")
  if (phase === "Succeeded") return HEALTHY
  if (phase === "Failed") {
    const why = text(at(object, "status", "message")) || text(at(object, "status", "reason"))
    return degraded(`it failed${why === "" ? "" : `: ${why.slice(0, 200).toWellFormed()}`}`)
  }
  if (phase === "Running" && holds(ready)) return HEALTHY
  const stuck = stuckContainer(object)
  if (stuck !== undefined) return stuck
  if (phase === "Running") return progressing("it runs but is not ready")
  const scheduled = find(conditions, "PodScheduled")
  const isUnplaced = scheduled !== undefined && !holds(scheduled)
  return progressing(isUnplaced ? said(scheduled) : `its phase is ${phase || "not set"}`)
}

/** KULTA tells no generation: its phase is all there is. */
export const rollout: Rule = (object) => {
  const phase = text(at(object, "status", "phase"))
  const message = text(at(object, "status", "message"))
    .slice(0, 200)
    .toWellFormed()
  const more = message === "" ? "" : `: ${message}`
  if (phase === "Completed") return HEALTHY
  if (phase === "Failed") return degraded(`the rollout failed${more}`)
  if (phase === "") return UNSEEN
  return progressing(`the rollout is ${phase}${more}`)
}
