/** Out of the mirror, without network: commits, listings, blobs. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit } from "../domain/source.ts"
import { checkObjects, lines, listTree, readObjects } from "./commands.ts"
import { isFault } from "./failure.ts"
import type { Entries } from "./Mirrors.ts"
import { type Batch, parseBatch, parseCommit, parseTree } from "./protocol.ts"
import type { Command, Session } from "./Session.ts"

const LISTING_BYTES = 2 ** 27

/** A look into a sound mirror fails only over an object that is not there. */
const look = Effect.fnUntraced(function* (
  session: Session,
  command: Command,
): Effect.fn.Return<Buffer, GitError> {
  const finished = yield* session.read(command)
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
  const answer = yield* look(session, { args: readObjects, stdin: lines(names), maxBytes })
  const parsed = parseBatch(answer)
  if (!parsed.isWhole) return yield* session.fail("corrupted", "git's answer broke off")
  return parsed
})

/** The commit that the mirror last fetched for this branch. */
export const head = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<Commit | undefined, GitError> {
  if (!existsSync(join(session.mirror.folder, session.mirrorRef))) return undefined
  const { objects } = yield* present(session, [session.mirrorRef], 2 ** 20)
  const [found] = objects
  if (found === undefined) return yield* session.fail("corrupted", "the branch's commit is missing")
  return parseCommit(...found)
})

export const listing = Effect.fnUntraced(function* (
  session: Session,
  treeish: string,
  path: string,
): Effect.fn.Return<Entries, GitError> {
  const args = listTree(treeish, path)
  const entries = parseTree((yield* look(session, { args, maxBytes: LISTING_BYTES })).toString())
  if (Result.isFailure(entries)) {
    return yield* session.fail("pathRefused", `the commit holds ${entries.failure}`)
  }
  return entries.success.length === 0 && path !== "" ? undefined : entries.success
})

/** Those that the mirror lacks. */
export const absent = Effect.fnUntraced(function* (
  session: Session,
  blobs: ReadonlySet<BlobId>,
): Effect.fn.Return<ReadonlyArray<BlobId>, GitError> {
  if (blobs.size === 0) return []
  const command = { args: checkObjects, stdin: lines(blobs), maxBytes: LISTING_BYTES }
  const answers = (yield* look(session, command)).toString().split("\n")
  return answers.flatMap((line) => (line.endsWith(" missing") ? [line.slice(0, -8)] : []))
})
