/** The mirrors on disk: opened by key, shared, measured, thrown away when broken, removed after an hour without use. */
import { existsSync } from "node:fs"
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Duration, Effect, RcMap, type Result, type Scope, Semaphore } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit, CommitId, TreeEntry } from "../domain/source.ts"
import { gitError, reasonOf } from "./failure.ts"
import type { Reader } from "./Reader.ts"

/** What the server last said about one target. */
export interface Answer {
  readonly tip: Result.Result<CommitId, GitError>
  /** Counts the questions. */
  readonly round: number
  readonly askedAt: number
}

/** One target: one question at a time, and the last answer. */
export interface Asked {
  readonly turn: Semaphore.Semaphore
  round: number
  answer?: Answer
}

export interface Mirror {
  readonly folder: string
  readonly caFile: string
  /** Whoever changes the mirror: one at a time, while readers read on. */
  readonly writer: Semaphore.Semaphore
  /** Whoever reads takes one; taking all of them is the right to remove the folder. */
  readonly readers: Semaphore.Semaphore
  /** Whoever talks to `reader`. */
  readonly turn: Semaphore.Semaphore
  /** The process that reads this mirror; ends by itself soon after its last question. */
  reader?: Reader
  /** Counts how often the folder was thrown away, so that two who saw one fault throw once. */
  generation: number
  /** `ref path` whose blobs are all here; updates bring theirs along. */
  readonly complete: Set<string>
  readonly asked: Map<string, Asked>
  /** The commits that the refs were last seen at. */
  readonly heads: Map<string, Commit>
  /** Fetches of heads begun so far; by ref, which of them last succeeded: who asked before it began need not fetch. */
  begun: number
  readonly fetched: Map<string, number>
  /** Blobs that readers lack: whoever holds `writer` next fetches them for all. */
  readonly wanted: Set<BlobId>
  /** The listing that the last sync made; whoever asks for it first takes it away. */
  listing?: { readonly commit: CommitId; readonly path: string; readonly entries: Entries }
}

/** `undefined`: the commit has nothing below the path. */
export type Entries = ReadonlyArray<TreeEntry> | undefined

const READERS = 16
const MAX_REMEMBERED = 1000

const diskError = (error: unknown): GitError => {
  const reason = reasonOf(String(error), [])
  const fault = /ENOSPC|EDQUOT/u.test(reason) ? "diskFull" : "dataDir"
  return gitError(fault, { operation: "write", subject: "NOPEA_DATA_DIR" }, reason)
}

export const onDisk = <A>(work: () => Promise<A>): Effect.Effect<A, GitError> =>
  Effect.tryPromise({ try: work, catch: diskError })

const CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"

/** An empty bare repository: what `git init --bare` makes, without a process, a template or a hook. */
export const prepare = ({ folder }: Mirror): Effect.Effect<void, GitError> =>
  onDisk(async () => {
    if (existsSync(join(folder, "HEAD"))) return
    await mkdir(join(folder, "objects", "pack"), { recursive: true, mode: 0o700 })
    await mkdir(join(folder, "refs"), { recursive: true })
    await writeFile(join(folder, "config"), CONFIG)
    await writeFile(join(folder, "HEAD"), "ref: refs/heads/none\n")
  })

let count = 0

/** Renamed first: whatever happens to the removal, the next one starts from nothing. */
const removeFolder = async (folder: string): Promise<void> => {
  if (!existsSync(folder)) return
  count += 1
  const away = `${folder}.removed-${count}`
  await rename(folder, away)
  await rm(away, { recursive: true, force: true, maxRetries: 3 })
}

/** What it has open may be gone. */
export const endReader = (mirror: Mirror): Effect.Effect<void> =>
  Effect.suspend(() => mirror.reader?.end ?? Effect.void)

/** By the holder of `writer` only; waits for readers. */
export const discard = (mirror: Mirror): Effect.Effect<void, GitError> =>
  mirror.readers.withPermits(READERS)(
    Effect.suspend(() => {
      mirror.generation += 1
      mirror.complete.clear()
      mirror.fetched.clear()
      mirror.heads.clear()
      delete mirror.listing
      return Effect.andThen(
        endReader(mirror),
        onDisk(() => removeFolder(mirror.folder)),
      )
    }),
  )

/** Certificates are public; git reads them from a file. */
export const writeAuthority = (caFile: string, pem: string): Effect.Effect<void, GitError> =>
  existsSync(caFile)
    ? Effect.void
    : onDisk(async () => {
        count += 1
        await writeFile(`${caFile}.${count}`, pem, { mode: 0o600 })
        await rename(`${caFile}.${count}`, caFile)
      })

/** The conversation about one target; bounded, the oldest is forgotten. */
export const askedOf = ({ asked }: Mirror, ref: string): Asked => {
  const known = asked.get(ref)
  if (known !== undefined) return known
  const [oldest] = asked.size < MAX_REMEMBERED ? [] : asked.keys()
  if (oldest !== undefined) asked.delete(oldest)
  const fresh: Asked = { turn: Semaphore.makeUnsafe(1), round: 0 }
  asked.set(ref, fresh)
  return fresh
}

export const remember = ({ complete }: Mirror, what: string): void => {
  if (complete.size >= MAX_REMEMBERED) complete.clear()
  complete.add(what)
}

export const rememberHead = ({ heads }: Mirror, ref: string, commit: Commit): void => {
  if (heads.size >= MAX_REMEMBERED) heads.clear()
  heads.set(ref, commit)
}

export type OpenMirror = (key: string) => Effect.Effect<Mirror, never, Scope.Scope>

const newMirror = (folder: string): Mirror => ({
  folder,
  caFile: `${folder}.ca`,
  writer: Semaphore.makeUnsafe(1),
  readers: Semaphore.makeUnsafe(READERS),
  turn: Semaphore.makeUnsafe(1),
  generation: 0,
  complete: new Set(),
  begun: 0,
  fetched: new Map(),
  wanted: new Set(),
  asked: new Map(),
  heads: new Map(),
})

const remove = (mirror: Mirror): Effect.Effect<void> =>
  Effect.andThen(
    endReader(mirror),
    onDisk(async () => {
      await removeFolder(mirror.folder)
      await rm(mirror.caFile, { force: true })
    }),
  ).pipe(Effect.tapError(Effect.logWarning), Effect.ignore)

const isKey = (name: string): boolean => /^[0-9a-f]{64}$/u.test(name)

/**
 * Mirrors live as long as somebody uses them and `idle` longer; those found at the start too.
 * Closing the scope leaves the folders for the next start.
 */
export const makeMirrors = Effect.fnUntraced(function* (
  root: string,
  idle: Duration.Input,
): Effect.fn.Return<OpenMirror, GitError, Scope.Scope> {
  yield* onDisk(() => mkdir(root, { recursive: true, mode: 0o700 }))
  const found = yield* onDisk(() => readdir(root))
  for (const name of found.filter((one) => !isKey(one))) {
    yield* onDisk(() => rm(join(root, name), { recursive: true, force: true }))
  }
  let isClosing = false
  const map = yield* RcMap.make({
    lookup: (key: string) =>
      Effect.acquireRelease(
        Effect.sync(() => newMirror(join(root, key))),
        (mirror) => (isClosing ? Effect.void : remove(mirror)),
      ),
    idleTimeToLive: idle,
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => (isClosing = true)))
  const open = (key: string) => RcMap.get(map, key)
  yield* Effect.forEach(found.filter(isKey), (key) => Effect.scoped(open(key)), { discard: true })
  return open
})
