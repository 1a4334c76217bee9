/**
 * Takes events to their sinks: each sink has its own bounded queue and its own fiber, so that a slow one delays nobody.
 * At least once and in order; what cannot be delivered is dropped, counted and said.
 */
import { type Cause, Context, Effect, Latch, Layer, Random, Redacted } from "effect"
import { describeCrash } from "../domain/crash.ts"
import { elapsedMillis } from "../domain/Elapsed.ts"
import { currentTrace, follow } from "../domain/Tracing.ts"
import type { TraceContext } from "../domain/trace.ts"
import { Metrics } from "../metrics/Metrics.ts"
import type { Registry } from "../metrics/registry.ts"
import { type Send, send } from "../report/Sending.ts"
import type { Message } from "./cdevents.ts"
import { pauseOf, type Sink, verdictOf } from "./sinks.ts"

/** Events that wait for one sink; more are dropped. */
export const MAX_WAITING = 1_000
const TRIES = 10
/** An event that is older is not tried again, or a sink that was away would be fed with the past for hours. */
const MAX_AGE = 15 * 60_000
/** Milliseconds between lines of the log about one sink. */
const QUIET = 60_000

export class Delivery extends Context.Service<
  Delivery,
  {
    /** Returns at once. It is delivered as a part of the trace under way. */
    readonly offer: (message: Message) => Effect.Effect<void>
    readonly hasSinks: boolean
  }
>()("nopea/events/Delivery") {}

interface Waiting extends Message {
  readonly since: number
  readonly trace: TraceContext | undefined
}

interface Lane {
  readonly sink: Sink
  readonly queue: Array<Waiting>
  readonly waiting: Latch.Latch
  readonly idle: Latch.Latch
  isGone: boolean
  /** Since the last line about it. */
  dropped: number
  toldAt: number
}

interface Parts {
  readonly send: Send
  readonly registry: Registry
  /** Open: the controller stops. */
  readonly closing: Latch.Latch
}

const laneOf = (sink: Sink): Lane => ({
  sink,
  queue: [],
  waiting: Latch.makeUnsafe(false),
  idle: Latch.makeUnsafe(true),
  isGone: false,
  dropped: 0,
  toldAt: Number.NEGATIVE_INFINITY,
})

interface Why {
  readonly code: string
  readonly reason: string
  readonly fix: string
}

const WHY = {
  full: {
    code: "NOPEA-E010",
    reason: `${MAX_WAITING} events wait already`,
    fix: "see why the sink is slow or away",
  },
  stopped: {
    code: "NOPEA-E011",
    reason: "the controller stopped before the sink took them",
    fix: "see whether the sink is up; status and Events have what they would have said",
  },
  gone: {
    code: "NOPEA-E012",
    reason: "it answered 410: it wants no events any more",
    fix: "take it off NOPEA_CDEVENTS_SINKS, or restart the controller once it is back",
  },
  crashed: {
    code: "NOPEA-E015",
    reason: "sending it crashed",
    fix: "report it with the line of the log that has the cause",
  },
} as const satisfies Readonly<Record<string, Why>>

const refusedWith = (status: number): Why => ({
  code: "NOPEA-E013",
  reason: `it answered ${status}${status >= 300 && status < 400 ? ": redirects are not followed" : ""}`,
  fix: "check address and token, and that the sink takes CloudEvents in this mode",
})

const gaveUp = (last: string): Why => ({
  code: "NOPEA-E014",
  reason: `it was tried for too long; last: ${last}`,
  fix: "see whether the sink is up and the network lets the controller reach it",
})

/** Counts at once; says at most one line in a minute, with how many there were. */
const drop = Effect.fnUntraced(function* ({ registry }: Parts, lane: Lane, why: Why, by = 1) {
  registry.count("nopea_cdevents_total", { sink: lane.sink.name, result: "dropped" }, by)
  lane.dropped += by
  const now = yield* elapsedMillis
  if (now - lane.toldAt < QUIET && why !== WHY.stopped) return
  const { dropped } = lane
  lane.dropped = 0
  lane.toldAt = now
  yield* Effect.logWarning("events dropped").pipe(
    Effect.annotateLogs({ sink: lane.sink.name, dropped, ...why }),
  )
})

const dropAll = (parts: Parts, lane: Lane, why: Why): Effect.Effect<void> =>
  Effect.suspend(() => {
    const by = lane.queue.splice(0).length
    return by === 0 ? Effect.void : drop(parts, lane, why, by)
  })

const headersOf = ({ token }: Sink, { headers }: Message): Message["headers"] =>
  token === undefined ? headers : { ...headers, authorization: `Bearer ${Redacted.value(token)}` }

interface Tried {
  readonly verdict: ReturnType<typeof verdictOf>
  readonly why: Why
  readonly retryAfter?: number | undefined
}

