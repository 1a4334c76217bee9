/** Which objects are not as Git says on purpose: changed by somebody, or suspended. Pure. */
import type { Change, ChangeSet } from "../domain/change.ts"
import { formatRef } from "../domain/object.ts"
import { type DriftEntry, MAX_LISTED } from "../domain/status.ts"
import { line } from "./text.ts"

/** Codes of the notes that planning puts on objects it leaves alone. */
export const NOTE = {
  pruneHeld: "NOPEA-A050",
  suspended: "NOPEA-A053",
  drifted: "NOPEA-A055",
} as const

export const noted = (changes: ChangeSet, code: string): ReadonlyArray<Change> =>
  changes.filter(({ note }) => note?.code === code)

/** What somebody changed and the policy leaves so. `firstSeen` stays what it was. */
export const driftOf = (
  changes: ChangeSet,
  before: ReadonlyArray<DriftEntry>,
  now: string,
): ReadonlyArray<DriftEntry> => {
  const seen = new Map(before.map((entry) => [entry.object, entry.firstSeen]))
  return noted(changes, NOTE.drifted)
    .slice(0, MAX_LISTED)
    .map(({ ref, note }) => {
      const object = formatRef(ref)
      return {
        object,
        type: "manual_drift",
        firstSeen: seen.get(object) ?? now,
        action: "left",
        reason: line(note?.reason ?? "", 300),
      }
    })
}

/** Such as `kubectl-edit changed apps/Deployment/shop/api, and 2 more objects`. */
export const driftMessage = (drift: ReadonlyArray<DriftEntry>, count: number): string => {
  const [first] = drift
  if (first === undefined) return "the cluster is as Git says"
  const { manager, object, reason } = first
  const who =
    manager === undefined ? `${object}: ${reason ?? "changed"}` : `${manager} changed ${object}`
  return count > 1 ? `${who}; ${count} objects in all` : who
}
