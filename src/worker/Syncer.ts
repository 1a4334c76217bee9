/** What a worker runs: one whole sync of one repository. Live side: `Sync.ts`. */
import { Context, type Effect } from "effect"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import type { GitRepository } from "../domain/repository.ts"
import type { Trigger } from "../domain/trigger.ts"

export interface SyncRequest {
  readonly repository: GitRepository
  readonly trigger: Trigger
  /** Kept by logs, spans, events and history: a ULID. */
  readonly syncId: string
}

export class Syncer extends Context.Service<
  Syncer,
  {
    /** Bounded by `spec.timeout`; interruption leaves nothing running. */
    readonly run: (request: SyncRequest) => Effect.Effect<SyncOutcome, SyncError>
  }
>()("nopea/worker/Syncer") {}
