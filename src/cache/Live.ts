/** The live side of the inventory: what the cluster holds of a repository's objects, metadata only. */
import { Context, type Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { GroupKind, ObjectKey } from "../domain/object.ts"
import type { Baseline, LiveObject } from "../plan/live.ts"

export interface LiveSnapshot {
  readonly objects: ReadonlyMap<ObjectKey, LiveObject>
  /** Kinds (`group/kind`) that could not be listed whole: nothing of them may be pruned or counted as deleted. */
  readonly unknown: ReadonlySet<string>
}

export interface LiveQuery {
  /** `namespace/name` of the GitRepository. */
  readonly repository: string
  /** Kinds that may hold objects of it: of the inventory and of the commit. They are watched until others are named. */
  readonly kinds: ReadonlyArray<GroupKind>
  /**
   * - `listed`: ask the API server anew
   * - `fresh`: a watch that gave a sign of life in the last two minutes suffices, else it is listed
   * - `known`: what is kept suffices, kinds never listed are listed
   */
  readonly freshness: "listed" | "fresh" | "known"
  /** A look only: by it no watch begins or ends. */
  readonly isPassing?: true
  /** In whose name Secrets and what the controller itself may not list are listed. */
  readonly caller: { readonly budget: string; readonly impersonate?: string }
  /** Where that caller may look for them, if not everywhere: then objects of other namespaces are not seen. */
  readonly namespaces: ReadonlyArray<string>
}

/** What a sync found about one object's ownership of its fields. */
export interface Settled extends Baseline {
  readonly key: ObjectKey
  readonly uid: string
}

/** An object of a repository has this version now; `""`: it is gone. */
export type Changed = (key: ObjectKey, resourceVersion: string) => void

export class Live extends Context.Service<
  Live,
  {
    readonly snapshot: (query: LiveQuery) => Effect.Effect<LiveSnapshot, KubeError>
    /** Keeps the answer to one of our own writes, unless something newer is known. */
    readonly record: (repository: string, live: LiveObject) => Effect.Effect<void>
    readonly forget: (repository: string, key: ObjectKey) => Effect.Effect<void>
    /** While one of our own writes is under way, events of that object wake nobody; what is left to tell is told after it. */
    readonly writing: (
      repository: string,
      key: ObjectKey,
    ) => <A, E, R>(write: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    readonly settle: (repository: string, rows: ReadonlyArray<Settled>) => Effect.Effect<void>
    /** `wake` is called when somebody else changed, deleted or released an object of it. Synchronous. */
    readonly register: (repository: string, wake: () => void) => void
    /** `changed` hears of every new version, also where only the status changed; absent: no longer. Synchronous. */
    readonly follow: (repository: string, changed?: Changed) => void
    /** Whether new versions of this kind are told. */
    readonly isWatched: (kind: GroupKind) => boolean
    /** Everything of a repository whose worker is gone for good. */
    readonly drop: (repository: string) => Effect.Effect<void>
  }
>()("nopea/cache/Live") {}
