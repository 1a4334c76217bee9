/** The live index by metadata lists: one list per kind and repository, kept up to date by our own writes. */
import { Effect, Layer } from "effect"
import { Live, type LiveQuery, type LiveSnapshot } from "../cache/Live.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind, formatRef, type GroupKind, type ObjectKey } from "../domain/object.ts"
import {
  type Discovery,
  Kube,
  type Listed,
  type ObjectMetadata,
  type ResourceType,
} from "../kube/Kube.ts"
import { isUnreadable } from "../plan/kinds.ts"
import {
  inherited,
  LABEL_REPOSITORY,
  LABEL_REPOSITORY_NAMESPACE,
  type LiveObject,
  liveObject,
  withBaseline,
} from "../plan/live.ts"

const AT_ONCE = 8

interface Known {
  readonly objects: Map<ObjectKey, LiveObject>
  /** Kinds that were listed whole. */
  readonly listed: Set<string>
}

/** Resource versions are integers that grow. https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
const isNewer = (a: string, b: string): boolean =>
  /^\d+$/u.test(a) && /^\d+$/u.test(b) && BigInt(a) > BigInt(b)

/** Without the uid: a GitRepository that was created anew still sees what its earlier life applied. */
const selectorOf = (repository: string): string => {
  const [namespace, name] = repository.split("/")
  return `${LABEL_REPOSITORY}=${name},${LABEL_REPOSITORY_NAMESPACE}=${namespace}`
}

/** Takes a whole list of one kind in; what we wrote after it was made stays. */
const replace = (known: Known, type: ResourceType, list: Listed<ObjectMetadata>): void => {
  const kind = formatGroupKind(type)
  for (const [key, object] of known.objects) {
    const isOlder = !isNewer(object.resourceVersion, list.resourceVersion)
    if (formatGroupKind(object.ref) === kind && isOlder) known.objects.delete(key)
  }
  for (const { metadata } of list.items) keep(known, liveObject(type, metadata))
  known.listed.add(kind)
}

const keep = (known: Known, object: LiveObject): void => {
  const key = formatRef(object.ref)
  const old = known.objects.get(key)
  if (old === undefined || !isNewer(old.resourceVersion, object.resourceVersion)) {
    known.objects.set(key, inherited(object, old))
  }
}

const clear = (known: Known, kind: string): void => {
  for (const [key, object] of known.objects) {
    if (formatGroupKind(object.ref) === kind) known.objects.delete(key)
  }
  known.listed.delete(kind)
}

/** Only a server that cannot be reached, or asks for patience, fails the whole snapshot. */
const isFatal = (error: KubeError): boolean => error.status === 0 || error.status === 429

type Listing = "whole" | "unknown"

const listKind = (
  kube: Kube["Service"],
  known: Known,
  type: ResourceType,
  repository: string,
): Effect.Effect<Listing, KubeError> =>
  kube.listMetadata({ budget: repository }, type, { labelSelector: selectorOf(repository) }).pipe(
    Effect.map((list): Listing => {
      replace(known, type, list)
      return "whole"
    }),
    Effect.catchIf(
      (error) => !isFatal(error),
      () => Effect.succeed<Listing>("unknown"),
    ),
  )

/** A kind that complete discovery does not have holds nothing; one that could not be read is unknown. */
const absent = (discovery: Discovery, known: Known, kind: GroupKind): Listing => {
  if (isUnreadable(discovery.incomplete, kind.group)) return "unknown"
  clear(known, formatGroupKind(kind))
  return "whole"
}

/** Looks anew when told to, and where a kind is not known: it may have come since. */
const discover = (
  kube: Kube["Service"],
  kinds: ReadonlyArray<GroupKind>,
  freshness: LiveQuery["freshness"],
): Effect.Effect<Discovery, KubeError> =>
  freshness !== "known"
    ? kube.discovery("refresh")
    : Effect.filterOrElse(
        kube.discovery(),
        (discovery) => kinds.every((kind) => discovery.find(kind) !== undefined),
        () => kube.discovery("refresh"),
      )

const snapshotOf = Effect.fn("LiveIndex.snapshot")(function* (
  kube: Kube["Service"],
  known: Known,
  { repository, kinds, freshness }: LiveQuery,
): Effect.fn.Return<LiveSnapshot, KubeError> {
  const unique = [...new Map(kinds.map((kind) => [formatGroupKind(kind), kind])).entries()]
  const due = unique.filter(([kind]) => freshness !== "known" || !known.listed.has(kind))
  const wanted = due.map(([, kind]) => kind)
  const discovery = yield* discover(kube, wanted, freshness)
  const list = ([name, kind]: readonly [string, GroupKind]) => {
    const type = discovery.find(kind)
    const listing =
      type === undefined
        ? Effect.sync(() => absent(discovery, known, kind))
        : listKind(kube, known, type, repository)
    return Effect.map(listing, (result) => ({ name, result }))
  }
  const listings = yield* Effect.forEach(due, list, { concurrency: AT_ONCE })
  const unknown = new Set(listings.filter((l) => l.result === "unknown").map((l) => l.name))
  const asked = new Set(unique.map(([kind]) => kind))
  const objects = [...known.objects].filter(([, o]) => asked.has(formatGroupKind(o.ref)))
  return { objects: new Map(objects), unknown }
})

const make = Effect.gen(function* () {
  const kube = yield* Kube
  const repositories = new Map<string, Known>()
  const knownOf = (repository: string): Known => {
    const found = repositories.get(repository) ?? { objects: new Map(), listed: new Set() }
    repositories.set(repository, found)
    return found
  }
  return Live.of({
    snapshot: (query) => Effect.suspend(() => snapshotOf(kube, knownOf(query.repository), query)),
    record: (repository, object) => Effect.sync(() => keep(knownOf(repository), object)),
    forget: (repository, key) => Effect.sync(() => void knownOf(repository).objects.delete(key)),
    writing: () => (write) => write,
    settle: (repository, rows) =>
      Effect.sync(() => {
        const { objects } = knownOf(repository)
        for (const { key, uid, ownership, whole } of rows) {
          const live = objects.get(key)
          if (live?.uid === uid) objects.set(key, withBaseline(live, { ownership, whole }))
        }
      }),
    register: () => {},
    drop: (repository) => Effect.sync(() => void repositories.delete(repository)),
  })
})

export const layer: Layer.Layer<Live, never, Kube> = Layer.effect(Live, make)
