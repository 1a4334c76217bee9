/** Which Kubernetes Events a change of status is worth: transitions, never states. Pure. */
import { count } from "../domain/change.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import {
  type Condition,
  type ConditionType,
  conditionOf,
  type RepositoryStatus,
} from "../domain/status.ts"
import { didText, fateText, healFailures, undoneText } from "./drift.ts"
import { WRITES } from "./entries.ts"
import type { DriftNews } from "./news.ts"
import type { Undelivered } from "./notification.ts"
import { line, MAX_MESSAGE, plural, short } from "./text.ts"
import { wentBack } from "./verdict.ts"

export interface Notice {
  readonly type: "Normal" | "Warning"
  /** CamelCase word. */
  readonly reason: string
  readonly message: string
}

const NAMED = 3
const UNHEALTHY = "HealthCheckFailed"
const CALM = new Set(["Progressing", "Suspended", "DependencyNotReady"])

/** The condition, if it says something else than before. */
const newsOf = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  type: ConditionType,
): Condition | undefined => {
  const [old, now] = [conditionOf(before, type), conditionOf(after, type)]
  const isSame =
    old?.status === now?.status && old?.reason === now?.reason && old?.message === now?.message
  return isSame ? undefined : now
}

/** `applied 4f1c2ab (3/3): 1 created, 2 configured`; objects that were only looked at are not counted. */
const applied = (after: RepositoryStatus, { changes, commit }: SyncOutcome): Notice => {
  const counts = count(changes)
  const tally = WRITES.filter((action) => counts[action] > 0).map((a) => `${counts[a]} ${a}`)
  const resources = after.summary?.resources ?? "0/0"
  const message = `applied ${short(commit.sha)} (${resources}): ${tally.join(", ")}${wentBack(after)}`
  return { type: "Normal", reason: after.rollback ? "RolledBack" : "Succeeded", message }
}

/** More than heals, which tell for themselves. */
const wroteNews = ({ changes }: SyncOutcome): boolean =>
  changes.some(({ action }) => action !== "healed" && WRITES.some((one) => one === action))

const readiness = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  outcome: SyncOutcome | undefined,
): ReadonlyArray<Notice> => {
  const isReady = conditionOf(after, "Ready")?.status === "True"
  if (isReady && outcome !== undefined && wroteNews(outcome)) return [applied(after, outcome)]
  const news = newsOf(before, after, "Ready")
  if (news === undefined || news.status === "Unknown") return []
  const { reason, message } = news
  if (reason === UNHEALTHY && conditionOf(before, "Ready")?.reason === reason) return []
  return [{ type: isReady || CALM.has(reason) ? "Normal" : "Warning", reason, message }]
}

/** Of a repository whose Ready does not tell it. */
const healthiness = (before: RepositoryStatus, after: RepositoryStatus): ReadonlyArray<Notice> => {
  const [old, now] = [conditionOf(before, "Healthy"), conditionOf(after, "Healthy")]
  const isTold = newsOf(before, after, "Ready") !== undefined
  if (isTold || now === undefined || old?.status === now.status) return []
  const { reason, message } = now
  if (now.status === "False") return [{ type: "Warning", reason, message }]
  return old?.status === "False" && now.status === "True"
    ? [{ type: "Normal", reason: "Healthy", message }]
    : []
}

const named = (all: ReadonlyArray<string>, separator: string, more: string): string =>
  all.slice(0, NAMED).join(separator) + (all.length > NAMED ? more : "")

/** One notice for each of a few; a last one for all the others. */
const some = (
  notices: ReadonlyArray<Notice>,
  others: (amount: string) => string,
): ReadonlyArray<Notice> => {
  const [last] = notices.slice(NAMED)
  const more = notices.length - NAMED
  if (last === undefined) return notices
  return [...notices.slice(0, NAMED), { ...last, message: others(plural(more, "more object")) }]
}

/** By object: who changed what, and what becomes of it; or why it could not be put back. */
const drifted = ({ appeared }: DriftNews, outcome: SyncOutcome): ReadonlyArray<Notice> => {
  const failures = healFailures(outcome.changes)
  const notices = [...Map.groupBy(appeared, ({ object }) => object)].map(([object, rows]) => {
    const failed = failures.get(object)
    const fate = [...new Set(rows.map(fateText))].slice(0, NAMED).join("; ")
    return failed === undefined
      ? { type: "Warning", reason: "DriftDetected", message: `${didText(rows)}; ${fate}` }
      : { type: "Warning", reason: "HealFailed", message: failed }
  }) satisfies ReadonlyArray<Notice>
  const [found, failed] = ["DriftDetected", "HealFailed"].map((reason) =>
    notices.filter((notice) => notice.reason === reason),
  )
  return [
    ...some(found ?? [], (amount) => `${amount} drifted`),
    ...some(failed ?? [], (amount) => `${amount} could not be put back`),
  ]
}

/** One for all: it names who changed what, also where nothing was said before. */
const healed = ({ healed: deeds, healedObjects }: DriftNews): ReadonlyArray<Notice> => {
  if (healedObjects.length === 0) return []
  const told = healedObjects.map((object) => {
    const own = deeds.filter((deed) => deed.object === object)
    return own.length === 0 ? `put back ${object}` : undoneText(own, "removed")
  })
  const message = named(told, "; ", `; and ${plural(told.length - NAMED, "more object")}`)
  return [{ type: "Normal", reason: "Healed", message }]
}

/** Break-glass begins and ends. */
const glass = ({ suspended, resumed }: DriftNews): ReadonlyArray<Notice> => {
  const notice = (reason: string, message: string): Notice => ({ type: "Normal", reason, message })
  const began = [...suspended].map(([object, why]) => notice("HealSuspended", `${object}: ${why}`))
  const ended = resumed.map((object) =>
    notice("HealResumed", `${object}: nopea.io/suspend-heal holds no longer; it is healed again`),
  )
  return [
    ...some(began, (amount) => `nopea.io/suspend-heal is set on ${amount}`),
    ...some(ended, (amount) => `nopea.io/suspend-heal holds no longer on ${amount}`),
  ]
}

/** Once per commit: the files stay as they are until the next one. */
const warned = (
  { lastAttemptedCommit }: RepositoryStatus,
  { warnings, commit: { sha } }: SyncOutcome,
): ReadonlyArray<Notice> => {
  if (warnings.length === 0 || lastAttemptedCommit === sha) return []
  const some = named(warnings, "; ", `; and ${warnings.length - NAMED} more in the log`)
  return [{ type: "Warning", reason: "ManifestWarning", message: `${short(sha)}: ${some}` }]
}

/** New drift that nobody was notified of. */
export const undelivered = ({ code, reason, fix }: Undelivered): Notice => ({
  type: "Warning",
  reason: "NotifyFailed",
  message: line(`${reason} [${code}]. Fix: ${fix}`, MAX_MESSAGE),
})

/** `sync`: what changed it, where that got as far as to have an outcome. */
export const noticesOf = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  sync?: { readonly outcome: SyncOutcome; readonly news: DriftNews },
): ReadonlyArray<Notice> => {
  const of = (found: { readonly outcome: SyncOutcome; readonly news: DriftNews }) => [
    ...drifted(found.news, found.outcome),
    ...glass(found.news),
    ...healed(found.news),
    ...warned(before, found.outcome),
  ]
  const told = [
    ...readiness(before, after, sync?.outcome),
    ...healthiness(before, after),
    ...(sync === undefined ? [] : of(sync)),
  ]
  return told.map((notice) => ({ ...notice, message: line(notice.message, MAX_MESSAGE) }))
}
