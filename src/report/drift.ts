/** Drift as rows of the status and in words: what somebody changed, who, and what becomes of it. Pure. */
import type { Change, ChangeSet } from "../domain/change.ts"
import type { Drift } from "../domain/drift.ts"
import { formatRef } from "../domain/object.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { type DriftEntry, timeText } from "../domain/status.ts"
import { line, steady } from "./text.ts"
import { isFailedHeal, NOTE } from "./verdict.ts"

const HEAL_FAILED = "healing failed"
const HEAL_WAITS = "healing waits"

/** Why what was to be put back still is not. */
const unhealed = (change: Change): string | undefined => {
  const { failure } = change
  if (failure === undefined) return undefined
  const what = isFailedHeal(change) ? HEAL_FAILED : HEAL_WAITS
  return `${what} [${failure.code}]: ${steady(failure.reason)}`
}

const rowOf = (object: string, drift: Drift, obstacle: string | undefined): DriftEntry => {
  const { type, path, author, firstSeen, action, until } = drift
  const isStuck = action === "healed"
  const reason = isStuck ? obstacle : drift.reason
  return {
    object,
    type,
    ...(path === undefined ? {} : { path: line(path, 512) }),
    ...(author === undefined
      ? {}
      : { manager: line(author.manager, 128), operation: author.operation }),
    ...(author?.subresource === undefined ? {} : { subresource: line(author.subresource, 64) }),
    ...(author?.time === undefined ? {} : { time: author.time }),
    firstSeen: timeText(firstSeen),
    action: isStuck ? "held" : action,
    ...(until === undefined || isStuck ? {} : { until: timeText(until) }),
    ...(reason === undefined ? {} : { reason: line(reason, 300) }),
  }
}

/** Of an object of which no more is known than that it drifted. */
const bareRow = (
  object: string,
  reason: string,
  isStuck: boolean,
  firstSeen: string,
): DriftEntry => ({
  object,
  type: "manual_drift",
  firstSeen,
  action: isStuck ? "held" : "left",
  reason: line(reason, 300),
})

/** What still is as somebody changed it: held, left, or what could not be put back. */
const rowsOfChange = (change: Change, since: string): ReadonlyArray<DriftEntry> => {
  // Most objects of a sync have none: what follows costs more than all else that is told of them.
  if (change.drift === undefined && change.heals !== true && change.note === undefined) return []
  const object = line(formatRef(change.ref), 512)
  const obstacle = unhealed(change)
  const rows = (change.drift ?? [])
    .filter(({ action }) => action !== "healed" || obstacle !== undefined)
    .map((drift) => rowOf(object, drift, obstacle))
  if (rows.length > 0 || change.drift !== undefined) return rows
  if (change.heals === true && obstacle !== undefined)
    return [bareRow(object, obstacle, true, since)]
  const { note } = change
  return note?.code === NOTE.drifted ? [bareRow(object, note.reason, false, since)] : []
}

/** Of the objects that this sync looked at. */
export const foundRows = (
  { changes }: SyncOutcome,
  before: ReadonlyArray<DriftEntry>,
  now: number,
): ReadonlyArray<DriftEntry> => {
  const known = new Map(before.map((row) => [row.object, row.firstSeen]))
  const since = timeText(now)
  const sinceOf = ({ ref }: Change) => (known.size === 0 ? undefined : known.get(formatRef(ref)))
  return changes.flatMap((change) => rowsOfChange(change, sinceOf(change) ?? since))
}

/** Where a sync failed, what was known of objects that it did not get to still holds. */
export const driftRows = (
  outcome: SyncOutcome,
  before: ReadonlyArray<DriftEntry>,
  now: number,
): ReadonlyArray<DriftEntry> => {
  const found = foundRows(outcome, before, now)
  if (outcome.failures.length === 0) return found
  const looked = new Set(outcome.changes.map(({ ref }) => line(formatRef(ref), 512)))
  return [...found, ...before.filter(({ object }) => !looked.has(object))]
}

export const objectsOf = (rows: ReadonlyArray<DriftEntry>): ReadonlySet<string> =>
  new Set(rows.map(({ object }) => object))

/**
 * At most so many rows: conflicts first, because a restart could not tell them from other drift; then one of each
 * object before the second of any.
 */
