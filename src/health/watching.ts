/** What is known of the health of one repository's objects while they are watched, and when to look again. Pure. */
import { formatRef, type ObjectKey, type ObjectRef } from "../domain/object.ts"
import type { Health } from "./facts.ts"
import { type View, viewOf } from "./view.ts"

/** What one read of an object told. */
export interface Reading {
  readonly health: Health
  /** `metadata.resourceVersion`; empty where it is not there. */
  readonly version: string
}

interface Row {
  readonly ref: ObjectRef
  readonly reading?: Reading
}

export interface Watching {
  /** The commit that was applied. */
  readonly commit: string
  readonly rows: ReadonlyMap<ObjectKey, Row>
  /** Milliseconds since the epoch: since when somebody is awaited. */
  readonly since: number
}

export interface Applied {
  readonly commit: string
  /** The objects that can be anything but healthy. */
  readonly refs: ReadonlyArray<ObjectRef>
  /** Those of them that were written just now. */
  readonly written: ReadonlySet<ObjectKey>
  readonly now: number
}

const isGood = ({ reading }: Row): boolean => reading?.health.state === "healthy"

/** What was known of objects that nobody wrote is still known; a new commit, or a write, begins a new time. */
export const begin = (before: Watching | undefined, applied: Applied): Watching => {
  const { commit, refs, written, now } = applied
  const rows = refs.map((ref): readonly [ObjectKey, Row] => {
    const key = formatRef(ref)
    const reading = written.has(key) ? undefined : before?.rows.get(key)?.reading
    return [key, reading === undefined ? { ref } : { ref, reading }]
  })
  const isSame = before?.commit === commit && written.size === 0
  return { commit, rows: new Map(rows), since: isSame ? before.since : now }
}

/** After reads. What falls ill after all was well has its own time to recover. */
export const looked = (
  before: Watching,
  readings: ReadonlyMap<ObjectKey, Reading>,
  now: number,
): Watching => {
  if (readings.size === 0) return before
  const wasGood = [...before.rows.values()].every(isGood)
  const rows = new Map(
    [...before.rows].map(([key, row]) => {
      const reading = readings.get(key)
      return [key, reading === undefined ? row : { ...row, reading }]
    }),
  )
  return { ...before, rows, since: wasGood ? now : before.since }
}

/** Whether a version of an object that somebody told of is worth a read. */
export const isNews = ({ rows }: Watching, key: ObjectKey, version: string): boolean => {
  const row = rows.get(key)
  return row !== undefined && (version === "" || row.reading?.version !== version)
}

export const unread = ({ rows }: Watching): ReadonlyArray<ObjectKey> =>
  [...rows].flatMap(([key, { reading }]) => (reading === undefined ? [key] : []))

/** So many of one kind in one namespace are a crowd: one list answers for them all. */
const CROWD = 20
/** A list brings all of them, so that this part at least has to be due. */
const PART = 0.25

const placeOf = ({ group, version, kind, namespace }: ObjectRef): string =>
  `${group}/${version}/${kind}/${namespace}`

/** The largest crowd among those that are due; empty: there is none. */
export const crowd = (
  { rows }: Watching,
  due: ReadonlySet<ObjectKey>,
): ReadonlyArray<ObjectRef> => {
  const places = Map.groupBy(rows, ([, { ref }]) => placeOf(ref))
  const crowds = [...places.values()].flatMap((all) => {
    const found = all.flatMap(([key, { ref }]) => (due.has(key) ? [ref] : []))
    return found.length > CROWD && found.length >= all.length * PART ? [found] : []
  })
  return crowds.toSorted((a, b) => b.length - a.length)[0] ?? []
}

/** Who is awaited, as far as it is known. */
export const awaited = ({ rows }: Watching): ReadonlyArray<ObjectRef> =>
  [...rows.values()].filter((row) => !isGood(row)).map(({ ref }) => ref)

export const view = ({ rows, since }: Watching, now: number, timeout: number): View =>
  viewOf(
    [...rows].map(([key, { reading }]) => [key, reading?.health] as const),
    now - since >= timeout,
  )

/** Milliseconds until the time is up; `undefined`: nobody is awaited, or it is up already. */
export const untilLate = (watching: Watching, now: number, timeout: number): number | undefined => {
  const left = watching.since + timeout - now
  return left > 0 && awaited(watching).length > 0 ? left : undefined
}

const FIRST = 2_000
const MOST = 60_000

/** Milliseconds between two reads of what no watch tells of: 2, 4, 8 … 60 s. `attempt` counts from 0. */
export const pause = (attempt: number): number => Math.min(FIRST * 2 ** Math.min(attempt, 10), MOST)
