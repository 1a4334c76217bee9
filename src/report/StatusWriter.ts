/** Keeps the status of every GitRepository: in the cache at once, in the cluster when it changed. */
import { isDeepStrictEqual } from "node:util"
import { Clock, Effect, Schedule, Semaphore } from "effect"
import { Cache } from "../cache/Cache.ts"
import { KubeError } from "../domain/errors.ts"
import { GIT_REPOSITORIES, keyOf, readableStatus } from "../domain/repository.ts"
import type { Moment, RepositoryStatus } from "../domain/status.ts"
import { Kube } from "../kube/Kube.ts"
import { keep } from "./rows.ts"

/** Whose status it is; `status` is what its newest reading said. */
export interface Target {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
    readonly generation?: number
  }
  readonly status?: RepositoryStatus
}

export interface Told {
  readonly before: RepositoryStatus
  readonly after: RepositoryStatus
}

export type News = (before: RepositoryStatus, at: Moment) => RepositoryStatus

export interface StatusWriter {
  /** Never fails: what the cluster does not take now goes with the next news. */
  readonly tell: (target: Target, news: News) => Effect.Effect<Told>
  /** Returns when the cluster has it. */
  readonly store: (target: Target, news: News) => Effect.Effect<void, KubeError>
  /** With the status as the cluster has it, for a GitRepository that cannot be decoded. */
  readonly read: (target: Target) => Effect.Effect<Target, KubeError>
}

/** By uid, so that nothing is known of a successor. `turn` orders the news, `wire` the requests. */
interface Row {
  told: RepositoryStatus
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

/** A GitRepository that is gone needs no status. */
export const logUnwritten = (
  target: Target,
  { code, reason, status }: KubeError,
): Effect.Effect<void> =>
  (status === 404 ? Effect.logDebug : Effect.logWarning)("status not written").pipe(
    Effect.annotateLogs({ repository: keyOf(target), code, reason }),
  )

export const makeWriter: Effect.Effect<StatusWriter, never, Kube | Cache> = Effect.gen(
  function* () {
    const kube = yield* Kube
    const cache = yield* Cache
    const rows = new Map<string, Row>()

    const rowOf = ({ metadata: { uid }, status = {} }: Target): Row => {
      const [turn, wire] = [Semaphore.makeUnsafe(1), Semaphore.makeUnsafe(1)]
      const row = rows.get(uid) ?? { told: status, stored: status, turn, wire }
      return keep(rows, uid, row, MAX_ROWS)
    }

    /** The test makes the patch miss a successor of the same name; a uid in a merge patch of status is ignored. */
    const patch = ({ metadata }: Target, status: RepositoryStatus) => {
      const body = [
        { op: "test", path: "/metadata/uid", value: metadata.uid },
        { op: "add", path: "/status", value: status },
      ] as const
      const key = keyOf({ metadata })
      return kube
        .jsonPatch({ budget: key }, GIT_REPOSITORIES, metadata, body, "status")
        .pipe(
          Effect.retry(again),
          Effect.timeoutOrElse({ duration: LIMIT, orElse: () => Effect.fail(tooSlow(key)) }),
        )
    }

    const learn = Effect.fnUntraced(function* (row: Row, target: Target, news: News) {
      const before = row.told
      const now = yield* Clock.currentTimeMillis
      row.told = news(before, { generation: target.metadata.generation ?? 0, now })
      yield* cache.states.set(keyOf(target), row.told)
      return { before, after: row.told }
    })

    /** Whoever waits for the wire finds the newest status written already, or writes it. */
    const flush = Effect.fnUntraced(function* (row: Row, target: Target) {
      const wanted = row.told
      if (isDeepStrictEqual(row.stored, wanted)) return
      yield* patch(target, wanted)
      row.stored = wanted
    })

    return {
      tell: Effect.fn("StatusWriter.tell")(function* (target, news) {
        const row = rowOf(target)
        const told = yield* row.turn.withPermit(learn(row, target, news))
        const flushed = row.wire.withPermit(flush(row, target))
        yield* Effect.catch(flushed, (error) => logUnwritten(target, error))
        return told
      }),
      store: Effect.fn("StatusWriter.store")(function* (target, news) {
        const row = rowOf(target)
        yield* row.turn.withPermit(learn(row, target, news))
        yield* row.wire.withPermit(flush(row, target))
      }),
      read: (target) =>
        kube.get({ budget: keyOf(target) }, GIT_REPOSITORIES, target.metadata).pipe(
          Effect.retry(again),
          Effect.map((live) => ({ ...target, status: readableStatus(live["status"]) })),
        ),
    }
  },
)
