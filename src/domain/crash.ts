/** A crash in words that carry no secret: names and places, never a message, because messages quote their input. */
import type { Cause } from "effect"

const MAX_FRAMES = 4
const FRAME = /^\s+at (?:(.{1,80}) \()?(?:.*[/\\])?([\w.@-]+\.[cm]?[jt]s):(\d+):(\d+)\)?$/u
const NAME = /^[A-Z]\w{0,60}$/u

const framesOf = (error: Error): ReadonlyArray<string> => {
  const stack = error.message === "" ? error.stack : error.stack?.replace(error.message, "")
  return (stack ?? "")
    .split("\n")
    .flatMap((line) => {
      const [, name, file, row, column] = FRAME.exec(line) ?? []
      if (file === undefined) return []
      return [
        name === undefined ? `${file}:${row}:${column}` : `${name} (${file}:${row}:${column})`,
      ]
    })
    .slice(0, MAX_FRAMES)
}

const describeDefect = (defect: unknown): string => {
  if (!(defect instanceof Error)) return `a thrown ${typeof defect}`
  const name = NAME.test(defect.name) ? defect.name : "Error"
  const frames = framesOf(defect)
  return frames.length === 0 ? name : `${name} at ${frames.join(", ")}`
}

const describeReason = (reason: Cause.Reason<unknown>): string => {
  if (reason._tag === "Interrupt") return "interrupted from inside"
  return describeDefect(reason._tag === "Die" ? reason.defect : reason.error)
}

export const describeCrash = (cause: Cause.Cause<unknown>): string =>
  [...new Set(cause.reasons.map(describeReason))].join("; ") || "an empty cause"
