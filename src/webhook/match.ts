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

/** Repositories by the place that their URL names. */
export type Places = ReadonlyMap<string, ReadonlyArray<GitRepository>>

/** `keyOf`: `cloneKey`, as it may be kept. */
export const placesOf = (repositories: ReadonlyArray<GitRepository>, keyOf = cloneKey): Places => {
  const places = new Map<string, Array<GitRepository>>()
  for (const repository of repositories) {
    const place = keyOf(repository.spec.url)
    if (place === undefined) continue
    const there = places.get(place)
    if (there === undefined) places.set(place, [repository])
    else there.push(repository)
  }
  return places
}

/** Of two changes of one ref the later counts. */
export const matchPush = (push: Push, places: Places, keyOf = cloneKey): Match => {
  const told = new Set<string>()
  for (const url of push.urls) told.add(keyOf(url) ?? "")
  const changes = new Map<string, RefChange>()
  for (const change of push.refs) changes.set(change.ref, change)
  let known = 0
  const concerned: Array<Concerned> = []
  for (const place of told) {
    for (const repository of places.get(place) ?? []) {
      known += 1
      const change = followed(repository.spec, changes)
      if (change?.commit) concerned.push({ repository, commit: change.commit })
      else if (change !== undefined) concerned.push({ repository })
    }
  }
  return { known, concerned }
}
