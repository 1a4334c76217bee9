/** Out of the mirror, without network: commits, listings, blobs. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit, TreeEntry } from "../domain/source.ts"
import { batchArguments, lines, presenceArguments, treeArguments } from "./commands.ts"
import { isFault } from "./failure.ts"
import { type Finished, textOf } from "./GitProcess.ts"
import { type Batch, parseBatch, parseCommit, parseTree } from "./protocol.ts"
import type { Session } from "./Remote.ts"

/** A look into a sound mirror fails only over an object that is not there. */
const misread = (session: Session, finished: Finished): GitError => {
  const error = session.failOf(finished)
  return isFault(error, "gone") ? error : session.fail("corrupted", error.reason)
}

const batch = Effect.fnUntraced(function* (
  session: Session,
  names: Iterable<string>,
  maxBytes?: number,
): Effect.fn.Return<Batch, GitError> {
  const finished = yield* session.read({
    args: batchArguments,
    stdin: lines(names),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  })
  if (finished.code !== 0) return yield* misread(session, finished)
  const parsed = parseBatch(finished.stdout)
  if (!parsed.isWhole) return yield* session.fail("corrupted", "git's answer broke off")
  return parsed
})

/** The commit that the mirror last fetched for this branch. */
export const head = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<Commit | undefined, GitError> {
  if (!existsSync(join(session.mirror.folder, session.mirrorRef))) return undefined
  const { objects } = yield* batch(session, [session.mirrorRef])
  const [found] = objects
  if (found === undefined) return yield* session.fail("corrupted", "the branch's commit is missing")
  return parseCommit(...found)
})

/** `undefined`: the commit holds nothing below `path`. */
export const listing = Effect.fnUntraced(function* (
  session: Session,
  treeish: string,
  path: string,
): Effect.fn.Return<ReadonlyArray<TreeEntry> | undefined, GitError> {
  const finished = yield* session.read({ args: treeArguments(treeish, path), maxBytes: 2 ** 27 })
  if (finished.code !== 0) return yield* misread(session, finished)
  const entries = parseTree(textOf(finished))
  if (Result.isFailure(entries)) {
    return yield* session.fail("pathRefused", `the commit holds ${entries.failure}`)
  }
  return entries.success.length === 0 && path !== "" ? undefined : entries.success
})

/** Those that the mirror lacks. */
export const absent = Effect.fnUntraced(function* (
  session: Session,
  blobs: ReadonlyArray<BlobId>,
): Effect.fn.Return<ReadonlyArray<BlobId>, GitError> {
  if (blobs.length === 0) return []
  const finished = yield* session.read({
    args: presenceArguments,
    stdin: lines(new Set(blobs)),
    maxBytes: 2 ** 27,
  })
  if (finished.code !== 0) return yield* misread(session, finished)
  return textOf(finished)
    .split("\n")
    .flatMap((line) => (line.endsWith(" missing") ? [line.slice(0, -" missing".length)] : []))
})

/** What is there of the named blobs, and the names of the others. */
export const present = (
  session: Session,
  blobs: Iterable<BlobId>,
  maxBytes: number,
): Effect.Effect<Batch, GitError> => batch(session, blobs, maxBytes)
