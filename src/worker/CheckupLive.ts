/** Reads objects whole, to know their health: as the repository's account, and only where somebody wants to know. */
import { Effect, Layer, Result } from "effect"
import { Dependencies } from "../cache/Dependencies.ts"
import { Live } from "../cache/Live.ts"
import type { KubeError } from "../domain/errors.ts"
import { formatRef, type KubeObject, type ObjectRef } from "../domain/object.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { compute } from "../health/compute.ts"
import { degraded, progressing } from "../health/facts.ts"
import type { Reading } from "../health/watching.ts"
import { type Caller, Kube } from "../kube/Kube.ts"
import { LABEL_REPOSITORY_UID } from "../plan/live.ts"
import { isRollout } from "../plan/rollout.ts"
import { Checkup } from "./Checkup.ts"
import { type IdentityRules, identityOf } from "./identity.ts"

const ABSENT: Reading = { health: progressing("it is not there"), version: "" }
const UNSERVED: Reading = { health: progressing("its kind is not served"), version: "" }

/** A refusal lasts until somebody grants the right; everything else passes. */
const readingOf = ({ status }: KubeError, ref: ObjectRef): Reading | undefined => {
  if (status === 404) return ABSENT
  if (status !== 401 && status !== 403) return undefined
  const reason = `its account may not read it: grant it the verb get on ${formatRef(ref)}`
  return { health: degraded(reason), version: "" }
}

const seen = (ref: ObjectRef, object: KubeObject): Reading => ({
  health: compute(ref, object),
  version: object.metadata.resourceVersion ?? "",
})

export const layer = (
  rules: IdentityRules,
): Layer.Layer<never, never, Dependencies | Kube | Live> =>
  Layer.effect(
    Checkup,
    Effect.gen(function* () {
      const kube = yield* Kube
      const live = yield* Live
      const dependencies = yield* Dependencies

      const ask = Effect.fnUntraced(function* (caller: Caller, ref: ObjectRef) {
        const type = (yield* kube.discovery()).find(ref, ref.version)
        if (type === undefined) return UNSERVED
        const object = yield* kube.get(caller, type, ref)
        return seen(ref, object)
      })

      const list = Effect.fnUntraced(function* (
        caller: Caller,
        { metadata: { uid } }: GitRepository,
        like: ObjectRef,
      ) {
        const type = (yield* kube.discovery()).find(like, like.version)
        if (type === undefined) return undefined
        const place = type.namespaced ? { namespace: like.namespace } : {}
        const options = { ...place, labelSelector: `${LABEL_REPOSITORY_UID}=${uid}` }
        const { items } = yield* kube.list(caller, type, options, (object) => {
          const ref = { ...like, name: object.metadata.name }
          return [formatRef(ref), seen(ref, object)] as const
        })
        return new Map(items)
      })

      return {
        isWanted: (repository: GitRepository) =>
          !repository.spec.dryRun &&
          (repository.spec.wait || dependencies.isNeeded(keyOf(repository))),
        read: Effect.fnUntraced(function* (repository: GitRepository, ref: ObjectRef) {
          const identity = identityOf(repository, rules)
          if (Result.isFailure(identity)) return undefined
          return yield* ask(identity.success, ref).pipe(
            Effect.catch((error) => Effect.succeed(readingOf(error, ref))),
          )
        }),
        readMany: Effect.fnUntraced(function* (repository, refs) {
          const identity = identityOf(repository, rules)
          const [first] = refs
          if (Result.isFailure(identity) || first === undefined) return undefined
          const listed = list(identity.success, repository, first)
          return yield* Effect.orElseSucceed(listed, () => undefined)
        }),
        follow: live.follow,
        // A Rollout may be one that is not in Git: watches tell only of what bears our labels.
        isWatched: (kind) => live.isWatched(kind) && !isRollout(kind),
      }
    }),
  )
