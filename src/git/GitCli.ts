/** The live Git port: git's own plumbing over bare, blobless mirrors. Nothing is ever checked out. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Clock, Duration, Effect, Layer, Result } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit, CommitId, GitSource, TreeEntry } from "../domain/source.ts"
import { askArguments } from "./commands.ts"
import { globalConfig, localEnvironment, type Places } from "./environment.ts"
import { anew, branchMissing, consolidate, fetchBlobs, fetchTree } from "./Fetching.ts"
import { gitError, isFault } from "./failure.ts"
import { Git } from "./Git.ts"
import { runGit, textOf } from "./GitProcess.ts"
import { type Answer, askedOf, discard, makeMirrors, onDisk, prepare } from "./Mirrors.ts"
import { parseLsRemote, parseVersion } from "./protocol.ts"
import { head, listing, present } from "./Reading.ts"
import { type Limits, makeSessions, type Session } from "./Remote.ts"
import { normalPath } from "./url.ts"

export interface GitCliOptions {
  /** Absolute; may be lost at any time. */
  readonly dataDir: string
  readonly allowFileUrls: boolean
  /** A larger mirror is fetched anew; a repository that is larger by itself is refused. */
  readonly mirrorMaxBytes: number
  /** One conversation with a server; default 2 minutes. */
  readonly fetchTimeout?: Duration.Input
  /** All blobs of one `read`; default 256 MiB. */
  readonly readMaxBytes?: number
  /** A mirror that nobody used for so long is removed; default 1 hour. */
  readonly mirrorIdle?: Duration.Input
  /** Packs in a mirror that are too many; default 40. */
  readonly maxPacks?: number
  /** Where PATH and the proxies come from; default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const OLDEST = [2, 39] as const
const START = { operation: "start", subject: "git" }

const isObjectId = (id: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/u.test(id)

const checkVersion = Effect.fnUntraced(function* (
  places: Places,
  parent: NonNullable<GitCliOptions["environment"]>,
): Effect.fn.Return<void, GitError> {
  const finished = yield* runGit({
    args: ["version"],
    cwd: places.home,
    env: localEnvironment(parent, places),
    maxBytes: 10_000,
    limit: Duration.seconds(30),
  })
  const said = finished.how === "unstarted" ? finished.stderr : textOf(finished).trim()
  const version = parseVersion(said)
  if (version === undefined) {
    return yield* gitError("gitMissing", START, `git does not run: ${said.slice(0, 200)}`)
  }
  const [major, minor] = version
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  return yield* gitError("gitMissing", START, `${said} is older than ${OLDEST.join(".")}`)
})

const tip = Effect.fnUntraced(function* (session: Session) {
  const finished = yield* session.ask({ args: askArguments(session.ref) })
  const commit = parseLsRemote(textOf(finished)).get(session.ref)
  return commit ?? (yield* branchMissing(session))
})

/**
 * An answer serves whoever came before its question was asked, or takes one of that age. A failure serves only
 * those who waited for it: never a caller who tries again.
 */
const askTip = (session: Session, maxAge: Duration.Duration): Effect.Effect<CommitId, GitError> =>
  Effect.gen(function* () {
    const asked = askedOf(session.mirror, session.ref)
    const came = { at: yield* Clock.currentTimeMillis, round: asked.round, answer: asked.answer }
    const isYoung = ({ askedAt }: Answer) => came.at - askedAt < Duration.toMillis(maxAge)
    const known = came.answer
    if (known !== undefined && Result.isSuccess(known.tip) && isYoung(known)) {
      return known.tip.success
    }
    const question = Effect.gen(function* () {
      const last = asked.answer
      if (last !== undefined && last !== came.answer) {
        if (Result.isFailure(last.tip) || last.round > came.round || isYoung(last)) return last.tip
      }
      const askedAt = yield* Clock.currentTimeMillis
      asked.round += 1
      const { round } = asked
      const answer = yield* Effect.result(tip(session))
      asked.answer = { tip: answer, round, askedAt }
      return answer
    })
    return yield* Effect.fromResult(yield* asked.turn.withPermit(question))
  })

const pathOf = (session: Session, path: string): Effect.Effect<string, GitError> => {
  const normal = normalPath(path)
  return normal === undefined
    ? Effect.fail(
        session.fail("pathRefused", `${JSON.stringify(path.slice(0, 200))} leaves the repository`),
      )
    : Effect.succeed(normal)
}

const knownHead = (session: Session): Effect.Effect<Commit | undefined, GitError> =>
  head(session).pipe(
    Effect.catchIf(
      (error) => isFault(error, "corrupted", "gone"),
      () => Effect.as(session.mirror.writer.withPermit(discard(session.mirror)), undefined),
    ),
  )

