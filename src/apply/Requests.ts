/** The requests about one object that a run is made of. */
import { Effect, Schedule } from "effect"
import type { Claims } from "../cache/Claims.ts"
import type { Live } from "../cache/Live.ts"
import type { Change } from "../domain/change.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatRef, type ObjectMeta, type ObjectRef } from "../domain/object.ts"
import { GIT_REPOSITORIES } from "../domain/repository.ts"
import type { Caller, Kube, ResourceType } from "../kube/Kube.ts"
import { baselineAfter } from "../plan/drift.ts"
import { refusedBy, type Subject } from "../plan/failures.ts"
import { lentObject, ROLLOUT_MANAGER } from "../plan/lent.ts"
import {
  FIELD_MANAGER,
  type LiveObject,
  liveObject,
  type Owner,
  withBaseline,
} from "../plan/live.ts"
import { stampedBody } from "../plan/stamp.ts"
import type { Rules, Step, Want } from "../plan/step.ts"

/** What every request of one run shares. */
export interface Run {
  readonly kube: Kube["Service"]
  readonly live: Live["Service"]
  readonly claims: Claims["Service"]
  /** `namespace/name` of the GitRepository. */
  readonly repository: string
  readonly caller: Caller
  readonly rules: Rules
}

/** A kind that was just defined may answer 404 for some 100 ms. */
const NOT_YET = { code: "NOPEA-A015", every: "100 millis", times: 20 } as const
/** The object changed, went or was recreated since it was looked at. */
const CHANGED = "NOPEA-A005"

/** How often it is looked whether something has come or gone. */
export const LOOK = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("500 millis")])

export const isSurprise = (error: KubeError): boolean =>
  error.status === 409 || error.code === CHANGED
export const isGone = (error: KubeError): boolean =>
  error.status === 404 && error.code !== NOT_YET.code

export const notDone = (subject: Subject, error: KubeError): Change => ({
  ref: subject.ref,
  action: error.disposition === "wait" ? "waiting" : "failed",
  failure: refusedBy(subject, error),
})

/** The metadata as it is now; `undefined`: there is no such object. */
export const look = (
  { kube, caller }: Run,
  type: ResourceType,
  ref: ObjectRef,
): Effect.Effect<ObjectMeta | undefined, KubeError> =>
  kube.getMetadata(caller, type, ref).pipe(
    Effect.map(({ metadata }): ObjectMeta | undefined => metadata),
    Effect.catchIf(isGone, () => Effect.undefined),
  )

export const typeOf = (
  { kube }: Run,
  ref: ObjectRef,
  version?: string,
): Effect.Effect<ResourceType | undefined, KubeError> =>
  Effect.map(kube.discovery(), (discovery) => discovery.find(ref, version))

/** One object's write: the live index takes events that come meanwhile for its own. */
export const writing = (
  { live, repository }: Run,
  ref: ObjectRef,
): (<A, E, R>(write: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
  live.writing(repository, formatRef(ref))

/** What came of a step, with what it was to put right. */
export const stepChange = (step: Step, change: Omit<Change, "ref">): Change => ({
  ref: step.ref,
  ...change,
  ...(step.drift === undefined ? {} : { drift: step.drift }),
  ...(step.until === undefined ? {} : { until: step.until }),
  ...(step.heals ? { heals: true } : {}),
})

/** A live object as the plan sees it: of a Rollout that is not in Git, what `nopea-rollout` has in it is ours. */
export const seenOf = (want: Want, type: ResourceType, meta: ObjectMeta): LiveObject =>
  want.lent ? lentObject(want, type, meta) : liveObject(type, meta)

export const managerOf = ({ lent }: Want): string => (lent ? ROLLOUT_MANAGER : FIELD_MANAGER)

/** A create sends what others get afterwards too; until they have it, the hash is not that of the step. */
const bodyOf = ({ rules }: Run, step: Step): string => {
  const { ref, desired, guard, ignored, holds = [], lent } = step
  const isCreate = guard.on === "absent"
  const hash = isCreate && ignored.length > 0 ? `${step.hash}+` : step.hash
  const stamp = { namespace: ref.namespace, owner: rules.owner, hash, guard, lent }
  return stampedBody(desired, stamp, isCreate ? [] : [...ignored, ...holds])
}

export const apply = (
  run: Run,
  type: ResourceType,
  step: Step,
): Effect.Effect<Change, KubeError> => {
  const { kube, live, caller, repository, rules } = run
  const { ref, heals } = step
  return Effect.suspend(() =>
    kube.apply(caller, type, ref, bodyOf(run, step), {
      fieldManager: managerOf(step),
      force: true,
    }),
  ).pipe(
    Effect.retry({
      while: (error) => error.code === NOT_YET.code,
      schedule: Schedule.spaced(NOT_YET.every),
      times: NOT_YET.times,
    }),
    Effect.tap(({ metadata }) => {
      if (step.lent) return Effect.void
      const now = liveObject(type, metadata)
      return live.record(repository, withBaseline(now, baselineAfter(step, now, rules)))
    }),
    writing(run, ref),
    Effect.map(({ created }) =>
      stepChange(step, { action: heals ? "healed" : created ? "created" : "configured" }),
    ),
  )
}

export const subjectOf = (step: Step): Subject => ({ ref: step.ref, source: step.desired.source })

/** Only a clear "no such object" counts. */
const isGoneOwner = ({ kube, repository }: Run, owner: Owner): Effect.Effect<boolean> =>
  kube.getMetadata({ budget: repository }, GIT_REPOSITORIES, owner).pipe(
    Effect.as(false),
    Effect.catch((error) => Effect.succeed(error.code === "NOPEA-A003")),
  )

/** Whether a GitRepository that this controller does not serve is still there, the API server tells. */
export const rulesFor = (run: Run, now: LiveObject | undefined): Effect.Effect<Rules> => {
  const { rules } = run
  const owner = now?.owner
  const isOwn = owner?.name === rules.owner.name && owner.namespace === rules.owner.namespace
  if (now === undefined || owner === undefined || isOwn) return Effect.succeed(rules)
  if (rules.others.stand(owner, formatRef(now.ref)) !== "unknown") return Effect.succeed(rules)
  return Effect.map(isGoneOwner(run, owner), (gone) =>
    gone ? { ...rules, others: { ...rules.others, stand: () => "gone" as const } } : rules,
  )
}
