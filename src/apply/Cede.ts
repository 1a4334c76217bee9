/**
 * Leaves fields to others: leaving a field that we own out of a patch deletes it, so another field manager of ours
 * applies it first, with the value it has.
 */
import { Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { formatApiVersion, type Json, type JsonObject, stringify } from "../domain/object.ts"
import type { ResourceType } from "../kube/Kube.ts"
import { nodeOf } from "../plan/fieldpath.ts"
import { type FieldPath, locate, only, REPLICAS, startsWith } from "../plan/fields.ts"
import { CEDED_MANAGER, ownSet } from "../plan/holders.ts"
import { isJsonObject, parseJson } from "../plan/json.ts"
import { asGuest } from "../plan/lent.ts"
import { missing, pathAt } from "../plan/ownership.ts"
import { isRollout, LENT } from "../plan/rollout.ts"
import type { Step } from "../plan/step.ts"
import type { Run } from "./Requests.ts"

/** `spec.replicas` left Git: whoever scales keeps the value, it does not fall to 1. */
const leavesReplicas = ({ live }: Step, desired: Json): boolean =>
  live?.replicas === "ours" && locate(desired, REPLICAS) === undefined

/** A Rollout that Git filled with a Deployment's pod template keeps it: without one, KULTA has nothing to run. */
const isRelieved = ({ ref, returns, lent }: Step): boolean =>
  returns === true && lent !== true && isRollout(ref)

const leavesLent = (step: Step, desired: Json, set: JsonObject): ReadonlyArray<FieldPath> =>
  isRelieved(step)
    ? LENT.filter((path) => holdsPath(set, path) && locate(desired, path) === undefined)
    : []

const holdsPath = (set: JsonObject, path: FieldPath): boolean =>
  path.reduce<JsonObject | undefined>((node, one) => node && nodeOf(node, one), set) !== undefined

/** Nothing to do for most: known without a request. */
export const isCeding = (step: Step): boolean =>
  step.ignored.length > 0 ||
  isRelieved(step) ||
  (step.live?.replicas === "ours" && leavesReplicas(step, parseJson(step.desired.json)))

/** The fields to cede that are ours, as our field set spells them. */
const owned = (step: Step, set: JsonObject): ReadonlyArray<FieldPath> => {
  const desired = parseJson(step.desired.json)
  if (!isJsonObject(desired)) return []
  const others = missing(desired, set, { custom: false }).missing
  const ignored = step.ignored
    .filter((at) => !others.some((field) => startsWith(at, field.at)))
    .map((at) => pathAt(desired, at, set))
  const lent = leavesLent(step, desired, set)
  const isLeft = leavesReplicas(step, desired) && !lent.some((path) => startsWith(path, REPLICAS))
  return [...ignored, ...lent, ...(isLeft ? [REPLICAS] : [])]
}

/** Before a patch that leaves them out; answers the uid of the object that was read. */
export const cede = Effect.fn("Cede.cede")(function* (
  { kube, caller }: Run,
  type: ResourceType,
  step: Step,
): Effect.fn.Return<string, KubeError> {
  const { ref } = step
  const object = yield* kube.get(caller, type, ref)
  const { uid = "", resourceVersion } = object.metadata
  const live = object as unknown as Json
  const { managedFields } = step.lent ? asGuest(object.metadata) : object.metadata
  const set = ownSet(managedFields)
  if (!isJsonObject(live) || set === undefined) return uid
  const paths = owned(step, set).filter((path) => locate(live, path) !== undefined)
  const places = paths.flatMap((path) => [locate(live, path) ?? []])
  if (paths.length === 0) return uid
  const { name, namespace } = ref
  const place = namespace === "" ? { name } : { name, namespace }
  const metadata = { ...place, uid, resourceVersion }
  const head = { apiVersion: formatApiVersion(ref), kind: ref.kind, metadata }
  const body = stringify({ ...only(live, places, paths), ...head })
  yield* kube.apply(caller, type, ref, body, { fieldManager: CEDED_MANAGER, force: true })
  return uid
})
