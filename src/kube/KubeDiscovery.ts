/** Reads what the API server serves, and keeps it until somebody asks for it anew. */
import { Effect, Semaphore } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { fromAggregated, isAggregated } from "./discovery.ts"
import type { Discovery, Kube } from "./Kube.ts"
import { outdated } from "./unanswered.ts"

/** GET of a path as JSON. */
export type ReadJson = (path: string, accept: string) => Effect.Effect<unknown, KubeError>

const AS = "g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"
const AGGREGATED = `application/json;v=v2;${AS},application/json;v=v2beta1;${AS},application/json`

/** One request each for the core and the other groups. */
const readAll = (read: ReadJson): Effect.Effect<Discovery, KubeError> =>
  Effect.forEach(
    ["/api", "/apis"],
    (path) =>
      Effect.filterOrFail(read(path, AGGREGATED), isAggregated, () =>
        outdated(
          { operation: "discover", subject: path, kind: "" },
          "the API server has no aggregated discovery",
        ),
      ),
    { concurrency: 2 },
  ).pipe(Effect.map(fromAggregated))

/**
 * A refresh answers what was read after it was asked for: those that come while one runs share the next one,
 * so a kind that was created before the question is never missed.
 */
export const makeDiscovery = (read: ReadJson): Effect.Effect<Kube["Service"]["discovery"]> =>
  Effect.gen(function* () {
    const one = yield* Semaphore.make(1)
    let asked = 0
    let kept: { readonly discovery: Discovery; readonly serves: number } | undefined

    const readFor = Effect.fnUntraced(function* (ticket: number) {
      if (kept !== undefined && kept.serves >= ticket) return kept.discovery
      const serves = asked
      kept = { discovery: yield* readAll(read), serves }
      return kept.discovery
    })

    return (refresh) =>
      Effect.suspend(() => {
        if (refresh === undefined && kept !== undefined) return Effect.succeed(kept.discovery)
        if (refresh === "refresh") asked += 1
        return one.withPermits(1)(readFor(refresh === "refresh" ? asked : 0))
      })
  })
