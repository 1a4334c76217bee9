/** Kubernetes Events on a GitRepository: repeats are counted on the event itself, the rate is bounded. */
import { Clock, Effect, Random } from "effect"
import { GROUP, KIND, keyOf, VERSION } from "../domain/repository.ts"
import { timeText } from "../domain/status.ts"
import { ulid } from "../domain/ulid.ts"
import { Kube, type ResourceType } from "../kube/Kube.ts"
import type { Notice } from "./events.ts"
import { keep } from "./rows.ts"
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

/** By uid of the GitRepository; `kept` by what the event says. */
interface Row {
  tokens: number
  refilled: number
  dropped: number
  readonly kept: Map<string, Kept>
}

/** Never fails: an event that cannot be written is logged. */
export type Record = (target: Target, notices: ReadonlyArray<Notice>) => Effect.Effect<void>

const take = (row: Row, now: number): boolean => {
  const earned = Math.floor((now - row.refilled) / REFILL)
  row.tokens = Math.min(row.tokens + earned, BURST)
  row.refilled += earned * REFILL
  if (row.tokens === 0) return false
  row.tokens -= 1
  return true
}

export const makeRecorder: Effect.Effect<Record, never, Kube> = Effect.gen(function* () {
  const kube = yield* Kube
  const rows = new Map<string, Row>()

  const create = Effect.fnUntraced(function* (target: Target, notice: Notice, at: number) {
    const { namespace, name: subject, uid } = target.metadata
    const id = ulid(at, [yield* Random.next, yield* Random.next]).toLowerCase()
    const name = `${subject}.${id}`
    const time = timeText(at)
    const apiVersion = `${GROUP}/${VERSION}`
    yield* kube.create({ budget: keyOf(target) }, EVENT, namespace, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: { apiVersion, kind: KIND, namespace, name: subject, uid },
      ...notice,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: "nopea" },
      reportingComponent: "nopea",
      reportingInstance: "nopea",
    })
    return { name, count: 1, at }
  })

  const repeat = (target: Target, known: Kept, at: number) => {
    const name = { namespace: target.metadata.namespace, name: known.name }
    const count = known.count + 1
    return kube
      .mergePatch({ budget: keyOf(target) }, EVENT, name, { count, lastTimestamp: timeText(at) })
      .pipe(Effect.as({ name: known.name, count, at }))
  }

  const write = Effect.fnUntraced(function* (target: Target, notice: Notice) {
    const now = yield* Clock.currentTimeMillis
    const { uid } = target.metadata
    const fresh = { tokens: BURST, refilled: now, dropped: 0, kept: new Map<string, Kept>() }
    const row = keep(rows, uid, rows.get(uid) ?? fresh, MAX_ROWS)
    if (!take(row, now)) {
      row.dropped += 1
      return yield* Effect.logWarning("event not written: too many").pipe(
        Effect.annotateLogs({ repository: keyOf(target), ...notice, dropped: row.dropped }),
      )
    }
    const same = `${notice.reason} ${notice.message}`
    const known = row.kept.get(same)
    const anew = create(target, notice, now)
    const kept =
      known === undefined || now - known.at > WINDOW
        ? yield* anew
        : yield* Effect.catchIf(
            repeat(target, known, now),
            ({ status }) => status === 404,
            () => anew,
          )
    keep(row.kept, same, kept, MAX_KEPT)
  })

  return Effect.fn("Recorder.record")(function* (target, notices) {
    for (const notice of notices)
      yield* write(target, notice).pipe(
        Effect.timeout(LIMIT),
        Effect.catch((error) =>
          Effect.logWarning("event not written").pipe(
            Effect.annotateLogs({ repository: keyOf(target), ...notice, error: error.message }),
          ),
        ),
      )
  })
})
