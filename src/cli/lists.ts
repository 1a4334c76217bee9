/** Tables of the command line: repositories, drift, history. */
import type { DriftEntry, HistoryEntry } from "../domain/status.ts"
import { following, messageOf, phaseOf, short, textOf, type View } from "./view.ts"
import { since, table, when } from "./words.ts"

export interface Listing {
  readonly now: number
  readonly wide: boolean
}

/** As `kubectl get gitrepositories`, with the namespace where there may be several. */
export const getText = (
  views: ReadonlyArray<View>,
  { now, wide, namespaced }: Listing & { readonly namespaced: boolean },
): string => {
  const row = (view: View): ReadonlyArray<string> => {
    const { status } = view
    const drift = String(status.driftedCount ?? 0)
    const commit = status.lastSyncedCommit ?? status.lastAttemptedCommit
    const resources =
      status.resourceCount === undefined
        ? ""
        : `${status.appliedCount ?? 0}/${status.resourceCount}`
    const place = [...(namespaced ? [view.namespace] : []), view.name]
    const ages = [since(status.lastSyncTime, now), since(view.created, now)]
    const short_ = [...place, phaseOf(view), short(commit), resources, drift, ...ages]
    const more = [textOf(view, "url"), following(view), textOf(view, "path", "."), messageOf(view)]
    return wide ? [...short_, ...more] : short_
  }
  const head = ["NAME", "PHASE", "COMMIT", "RESOURCES", "DRIFT", "LAST SYNC", "AGE"]
  return table([
    [
      ...(namespaced ? ["NAMESPACE"] : []),
      ...head,
      ...(wide ? ["URL", "FOLLOWS", "PATH", "MESSAGE"] : []),
    ],
    ...views.map(row),
  ])
}

/** `Service/shop/api`: people need no mark of the core group. */
export const objectText = (object: string): string => object.replace(/^\//u, "")

/** `kubectl-edit (Update)`, `hpa (Update of scale)`, `somebody`. */
export const whoOf = ({ manager, operation, subresource }: DriftEntry): string => {
  if (manager === undefined) return "somebody"
  const part = subresource === undefined ? "" : ` of ${subresource}`
  return operation === undefined ? manager : `${manager} (${operation}${part})`
}

const TYPES: Readonly<Record<DriftEntry["type"], string>> = {
  manual_drift: "changed",
  conflict: "changed, and Git changed it too",
  added: "added",
  deleted: "deleted",
}

export const deedOf = ({ type }: DriftEntry): string => TYPES[type]

/** Until when, and why, it is as it is. */
export const fateOf = ({ action, until, reason }: DriftEntry, now: number): string => {
  const end = until === undefined ? "" : ` until ${until} (${when(until, now)})`
  return `${action}${end}${reason === undefined ? "" : `: ${reason}`}`
}

/** One row for each field. */
export const driftText = (rows: ReadonlyArray<DriftEntry>, { now, wide }: Listing): string => {
  const row = (entry: DriftEntry): ReadonlyArray<string> => [
    objectText(entry.object),
    entry.path ?? "(the object)",
    entry.type,
    whoOf(entry),
    entry.time ?? entry.firstSeen,
    entry.action,
    entry.until ?? "",
    ...(wide ? [since(entry.firstSeen, now), entry.reason ?? ""] : []),
  ]
  const head = ["OBJECT", "FIELD", "TYPE", "AUTHOR", "TIME", "ACTION", "UNTIL"]
  return table([[...head, ...(wide ? ["SEEN", "REASON"] : [])], ...rows.map(row)])
}

const COUNTS = ["created", "configured", "pruned", "healed", "failed"] as const

/** `1 created, 2 configured`; `nothing written`. */
export const countsOf = (entry: HistoryEntry): string =>
  COUNTS.filter((count) => entry[count] > 0)
    .map((count) => `${entry[count]} ${count}`)
    .join(", ") || "nothing written"

/** With the commit that was left for it. */
const resultOf = (entry: HistoryEntry): string => {
  const { rolledBackFrom } = entry
  const back = rolledBackFrom === undefined ? "" : `, rolled back from ${short(rolledBackFrom)}`
  return countsOf(entry) + back
}

/** Newest first. */
export const historyText = (rows: ReadonlyArray<HistoryEntry>, { now, wide }: Listing): string => {
  const row = (entry: HistoryEntry): ReadonlyArray<string> => [
    since(entry.startedAt, now),
    wide ? (entry.commit ?? "-") : short(entry.commit),
    entry.trigger,
    entry.phase,
    entry.duration,
    resultOf(entry),
    ...(wide ? [entry.startedAt, entry.syncId] : []),
  ]
  const head = ["AGE", "COMMIT", "TRIGGER", "PHASE", "DURATION", "RESULT"]
  return table([[...head, ...(wide ? ["STARTED", "SYNC ID"] : [])], ...rows.map(row)])
}

/** What a sync that went well came to, in one line; one that began before the question had nothing to do with it. */
export const syncedText = ({ namespace, name, status }: View, askedAt: string): string => {
  const { lastAttemptedCommit, appliedCount = 0, resourceCount = 0, history: [last] = [] } = status
  const isAnswer = Date.parse(last?.startedAt ?? "") >= Date.parse(askedAt) - 1000
  const done =
    last !== undefined && isAnswer ? `${countsOf(last)} in ${last.duration}` : "no change"
  const objects = `${appliedCount} of ${resourceCount} objects applied`
  return `${namespace}/${name}  ${status.phase ?? "Pending"}  ${short(lastAttemptedCommit)}  ${objects}: ${done}`
}
