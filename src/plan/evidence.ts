/** What planning asks of the world about objects that look drifted, and what it was told. */
import type { ChangeSet } from "../domain/change.ts"
import type { Drift } from "../domain/drift.ts"
import type { Failure } from "../domain/errors.ts"
import { formatRef, type JsonObject, type KubeObject, type ObjectKey } from "../domain/object.ts"
import { remember } from "./grace.ts"

export interface Evidence {
  /** Field set that a dry-run apply would leave us with, or why it could not be asked. */
  readonly wouldOwn: ReadonlyMap<
    ObjectKey,
    { readonly set: JsonObject } | { readonly failure: Failure }
  >
  /** JSON text of what was applied last, of objects that Git has changed since. */
  readonly lastApplied: ReadonlyMap<ObjectKey, string>
  /** Whole live objects, where `conflictPolicy: live` has to compare values. */
  readonly whole: ReadonlyMap<ObjectKey, KubeObject>
}

export const NO_EVIDENCE: Evidence = {
  wouldOwn: new Map(),
  lastApplied: new Map(),
  whole: new Map(),
}

/** What is remembered of earlier syncs; of the first part a restart finds as much as the status lists. */
export interface Memory {
  /** By `driftKey`, milliseconds since the epoch. */
  readonly firstSeen: ReadonlyMap<string, number>
  /** When an object was healed, newest last. */
  readonly heals: ReadonlyMap<ObjectKey, ReadonlyArray<number>>
  /** By `driftKey`: conflicts that are left or held; they stay conflicts once the rest of the commit is applied. */
  readonly conflicts: ReadonlySet<string>
  /** From a status that had no room for every conflict: what it does not tell of may be one. */
  readonly isPartial?: true
}

/** Longer than any contest lasts. */
const FORGOTTEN = 60 * 60_000

export const NO_MEMORY: Memory = {
  firstSeen: new Map(),
  heals: new Map(),
  conflicts: new Set(),
}

export const driftKey = (object: ObjectKey, { path = "" }: Pick<Drift, "path">): string =>
  `${object} ${path}`

/** What a sync knew of Git and of the cluster. */
export interface Scope {
  /** Every identity that an object of Git has, or may come to have. */
  readonly claimed: ReadonlySet<ObjectKey>
  /** Every document rendered: what is not claimed left Git. */
  readonly complete: boolean
  readonly live: { readonly unknown: ReadonlySet<string> }
}

/** What is remembered after a sync: drift that is still there, and one more heal of what was put back. */
export const memoryAfter = (
  { firstSeen, heals, conflicts, isPartial }: Memory,
  changes: ChangeSet,
  now: number,
  { claimed, complete, live }: Scope,
): Memory => {
  const looked = new Set(changes.map(({ ref }) => formatRef(ref)))
  const isWanted = (object: ObjectKey): boolean => !complete || claimed.has(object)
  const isUnseen = (key: string): boolean => {
    const object = key.slice(0, key.indexOf(" "))
    return !looked.has(object) && isWanted(object)
  }
  const seen = new Map([...firstSeen].filter(([key]) => isUnseen(key)))
  const disputed = new Set([...conflicts].filter(isUnseen))
  const isRecent = (times: ReadonlyArray<number>): boolean => now - (times.at(-1) ?? 0) < FORGOTTEN
  const healed = new Map(
    [...heals].filter(([object, times]) => isWanted(object) && isRecent(times)),
  )
  for (const { ref, drift = [], action } of changes) {
    const key = formatRef(ref)
    const isDone = action === "healed" || action === "configured" || action === "created"
    for (const row of drift) {
      if (row.action === "healed" && isDone) {
        healed.set(key, remember(heals.get(key) ?? [], now))
        continue
      }
      seen.set(driftKey(key, row), row.firstSeen)
      if (row.type === "conflict") disputed.add(driftKey(key, row))
    }
  }
  const isUntold = isPartial === true && live.unknown.size > 0
  return {
    firstSeen: seen,
    heals: healed,
    conflicts: disputed,
    ...(isUntold ? { isPartial: true } : {}),
  }
}
