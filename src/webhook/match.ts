/** Which repositories a push concerns: same place, and a branch or tag that is followed. */
import type { GitRepository } from "../domain/repository.ts"
import type { RepositorySpec } from "../domain/spec.ts"
import { cloneKey } from "./cloneKey.ts"
import type { Push, RefChange } from "./providers.ts"

export interface Concerned {
  readonly repository: GitRepository
  readonly commit?: string
}

export interface Match {
  /** Repositories at that place, whatever they follow. */
  readonly known: number
  readonly concerned: ReadonlyArray<Concerned>
}

type Followed = Pick<RepositorySpec, "branch" | "ref">

/** What is pushed to what this repository follows. A tag's id may be that of the tag itself, so only a branch hints. */
const followed = (
  { branch, ref }: Followed,
  changes: ReadonlyMap<string, RefChange>,
): Partial<RefChange> | undefined => {
  if (ref === undefined) return changes.get(`refs/heads/${branch}`)
  const isMoved =
    ref.tag !== undefined
      ? changes.has(`refs/tags/${ref.tag}`)
      : ref.semver !== undefined &&
        [...changes.keys()].some((name) => name.startsWith("refs/tags/"))
  return isMoved ? {} : undefined
}

/** `placeOf` of a repository is its URL's `cloneKey`, as it may be kept. Of two changes of one ref the later counts. */
export const matchPush = (
  push: Push,
  repositories: ReadonlyArray<GitRepository>,
  placeOf: (repository: GitRepository) => string | undefined,
): Match => {
  const places = new Set(push.urls.flatMap((url) => cloneKey(url) ?? []))
  const changes = new Map(push.refs.map((change) => [change.ref, change]))
  const known = repositories.filter((repository) => {
    const place = placeOf(repository)
    return place !== undefined && places.has(place)
  })
  const concerned = known.flatMap((repository) => {
    const change = followed(repository.spec, changes)
    if (change === undefined) return []
    return [{ repository, ...(change.commit ? { commit: change.commit } : {}) }]
  })
  return { known: known.length, concerned }
}
