/** One sync on its way: what its stages read, and what follows from that. Pure. */
import { Duration } from "effect"
import type { Worked } from "../cache/Cache.ts"
import type { Wanted } from "../cache/Dependencies.ts"
import { type SyncError, SyncTimeout } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { Rollback } from "../domain/rollback.ts"
import type { Commit, GitSource } from "../domain/source.ts"
import { conditionOf, MAX_LISTED, type RepositoryStatus } from "../domain/status.ts"
import type { Others } from "../plan/claims.ts"
import { driftKey, type Memory, NO_EVIDENCE } from "../plan/evidence.ts"
import type { Rules } from "../plan/step.ts"
import type { Identity } from "./identity.ts"
import { type ANSWERS, isFromMirror, type Route } from "./route.ts"
import type { SyncRequest } from "./Syncer.ts"

export interface Journey {
  readonly request: SyncRequest
  readonly repository: GitRepository
  readonly key: string
  readonly identity: Identity
  readonly route: Route
  readonly source: GitSource
  /** In force: Git has the commit that was left, and this sync is of the other one. */
  readonly rollback?: Rollback
  readonly before: Worked | undefined
  /** In milliseconds that only go forward: nothing that it saw of Git is older. */
  readonly startedAt: number
}

/** What Git said last, as far as it is about this very spec. What is only recalled, nobody asked for yet. */
export const answerOf = (
  before: Worked | undefined,
  { metadata }: GitRepository,
): (typeof ANSWERS)[number] => {
  if (before === undefined) return "nothing"
  if (before.unasked === undefined)
    return before.isRecalled === true && before.waits === undefined ? "nothing" : "commit"
  return before.generation === (metadata.generation ?? 0) ? "silence" : "nothing"
}

/**
 * Why this sync knows no more of Git than the one before it, or works on nothing newer; `undefined`: it does. Only a
 * look at what is there is content with that: a retry is for the commit that waits.
 */
export const unaskedIn = ({
  route,
  before,
  request,
  repository,
}: Journey): SyncError | undefined => {
  if (before === undefined || !isFromMirror(route)) return undefined
  const isSame = before.generation === repository.metadata.generation
  const waits = isSame && request.trigger.kind !== "retry" ? before.waits : undefined
  return before.unasked ?? waits
}

/**
 * What is kept up may be older than what others were told of, or than what is live: it is put back, but nothing goes
 * for its sake, and what a newer commit claims stands.
 */
export const isOvertaken = (journey: Journey): boolean =>
  unaskedIn(journey) !== undefined &&
  (journey.before?.waits !== undefined || journey.before?.isRecalled === true)

/** What is wanted was said when the newer commit began to wait. */
export const isForeseen = (journey: Journey): boolean =>
  isOvertaken(journey) && journey.before?.waits !== undefined

/** The first sync of a process keeps up what is recalled where Git does not let it do more: nobody watches yet. */
export const keptInstead = (journey: Journey, row: Worked | undefined): Journey | undefined => {
  const { request, route } = journey
  if (request.trigger.kind !== "startup" || row?.isRecalled !== true) return undefined
  const kept: Journey = { ...journey, route: { ...route, commit: "mirror" }, before: row }
  return unaskedIn(kept) === undefined ? undefined : kept
}

/**
 * Nobody asked for it, or this very commit was verified for this very spec. A person's request looks again, and so does
 * whoever asks Git after a refusal: only what is kept up meanwhile needs no second look.
 */
export const isVerified = (
  { repository: { metadata, spec }, before, request, route }: Journey,
  sha: string,
): boolean =>
  spec.verify === undefined ||
  (request.trigger.kind !== "syncNow" &&
    before?.commit.sha === sha &&
    before.isRecalled !== true &&
    (isFromMirror(route) || before.unasked === undefined) &&
    before.generation === (metadata.generation ?? 0))

/** Askers that come within this time share one `ls-remote`; a poll must not be answered by the one before it. */
export const sharedAnswer = ({ spec }: GitRepository): Duration.Duration =>
  Duration.min(Duration.seconds(2), Duration.times(spec.interval, 0.1))

export const rulesOf = (
  { metadata, spec }: GitRepository,
  others: Others,
  now: number,
  memory: Memory,
): Rules => ({
  owner: { namespace: metadata.namespace, name: metadata.name, uid: metadata.uid },
  policy: spec,
  others,
  now,
  memory,
  evidence: NO_EVIDENCE,
})

const timeOf = (text: string): number => {
  const time = Date.parse(text)
  return Number.isNaN(time) ? 0 : time
}

