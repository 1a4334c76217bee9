/** Who else hears what is reported, with the status that came of it: metrics, CDEvents. */
import { Context, Effect } from "effect"
import type { GitRepository } from "../domain/repository.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import type { Trigger } from "../domain/trigger.ts"
import type { DriftNews } from "./news.ts"
import type { SyncReport } from "./Reporter.ts"

/** The GitRepository cannot be read, so there is no more of it than its key. */
export interface Rejected {
  readonly what: "rejected"
  readonly key: string
}

/** Milliseconds since the epoch in `at`. `before`, `after`: the status. */
export type HeardOf =
  | {
      readonly what: "syncing"
      readonly repository: GitRepository
      readonly trigger: Trigger
      readonly syncId: string
      readonly before: RepositoryStatus
      /** Phase `Syncing` where somebody waits to see it begin. */
      readonly after: RepositoryStatus
      readonly at: number
    }
  | (SyncReport & {
      readonly what: "finished"
      readonly before: RepositoryStatus
      readonly after: RepositoryStatus
      /** Where the sync got as far as to have an outcome. */
      readonly news?: DriftNews
      readonly at: number
    })
  | {
      /** `health`: somebody looked at what was applied. */
      readonly what: "crashed" | "suspended" | "health"
      readonly repository: GitRepository
      /** Of a crash; free of secrets. */
      readonly cause?: string
      readonly before: RepositoryStatus
      readonly after: RepositoryStatus
      readonly at: number
    }
  | {
      /** Its objects went with the GitRepository. */
      readonly what: "removed"
      readonly repository: GitRepository
      readonly deleted: number
      readonly at: number
    }

export type Heard = HeardOf | Rejected

/** Returns at once and never fails: it must not be in a sync's way. Nobody listens where nobody is given. */
export type Hear = (heard: Heard) => Effect.Effect<void>

export const Audience: Context.Reference<Hear> = Context.Reference<Hear>("nopea/report/Audience", {
  defaultValue: () => () => Effect.void,
})
