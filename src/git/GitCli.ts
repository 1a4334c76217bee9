/** The live Git port: git's own plumbing over bare, blobless mirrors. Nothing is ever checked out. */
import { existsSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Duration, Effect, Layer, type Scope } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, CommitId, GitSource, TreeEntry } from "../domain/source.ts"
import { askTip } from "./Asking.ts"
import { type Environment, globalConfig, localEnvironment } from "./environment.ts"
import { anewWhereFull, consolidate, fetchTree, fetchWanted, knownHead } from "./Fetching.ts"
import { gitError, isFault, reasonOf } from "./failure.ts"
import { Git } from "./Git.ts"
import { runGit } from "./GitProcess.ts"
import { forgetKeys } from "./Keys.ts"
import { makeMirrors, onDisk, prepare } from "./Mirrors.ts"
import { parseVersion } from "./protocol.ts"
import { listing, present } from "./Reading.ts"
import { makeSessions, type Received, type Session } from "./Session.ts"
import { isObjectId } from "./target.ts"
import { normalPath } from "./url.ts"
import { verify } from "./Verifying.ts"

export interface GitCliOptions {
  /** Absolute; may be lost at any time. */
  readonly dataDir: string
  readonly allowFileUrls: boolean
  /** A larger mirror is fetched anew; a repository that is larger by itself is refused. */
  readonly mirrorMaxBytes: number
  /** One conversation with a server; default 2 minutes. */
  readonly fetchTimeout?: Duration.Input
  /** Conversations that begin with one host in a second, in the long run; default 20. */
  readonly hostRate?: number
  /** All blobs of one `read`; default 64 MiB. */
  readonly readMaxBytes?: number
  /** A mirror that nobody used for so long is removed; default 1 hour. */
  readonly mirrorIdle?: Duration.Input
  /** Packs in a mirror that are too many; default 40. */
  readonly maxPacks?: number
  /** Where PATH and the proxies come from; default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly received?: Received
}

const OLDEST = [2, 39] as const
const START = { operation: "start", subject: "git" }
const READ_TIMEOUT = Duration.seconds(30)

const checkVersion = Effect.fnUntraced(function* (
  env: Environment,
): Effect.fn.Return<void, GitError> {
  const finished = yield* runGit({ args: ["version"], env, maxBytes: 10_000, limit: READ_TIMEOUT })
  const said = reasonOf(finished.stdout.toString() || finished.stderr, [])
  const [major = 0, minor = 0] = parseVersion(said) ?? []
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  const reason =
    major === 0 ? `git does not run: ${said}` : `${said} is older than ${OLDEST.join(".")}`
  return yield* gitError("gitMissing", START, reason)
})

const pathOf = (session: Session, path: string): Effect.Effect<string, GitError> => {
  const normal = normalPath(path)
  if (normal !== undefined) return Effect.succeed(normal)
  return session.fail("pathRefused", `${JSON.stringify(path.slice(0, 200))} leaves the repository`)
}

interface Wanted {
  readonly commit: CommitId
  readonly path: string
  readonly maxBytes: number
}

const listFiles = Effect.fnUntraced(function* (
  session: Session,
  { commit, path, maxBytes }: Wanted,
): Effect.fn.Return<ReadonlyArray<TreeEntry>, GitError> {
  const kept = session.mirror.listing
  delete session.mirror.listing
  const list = listing(session, commit, path)
  const fetched = Effect.catchIf(
    list,
    (error) => isFault(error, "gone", "corrupted"),
    () => Effect.andThen(fetchTree(session, path, maxBytes), list),
  )
  const isKept = kept?.commit === commit && kept.path === path
  const entries = isKept ? kept.entries : yield* fetched
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
  const objects = new Map<BlobId, Uint8Array>()
  let missing = blobs
  let left = limits.readMaxBytes
  for (let round = 0; round <= FETCHES; round++) {
    const found = yield* present(session, missing, left)
    for (const [blob, bytes] of found.objects) {
      objects.set(blob, bytes)
      left -= bytes.length
    }
    missing = found.missing
    if (missing.length === 0) return objects
    if (round < FETCHES) yield* fetchWanted(session, missing, limits.mirrorMaxBytes)
  }
  return yield* session.fail("gone", `the server has no blob ${missing[0]}`)
})

/** Again once by itself: the fetch that somebody else began for all may have failed. */
const FETCHES = 2

/** What every git process needs in the data directory; made again where it was lost. */
const placesIn = ({ dataDir }: GitCliOptions) => ({
  home: join(dataDir, "home"),
  configFile: join(dataDir, "gitconfig"),
  mirrors: join(dataDir, "mirrors"),
})

const keysIn = ({ dataDir }: GitCliOptions): string => join(dataDir, "keys")

const settle = (options: GitCliOptions): Effect.Effect<void, GitError> => {
  const { home, configFile, mirrors } = placesIn(options)
  return onDisk(async () => {
    for (const folder of [home, mirrors]) await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(configFile, globalConfig(options.allowFileUrls), { mode: 0o600 })
  })
}

const isSettled = (options: GitCliOptions): boolean =>
  Object.values(placesIn(options)).every((place) => existsSync(place))

const make = Effect.fnUntraced(function* (
  options: GitCliOptions,
): Effect.fn.Return<Git["Service"], GitError, Scope.Scope> {
  const { allowFileUrls, mirrorMaxBytes, maxPacks = 40, readMaxBytes = 2 ** 26 } = options
  const fetchTimeout = Duration.fromInputUnsafe(options.fetchTimeout ?? "2 minutes")
  const scope = yield* Effect.scope
  const places = placesIn(options)
  yield* settle(options)
  yield* forgetKeys(keysIn(options))
  const env = localEnvironment(options.environment ?? process.env, places)
  yield* checkVersion(env)
  const mirrors = yield* makeMirrors(places.mirrors, options.mirrorIdle ?? "1 hour")
  const { hostRate = 20 } = options
  const limits = {
    fetchTimeout,
    readTimeout: READ_TIMEOUT,
    allowFileUrls,
    hostRate,
    parent: options.environment ?? process.env,
    keys: keysIn(options),
  }
  const openSession = yield* makeSessions(mirrors, env, limits, options.received)

  /** The data directory may be lost at any time; without its configuration git would run with less protection. */
  const open = (source: GitSource, operation: string) =>
    Effect.suspend(() => (isSettled(options) ? Effect.void : settle(options))).pipe(
      Effect.andThen(openSession(source, operation)),
    )

  /** Behind the caller's back: the next fetch waits for it, this one does not. */
  const tidy = (source: GitSource) =>
    Effect.flatMap(open(source, "repack"), (session) => consolidate(session, fetchTimeout)).pipe(
      Effect.scoped,
      Effect.catch((error) => Effect.logWarning("mirror not repacked", error)),
      Effect.forkIn(scope),
    )

  return {
    lsRemote: Effect.fn("Git.lsRemote")(function* (source, maxAge) {
      return yield* askTip(yield* open(source, "ls-remote"), maxAge)
    }, Effect.scoped),

    sync: Effect.fn("Git.sync")(function* (source, path) {
      const session = yield* open(source, "fetch")
      const below = yield* pathOf(session, path)
      const { commit, packs } = yield* fetchTree(session, below, mirrorMaxBytes)
      if (packs > maxPacks) yield* tidy(source)
      return commit
    }, Effect.scoped),

    head: Effect.fn("Git.head")(function* (source) {
      return yield* knownHead(yield* open(source, "head"))
    }, Effect.scoped),

    verify: Effect.fn("Git.verify")(function* (source, commit, keys) {
      const session = yield* open(source, "verify")
      if (!isObjectId(commit)) return yield* session.fail("gone", "this is not a commit's id")
      yield* verify(session, commit, { keys, env, root: keysIn(options) })
    }, Effect.scoped),

    files: Effect.fn("Git.files")(function* (source, commit, path) {
      const session = yield* open(source, "list files")
      const below = yield* pathOf(session, path)
      if (!isObjectId(commit)) return yield* session.fail("gone", "this is not a commit's id")
      return yield* listFiles(session, { commit, path: below, maxBytes: mirrorMaxBytes })
    }, Effect.scoped),

    read: Effect.fn("Git.read")(function* (source, _commit, blobs) {
      const session = yield* open(source, "read files")
      if (blobs.length === 0) return new Map()
      if (!blobs.every(isObjectId)) return yield* session.fail("gone", "this is not a blob's id")
      const found = readBlobs(session, blobs, { readMaxBytes, mirrorMaxBytes })
      return yield* anewWhereFull(session, found, "diskFull")
    }, Effect.scoped),
  }
})

/** Fails at once where git is missing or too old, or the data directory cannot be written. */
export const layer = (options: GitCliOptions): Layer.Layer<Git, GitError> =>
  Layer.effect(Git, make(options))
