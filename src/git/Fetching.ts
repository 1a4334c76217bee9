/** From the server into the mirror: the branch's head, the blobs below a path; and anew where the mirror is broken. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit } from "../domain/source.ts"
import {
  blobArguments,
  blobConfig,
  branchesArguments,
  headArguments,
  lines,
  promisorConfig,
  repackArguments,
} from "./commands.ts"
import { isFault } from "./failure.ts"
import { textOf } from "./GitProcess.ts"
import { discard, growth, measure, prepare, remember, trimShallow } from "./Mirrors.ts"
import { parseLsRemote } from "./protocol.ts"
import { absent, head, listing } from "./Reading.ts"
import type { Session } from "./Remote.ts"

/** One deletion and one repetition where the mirror itself is at fault; `attempt` must not hold the writer. */
export const anew = <A>(
  session: Session,
  attempt: Effect.Effect<A, GitError>,
): Effect.Effect<A, GitError> =>
  Effect.suspend(() => {
    const seen = session.mirror.generation
    const throwAway = session.mirror.writer.withPermit(
      Effect.suspend(() =>
        session.mirror.generation === seen ? discard(session.mirror) : Effect.void,
      ),
    )
    return attempt.pipe(
      Effect.catchIf(
        (error) => isFault(error, "corrupted"),
        () => Effect.andThen(throwAway, attempt),
      ),
    )
  })

/** An absent branch, or nothing there at all; one more question, only on the way to an error. */
export const branchMissing = (session: Session): Effect.Effect<never, GitError> =>
  Effect.gen(function* () {
    const there = yield* session.ask({ args: branchesArguments })
    const names = [...parseLsRemote(textOf(there)).keys()].map((ref) => ref.slice(11))
    if (names.length === 0) return yield* session.fail("emptyRepository", "it has no commit yet")
    const some = names.slice(0, 5).join(", ")
    const more = names.length > 5 ? `, and ${names.length - 5} more` : ""
    const reason = `there is no branch ${session.branch} (there is: ${some}${more})`
    return yield* session.fail("branchMissing", reason)
  })

const tooLarge = (session: Session, maxBytes: number): GitError =>
  session.fail("tooLarge", `the mirror holds more than ${maxBytes} bytes`)

const watchGrowth = (session: Session, maxBytes: number): Effect.Effect<never, GitError> =>
  growth(session.mirror).pipe(
    Effect.delay("1 second"),
    Effect.repeat({ while: (bytes) => bytes <= maxBytes }),
    Effect.flatMap(() => Effect.fail(tooLarge(session, maxBytes))),
  )

const fetchHead = (
  session: Session,
  maxBytes: number,
  isWhole: boolean,
): Effect.Effect<void, GitError> =>
  Effect.gen(function* () {
    yield* prepare(session.mirror)
    const isUpdate = existsSync(join(session.mirror.folder, session.mirrorRef))
    const kind = isWhole ? "everything" : isUpdate ? "update" : "first"
    const args = headArguments(session.ref, session.mirrorRef, kind)
    yield* session.ask({ args }).pipe(
      Effect.raceFirst(watchGrowth(session, maxBytes)),
      Effect.catchIf(
        (error) => isFault(error, "branchMissing"),
        () => branchMissing(session),
      ),
    )
  })

/** Servers that give no object by its id give the whole head once more. By the holder of `writer` only. */
export const fetchBlobs = (
  session: Session,
  blobs: ReadonlyArray<BlobId>,
  maxBytes: number,
): Effect.Effect<void, GitError> =>
  Effect.andThen(
    prepare(session.mirror),
    session.ask({ args: blobArguments, config: blobConfig, stdin: lines(blobs) }).pipe(
      Effect.raceFirst(watchGrowth(session, maxBytes)),
      Effect.asVoid,
      Effect.catchIf(
        (error) => isFault(error, "gone"),
        () => fetchHead(session, maxBytes, true),
      ),
    ),
  )

const complete = Effect.fnUntraced(function* (session: Session, path: string, maxBytes: number) {
  const what = `${session.mirrorRef} ${path}`
  const { mirror } = session
  if (mirror.complete.has(what)) return
  const blobs = (mirror.listing?.entries ?? []).flatMap(({ blob, mode }) =>
    mode === "submodule" ? [] : [blob],
  )
  const missing = yield* absent(session, blobs)
  if (missing.length > 0) yield* fetchBlobs(session, missing, maxBytes)
  remember(mirror, what)
})

const fetchAll = Effect.fnUntraced(function* (session: Session, path: string, maxBytes: number) {
  yield* fetchHead(session, maxBytes, false)
  const [commit, entries] = yield* Effect.all(
    [head(session), listing(session, session.mirrorRef, path)],
    { concurrency: 2 },
  ).pipe(
    Effect.mapError((error) =>
      isFault(error, "gone") ? session.fail("corrupted", error.reason) : error,
    ),
  )
  if (commit === undefined) return yield* session.fail("corrupted", "the fetched commit is missing")
  session.mirror.listing = { commit: commit.sha, path, entries }
  yield* complete(session, path, maxBytes)
  const extent = yield* measure(session.mirror)
  if (extent.bytes > maxBytes) return yield* tooLarge(session, maxBytes)
  return { commit, packs: extent.packs }
})

export interface Fetched {
  readonly commit: Commit
  readonly packs: number
}

/** A mirror grows by every update: one past its size is fetched anew, and given up if that is too large too. */
export const fetchTree = (
  session: Session,
  path: string,
  maxBytes: number,
): Effect.Effect<Fetched, GitError> => {
  const { mirror } = session
  const attempt = mirror.writer.withPermit(fetchAll(session, path, maxBytes))
  const isTooLarge = (error: GitError) => isFault(error, "tooLarge")
  const throwAway = mirror.writer.withPermit(discard(mirror))
  return anew(session, attempt).pipe(
    Effect.catchIf(isTooLarge, () => Effect.andThen(throwAway, attempt)),
    Effect.tapError((error) => (isTooLarge(error) ? throwAway : Effect.void)),
  )
}

/** Every fetch leaves a pack; many packs slow every look. */
export const consolidate = (
  session: Session,
  limit: NonNullable<Parameters<Session["read"]>[0]["limit"]>,
): Effect.Effect<void, GitError> =>
  session.mirror.writer.withPermit(
    Effect.gen(function* () {
      const { packs } = yield* measure(session.mirror)
      if (packs < 2) return
      const done = yield* session.read({ args: repackArguments, config: promisorConfig, limit })
      if (done.code !== 0) return yield* session.failOf(done)
      yield* trimShallow(session.mirror)
    }),
  )
