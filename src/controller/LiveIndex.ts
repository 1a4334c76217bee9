/** The live index: what repositories name is watched, kept up to date by our own writes, and listed where need be. */
import { Duration, Effect, Layer, type Scope } from "effect"
import { Live, type LiveQuery, type LiveSnapshot } from "../cache/Live.ts"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind, type GroupKind } from "../domain/object.ts"
import { type Discovery, Kube, type ResourceType } from "../kube/Kube.ts"
import { isUnreadable } from "../plan/kinds.ts"
import { Followers } from "./Followers.ts"
import { isFatal, type Lister, listKind, SECRET } from "./KindList.ts"
import { type KindWatches, makeKindWatches, viewOf } from "./KindWatch.ts"
import { LiveStore } from "./LiveStore.ts"
import { type Way, wayOf } from "./liveRows.ts"

const AT_ONCE = 8
/** A first list that takes longer is not waited for. */
const FIRST_LIST = Duration.seconds(10)
/** A kind that is gone or missing is asked for at once; this is for preferred versions. Milliseconds. */
const DISCOVERED_FOR = 60 * 60_000
/** A kind that nobody named for one to two of these is watched no longer. */
const LINGER = Duration.seconds(30)

export interface LiveIndexOptions {
  /** Off: Secrets are listed only, as the repository's account. */
  readonly watchSecrets?: boolean
}

interface Parts extends Lister {
  readonly watches: KindWatches
  /** Kinds of the last snapshot of each repository. */
  readonly named: Map<string, ReadonlySet<string>>
  /** For which repositories a kind was listed whole. */
  readonly listed: Map<string, Set<string>>
  /** When discovery was asked anew last. */
  discoveredAt: number
}

interface Look {
  readonly parts: Parts
  readonly query: LiveQuery
}

const mayWatch = ({ watchSecrets }: Parts, type: ResourceType): boolean =>
  type.verbs.includes("watch") && (watchSecrets || formatGroupKind(type) !== SECRET)

const remember = ({ parts, query }: Look, kind: string, isWhole: boolean): boolean => {
  const repositories = parts.listed.get(kind) ?? new Set()
  parts.listed.set(kind, repositories)
  if (isWhole) repositories.add(query.repository)
  else repositories.delete(query.repository)
  if (isWhole) parts.watches.get(kind)?.dropped.delete(query.repository)
  return isWhole
}

/** Whether the kind is known whole; where it is not, the next look asks again. */
const listed = (look: Look, type: ResourceType): Effect.Effect<boolean, KubeError> =>
  listKind(look.parts, look.query, type).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => !isFatal(error),
      () => Effect.succeed(false),
    ),
    Effect.map((isWhole) => remember(look, formatGroupKind(type), isWhole)),
  )

/** A kind that complete discovery does not have holds nothing; one that could not be read is unknown. */
const absent = Effect.fnUntraced(function* (
  { parts, query }: Look,
  { incomplete }: Discovery,
  kind: GroupKind,
) {
  if (isUnreadable(incomplete, kind.group)) return false
  const name = formatGroupKind(kind)
  parts.listed.delete(name)
  yield* parts.watches.end(name)
  parts.store.clear(name, query.repository)
  return true
})

const wayFor = ({ parts, query }: Look, kind: string): Effect.Effect<Way> =>
  Effect.map(elapsedMillis, (now) => {
    const watch = parts.watches.get(kind)
    const view = watch && viewOf(watch, query.repository)
    const wasListed = parts.listed.get(kind)?.has(query.repository) === true
    return wayOf(query.freshness, view, wasListed, now)
  })

/** A watch that begins here lists after it was asked: that is as new as any list. */
const fetchKind = Effect.fnUntraced(function* (look: Look, type: ResourceType) {
  const { parts, query } = look
  const kind = formatGroupKind(type)
  const before = parts.watches.get(kind)
  const isMeant = !query.isPassing && mayWatch(parts, type)
  const watch = isMeant ? parts.watches.ensure(type) : before
  const isNew = watch !== before
  if (isNew) parts.listed.delete(kind)
  const asked: Look = isNew ? { ...look, query: { ...query, freshness: "fresh" } } : look
  const way = yield* wayFor(asked, kind)
  if (way === "kept") return true
  if (way === "list" || watch === undefined) return yield* listed(look, type)
  yield* Effect.timeoutOption(watch.ready.await, FIRST_LIST)
  return (yield* wayFor(asked, kind)) === "kept" ? true : yield* listed(look, type)
})

/** Asked anew when told to, from time to time, and where a kind is missing or gone: it may have come since. */
const discover = Effect.fnUntraced(function* (
  { parts, query }: Look,
  kinds: ReadonlyMap<string, GroupKind>,
): Effect.fn.Return<Discovery, KubeError> {
  const { kube, watches } = parts
  const now = yield* elapsedMillis
  const isGone = (kind: string) => watches.get(kind)?.trouble?.status === 404
  const isOld = query.freshness === "fresh" && now - parts.discoveredAt > DISCOVERED_FOR
  if (query.freshness !== "listed" && !isOld) {
    const discovery = yield* kube.discovery()
    const isKnown = ([name, kind]: readonly [string, GroupKind]) =>
      discovery.find(kind) !== undefined && !isGone(name)
    if ([...kinds].every(isKnown)) return discovery
  }
  const discovery = yield* kube.discovery("refresh")
  parts.discoveredAt = now
  return discovery
})

