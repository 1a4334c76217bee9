/** ULIDs: ids that sort by time. https://github.com/ulid/spec */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const digits = (value: number, length: number): string =>
  Array.from({ length }, (_, i) => ALPHABET[Math.floor(value / 32 ** (length - 1 - i)) % 32]).join(
    "",
  )

/** 26 characters: `time` in milliseconds since the epoch, then 80 bits from two random numbers in [0, 1). */
export const ulid = (time: number, random: readonly [number, number]): string =>
  digits(time, 10) + random.map((r) => digits(Math.floor(r * 2 ** 40), 8)).join("")
