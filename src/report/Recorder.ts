/** Kubernetes Events on a GitRepository: repeats are counted on the event itself, the rate is bounded. */
import { Clock, Context, Effect, Layer, Random } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import { GROUP, KIND, keyOf, VERSION } from "../domain/repository.ts"
import { ulid } from "../domain/ulid.ts"
import { Kube, type ResourceType } from "../kube/Kube.ts"
import { timeText } from "./entries.ts"
import type { Notice } from "./events.ts"
import type { Target } from "./StatusWriter.ts"

const EVENT: ResourceType = {
  group: "",
  version: "v1",
  kind: "Event",
  resource: "events",
  namespaced: true,
  verbs: ["create", "patch"],
}

/** Per GitRepository: so many at once, then one in so many milliseconds. */
const BURST = 20
const REFILL = 30_000
/** A repeat within this time is counted; the API server keeps events for an hour. */
const WINDOW = 50 * 60_000
const MAX_KEPT = 20
const MAX_ROWS = 5_000
const LIMIT = "10 seconds"

interface Kept {
  readonly name: string
  readonly count: number
  readonly at: number
}

interface Row {
  tokens: number
  refilled: number
  dropped: number
  readonly kept: Map<string, Kept>
}

export class Recorder extends Context.Service<
  Recorder,
  {
    /** Never fails: an event that cannot be written is logged. */
    readonly record: (target: Target, notices: ReadonlyArray<Notice>) => Effect.Effect<void>
  }
>()("nopea/report/Recorder") {}

/** The oldest go first. */
const trim = <K, V>(rows: Map<K, V>, most: number): void => {
  for (const oldest of rows.keys()) {
    if (rows.size <= most) return
    rows.delete(oldest)
  }
}

const take = (row: Row, now: number): boolean => {
  const earned = Math.floor((now - row.refilled) / REFILL)
  row.tokens = Math.min(row.tokens + earned, BURST)
  row.refilled += earned * REFILL
  if (row.tokens === 0) return false
  row.tokens -= 1
  return true
}

const eventObject = (
  { metadata: { namespace, name: subject, uid } }: Target,
  { type, reason, message }: Notice,
  name: string,
  time: string,
): KubeObject => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name, namespace },
  involvedObject: { apiVersion: `${GROUP}/${VERSION}`, kind: KIND, namespace, name: subject, uid },
  type,
  reason,
  message,
  count: 1,
  firstTimestamp: time,
  lastTimestamp: time,
  source: { component: "nopea" },
  reportingComponent: "nopea",
  reportingInstance: "nopea",
})

const make = Effect.gen(function* () {
  const kube = yield* Kube
  const rows = new Map<string, Row>()

  const rowOf = ({ metadata: { uid } }: Target, now: number): Row => {
    const row = rows.get(uid) ?? { tokens: BURST, refilled: now, dropped: 0, kept: new Map() }
    rows.delete(uid)
    rows.set(uid, row)
    trim(rows, MAX_ROWS)
    return row
  }

  const create = Effect.fnUntraced(function* (target: Target, notice: Notice, now: number) {
    const id = ulid(now, [yield* Random.next, yield* Random.next]).toLowerCase()
    const name = `${target.metadata.name}.${id}`
    const caller = { budget: keyOf(target) }
    const body = eventObject(target, notice, name, timeText(now))
    yield* kube.create(caller, EVENT, target.metadata.namespace, body)
    return { name, count: 1, at: now }
  })

  const repeat = (target: Target, { name, count }: Kept, now: number) =>
    kube
      .mergePatch(
        { budget: keyOf(target) },
        EVENT,
        { namespace: target.metadata.namespace, name },
        { count: count + 1, lastTimestamp: timeText(now) },
      )
      .pipe(Effect.as({ name, count: count + 1, at: now }))

  const write = (
    target: Target,
    notice: Notice,
    known: Kept | undefined,
    now: number,
  ): Effect.Effect<Kept, KubeError> =>
    known === undefined || now - known.at > WINDOW
      ? create(target, notice, now)
      : Effect.catchIf(
          repeat(target, known, now),
          (error) => error.status === 404,
          () => create(target, notice, now),
        )

  const recordOne = Effect.fnUntraced(function* (target: Target, notice: Notice) {
    const now = yield* Clock.currentTimeMillis
    const row = rowOf(target, now)
    if (!take(row, now)) {
      row.dropped += 1
      return yield* Effect.logWarning("event not written: too many").pipe(
        Effect.annotateLogs({ repository: keyOf(target), ...notice, dropped: row.dropped }),
      )
    }
    const same = `${notice.reason} ${notice.message}`
    const kept = yield* write(target, notice, row.kept.get(same), now)
    row.kept.delete(same)
    row.kept.set(same, kept)
    trim(row.kept, MAX_KEPT)
  })

  const record = Effect.fn("Recorder.record")(function* (
    target: Target,
    notices: ReadonlyArray<Notice>,
  ) {
    for (const notice of notices)
      yield* recordOne(target, notice).pipe(
        Effect.timeout(LIMIT),
        Effect.catch((error) =>
          Effect.logWarning("event not written").pipe(
            Effect.annotateLogs({ repository: keyOf(target), ...notice, error: error.message }),
          ),
        ),
      )
  })

  return Recorder.of({ record })
})

export const layer: Layer.Layer<Recorder, never, Kube> = Layer.effect(Recorder, make)
