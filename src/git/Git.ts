/** Port 1: the Git repository. Every operation is bounded, cancellable, and isolated to its own process. */
import { Context, type Duration, type Effect } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { BlobId, Commit, CommitId, GitSource, TreeEntry } from "../domain/source.ts"
import type { TrustedKey } from "./signature.ts"

export class Git extends Context.Service<
  Git,
  {
    /**
     * The branch head at the server, without fetching. Callers that share a mirror share the question:
     * an answer not older than `maxAge` is given again.
     */
    readonly lsRemote: (
      source: GitSource,
      maxAge: Duration.Duration,
    ) => Effect.Effect<CommitId, GitError>
    /**
     * Fetches the branch head and the blobs below `path` into the shared mirror. A commit without anything at
     * `path` is fetched too: `files` then says so. A broken or oversized mirror is made anew within the call.
     */
    readonly sync: (source: GitSource, path: string) => Effect.Effect<Commit, GitError>
    /** The commit the mirror last fetched for this branch; no network. `undefined`: nothing yet. */
    readonly head: (source: GitSource) => Effect.Effect<Commit | undefined, GitError>
    /** Fails unless one of these keys signed the commit, which was fetched. Asks no server. */
    readonly verify: (
      source: GitSource,
      commit: CommitId,
      trusted: ReadonlyArray<TrustedKey>,
    ) => Effect.Effect<void, GitError>
    /**
     * All entries below `path` (recursive, sorted by the path's bytes), submodules and symbolic links among
     * them. Fails where `path` is no directory. Fetches the head once where the mirror lacks `commit`.
     */
    readonly files: (
      source: GitSource,
      commit: CommitId,
      path: string,
    ) => Effect.Effect<ReadonlyArray<TreeEntry>, GitError>
    /** Bytes of the named blobs, which belong to `commit`. Fetches what the mirror lacks. */
    readonly read: (
      source: GitSource,
      commit: CommitId,
      blobs: ReadonlyArray<BlobId>,
    ) => Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, GitError>
  }
>()("nopea/git/Git") {}
