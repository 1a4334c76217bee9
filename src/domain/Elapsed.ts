/** Time that only goes forward, for what is waited for and for how old something is: the wall clock may be set. */
import { Clock, Effect } from "effect"

/** Milliseconds since a moment that only this process knows. */
export const elapsedMillis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n),
)
