/** Where a worker tells what happened; status, Kubernetes Events and logs are made from it. */
import { Context, type Effect, type Result } from "effect"
import type { KubeError, SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { GitRepository } from "../domain/repository.ts"
import type { Trigger } from "../domain/trigger.ts"
import type { View } from "../health/view.ts"

export interface SyncReport {
  readonly repository: GitRepository
  readonly trigger: Trigger
  readonly syncId: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly outcome: Result.Result<SyncOutcome, SyncError>
  /** Milliseconds until the worker tries again by itself; absent: it waits for a trigger. */
  readonly retryIn?: number
}

export interface HealthReport {
  readonly repository: GitRepository
  /** What was applied; absent, with the view: nobody wants to know any longer. */
  readonly commit?: string
  readonly view?: View
}

export class Reporter extends Context.Service<
  Reporter,
  {
    /** A sync runs long enough that people should see `Syncing`. */
    readonly syncing: (
      repository: GitRepository,
      trigger: Trigger,
      syncId: string,
    ) => Effect.Effect<void>
    readonly finished: (report: SyncReport) => Effect.Effect<void>
    /** What somebody saw who looked at the health of what was applied. */
    readonly health: (report: HealthReport) => Effect.Effect<void>
    readonly suspended: (repository: GitRepository) => Effect.Effect<void>
    /** A worker crashed; `cause` is already free of secrets. */
    readonly crashed: (
      repository: GitRepository,
      cause: string,
      restartIn: number,
    ) => Effect.Effect<void>
    /** Writes `status.inventoryKinds` and returns when it is stored: before the first object of a new kind. */
    readonly announceKinds: (
      repository: GitRepository,
      kinds: ReadonlyArray<string>,
    ) => Effect.Effect<void, KubeError>
    /** The GitRepository itself cannot be decoded. `name` has `namespace`, `name`, `uid`. */
    readonly rejected: (
      name: { readonly namespace: string; readonly name: string; readonly uid: string },
      generation: number,
      error: SyncError,
    ) => Effect.Effect<void>
  }
>()("nopea/report/Reporter") {}
