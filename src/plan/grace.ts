/** Patience with an opponent: whoever takes an object back after every heal is met more and more seldom. Pure. */

/** So many heals in a row pass freely. */
const FREE = 3
const FIRST_WAIT = 10_000
const LONGEST_WAIT = 10 * 60_000
/** Without a heal for this long it is no contest any more; longer than any wait, so that no wait ends one. */
const QUIET = 2 * LONGEST_WAIT

/** Heals of one object that are remembered. */
export const MAX_REMEMBERED = 20

/** Those of a former setting of the wall clock, that lie in the future, count for nothing. */
const past = (history: ReadonlyArray<number>, now: number): ReadonlyArray<number> =>
  history.filter((at) => at <= now)

/** How many heals followed each other without a quiet time between them, or since. */
const inARow = (heals: ReadonlyArray<number>, now: number): number => {
  const times = [...heals, now]
  const quiet = times.findLastIndex((at, nth) => nth > 0 && at - (times[nth - 1] ?? 0) > QUIET)
  return heals.length - Math.max(quiet, 0)
}

/**
 * `history`: when this object was healed, milliseconds since the epoch, the newest last. `until`: when it may be
 * healed next; absent: now. The first three heals in a row are free; then 10 s have to pass since the last one, 20 s,
 * 40 s … 10 min. After 20 minutes without a heal all is forgotten. So there are at most 30 heals in any hour, and
 * `until` stays the same however often it is asked for.
 */
export const contested = (
  history: ReadonlyArray<number>,
  now: number,
): { readonly until?: number } => {
  const heals = past(history, now)
  const excess = inARow(heals, now) - FREE
  if (excess < 0) return {}
  const until = (heals.at(-1) ?? now) + Math.min(FIRST_WAIT * 2 ** excess, LONGEST_WAIT)
  return until > now ? { until } : {}
}

/** The history after a heal at `now`. */
export const remember = (history: ReadonlyArray<number>, now: number): ReadonlyArray<number> =>
  [...past(history, now), now].slice(-MAX_REMEMBERED)
