/** From what Git says to what is sent: namespace, labels and the hash that tells later what was applied. */
import { createHash, createHmac } from "node:crypto"
import { Redacted } from "effect"
import { type DesiredObject, type Json, type JsonObject, stringify } from "../domain/object.ts"
import { type Location, without } from "./fields.ts"
import { isJsonObject, parseJson } from "./json.ts"
import {
  ANNOTATION_APPLIED,
  FIELD_MANAGER,
  LABEL_MANAGED_BY,
  LABEL_REPOSITORY,
  LABEL_REPOSITORY_NAMESPACE,
  LABEL_REPOSITORY_UID,
  type Owner,
} from "./live.ts"

/** Only a person at the live object may set these. */
const LIVE_ONLY = ["nopea.io/suspend-heal", "nopea.io/suspend-heal-reason"] as const
const SCHEME = "v1:"

export interface HashInput {
  readonly desired: DesiredObject
  /** The namespace it is sent to; empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly owner: Owner
  /** Key of the HMAC that stands for Secrets: a bare digest of a short value can be guessed. */
  readonly hashKey: Redacted.Redacted<Uint8Array>
  /** What `spec.ignore` leaves out: a new rule means a new apply. */
  readonly ignored?: ReadonlyArray<Location>
}

/**
 * Value of `nopea.io/applied`: covers what Git says and whose object it becomes. Reads the digest,
 * never the JSON. The scheme in front lets a later version of the controller tell its own hashes.
 */
export const hashOf = (input: HashInput): string => {
  const { desired, namespace, owner, hashKey, ignored = [] } = input
  const isSecret = desired.ref.group === "" && desired.ref.kind === "Secret"
  const hash = isSecret ? createHmac("sha256", Redacted.value(hashKey)) : createHash("sha256")
  const parts = [desired.digest, namespace, owner.namespace, owner.name, owner.uid]
  if (ignored.length > 0) parts.push(JSON.stringify(ignored))
  return SCHEME + hash.update(parts.join("\n")).digest("hex")
}

/** What the patch may find: nothing at all, or exactly this object (and, when adopting, this state of it). */
export type Guard =
  | { readonly on: "absent" }
  | { readonly on: "object"; readonly uid: string; readonly resourceVersion?: string }

export interface Stamp {
  readonly namespace: string
  readonly owner: Owner
  readonly hash: string
  /** Absent: for a create. */
  readonly guard?: Guard
  /** The object is not ours: it gets no label and no annotation. */
  readonly lent?: true | undefined
}

const record = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {})

const omit = (source: JsonObject, keys: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(Object.entries(source).filter(([key]) => !keys.includes(key)))

/**
 * An apply with `resourceVersion: "1"` creates what is absent (201) and answers 409 where the object
 * exists; one with a `uid` answers 409 where it is gone and 422 where it was recreated.
 */
const guardFields = (guard: Guard | undefined): JsonObject => {
  if (guard === undefined) return {}
  if (guard.on === "absent") return { resourceVersion: "1" }
  return guard.resourceVersion === undefined
    ? { uid: guard.uid }
    : { uid: guard.uid, resourceVersion: guard.resourceVersion }
}

const labelsOf = (labels: JsonObject, owner: Owner): JsonObject => ({
  [LABEL_MANAGED_BY]: FIELD_MANAGER,
  ...labels,
  [LABEL_REPOSITORY]: owner.name,
  [LABEL_REPOSITORY_NAMESPACE]: owner.namespace,
  [LABEL_REPOSITORY_UID]: owner.uid,
})

/** What is sent, as a tree. */
export const stampedTree = (desired: Pick<DesiredObject, "json">, stamp: Stamp): JsonObject => {
  const tree = record(parseJson(desired.json))
  const meta = record(tree["metadata"])
  const identity: JsonObject = {
    ...omit(meta, ["namespace"]),
    ...(stamp.namespace === "" ? {} : { namespace: stamp.namespace }),
    ...guardFields(stamp.guard),
  }
  if (stamp.lent === true) return { ...tree, metadata: identity }
  const metadata: JsonObject = {
    ...identity,
    labels: labelsOf(record(meta["labels"]), stamp.owner),
    annotations: {
      ...omit(record(meta["annotations"]), LIVE_ONLY),
      [ANNOTATION_APPLIED]: stamp.hash,
    },
  }
  return { ...tree, metadata }
}

/** The body of the server-side apply, as JSON text; `leftOut`: places of the desired tree that others keep. */
export const stampedBody = (
  desired: Pick<DesiredObject, "json">,
  stamp: Stamp,
  leftOut: ReadonlyArray<Location> = [],
): string => {
  const tree = stampedTree(desired, stamp)
  return stringify(leftOut.length === 0 ? tree : without(tree, leftOut))
}

/** What stamping leaves out of what Git says. */
export const stampWarnings = (
  desired: DesiredObject,
  namespaced: boolean,
): ReadonlyArray<string> => {
  const { ref, marks, source } = desired
  const at = `${source.file}, document ${source.document}`
  const stripped = LIVE_ONLY.filter((key) => marks[key] !== undefined).map(
    (key) =>
      `${at}: ${key} is left out of ${ref.kind} ${ref.name}: it counts on the live object only`,
  )
  return namespaced || ref.namespace === ""
    ? stripped
    : [...stripped, `${at}: ${ref.kind} ${ref.name} is cluster-scoped, its namespace is left out`]
}
