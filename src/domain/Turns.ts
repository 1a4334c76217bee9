/** Work in parts, each in a turn of the event loop of its own. */
import { Effect } from "effect"
import type { Parts } from "./parts.ts"

/** What a part throws is a defect; an interruption ends the work between two parts. */
export const inTurns = <A>(parts: Parts<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const next = parts.next()
    return next.done === true
      ? Effect.succeed(next.value)
      : Effect.andThen(Effect.yieldNow, inTurns(parts))
  })
