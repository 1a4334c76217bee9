/** The mirrors on disk: opened by key, shared, sized, thrown away when broken, removed after an hour without use. */
import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Duration, Effect, RcMap, type Result, type Scope, Semaphore } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { CommitId, TreeEntry } from "../domain/source.ts"
import { gitError, reasonOf } from "./failure.ts"

/** What the server last said about one branch. */
export interface Answer {
  readonly tip: Result.Result<CommitId, GitError>
  /** Counts the questions. */
  readonly round: number
  readonly askedAt: number
}

/** One branch: one question at a time, and the last answer. */
export interface Asked {
  readonly turn: Semaphore.Semaphore
  round: number
  answer?: Answer
}

export interface Mirror {
  readonly key: string
  readonly folder: string
  readonly caFile: string
  /** Whoever changes the mirror: one at a time, while readers read on. */
  readonly writer: Semaphore.Semaphore
  /** Whoever reads takes one; taking all of them is the right to remove the folder. */
  readonly readers: Semaphore.Semaphore
  /** Counts how often the folder was thrown away, so that two who saw one fault throw once. */
  generation: number
  /** `ref path` whose blobs are all here; updates bring theirs along. */
  readonly complete: Set<string>
  readonly asked: Map<string, Asked>
  /** The listing that the last sync made; whoever asks for it first takes it away. */
  listing?: { readonly commit: CommitId; readonly path: string; readonly entries: Listing }
  /** The server asked us to stay away until then. */
  rest?: { readonly until: number; readonly error: GitError }
}

type Listing = ReadonlyArray<TreeEntry> | undefined

export interface Extent {
  readonly bytes: number
  readonly packs: number
}

const READERS = 16
const MAX_REMEMBERED = 1000

const failed = (error: unknown): GitError => {
  const reason = reasonOf(String(error), [])
  const fault = /ENOSPC|EDQUOT/u.test(reason) ? "diskFull" : "dataDir"
  return gitError(fault, { operation: "mirror", subject: "NOPEA_DATA_DIR" }, reason)
}

export const onDisk = <A>(work: () => Promise<A>): Effect.Effect<A, GitError> =>
  Effect.tryPromise({ try: work, catch: failed })

const CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"

/** An empty bare repository: what `git init --bare` makes, without a process, a template or a hook. */
export const prepare = (mirror: Mirror): Effect.Effect<void, GitError> =>
  onDisk(async () => {
    if (existsSync(join(mirror.folder, "HEAD"))) return
    await mkdir(join(mirror.folder, "objects", "pack"), { recursive: true, mode: 0o700 })
    await mkdir(join(mirror.folder, "refs"), { recursive: true })
    await writeFile(join(mirror.folder, "config"), CONFIG)
    await writeFile(join(mirror.folder, "HEAD"), "ref: refs/heads/none\n")
  })

let removed = 0

/** Renamed first: whatever happens to the removal, the next one starts from nothing. */
const removeFolder = async (folder: string): Promise<void> => {
  if (!existsSync(folder)) return
  removed += 1
  const away = `${folder}.removed-${removed}`
  await rename(folder, away)
  await rm(away, { recursive: true, force: true, maxRetries: 3 })
}

/** By the holder of `writer` only; waits for readers. */
export const discard = (mirror: Mirror): Effect.Effect<void, GitError> =>
  mirror.readers.withPermits(READERS)(
    Effect.suspend(() => {
      mirror.generation += 1
      mirror.complete.clear()
      delete mirror.listing
      return onDisk(() => removeFolder(mirror.folder))
    }),
  )

/** Also removes what an ended fetch left half written; by the holder of `writer` only. */
export const measure = (mirror: Mirror): Effect.Effect<Extent, GitError> =>
  onDisk(async () => {
    const folder = join(mirror.folder, "objects", "pack")
    const names = await readdir(folder)
    const sizes = names.map(async (name) => {
      const file = join(folder, name)
      if (!name.startsWith("tmp_")) return (await stat(file)).size
      await rm(file, { force: true })
      return 0
    })
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
    return { bytes, packs: names.filter((name) => name.endsWith(".pack")).length }
  })

