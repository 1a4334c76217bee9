/** Out of the mirror, without network: commits, listings, blobs. */
import { readFileSync } from "node:fs"
import { rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Result } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit } from "../domain/source.ts"
import { inTurns } from "../domain/Turns.ts"
import { questions } from "./commands.ts"
import { isFault } from "./failure.ts"
import { type Entries, onDisk, rememberHead } from "./Mirrors.ts"
import { type Batch, parseBatch, parseCommit } from "./protocol.ts"
import type { Session } from "./Session.ts"
import { flatten, type Item, parseTree } from "./tree.ts"

/** Half a million entries at most: each takes 140 bytes of heap and 3 µs of the main thread. */
const LISTING_BYTES = 2 ** 24
const COMMIT_BYTES = 2 ** 20
/** As many as git itself goes down. */
const MAX_DEPTH = 2048

/** A look into a sound mirror fails only over an object that is not there. */
const look = Effect.fnUntraced(function* (
  session: Session,
  text: string,
  maxBytes: number,
): Effect.fn.Return<Buffer, GitError> {
  const finished = yield* session.look(text, maxBytes)
  if (finished.code === 0) return finished.stdout
  const error = session.failOf(finished)
  return yield* isFault(error, "gone") ? error : session.fail("corrupted", error.reason)
})

/** What is there of the named objects, and the names of the others. */
export const present = Effect.fnUntraced(function* (
  session: Session,
  names: ReadonlyArray<string>,
  maxBytes: number,
): Effect.fn.Return<Batch, GitError> {
  const answer = yield* look(session, questions("contents", names), maxBytes)
  const parsed = yield* inTurns(parseBatch(answer))
  if (!parsed.isWhole) return yield* session.fail("corrupted", "git's answer broke off")
  return parsed
})

/** The commit's id as the mirror keeps it for this target; `undefined`: it was never fetched. */
export const storedHead = ({ mirror, mirrorRef }: Session): string | undefined => {
  try {
    return readFileSync(join(mirror.folder, mirrorRef), "latin1").trim()
  } catch {
    return undefined
  }
}

/** The ref of this target; `undefined` removes it. */
const pointAt = (
  { mirror: { folder }, mirrorRef }: Session,
  commit: string | undefined,
): Effect.Effect<void, GitError> =>
  onDisk(async () => {
    const [ref, next] = [join(folder, mirrorRef), join(folder, "head.next")]
    if (commit === undefined) return rm(ref, { force: true })
    await writeFile(next, `${commit}\n`)
    return rename(next, ref)
  })

/** A tag may be an object of its own, or name anything: the mirror keeps the commit. By the holder of `writer`. */
export const peel = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<void, GitError> {
  const { mirrorRef, target } = session
  const answer = yield* look(session, questions("info", [`${mirrorRef}^{commit}`]), COMMIT_BYTES)
  const [, commit] = /^([0-9a-f]{40}) commit /u.exec(answer.toString("latin1")) ?? []
  if (commit === undefined || (target.kind === "commit" && commit !== target.ref)) {
    yield* pointAt(session, undefined)
    return yield* session.fail("noCommit", "what it names is not a commit")
  }
  if (commit !== storedHead(session)) yield* pointAt(session, commit)
})

/** The commit that the mirror last fetched for this target. */
export const head = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<Commit | undefined, GitError> {
  const { mirror, mirrorRef } = session
  const stored = storedHead(session)
  if (stored === undefined) return undefined
  const known = mirror.heads.get(mirrorRef)
  if (known?.sha === stored) return known
  const { objects } = yield* present(session, [`${mirrorRef}^{commit}`], COMMIT_BYTES)
  const [found] = objects
  if (found === undefined) return yield* session.fail("corrupted", "the fetched commit is missing")
  const commit = parseCommit(...found)
  rememberHead(mirror, mirrorRef, commit)
  return commit
})

type Trees = Map<string, ReadonlyArray<Item>>

