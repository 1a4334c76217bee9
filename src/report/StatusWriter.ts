/** Keeps the status of every GitRepository: in the cache at once, in the cluster when it changed. */
import { isDeepStrictEqual } from "node:util"
import { Context, Effect, Layer, Schedule, Semaphore } from "effect"
import { Cache } from "../cache/Cache.ts"
import { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import { GROUP, KIND, keyOf, PLURAL, readableStatus, VERSION } from "../domain/repository.ts"
import type { RepositoryStatus } from "../domain/status.ts"
import { Kube, type ResourceType } from "../kube/Kube.ts"

export const GIT_REPOSITORY: ResourceType = {
  group: GROUP,
  version: VERSION,
  kind: KIND,
  resource: PLURAL,
  namespaced: true,
  verbs: ["get", "patch"],
}

/** Whose status it is; `status` is what its newest reading said. */
export interface Target {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly status?: RepositoryStatus
}

export interface Told {
  readonly before: RepositoryStatus
  readonly after: RepositoryStatus
}

export type News = (before: RepositoryStatus) => RepositoryStatus

/** What the cluster has; `turn` orders the news, `wire` the requests. */
interface Row {
  /** Nothing was told yet, so the cache may speak of a predecessor of the same name. */
  isNew: boolean
  stored: RepositoryStatus
  readonly turn: Semaphore.Semaphore
  readonly wire: Semaphore.Semaphore
}

const MAX_ROWS = 10_000
const LIMIT = "30 seconds"
const again = {
  schedule: Schedule.exponential("200 millis"),
  times: 4,
  while: ({ status }: KubeError) =>
    status === 0 || status === 409 || status === 429 || status >= 500,
} as const

const tooSlow = (subject: string): KubeError =>
  new KubeError({
    code: "NOPEA-A060",
    operation: "write status",
    subject,
    reason: `the API server did not take it within ${LIMIT}`,
    fix: "see how the API server is doing; it is written with the next sync",
    disposition: "retry",
    status: 0,
    statusReason: "",
  })

export class StatusWriter extends Context.Service<
  StatusWriter,
  {
    /** Never fails: what the cluster does not take now goes with the next news. */
    readonly tell: (target: Target, news: News) => Effect.Effect<Told>
    /** Returns when the cluster has it. */
    readonly store: (target: Target, news: News) => Effect.Effect<Told, KubeError>
    /** The status as the cluster has it, for a GitRepository that cannot be decoded. */
    readonly read: (target: Target) => Effect.Effect<Target, KubeError>
  }
>()("nopea/report/StatusWriter") {}

const make = Effect.gen(function* () {
  const kube = yield* Kube
  const cache = yield* Cache
  const rows = new Map<string, Row>()

  const rowOf = ({ metadata, status = {} }: Target): Row => {
    const found = rows.get(metadata.uid)
    const turn = found?.turn ?? Semaphore.makeUnsafe(1)
    const row = found ?? { isNew: true, stored: status, turn, wire: Semaphore.makeUnsafe(1) }
    rows.delete(metadata.uid)
    rows.set(metadata.uid, row)
    for (const oldest of rows.keys()) if (rows.size > MAX_ROWS) rows.delete(oldest)
    return row
  }

  /** The test makes the patch miss a successor of the same name; a uid in a merge patch of status is ignored. */
  const patch = (
    { metadata }: Target,
    status: RepositoryStatus,
  ): Effect.Effect<KubeObject, KubeError> =>
    kube
      .jsonPatch(
        { budget: keyOf({ metadata }) },
        GIT_REPOSITORY,
        metadata,
        [
          { op: "test", path: "/metadata/uid", value: metadata.uid },
          { op: "add", path: "/status", value: status },
        ],
        "status",
      )
      .pipe(
        Effect.retry(again),
        Effect.timeoutOrElse({
          duration: LIMIT,
          orElse: () => Effect.fail(tooSlow(keyOf({ metadata }))),
        }),
      )

  const learn = (target: Target, row: Row, news: News) =>
    Effect.gen(function* () {
      const key = keyOf(target)
      const known = row.isNew ? undefined : yield* cache.states.get(key)
      const before = known ?? row.stored
      row.isNew = false
      const after = news(before)
      yield* cache.states.set(key, after)
      return { before, after }
    })

  /** Whoever waits for the wire finds the newest status written already, or writes it. */
  const flush = (target: Target, row: Row) =>
    Effect.gen(function* () {
      const wanted = yield* cache.states.get(keyOf(target))
      if (wanted === undefined || isDeepStrictEqual(row.stored, wanted)) return
      yield* patch(target, wanted)
      row.stored = wanted
    })

  const store = Effect.fn("StatusWriter.store")(function* (target: Target, news: News) {
    const row = rowOf(target)
    const told = yield* row.turn.withPermits(1)(learn(target, row, news))
    yield* row.wire.withPermits(1)(flush(target, row))
    return told
  })

  const tell = Effect.fnUntraced(function* (target: Target, news: News) {
    const row = rowOf(target)
    const told = yield* row.turn.withPermits(1)(learn(target, row, news))
    yield* row.wire
      .withPermits(1)(flush(target, row))
      .pipe(
        Effect.catch((error) =>
          (error.status === 404 ? Effect.logDebug : Effect.logWarning)("status not written").pipe(
            Effect.annotateLogs({
              repository: keyOf(target),
              code: error.code,
              reason: error.reason,
            }),
          ),
        ),
      )
    return told
  })

  const read = ({ metadata }: Target): Effect.Effect<Target, KubeError> =>
    kube.get({ budget: keyOf({ metadata }) }, GIT_REPOSITORY, metadata).pipe(
      Effect.retry(again),
      Effect.map((live) => ({ metadata, status: readableStatus(live["status"]) })),
    )

  return StatusWriter.of({ tell, store, read })
})

export const layer: Layer.Layer<StatusWriter, never, Kube | Cache> = Layer.effect(
  StatusWriter,
  make,
)
