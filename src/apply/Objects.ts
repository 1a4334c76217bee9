/** Writes and deletes single objects; where the cluster answers with a surprise, it looks again and decides anew. */
import { Effect } from "effect"
import type { Change } from "../domain/change.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatApiVersion, formatRef, type ObjectMeta, type ObjectRef } from "../domain/object.ts"
import type { ResourceType } from "../kube/Kube.ts"
import { takeAdded } from "../plan/additions.ts"
import { type JsonPatchOperation, takeOver } from "../plan/adopt.ts"
import { decide } from "../plan/decide.ts"
import {
  CODE_OWNED,
  definitionNotReady,
  keepsChanging,
  kindNotServed,
  noLongerOurs,
} from "../plan/failures.ts"
import { isOurs, keptBack, passedOn } from "../plan/inventory.ts"
import {
  ANNOTATION_APPLIED,
  inherited,
  type LiveObject,
  liveObject,
  metadataOf,
} from "../plan/live.ts"
import { isChange, type Step, type Verdict } from "../plan/step.ts"
import { cede, isCeding } from "./Cede.ts"
import { isImmutable, recreate } from "./Recreate.ts"
import {
  apply,
  isSurprise,
  look,
  notDone,
  type Run,
  rulesFor,
  seenOf,
  stepChange,
  subjectOf,
  typeOf,
  writing,
} from "./Requests.ts"

/** How often one object is looked at again within a run: a status that moves costs a heal one look each time. */
const LOOKS = 8

/** What was taken goes with the apply that follows; where that does not come about, the hash tells that it is due. */
const MARKED = `/metadata/annotations/${ANNOTATION_APPLIED.replace("/", "~1")}`
const marked = (
  patch: ReadonlyArray<JsonPatchOperation> | undefined,
  { hash }: Step,
): ReadonlyArray<JsonPatchOperation> | undefined =>
  patch && [...patch, { op: "add", path: MARKED, value: `${hash}-` }]

/**
 * Before an apply that must not leave others' fields behind: on an object that others made, and where a person added
 * to ours. Where that is not taken (the object changed), the apply finds out by its guard.
 */
const takeFields = (run: Run, type: ResourceType, step: Step, meta: ObjectMeta | undefined) => {
  const { guard, ref, takes = [], live } = step
  if (guard.on === "absent" || guard.resourceVersion === undefined) return Effect.succeed(step)
  const apiVersion = formatApiVersion(ref)
  const patch =
    takes.length > 0 && live !== undefined
      ? marked(takeAdded(metadataOf(live), apiVersion, takes), step)
      : meta && step.adopts && takeOver(meta, apiVersion, run.rules.policy.adopt)
  if (!patch) return Effect.succeed(step)
  const { uid } = guard
  return run.kube.jsonPatch(run.caller, type, ref, patch).pipe(
    Effect.map(({ metadata }): Step => {
      const { resourceVersion = "" } = metadata
      // What was taken may be what the apply leaves out.
      const taken = step.adopts ? { live: liveObject(type, metadata) } : {}
      return { ...step, ...taken, guard: { on: "object", uid, resourceVersion } }
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
    const now = meta === undefined ? undefined : inherited(seenOf(step, type, meta), step.live)
    const { drift: _, holds: __, takes: ___, until: ____, adopts: _____, ...want } = step
    const verdict = decide(want, now, yield* rulesFor(run, now))
    if (now?.owner !== undefined && isOwned(verdict)) {
      run.claims.waitFor(run.repository, formatRef(step.ref), now.owner)
    }
    if (step.lent) yield* Effect.void
    else if (now === undefined) yield* run.live.forget(run.repository, formatRef(step.ref))
    else if (isOurs(now, run.rules.owner)) yield* run.live.record(run.repository, now)
    if (isChange(verdict)) return verdict
    const next = verdict.adopts ? yield* takeFields(run, type, verdict, meta) : verdict
    return yield* writeObject(run, next, attempt + 1)
  })

const unserved = (step: Step): Change => {
  const subject = subjectOf(step)
  const failure =
    step.definedBy === undefined
      ? kindNotServed(subject, undefined, false)
      : definitionNotReady(subject, step.definedBy)
  return stepChange(step, { action: "waiting", failure })
}

/** Everything about one object that belongs to one write. */
const writeOnce = (run: Run, type: ResourceType, step: Step): Effect.Effect<Change, KubeError> =>
  Effect.gen(function* () {
    const isCreate = step.guard.on === "absent"
    if (!isCreate && isCeding(step)) yield* cede(run, type, step)
    const ready =
      (step.takes ?? []).length > 0 ? yield* takeFields(run, type, step, undefined) : step
    const change = yield* apply(run, type, ready)
    if (!isCreate || step.ignored.length === 0) return change
    const uid = yield* cede(run, type, step)
    yield* apply(run, type, { ...step, guard: { on: "object", uid } })
    return change
  }).pipe(writing(run, step.ref))

/**
 * One desired object: never fails, the change says how it went. What is adopted is looked at first: what else is on
 * it goes by all of its metadata.
 */
export const writeObject = (run: Run, step: Step, attempt = 1): Effect.Effect<Change> =>
  Effect.gen(function* () {
    const type = yield* typeOf(run, step.ref, step.ref.version)
    if (type === undefined) return unserved(step)
    if (step.adopts && attempt === 1) return yield* reconsider(run, type, step, attempt)
    return yield* writeOnce(run, type, step).pipe(
      Effect.catchIf(
        (error) => isImmutable(error) && run.rules.policy.force && !step.lent,
        (error) => writing(run, step.ref)(recreate(run, type, step, error)),
      ),
      Effect.catchIf(isSurprise, (error) =>
        attempt < LOOKS
          ? reconsider(run, type, step, attempt)
          : Effect.succeed(
              stepChange(step, {
                action: "failed",
                failure: keepsChanging(subjectOf(step), error.reason),
              }),
            ),
      ),
    )
  }).pipe(
    Effect.catch((error) => {
      const { ref: _, ...change } = notDone(subjectOf(step), error)
      return Effect.succeed(stepChange(step, change))
    }),
  )

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
      writing(run, ref),
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
