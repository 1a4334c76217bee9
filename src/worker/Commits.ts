/** Which commit a sync is of: the one that Git has, or the one that somebody went back to from there. */
import { Effect } from "effect"
import { GitError } from "../domain/errors.ts"
import { isSameRollback, type Rollback } from "../domain/rollback.ts"
import type { Commit, GitSource } from "../domain/source.ts"
import { isFault } from "../git/failure.ts"
import type { Git } from "../git/Git.ts"
import { type Journey, sharedAnswer, unaskedIn } from "./journey.ts"
import { syncPushed } from "./Pushed.ts"

type Port = Git["Service"]

/** Where the commit is, and what keeps it there. */
export interface Found extends Pick<Journey, "source" | "rollback"> {
  readonly commit: Commit
}

const ask = Effect.fnUntraced(function* (git: Port, { source, repository }: Journey) {
  const { path } = repository.spec
  const head = yield* git.head(source)
  if (head === undefined) return yield* git.sync(source, path)
  const remote = yield* git.lsRemote(source, sharedAnswer(repository))
  return head.sha === remote ? head : yield* git.sync(source, path)
})

/** The sync is to keep up what the one before it worked on, whatever Git has now. */
const keepsUp = (journey: Journey): boolean =>
  journey.route.commit === "mirror" &&
  (journey.request.trigger.kind === "drift" || unaskedIn(journey) !== undefined)

const followed = Effect.fnUntraced(function* (git: Port, journey: Journey) {
  const { source, route, repository, before } = journey
  if (route.commit === "fetch") return yield* syncPushed(git, journey)
  if (route.commit === "ask") return yield* ask(git, journey)
  if (keepsUp(journey) && before !== undefined && before.rollback === undefined)
    return before.commit
  return (yield* git.head(source)) ?? (yield* git.sync(source, repository.spec.path))
})

/** Where a commit is that was gone back to. */
export const pinOf = (source: GitSource, { to }: Rollback): GitSource => ({
  ...source,
  ref: { commit: to },
})

/** Asks the server for it once: a commit that the mirror has needs no network. */
const pinned = Effect.fnUntraced(function* (
  git: Port,
  { source, repository, before }: Journey,
  rollback: Rollback,
): Effect.fn.Return<Found, GitError> {
  const { path } = repository.spec
  const pin = pinOf(source, rollback)
  const known = before?.commit.sha === rollback.to ? before.commit : yield* git.head(pin)
  const commit = known ?? (yield* git.sync(pin, path))
  return { commit, source: pin, rollback }
})

/** A commit that cannot be gone back to is told as that: nothing in the spec would mend it. */
export const inRollback =
  ({
    rollback,
    repository: { metadata },
  }: Pick<Journey, "rollback" | "repository">): ((error: GitError) => GitError) =>
  (error) => {
    if (rollback === undefined) return error
    const { code, operation, subject, disposition, retryAfter } = error
    const isOfCommit = isFault(
      error,
      ...(["commitMissing", "commitRefused", "noCommit", "pathMissing"] as const),
      ...(["unsigned", "untrusted", "altered"] as const),
    )
    const command = `nopea rollback ${metadata.name} -n ${metadata.namespace}`
    return new GitError({
      code,
      operation,
      subject,
      reason: `rollback from ${rollback.from.slice(0, 7)} to ${rollback.to.slice(0, 7)}: ${error.reason}`,
      fix: isOfCommit
        ? `go back to another commit (${command} --to COMMIT), or follow Git again (${command} --clear)`
        : error.fix,
      disposition,
      ...(retryAfter === undefined ? {} : { retryAfter }),
    })
  }

/** While Git has the commit that is to be left, the other one; from the first other commit on, what Git has. */
export const findCommit = Effect.fn("Sync.commit")(function* (
  git: Port,
  journey: Journey,
  asked: Rollback | undefined,
): Effect.fn.Return<Found, GitError> {
  const goBack = (rollback: Rollback) =>
    Effect.mapError(pinned(git, journey, rollback), inRollback({ ...journey, rollback }))
  const { before, source } = journey
  if (asked !== undefined && keepsUp(journey) && isSameRollback(before?.rollback, asked))
    return yield* goBack(asked)
  const commit = yield* followed(git, journey)
  return asked?.from === commit.sha ? yield* goBack(asked) : { commit, source }
})