export const listed = (
  rows: ReadonlyArray<DriftEntry>,
  most: number,
): ReadonlyArray<DriftEntry> => {
  if (rows.length <= most) return rows
  const seen = new Map<string, number>()
  const ranked = rows.map((row) => {
    const nth = seen.get(row.object) ?? 0
    seen.set(row.object, nth + 1)
    return { row, nth: row.type === "conflict" ? -1 : nth }
  })
  return ranked
    .toSorted((a, b) => a.nth - b.nth)
    .slice(0, most)
    .map(({ row }) => row)
}

export const isHealFailed = ({ reason }: DriftEntry): boolean =>
  reason?.startsWith(HEAL_FAILED) === true

const NAMED = 3

/** `spec.replicas, spec.paused and 2 more fields of apps/Deployment/shop/api`. */
const placeOf = (object: string, paths: ReadonlyArray<string>): string => {
  if (paths.length === 0) return object
  const more = paths.length - NAMED
  const some = paths.slice(0, NAMED).join(", ")
  return `${some}${more > 0 ? ` and ${more} more` : ""} of ${object}`
}

/** What words need of a row, also of one that is healed and stands in no status. */
export type Deed = Pick<DriftEntry, "object" | "type" | "path" | "manager">

export const deedOf = (object: string, { type, path, author }: Drift): Deed => ({
  object,
  type,
  ...(path === undefined ? {} : { path: line(path, 512) }),
  ...(author === undefined ? {} : { manager: line(author.manager, 128) }),
})

interface Group {
  readonly type: DriftEntry["type"]
  readonly who: string
  readonly place: string
}

/** Rows of one object, together where one author did one thing. */
const groupsOf = (deeds: ReadonlyArray<Deed>): ReadonlyArray<Group> => {
  const groups = Map.groupBy(deeds, ({ object, type, manager = "" }) =>
    [object, type, manager].join("\n"),
  )
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { object, type, manager: who = "somebody" } = first
    return [
      {
        type,
        who,
        place: placeOf(
          object,
          group.flatMap(({ path }) => path ?? []),
        ),
      },
    ]
  })
}

/** `kubectl-edit changed spec.replicas of apps/Deployment/shop/api`. */
export const didText = (deeds: ReadonlyArray<Deed>): string =>
  groupsOf(deeds)
    .map(({ type, who, place }) => {
      if (type === "deleted") return `${place} was deleted`
      if (type === "added") return `${who} added ${place}`
      return `${who} changed ${place}${type === "conflict" ? ", which Git changed too" : ""}`
    })
    .join("; ")

/** `put back spec.replicas of apps/Deployment/shop/api, which kubectl-scale had changed`; or what could not be done. */
export const undoneText = (deeds: ReadonlyArray<Deed>, remove: "removed" | "remove"): string =>
  groupsOf(deeds)
    .map(({ type, who, place }) => {
      if (type === "deleted") return `put back ${place}, which had been deleted`
      return type === "added"
        ? `${remove} ${place}, which ${who} had added`
        : `put back ${place}, which ${who} had changed`
    })
    .join("; ")

/** `healing waits until 2026-11-20T10:05:00Z (spec.healGracePeriod)`. */
export const fateText = ({ action, until, reason }: DriftEntry): string => {
  if (reason?.startsWith(HEAL_FAILED) || reason?.startsWith(HEAL_WAITS)) return reason
  const why = reason === undefined ? "" : ` (${reason})`
  const what = action === "left" ? "it is left" : HEAL_WAITS
  return `${what}${until === undefined ? "" : ` until ${until}`}${why}`
}

/** Why and how a heal failed, by object: `could not put back …: … [NOPEA-A004]. Fix: …`. */
export const healFailures = (changes: ChangeSet): ReadonlyMap<string, string> =>
  new Map(
    changes.filter(isFailedHeal).flatMap(({ ref, drift = [], failure }) => {
      const object = line(formatRef(ref), 512)
      if (failure === undefined) return []
      const deeds = drift.map((one) => deedOf(object, one))
      const what = deeds.length === 0 ? `put back ${object}` : undoneText(deeds, "remove")
      const { reason, code, fix } = failure
      return [[object, `could not ${what}: ${reason} [${code}]. Fix: ${fix}`]]
    }),
  )
