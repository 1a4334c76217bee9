/** Where a defect ends that must not take its neighbours with it. */
import { Effect, Exit } from "effect"
import { describeCrash } from "../domain/crash.ts"

/** Logs a crash without what it says, and goes on. Interruption still stops. */
export const survive = <E, R>(
  what: string,
  effect: Effect.Effect<unknown, E, R>,
): Effect.Effect<void, never, R> =>
  Effect.flatMap(Effect.exit(effect), (exit) =>
    Exit.isSuccess(exit)
      ? Effect.void
      : Effect.logError(`crash in ${what}: ${describeCrash(exit.cause)}`),
  )