const attempt = ({ send }: Parts, { sink }: Lane, message: Message): Effect.Effect<Tried> =>
  send({ url: sink.url, headers: headersOf(sink, message), body: message.body }).pipe(
    Effect.map(({ status, retryAfter }) => ({
      verdict: verdictOf(status),
      why: refusedWith(status),
      retryAfter,
    })),
    Effect.catch(({ how, why }) =>
      Effect.succeed<Tried>({
        verdict: how === "forbidden" ? "refused" : "again",
        why: { ...gaveUp(why), reason: why },
      }),
    ),
  )

/** Ends when the message needs no further thought: it is delivered, or dropped. */
const persist = Effect.fn("Delivery.deliver")(function* (
  parts: Parts,
  lane: Lane,
  message: Waiting,
) {
  for (let nth = 1; ; nth++) {
    const { verdict, why, retryAfter } = yield* attempt(parts, lane, message)
    if (verdict === "delivered") {
      const labels = { sink: lane.sink.name, result: "delivered" }
      return parts.registry.count("nopea_cdevents_total", labels)
    }
    if (verdict === "refused") return yield* drop(parts, lane, why)
    if (verdict === "gone") {
      lane.isGone = true
      return yield* dropAll(parts, lane, WHY.gone)
    }
    if (parts.closing.isOpen()) return yield* dropAll(parts, lane, WHY.stopped)
    const age = (yield* elapsedMillis) - message.since
    if (nth >= TRIES || age > MAX_AGE) return yield* drop(parts, lane, gaveUp(why.reason))
    const pause = pauseOf(nth, yield* Random.next, retryAfter)
    yield* Effect.timeoutOption(parts.closing.await, pause)
  }
})

const crashed = (parts: Parts, lane: Lane, cause: Cause.Cause<never>): Effect.Effect<void> =>
  Effect.andThen(
    Effect.logError(`crash in delivery: ${describeCrash(cause)}`),
    drop(parts, lane, WHY.crashed),
  )

/** The message stays first in its queue until it is settled, so the queue's length is what waits. */
const run = (parts: Parts, lane: Lane): Effect.Effect<never> =>
  Effect.gen(function* () {
    const [message] = lane.queue
    if (message === undefined) {
      lane.waiting.closeUnsafe()
      lane.idle.openUnsafe()
      return yield* lane.waiting.await
    }
    const delivered = follow(persist(parts, lane, message), message.trace)
    yield* Effect.catchCause(delivered, (cause) => crashed(parts, lane, cause))
    if (lane.queue[0] === message) lane.queue.shift()
  }).pipe(Effect.forever)

const offerTo = Effect.fnUntraced(function* (parts: Parts, lane: Lane, message: Message) {
  if (lane.isGone) return yield* drop(parts, lane, WHY.gone)
  if (lane.queue.length >= MAX_WAITING) return yield* drop(parts, lane, WHY.full)
  lane.queue.push({ ...message, since: yield* elapsedMillis, trace: yield* currentTrace })
  lane.idle.closeUnsafe()
  lane.waiting.openUnsafe()
})

/** Each sink gets what waits for it, or is given up at its first failure; and nobody waits for longer than `drain`. */
const close = Effect.fnUntraced(function* (
  parts: Parts,
  lanes: ReadonlyArray<Lane>,
  drain: number,
) {
  parts.closing.openUnsafe()
  const idle = Effect.forEach(lanes, (lane) => lane.idle.await, { concurrency: "unbounded" })
  yield* Effect.timeoutOption(idle, drain)
  yield* Effect.forEach(lanes, (lane) => dropAll(parts, lane, WHY.stopped), { discard: true })
})

export interface DeliveryOptions {
  readonly sinks: ReadonlyArray<Sink>
  /** Milliseconds that what waits may take when the layer closes. */
  readonly drain: number
  readonly send?: Send
}

const make = Effect.fnUntraced(function* (options: DeliveryOptions) {
  const registry = yield* Metrics
  const lanes = options.sinks.map(laneOf)
  const parts: Parts = {
    send: options.send ?? send,
    registry,
    closing: Latch.makeUnsafe(false),
  }
  const collect = (): void => {
    for (const { sink, queue } of lanes)
      registry.set("nopea_cdevents_waiting", { sink: sink.name }, queue.length)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => registry.collect(collect)),
    (stop) => Effect.sync(stop),
  )
  for (const lane of lanes) yield* Effect.forkScoped(run(parts, lane))
  yield* Effect.addFinalizer(() => close(parts, lanes, options.drain))
  return Delivery.of({
    hasSinks: lanes.length > 0,
    offer: (message) =>
      Effect.forEach(lanes, (lane) => offerTo(parts, lane, message), { discard: true }),
  })
})

export const layer = (options: DeliveryOptions): Layer.Layer<Delivery> =>
  Layer.effect(Delivery, make(options))