const snapshotOf = Effect.fn("LiveIndex.snapshot")(function* (
  parts: Parts,
  query: LiveQuery,
): Effect.fn.Return<LiveSnapshot, KubeError> {
  const kinds = new Map(query.kinds.map((kind) => [formatGroupKind(kind), kind]))
  if (!query.isPassing) parts.named.set(query.repository, new Set(kinds.keys()))
  const look: Look = { parts, query }
  const due = yield* Effect.filter(kinds, ([name]) =>
    Effect.map(wayFor(look, name), (way) => way !== "kept"),
  )
  const isOld = query.freshness === "fresh"
  const discovery = due.length > 0 || isOld ? yield* discover(look, new Map(due)) : undefined
  const fetch = ([name, kind]: readonly [string, GroupKind]) => {
    const type = discovery?.find(kind)
    if (discovery === undefined) return Effect.succeed([])
    const isWhole = type === undefined ? absent(look, discovery, kind) : fetchKind(look, type)
    return Effect.map(isWhole, (yes) => (yes ? [] : [name]))
  }
  const unknown = yield* Effect.forEach(kinds, fetch, { concurrency: AT_ONCE })
  return {
    objects: parts.store.objects(query.repository, kinds.keys()),
    unknown: new Set(unknown.flat()),
  }
})

/** A kind that a sync itself defined is watched from its first object on. */
const watchWritten = (parts: Parts, repository: string, ref: GroupKind): Effect.Effect<void> => {
  const kind = formatGroupKind(ref)
  const isMissing = parts.watches.get(kind) === undefined
  if (!isMissing || !parts.named.get(repository)?.has(kind)) return Effect.void
  const begin = (discovery: Discovery): void => {
    const type = discovery.find(ref)
    if (type !== undefined && mayWatch(parts, type)) parts.watches.ensure(type)
  }
  return Effect.ignore(Effect.map(parts.kube.discovery(), begin))
}

/** Ends watches that nobody needs; not at once, so that one sync without a kind does not list it again. */
const sweeping = ({ watches, named, listed, store }: Parts): Effect.Effect<never> => {
  let idle: ReadonlySet<string> = new Set()
  const sweep = Effect.suspend(() => {
    const wanted = new Set([...named.values()].flatMap((kinds) => [...kinds]))
    const unnamed = watches.kinds().filter((kind) => !wanted.has(kind))
    const over = unnamed.filter((kind) => idle.has(kind))
    idle = new Set(unnamed)
    const end = (kind: string) =>
      Effect.andThen(
        watches.end(kind),
        Effect.sync(() => {
          listed.delete(kind)
          store.discard(kind)
        }),
      )
    return Effect.forEach(over, end, { discard: true })
  })
  return Effect.forever(Effect.andThen(Effect.sleep(LINGER), sweep))
}

const make = ({
  watchSecrets = false,
}: LiveIndexOptions): Effect.Effect<Live["Service"], never, Kube | Scope.Scope> =>
  Effect.gen(function* () {
    const store = new LiveStore()
    const followers = new Followers()
    const parts: Parts = {
      kube: yield* Kube,
      store,
      watches: yield* makeKindWatches(store, followers),
      watchSecrets,
      named: new Map(),
      listed: new Map(),
      discoveredAt: Number.NEGATIVE_INFINITY,
    }
    yield* Effect.forkScoped(sweeping(parts))
    return Live.of({
      snapshot: (query) => snapshotOf(parts, query),
      record: (repository, live) =>
        Effect.suspend(() => {
          store.record(repository, live)
          return watchWritten(parts, repository, live.ref)
        }),
      forget: (repository, key) => Effect.sync(() => store.forget(repository, key)),
      writing: (repository, key) => (write) =>
        Effect.acquireUseRelease(
          Effect.sync(() => store.beginWrite(repository, key)),
          () => write,
          () => Effect.sync(() => store.endWrite(repository, key)),
        ),
      settle: (repository, rows) => Effect.sync(() => store.settle(repository, rows)),
      register: (repository, wake) => store.register(repository, wake),
      follow: (repository, changed) => followers.follow(repository, changed),
      isWatched: (kind) => {
        const watch = parts.watches.get(formatGroupKind(kind))
        return watch?.isSynced === true && watch.trouble === undefined
      },
      drop: (repository) =>
        Effect.sync(() => {
          parts.named.delete(repository)
          for (const repositories of parts.listed.values()) repositories.delete(repository)
          parts.watches.dropped(repository)
          store.drop(repository)
        }),
    })
  })

/** Its watches end with the layer. */
export const layer = (options: LiveIndexOptions = {}): Layer.Layer<Live, never, Kube> =>
  Layer.effect(Live, make(options))
