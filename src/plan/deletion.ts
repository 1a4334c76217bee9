/** What a GitRepository's finalizer is for: when it comes and goes, and what is told of the objects in the end. Pure. */
import type { Change } from "../domain/change.ts"
import { formatRef, type ObjectKey, type ObjectMeta } from "../domain/object.ts"
import type { RepositorySpec } from "../domain/spec.ts"

/** Present only while the objects are to be deleted with their GitRepository. */
export const FINALIZER = "nopea.false.systems/objects"

/**
 * - `add`, `remove`: the finalizer follows the policy
 * - `delete`: the objects first, then the finalizer
 * - `orphan`: the finalizer goes at once, the objects stay
 */
export type Duty = "none" | "add" | "remove" | "delete" | "orphan"

/** A repository that only observes deletes nothing either. */
const isToDelete = ({ deletionPolicy, dryRun }: RepositorySpec): boolean =>
  deletionPolicy === "Delete" && !dryRun

/** `spec` is `undefined` where the GitRepository cannot be decoded: then nothing is deleted. */
export const dutyOf = (meta: ObjectMeta, spec: RepositorySpec | undefined): Duty => {
  const isHeld = meta.finalizers?.includes(FINALIZER) === true
  const isWanted = spec !== undefined && isToDelete(spec)
  if (meta.deletionTimestamp !== undefined) {
    return isHeld ? (isWanted ? "delete" : "orphan") : "none"
  }
  if (spec === undefined || isHeld === isWanted) return "none"
  return isWanted ? "add" : "remove"
}

/** What became of the objects. */
export interface Farewell {
  readonly deleted: number
  /** To which GitRepository. */
  readonly handedOver: ReadonlyMap<ObjectKey, string>
  /** Objects, or whole kinds, that stay in the cluster, and why. */
  readonly left: ReadonlyMap<string, string>
}

export interface FarewellNotice {
  readonly type: "Normal" | "Warning"
  readonly reason: "ObjectsDeleted" | "ObjectsHandedOver" | "ObjectsOrphaned"
  readonly message: string
}

const NAMED = 5

const listed = (entries: ReadonlyArray<string>): string =>
  entries.length <= NAMED
    ? entries.join("; ")
    : `${entries.slice(0, NAMED).join("; ")}; and ${entries.length - NAMED} more (see the log)`

const counted = (count: number): string => (count === 1 ? "1 object" : `${count} objects`)

export const farewellNotices = ({
  deleted,
  handedOver,
  left,
}: Farewell): ReadonlyArray<FarewellNotice> => {
  const notices: Array<FarewellNotice> = []
  if (deleted > 0) {
    const message = `deleted ${counted(deleted)} with the GitRepository`
    notices.push({ type: "Normal", reason: "ObjectsDeleted", message })
  }
  if (handedOver.size > 0) {
    const entries = [...handedOver].map(([key, to]) => `${key} to ${to}`)
    const message = `not deleted but handed over: ${listed(entries)}`
    notices.push({ type: "Normal", reason: "ObjectsHandedOver", message })
  }
  if (left.size > 0) {
    const entries = [...left].map(([what, why]) => `${what} (${why})`)
    const message = `left in the cluster: ${listed(entries)}`
    notices.push({ type: "Warning", reason: "ObjectsOrphaned", message })
  }
  return notices
}

/** Why this object was not deleted; the key and the reason. */
export const leftBy = ({ ref, failure, note }: Change): readonly [ObjectKey, string] => [
  formatRef(ref),
  (failure ?? note)?.reason ?? "it was not deleted",
]

/** The server refuses: trying for long does not help, and must not keep a namespace from being deleted. */
export const isRefused = ({ failure }: Change): boolean =>
  failure !== undefined &&
  (failure.disposition === "stall" ||
    failure.code === "NOPEA-A002" ||
    failure.code === "NOPEA-A014")
