/** Four tables, keyed by `namespace/name`, that outlive workers and are rebuilt from Git and Kubernetes. */
import { Context, Effect, Layer } from "effect"
import type { SyncError } from "../domain/errors.ts"
import type { ObjectKey } from "../domain/object.ts"
import type { Rollback } from "../domain/rollback.ts"
import type { Commit } from "../domain/source.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import type { Memory } from "../plan/evidence.ts"
import * as Claims from "./Claims.ts"
import * as Dependencies from "./Dependencies.ts"

/** The last commit that a sync began to apply, and how that ended. */
export interface Worked {
  readonly commit: Commit
  /** `metadata.generation` it was run for. */
  readonly generation: number
  /** Nothing failed, waited or was held: the same commit needs no second look. */
  readonly clean: boolean
  /** Git had `from` then, and the commit is what was gone back to. */
  readonly rollback?: Rollback
  /** Why the Git server gave no answer since: what it has now is not known. */
  readonly unasked?: SyncError
  /** What a newer commit of this spec waits for: what it wants is said, and nothing of it is applied. */
  readonly waits?: SyncError
  /** No sync of this process: the status tells of it, and the mirror has nothing newer. */
  readonly isRecalled?: true
}

export interface Table<A> {
  readonly get: (repository: string) => Effect.Effect<A | undefined>
  readonly set: (repository: string, value: A) => Effect.Effect<void>
}

export class Cache extends Context.Service<
  Cache,
  {
    readonly commits: Table<Worked>
    /** The status as last written; `get status` is answered from here. */
    readonly states: Table<RepositoryStatus>
    /** `nopea.io/applied` as last written, by object: what is absent though it is here, somebody deleted. */
    readonly applied: Table<ReadonlyMap<ObjectKey, string>>
    /** Drift that was left or healed, so that grace periods and opponents are known. */
    readonly drift: Table<Memory>
    readonly drop: (repository: string) => Effect.Effect<void>
  }
>()("nopea/cache/Cache") {}

/** The least recently written go first: they are rebuilt when they are needed again. */
const table = <A>(limit: number): Table<A> & { readonly drop: (repository: string) => void } => {
  const rows = new Map<string, A>()
  const set = (repository: string, value: A) => {
    rows.delete(repository)
    rows.set(repository, value)
    for (const oldest of rows.keys()) {
      if (rows.size <= limit) return
      rows.delete(oldest)
    }
  }
  return {
    get: (repository) => Effect.sync(() => rows.get(repository)),
    set: (repository, value) => Effect.sync(() => set(repository, value)),
    drop: (repository) => void rows.delete(repository),
  }
}

/** In memory, at most `limit` repositories per table; with the claims and dependencies, which live as long. */
export const layer = (
  limit = 10_000,
): Layer.Layer<Cache | Claims.Claims | Dependencies.Dependencies> =>
  Layer.merge(inMemory(limit), Claims.layer).pipe(Layer.provideMerge(Dependencies.layer))

/** Who waits for a repository learns of its newest status from here. */
const told = (
  states: ReturnType<typeof table<RepositoryStatus>>,
  dependencies: Dependencies.Dependencies["Service"],
): typeof states => ({
  ...states,
  set: (repository, status) =>
    Effect.andThen(
      states.set(repository, status),
      Effect.sync(() => dependencies.told(repository, status)),
    ),
})

const inMemory = (limit: number): Layer.Layer<Cache, never, Dependencies.Dependencies> =>
  Layer.effect(
    Cache,
    Effect.map(Dependencies.Dependencies, (dependencies) => {
      const tables = {
        commits: table<Worked>(limit),
        states: told(table<RepositoryStatus>(limit), dependencies),
        applied: table<ReadonlyMap<ObjectKey, string>>(limit),
        drift: table<Memory>(limit),
      }
      const drop = (repository: string) =>
        Effect.sync(() => {
          for (const rows of Object.values(tables)) rows.drop(repository)
        })
      return Cache.of({ ...tables, drop })
    }),
  )
