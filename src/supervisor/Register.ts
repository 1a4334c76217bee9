/** Whom a worker is made known to: everybody who may have a reason to wake it. */
import { Effect } from "effect"
import { Cache } from "../cache/Cache.ts"
import { Claims } from "../cache/Claims.ts"
import { Dependencies } from "../cache/Dependencies.ts"
import { Live } from "../cache/Live.ts"
import { Metrics } from "../metrics/Metrics.ts"
import type { WorkerHandle } from "../worker/Handle.ts"

export interface Register {
  /** Called again for every new spec. */
  readonly enter: (handle: WorkerHandle) => void
  /** No worker answers for it any more. */
  readonly retire: (key: string) => void
  /** It is gone, and so is what was kept of it. */
  readonly forget: (key: string) => Effect.Effect<void>
}

export const makeRegister: Effect.Effect<Register, never, Cache | Claims | Dependencies | Live> =
  Effect.gen(function* () {
    const cache = yield* Cache
    const live = yield* Live
    const claims = yield* Claims
    const dependencies = yield* Dependencies
    const metrics = yield* Metrics
    return {
      enter: (handle) => {
        claims.register(handle.repository, () => handle.offer({ kind: "claim" }))
        live.register(handle.key, () => handle.offer({ kind: "drift" }))
        dependencies.register(handle.repository, (asksGit) =>
          handle.offer({ kind: asksGit ? "poll" : "retry" }),
        )
      },
      retire: claims.retire,
      forget: (key) =>
        Effect.andThen(
          Effect.sync(() => {
            claims.drop(key)
            dependencies.drop(key)
            metrics.forget(key)
          }),
          Effect.andThen(cache.drop(key), live.drop(key)),
        ),
    }
  })
