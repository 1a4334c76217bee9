/** A directory on disk as the Git port would show it: entries with blob ids, and a way to read them. */
import { createHash } from "node:crypto"
import { readdir, readFile, realpath } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { Effect } from "effect"
import { ConfigError } from "../domain/errors.ts"
import type { BlobId, TreeEntry } from "../domain/source.ts"

export interface LocalTree {
  /** `.`, or for a kustomization the directory's place in its work tree. */
  readonly path: string
  /** Sorted. */
  readonly entries: ReadonlyArray<TreeEntry>
  readonly everything: Effect.Effect<ReadonlyArray<TreeEntry>, ConfigError>
  readonly read: (
    blobs: ReadonlyArray<BlobId>,
  ) => Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, ConfigError>
}

/** Names that rendering looks at; nothing else is read from disk. */
const RELEVANT = /\.(?:ya?ml|json)$|^Kustomization$/u
const KUSTOMIZATION = /^(?:kustomization\.ya?ml|Kustomization)$/u
const PARALLEL = 16

const gitBlobId = (bytes: Uint8Array): BlobId =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such directory",
  ENOTDIR: "it is not a directory",
  EACCES: "it may not be read",
}

const reasonOf = ({ code = "unknown error" }: NodeJS.ErrnoException): string =>
  REASONS[code] ?? code

const attempt = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, ConfigError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new ConfigError({
        code: "NOPEA-C040",
        operation: "read",
        subject: path,
        reason: reasonOf(cause as NodeJS.ErrnoException),
        fix: "name a directory that exists and may be read",
        disposition: "stall",
      }),
  })

interface Found {
  readonly path: string
  readonly mode: TreeEntry["mode"]
}

/** Everything below a folder that is of interest. Symbolic links are named, never followed. */
const walk = (
  root: string,
  folder: string,
  isWanted: (name: string) => boolean,
): Effect.Effect<ReadonlyArray<Found>, ConfigError> =>
  Effect.gen(function* () {
    const here = join(root, folder)
    const children = yield* attempt(here, () => readdir(here, { withFileTypes: true }))
    if (folder !== "" && children.some(({ name }) => name === ".git")) {
      return [{ path: folder, mode: "submodule" }]
    }
    const found = yield* Effect.forEach(
      children.filter(({ name }) => name !== ".git"),
      (child): Effect.Effect<ReadonlyArray<Found>, ConfigError> => {
        const path = folder === "" ? child.name : `${folder}/${child.name}`
        if (child.isSymbolicLink()) return Effect.succeed([{ path, mode: "symlink" }])
        if (child.isDirectory()) return walk(root, path, isWanted)
        const isThere = child.isFile() && isWanted(child.name)
        return Effect.succeed(isThere ? [{ path, mode: "file" }] : [])
      },
    )
    return found.flat()
  })

const sorted = (entries: ReadonlyArray<TreeEntry>): ReadonlyArray<TreeEntry> =>
  entries.toSorted((a, b) => (a.path < b.path ? -1 : 1))

/** Reads the manifests of a directory. They are all in memory at once: this is for the command line. */
const readManifests = Effect.fnUntraced(function* (directory: string) {
  const found = yield* walk(directory, "", (name) => RELEVANT.test(name))
  const content = new Map<BlobId, Uint8Array>()
  const entries = yield* Effect.forEach(
    found,
    ({ path, mode }) => {
      if (mode !== "file") return Effect.succeed({ path, mode, blob: "" })
      const full = join(directory, path)
      return Effect.map(
        attempt(full, () => readFile(full)),
        (bytes): TreeEntry => {
          const blob = gitBlobId(bytes)
          content.set(blob, bytes)
          return { path, mode, blob }
        },
      )
    },
    { concurrency: PARALLEL },
  )
  const tree: LocalTree = {
    path: ".",
    entries: sorted(entries),
    everything: Effect.succeed(entries),
    read: (blobs) =>
      Effect.succeed(new Map(blobs.map((blob) => [blob, content.get(blob) as Uint8Array]))),
  }
  return tree
})

/** The work tree that a directory belongs to; itself, where it belongs to none. */
const repositoryOf = Effect.fnUntraced(function* (directory: string) {
  for (let at = directory; ; at = dirname(at)) {
    const names = yield* attempt(at, () => readdir(at))
    if (names.includes(".git")) return at
    if (dirname(at) === at) return directory
  }
})

/** A file's path stands for its content: nothing is read that the kustomization does not need. */
const readAround = Effect.fnUntraced(function* (given: string) {
  const directory = yield* attempt(given, () => realpath(given))
  const root = yield* Effect.orElseSucceed(repositoryOf(directory), () => directory)
  const path = relative(root, directory)
  const list = (below: string) =>
    Effect.map(
      walk(join(root, below), "", () => true),
      (found) =>
        sorted(
          found.map((entry) => {
            const place = below === "" ? entry.path : `${below}/${entry.path}`
            return { mode: entry.mode, path: place, blob: `file:${place}` }
          }),
        ),
    )
  const readOne = (blob: BlobId) => {
    const full = join(root, blob.slice("file:".length))
    return Effect.map(
      attempt(full, () => readFile(full)),
      (bytes): readonly [BlobId, Uint8Array] => [blob, bytes],
    )
  }
  const tree: LocalTree = {
    path: path === "" ? "." : path,
    entries: yield* list(path),
    everything: list(""),
    read: (blobs) =>
      Effect.map(
        Effect.forEach(blobs, readOne, { concurrency: PARALLEL }),
        (read) => new Map(read),
      ),
  }
  return tree
})

/** What `nopea render` sees of a directory: its manifests, or for a kustomization the work tree around it. */
export const readLocalTree: (directory: string) => Effect.Effect<LocalTree, ConfigError> =
  Effect.fn("LocalTree.read")(function* (directory) {
    const names = yield* attempt(directory, () => readdir(directory))
    const isKustomization = names.some((name) => KUSTOMIZATION.test(name))
    return yield* isKustomization ? readAround(directory) : readManifests(directory)
  })
