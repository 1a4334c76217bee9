/** Objects as they are compared and shown: placed, without marks, without the values of Secrets. */

import type { ChangeSet } from "../domain/change.ts"
import {
  type DesiredObject,
  formatRef,
  type Json,
  type JsonObject,
  type KubeObject,
  type ObjectRef,
  parseApiVersion,
  stringify,
} from "../domain/object.ts"
import type { ResourceType } from "../kube/Kube.ts"
import { isJsonObject, parseJson } from "../plan/json.ts"
import {
  ANNOTATION_APPLIED,
  LABEL_MANAGED_BY,
  LABEL_REPOSITORY,
  LABEL_REPOSITORY_NAMESPACE,
  LABEL_REPOSITORY_UID,
} from "../plan/live.ts"
import { type Delegation, delegate } from "../plan/rollout.ts"
import { objectText } from "./lists.ts"
import type { View } from "./view.ts"

/** An object of the API server as a tree. */
export const treeOf = (object: KubeObject): JsonObject => {
  const tree = parseJson(stringify(object))
  return isJsonObject(tree) ? tree : {}
}

/** What Git says, in its namespace. */
export const placed = ({ json }: DesiredObject, namespace: string): JsonObject => {
  const parsed = parseJson(json)
  const tree = isJsonObject(parsed) ? parsed : {}
  const metadata = isJsonObject(tree["metadata"]) ? tree["metadata"] : {}
  const { namespace: _, ...rest } = metadata
  return { ...tree, metadata: namespace === "" ? rest : { ...rest, namespace } }
}

export const refOf = (
  { group, kind }: ResourceType,
  { apiVersion, metadata: { namespace = "", name } }: KubeObject,
): ObjectRef => ({ group, kind, version: parseApiVersion(apiVersion).version, namespace, name })

const OURS = [LABEL_REPOSITORY, LABEL_REPOSITORY_NAMESPACE, LABEL_REPOSITORY_UID]
const SERVERS = new Set([
  "managedFields",
  "resourceVersion",
  "uid",
  "generation",
  "creationTimestamp",
  "selfLink",
])

const omit = (
  source: Json | undefined,
  isOmitted: (key: string, value: Json) => boolean,
): JsonObject =>
  Object.fromEntries(
    Object.entries(isJsonObject(source) ? source : {}).filter(
      ([key, value]) => !isOmitted(key, value),
    ),
  )

/** What NOPEA itself puts on objects. */
const isMark = (key: string, value: Json): boolean =>
  OURS.includes(key) ||
  key === ANNOTATION_APPLIED ||
  key === "kubectl.kubernetes.io/last-applied-configuration" ||
  (key === LABEL_MANAGED_BY && value === "nopea")

const isEmpty = (_: string, value: Json): boolean =>
  isJsonObject(value) && Object.keys(value).length === 0

/** What people compare: without what the server keeps for itself, without NOPEA's own marks and without status. */
export const comparable = (object: JsonObject): JsonObject => {
  const metadata = omit(object["metadata"], (key) => SERVERS.has(key))
  const kept = {
    ...metadata,
    labels: omit(metadata["labels"], isMark),
    annotations: omit(metadata["annotations"], isMark),
  }
  const { status: _, ...rest } = object
  return { ...rest, metadata: omit(kept, isEmpty) }
}

/** The marks of the live object, on what is sent: they are neither changed nor taken away by a comparison. */
export const withMarksOf = (live: JsonObject | undefined, tree: JsonObject): JsonObject => {
  const meta = (object: JsonObject | undefined): JsonObject =>
    omit(object?.["metadata"], () => false)
  const marks = (field: string): JsonObject =>
    omit(meta(live)[field], (key, value) => !isMark(key, value) || key.startsWith("kubectl."))
  const merged = (field: string): JsonObject => ({
    ...marks(field),
    ...omit(meta(tree)[field], () => false),
  })
  const metadata = {
    ...meta(tree),
    labels: merged("labels"),
    annotations: omit(merged("annotations"), (key) => key.startsWith("nopea.io/suspend-heal")),
  }
  return { ...tree, metadata: omit(metadata, isEmpty) }
}

/** What `spec.rolloutRef` makes of a commit: as the controller sees it. */
export const delegationIn = (
  owner: View | undefined,
  desired: ReadonlyArray<DesiredObject>,
  namespace: string,
): Delegation => {
  const rolloutRef = owner?.spec["rolloutRef"] as { readonly name?: string } | undefined
  return rolloutRef?.name === undefined
    ? { desired, changes: [], warnings: [] }
    : delegate({ desired, name: rolloutRef.name, namespace })
}

export const delegatedNotes = (changes: ChangeSet): ReadonlyArray<string> =>
  changes.flatMap(({ ref, note }) =>
    note === undefined ? [] : [`${objectText(formatRef(ref))} is not compared: ${note.reason}`],
  )

export const uidOf = ({ object }: View): string => object.metadata.uid ?? ""

/** Another GitRepository's object would be refused, not changed. */
export const foreign = (
  live: JsonObject | undefined,
  owner: View | undefined,
): string | undefined => {
  const metadata = live?.["metadata"]
  const labels = isJsonObject(metadata) ? metadata["labels"] : undefined
  if (owner === undefined || !isJsonObject(labels)) return undefined
  const uid = labels[LABEL_REPOSITORY_UID]
  return uid === undefined || uid === uidOf(owner)
    ? undefined
    : `${labels[LABEL_REPOSITORY_NAMESPACE]}/${labels[LABEL_REPOSITORY]}`
}

const isSecret = (object: JsonObject | undefined): boolean =>
  object?.["kind"] === "Secret" && object["apiVersion"] === "v1"

const veiledPart = (own: Json | undefined, other: Json | undefined, side: string): JsonObject =>
  Object.fromEntries(
    Object.entries(isJsonObject(own) ? own : {}).map(([key, value]) => {
      const isSame = isJsonObject(other) && other[key] === value
      return [key, isSame ? "***" : `*** (${side})`]
    }),
  )

/** Values of Secrets become stars; that they differ stays visible. Pairs of `undefined` stay so. */
export const veiled = (
  before: JsonObject | undefined,
  after: JsonObject | undefined,
): readonly [JsonObject | undefined, JsonObject | undefined] => {
  if (!isSecret(before) && !isSecret(after)) return [before, after]
  const veil = (own: JsonObject | undefined, other: JsonObject | undefined, side: string) =>
    own && {
      ...own,
      ...("data" in own ? { data: veiledPart(own["data"], other?.["data"], side) } : {}),
      ...("stringData" in own
        ? { stringData: veiledPart(own["stringData"], other?.["stringData"], side) }
        : {}),
    }
  return [veil(before, after, "before"), veil(after, before, "after")]
}
