/** The live side of the inventory: what the cluster holds of a repository's objects, metadata only. */
import { Context, type Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { GroupKind, ObjectKey } from "../domain/object.ts"
import type { LiveObject } from "../plan/live.ts"

export interface LiveSnapshot {
  readonly objects: ReadonlyMap<ObjectKey, LiveObject>
  /** Kinds (`group/kind`) that could not be listed whole: nothing of them may be pruned or counted as deleted. */
  readonly unknown: ReadonlySet<string>
}

export interface LiveQuery {
  /** `namespace/name` of the GitRepository. */
  readonly repository: string
  /** Kinds that may hold objects of it: of the inventory and of the commit. */
  readonly kinds: ReadonlyArray<GroupKind>
  /** `listed`: ask the API server anew; `known`: what is kept suffices, kinds never listed are listed. */
  readonly freshness: "listed" | "known"
}

export class Live extends Context.Service<
  Live,
  {
    readonly snapshot: (query: LiveQuery) => Effect.Effect<LiveSnapshot, KubeError>
    /** Keeps the answer to one of our own writes, unless something newer is known. */
    readonly record: (repository: string, live: LiveObject) => Effect.Effect<void>
    readonly forget: (repository: string, key: ObjectKey) => Effect.Effect<void>
    /** Everything of a repository whose worker is gone for good. */
    readonly drop: (repository: string) => Effect.Effect<void>
  }
>()("nopea/cache/Live") {}
