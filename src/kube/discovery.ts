/** What the API server serves -> Discovery. */
import { formatApiVersion, formatGroupKind } from "../domain/object.ts"
import type { Discovery, ResourceType } from "./Kube.ts"

interface Version {
  readonly version: string
  readonly freshness?: string
  readonly resources?: ReadonlyArray<{
    readonly resource: string
    readonly scope?: string
    readonly verbs?: ReadonlyArray<string>
    readonly responseKind?: { readonly group?: string; readonly kind?: string }
  }>
}

/** `APIGroupDiscoveryList`, v2 and v2beta1. https://kubernetes.io/docs/concepts/overview/kubernetes-api/ */
export interface AggregatedList {
  readonly kind: "APIGroupDiscoveryList"
  readonly items?: ReadonlyArray<{
    readonly metadata?: { readonly name?: string }
    readonly versions?: ReadonlyArray<Version>
  }>
}

export const isAggregated = (list: unknown): list is AggregatedList =>
  (list as AggregatedList | null)?.kind === "APIGroupDiscoveryList"

/** `types` in the server's order of preference. */
export const discoveryOf = (
  types: ReadonlyArray<ResourceType>,
  incomplete: ReadonlyArray<string>,
): Discovery => {
  const index = Map.groupBy(types, formatGroupKind)
  return {
    types,
    incomplete,
    find: (kind, version) =>
      index.get(formatGroupKind(kind))?.find((t) => version === undefined || t.version === version),
  }
}

const typesOf = (group: string, { version, resources }: Version): ReadonlyArray<ResourceType> =>
  (resources ?? []).flatMap(({ resource, scope, verbs = [], responseKind }) => {
    const kind = responseKind?.kind ?? ""
    if (kind === "" || (responseKind?.group || group) !== group) return []
    return [{ group, version, kind, resource, namespaced: scope === "Namespaced", verbs }]
  })

/** A stale group version is served by an API server that did not answer: what it lists may be old. */
export const fromAggregated = (lists: ReadonlyArray<AggregatedList>): Discovery => {
  const served = lists
    .flatMap((list) => list.items ?? [])
    .flatMap(({ metadata, versions = [] }) =>
      versions.map((version) => ({ group: metadata?.name ?? "", version })),
    )
  return discoveryOf(
    served.flatMap(({ group, version }) => typesOf(group, version)),
    served
      .filter(({ version }) => version.freshness === "Stale")
      .map(({ group, version: { version } }) => formatApiVersion({ group, version })),
  )
}
