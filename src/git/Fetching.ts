/** From the server into the mirror: the head of what is followed, the blobs below a path; and anew where the mirror is broken. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { type Duration, Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit } from "../domain/source.ts"
import * as commands from "./commands.ts"
import { find, missing } from "./Finding.ts"
import { type Fault, isFault } from "./failure.ts"
import { discard, type Entries, endReader, prepare, remember } from "./Mirrors.ts"
import { countPacks, sweep, trimShallow, weigh, weighing } from "./Packs.ts"
import { absent, head, listing, peel, storedHead } from "./Reading.ts"
import type { Session } from "./Session.ts"

const throwAway = ({ mirror }: Session, seen: number): Effect.Effect<void, GitError> =>
  mirror.writer.withPermit(
    Effect.suspend(() => (mirror.generation === seen ? discard(mirror) : Effect.void)),
  )

/** One deletion and one repetition where the mirror itself is at fault; `attempt` must not hold the writer. */
export const anew = <A>(
  session: Session,
  attempt: Effect.Effect<A, GitError>,
  ...faults: ReadonlyArray<Fault>
): Effect.Effect<A, GitError> =>
  Effect.suspend(() => {
    const seen = session.mirror.generation
    return Effect.catchIf(
      attempt,
      (error) => isFault(error, "corrupted", ...faults),
      () => Effect.andThen(throwAway(session, seen), attempt),
    )
  })

/** A mirror that cannot tell is thrown away: it knows no head then. */
export const knownHead = (session: Session): Effect.Effect<Commit | undefined, GitError> =>
  Effect.suspend(() => {
    const seen = session.mirror.generation
    return Effect.catchIf(
      head(session),
      (error) => isFault(error, "corrupted", "gone"),
      () => Effect.as(throwAway(session, seen), undefined),
    )
  })

const checkSize = Effect.fnUntraced(function* (
  session: Session,
  maxBytes: number,
): Effect.fn.Return<void, GitError> {
  if ((yield* weigh(session.mirror)) <= maxBytes) return
  return yield* session.fail("tooLarge", `its mirror holds more than ${maxBytes} bytes`)
})

/** A fetch that would fill the disk ends before it does; what it brought is counted. */
const bounded = <A>(session: Session, fetch: Effect.Effect<A, GitError>, maxBytes: number) => {
  const watch = Effect.forever(Effect.delay(checkSize(session, maxBytes), "1 second"))
  return weighing(session.mirror, Effect.raceFirst(fetch, watch), session.received)
}

const fetchHead = Effect.fnUntraced(function* (
  session: Session,
  maxBytes: number,
  how: commands.HowMuch,
): Effect.fn.Return<void, GitError> {
  const { mirror, mirrorRef, target } = session
  yield* prepare(mirror)
  const { ref } = target.kind === "semver" ? yield* find(session) : target
  const args = commands.fetchHeadOf(ref, mirrorRef, how)
  yield* Effect.catchIf(
    bounded(session, session.ask({ args }), maxBytes),
    (error) => isFault(error, "branchMissing", "gone"),
    (error) => missing(session, error),
  )
  if (target.kind !== "branch") yield* peel(session)
})

/** Servers that give no object by its id give the whole head once more. By the holder of `writer` only. */
const fetchBlobs = Effect.fnUntraced(function* (
  session: Session,
  blobs: ReadonlyArray<BlobId>,
  maxBytes: number,
): Effect.fn.Return<void, GitError> {
  yield* prepare(session.mirror)
  const { fetchIds: args, fetchIdsSettings: settings } = commands
  const fetch = session.ask({ args, settings, stdin: commands.lines(blobs) })
  yield* Effect.catchIf(
    Effect.asVoid(bounded(session, fetch, maxBytes)),
    (error) => isFault(error, "gone"),
    () => fetchHead(session, maxBytes, "everything"),
  )
})

/** Readers that wait together are served by one fetch. Whether a blob came is for the reader to see. */
export const fetchWanted = (
  session: Session,
  blobs: ReadonlyArray<BlobId>,
  maxBytes: number,
): Effect.Effect<void, GitError> => {
  const { wanted, writer } = session.mirror
  for (const blob of blobs) wanted.add(blob)
  return writer.withPermit(
    Effect.suspend(() => {
      if (!blobs.some((blob) => wanted.has(blob))) return Effect.void
      const all = [...wanted]
      wanted.clear()
      return fetchBlobs(session, all, maxBytes)
    }),
  )
}

