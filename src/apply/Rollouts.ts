/** The Rollout of `spec.rolloutRef` that is not in Git: read before the plan, given back once it is let go. */
import { Effect } from "effect"
import type { Change } from "../domain/change.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatRef, type KubeObject, type ObjectRef } from "../domain/object.ts"
import type { Caller, Kube } from "../kube/Kube.ts"
import { leftAlone } from "../plan/decide.ts"
import { asLent, giveBack, lentObject, otherGiver } from "../plan/lent.ts"
import { type LiveObject, liveObject, type Owner } from "../plan/live.ts"
import { templateOfOther } from "../plan/rolloutFailures.ts"
import type { Want } from "../plan/step.ts"
import { isGone, isSurprise, look, notDone, type Run, typeOf } from "./Requests.ts"

/** What is there; neither found nor barred: nothing is. */
export interface Lent {
  /** With what is known now of whether it was applied. */
  readonly want: Want
  readonly found?: { readonly live: LiveObject; readonly whole: KubeObject }
  /** Why it is not written. */
  readonly barred?: Change
}

/** Whole, for its values tell whether Git and the cluster agree. One request; never fails. */
export const readLent = (
  kube: Kube["Service"],
  caller: Caller,
  want: Want,
  known: { readonly last: string | undefined; readonly owner: Owner },
): Effect.Effect<Lent> => {
  const absent = { want: asLent(want, undefined, known) }
  const unseen = { ...want, appliedBefore: known.last === want.hash }
  const subject = { ref: want.ref, source: want.desired.source }
  return Effect.gen(function* () {
    const type = (yield* kube.discovery()).find(want.ref, want.ref.version)
    if (type === undefined) return absent
    const whole = yield* kube.get(caller, type, want.ref)
    const other = otherGiver(whole.metadata, known.owner)
    if (other !== undefined) {
      const failure = templateOfOther(subject, other)
      const barred: Change = { ref: want.ref, action: "failed", failure }
      return { want: unseen, barred }
    }
    const seen = asLent(want, whole, known)
    return { want: seen, found: { whole, live: lentObject(seen, type, whole.metadata) } }
  }).pipe(
    Effect.catch((error) =>
      Effect.succeed(isGone(error) ? absent : { want: unseen, barred: notDone(subject, error) }),
    ),
    Effect.withSpan("Rollouts.read"),
  )
}

const TRIES = 8

const patched = (
  run: Run,
  ref: ObjectRef,
  isInGit: boolean,
  attempt = 1,
): Effect.Effect<ReadonlyArray<Change>, KubeError> =>
  Effect.gen(function* () {
    const type = yield* typeOf(run, ref)
    const meta = type && (yield* look(run, type, ref))
    if (type === undefined || meta === undefined) return []
    const patch = giveBack(meta, isInGit, run.rules.owner)
    if (patch === undefined) return []
    const alone = leftAlone(liveObject(type, meta), { ref }, run.rules.now)
    if (alone !== undefined) return [alone]
    yield* run.kube.jsonPatch(run.caller, type, ref, patch)
    if (!isInGit) yield* run.live.forget(run.repository, formatRef(ref))
    return []
  }).pipe(
    Effect.catchIf(
      (error) => attempt < TRIES && (isSurprise(error) || error.status === 422),
      () => patched(run, ref, isInGit, attempt + 1),
    ),
  )

/** Changes no value; answers why it was not done. */
export const release = (
  run: Run,
  ref: ObjectRef,
  isInGit: boolean,
): Effect.Effect<ReadonlyArray<Change>> =>
  patched(run, ref, isInGit).pipe(
    Effect.catch((error) => Effect.succeed([notDone({ ref }, error)])),
    Effect.withSpan("Rollouts.release"),
  )
