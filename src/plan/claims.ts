/**
 * Which GitRepository wants which objects: who may take one over from whom, and who is asked before one is deleted.
 * Known are only the GitRepositories of this controller, each from its first sync on. Pure.
 */
import type { ChangeSet } from "../domain/change.ts"
import { formatRef, type ObjectKey } from "../domain/object.ts"
import type { Owner } from "./live.ts"

/**
 * What is known of the GitRepository that an object's labels name, and of the object:
 * - `wanted`: it is in its Git
 * - `released`: it is not, as its last whole render says: who wants it may take it
 * - `gone`: there is no such GitRepository any more
 * - `unknown`: it may want it
 */
export type Stand = "wanted" | "released" | "gone" | "unknown"

/** The claims as one GitRepository sees them; always as they are now. */
export interface Others {
  readonly stand: (owner: Owner, key: ObjectKey) => Stand
  /** `namespace/name` of another GitRepository that wants the object. */
  readonly wantedBy: (key: ObjectKey) => string | undefined
}

/** Where there is one GitRepository only. */
export const NO_OTHERS: Others = { stand: () => "unknown", wantedBy: () => undefined }

export interface Claimant {
  readonly uid: string
  readonly url: string
  /** Of objects that name no namespace. */
  readonly namespace: string
  /** Has a worker that answers when it is asked. */
  readonly answers: boolean
  readonly wants: ReadonlySet<ObjectKey>
  /** Of them, what its Git itself keeps it from applying. */
  readonly idle: ReadonlySet<ObjectKey>
  /** Of them, what its account had no right to write when it last tried. */
  readonly refused: ReadonlySet<ObjectKey>
  /** Start of the sync that found that; milliseconds of the process. */
  readonly tried: number
  /** Every document rendered: what is not in `wants` is not wanted. */
  readonly isWhole: boolean
  /** Start of the sync that first left out what it had wanted before; milliseconds of the process. */
  readonly since: number
  /** Start of the last sync that said what it wants, or ended. */
  readonly checked: number
  /** Objects that it wants and another one has. */
  readonly waits: ReadonlyMap<ObjectKey, Owner>
}

/** By `namespace/name`. */
export type Claimants = ReadonlyMap<string, Claimant>

/** By name alone: what an earlier life of a GitRepository applied belongs to the one that came after it. */
export const standOf = (all: Claimants, owner: Owner, key: ObjectKey): Stand => {
  const row = all.get(`${owner.namespace}/${owner.name}`)
  if (row === undefined) return "unknown"
  if (row.wants.has(key)) return "wanted"
  return row.isWhole ? "released" : "unknown"
}

/** Wishes that nothing comes of hinder nobody. */
const claims = ({ wants, idle, refused }: Claimant, key: ObjectKey): boolean =>
  wants.has(key) && !idle.has(key) && !refused.has(key)

export const wantedByOther = (all: Claimants, me: string, key: ObjectKey): string | undefined => {
  for (const [name, row] of all) {
    if (name !== me && claims(row, key)) return name
  }
  return undefined
}

/** RBAC's refusal. */
const CODE_NO_RIGHT = "NOPEA-A002"

/** What the account of a sync had no right to write. */
export const refusedIn = (changes: ChangeSet): ReadonlySet<ObjectKey> =>
  new Set(
    changes.flatMap(({ ref, failure }) =>
      failure?.code === CODE_NO_RIGHT ? [formatRef(ref)] : [],
    ),
  )

/** `group/Kind/namespace/name`; cluster-scoped: empty. */
const namespaceOf = (key: ObjectKey): string => {
  const parts = key.split("/")
  return parts.length === 4 ? (parts[2] ?? "") : ""
}

/** Shares a namespace with the objects, or may: one that said nothing yet. */
const isNear = (row: Claimant, namespaces: ReadonlySet<string>): boolean =>
  !row.isWhole ||
  namespaces.has(row.namespace) ||
  [...row.wants].some((key) => namespaces.has(namespaceOf(key)))

/** When it looked into Git for these. Somebody may have granted a right since: only a later try tells that it lacks it. */
const lookedAt = (row: Claimant, keys: ReadonlyArray<ObjectKey>): number =>
  keys.some((key) => row.refused.has(key)) ? Math.min(row.tried, row.checked) : row.checked

/** So long at most does one GitRepository keep another from deleting by not answering; then what is known counts. */
export const PATIENCE = 10 * 60_000

/**
 * Who must look into Git before `me` deletes these: their last look is older than the news that `me` does not want
 * them, so they may want them since. Asked are those of the same URL and those that share a namespace.
 */
export const unasked = (
  all: Claimants,
  me: string,
  keys: ReadonlyArray<ObjectKey>,
  now: number,
): ReadonlyArray<string> => {
  const mine = all.get(me)
  if (mine === undefined || keys.length === 0 || now - mine.since > PATIENCE) return []
  const namespaces = new Set(keys.map(namespaceOf))
  return [...all].flatMap(([name, row]) =>
    name !== me &&
    row.answers &&
    lookedAt(row, keys) < mine.since &&
    (row.url === mine.url || isNear(row, namespaces))
      ? [name]
      : [],
  )
}

/** Who waits for an object of the GitRepository `name` that it does not keep, or for anything of one that is gone. */
export const freed = (all: Claimants, name: string): ReadonlyArray<string> =>
  [...all].flatMap(([waiting, { waits }]) => {
    const isFree = [...waits].some(
      ([key, owner]) =>
        `${owner.namespace}/${owner.name}` === name &&
        (!all.has(name) || standOf(all, owner, key) === "released"),
    )
    return isFree ? [waiting] : []
  })

export interface Declared {
  readonly wants: ReadonlySet<ObjectKey>
  /** Of them, what Git itself says not to apply. */
  readonly idle?: ReadonlySet<ObjectKey>
  readonly isWhole: boolean
  readonly startedAt: number
  /** Nobody looked into Git for this, only at what was known of it before. */
  readonly isFromMirror?: boolean
}

/** A render that failed in part takes nothing back: what was wanted before may be in the part that failed. */
export const declared = (
  row: Claimant,
  { wants, idle = new Set(), isWhole, startedAt, isFromMirror = false }: Declared,
): Claimant => {
  const all = isWhole ? wants : new Set([...row.wants, ...wants])
  const kept = isWhole ? [] : [...row.idle].filter((key) => !wants.has(key))
  const isFirst = !row.isWhole && isWhole
  const leaves = isFirst || [...row.wants].some((key) => !all.has(key))
  return {
    ...row,
    wants: all,
    idle: new Set([...kept, ...idle]),
    isWhole,
    since: leaves ? startedAt : row.since,
    checked: isFromMirror ? row.checked : Math.max(row.checked, startedAt),
    waits: new Map(),
  }
}
