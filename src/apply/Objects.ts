/** Writes and deletes single objects; where the cluster answers with a surprise, it looks again and decides anew. */
import { Effect } from "effect"
import type { Change } from "../domain/change.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatApiVersion, formatRef, type ObjectMeta, type ObjectRef } from "../domain/object.ts"
import type { ResourceType } from "../kube/Kube.ts"
import { takeOver } from "../plan/adopt.ts"
import { decide, isChange, type Step, type Verdict } from "../plan/decide.ts"
import {
  CODE_OWNED,
  definitionNotReady,
  keepsChanging,
  kindNotServed,
  noLongerOurs,
} from "../plan/failures.ts"
import { isOurs, keptBack, passedOn } from "../plan/inventory.ts"
import { type LiveObject, liveObject } from "../plan/live.ts"
import { isImmutable, recreate } from "./Recreate.ts"
import {
  apply,
  isSurprise,
  look,
  notDone,
  type Run,
  rulesFor,
  subjectOf,
  typeOf,
} from "./Requests.ts"

/** How often one object is looked at again within a run. */
const LOOKS = 4

/**
 * Before the first apply to an object that others made: their fields become ours. Where that is not
 * taken (the object changed), the apply finds out by its guard.
 */
const takeFields = (run: Run, type: ResourceType, step: Step, meta: ObjectMeta) => {
  const patch = takeOver(meta, formatApiVersion(step.ref), run.rules.policy.adopt)
  if (step.guard.on === "absent" || step.guard.resourceVersion === undefined || !patch) {
    return Effect.succeed(step)
  }
  const { uid } = step.guard
  return run.kube.jsonPatch(run.caller, type, step.ref, patch).pipe(
    Effect.map(({ metadata: { resourceVersion = "" } }): Step => {
      return { ...step, guard: { on: "object", uid, resourceVersion } }
    }),
    Effect.catchIf(
      ({ status }) => status === 409 || status === 422,
      () => Effect.succeed(step),
    ),
  )
}

const isOwned = (verdict: Verdict): boolean =>
  isChange(verdict) && verdict.failure?.code === CODE_OWNED

/** Decides anew by what is there now, and keeps what was seen. */
const reconsider = (
  run: Run,
  type: ResourceType,
  step: Step,
  attempt: number,
): Effect.Effect<Change, KubeError> =>
  Effect.gen(function* () {
    const meta = yield* look(run, type, step.ref)
    const now = meta === undefined ? undefined : liveObject(type, meta)
    const verdict = decide(step, now, yield* rulesFor(run, now))
    if (now?.owner !== undefined && isOwned(verdict)) {
      run.claims.waitFor(run.repository, formatRef(step.ref), now.owner)
    }
    if (now === undefined) yield* run.live.forget(run.repository, formatRef(step.ref))
    else if (isOurs(now, run.rules.owner)) yield* run.live.record(run.repository, now)
    if (isChange(verdict)) return verdict
    const next = meta === undefined ? verdict : yield* takeFields(run, type, verdict, meta)
    return yield* writeObject(run, next, attempt + 1)
  })

const unserved = (step: Step): Change => {
  const subject = subjectOf(step)
  const failure =
    step.definedBy === undefined
      ? kindNotServed(subject, undefined, false)
      : definitionNotReady(subject, step.definedBy)
  return { ref: step.ref, action: "waiting", failure }
}

/** One desired object: never fails, the change says how it went. */
export const writeObject = (run: Run, step: Step, attempt = 1): Effect.Effect<Change> =>
  Effect.gen(function* () {
    const type = yield* typeOf(run, step.ref, step.ref.version)
    if (type === undefined) return unserved(step)
    return yield* apply(run, type, step).pipe(
      Effect.catchIf(
        (error) => isImmutable(error) && run.rules.policy.force,
        (error) => recreate(run, type, step, error),
      ),
      Effect.catchIf(isSurprise, (error) =>
        attempt < LOOKS
          ? reconsider(run, type, step, attempt)
          : Effect.succeed<Change>({
              ref: step.ref,
              action: "failed",
              failure: keepsChanging(subjectOf(step), error.reason),
            }),
      ),
    )
  }).pipe(Effect.catch((error) => Effect.succeed(notDone(subjectOf(step), error))))

const deleted = (run: Run, ref: ObjectRef): Effect.Effect<Change> =>
  Effect.as(run.live.forget(run.repository, formatRef(ref)), { ref, action: "deleted" })

/** What a delete that met another version does: only the very same object, still free to go, is tried again. */
const deleteAgain = (
  run: Run,
  type: ResourceType,
  object: LiveObject,
  attempt: number,
): Effect.Effect<Change, KubeError> =>
  Effect.gen(function* () {
    const { ref } = object
    const meta = yield* look(run, type, ref)
    const now = meta === undefined ? undefined : liveObject(type, meta)
    if (now === undefined || now.terminating) return yield* deleted(run, ref)
    yield* run.live.record(run.repository, now)
    if (now.uid !== object.uid || !isOurs(now, run.rules.owner)) {
      return { ref, action: "skipped", note: noLongerOurs({ ref }) }
    }
    return keptBack(now, run.rules.now) ?? (yield* deleteObject(run, now, attempt + 1))
  })

/** One object that left Git: never fails, the change says how it went. */
export const deleteObject = (run: Run, object: LiveObject, attempt = 1): Effect.Effect<Change> =>
  Effect.gen(function* () {
    const { ref, uid, resourceVersion } = object
    const passed = passedOn(object, run.rules)
    if (passed !== undefined) return passed
    const type = yield* typeOf(run, ref)
    if (type === undefined) {
      const failure = kindNotServed({ ref }, undefined, false)
      return { ref, action: "waiting", failure } satisfies Change
    }
    return yield* run.kube.delete(run.caller, type, ref, { uid, resourceVersion }).pipe(
      Effect.andThen(deleted(run, ref)),
      Effect.catchIf(isSurprise, (error) =>
        attempt < LOOKS
          ? deleteAgain(run, type, object, attempt)
          : Effect.succeed<Change>({
              ref,
              action: "failed",
              failure: keepsChanging({ ref }, error.reason),
            }),
      ),
    )
  }).pipe(Effect.catch((error) => Effect.succeed(notDone({ ref: object.ref }, error))))
