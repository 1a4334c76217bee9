/** What a sync says of drift that was not said before: events, log lines and notifications are made of it. Pure. */
import { formatRef } from "../domain/object.ts"
import { isUntouched, type SyncOutcome } from "../domain/outcome.ts"
import type { DriftEntry, RepositoryStatus } from "../domain/status.ts"
import { type Deed, deedOf, foundRows, isHealFailed } from "./drift.ts"
import { line } from "./text.ts"
import { noted } from "./verdict.ts"

/** Rows of one repository that are told apart; of more, it is not known whether they are new. */
const MAX_KNOWN = 1000

/** What was said last. */
export interface Known {
  /** By what a row is about: what becomes of it, and the object. */
  readonly rows: ReadonlyMap<string, { readonly fate: string; readonly object: string }>
  /** Objects under break-glass; absent: nobody looked since the controller started. */
  readonly suspended?: ReadonlySet<string>
}

export interface DriftNews {
  /** Drift that appeared, or that could not be healed. */
  readonly appeared: ReadonlyArray<DriftEntry>
  /** These, and drift whose fate changed. */
  readonly changed: ReadonlyArray<DriftEntry>
  /** What was put back. */
  readonly healed: ReadonlyArray<Deed>
  /** Objects that were healed; more than `healed` names where it is not known what had changed. */
  readonly healedObjects: ReadonlyArray<string>
  /** Under break-glass since now, with what is said of that. */
  readonly suspended: ReadonlyMap<string, string>
  /** No longer. */
  readonly resumed: ReadonlyArray<string>
}

export const NO_NEWS: DriftNews = {
  appeared: [],
  changed: [],
  healed: [],
  healedObjects: [],
  suspended: new Map(),
  resumed: [],
}

/** Somebody who changes the same field again does not change what is told of it, nor does another try to heal. */
const keyOf = (row: DriftEntry): string => {
  const { object, type, path = "", manager = "", operation = "", reason = "" } = row
  const failed = isHealFailed(row) ? reason.slice(0, reason.indexOf("]")) : ""
  return [object, type, path, manager, operation, failed].join("\n")
}

const fateOf = ({ action, until = "", reason = "" }: DriftEntry): string =>
  [action, until, reason].join("\n")

const rowsOf = (rows: ReadonlyArray<DriftEntry>): Known["rows"] =>
  new Map(rows.map((row) => [keyOf(row), { fate: fateOf(row), object: row.object }]))

/** All that a controller knows that was just started. */
export const knownOf = ({ drift = [] }: RepositoryStatus): Known => ({ rows: rowsOf(drift) })

const HEALS = new Set(["healed", "configured", "created"])

const healedBy = ({ changes }: SyncOutcome): Pick<DriftNews, "healed" | "healedObjects"> => {
  const written = changes.filter(({ action }) => HEALS.has(action))
  const healed = written.flatMap(({ ref, drift = [] }) =>
    drift
      .filter(({ action }) => action === "healed")
      .map((one) => deedOf(line(formatRef(ref), 512), one)),
  )
  const objects = written
    .filter(({ action }) => action === "healed")
    .map(({ ref }) => line(formatRef(ref), 512))
  return { healed, healedObjects: [...new Set([...objects, ...healed.map((d) => d.object)])] }
}

interface Glass {
  readonly now: ReadonlyMap<string, string>
  readonly looked: ReadonlySet<string>
}

/** A controller that was just started believes that a count that did not change is of the same objects. */
const glassNews = (
  { now, looked }: Glass,
  before: ReadonlySet<string> | undefined,
  count: number,
): Pick<DriftNews, "suspended" | "resumed"> => {
  const isBelieved = before === undefined && now.size <= count
  const isNew = (object: string) => !isBelieved && before?.has(object) !== true
  return {
    suspended: new Map([...now].filter(([object]) => isNew(object))),
    resumed: [...(before ?? [])].filter((object) => looked.has(object) && !now.has(object)),
  }
}

/** `before`: the status as it was told last. */
export const newsOf = (
  known: Known,
  before: RepositoryStatus,
  outcome: SyncOutcome,
  now: number,
): { readonly known: Known; readonly news: DriftNews } => {
  if (isUntouched(outcome)) return { known, news: NO_NEWS }
  const rows = foundRows(outcome, before.drift ?? [], now).slice(0, MAX_KNOWN)
  const isKnown = known.rows.size > 0 || (known.suspended?.size ?? 0) > 0
  const looked = new Set(isKnown ? outcome.changes.map(({ ref }) => line(formatRef(ref), 512)) : [])
  const isUnseen = (object: string) => outcome.failures.length > 0 && !looked.has(object)
  const glass = new Map(
    noted(outcome.changes, "suspended").map(({ ref, note }) => [
      line(formatRef(ref), 512),
      note?.reason ?? "",
    ]),
  )
  const kept = [...known.rows].filter(([, { object }]) => isUnseen(object))
  const keptGlass = [...(known.suspended ?? [])].filter(isUnseen)
  return {
    known: {
      rows: new Map([...rowsOf(rows), ...kept].slice(0, MAX_KNOWN)),
      suspended: new Set([...glass.keys(), ...keptGlass]),
    },
    news: {
      appeared: rows.filter((row) => !known.rows.has(keyOf(row))),
      changed: rows.filter((row) => known.rows.get(keyOf(row))?.fate !== fateOf(row)),
      ...healedBy(outcome),
      ...glassNews({ now: glass, looked }, known.suspended, before.suspendedCount ?? 0),
    },
  }
}
