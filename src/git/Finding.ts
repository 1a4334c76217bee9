/** Asks the server where it has what is followed, and says what is there instead where it is not. */
import { Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { CommitId } from "../domain/source.ts"
import * as commands from "./commands.ts"
import { isFault } from "./failure.ts"
import { parseLsRemote } from "./protocol.ts"
import type { Command, Session } from "./Session.ts"
import { tagsOf } from "./target.ts"
import { highest } from "./versions.ts"

/** All tags of a server, some 40,000. */
const TAG_BYTES = 2 ** 22

interface Found {
  /** Of the server: what to fetch. */
  readonly ref: string
  readonly commit: CommitId
}

const refsOf = Effect.fnUntraced(function* (
  session: Session,
  command: Command,
): Effect.fn.Return<ReadonlyMap<string, CommitId>, GitError> {
  const { stdout } = yield* session.ask(command)
  return parseLsRemote(stdout.toString())
})

const TAGS: Command = { args: commands.askForTags, maxBytes: TAG_BYTES }

const allTags = (session: Session): Effect.Effect<ReadonlyMap<string, CommitId>, GitError> =>
  Effect.mapError(Effect.map(refsOf(session, TAGS), tagsOf), (error) =>
    isFault(error, "pathTooLarge")
      ? session.fail("tooManyTags", `its tags take more than ${TAG_BYTES} bytes to list`)
      : error,
  )

const some = (names: ReadonlyArray<string>): string =>
  names.length === 0
    ? "there is none"
    : `there is: ${names.slice(0, 5).join(", ")}${names.length > 5 ? `, … ${names.length} in all` : ""}`

const branchMissing = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<never, GitError> {
  const refs = yield* refsOf(session, { args: commands.askForBranches })
  const names = [...refs.keys()].map((ref) => ref.slice("refs/heads/".length))
  if (names.length === 0) return yield* session.fail("emptyRepository", "it has no commit yet")
  return yield* session.fail("branchMissing", `no ${session.target.label} (${some(names)})`)
})

const tagMissing = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<never, GitError> {
  const names = [...(yield* allTags(session)).keys()]
  return yield* session.fail("tagMissing", `no ${session.target.label} (${some(names)})`)
})

/** Why the server did not give what was asked for; where names are missing that is one more question. */
export const missing = (session: Session, error: GitError): Effect.Effect<never, GitError> => {
  const { kind } = session.target
  if (isFault(error, "branchMissing")) {
    return kind === "branch" ? branchMissing(session) : tagMissing(session)
  }
  if (kind !== "commit") return Effect.fail(error)
  const isForbidden = /unadvertised|allow/iu.test(error.reason)
  return Effect.fail(session.fail(isForbidden ? "commitRefused" : "commitMissing", error.reason))
}

const highestTag = Effect.fnUntraced(function* (
  session: Session,
  target: Extract<Session["target"], { readonly kind: "semver" }>,
): Effect.fn.Return<Found, GitError> {
  const tags = yield* allTags(session)
  const tag = highest(tags.keys(), target.range)
  const commit = tag === undefined ? undefined : tags.get(tag)
  if (tag !== undefined && commit !== undefined) return { ref: `refs/tags/${tag}`, commit }
  const reason = `no tag is a version in ${target.text} (${some([...tags.keys()])})`
  return yield* session.fail("versionMissing", reason)
})

/** Where the server has it now, without fetching. */
export const find = Effect.fnUntraced(function* (
  session: Session,
): Effect.fn.Return<Found, GitError> {
  const { target } = session
  if (target.kind === "commit") return { ref: target.ref, commit: target.ref }
  if (target.kind === "semver") return yield* highestTag(session, target)
  const { ref } = target
  if (target.kind === "branch") {
    const commit = (yield* refsOf(session, { args: commands.askFor(ref) })).get(ref)
    return commit === undefined ? yield* branchMissing(session) : { ref, commit }
  }
  const commit = tagsOf(yield* refsOf(session, { args: commands.askForTag(ref) })).get(target.name)
  return commit === undefined ? yield* tagMissing(session) : { ref, commit }
})
