// What somebody else may do to an object: any field that we own, changed or removed, in a seeded order.
import type { Json, JsonObject } from "../../../src/domain/object.ts"
import { keysOf, nodeOf } from "../../../src/plan/fieldpath.ts"
import {
  type Field,
  type FieldPath,
  type Location,
  locate,
  only,
  valueAt,
} from "../../../src/plan/fields.ts"
import { pathAt } from "../../../src/plan/ownership.ts"
import type { Api, KubeObject } from "../../cluster/Api.ts"
import { placesOf } from "../fieldTrees.ts"

/** `apply`: forced, by another applier; `replace` and `remove`: as `kubectl edit` writes. */
export type Way = "apply" | "replace" | "remove"
export const WAYS: ReadonlyArray<Way> = ["apply", "replace", "remove"]

export interface Change {
  readonly way: Way
  /** The field that we own; of what is atomic, the whole. */
  readonly field: Field
  /** What is changed in it. */
  readonly leaf: Location
}

/** mulberry32 */
const random = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
const shuffled = <A>(all: ReadonlyArray<A>, seed: number): ReadonlyArray<A> => {
  const next = random(seed)
  return all
    .map((one) => [next(), one] as const)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one)
}

const IDENTITY =
  /^(apiVersion|kind|status|metadata (name|namespace|creationTimestamp|finalizers|ownerReferences))/u

/** How much of a path our set knows: less than all of it inside what is atomic. */
const known = (set: JsonObject, path: FieldPath): number => {
  let node: JsonObject | undefined = set
  const end = path.findIndex((element) => {
    node = node === undefined ? undefined : nodeOf(node, element)
    return node === undefined || Object.keys(node).length === 0
  })
  return node === undefined ? 0 : end < 0 ? path.length : end + 1
}

const isKey = (path: FieldPath): boolean =>
  Object.hasOwn(keysOf(path.at(-2) ?? "") ?? {}, path.at(-1)?.slice(2) ?? "")

/** All ways to take something of ours, what is below metadata last. */
export const changesOf = (
  tree: JsonObject,
  set: JsonObject,
  way: Way,
  seed: number,
): ReadonlyArray<Change> => {
  const all = placesOf(tree)
    .filter((at) => !IDENTITY.test(at.join(" ")))
    .flatMap((leaf): ReadonlyArray<Change> => {
      const value = valueAt(tree, leaf)
      const whole = pathAt(tree, leaf, set)
      const length = known(set, whole)
      const field = { path: whole.slice(0, length), at: leaf.slice(0, length) }
      const isScalar = value !== null && typeof value !== "object"
      const isFree = length > 1 && value !== null && !isKey(field.path)
      const isMember = field.path.at(-1)?.startsWith("v:") === true
      if (way === "remove") return isFree && length === leaf.length ? [{ way, field, leaf }] : []
      return isFree && isScalar && !isMember ? [{ way, field, leaf }] : []
    })
  const isMetadata = ({ leaf }: Change) => leaf[0] === "metadata"
  const order = shuffled(all, seed)
  return [...order.filter((c) => !isMetadata(c)), ...order.filter(isMetadata)]
}

const other = (value: Json | undefined): Json => {
  if (typeof value === "boolean") return !value
  if (typeof value === "number") return value + 1
  return /^\d/u.test(String(value)) ? `1${value}` : `${value}x`
}

const withChange = (value: Json, at: Location): Json => {
  const [step, ...rest] = at
  if (step === undefined) return other(value)
  if (Array.isArray(value))
    return value.map((item, i) => (i === step ? withChange(item, rest) : item))
  const fields = value as JsonObject
  return { ...fields, [step]: withChange(fields[step] ?? null, rest) }
}

const pointer = (at: Location): string =>
  at.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")

/** Makes the change; fails as the API server refuses it. */
export const make = async (
  api: Api,
  tree: JsonObject,
  live: KubeObject,
  { way, field, leaf }: Change,
): Promise<KubeObject> => {
  const fieldManager = way === "apply" ? "intruder" : "kubectl-edit"
  if (way === "apply") {
    const part = only(withChange(tree, leaf) as JsonObject, [field.at], [field.path])
    const { apiVersion, kind, metadata } = live
    const { name, namespace } = metadata
    const changed = { ...(part["metadata"] as object), name, ...(namespace ? { namespace } : {}) }
    const body = { ...part, apiVersion, kind, metadata: changed }
    return api.apply(body as never, { fieldManager, force: true })
  }
  const at = locate(live as unknown as Json, field.path) ?? []
  const value = withChange(valueAt(tree, field.at) ?? null, leaf.slice(field.at.length))
  const operation =
    way === "remove"
      ? { op: "remove", path: pointer(at) }
      : { op: "replace", path: pointer(at), value }
  return api.patch(live as never, [operation], { fieldManager, type: "json" })
}
