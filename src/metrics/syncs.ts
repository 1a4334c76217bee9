/** What a sync came to, as numbers. Pure but for the registry that it writes to. */
import { Result } from "effect"
import { type Action, count } from "../domain/change.ts"
import type { SyncError } from "../domain/errors.ts"
import { isUntouched, type SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { conditionOf, type DriftEntry, type RepositoryStatus } from "../domain/status.ts"
import type { Trigger } from "../domain/trigger.ts"
import type { Registry } from "./registry.ts"

/** A sync that ended, with the status that it left. */
export interface Ended {
  readonly repository: GitRepository
  readonly trigger: Trigger
  readonly outcome: Result.Result<SyncOutcome, SyncError>
  readonly after: RepositoryStatus
  /** Milliseconds since the epoch. */
  readonly at: number
  /** What of drift is new; absent where nobody looked at objects. */
  readonly news?: {
    readonly appeared: ReadonlyArray<Pick<DriftEntry, "object" | "type">>
    readonly healed: ReadonlyArray<Pick<DriftEntry, "object" | "type">>
    readonly healedObjects: ReadonlyArray<string>
  }
  /** What was known of drift before. */
  readonly before: RepositoryStatus
}

const COUNTED = ["created", "configured", "deleted", "healed", "failed"] as const
/** The note of a delete that waits for approval. */
const PRUNE_HELD = "NOPEA-A050"

/** What depends on others and waits for them has not failed. */
const isWaiting = (error: SyncError): boolean =>
  error._tag === "ConfigError" && error.disposition === "wait"

const resultOf = (outcome: Ended["outcome"]): string => {
  if (Result.isFailure(outcome)) return isWaiting(outcome.failure) ? "waiting" : "failed"
  if (outcome.success.result === "nothing") return "nothing"
  const isHeld = outcome.success.changes.some(({ note }) => note?.code === PRUNE_HELD)
  return outcome.success.failures.length > 0 || isHeld ? "partial" : "done"
}

const countChanges = (registry: Registry, repository: string, { changes }: SyncOutcome): void => {
  const counts = count(changes)
  for (const action of COUNTED satisfies ReadonlyArray<Action>)
    if (counts[action] > 0)
      registry.count("nopea_objects_total", { repository, action }, counts[action])
  const failed = changes.filter(({ heals, action }) => heals === true && action === "failed").length
  if (failed > 0) registry.count("nopea_heal_failures_total", { repository }, failed)
}

/** What is put back in the sync that sees it first was never in a status. */
const seenFirst = ({ before, news }: Ended): ReadonlyArray<DriftEntry["type"]> => {
  if (news === undefined) return []
  const known = new Set((before.drift ?? []).map(({ object }) => object))
  const healed = news.healed.filter(({ object }) => !known.has(object))
  return [...news.appeared, ...healed].map(({ type }) => type)
}

const countDrift = (registry: Registry, repository: string, ended: Ended): void => {
  for (const type of seenFirst(ended)) registry.count("nopea_drift_total", { repository, type })
  const healed = ended.news?.healedObjects.length ?? 0
  if (healed > 0) registry.count("nopea_heals_total", { repository }, healed)
}

/** The repository as its status says it is. */
export const gauges = (
  registry: Registry,
  repository: GitRepository,
  status: RepositoryStatus,
): void => {
  const labels = { repository: keyOf(repository) }
  const isReady = conditionOf(status, "Ready")?.status === "True"
  registry.set("nopea_repository_ready", labels, Number(isReady))
  registry.set("nopea_repository_suspended", labels, Number(repository.spec.suspend))
  registry.set("nopea_repository_desired_objects", labels, status.resourceCount ?? 0)
  registry.set("nopea_repository_applied_objects", labels, status.appliedCount ?? 0)
  registry.set("nopea_repository_drifted_objects", labels, status.driftedCount ?? 0)
  registry.set("nopea_repository_suspended_objects", labels, status.suspendedCount ?? 0)
}

/** Counts a sync that ended. */
export const countSync = (registry: Registry, ended: Ended): void => {
  const { outcome, after, at, trigger } = ended
  const repository = keyOf(ended.repository)
  const labels = { repository }
  const result = resultOf(outcome)
  registry.count("nopea_syncs_total", { repository, trigger: trigger.kind, result })
  gauges(registry, ended.repository, after)
  registry.set("nopea_repository_last_sync_timestamp_seconds", labels, at / 1e3)
  if (conditionOf(after, "Ready")?.status === "True")
    registry.set("nopea_repository_last_success_timestamp_seconds", labels, at / 1e3)
  if (Result.isFailure(outcome) || isUntouched(outcome.success)) return
  countChanges(registry, repository, outcome.success)
  countDrift(registry, repository, ended)
  const held = outcome.success.changes.filter(({ note }) => note?.code === PRUNE_HELD).length
  registry.set("nopea_repository_prune_held_objects", labels, held)
}
