/** Which events a sync is worth: transitions, never states. Pure. */
import { Result } from "effect"
import { count } from "../domain/change.ts"
import { type Failure, toFailure } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { conditionOf, type RepositoryStatus } from "../domain/status.ts"
import type { HeardOf } from "../report/Audience.ts"
import { line } from "../report/text.ts"
import type { Draft, EventKind } from "./cdevents.ts"
import { purlOf } from "./purl.ts"

type Of<What extends HeardOf["what"]> = Extract<HeardOf, { readonly what: What }>
type Finished = Of<"finished">
type Crashed = Of<"crashed" | "suspended" | "health">

/** An event has to stay below 64 KiB. */
const MAX_ROWS = 12
const MAX_FAILURES = 10
const MAX_ERRORS = 1000

const WRITTEN = ["created", "configured", "deleted"] as const

export interface Place {
  readonly cluster: string
}

const environmentOf = ({ cluster }: Place, { metadata, spec }: GitRepository) => ({
  id: `${cluster}/${spec.targetNamespace ?? metadata.namespace}`,
})

const gitRepositoryOf = ({ metadata, spec }: GitRepository) => ({
  namespace: metadata.namespace,
  name: metadata.name,
  url: line(spec.url, 1024),
  branch: line(spec.branch, 256),
  path: line(spec.path, 512),
})

/** What every event of a repository begins with. */
const draft = (
  kind: EventKind,
  repository: GitRepository,
  time: number,
  content: Draft["content"],
  customData: Draft["customData"] = {},
): Draft => ({
  kind,
  subject: keyOf(repository),
  content,
  customData: { gitRepository: gitRepositoryOf(repository), ...customData },
  time,
})

const outcomeIn = (heard: Finished): SyncOutcome | undefined => Result.getOrUndefined(heard.outcome)

const shared = ({ trigger, syncId }: Pick<Finished, "trigger" | "syncId">) => ({
  trigger: trigger.kind,
  syncId,
})

const commitData = (heard: Finished) => {
  const { before, after } = heard
  const commit = outcomeIn(heard)?.commit.sha ?? after.lastAttemptedCommit
  const previous = before.lastSyncedCommit
  return {
    ...shared(heard),
    ...(commit === undefined ? {} : { commit }),
    ...(previous === undefined ? {} : { previousCommit: previous }),
  }
}

const deploymentData = (heard: Finished) => {
  const outcome = outcomeIn(heard)
  if (outcome === undefined) return commitData(heard)
  const { unchanged: _, skipped: __, delegated: ___, ...counts } = count(outcome.changes)
  const { resourceCount = 0, appliedCount = 0 } = heard.after
  return {
    ...commitData(heard),
    objects: { ...counts, desired: resourceCount, applied: appliedCount },
  }
}

const started = (place: Place, heard: Of<"syncing"> | Finished, time: number): Draft =>
  draft(
    "started",
    heard.repository,
    time,
    { environment: environmentOf(place, heard.repository) },
    heard.what === "finished" ? commitData(heard) : shared(heard),
  )

const fetched = (heard: Finished): ReadonlyArray<Draft> => {
  const { before, after, repository, at } = heard
  const outcome = outcomeIn(heard)
  if (outcome === undefined || before.lastAttemptedCommit === after.lastAttemptedCommit) return []
  const { sha, time } = outcome.commit
  const { url, branch } = gitRepositoryOf(repository)
  const content = { name: keyOf(repository), uri: url, branch, commit: sha, commitTime: time }
  return [draft("fetched", repository, at, content, commitData(heard))]
}

const failureRow = ({ code, object, file, reason, fix }: Failure) => ({
  code,
  ...(object === undefined ? {} : { object: line(object, 300) }),
  ...(file === undefined ? {} : { file: line(file, 200) }),
  reason: line(reason, 400),
  fix: line(fix, 200),
})

const failuresIn = ({ outcome }: Finished): ReadonlyArray<Failure> =>
  Result.isFailure(outcome) ? [toFailure(outcome.failure)] : outcome.success.failures

const failed = (place: Place, heard: Finished): Draft => {
  const { repository, after, at } = heard
  const ready = conditionOf(after, "Ready")
  const failures = failuresIn(heard)
  return draft(
    "failed",
    repository,
    at,
    {
      environment: environmentOf(place, repository),
      reason: ready?.reason ?? "Failed",
      errors: line(ready?.message ?? "", MAX_ERRORS),
    },
    {
      ...deploymentData(heard),
      failureCount: failures.length,
      failures: failures.slice(0, MAX_FAILURES).map(failureRow),
    },
  )
}

const artifact = (place: Place, { repository }: Finished, sha: string) => ({
  environment: environmentOf(place, repository),
  artifactId: purlOf(line(repository.spec.url, 1024), sha),
})

const hasObjects = ({ resourceCount = 0 }: RepositoryStatus): boolean => resourceCount > 0

