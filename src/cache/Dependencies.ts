/** Dependencies between the GitRepositories of this controller: who has to wait, and who is woken when that is over. */
import { Context, Layer, Result } from "effect"
import { ConfigError } from "../domain/errors.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import {
  circleOf,
  circleText,
  isKnown,
  isNeeded,
  type Problem,
  problemsOf,
  type Row,
  rowOf,
  standOf,
} from "./readiness.ts"

/** Nobody waits by asking: this only bounds what a lost wake could cost. Milliseconds. */
const LOOK_AGAIN = 10 * 60_000
const MAX_DETAIL = 300

export interface Wanted {
  /** The commit that is to be applied. */
  readonly sha: string
  /** This spec of this commit was applied before: what depends on it then goes on. */
  readonly isApplied: boolean
  /** The commit is the one that was applied last, whatever Git has now. */
  readonly isOld: boolean
}

/** `asksGit`: others of the same source are at another commit, which its mirror may not have. */
export type Wake = (asksGit: boolean) => void

/** Every method is synchronous. Keys are `namespace/name`. */
export class Dependencies extends Context.Service<
  Dependencies,
  {
    /** It has a worker; `wake` makes that worker look again. Called again for every new spec. */
    readonly register: (repository: GitRepository, wake: Wake) => void
    /** It is gone. */
    readonly drop: (key: string) => void
    /** Its newest status: who waited for it is woken. */
    readonly told: (key: string, status: RepositoryStatus) => void
    /** Whether all that it depends on is ready for this commit; who is not is waited for from now on. */
    readonly check: (repository: GitRepository, wanted: Wanted) => Result.Result<void, ConfigError>
    /** Whether anybody depends on it. */
    readonly isNeeded: (key: string) => boolean
  }
>()("nopea/cache/Dependencies") {}

interface Waiting {
  readonly sha: string
  stand: string
}

const inCircle = (key: string, circle: ReadonlyArray<string>): ConfigError =>
  new ConfigError({
    code: "NOPEA-C051",
    operation: "sync",
    subject: key,
    reason: `spec.dependsOn leads in a circle: ${circleText(circle)}`,
    fix: "remove one of these dependencies: nobody in a circle can be first",
    disposition: "wait",
    retryAfter: LOOK_AGAIN,
  })

const notReady = (
  key: string,
  sha: string,
  problems: readonly [Problem, ...ReadonlyArray<Problem>],
): ConfigError => {
  const why = problems.map(({ why, detail }) =>
    detail === "" ? why : `${why}: ${detail.slice(0, MAX_DETAIL).toWellFormed()}`,
  )
  const [namespace, name] = problems[0].on.split("/")
  return new ConfigError({
    code: "NOPEA-C050",
    operation: "sync",
    subject: key,
    reason: `${sha.slice(0, 7)} waits for what it depends on: ${why.join("; ")}`,
    fix: `see what it says: kubectl describe gitrepository ${name} -n ${namespace}; what was applied before stays`,
    disposition: "wait",
    retryAfter: LOOK_AGAIN,
  })
}

const make = () => {
  const rows = new Map<string, Row>()
  const wakes = new Map<string, Wake>()
  const waiting = new Map<string, Waiting>()
  /** Whose status was told by this process: newer than any that is read. */
  const heard = new Set<string>()

  const wake = (key: string, asksGit: boolean): void => wakes.get(key)?.(asksGit)

  /** Only whose answer has changed looks again. */
  const wakeWaiting = (): void => {
    for (const [key, row] of waiting) {
      const stand = standOf(rows, key, row.sha)
      if (stand === row.stand) continue
      row.stand = stand
      wake(
        key,
        problemsOf(rows, key, row.sha).some(({ isBehind }) => isBehind),
      )
    }
  }

  /** Members of a new circle learn of it, and who is needed from now on finds out how healthy it is. */
  const wakeLinked = (key: string, before: Row | undefined): void => {
    const { dependsOn = [] } = rows.get(key) ?? {}
    const added = dependsOn.filter((on) => before?.dependsOn.includes(on) !== true)
    const circle = added.length === 0 ? undefined : circleOf(rows, key)
    const members = (circle ?? []).filter((member) => member !== key && !waiting.has(member))
    for (const one of new Set([...added, ...members])) wake(one, false)
  }

  const register = (repository: GitRepository, wakeUp: Wake): void => {
    const key = keyOf(repository)
    const before = isKnown(rows, repository) ? rows.get(key) : undefined
    if (before === undefined) heard.delete(key)
    const status = heard.has(key) ? before?.status : repository.status
    rows.set(key, rowOf(repository, status ?? {}))
    wakes.set(key, wakeUp)
    wakeLinked(key, before)
    wakeWaiting()
  }

  const drop = (key: string): void => {
    for (const table of [rows, wakes, waiting, heard]) table.delete(key)
    wakeWaiting()
  }

  const told = (key: string, status: RepositoryStatus): void => {
    const row = rows.get(key)
    if (row === undefined) return
    heard.add(key)
    rows.set(key, { ...row, status })
    wakeWaiting()
  }

  const check = (repository: GitRepository, wanted: Wanted): Result.Result<void, ConfigError> => {
    const key = keyOf(repository)
    const known = waiting.get(key)
    const sha = wanted.isOld && known !== undefined ? known.sha : wanted.sha
    const circle = circleOf(rows, key)
    const isFree = wanted.isApplied && !(wanted.isOld && known !== undefined)
    const [first, ...others] = isFree ? [] : problemsOf(rows, key, sha)
    if (circle === undefined && first === undefined) {
      waiting.delete(key)
      return Result.void
    }
    waiting.set(key, { sha, stand: standOf(rows, key, sha) })
    if (circle !== undefined) return Result.fail(inCircle(key, circle))
    if (first === undefined) return Result.void
    for (const { on, isBehind } of [first, ...others]) if (isBehind) wake(on, true)
    return Result.fail(notReady(key, sha, [first, ...others]))
  }

  return Dependencies.of({
    register,
    drop,
    told,
    check,
    isNeeded: (key) => isNeeded(rows, key),
  })
}

export const layer: Layer.Layer<Dependencies> = Layer.sync(Dependencies, make)
