/** Which commit a sync works on: the newest, trusted and let in; or the one known before, which is kept up meanwhile. */
import { Cause, Effect, Result } from "effect"
import { Cache, type Worked } from "../cache/Cache.ts"
import type { Claims } from "../cache/Claims.ts"
import { Dependencies } from "../cache/Dependencies.ts"
import type { GitError, RenderError, SyncError } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { Rollback } from "../domain/rollback.ts"
import type { Commit, GitSource } from "../domain/source.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { Git } from "../git/Git.ts"
import type { Kube } from "../kube/Kube.ts"
import type { Rendered } from "../render/Render.ts"
import { type Found, findCommit, inRollback, pinOf } from "./Commits.ts"
import { Credentials } from "./Credentials.ts"
import type { HashKey } from "./HashKey.ts"
import {
  isForeseen,
  isOvertaken,
  isVerified,
  type Journey,
  keptInstead,
  recallable,
  timedOut,
  unaskedIn,
  wantedOf,
} from "./journey.ts"
import { isFromMirror } from "./route.ts"
import { makeWaiting } from "./Waiting.ts"

/** The journey as it goes on; `instead`: why it is not what was asked for. */
export interface Chosen {
  readonly journey: Journey
  readonly commit: Commit
  readonly instead?: SyncError
}

type RenderCommit = (
  journey: Journey,
  commit: Commit,
) => Effect.Effect<Rendered, GitError | RenderError>

export interface Course {
  readonly choose: (begun: Journey, asked: Rollback | undefined) => Effect.Effect<Chosen, SyncError>
  /** What the process before applied whole, where the mirror outlived it and has nothing newer. */
  readonly recall: (
    repository: GitRepository,
    source: GitSource,
    asked: Rollback | undefined,
  ) => Effect.Effect<Worked | undefined>
  /** The cache knows more than the spec's snapshot: it has what was written since. */
  readonly statusOf: (repository: GitRepository) => Effect.Effect<RepositoryStatus | undefined>
}

export const makeCourse: (
  renderCommit: RenderCommit,
) => Effect.Effect<
  Course,
  never,
  Cache | Claims | Credentials | Dependencies | Git | HashKey | Kube
