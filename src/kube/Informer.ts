/** List, watch, bookmarks, expiry, reconnection: one endless stream of what happens to the objects of a kind. */
import { type Cause, Clock, Effect, Queue, Random, Result, Stream } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import {
  type Caller,
  Kube,
  type Listed,
  type ListOptions,
  type ObjectMetadata,
  type ResourceType,
  type WatchEvent,
} from "./Kube.ts"
import {
  type InformerEvent,
  type InformerInput,
  type InformerState,
  LISTING,
  losesPosition,
  step,
} from "./watch.ts"

/** How to list and watch; the informer knows no more of the API server. */
export interface Source<A> {
  readonly list: Effect.Effect<Listed<A>, KubeError>
  readonly watch: (resourceVersion: string) => Stream.Stream<WatchEvent<A>, KubeError>
}

export interface InformerOptions {
  /** Milliseconds until everything is listed anew, ± 10 %; default: one hour. */
  readonly relist?: number
}

const FIRST_RETRY = 1_000
const LONGEST_RETRY = 60_000
/** A watch that lived shorter than this is reopened with a pause, however it ended. */
const HEALTHY = 5_000
const HOUR = 3_600_000

/** ± 10 %. */
const jittered = (milliseconds: number): Effect.Effect<number> =>
  Effect.map(Random.nextBetween(0.9, 1.1), (factor) => Math.round(milliseconds * factor))

const backoff = (failures: number, error: KubeError): Effect.Effect<number> =>
  jittered(
    Math.max(Math.min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY), error.retryAfter ?? 0),
  )

interface Memory {
  state: InformerState
  /** Failures in a row; an event of a watch ends the row (a list does not: the watch after it may fail at once). */
  failures: number
  relistAt: number
}

type Told<A> = Queue.Queue<InformerEvent<A>, Cause.Done>

const take = <A extends ObjectMetadata>(
  told: Told<A>,
  memory: Memory,
  input: InformerInput<A>,
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { state, events } = step(memory.state, input)
    memory.state = state
    if (input.type === "event") memory.failures = 0
    return Effect.asVoid(Queue.offerAll(told, events))
  })

const list = <A extends ObjectMetadata>(
  source: Source<A>,
  told: Told<A>,
  memory: Memory,
  relist: number,
): Effect.Effect<void, KubeError> =>
  Effect.gen(function* () {
    const listed = yield* source.list
    memory.relistAt = (yield* Clock.currentTimeMillis) + (yield* jittered(relist))
    yield* take(told, memory, { type: "listed", list: listed })
  })

/** Until the watch ends or fails, or it is time to list anew. */
const watch = <A extends ObjectMetadata>(
  source: Source<A>,
  told: Told<A>,
  memory: Memory,
  resourceVersion: string,
): Effect.Effect<void, KubeError> =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const events = Stream.runForEach(source.watch(resourceVersion), (event) =>
      take(told, memory, { type: "event", event }),
    )
    yield* Effect.timeoutOption(events, Math.max(0, memory.relistAt - began))
    const now = yield* Clock.currentTimeMillis
    if (now >= memory.relistAt) return yield* take(told, memory, { type: "expired" })
    if (now - began < HEALTHY) yield* Effect.sleep(yield* jittered(FIRST_RETRY))
  })

const recover = <A extends ObjectMetadata>(
  told: Told<A>,
  memory: Memory,
  error: KubeError,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const isFirstLoss = losesPosition(error) && memory.state.at === "watching"
    if (losesPosition(error)) yield* take(told, memory, { type: "expired" })
    memory.failures += 1
    const retryIn =
      isFirstLoss && memory.failures === 1 ? 0 : yield* backoff(memory.failures, error)
    if (retryIn === 0) return
    yield* Queue.offer(told, { type: "failed", error, retryIn })
    yield* Effect.sleep(retryIn)
  })

/** Never fails and never ends: what goes wrong is told, and tried again. Back-pressure: 256 events. */
export const inform = <A extends ObjectMetadata>(
  source: Source<A>,
  options: InformerOptions = {},
): Stream.Stream<InformerEvent<A>> =>
  Stream.callback<InformerEvent<A>>(
    (told) =>
      Effect.gen(function* () {
        const memory: Memory = { state: LISTING, failures: 0, relistAt: 0 }
        while (true) {
          const { state } = memory
          const turn =
            state.at === "listing"
              ? list(source, told, memory, options.relist ?? HOUR)
              : watch(source, told, memory, state.resourceVersion)
          const outcome = yield* Effect.result(turn)
          if (Result.isFailure(outcome)) yield* recover(told, memory, outcome.failure)
        }
      }),
    { bufferSize: 256 },
  )

export interface Informed extends ListOptions, InformerOptions {
  readonly caller: Caller
  readonly type: ResourceType
}

/** Whole objects. */
export const informObjects = (
  wanted: Informed,
): Stream.Stream<InformerEvent<KubeObject>, never, Kube> =>
  Stream.unwrap(
    Effect.map(Kube, (kube) => {
      const { caller, type } = wanted
      return inform<KubeObject>(
        {
          list: kube.list(caller, type, wanted),
          watch: (resourceVersion) => kube.watch(caller, type, { ...wanted, resourceVersion }),
        },
        wanted,
      )
    }),
  )

/** Metadata only. */
export const informMetadata = (
  wanted: Informed,
): Stream.Stream<InformerEvent<ObjectMetadata>, never, Kube> =>
  Stream.unwrap(
    Effect.map(Kube, (kube) => {
      const { caller, type } = wanted
      return inform<ObjectMetadata>(
        {
          list: kube.listMetadata(caller, type, wanted),
          watch: (resourceVersion) =>
            kube.watchMetadata(caller, type, { ...wanted, resourceVersion }),
        },
        wanted,
      )
    }),
  )
