/** What the API server serves -> Discovery: aggregated lists, or the older lists per group version. */
import { formatApiVersion, formatGroupKind, parseApiVersion } from "../domain/object.ts"
import type { Discovery, ResourceType } from "./Kube.ts"

/** `APIGroupDiscoveryList`, v2 and v2beta1. https://kubernetes.io/docs/concepts/overview/kubernetes-api/ */
export interface AggregatedList {
  readonly kind?: string
  readonly items?: ReadonlyArray<{
    readonly metadata?: { readonly name?: string }
    readonly versions?: ReadonlyArray<{
      readonly version: string
      readonly freshness?: string
      readonly resources?: ReadonlyArray<{
        readonly resource: string
        readonly scope?: string
        readonly verbs?: ReadonlyArray<string>
        readonly responseKind?: {
          readonly group?: string
          readonly version?: string
          readonly kind?: string
        }
      }>
    }>
  }>
}

/** `APIResourceList` of one group version. */
export interface LegacyList {
  readonly groupVersion?: string
  readonly resources?: ReadonlyArray<{
    readonly name: string
    readonly kind: string
    readonly namespaced?: boolean
    readonly verbs?: ReadonlyArray<string>
  }>
}

/** `apps/Deployment` -> its versions, the preferred one first. */
type Index = ReadonlyMap<string, ReadonlyArray<ResourceType>>

const indexOf = (types: ReadonlyArray<ResourceType>): Index => {
  const index = new Map<string, Array<ResourceType>>()
  for (const type of types) {
    const key = formatGroupKind(type)
    const known = index.get(key)
    if (known === undefined) index.set(key, [type])
    else known.push(type)
  }
  return index
}

/** `types` in the server's order of preference. */
export const discoveryOf = (
  types: ReadonlyArray<ResourceType>,
  incomplete: ReadonlyArray<string>,
): Discovery => {
  const index = indexOf(types)
  return {
    types,
    incomplete,
    find: (kind, version) => {
      const versions = index.get(formatGroupKind(kind))
      return version === undefined ? versions?.[0] : versions?.find((t) => t.version === version)
    },
  }
}

type Version = NonNullable<NonNullable<AggregatedList["items"]>[number]["versions"]>[number]

const typesOf = (group: string, { version, resources }: Version): ReadonlyArray<ResourceType> =>
  (resources ?? []).flatMap(({ resource, scope, verbs, responseKind }) => {
    const kind = responseKind?.kind ?? ""
    if (kind === "" || (responseKind?.group || group) !== group) return []
    const namespaced = scope === "Namespaced"
    return [{ group, version, kind, resource, namespaced, verbs: verbs ?? [] }]
  })

/** A stale group version is served by an API server that did not answer: what it lists may be old. */
export const fromAggregated = (lists: ReadonlyArray<AggregatedList>): Discovery => {
  const versions = lists
    .flatMap((list) => list.items ?? [])
    .flatMap(({ metadata, versions }) =>
      (versions ?? []).map((version) => ({ group: metadata?.name ?? "", version })),
    )
  return discoveryOf(
    versions.flatMap(({ group, version }) => typesOf(group, version)),
    versions
      .filter(({ version }) => version.freshness === "Stale")
      .map(({ group, version: { version } }) => formatApiVersion({ group, version })),
  )
}

/** `failed` names the group versions whose list could not be read. */
export const fromLegacy = (
  lists: ReadonlyArray<LegacyList>,
  failed: ReadonlyArray<string>,
): Discovery =>
  discoveryOf(
    lists.flatMap((list) =>
      (list.resources ?? []).flatMap(({ name, kind, namespaced, verbs }) =>
        name.includes("/")
          ? []
          : [
              {
                ...parseApiVersion(list.groupVersion ?? ""),
                kind,
                resource: name,
                namespaced: namespaced === true,
                verbs: verbs ?? [],
              },
            ],
      ),
    ),
    failed,
  )

/** `APIVersions` and `APIGroupList` -> group versions, the preferred version of each group first. */
export const legacyVersions = (
  core: { readonly versions?: ReadonlyArray<string> },
  groups: {
    readonly groups?: ReadonlyArray<{
      readonly preferredVersion?: { readonly groupVersion: string }
      readonly versions?: ReadonlyArray<{ readonly groupVersion: string }>
    }>
  },
): ReadonlyArray<string> => [
  ...(core.versions ?? []),
  ...(groups.groups ?? []).flatMap(({ preferredVersion, versions }) => {
    const all = (versions ?? []).map((version) => version.groupVersion)
    const first = preferredVersion?.groupVersion
    return first === undefined ? all : [first, ...all.filter((version) => version !== first)]
  }),
]