> = Effect.fnUntraced(function* (renderCommit) {
  const git = yield* Git
  const cache = yield* Cache
  const dependencies = yield* Dependencies
  const credentials = yield* Credentials
  const declareWaiting = yield* makeWaiting

  const statusOf: Course["statusOf"] = (repository) =>
    Effect.map(cache.states.get(keyOf(repository)), (status) => status ?? repository.status)

  /** A commit that waits leaves the one before it as it was found, whatever was asked for since. */
  const find = (journey: Journey, asked: Rollback | undefined): Effect.Effect<Found, GitError> => {
    const { before, source } = journey
    if (before === undefined || !isForeseen(journey)) return findCommit(git, journey, asked)
    const { commit, rollback } = before
    return Effect.succeed(
      rollback === undefined
        ? { commit, source }
        : { commit, rollback, source: pinOf(source, rollback) },
    )
  }

  /** Who may push is not yet who is trusted. */
  const verify = Effect.fn("Sync.verify")(function* (journey: Journey, { sha }: Commit) {
    if (isVerified(journey, sha)) return
    const trusted = yield* credentials.trusted(journey.repository)
    yield* Effect.mapError(git.verify(journey.source, sha, trusted), inRollback(journey))
  })

  const edit = ({ key }: Journey, change: (row: Worked) => Worked): Effect.Effect<void> =>
    Effect.flatMap(cache.commits.get(key), (row) =>
      row === undefined ? Effect.void : cache.commits.set(key, change(row)),
    )

  /** Also where the time of the sync ran out: the retry asks the server, not the mirror. */
  const markUnasked = (journey: Journey, cause: Cause.Cause<SyncError>): Effect.Effect<void> => {
    const error = Cause.findErrorOption(cause)
    const unasked = error._tag === "Some" ? error.value : timedOut(journey.repository)
    return edit(journey, (row) => ({ ...row, unasked }))
  }

  const markAnswered = (journey: Journey): Effect.Effect<void> =>
    isFromMirror(journey.route)
      ? Effect.void
      : edit(journey, ({ unasked: _, ...answered }) => answered)

  const markWaiting = (journey: Journey, waits: SyncError): Effect.Effect<void> =>
    edit(journey, (row) =>
      row.generation === journey.repository.metadata.generation
        ? { ...row, waits, clean: false }
        : row,
    )

  /** Each new commit, and each new spec, waits until what it depends on is ready. */
  const gate = Effect.fnUntraced(function* (journey: Journey, commit: Commit) {
    if (isOvertaken(journey)) return
    const { repository, request } = journey
    const wanted = wantedOf(journey, yield* statusOf(repository), commit)
    const answer = dependencies.check(repository, wanted)
    if (Result.isSuccess(answer)) return yield* edit(journey, ({ waits: _, ...letIn }) => letIn)
    const isNewest = request.trigger.kind !== "drift" && unaskedIn(journey) === undefined
    if (isNewest && !repository.spec.dryRun) {
      yield* markWaiting(journey, answer.failure)
      yield* declareWaiting(journey, yield* renderCommit(journey, commit))
    }
    return yield* Effect.fail(answer.failure)
  })

  const choice = Effect.fnUntraced(function* (begun: Journey, asked: Rollback | undefined) {
    const { commit, ...found } = yield* find(begun, asked)
    const journey: Journey = { ...begun, ...found }
    yield* verify(journey, commit)
    return { journey, commit } satisfies Chosen
  })

  const newest = Effect.fnUntraced(function* (begun: Journey, asked: Rollback | undefined) {
    const chosen = yield* Effect.onError(choice(begun, asked), (cause) => markUnasked(begun, cause))
    yield* markAnswered(begun)
    yield* gate(chosen.journey, chosen.commit)
    return chosen
  })

  const known = (source: GitSource): Effect.Effect<Commit | undefined> =>
    Effect.orElseSucceed(git.head(source), () => undefined)

  const inMirror = Effect.fnUntraced(function* (source: GitSource, asked: Rollback | undefined) {
    const head = yield* known(source)
    if (asked === undefined || asked.from !== head?.sha) return { commit: head }
    const pin = pinOf(source, asked)
    return { commit: yield* known(pin), source: pin, rollback: asked }
  })

  /** A commit that waited when the process before ended wants its objects also while Git gives no answer. */
  const foresee = Effect.fnUntraced(function* (begun: Journey, asked: Rollback | undefined) {
    const { before, repository, request, source } = begun
    if (request.trigger.kind !== "startup" || before !== undefined || repository.spec.dryRun) return
    const { commit, ...found } = yield* inMirror(source, asked)
    if (commit === undefined) return
    const journey: Journey = { ...begun, ...found }
    yield* verify(journey, commit)
    yield* declareWaiting(journey, yield* renderCommit(journey, commit), false)
  })

  const choose: Course["choose"] = Effect.fnUntraced(function* (begun, asked) {
    const wanted = yield* Effect.result(newest(begun, asked))
    if (Result.isSuccess(wanted)) return wanted.success
    const { failure: instead } = wanted
    const kept = keptInstead(begun, yield* cache.commits.get(begun.key))
    if (kept === undefined) {
      if (instead._tag === "GitError") yield* Effect.ignore(foresee(begun, asked))
      return yield* Effect.fail(instead)
    }
    return { ...(yield* Effect.mapError(choice(kept, asked), () => instead)), instead }
  })

  const recall: Course["recall"] = Effect.fnUntraced(function* (repository, source, asked) {
    const sha = recallable(repository, yield* statusOf(repository))
    if (sha === undefined) return undefined
    const { commit, rollback } = yield* inMirror(source, asked)
    if (commit?.sha !== sha) return undefined
    const generation = repository.metadata.generation ?? 0
    const pin = rollback === undefined ? {} : { rollback }
    const row: Worked = { commit, generation, clean: false, isRecalled: true, ...pin }
    yield* cache.commits.set(keyOf(repository), row)
    return row
  })

  return { choose, recall, statusOf }
})