/** A blobless mirror has all trees: one that is missing is a fault of the mirror. */
const readTrees = Effect.fnUntraced(function* (
  session: Session,
  ids: ReadonlyArray<string>,
  maxBytes: number,
): Effect.fn.Return<{ readonly trees: Trees; readonly bytes: number }, GitError> {
  const { objects, missing } = yield* present(session, ids, maxBytes)
  if (missing.length > 0) return yield* session.fail("corrupted", `tree ${missing[0]} is missing`)
  const trees: Trees = new Map()
  let bytes = 0
  for (const [id, object] of objects) {
    const items = yield* inTurns(parseTree(object))
    if (items === undefined) return yield* session.fail("corrupted", `tree ${id} is broken`)
    trees.set(id, items)
    bytes += object.length
  }
  return { trees, bytes }
})

const rootOf = Effect.fnUntraced(function* (
  session: Session,
  commit: string,
): Effect.fn.Return<string, GitError> {
  const names = [commit, `${commit}^{tree}`]
  const answer = yield* look(session, questions("info", names), COMMIT_BYTES)
  const [first = "", second = ""] = answer.toString("latin1").split("\n")
  if (first.endsWith(" missing")) return yield* session.fail("gone", `${commit} is not here`)
  const [, root] = /^([0-9a-f]{40}) tree /u.exec(second) ?? []
  return root ?? (yield* session.fail("corrupted", `the tree of ${commit} is missing`))
})

/** The tree at `path`; `undefined` where there is no directory. */
const treeAt = Effect.fnUntraced(function* (
  session: Session,
  root: string,
  path: string,
): Effect.fn.Return<string | undefined, GitError> {
  let at = root
  for (const part of path === "" ? [] : path.split("/")) {
    const { trees } = yield* readTrees(session, [at], LISTING_BYTES)
    const next = trees.get(at)?.find(({ name, kind }) => name === part && kind === "tree")
    if (next === undefined) return undefined
    at = next.id
  }
  return at
})

/** Level by level, each tree once. */
const treesBelow = Effect.fnUntraced(function* (
  session: Session,
  top: string,
): Effect.fn.Return<Trees, GitError> {
  const all: Trees = new Map()
  let left = LISTING_BYTES
  let wanted = [top]
  for (let depth = 0; wanted.length > 0; depth++) {
    if (depth > MAX_DEPTH) return yield* session.fail("pathRefused", "its folders are too deep")
    const { trees, bytes } = yield* readTrees(session, wanted, left)
    left -= bytes
    for (const [id, items] of trees) all.set(id, items)
    const below = [...trees.values()].flatMap((items) =>
      items.flatMap(({ kind, id }) => (kind === "tree" && !all.has(id) ? [id] : [])),
    )
    wanted = [...new Set(below)]
  }
  return all
})

/** The entries of this commit below `path`. */
export const listing = Effect.fnUntraced(function* (
  session: Session,
  commit: string,
  path: string,
): Effect.fn.Return<Entries, GitError> {
  const top = yield* treeAt(session, yield* rootOf(session, commit), path)
  if (top === undefined) return undefined
  const trees = yield* treesBelow(session, top)
  const entries = yield* inTurns(flatten(trees, top, path, LISTING_BYTES))
  if (Result.isSuccess(entries)) return entries.success
  return yield* session.fail(entries.failure.fault, entries.failure.reason)
})

/** Those that the mirror lacks. */
export const absent = Effect.fnUntraced(function* (
  session: Session,
  blobs: ReadonlySet<BlobId>,
): Effect.fn.Return<ReadonlyArray<BlobId>, GitError> {
  if (blobs.size === 0) return []
  const answer = yield* look(session, questions("info", blobs), LISTING_BYTES)
  const lines = answer.toString("latin1").split("\n")
  return lines.flatMap((line) => (line.endsWith(" missing") ? [line.slice(0, -8)] : []))
})
