// A ConfigMap as a cluster has it after our apply and somebody's deed, with the field sets the API server would keep.
import { formatRef, type JsonObject, type ManagedFieldsEntry } from "../../src/domain/object.ts"
import { isJsonObject } from "../../src/plan/json.ts"
import { type LiveObject, liveObject } from "../../src/plan/live.ts"
import { placeAll } from "../../src/plan/placement.ts"
import { stampedTree } from "../../src/plan/stamp.ts"
import type { Rules, Want } from "../../src/plan/step.ts"
import { desired, hash, input, rules, US } from "./words.ts"

export type Data = Readonly<Record<string, string>>
export const OBJECT = "ConfigMap shop/a"
export const KEY = formatRef(desired(OBJECT).ref)
export const EDITOR = "kubectl-edit"

const identity = new Set(["apiVersion", "kind", "name", "namespace"])

/** What server-side apply would make ours. */
export const setOf = (tree: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(tree)
      .filter(([key]) => !identity.has(key))
      .map(([key, value]) => [`f:${key}`, isJsonObject(value) ? setOf(value) : {}]),
  )

const manifestOf = (data: Data) => desired(OBJECT, { data })
export const hashOf = (data: Data): string => hash(manifestOf(data))
export const jsonOf = (data: Data): string => manifestOf(data).json

/** As planning sees it; `applied`: what was applied last, if that is known. */
export const wantOf = (data: Data, applied: string | undefined, under: Rules = rules()): Want => {
  const known = applied === undefined ? new Map() : new Map([[KEY, applied]])
  const { wants } = placeAll(input([manifestOf(data)], [], { rules: under, applied: known }))
  const [want] = wants.get(KEY) ?? []
  if (want === undefined) throw new Error("it has no place")
  return want
}

export interface Cluster {
  /** What we applied last. */
  readonly applied: Data
  /** Keys of `data` that are ours. */
  readonly ours: ReadonlySet<string>
  /** Keys of `data` that a person owns. */
  readonly theirs: ReadonlySet<string>
}

const dataSet = (keys: Iterable<string>): JsonObject =>
  Object.fromEntries([...keys].map((key) => [`f:${key}`, {}]))

/** The metadata of that cluster's object; `entries`: instead of what its owners would be. */
export const liveOf = (
  { applied, ours, theirs }: Cluster,
  more: {
    readonly annotations?: Readonly<Record<string, string>>
    readonly managedFields?: ReadonlyArray<ManagedFieldsEntry>
    readonly baseline?: LiveObject["baseline"]
    readonly manager?: string
  } = {},
): LiveObject => {
  const stamp = { namespace: "shop", owner: US, hash: hashOf(applied) }
  const tree = stampedTree(manifestOf(applied), stamp)
  const meta = tree["metadata"] as unknown as Record<string, Record<string, string>>
  const own: ManagedFieldsEntry = {
    manager: "nopea",
    operation: "Apply",
    fieldsV1: {
      "f:metadata": setOf(meta as unknown as JsonObject),
      ...(ours.size === 0 ? {} : { "f:data": dataSet(ours) }),
    },
  }
  const person: ManagedFieldsEntry = {
    manager: more.manager ?? EDITOR,
    operation: "Update",
    time: "2026-11-20T09:59:00Z",
    fieldsV1: { "f:data": dataSet(theirs) },
  }
  const managedFields = more.managedFields ?? (theirs.size === 0 ? [own] : [own, person])
  const object = liveObject(
    { group: "", version: "v1", kind: "ConfigMap" },
    {
      name: "a",
      namespace: "shop",
      uid: "uid-a",
      resourceVersion: "10",
      labels: meta["labels"] ?? {},
      annotations: { ...meta["annotations"], ...more.annotations },
      managedFields,
    },
  )
  const baseline = "baseline" in more ? more.baseline : { ownership: "before", whole: true }
  return baseline === undefined ? object : { ...object, baseline }
}
