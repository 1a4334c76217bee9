/** When polls and reconciles are due: on a grid, so that equal repositories tick together and others spread. */
import { Duration } from "effect"
import { type GitRepository, keyOf, reconcileIntervalOf } from "../domain/repository.ts"

const MIN_INTERVAL = 1000
/** No wait is longer: the wall clock may be set meanwhile. */
const MAX_WAIT = 60 * 60 * 1000

/** FNV-1a, 32 bits. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++)
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0
  return value
}

/**
 * The first time after `now` on the grid of `interval` whose phase is a hash of `seed`. Ticks of a multiple of an
 * interval are ticks of that interval too. Milliseconds.
 */
export const nextTick = (now: number, interval: number, seed: string): number => {
  const since = (now - (hash(seed) % interval)) % interval
  return now + interval - (since < 0 ? since + interval : since)
}

/** When each timer ticked last. */
export interface Timers {
  readonly poll: number
  readonly reconcile: number
}

type Timer = keyof Timers

/**
 * Counted from the last tick, so however often the interval is edited, no tick comes later than the interval
 * in force allows.
 */
const dueAt = (last: number, now: number, every: Duration.Duration, seed: string): number =>
  nextTick(Math.min(last, now), Math.max(Duration.toMillis(every), MIN_INTERVAL), seed)

export interface Ticked {
  readonly due: ReadonlyArray<Timer>
  readonly timers: Timers
  /** Milliseconds until the next tick, at most an hour. */
  readonly wait: number
}

/** Which timers are due now, and how long nothing else will be. Polls of one URL fall together, reconciles spread. */
export const tick = (timers: Timers, repository: GitRepository, now: number): Ticked => {
  const { spec } = repository
  const at = (last: Timers): Timers => ({
    poll: dueAt(last.poll, now, spec.interval, spec.url),
    reconcile: dueAt(last.reconcile, now, reconcileIntervalOf(spec), keyOf(repository)),
  })
  const dues = at(timers)
  const due = (["poll", "reconcile"] as const).filter((timer) => dues[timer] <= now)
  const ticked = { ...timers, ...Object.fromEntries(due.map((timer) => [timer, now])) }
  const next = at(ticked)
  return { due, timers: ticked, wait: Math.min(next.poll - now, next.reconcile - now, MAX_WAIT) }
}
