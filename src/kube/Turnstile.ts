/**
 * Answers that come together are taken for some milliseconds in each turn of the event loop: probes, webhooks and other
 * repositories have their turn between them.
 */
import { Effect } from "effect"

/** Milliseconds of work in one turn. */
const SHARE = 5

export interface Surroundings {
  /** Milliseconds that only go forward. */
  readonly now: () => number
  /** Calls it once everybody else had their turn. */
  readonly nextTurn: (next: () => void) => void
}

/** Does the work now, or in one of the next turns: in the order in which it came. */
export type Turnstile = (work: () => void) => void

/** As many can wait as requests can be in flight. */
export const makeTurnstile = ({ now, nextTurn }: Surroundings): Turnstile => {
  let waiting: Array<() => void> = []
  let end: number | undefined
  const begin = (): number => {
    nextTurn(turn)
    end = now() + SHARE
    return end
  }
  const turn = (): void => {
    end = undefined
    if (waiting.length === 0) return
    const until = begin()
    let done = 0
    try {
      while (done < waiting.length && now() < until) waiting[done++]?.()
    } finally {
      waiting = waiting.slice(done)
    }
  }
  return (work) => {
    const until = end ?? begin()
    if (waiting.length === 0 && now() < until) work()
    else waiting.push(work)
  }
}

/** Of Node's event loop. */
export const turnstile: Effect.Effect<Turnstile> = Effect.clockWith((clock) => {
  const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1000n) / 1000
  return Effect.succeed(makeTurnstile({ now, nextTurn: setImmediate }))
})
