/** How fast one host is asked and how long it is left alone: sums over milliseconds that only go forward. */

/** What may begin at once, where nothing began for as long. */
const AHEAD = 10_000
/** Nobody waits longer for a turn: who would is told so. */
export const MAX_TURN = 120_000

const MIN_REST = 1000
/** Longer than a server may ask for. */
const MAX_REST = 3_600_000
const MIN_SPREAD = 1000
const MAX_SPREAD = 60_000

export interface Turn {
  /** When all that has begun or waits is paid for, this one with it. */
  readonly due: number
  readonly wait: number
}

/** The next beginning, `gap` apart from the others in the long run. */
export const nextTurn = (due: number, now: number, gap: number): Turn => ({
  due: Math.min(Math.max(due, now), now + AHEAD + MAX_TURN) + gap,
  wait: gap === 0 ? 0 : Math.max(0, due - now - AHEAD),
})

/**
 * What begins without a turn is paid for by those that wait for theirs, up to half of what they wait at most: however
 * often somebody is in a hurry, all others come to their turn.
 */
export const dueAfterHurry = (due: number, now: number, gap: number): number =>
  Math.max(due, Math.min(Math.max(due, now) + gap, now + AHEAD + MAX_TURN / 2))

/** How long a server is left alone that asked for so much; not for ever, whatever it says. */
export const restFor = (asked: number): number => Math.min(Math.max(asked, MIN_REST), MAX_REST)

/** When one of many comes again: after the rest, and not all at once. `random` in [0, 1). */
export const comeAgain = (left: number, random: number): number =>
  Math.ceil(left + random * Math.min(Math.max(left / 10, MIN_SPREAD), MAX_SPREAD))

/** Tells nothing of whose question was answered so: others read it too. */
export const restText = (origin: string, until: number): string =>
  `${origin} asked for rest: it is asked nothing before ${new Date(until).toISOString().replace(/\.\d+Z$/u, "Z")}`
