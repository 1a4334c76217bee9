/** Durations as Go and Kubernetes users write them: `30s`, `5m`, `1h30m`. */
import { Duration, Schema, SchemaGetter } from "effect"
import { check } from "./rules.ts"

const UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const
const PATTERN = /^([0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h))+$/u
const EXPECTED = 'a duration such as "30s", "5m" or "1h30m"'

/** Milliseconds; `undefined` where the text is no duration. */
export const parseGoDuration = (text: string): number | undefined => {
  if (!PATTERN.test(text)) return undefined
  let millis = 0
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/gu))
    millis += Number(amount) * UNITS[unit as keyof typeof UNITS]
  return Math.round(millis)
}

/** Whole milliseconds as `1h30m`, `5m`, `250ms`, `0s`; what `parseGoDuration` reads. */
export const formatGoDuration = (millis: number): string => {
  let rest = millis
  let text = ""
  for (const [unit, size] of Object.entries(UNITS)) {
    const amount = Math.floor(rest / size)
    if (amount > 0) text += `${amount}${unit}`
    rest -= amount * size
  }
  return text === "" ? "0s" : text
}

/** A duration between two others, as text on the wire and a `Duration` inside. */
export const goDuration = (
  least: string,
  most: string,
): Schema.decodeTo<Schema.Duration, Schema.String> => {
  const [low = 0, high = 0] = [parseGoDuration(least), parseGoDuration(most)]
  const bounded = Schema.String.check(
    // without the `u` flag the pattern silently disappears from the JSON Schema
    Schema.isPattern(PATTERN, { expected: EXPECTED }),
    Schema.isMaxLength(30, { expected: EXPECTED }),
    check({
      // matches first: duration() of anything else is an error of its own, in words for nobody
      cel: `self.matches(r'${PATTERN.source}') && duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
      message: `must be ${EXPECTED}, between ${least} and ${most}`,
      holds: (text) => {
        const millis = parseGoDuration(text) ?? low
        return millis >= low && millis <= high
      },
    }),
  )
  return bounded.pipe(
    Schema.decodeTo(Schema.Duration, {
      decode: SchemaGetter.transform((text: string) => Duration.millis(parseGoDuration(text) ?? 0)),
      encode: SchemaGetter.transform((duration: Duration.Duration) =>
        formatGoDuration(Duration.toMillis(duration)),
      ),
    }),
  )
}