/** What somebody's failed fetch left missing here is found missing by the one who reads it. */
const complete = Effect.fnUntraced(function* (
  session: Session,
  path: string,
  entries: Entries,
  maxBytes: number,
): Effect.fn.Return<void, GitError> {
  const what = `${session.mirrorRef} ${path}`
  const { mirror } = session
  if (mirror.complete.has(what)) return
  const files = (entries ?? []).filter(({ mode }) => mode !== "submodule")
  const missing = yield* absent(session, new Set(files.map(({ blob }) => blob)))
  if (missing.length > 0) yield* fetchWanted(session, missing, maxBytes)
  remember(mirror, what)
})

export interface Fetched {
  readonly commit: Commit
  readonly packs: number
}

/** One fetch of a head serves everybody who asked for it before it began. */
const fetchHeadOnce = Effect.fnUntraced(function* (
  session: Session,
  path: string,
  maxBytes: number,
  asked: number,
): Effect.fn.Return<void, GitError> {
  const { mirror, mirrorRef, target } = session
  if ((mirror.fetched.get(mirrorRef) ?? -1) >= asked) return
  if (target.kind === "commit" && storedHead(session) === target.ref) return
  const turn = mirror.begun++
  yield* prepare(mirror)
  yield* sweep(mirror)
  const isUpdate = existsSync(join(mirror.folder, mirrorRef))
  const asking = isUpdate ? session : { ...session, ask: session.askInTurn }
  yield* fetchHead(asking, maxBytes, isUpdate || path === "" ? "small" : "trees")
  mirror.fetched.set(mirrorRef, turn)
})

/** The writer is held for the fetches only: those who come together list, and want blobs, together. */
const fetchAll = Effect.fnUntraced(function* (
  session: Session,
  path: string,
  maxBytes: number,
  asked: number,
): Effect.fn.Return<Fetched, GitError> {
  const { mirror } = session
  yield* mirror.writer.withPermit(fetchHeadOnce(session, path, maxBytes, asked))
  const commit = yield* head(session)
  if (commit === undefined) return yield* session.fail("corrupted", "the fetched commit is missing")
  const entries = yield* Effect.mapError(listing(session, commit.sha, path), (error) =>
    isFault(error, "gone") ? session.fail("corrupted", error.reason) : error,
  )
  mirror.listing = { commit: commit.sha, path, entries }
  yield* complete(session, path, entries, maxBytes)
  yield* checkSize(session, maxBytes)
  return { commit, packs: yield* countPacks(mirror) }
})

/** What still does not fit leaves its half pack to nobody: the space is free for others. */
export const anewWhereFull = <A>(
  session: Session,
  attempt: Effect.Effect<A, GitError>,
  ...faults: ReadonlyArray<"diskFull" | "tooLarge">
): Effect.Effect<A, GitError> =>
  Effect.tapError(anew(session, attempt, ...faults), (error) =>
    isFault(error, ...faults) ? throwAway(session, session.mirror.generation) : Effect.void,
  )

/** A mirror grows by every update: one past its size is fetched anew, and given up if that is too large too. */
export const fetchTree = (
  session: Session,
  path: string,
  maxBytes: number,
): Effect.Effect<Fetched, GitError> =>
  Effect.suspend(() => {
    const attempt = fetchAll(session, path, maxBytes, session.mirror.begun)
    return anewWhereFull(session, attempt, "tooLarge", "diskFull")
  })

/** Every fetch leaves a pack; many packs slow every look. */
export const consolidate = (
  session: Session,
  limit: Duration.Duration,
): Effect.Effect<void, GitError> =>
  session.mirror.writer.withPermit(
    Effect.gen(function* () {
      yield* sweep(session.mirror)
      if ((yield* countPacks(session.mirror)) < 2) return
      const { repack: args, promisorSettings: settings } = commands
      const finished = yield* session.read({ args, settings, limit })
      if (finished.code !== 0) return yield* session.failOf(finished)
      yield* session.mirror.turn.withPermit(endReader(session.mirror))
      yield* trimShallow(session.mirror)
    }),
  )
