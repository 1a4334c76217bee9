/** Who waits for whom: dependencies between GitRepositories, and why one is not ready yet. Pure. */
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { ANNOTATION_ROLLBACK, parseRollback } from "../domain/rollback.ts"
import { conditionOf, type RepositoryStatus } from "../domain/status.ts"

export interface Row {
  readonly uid: string
  readonly generation: number
  /** `namespace/name` of each. */
  readonly dependsOn: ReadonlyArray<string>
  /** What it follows: equal texts follow the same commits. */
  readonly source: string
  /** The commit that it was told to go back to: others need not follow there. */
  readonly pin: string | undefined
  readonly wait: boolean
  readonly dryRun: boolean
  readonly status: RepositoryStatus
}

/** By `namespace/name`. */
export type Rows = ReadonlyMap<string, Row>

export interface Problem {
  /** `namespace/name` of the dependency. */
  readonly on: string
  /** In a few words that stay the same while nothing changes. */
  readonly why: string
  /** What it says of itself, where that does not change by waiting. */
  readonly detail: string
  /** It is content with another commit of the same repository: it has to look. */
  readonly isBehind: boolean
  /** That commit, where it is behind. */
  readonly at?: string | undefined
}

export const dependenciesOf = ({ metadata, spec }: GitRepository): ReadonlyArray<string> =>
  (spec.dependsOn ?? []).map((name) => `${metadata.namespace}/${name}`)

export const rowOf = (repository: GitRepository, status: RepositoryStatus): Row => {
  const { metadata, spec } = repository
  const { url, branch, ref } = spec
  return {
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    dependsOn: dependenciesOf(repository),
    source: JSON.stringify(ref === undefined ? { url, branch } : { url, ref }),
    pin: parseRollback(metadata.annotations?.[ANNOTATION_ROLLBACK] ?? "")?.to,
    wait: spec.wait,
    dryRun: spec.dryRun,
    status,
  }
}

const named = (key: string): string => key.slice(key.indexOf("/") + 1)

/** Why it is not ready: Ready has to be True, and about the spec as it is now. */
const unready = ({
  generation,
  status,
  wait,
  dryRun,
}: Row): readonly [why: string, detail: string] | undefined => {
  const ready = conditionOf(status, "Ready")
  const healthy = conditionOf(status, "Healthy")
  if (dryRun) return ["only runs dry", ""]
  if (ready === undefined) return ["has not been synced yet", ""]
  if (ready.observedGeneration !== generation) return ["has not synced its newest spec yet", ""]
  if (ready.status !== "True")
    return [`is not ready (${ready.reason})`, ready.status === "False" ? ready.message : ""]
  return wait && healthy?.status !== "True" ? ["is not healthy yet", ""] : undefined
}

const problem = (rows: Rows, me: Row, on: string, sha: string): Problem | undefined => {
  const row = rows.get(on)
  const name = named(on)
  if (row === undefined) return { on, why: `${name} does not exist`, detail: "", isBehind: false }
  const [why, detail] = unready(row) ?? []
  const isSame = row.source === me.source && !row.dryRun && me.pin !== sha
  const at = row.status.lastSyncedCommit
  const isLeft = row.status.rollback?.from === sha
  const isBehind = isSame && at !== sha && !isLeft
  if (why !== undefined) return { on, why: `${name} ${why}`, detail: detail ?? "", isBehind, at }
  if (isSame && isLeft)
    return { on, why: `${name} was rolled back from ${sha.slice(0, 7)}`, detail: "", isBehind, at }
  if (!isBehind) return undefined
  return { on, why: `${name} has not applied ${sha.slice(0, 7)} yet`, detail: "", isBehind, at }
}

/** What keeps a commit of a repository from being synced; empty: nothing. */
export const problemsOf = (rows: Rows, key: string, sha: string): ReadonlyArray<Problem> => {
  const me = rows.get(key)
  return (me?.dependsOn ?? []).flatMap((on) => (me && problem(rows, me, on, sha)) ?? [])
}

/** The circle that leads from a repository back to itself, with it at both ends; the shortest one. */
export const circleOf = (rows: Rows, key: string): ReadonlyArray<string> | undefined => {
  const from = new Map<string, string>()
  const queue = [key]
  for (const at of queue) {
    for (const next of rows.get(at)?.dependsOn ?? []) {
      if (from.has(next)) continue
      from.set(next, at)
      queue.push(next)
    }
    if (from.has(key)) break
  }
  if (!from.has(key)) return undefined
  const circle = [key]
  for (let at = from.get(key); at !== undefined && at !== key; at = from.get(at)) circle.unshift(at)
  return [key, ...circle]
}

/** `a -> b -> a` */
export const circleText = (circle: ReadonlyArray<string>): string => circle.map(named).join(" -> ")

/** Whether anybody depends on it. */
export const isNeeded = (rows: Rows, key: string): boolean =>
  [...rows.values()].some(({ dependsOn }) => dependsOn.includes(key))

/** What keeps a commit waiting, told so that equal texts need no second look. */
export const standOf = (rows: Rows, key: string, sha: string): string => {
  const circle = circleOf(rows, key)
  if (circle !== undefined) return circleText(circle)
  return problemsOf(rows, key, sha)
    .map(({ why, isBehind, at }) => (isBehind ? `${why} (it has ${at})` : why))
    .join("; ")
}

/** `namespace/name` of one that is known. */
export const isKnown = (rows: Rows, repository: GitRepository): boolean =>
  rows.get(keyOf(repository))?.uid === repository.metadata.uid
