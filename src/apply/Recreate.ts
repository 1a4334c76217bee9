/**
 * `spec.force`: an object whose immutable field changed is deleted and created anew. Nothing is deleted before a
 * dry-run create has proved that the API server takes the new one; nothing but the very object that was looked at.
 */
import { Effect } from "effect"
import type { Change } from "../domain/change.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind, formatRef, type KubeObject } from "../domain/object.ts"
import type { ResourceType } from "../kube/Kube.ts"
import {
  beingDeleted,
  keptFromRecreation,
  neverRecreated,
  notCreatedAgain,
} from "../plan/failures.ts"
import { isOurs, keptBack } from "../plan/inventory.ts"
import { type LiveObject, liveObject } from "../plan/live.ts"
import { stampedBody } from "../plan/stamp.ts"
import type { Step } from "../plan/step.ts"
import { apply, LOOK, look, type Run, subjectOf } from "./Requests.ts"

/** Their deletion takes data or other objects along. */
const NEVER: ReadonlySet<string> = new Set([
  "/Namespace",
  "/PersistentVolume",
  "/PersistentVolumeClaim",
  "apiextensions.k8s.io/CustomResourceDefinition",
  "apps/StatefulSet",
])
/** How long the old object may take to go; then the next attempt creates the new one. */
const GOING = "10 seconds"

export const isImmutable = (error: KubeError): boolean => error.code === "NOPEA-A004"

const failed = (step: Step, failure: NonNullable<Change["failure"]>): Change => ({
  ref: step.ref,
  action: "failed",
  failure,
})

/** A create of what is there already is refused as such only after everything else about it was found valid. */
const prove = (run: Run, type: ResourceType, step: Step): Effect.Effect<void, KubeError> =>
  Effect.suspend(() => {
    const { namespace } = step.ref
    const stamp = { namespace, owner: run.rules.owner, hash: step.hash }
    // Integers beyond 2^53 lose digits here: this body is never stored.
    const body = JSON.parse(stampedBody(step.desired, stamp)) as KubeObject
    return run.kube.create(run.caller, type, namespace, body, { dryRun: true })
  }).pipe(
    Effect.catchIf(
      ({ status, statusReason }) => status === 409 && statusReason === "AlreadyExists",
      () => Effect.void,
    ),
    Effect.asVoid,
  )

/** Why this live object is not to be deleted; `undefined`: it may be. */
const keeper = (run: Run, now: LiveObject): string | undefined =>
  isOurs(now, run.rules.owner)
    ? keptBack(now, run.rules.now)?.note?.reason
    : "the live object is not proven to be this GitRepository's"

const isGone = (run: Run, type: ResourceType, step: Step, uid: string) =>
  Effect.map(look(run, type, step.ref), (meta) => meta?.uid !== uid).pipe(
    Effect.repeat({ schedule: LOOK, until: (gone) => gone }),
    Effect.timeoutOption(GOING),
    Effect.map(({ _tag }) => _tag === "Some"),
  )

/** Whole, as it was proved: what others had of the old object is gone with it. */
const createAgain = (run: Run, type: ResourceType, step: Step): Effect.Effect<Change> =>
  apply(run, type, { ...step, holds: [], takes: [], guard: { on: "absent" } }).pipe(
    Effect.map((change): Change => ({ ...change, action: "configured" })),
    Effect.catch((error) =>
      Effect.succeed(failed(step, notCreatedAgain(subjectOf(step), error.reason, error.fix))),
    ),
  )

const replace = (run: Run, type: ResourceType, step: Step, now: LiveObject) =>
  Effect.gen(function* () {
    const { uid, resourceVersion } = now
    yield* prove(run, type, step)
    yield* run.kube.delete(run.caller, type, step.ref, { uid, resourceVersion })
    yield* run.live.forget(run.repository, formatRef(step.ref))
    // From here on nothing may fail silently: the object is gone, or going.
    const gone = yield* Effect.orElseSucceed(isGone(run, type, step, uid), () => false)
    return gone
      ? yield* createAgain(run, type, step)
      : ({ ref: step.ref, action: "waiting", failure: beingDeleted(subjectOf(step)) } as const)
  })

/** Instead of the apply that was refused with `error`. Fails only before anything was deleted. */
export const recreate = (
  run: Run,
  type: ResourceType,
  step: Step,
  error: KubeError,
): Effect.Effect<Change, KubeError> =>
  Effect.gen(function* () {
    const subject = subjectOf(step)
    if (NEVER.has(formatGroupKind(step.ref))) return failed(step, neverRecreated(subject, error))
    const meta = yield* look(run, type, step.ref)
    if (meta === undefined) return yield* createAgain(run, type, step)
    const now = liveObject(type, meta)
    if (now.terminating) {
      return { ref: step.ref, action: "waiting", failure: beingDeleted(subject) } satisfies Change
    }
    const why = keeper(run, now)
    if (why !== undefined) return failed(step, keptFromRecreation(subject, error, why))
    return yield* replace(run, type, step, now)
  })
