/** One metadata watch per applied kind, for all repositories: begun and ended here, told to the store. */
import { Duration, Effect, FiberMap, Latch, type Scope, Stream } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind } from "../domain/object.ts"
import { informDistilled } from "../kube/Informer.ts"
import type { Caller, Kube, ResourceType } from "../kube/Kube.ts"
import type { InformerEvent } from "../kube/watch.ts"
import { LABEL_REPOSITORY } from "../plan/live.ts"
import { survive } from "../supervisor/Survive.ts"
import type { Followers } from "./Followers.ts"
import type { LiveStore } from "./LiveStore.ts"
import { isSameType, type Seen, seenAs, type WatchView } from "./liveRows.ts"

const CALLER: Caller = { budget: "controller" }
/** Between two attempts of a watch that crashed. */
const PAUSE = Duration.seconds(5)

export interface KindWatch {
  readonly type: ResourceType
  /** Open once it was listed, or cannot be. */
  readonly ready: Latch.Latch
  /** Repositories whose objects were dropped since the last list. */
  readonly dropped: Set<string>
  isSynced: boolean
  trouble: KubeError | undefined
  sign: number
  /** Code of the trouble that was said. */
  told: string | undefined
}

export const viewOf = (watch: KindWatch, repository: string): WatchView => ({
  isSynced: watch.isSynced,
  isWhole: !watch.dropped.has(repository),
  trouble: watch.trouble?.status,
  sign: watch.sign,
})

const named = ({ type }: KindWatch) =>
  Effect.annotateLogs({ resource: formatGroupKind(type), version: type.version })

const tellTrouble = (watch: KindWatch, { code, message, fix }: KubeError): Effect.Effect<void> =>
  Effect.logWarning("a kind cannot be watched; reconciles list it, and drift is found then").pipe(
    Effect.annotateLogs({ code, reason: message, fix }),
    named(watch),
  )

/** The same trouble is told once, until it is over. */
const troubled = (watch: KindWatch, error: KubeError): Effect.Effect<void> => {
  const isNews = watch.told !== error.code
  watch.trouble = error
  watch.told = error.code
  watch.ready.openUnsafe()
  return isNews ? tellTrouble(watch, error) : Effect.void
}

/** A list says nothing for a watch that is refused. */
const isOver = ({ told, trouble }: KindWatch, { type }: InformerEvent<Seen>): boolean =>
  told !== undefined && (type !== "synced" || trouble?.operation !== "watch")

const alive = Effect.fnUntraced(function* (watch: KindWatch, event: InformerEvent<Seen>) {
  watch.sign = yield* elapsedMillis
  if (!isOver(watch, event)) return
  watch.trouble = undefined
  watch.told = undefined
  yield* Effect.logInfo("a kind is watched again").pipe(named(watch))
})

const tellFollowers = (followers: Followers, event: InformerEvent<Seen>): void => {
  if (event.type === "applied") followers.applied(event.object)
  if (event.type === "deleted") followers.deleted(event.object)
  if (event.type === "synced") for (const seen of event.objects) followers.applied(seen)
}

const keep = (store: LiveStore, watch: KindWatch, event: InformerEvent<Seen>): void => {
  if (event.type === "applied") store.applied(event.object)
  if (event.type === "deleted") store.deleted(event.object)
  if (event.type !== "synced") return
  const { objects: items, resourceVersion } = event
  store.synced(formatGroupKind(watch.type), { items, resourceVersion })
  watch.dropped.clear()
  watch.isSynced = true
  watch.ready.openUnsafe()
}

export interface KindWatches {
  readonly get: (kind: string) => KindWatch | undefined
  readonly kinds: () => ReadonlyArray<string>
  /** Begins it; anew where the kind is served otherwise than before, or again. */
  readonly ensure: (type: ResourceType) => KindWatch
  readonly end: (kind: string) => Effect.Effect<void>
  readonly dropped: (repository: string) => void
}

/** They end with the scope. */
export const makeKindWatches = (
  store: LiveStore,
  followers: Followers,
): Effect.Effect<KindWatches, never, Kube | Scope.Scope> =>
  Effect.gen(function* () {
    const fibers = yield* FiberMap.make<string>()
    const fork = yield* FiberMap.runtime(fibers)<Kube>()
    const watches = new Map<string, KindWatch>()

    const isCurrent = (watch: KindWatch): boolean =>
      watches.get(formatGroupKind(watch.type)) === watch

    const take = (watch: KindWatch, event: InformerEvent<Seen>): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (!isCurrent(watch)) return Effect.void
        if (event.type === "failed") return troubled(watch, event.error)
        const keeping = Effect.sync(() => {
          keep(store, watch, event)
          tellFollowers(followers, event)
        })
        return Effect.andThen(alive(watch, event), keeping)
      })

    const run = (watch: KindWatch) => {
      const { type } = watch
      const wanted = { caller: CALLER, type, labelSelector: LABEL_REPOSITORY }
      const distilled = { keep: seenAs(type), versionOf: ({ live }: Seen) => live.resourceVersion }
      const told = informDistilled(wanted, distilled)
      const once = survive(
        `the watch of ${formatGroupKind(type)}`,
        Stream.runForEach(told, (event) => take(watch, event)),
      )
      return Effect.forever(Effect.andThen(once, Effect.sleep(PAUSE)))
    }

    const ensure = (type: ResourceType): KindWatch => {
      const kind = formatGroupKind(type)
      const old = watches.get(kind)
      const isFit = old !== undefined && isSameType(old.type, type) && old.trouble?.status !== 404
      if (isFit) return old
      const watch: KindWatch = {
        type,
        ready: Latch.makeUnsafe(false),
        dropped: new Set(),
        isSynced: false,
        trouble: undefined,
        sign: Number.NEGATIVE_INFINITY,
        told: old?.told,
      }
      watches.set(kind, watch)
      old?.ready.openUnsafe()
      fork(kind, run(watch))
      return watch
    }

    return {
      get: (kind) => watches.get(kind),
      kinds: () => [...watches.keys()],
      ensure,
      end: (kind) =>
        Effect.suspend(() => {
          watches.get(kind)?.ready.openUnsafe()
          watches.delete(kind)
          return FiberMap.remove(fibers, kind)
        }),
      dropped: (repository) => {
        for (const { dropped } of watches.values()) dropped.add(repository)
      },
    }
  })
