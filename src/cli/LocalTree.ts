/** A directory on disk as the Git port would show it: entries with blob ids, and a way to read them. */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { ConfigError } from "../domain/errors.ts"
import type { BlobId, TreeEntry } from "../domain/source.ts"

export interface LocalTree {
  /** Paths relative to the directory, sorted. */
  readonly entries: ReadonlyArray<TreeEntry>
  readonly read: (
    blobs: ReadonlyArray<BlobId>,
  ) => Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, ConfigError>
}

/** Names that rendering looks at; nothing else is read from disk. */
const RELEVANT = /\.(?:ya?ml|json)$|^Kustomization$/u
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
const walk = (root: string, folder: string): Effect.Effect<ReadonlyArray<Found>, ConfigError> =>
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
        if (child.isDirectory()) return walk(root, path)
        const isRelevant = child.isFile() && RELEVANT.test(child.name)
        return Effect.succeed(isRelevant ? [{ path, mode: "file" }] : [])
      },
    )
    return found.flat()
  })

/** Reads the manifests of a directory. They are all in memory at once: this is for the command line. */
export const readLocalTree: (directory: string) => Effect.Effect<LocalTree, ConfigError> =
  Effect.fn("LocalTree.read")(function* (directory) {
    const found = yield* walk(directory, "")
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
      entries: entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
      read: (blobs) =>
        Effect.succeed(new Map(blobs.map((blob) => [blob, content.get(blob) as Uint8Array]))),
    }
    return tree
  })
