/** Failures of commands, as the command line carries them to stderr and to the exit code. */
import { Cause, Exit, Schema } from "effect"
import * as CliError from "effect/cli/CliError"
import { EXIT, failureLines, type Told } from "./told.ts"

export const failed = (told: Told): CliError.UserError =>
  new CliError.UserError({ cause: told, userMessage: failureLines(told) })

/** What is said is said already: only the exit code is left to tell. */
export class Silently extends Schema.TaggedError<Silently>()("Silently", { exit: Schema.Int }) {}

export const silently = (exit: number): Silently => new Silently({ exit })

const numberOf = (error: unknown): number => {
  if (error instanceof Silently) return error.exit
  if (!CliError.isCliError(error)) return EXIT.no
  // Help that was asked for by saying nothing is no mistake.
  if (error._tag === "ShowHelp") return error.errors.length === 0 ? 0 : EXIT.usage
  if (error._tag === "UserError") return (error.cause as Partial<Told>).exit ?? EXIT.no
  return EXIT.usage
}

/** What a shell says of Ctrl-C. */
const INTERRUPTED = 130

/** What the process ends with. A controller that is told to stop ends well. */
export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>, isController: boolean): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return isController ? 0 : INTERRUPTED
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  return failure === undefined ? EXIT.no : numberOf(failure.error)
}
