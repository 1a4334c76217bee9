/**
 * When polls and reconciles are due: on a grid, so that equal repositories tick together and others spread; and when
 * drift that is held has to be looked at again.
 */
import { Duration, Result } from "effect"
import type { SyncError } from "../domain/errors.ts"
import { isUntouched, type SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, keyOf, reconcileIntervalOf } from "../domain/repository.ts"

const MIN_INTERVAL = 1000
/** No wait is longer: the wall clock may be set meanwhile. */
const MAX_WAIT = 60 * 60 * 1000
/** Between the end of a sync and one that it asks for. */
const MIN_WAKE = 1000

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

export interface Timers {
  /** When it ticked last. */
  readonly poll: number
  readonly reconcile: number
  /** When drift is looked at next; absent: nothing waits for a time. */
  readonly wakeAt?: number
}

type Timer = "poll" | "reconcile"

/**
 * Counted from the last tick, so however often the interval is edited, no tick comes later than the interval
 * in force allows.
 */
const dueAt = (last: number, every: Duration.Duration, seed: string): number =>
  nextTick(last, Math.max(Duration.toMillis(every), MIN_INTERVAL), seed)

export interface Ticked {
  readonly due: ReadonlyArray<Timer | "drift">
  readonly timers: Timers
  /** Milliseconds until the next tick, at most an hour. */
  readonly wait: number
}

/**
 * Which timers are due now, and how long nothing else will be. Polls of one URL fall together, reconciles spread.
 * A clock that was set back has ticked last now: from there it counts on.
 */
export const tick = (last: Timers, repository: GitRepository, now: number): Ticked => {
  const { spec } = repository
  const [poll, reconcile] = [Math.min(last.poll, now), Math.min(last.reconcile, now)]
  const timers = { ...last, poll, reconcile }
  const at = (ticks: Timers): Readonly<Record<Timer, number>> => ({
    poll: dueAt(ticks.poll, spec.interval, spec.url),
    reconcile: dueAt(ticks.reconcile, reconcileIntervalOf(spec), keyOf(repository)),
  })
  const dues = at(timers)
  const due = (["poll", "reconcile"] as const).filter((timer) => dues[timer] <= now)
  const { wakeAt = Number.POSITIVE_INFINITY, ...grid } = timers
  const isAwake = wakeAt <= now
  const rest = isAwake ? grid : timers
  const ticked = { ...rest, ...Object.fromEntries(due.map((timer) => [timer, now])) }
  const next = at(ticked)
  const waits = [next.poll - now, next.reconcile - now, MAX_WAIT]
  return {
    due: isAwake ? [...due, "drift"] : due,
    timers: ticked,
    wait: Math.min(...waits, ...(isAwake ? [] : [wakeAt - now])),
  }
}

/** What looked at the objects knows when to look again; what did not leaves that as it was. */
export const wakeAfter = (
  timers: Timers,
  outcome: Result.Result<SyncOutcome, SyncError>,
  now: number,
): Timers => {
  if (Result.isFailure(outcome) || isUntouched(outcome.success)) return timers
  const { wakeAt: _, ...grid } = timers
  const { wakeAt } = outcome.success
  return wakeAt === undefined ? grid : { ...grid, wakeAt: Math.max(wakeAt, now + MIN_WAKE) }
}
