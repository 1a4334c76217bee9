/** Which Kubernetes Events a change of status is worth: transitions, never states. Pure. */
import { count } from "../domain/change.ts"
import { formatRef } from "../domain/object.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import {
  type Condition,
  type ConditionType,
  conditionOf,
  type RepositoryStatus,
} from "../domain/status.ts"
import { WRITES, wroteAnything } from "./entries.ts"
import { line, MAX_MESSAGE, plural, short } from "./text.ts"

export interface Notice {
  readonly type: "Normal" | "Warning"
  /** CamelCase word. */
  readonly reason: string
  readonly message: string
}

const NAMED = 3
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
const applied = ({ summary }: RepositoryStatus, { changes, commit }: SyncOutcome): Notice => {
  const counts = count(changes)
  const tally = WRITES.filter((action) => counts[action] > 0).map((a) => `${counts[a]} ${a}`)
  const resources = summary?.resources ?? "0/0"
  const message = `applied ${short(commit.sha)} (${resources}): ${tally.join(", ")}`
  return { type: "Normal", reason: "Succeeded", message }
}

const readiness = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  outcome: SyncOutcome | undefined,
): ReadonlyArray<Notice> => {
  const isReady = conditionOf(after, "Ready")?.status === "True"
  if (isReady && outcome !== undefined && wroteAnything(outcome)) return [applied(after, outcome)]
  const news = newsOf(before, after, "Ready")
  if (news === undefined) return []
  const { reason, message } = news
  return [{ type: isReady || CALM.has(reason) ? "Normal" : "Warning", reason, message }]
}

const drift = (before: RepositoryStatus, after: RepositoryStatus): ReadonlyArray<Notice> => {
  const news = newsOf(before, after, "Drifted")
  if (news?.status !== "True") return []
  return [{ type: "Warning", reason: news.reason, message: news.message }]
}

const named = (all: ReadonlyArray<string>, separator: string, more: string): string =>
  all.slice(0, NAMED).join(separator) + (all.length > NAMED ? more : "")

const healed = ({ changes }: SyncOutcome): ReadonlyArray<Notice> => {
  const objects = changes.filter((c) => c.action === "healed").map(({ ref }) => formatRef(ref))
  if (objects.length === 0) return []
  const names = named(objects, ", ", ` and ${objects.length - NAMED} more`)
  const message = `put Git's state back on ${plural(objects.length, "object")}: ${names}`
  return [{ type: "Normal", reason: "Healed", message }]
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

/** `outcome`: of the sync that changed it, where that got as far as to have one. */
export const noticesOf = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  outcome?: SyncOutcome,
): ReadonlyArray<Notice> =>
  [
    ...readiness(before, after, outcome),
    ...drift(before, after),
    ...(outcome === undefined ? [] : [...healed(outcome), ...warned(before, outcome)]),
  ].map((notice) => ({ ...notice, message: line(notice.message, MAX_MESSAGE) }))
