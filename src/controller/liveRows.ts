/** Rules of the live index: whose an object is, what is news of it, and when what is kept may be trusted. Pure. */
import type { LiveQuery } from "../cache/Live.ts"
import { formatGroupKind, type ObjectKey, type ObjectMeta } from "../domain/object.ts"
import type { ObjectMetadata, ResourceType } from "../kube/Kube.ts"
import {
  isSameOwner,
  isSettled,
  LABEL_REPOSITORY,
  LABEL_REPOSITORY_NAMESPACE,
  type LiveObject,
  liveObject,
} from "../plan/live.ts"

/** What an API server that sends bookmarks about every minute leaves unsaid for two is not trusted. */
export const TRUSTED_FOR = 120_000

export interface Seen {
  /** `namespace/name` of the GitRepository that the labels name. */
  readonly repository: string | undefined
  readonly live: LiveObject
}

/** Without the uid: a GitRepository that was created anew still sees what its earlier life applied. */
export const selectorOf = (repository: string): string => {
  const [namespace, name] = repository.split("/")
  return `${LABEL_REPOSITORY}=${name},${LABEL_REPOSITORY_NAMESPACE}=${namespace}`
}

const repositoryOf = ({ labels }: ObjectMeta): string | undefined => {
  const name = labels?.[LABEL_REPOSITORY]
  const namespace = labels?.[LABEL_REPOSITORY_NAMESPACE]
  return name === undefined || namespace === undefined ? undefined : `${namespace}/${name}`
}

export const seenAs =
  (type: ResourceType): ((item: ObjectMetadata) => Seen) =>
  ({ metadata }) => ({
    repository: repositoryOf(metadata),
    live: liveObject(type, metadata),
  })

/** `apps/Deployment/shop/api` -> `apps/Deployment`. */
export const kindOf = (key: ObjectKey): string =>
  key.slice(0, key.indexOf("/", key.indexOf("/") + 1))

/** Resource versions are integers that grow. https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
export const isNewer = (a: string, b: string): boolean =>
  /^\d+$/u.test(a) && /^\d+$/u.test(b) && BigInt(a) > BigInt(b)

const isSameOwnerOrNone = (a: LiveObject["owner"], b: LiveObject["owner"]): boolean =>
  a === undefined || b === undefined ? a === b : isSameOwner(a, b)

const isSameMarks = (a: LiveObject["marks"], b: LiveObject["marks"]): boolean => {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

const isSameEvidence = (before: LiveObject, after: LiveObject): boolean =>
  before.uid === after.uid &&
  before.applied === after.applied &&
  before.proven === after.proven &&
  before.controlled === after.controlled &&
  isSameOwnerOrNone(before.owner, after.owner) &&
  isSameMarks(before.marks, after.marks) &&
  (before.ownership === after.ownership || isSettled(after))

/**
 * Whether its worker should look. Versions, status and the begin of a deletion are no news; what appears is, if
 * we applied it.
 */
export const isNews = (before: LiveObject | undefined, after: LiveObject | undefined): boolean => {
  if (after === undefined) return before !== undefined
  if (before === undefined) return after.proven && !after.controlled && !after.terminating
  return !isSameEvidence(before, after)
}

export interface WatchView {
  readonly isSynced: boolean
  /** Its first list, or the newest, told of every object of this repository. */
  readonly isWhole: boolean
  /** HTTP status of what keeps it from watching; `undefined`: nothing. */
  readonly trouble: number | undefined
  /** When it last gave a list, an event or a bookmark. */
  readonly sign: number
}

/**
 * How a snapshot comes by a kind:
 * - `kept`: what is kept is new enough
 * - `await`: the watch's first list is under way
 * - `list`: the API server is asked
 */
export type Way = "kept" | "await" | "list"

export const wayOf = (
  freshness: LiveQuery["freshness"],
  watch: WatchView | undefined,
  wasListed: boolean,
  now: number,
): Way => {
  if (freshness === "listed") return "list"
  const isKnown = wasListed || (watch?.isSynced && watch.isWhole)
  if (freshness === "known" && isKnown && watch?.trouble !== 404) return "kept"
  if (watch !== undefined && !watch.isSynced && watch.trouble === undefined) return "await"
  if (freshness === "known") return "list"
  const isAlive = watch?.isSynced && watch.trouble === undefined && now - watch.sign <= TRUSTED_FOR
  return isAlive && watch.isWhole ? "kept" : "list"
}

export const isSameType = (a: ResourceType, b: ResourceType): boolean =>
  formatGroupKind(a) === formatGroupKind(b) &&
  a.version === b.version &&
  a.resource === b.resource &&
  a.namespaced === b.namespaced