const listFiles = Effect.fnUntraced(function* (
  session: Session,
  place: { readonly commit: CommitId; readonly path: string; readonly maxBytes: number },
): Effect.fn.Return<ReadonlyArray<TreeEntry>, GitError> {
  const { commit, path, maxBytes } = place
  const kept = session.mirror.listing
  delete session.mirror.listing
  const list = listing(session, commit, path)
  const entries =
    kept?.commit === commit && kept.path === path
      ? kept.entries
      : yield* list.pipe(
          Effect.catchIf(
            (error) => isFault(error, "gone", "corrupted"),
            () => Effect.andThen(fetchTree(session, path, maxBytes), list),
          ),
        )
  if (entries !== undefined) return entries
  const reason = `commit ${commit.slice(0, 12)} has no directory ${path}`
  return yield* session.fail("pathMissing", reason)
})

const readBlobs = Effect.fnUntraced(function* (
  session: Session,
  blobs: ReadonlyArray<BlobId>,
  limits: { readonly readMaxBytes: number; readonly mirrorMaxBytes: number },
): Effect.fn.Return<ReadonlyMap<BlobId, Uint8Array>, GitError> {
  yield* prepare(session.mirror)
  const first = yield* present(session, blobs, limits.readMaxBytes)
  if (first.missing.length === 0) return first.objects
  const fetch = fetchBlobs(session, first.missing, limits.mirrorMaxBytes)
  yield* session.mirror.writer.withPermit(fetch)
  const second = yield* present(session, first.missing, limits.readMaxBytes)
  if (second.missing.length > 0) {
    return yield* session.fail("gone", `the server has no blob ${second.missing[0]}`)
  }
  return new Map([...first.objects, ...second.objects])
})

const make = Effect.fnUntraced(function* (options: GitCliOptions) {
  const { dataDir, allowFileUrls, mirrorMaxBytes, maxPacks = 40 } = options
  const parent = options.environment ?? process.env
  const home = join(dataDir, "home")
  const configFile = join(dataDir, "gitconfig")
  yield* onDisk(() => mkdir(home, { recursive: true, mode: 0o700 }))
  yield* onDisk(() => writeFile(configFile, globalConfig(allowFileUrls), { mode: 0o600 }))
  yield* checkVersion({ home, configFile }, parent)

  const fetchTimeout = Duration.fromInputUnsafe(options.fetchTimeout ?? "2 minutes")
  const readTimeout = Duration.seconds(30)
  const limits: Limits = { fetchTimeout, readTimeout, allowFileUrls }
  const blobLimits = { readMaxBytes: options.readMaxBytes ?? 2 ** 28, mirrorMaxBytes }
  const scope = yield* Effect.scope
  const mirrors = yield* makeMirrors(join(dataDir, "mirrors"), options.mirrorIdle ?? "1 hour")
  const open = yield* makeSessions(mirrors, parent, { home, configFile, ...limits })

  /** Behind the caller's back: the next fetch waits for it, this one does not. */
  const tidy = (source: GitSource) =>
    Effect.flatMap(open(source, "repack"), (session) => consolidate(session, fetchTimeout)).pipe(
      Effect.scoped,
      Effect.catch((error) => Effect.logWarning("mirror not repacked", error)),
      Effect.forkIn(scope),
    )

  const lsRemote = Effect.fn("Git.lsRemote")(function* (
    source: GitSource,
    maxAge: Duration.Duration,
  ) {
    return yield* askTip(yield* open(source, "ls-remote"), maxAge)
  }, Effect.scoped)

  const sync = Effect.fn("Git.sync")(function* (source: GitSource, path: string) {
    const session = yield* open(source, "fetch")
    const below = yield* pathOf(session, path)
    const { commit, packs } = yield* fetchTree(session, below, mirrorMaxBytes)
    if (packs > maxPacks) yield* tidy(source)
    return commit
  }, Effect.scoped)

  const known = Effect.fn("Git.head")(function* (source: GitSource) {
    return yield* knownHead(yield* open(source, "head"))
  }, Effect.scoped)

  const files = Effect.fn("Git.files")(function* (
    source: GitSource,
    commit: CommitId,
    path: string,
  ) {
    const session = yield* open(source, "list files")
    const below = yield* pathOf(session, path)
    if (!isObjectId(commit)) return yield* session.fail("gone", "this is not a commit's id")
    return yield* listFiles(session, { commit, path: below, maxBytes: mirrorMaxBytes })
  }, Effect.scoped)

  const read = Effect.fn("Git.read")(function* (
    source: GitSource,
    _commit: CommitId,
    blobs: ReadonlyArray<BlobId>,
  ) {
    const session = yield* open(source, "read files")
    if (blobs.length === 0) return new Map<BlobId, Uint8Array>()
    if (!blobs.every(isObjectId)) return yield* session.fail("gone", "this is not a blob's id")
    return yield* anew(session, readBlobs(session, blobs, blobLimits))
  }, Effect.scoped)

  return Git.of({ lsRemote, sync, head: known, files, read })
})

/** Fails at once where git is missing or too old, or the data directory cannot be written. */
export const layer = (options: GitCliOptions): Layer.Layer<Git, GitError> =>
  Layer.effect(Git, make(options))
