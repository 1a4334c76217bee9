/** The Git side's words: sources, commits, tree entries. */
import type { Redacted } from "effect"

/** Full lower-case hex object id of a commit. */
export type CommitId = string
/** Full lower-case hex object id of a blob: a content hash, so equal ids mean equal bytes. */
export type BlobId = string

/** Keys as in the Secrets that Flux users have. */
export interface GitCredentials {
  readonly username?: string
  readonly password?: Redacted.Redacted
  readonly bearerToken?: Redacted.Redacted
  /** SSH private key, and the `known_hosts` lines that are trusted. */
  readonly identity?: Redacted.Redacted
  readonly knownHosts?: string
  /** PEM of the certificate authorities to trust instead of the system's. */
  readonly caCrt?: string
}

/** What to follow at which server. Two sources with equal url and credentials share one mirror. */
export interface GitSource {
  readonly url: string
  readonly branch: string
  /** Instead of the branch: exactly one of a tag, a range of versions among the tags, and a commit. */
  readonly ref?: {
    readonly tag?: string
    readonly semver?: string
    readonly commit?: CommitId
  }
  readonly credentials: GitCredentials
}

export interface Commit {
  readonly sha: CommitId
  /** First line only. */
  readonly message: string
  /** Author's e-mail address. */
  readonly author: string
  /** RFC 3339, committer's time. */
  readonly time: string
}

/** One entry of `ls-tree -r`, path relative to the repository's root. */
export interface TreeEntry {
  readonly path: string
  readonly blob: BlobId
  readonly mode: "file" | "executable" | "symlink" | "submodule"
}
