/** What a worker needs to know the health of its objects. Live side: `CheckupLive.ts`; without it nobody asks. */
import { Context, Effect } from "effect"
import type { Changed } from "../cache/Live.ts"
import type { GroupKind, ObjectKey, ObjectRef } from "../domain/object.ts"
import type { GitRepository } from "../domain/repository.ts"
import type { Reading } from "../health/watching.ts"

export interface CheckupShape {
  /** Whether anybody wants to know the health of this repository. */
  readonly isWanted: (repository: GitRepository) => boolean
  /** The whole object, in the name of the repository's account; `undefined`: it could not be asked now. */
  readonly read: (repository: GitRepository, ref: ObjectRef) => Effect.Effect<Reading | undefined>
  /** Objects of one kind in one namespace with one list; who is not in the answer is to be read. `undefined`: no list. */
  readonly readMany: (
    repository: GitRepository,
    refs: ReadonlyArray<ObjectRef>,
  ) => Effect.Effect<ReadonlyMap<ObjectKey, Reading> | undefined>
  /** Hears of every new version of its objects; absent: no longer. Synchronous. */
  readonly follow: (repository: string, changed?: Changed) => void
  /** Whether new versions of this kind are told. */
  readonly isWatched: (kind: GroupKind) => boolean
}

export const Checkup: Context.Reference<CheckupShape> = Context.Reference<CheckupShape>(
  "nopea/worker/Checkup",
  {
    defaultValue: () => ({
      isWanted: () => false,
      read: () => Effect.undefined,
      readMany: () => Effect.undefined,
      follow: () => undefined,
      isWatched: () => false,
    }),
  },
)