/** It was gone back to, or synced before, or is older: a revert is a new commit, and an upgrade; so is what was left. */
const isOlder = ({ before, after }: Finished): boolean => {
  const sha = after.lastSyncedCommit
  const wasSynced = (before.history ?? []).some((h) => h.commit === sha && h.phase === "Synced")
  if (after.rollback || before.rollback?.from === sha) return after.rollback !== undefined
  const isKnown = before.commit?.sha === before.lastSyncedCommit
  const [then, now] = [before.commit?.time, after.commit?.time].map((time) =>
    Date.parse(time ?? ""),
  )
  return wasSynced || (isKnown && (now ?? Number.NaN) < (then ?? Number.NaN))
}

/** What became of the service that the repository's objects are. */
const service = (place: Place, heard: Finished): ReadonlyArray<Draft> => {
  const { before, after, repository, at } = heard
  const sha = after.lastSyncedCommit
  if (sha === undefined || sha === before.lastSyncedCommit) return []
  const had = before.lastSyncedCommit !== undefined && hasObjects(before)
  const data = commitData(heard)
  const is = (kind: EventKind) => [draft(kind, repository, at, artifact(place, heard, sha), data)]
  if (hasObjects(after)) return is(!had ? "deployed" : isOlder(heard) ? "rolledback" : "upgraded")
  if (!had || (after.inventoryKinds ?? []).length > 0) return []
  return [draft("removed", repository, at, { environment: environmentOf(place, repository) }, data)]
}

/** Ready says something else than before, and it is a failure, not a wait. */
const isNewFailure = (before: RepositoryStatus, after: RepositoryStatus): boolean => {
  const [old, now] = [conditionOf(before, "Ready"), conditionOf(after, "Ready")]
  const isFailure = after.phase === "Failed" && now?.reason !== "Progressing"
  return isFailure && (old?.reason !== now?.reason || old?.message !== now?.message)
}

const wrote = (outcome: SyncOutcome | undefined): boolean =>
  WRITTEN.some((action) => outcome?.changes.some((change) => change.action === action))

/** What was fetched stands between the beginning and the end of a deployment, or alone. */
const deployment = (place: Place, heard: Finished, isStarted: boolean): ReadonlyArray<Draft> => {
  const { before, after, repository, at, startedAt } = heard
  const isFailed = after.phase === "Failed" || (isStarted && after.phase === "Pending")
  const isMoved = after.lastSyncedCommit !== before.lastSyncedCommit
  const isNews = isFailed ? isNewFailure(before, after) : isMoved || wrote(outcomeIn(heard))
  if (!isNews && !isStarted) return fetched(heard)
  const begin = [...(isStarted ? [] : [started(place, heard, startedAt)]), ...fetched(heard)]
  if (isFailed) return [...begin, failed(place, heard)]
  const content = { environment: environmentOf(place, repository) }
  const finished = draft("finished", repository, at, content, deploymentData(heard))
  return [...begin, finished, ...service(place, heard)]
}

const LONG = new Set(["object", "path", "reason"])

const briefly = (row: object): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(row).map(([name, text]) => [
      name,
      line(String(text), LONG.has(name) ? 250 : 64),
    ]),
  )

/** Rows that are new, and what was put back in the sync that saw it first. */
const drift = (place: Place, heard: Finished): ReadonlyArray<Draft> => {
  const { news, before, repository, at } = heard
  if (news === undefined) return []
  const known = new Set((before.drift ?? []).map(({ object }) => object))
  const healed = news.healed
    .filter(({ object }) => !known.has(object))
    .map((deed) => ({ ...deed, action: "healed" }))
  const rows = [...news.appeared, ...healed]
  if (rows.length === 0) return []
  const brief = rows.slice(0, MAX_ROWS).map(briefly)
  const content = { environment: environmentOf(place, repository) }
  const data = { ...commitData(heard), driftCount: rows.length, drift: brief }
  return [draft("drift", repository, at, content, data)]
}

const crashed = (place: Place, heard: Crashed): ReadonlyArray<Draft> => {
  const { repository, at, cause = "", after } = heard
  const content = {
    environment: environmentOf(place, repository),
    reason: conditionOf(after, "Ready")?.reason ?? "WorkerCrashed",
    errors: line(cause, MAX_ERRORS),
  }
  return [draft("failed", repository, at, content)]
}

/** `isStarted`: that this sync began was told already, so its end has to be told too. */
export const draftsOf = (
  place: Place,
  heard: HeardOf,
  isStarted: boolean,
): ReadonlyArray<Draft> => {
  const { repository } = heard
  if (repository.spec.dryRun) return []
  switch (heard.what) {
    case "syncing":
      return heard.after.phase === "Syncing" && !isStarted ? [started(place, heard, heard.at)] : []
    case "finished":
      return [...deployment(place, heard, isStarted), ...drift(place, heard)]
    case "crashed":
      return isStarted || isNewFailure(heard.before, heard.after) ? crashed(place, heard) : []
    case "suspended":
    case "health":
      return []
    case "removed": {
      const content = { environment: environmentOf(place, repository) }
      return [draft("removed", repository, heard.at, content, { deleted: heard.deleted })]
    }
  }
}
