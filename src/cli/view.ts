/** A GitRepository as the command line reads it: also one of an older or newer definition. */
import type { KubeObject } from "../domain/object.ts"
import { readableStatus } from "../domain/repository.ts"
import { conditionOf, type RepositoryStatus } from "../domain/status.ts"

export interface View {
  readonly namespace: string
  readonly name: string
  readonly created: string | undefined
  readonly annotations: Readonly<Record<string, string>>
  readonly generation: number | undefined
  readonly spec: Readonly<Record<string, unknown>>
  readonly status: RepositoryStatus
  /** As the API server sent it. */
  readonly object: KubeObject
}

export const viewOf = (object: KubeObject): View => {
  const { namespace = "", name, creationTimestamp, annotations = {}, generation } = object.metadata
  return {
    namespace,
    name,
    created: creationTimestamp,
    annotations,
    generation,
    spec: (object["spec"] ?? {}) as View["spec"],
    status: readableStatus(object["status"] ?? {}),
    object,
  }
}

/** By namespace, then name. */
export const inOrder = (views: ReadonlyArray<View>): ReadonlyArray<View> =>
  views.toSorted((a, b) => (`${a.namespace}\n${a.name}` < `${b.namespace}\n${b.name}` ? -1 : 1))

export const textOf = ({ spec }: View, field: string, fallback = ""): string =>
  typeof spec[field] === "string" || typeof spec[field] === "number"
    ? String(spec[field])
    : fallback

export const isSuspended = ({ spec }: View): boolean => spec["suspend"] === true

/** What the repository follows: `branch main`, `tag v1`, `semver 1.x`, `commit 4f1c2ab`. */
export const following = (view: View): string => {
  const [kind, value] = Object.entries((view.spec["ref"] ?? {}) as Record<string, string>)[0] ?? []
  if (kind === undefined) return `branch ${textOf(view, "branch", "main")}`
  return `${kind} ${kind === "commit" ? short(value) : value}`
}

/** Nothing was written about the spec in force yet. */
export const isUnseen = ({ generation, status }: View): boolean =>
  generation !== undefined && (status.observedGeneration ?? 0) < generation

export const phaseOf = ({ status }: View): string => status.phase ?? "Pending"

export const messageOf = ({ status }: View): string => conditionOf(status, "Ready")?.message ?? ""

/** The commit whose deletes wait for an approval. */
export const heldPrune = ({ status }: View): string | undefined =>
  conditionOf(status, "Ready")?.reason === "PruneHeld" ? status.lastAttemptedCommit : undefined

export const short = (sha: string | undefined): string => sha?.slice(0, 7) ?? "-"
