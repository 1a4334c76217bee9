/** Refusals in the log. Strangers can cause any number of them, so each kind is told once a minute. */
import { Effect } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { Answer } from "./answer.ts"

const QUIET = 60_000

/** Tells what has a code, with how many of the kind went untold before. */
export const makeTell = (): ((answer: Answer) => Effect.Effect<void>) => {
  const told = new Map<string, { readonly at: number; more: number }>()
  const tell = Effect.fnUntraced(function* (code: string, { reason, fix }: Answer) {
    const now = yield* elapsedMillis
    const before = told.get(code)
    const isQuiet = before !== undefined && now - before.at < QUIET
    if (isQuiet) before.more += 1
    else told.set(code, { at: now, more: 0 })
    const fields = { code, reason, fix, untold: before?.more ?? 0 }
    if (!isQuiet) yield* Effect.logWarning("webhook refused").pipe(Effect.annotateLogs(fields))
  })
  return (answer) => (answer.code === undefined ? Effect.void : tell(answer.code, answer))
}
