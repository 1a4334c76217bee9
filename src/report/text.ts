/** Text for status, events and logs: one line, no credentials, no longer than people read. */

const USERINFO = /([a-z][a-z0-9+.-]*:\/\/)[^/@\s"']+@/giu
const AUTHORIZATION = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/giu
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]+/gu

export const redact = (text: string): string =>
  text.replace(USERINFO, "$1<redacted>@").replace(AUTHORIZATION, "$1 <redacted>")

export const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`

/** One line of at most `most` characters; whatever stands where credentials stand is gone. */
export const line = (text: string, most: number): string =>
  cut(
    redact(text.slice(0, most * 4))
      .replace(CONTROL, " ")
      .trim(),
    most,
  )

/** Enough of a commit id to know it by. */
export const short = (sha: string): string => sha.slice(0, 7)

export const plural = (amount: number, noun: string): string =>
  `${amount} ${noun}${amount === 1 ? "" : "s"}`
