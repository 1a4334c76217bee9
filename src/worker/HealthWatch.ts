/**
 * Watches over the health of what a worker has applied, beside its mailbox: waiting holds no sync. Objects are read
 * when a watch tells that they changed; what no watch tells of, while it is awaited, more and more seldom.
 */
import { Clock, Duration, Effect, Latch, Result } from "effect"
import type { Change } from "../domain/change.ts"
import type { SyncError } from "../domain/errors.ts"
import { formatRef, type ObjectKey, type ObjectRef } from "../domain/object.ts"
import { isUntouched, type SyncOutcome } from "../domain/outcome.ts"
import type { GitRepository } from "../domain/repository.ts"
import { conditionOf } from "../domain/status.ts"
import type { TriggerKind } from "../domain/trigger.ts"
import { hasHealth } from "../health/compute.ts"
import type { View } from "../health/view.ts"
import * as rows from "../health/watching.ts"
import { Reporter } from "../report/Reporter.ts"
import { Checkup } from "./Checkup.ts"
import type { SyncRequest } from "./Syncer.ts"

/** Objects that are read at a time, and before what they say is told. */
const AT_ONCE = 8
const BATCH = 200
/** Between two rounds: what changes in quick succession is read once. */
const SPACING = Duration.seconds(1)

const LIVE = new Set(["created", "configured", "unchanged", "healed"])
const WRITTEN = new Set(["created", "configured", "healed"])
/** They look at everything anew. */
const THOROUGH: ReadonlySet<TriggerKind> = new Set(["reconcile", "syncNow", "startup"])

/** In Git and not as Git says: broken, or gone, and awaited all the same. Of a held delete no file is known. */
const isMissing = ({ action, heals, note }: Change): boolean =>
  action === "held" ? note?.file !== undefined : heals === true

const appliedBy = (outcome: SyncOutcome, now: number): rows.Applied => {
  const isAwaited = (one: Change): boolean => LIVE.has(one.action) || isMissing(one)
  const there = outcome.changes.filter((one) => isAwaited(one) && hasHealth(one.ref))
  const written = there.filter(({ action }) => WRITTEN.has(action))
  return {
    commit: outcome.commit.sha,
    refs: there.map(({ ref }) => ref),
    written: new Set(written.map(({ ref }) => formatRef(ref))),
    now,
  }
}

/** What a controller that was just started knows: the time of this very commit was up before. */
const wasLate = (
  { status, metadata }: GitRepository,
  { commit, written }: rows.Applied,
): boolean => {
  const healthy = conditionOf(status ?? {}, "Healthy")
  return (
    written.size === 0 &&
    status?.lastSyncedCommit === commit &&
    healthy?.status === "False" &&
    healthy.observedGeneration === metadata.generation
  )
}

interface Patient {
  readonly repository: GitRepository
  readonly state: rows.Watching
}

const isSameView = (a: View | undefined, b: View): boolean =>
  a !== undefined && JSON.stringify(a) === JSON.stringify(b)

export interface HealthWatch {
  /** A sync begins: nothing is told until it has been told. */
  readonly pause: Effect.Effect<void>
  /** A sync has been told. */
  readonly after: (
    request: SyncRequest,
    outcome: Result.Result<SyncOutcome, SyncError>,
  ) => Effect.Effect<void>
  /** Ends only by interruption. */
  readonly run: Effect.Effect<never>
}

