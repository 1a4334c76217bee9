/** List, watch, bookmarks, expiry, reconnection: one endless stream of what happens to the objects of a kind. */
import { Clock, Effect, Queue, Random, Result, Stream } from "effect"
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
  readonly versionOf: (object: A) => string
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

const backoff = (failures: number, { retryAfter = 0 }: KubeError): Effect.Effect<number> =>
  jittered(Math.max(Math.min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY), retryAfter))

/** Never fails and never ends: what goes wrong is told, and tried again. Back-pressure: 256 events. */
export const inform = <A>(
  source: Source<A>,
  { relist = HOUR }: InformerOptions = {},
): Stream.Stream<InformerEvent<A>> =>
  Stream.callback<InformerEvent<A>>(
    (told) => {
      let state: InformerState = LISTING
      // In a row; an event of a watch ends the row (a list does not: the watch after it may fail at once).
      let failures = 0
      let relistAt = 0

      const versionAfter = (event: WatchEvent<A>): string =>
        event.type === "BOOKMARK" ? event.resourceVersion : source.versionOf(event.object)

      const take = (input: InformerInput<A>): Effect.Effect<unknown> => {
        const next = step(state, input)
        state = next.state
        if (input.type === "event") failures = 0
        return Queue.offerAll(told, next.events)
      }

      const list = Effect.gen(function* () {
        const listed = yield* source.list
        relistAt = (yield* Clock.currentTimeMillis) + (yield* jittered(relist))
        yield* take({ type: "listed", list: listed })
      })

      /** Until the watch ends or fails, or it is time to list anew. */
      const watch = Effect.fnUntraced(function* (resourceVersion: string) {
        const began = yield* Clock.currentTimeMillis
        const events = Stream.runForEach(source.watch(resourceVersion), (event) =>
          take({ type: "event", event, at: versionAfter(event) }),
        )
        yield* Effect.timeoutOption(events, Math.max(0, relistAt - began))
        const now = yield* Clock.currentTimeMillis
        if (now >= relistAt) yield* take({ type: "expired" })
        else if (now - began < HEALTHY) yield* Effect.sleep(yield* jittered(FIRST_RETRY))
      })

      const recover = Effect.fnUntraced(function* (error: KubeError) {
        failures += 1
        const isFirstLoss = losesPosition(error) && state.at === "watching" && failures === 1
        if (losesPosition(error)) yield* take({ type: "expired" })
        if (isFirstLoss) return
        const retryIn = yield* backoff(failures, error)
        yield* Queue.offer(told, { type: "failed", error, retryIn })
        yield* Effect.sleep(retryIn)
      })

      return Effect.gen(function* () {
        while (true) {
          const turn = state.at === "listing" ? list : watch(state.resourceVersion)
          const outcome = yield* Effect.result(turn)
          if (Result.isFailure(outcome)) yield* recover(outcome.failure)
        }
      })
    },
    { bufferSize: 256 },
  )

export interface Informed extends ListOptions, InformerOptions {
  readonly caller: Caller
  readonly type: ResourceType
}

/** What is kept of each object: page by page of a list, so that it is never held whole in its parsed form. */
export interface Distilled<A> {
  readonly keep: (object: ObjectMetadata) => A
  readonly versionOf: (kept: A) => string
}

const versionOf = ({ metadata }: ObjectMetadata): string => metadata.resourceVersion ?? ""

const informing = <A>(
  wanted: Informed,
  source: (kube: Kube["Service"]) => Source<A>,
): Stream.Stream<InformerEvent<A>, never, Kube> =>
  Stream.unwrap(Effect.map(Kube, (kube) => inform(source(kube), wanted)))

/** Whole objects. */
export const informObjects = (
  wanted: Informed,
): Stream.Stream<InformerEvent<KubeObject>, never, Kube> =>
  informing(wanted, ({ list, watch }) => ({
    list: list(wanted.caller, wanted.type, wanted),
    watch: (resourceVersion) => watch(wanted.caller, wanted.type, { ...wanted, resourceVersion }),
    versionOf,
  }))

const distil = <A>(event: WatchEvent<ObjectMetadata>, { keep }: Distilled<A>): WatchEvent<A> =>
  event.type === "BOOKMARK" ? event : { type: event.type, object: keep(event.object) }

/** What is kept of their metadata. */
export const informDistilled = <A>(
  wanted: Informed,
  distilled: Distilled<A>,
): Stream.Stream<InformerEvent<A>, never, Kube> =>
  informing(wanted, ({ listMetadata, watchMetadata }) => ({
    list: listMetadata(wanted.caller, wanted.type, wanted, distilled.keep),
    watch: (resourceVersion) =>
      Stream.map(
        watchMetadata(wanted.caller, wanted.type, { ...wanted, resourceVersion }),
        (event) => distil(event, distilled),
      ),
    versionOf: distilled.versionOf,
  }))
