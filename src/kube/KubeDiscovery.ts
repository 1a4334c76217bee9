/** Reads what the API server serves, and keeps it until somebody asks for it anew. */
import { Effect, Semaphore } from "effect"
import type { KubeError } from "../domain/errors.ts"
import {
  type AggregatedList,
  fromAggregated,
  fromLegacy,
  type LegacyList,
  legacyVersions,
} from "./discovery.ts"
import type { Discovery } from "./Kube.ts"

/** GET of a path as JSON. */
export type ReadJson = (path: string, accept: string) => Effect.Effect<unknown, KubeError>

const AS = "g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"
const AGGREGATED = `application/json;v=v2;${AS},application/json;v=v2beta1;${AS},application/json`

const readLegacy = (
  read: ReadJson,
  core: unknown,
  groups: unknown,
): Effect.Effect<Discovery, KubeError> =>
  Effect.gen(function* () {
    const versions = legacyVersions(core ?? {}, groups ?? {})
    const failed: Array<string> = []
    const lists = yield* Effect.forEach(
      versions,
      (version) =>
        read(`${version.includes("/") ? "/apis" : "/api"}/${version}`, "application/json").pipe(
          Effect.map((list) => [list as LegacyList]),
          Effect.catch(() => {
            failed.push(version)
            return Effect.succeed([])
          }),
        ),
      { concurrency: 8 },
    )
    return fromLegacy(lists.flat(), failed)
  })

const isAggregated = (list: unknown): list is AggregatedList =>
  (list as AggregatedList | null)?.kind === "APIGroupDiscoveryList"

/** One request each for the core and the other groups; servers before 1.26 answer the older lists instead. */
const readAll = (read: ReadJson): Effect.Effect<Discovery, KubeError> =>
  Effect.gen(function* () {
    const [core, groups] = yield* Effect.all(
      [read("/api", AGGREGATED), read("/apis", AGGREGATED)],
      {
        concurrency: 2,
      },
    )
    return isAggregated(core) && isAggregated(groups)
      ? fromAggregated([core, groups])
      : yield* readLegacy(read, core, groups)
  })

/**
 * A refresh answers what was read after it was asked for: those that come while one runs share the next one,
 * so a kind that was created before the question is never missed.
 */
export const makeDiscovery = (
  read: ReadJson,
): Effect.Effect<(refresh?: "refresh") => Effect.Effect<Discovery, KubeError>> =>
  Effect.gen(function* () {
    const one = yield* Semaphore.make(1)
    let asked = 0
    let kept: { readonly discovery: Discovery; readonly serves: number } | undefined

    const readOnce = (ticket: number) =>
      Effect.gen(function* () {
        if (kept !== undefined && kept.serves >= ticket) return kept.discovery
        const serves = asked
        kept = { discovery: yield* readAll(read), serves }
        return kept.discovery
      })

    return (refresh) =>
      Effect.suspend(() => {
        if (refresh === undefined && kept !== undefined) return Effect.succeed(kept.discovery)
        if (refresh === "refresh") asked += 1
        return one.withPermits(1)(readOnce(refresh === "refresh" ? asked : 0))
      })
  })
