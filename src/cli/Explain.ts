/** `nopea explain CODE`: what a code means, what usually causes it, what to do. */
import { Console, Effect } from "effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { failed } from "./Failed.ts"
import { EXIT } from "./told.ts"

export const explain = Command.make(
  "explain",
  {
    code: Argument.String("code").pipe(
      Argument.withDescription("such as NOPEA-A004, or A004; without one: all of them"),
      Argument.withDefault(""),
    ),
  },
  ({ code }) =>
    Effect.gen(function* () {
      const { CODES, explained, findCode } = yield* Effect.promise(() => import("./codes.ts"))
      const found = findCode(code)
      if (found !== undefined) return yield* Console.log(explained(found))
      if (code === "")
        return yield* Console.log(CODES.map((row) => `${row.code}  ${row.meaning}`).join("\n"))
      const fix = "nopea explain lists all codes"
      return yield* Effect.fail(
        failed({ message: `there is no code ${code}`, fix, exit: EXIT.notFound }),
      )
    }),
).pipe(Command.withDescription("Explain an error code: what it means, its usual cause, what to do"))