/** Commits of earlier fetches are no one's boundary any more; each fetch would send the whole list. */
export const trimShallow = (mirror: Mirror): Effect.Effect<void, GitError> =>
  onDisk(async () => {
    const refs = join(mirror.folder, "refs", "nopea")
    const names = await readdir(refs)
    const heads = await Promise.all(names.map((name) => readFile(join(refs, name), "utf8")))
    const half = join(mirror.folder, "shallow.next")
    await writeFile(half, [...new Set(heads)].sort().join(""))
    await rename(half, join(mirror.folder, "shallow"))
  })

/** Bytes written so far by a running fetch. */
export const growth = (mirror: Mirror): Effect.Effect<number> =>
  Effect.promise(async () => {
    const folder = join(mirror.folder, "objects", "pack")
    const sizes = (await readdir(folder).catch(() => [])).map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    )
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  })

export const trust = (mirror: Mirror, caCrt: string | undefined): Effect.Effect<void, GitError> =>
  caCrt === undefined || existsSync(mirror.caFile)
    ? Effect.void
    : onDisk(async () => {
        const half = `${mirror.caFile}.${process.pid}-${++removed}`
        await writeFile(half, caCrt, { mode: 0o600 })
        await rename(half, mirror.caFile)
      })

/** The conversation about one branch; bounded, the oldest is forgotten. */
export const askedOf = (mirror: Mirror, ref: string): Asked => {
  const known = mirror.asked.get(ref)
  if (known !== undefined) return known
  const [oldest] = mirror.asked.size < MAX_REMEMBERED ? [] : mirror.asked.keys()
  if (oldest !== undefined) mirror.asked.delete(oldest)
  const fresh: Asked = { turn: Semaphore.makeUnsafe(1), round: 0 }
  mirror.asked.set(ref, fresh)
  return fresh
}

export const remember = (mirror: Mirror, what: string): void => {
  if (mirror.complete.size >= MAX_REMEMBERED) mirror.complete.clear()
  mirror.complete.add(what)
}

export interface Mirrors {
  readonly open: (key: string) => Effect.Effect<Mirror, never, Scope.Scope>
}

const isKey = (name: string): boolean => /^[0-9a-f]{64}$/u.test(name)

/**
 * Mirrors live as long as somebody uses them and `idle` longer; those found at the start too.
 * Closing the scope leaves the folders for the next start.
 */
export const makeMirrors = Effect.fnUntraced(function* (
  root: string,
  idle: Duration.Input,
): Effect.fn.Return<Mirrors, GitError, Scope.Scope> {
  yield* onDisk(() => mkdir(root, { recursive: true, mode: 0o700 }))
  const found = yield* onDisk(() => readdir(root))
  const leftovers = found.filter((name) => !isKey(name))
  yield* onDisk(() =>
    Promise.all(leftovers.map((name) => rm(join(root, name), { recursive: true, force: true }))),
  )
  let isClosing = false
  const remove = (mirror: Mirror): Effect.Effect<void> =>
    isClosing
      ? Effect.void
      : onDisk(async () => {
          await removeFolder(mirror.folder)
          await rm(mirror.caFile, { force: true })
        }).pipe(Effect.tapError(Effect.logWarning), Effect.ignore)
  const make = (key: string): Mirror => ({
    key,
    folder: join(root, key),
    caFile: join(root, `${key}.ca`),
    writer: Semaphore.makeUnsafe(1),
    readers: Semaphore.makeUnsafe(READERS),
    generation: 0,
    complete: new Set(),
    asked: new Map(),
  })
  const map = yield* RcMap.make({
    lookup: (key: string) =>
      Effect.acquireRelease(
        Effect.sync(() => make(key)),
        remove,
      ),
    idleTimeToLive: idle,
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => (isClosing = true)))
  const open = (key: string) => RcMap.get(map, key)
  yield* Effect.forEach(found.filter(isKey), (key) => Effect.scoped(open(key)), { discard: true })
  return { open }
})