export const makeHealthWatch: (key: string) => Effect.Effect<HealthWatch, never, Reporter> =
  Effect.fnUntraced(function* (key) {
    const checkup = yield* Checkup
    const reporter = yield* Reporter
    const due = Latch.makeUnsafe(false)
    const fresh = Latch.makeUnsafe(false)
    const dirty = new Set<ObjectKey>()
    let patient: Patient | undefined
    let told: View | undefined
    let isPaused = true
    let attempt = 0
    let askAgainAt = Number.POSITIVE_INFINITY
    /** Whether a health that nobody wants may still be in the status. */
    let isTold: boolean | undefined
    /** Whether the account may list: many objects then cost one request. */
    let mayList = true
    /** What could not be read when it was to be. */
    let missed: ReadonlySet<ObjectKey> = new Set()

    const changed = (object: ObjectKey, version: string): void => {
      if (patient === undefined || !rows.isNews(patient.state, object, version)) return
      dirty.add(object)
      due.openUnsafe()
    }

    const stop = (): void => {
      checkup.follow(key)
      patient = undefined
      dirty.clear()
    }

    /** What was applied, and all that has to be read for it. */
    const admit = ({ repository, trigger }: SyncRequest, applied: rows.Applied): void => {
      const begun = rows.begin(patient?.state, applied)
      const isLate = patient === undefined && wasLate(repository, applied)
      const state = isLate ? { ...begun, since: Number.NEGATIVE_INFINITY } : begun
      patient = { repository, state }
      const all = THOROUGH.has(trigger.kind) ? state.rows.keys() : rows.unread(state)
      for (const object of all) dirty.add(object)
      attempt = 0
      mayList ||= THOROUGH.has(trigger.kind)
      checkup.follow(key, changed)
    }

    const after = Effect.fnUntraced(function* (
      request: SyncRequest,
      outcome: Result.Result<SyncOutcome, SyncError>,
    ) {
      const { repository } = request
      isPaused = false
      told = undefined
      if (!checkup.isWanted(repository)) {
        const mayBeTold = isTold ?? conditionOf(repository.status ?? {}, "Healthy") !== undefined
        isTold = false
        stop()
        return mayBeTold ? yield* reporter.health({ repository }) : undefined
      }
      isTold = true
      const now = yield* Clock.currentTimeMillis
      if (Result.isSuccess(outcome) && !isUntouched(outcome.success))
        admit(request, appliedBy(outcome.success, now))
      due.openUnsafe()
      fresh.openUnsafe()
    })

    const timeoutOf = ({ repository }: Patient): number =>
      Duration.toMillis(repository.spec.timeout)

    const tell = Effect.fnUntraced(function* (now: number) {
      if (patient === undefined || isPaused) return
      const { repository, state } = patient
      const view = rows.view(state, now, timeoutOf(patient))
      if (isSameView(told, view)) return
      told = view
      yield* reporter.health({ repository, commit: state.commit, view })
    })

    const readAll = Effect.fnUntraced(function* (of: Patient, batch: ReadonlyArray<ObjectKey>) {
      const one = Effect.fnUntraced(function* (object: ObjectKey) {
        const row = of.state.rows.get(object)
        const reading = row && (yield* checkup.read(of.repository, row.ref))
        return [object, reading] as const
      })
      return yield* Effect.forEach(batch, one, { concurrency: AT_ONCE })
    })

    /** With one list. Who is not in it is read one by one, some now and the others next. */
    const readMany = Effect.fnUntraced(function* (of: Patient, many: ReadonlyArray<ObjectRef>) {
      const listed =
        (yield* checkup.readMany(of.repository, many)) ?? new Map<ObjectKey, rows.Reading>()
      const keys = many.map(formatRef)
      const left = keys.filter((object) => !listed.has(object))
      mayList = left.length < keys.length
      for (const object of left.slice(BATCH)) dirty.add(object)
      const others = yield* readAll(of, left.slice(0, BATCH))
      return [...keys.map((object) => [object, listed.get(object)] as const), ...others]
    })

    /** What is awaited and no watch tells of, or could not be read, however well it was. */
    const unheard = (): ReadonlyArray<ObjectKey> => {
      if (patient === undefined) return []
      const { state } = patient
      const silent = rows.awaited(state).filter((ref) => !checkup.isWatched(ref))
      const unread = [...missed].filter((object) => state.rows.has(object))
      return [...new Set([...silent.map(formatRef), ...unread])]
    }

    /** Reads what is due, as long as nobody applies something else meanwhile. */
    const round = Effect.gen(function* () {
      const of = patient
      if (of === undefined) return
      if ((yield* Clock.currentTimeMillis) >= askAgainAt)
        for (const object of unheard()) dirty.add(object)
      const many = mayList ? rows.crowd(of.state, dirty) : []
      const batch = many.length > 0 ? many.map(formatRef) : [...dirty].slice(0, BATCH)
      for (const object of batch) dirty.delete(object)
      const found = yield* many.length > 0 ? readMany(of, many) : readAll(of, batch)
      const now = yield* Clock.currentTimeMillis
      if (patient !== of) {
        if (patient !== undefined) for (const object of batch) dirty.add(object)
        return
      }
      const readings = found.flatMap(([object, reading]) =>
        reading === undefined ? [] : [[object, reading] as const],
      )
      patient = { ...of, state: rows.looked(of.state, new Map(readings), now) }
      const read = new Set(readings.map(([object]) => object))
      const isMissed = (object: ObjectKey) =>
        !read.has(object) && !dirty.has(object) && of.state.rows.has(object)
      missed = new Set([...missed, ...batch].filter(isMissed))
      const isUnheard = unheard().length > 0
      if (isUnheard && batch.length > 0) askAgainAt = now + rows.pause(attempt++)
      if (!isUnheard) askAgainAt = Number.POSITIVE_INFINITY
    })

    const wait = Effect.gen(function* () {
      if (dirty.size > 0) return due.closeUnsafe()
      const now = yield* Clock.currentTimeMillis
      const late = patient && rows.untilLate(patient.state, now, timeoutOf(patient))
      const left = Math.min(late ?? Number.POSITIVE_INFINITY, askAgainAt - now)
      yield* Number.isFinite(left) ? Effect.timeoutOption(due.await, Math.max(left, 0)) : due.await
      due.closeUnsafe()
    })

    const turn = Effect.gen(function* () {
      yield* wait
      yield* round
      yield* tell(yield* Clock.currentTimeMillis)
      fresh.closeUnsafe()
      const isBegun =
        patient !== undefined && dirty.size > 0 && rows.unread(patient.state).length > 0
      if (!isBegun) yield* Effect.timeoutOption(fresh.await, SPACING)
    })

    return {
      pause: Effect.sync(() => {
        isPaused = true
      }),
      after,
      run: Effect.ensuring(Effect.forever(turn), Effect.sync(stop)),
    }
  })
