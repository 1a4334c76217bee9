/** ULIDs: ids that sort by time. https://github.com/ulid/spec */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const digits = (value: number, length: number): string =>
  Array.from({ length }, (_, i) => ALPHABET[Math.floor(value / 32 ** (length - 1 - i)) % 32]).join(
    "",
  )

/** 26 characters: `time` in milliseconds since the epoch, then 80 bits from two random numbers in [0, 1). */
export const ulid = (time: number, random: readonly [number, number]): string =>
  digits(time, 10) + random.map((r) => digits(Math.floor(r * 2 ** 40), 8)).join("")

const TIME = 10
const LAST_DIGIT = "Z"

/** The next one of the same length: digits that are at their end begin anew, the one before them goes on. */
const successor = (id: string): string => {
  const kept = id.replace(/Z*$/u, "")
  const next = ALPHABET[ALPHABET.indexOf(kept.at(-1) ?? LAST_DIGIT) + 1] ?? LAST_DIGIT
  return `${kept.slice(0, -1)}${next}`.padEnd(id.length, ALPHABET[0])
}

/** Sorts after `last`, also within a millisecond, and where the clock was set back. */
export const ulidAfter = (
  last: string,
  time: number,
  random: readonly [number, number],
): string => {
  const fresh = ulid(time, random)
  return fresh.slice(0, TIME) > last.slice(0, TIME) ? fresh : successor(last)
}