/** After a restart a status still tells since when something has drifted, and what Git had changed too. */
export const memoryFrom = (status: RepositoryStatus | undefined): Memory => {
  const rows = (status?.drift ?? []).map(({ object, path, firstSeen, type }) => ({
    key: driftKey(object, path === undefined ? {} : { path }),
    since: timeOf(firstSeen),
    isConflict: type === "conflict",
  }))
  // Conflicts are listed first.
  const isFull = rows.length >= MAX_LISTED && rows.every(({ isConflict }) => isConflict)
  return {
    firstSeen: new Map(rows.map(({ key, since }) => [key, since])),
    heals: new Map(),
    conflicts: new Set(rows.filter(({ isConflict }) => isConflict).map(({ key }) => key)),
    ...(isFull ? { isPartial: true } : {}),
  }
}

/** What Ready says of a commit that was applied whole; with `spec.wait` its health is awaited, or was in vain. */
const WHOLE: ReadonlySet<string> = new Set([
  "True Succeeded",
  "Unknown Progressing",
  "False HealthCheckFailed",
])

/**
 * The spec that `lastSyncedCommit` was applied whole under. A status of before that was kept tells it by Ready, and so
 * does that of a dry run, which applies nothing and looks at what was applied before it.
 */
const wholeGeneration = ({ spec }: GitRepository, status: RepositoryStatus): number | undefined => {
  const ready = conditionOf(status, "Ready")
  const isWhole = WHOLE.has(`${ready?.status} ${ready?.reason}`)
  const told = isWhole ? ready?.observedGeneration : undefined
  return spec.dryRun ? told : (status.lastSyncedGeneration ?? told)
}

const isWhole = (repository: GitRepository, status: RepositoryStatus = {}): boolean => {
  const { generation } = repository.metadata
  return generation !== undefined && wholeGeneration(repository, status) === generation
}

/** This spec of this commit was applied whole: what is absent now, somebody deleted. */
export const isApplied = (
  repository: GitRepository,
  status: RepositoryStatus | undefined,
  commit: Commit,
): boolean => status?.lastSyncedCommit === commit.sha && isWhole(repository, status)

/** Another commit was begun since: what is absent may be its doing, and what was applied is remembered. */
export const isTriedSince = ({ before }: Journey, { sha }: Commit): boolean =>
  before !== undefined && before.commit.sha !== sha

/** The commit that this very spec brought whole, where its policy may have left what somebody deleted of it. */
export const appliedWhole = (
  repository: GitRepository,
  status: RepositoryStatus | undefined,
): string | undefined => {
  const { healPolicy, conflictPolicy, healGracePeriod } = repository.spec
  const leaves = healPolicy !== "auto" || conflictPolicy === "live"
  const waits = Duration.toMillis(healGracePeriod) > 0
  return (leaves || waits) && isWhole(repository, status) ? status?.lastSyncedCommit : undefined
}

/** What a restarted controller may take for the commit that the cluster has: no other was tried since. */
export const recallable = (
  repository: GitRepository,
  status: RepositoryStatus | undefined,
): string | undefined =>
  !repository.spec.dryRun &&
  isWhole(repository, status) &&
  status?.lastAttemptedCommit === status?.lastSyncedCommit
    ? status?.lastSyncedCommit
    : undefined

/** What is asked of those that a repository depends on. A commit that was worked on once has been let in. */
export const wantedOf = (
  { before, repository, request }: Journey,
  status: RepositoryStatus | undefined,
  commit: Commit,
): Wanted => {
  const isLast = before?.commit.sha === commit.sha
  const isWorkedOn = isLast && before.generation === repository.metadata.generation
  return {
    sha: commit.sha,
    isApplied: isWorkedOn || isApplied(repository, status, commit),
    isOld: isLast && request.trigger.kind === "drift",
  }
}

/** A commit that a sync is about to work on: from now on it is what the cluster has, in part at least. */
export const begun = (journey: Journey, commit: Commit): Worked => {
  const { before, repository, rollback } = journey
  const isKeptUp = before !== undefined && unaskedIn(journey) !== undefined
  const { rollback: _, ...kept } = isKeptUp ? before : {}
  const generation = repository.metadata.generation ?? 0
  const pin = rollback === undefined ? {} : { rollback }
  return { ...kept, commit, generation, clean: false, ...pin }
}

export const timedOut = (repository: GitRepository): SyncTimeout =>
  new SyncTimeout({
    code: "NOPEA-C005",
    operation: "sync",
    subject: keyOf(repository),
    reason: `it took longer than spec.timeout (${Duration.format(repository.spec.timeout)})`,
    fix: "see in the log which stage was slow; raise spec.timeout where the work is really that large",
    disposition: "retry",
  })
