/** Long pure work in parts: whoever does it lets others have their turn between two of them. */
import { Effect } from "effect"

/** Yields where it may rest: some milliseconds of work apart, at most. */
export type Parts<A> = Generator<undefined, A, undefined>

/** Without a rest. */
export const atOnce = <A>(parts: Parts<A>): A => {
  for (;;) {
    const next = parts.next()
    if (next.done === true) return next.value
  }
}

/** Each part in a turn of the event loop of its own; what it throws is a defect. */
export const inTurns = <A>(parts: Parts<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const next = parts.next()
    return next.done === true
      ? Effect.succeed(next.value)
      : Effect.andThen(Effect.yieldNow, inTurns(parts))
  })
