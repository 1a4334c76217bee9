/** What of a repository is followed: a branch, a tag, the highest version among the tags, or one commit. */
import type { CommitId, GitSource } from "../domain/source.ts"
import type { Fault } from "./failure.ts"
import { isRefName } from "./url.ts"
import { rangeOf, type Versions } from "./versions.ts"

interface Named {
  /** As a message names it: `branch main`. */
  readonly label: string
  /** Of this repository's sources, equal for those that follow the same. */
  readonly key: string
}

export type Target = Named &
  (
    | { readonly kind: "branch" | "tag"; readonly name: string; readonly ref: string }
    | { readonly kind: "semver"; readonly range: Versions; readonly text: string }
    | { readonly kind: "commit"; readonly ref: CommitId }
  )

/** In messages only: `shown` is for the reader's eyes. */
export const labelOf = ({ branch, ref }: GitSource): string => {
  if (ref?.tag !== undefined) return `tag ${ref.tag}`
  if (ref?.semver !== undefined) return `version ${ref.semver}`
  return ref?.commit === undefined ? `branch ${branch}` : `commit ${ref.commit.slice(0, 12)}`
}

type Refusal = readonly [Fault, string]

const quoted = (text: string): string => JSON.stringify(text.slice(0, 100))

const SHA_256 = "an id of 64 digits is one by SHA-256; name the commit by an id of 40"

/** A branch's key is its name, as it ever was: no name of a branch has a colon. */
export const targetOf = (source: GitSource): Target | Refusal => {
  const { branch, ref } = source
  const label = labelOf(source)
  if (ref?.tag !== undefined) {
    const { tag } = ref
    if (!isRefName(tag)) return ["tagRefused", `${quoted(tag)} is not a valid tag name`]
    return { kind: "tag", label, key: `tag:${tag}`, name: tag, ref: `refs/tags/${tag}` }
  }
  if (ref?.semver !== undefined) {
    const range = rangeOf(ref.semver)
    if (range === undefined) return ["rangeRefused", `${quoted(ref.semver)} is no version range`]
    return { kind: "semver", label, key: `semver:${ref.semver}`, range, text: ref.semver }
  }
  if (ref?.commit !== undefined) {
    const { commit } = ref
    if (!isObjectId(commit)) return ["commitMissing", `${quoted(commit)} is no commit's full id`]
    if (commit.length > 40) return ["unsupported", SHA_256]
    return { kind: "commit", label, key: `commit:${commit}`, ref: commit }
  }
  if (!isRefName(branch)) return ["branchRefused", `${quoted(branch)} is not a valid branch name`]
  return { kind: "branch", label, key: branch, name: branch, ref: `refs/heads/${branch}` }
}

export const isObjectId = (id: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/u.test(id)

/** Names of tags by what they are at the server: an annotated tag's commit is at `<ref>^{}`. */
export const tagsOf = (refs: ReadonlyMap<string, CommitId>): ReadonlyMap<string, CommitId> => {
  const tags = new Map<string, CommitId>()
  for (const [ref, id] of refs) {
    if (!ref.startsWith(TAGS)) continue
    const isPeeled = ref.endsWith(PEELED)
    const name = ref.slice(TAGS.length, isPeeled ? -PEELED.length : undefined)
    if (isPeeled || !tags.has(name)) tags.set(name, id)
  }
  return tags
}

const TAGS = "refs/tags/"
const PEELED = "^{}"
