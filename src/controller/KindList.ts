/** One kind of one repository, asked for: as the controller, or as whoever may. */
import { Effect } from "effect"
import type { LiveQuery } from "../cache/Live.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind } from "../domain/object.ts"
import type { Caller, Kube, Listed, ResourceType } from "../kube/Kube.ts"
import type { LiveStore } from "./LiveStore.ts"
import { type Seen, seenAs, selectorOf } from "./liveRows.ts"

const AT_ONCE = 8
export const SECRET = "/Secret"

export interface Lister {
  readonly kube: Kube["Service"]
  readonly store: LiveStore
  /** Else they are read in the repository's name only. */
  readonly watchSecrets: boolean
}

/** Only a server that cannot be reached, or asks for patience, fails the whole snapshot. */
export const isFatal = (error: KubeError): boolean => error.status === 0 || error.status === 429

const orWhereForbidden = <A>(
  first: Effect.Effect<A, KubeError>,
  next: Effect.Effect<A, KubeError>,
): Effect.Effect<A, KubeError> =>
  Effect.catchIf(
    first,
    ({ status }) => status === 403,
    () => next,
  )

/** As the controller, else as the caller, else there where the caller works. */
export const listKind = (
  { kube, store, watchSecrets }: Lister,
  { repository, caller, namespaces: callers }: LiveQuery,
  type: ResourceType,
): Effect.Effect<void, KubeError> => {
  const kind = formatGroupKind(type)
  const list = (as: Caller, namespace?: string) => {
    const where = namespace === undefined ? {} : { namespace }
    const options = { labelSelector: selectorOf(repository), ...where }
    const keep = (listed: Listed<Seen>) => store.read(kind, repository, listed, namespace)
    return Effect.map(kube.listMetadata(as, type, options, seenAs(type)), keep)
  }
  const own = list({ budget: repository })
  const everywhere =
    kind === SECRET && !watchSecrets
      ? list(caller)
      : caller.impersonate === undefined
        ? own
        : orWhereForbidden(own, list(caller))
  const kept = store.namespaces(repository, kind)
  const namespaces = type.namespaced ? [...new Set([...callers, ...kept])] : []
  if (namespaces.length === 0) return everywhere
  const within = Effect.forEach(namespaces, (one) => list(caller, one), {
    concurrency: AT_ONCE,
    discard: true,
  })
  return orWhereForbidden(everywhere, within)
}
