/**
 * One fair request budget for everybody: at most `limit` requests are in flight, those that wait are served
 * in turn, one of each key. Waiting is back-pressure (each worker's own concurrency is bounded), still the
 * places per key and the time in the queue have a limit. 429 halves the budget and pauses it; it grows back slowly.
 */
import { Effect, type Scope } from "effect"
import { elapsedMillis } from "../domain/Elapsed.ts"
import type { KubeError } from "../domain/errors.ts"
import type { Asked } from "./status.ts"
import { crowded } from "./unanswered.ts"

export interface BudgetOptions {
  /** Requests in flight at most; default 48. */
  readonly requests?: number
  /** Requests that may wait per key; default 20,000. */
  readonly places?: number
  /** Milliseconds that a request may wait for its turn; default 3 minutes. */
  readonly patience?: number
}

export interface Budget {
  /** Runs the effect in its turn. `key`: see `Caller.budget`. */
  readonly run: <A, E, R>(
    asked: Asked,
    key: string,
    effect: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | KubeError, R>
  /** The server answered 429: fewer requests, and none for so many milliseconds. */
  readonly slowDown: (pause: number) => Effect.Effect<void>
}

interface Waiter {
  readonly key: string
  granted: boolean
  wake: () => void
}

/** A halving counts for the burst of refusals that caused it. */
const BURST = 1_000

/** Who runs and who waits; every change ends with `serve`. */
class Turns {
  /** Those that wait by key, the keys in the order of their next turn. */
  readonly #queues = new Map<string, Set<Waiter>>()
  readonly #most: number
  #limit: number
  #inFlight = 0
  #halvedAt = Number.NEGATIVE_INFINITY
  pausedUntil = 0
  isPaused = false

  constructor(most: number) {
    this.#most = most
    this.#limit = most
  }

  waiting(key: string): number {
    return this.#queues.get(key)?.size ?? 0
  }

  serve(): void {
    for (const [key, queue] of this.#queues) {
      if (this.isPaused || this.#inFlight >= Math.floor(this.#limit)) return
      const [waiter] = queue as Iterable<Waiter> as readonly [Waiter]
      this.#remove(waiter)
      // Visited again by this loop: a Map yields what is added while it is read.
      if (this.#queues.delete(key)) this.#queues.set(key, queue)
      this.#inFlight += 1
      waiter.granted = true
      waiter.wake()
    }
  }

  #remove(waiter: Waiter): void {
    const queue = this.#queues.get(waiter.key)
    queue?.delete(waiter)
    if (queue?.size === 0) this.#queues.delete(waiter.key)
  }

  join(key: string): Waiter {
    const waiter: Waiter = { key, granted: false, wake: () => {} }
    const queue = this.#queues.get(key) ?? new Set()
    this.#queues.set(key, queue.add(waiter))
    this.serve()
    return waiter
  }

  leave(waiter: Waiter): void {
    if (waiter.granted) {
      this.#inFlight -= 1
      this.#limit = Math.min(this.#most, this.#limit + 1 / this.#limit)
    } else this.#remove(waiter)
    this.serve()
  }

  pause(now: number, pause: number): void {
    if (now - this.#halvedAt >= BURST) {
      this.#limit = Math.max(1, this.#limit / 2)
      this.#halvedAt = now
    }
    this.pausedUntil = Math.max(this.pausedUntil, now + pause)
    this.isPaused = true
  }
}

const turn = (waiter: Waiter): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (waiter.granted) resume(Effect.void)
    else waiter.wake = () => resume(Effect.void)
  })

const untilUnpaused = Effect.fnUntraced(function* (turns: Turns) {
  while (true) {
    const left = turns.pausedUntil - (yield* elapsedMillis)
    if (left <= 0) break
    yield* Effect.sleep(left)
  }
  turns.isPaused = false
  turns.serve()
})

export const makeBudget = (
  options: BudgetOptions = {},
): Effect.Effect<Budget, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { requests = 48, places = 20_000, patience = 180_000 } = options
    const scope = yield* Effect.scope
    const turns = new Turns(requests)

    const awaitTurn = (asked: Asked, waiter: Waiter): Effect.Effect<void, KubeError> =>
      Effect.timeoutOrElse(turn(waiter), {
        duration: patience,
        orElse: () => Effect.fail(crowded(asked, `waited ${patience / 1_000} s for its turn`)),
      })

    return {
      run: (asked, key, effect) =>
        Effect.uninterruptibleMask((restore) => {
          if (turns.waiting(key) >= places)
            return Effect.fail(crowded(asked, `${places} requests of ${key} are waiting already`))
          const waiter = turns.join(key)
          const inTurn = waiter.granted ? effect : Effect.andThen(awaitTurn(asked, waiter), effect)
          return Effect.onExit(restore(inTurn), () => Effect.sync(() => turns.leave(waiter)))
        }),
      slowDown: Effect.fnUntraced(function* (pause) {
        const now = yield* elapsedMillis
        const isFirst = !turns.isPaused
        turns.pause(now, pause)
        if (isFirst) yield* Effect.forkIn(untilUnpaused(turns), scope)
      }),
    }
  })
