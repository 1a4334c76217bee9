/** Text for status, events and logs: one line, no credentials, no longer than people read. */

/** Any scheme: to look for its letters too would cost the square of a long word. */
const USERINFO = /:\/\/[^/@\s"']+@/gu
const AUTHORIZATION = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/giu
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]+/gu

/** What a condition and an event may say. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1 */
export const MAX_MESSAGE = 1024

export const redact = (text: string): string =>
  text.replace(USERINFO, "://<redacted>@").replace(AUTHORIZATION, "$1 <redacted>")

/** One line of at most `most` characters; whatever stands where credentials stand is gone. */
export const line = (text: string, most: number): string => {
  const clean = redact(text).replace(CONTROL, " ").trim()
  return clean.length <= most ? clean : `${clean.slice(0, most - 1).toWellFormed()}…`
}

/** What curl, git and Go measure or draw anew each time: how long, how many bytes, the port on our side. */
const CHANCE: ReadonlyArray<readonly [RegExp, string]> = [
  [/ after \d+ (?:ms|milliseconds)\b/gu, ""],
  [/\b\d+(?: out of \d+)? (?=bytes (?:remaining|received|of body))/gu, "some "],
  [/\b(read|write) (tcp|udp) \S{1,60}->/gu, "$1 $2 "],
]

/** A failure that comes again reads the same, or every try would be news. */
export const steady = (text: string): string =>
  CHANCE.reduce((kept, [chance, instead]) => kept.replace(chance, instead), text)

/** Enough of a commit id to know it by. */
export const short = (sha: string): string => sha.slice(0, 7)

export const plural = (amount: number, noun: string): string =>
  `${amount} ${noun}${amount === 1 ? "" : "s"}`
