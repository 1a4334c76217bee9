/** Which Kubernetes Events a change of status is worth: transitions, never states. Pure. */
import { count } from "../domain/change.ts"
import { type Condition, type ConditionType, findCondition } from "../domain/conditions.ts"
import { formatRef } from "../domain/object.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { wroteAnything } from "./entries.ts"
import { line, plural, short } from "./text.ts"

export interface Notice {
  readonly type: "Normal" | "Warning"
  /** CamelCase word. */
  readonly reason: string
  readonly message: string
}

/** What the API server takes. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1 */
const MAX_MESSAGE = 1024
const NAMED = 3

const conditionOf = (status: RepositoryStatus, type: ConditionType): Condition | undefined =>
  findCondition(status.conditions ?? [], type)

const isNew = (before: Condition | undefined, after: Condition): boolean =>
  before?.status !== after.status ||
  before.reason !== after.reason ||
  before.message !== after.message

/** `1 created, 2 configured`; objects that were only looked at are not counted. */
export const tally = (outcome: SyncOutcome): string => {
  const counts = count(outcome.changes)
  const words = (["created", "configured", "deleted", "healed"] as const).flatMap((action) =>
    counts[action] === 0 ? [] : [`${counts[action]} ${action}`],
  )
  return words.length === 0 ? "nothing to change" : words.join(", ")
}

const applied = (after: RepositoryStatus, outcome: SyncOutcome): Notice => ({
  type: "Normal",
  reason: "Succeeded",
  message: `applied ${short(outcome.commit.sha)} (${after.summary?.resources ?? "0/0"}): ${tally(outcome)}`,
})

const CALM = new Set(["Progressing", "Suspended", "DependencyNotReady"])

const readiness = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  outcome: SyncOutcome | undefined,
): ReadonlyArray<Notice> => {
  const ready = conditionOf(after, "Ready")
  if (ready === undefined) return []
  const { reason, message } = ready
  if (outcome !== undefined && ready.status === "True" && wroteAnything(outcome)) {
    return [applied(after, outcome)]
  }
  if (!isNew(conditionOf(before, "Ready"), ready)) return []
  const type = ready.status === "True" || CALM.has(reason) ? "Normal" : "Warning"
  return [{ type, reason, message }]
}

const drift = (before: RepositoryStatus, after: RepositoryStatus): ReadonlyArray<Notice> => {
  const drifted = conditionOf(after, "Drifted")
  if (drifted?.status !== "True" || !isNew(conditionOf(before, "Drifted"), drifted)) return []
  return [{ type: "Warning", reason: drifted.reason, message: drifted.message }]
}

const names = (all: ReadonlyArray<string>): string =>
  all.length <= NAMED
    ? all.join(", ")
    : `${all.slice(0, NAMED).join(", ")} and ${all.length - NAMED} more`

const healed = ({ changes }: SyncOutcome): ReadonlyArray<Notice> => {
  const objects = changes
    .filter(({ action }) => action === "healed")
    .map(({ ref }) => formatRef(ref))
  if (objects.length === 0) return []
  const message = `put Git's state back on ${plural(objects.length, "object")}: ${names(objects)}`
  return [{ type: "Normal", reason: "Healed", message }]
}

/** Once per commit: the files stay as they are until the next one. */
const warnings = (
  before: RepositoryStatus,
  { warnings: all, commit }: SyncOutcome,
): ReadonlyArray<Notice> =>
  all.length === 0 || before.lastAttemptedCommit === commit.sha
    ? []
    : [
        {
          type: "Warning",
          reason: "ManifestWarning",
          message: `${short(commit.sha)}: ${all.slice(0, NAMED).join("; ")}${all.length > NAMED ? `; and ${all.length - NAMED} more in the log` : ""}`,
        },
      ]

export const noticesOf = (
  before: RepositoryStatus,
  after: RepositoryStatus,
  outcome?: SyncOutcome,
): ReadonlyArray<Notice> =>
  [
    ...readiness(before, after, outcome),
    ...drift(before, after),
    ...(outcome === undefined ? [] : [...healed(outcome), ...warnings(before, outcome)]),
  ].map((notice) => ({ ...notice, message: line(notice.message, MAX_MESSAGE) }))
