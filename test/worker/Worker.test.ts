import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, type Duration, Effect, Fiber, Layer, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import { ANNOTATION_RECONCILE, type GitRepository } from "../../src/domain/repository.ts"
import { Supervisor } from "../../src/supervisor/Supervisor.ts"
import { nextTick } from "../../src/worker/timers.ts"
import { actors, failure, gitError, kubeError, outcome } from "../layers/Actors.ts"
import { type RepositoryFields, repository, SYNCED } from "../layers/repositories.ts"
import { recorded } from "../layers/Spans.ts"

const MINUTE = 60_000
/** Timers far away, so that only what the test does happens. */
const QUIET = { interval: "24h", reconcileInterval: "24h" }
const quiet = (name: string, fields: RepositoryFields = {}): GitRepository =>
  repository(name, { status: SYNCED, ...fields, spec: { ...QUIET, ...fields.spec } })
const A = "apps/a"

const settle = TestClock.adjust(0)
type Actors = ReturnType<typeof actors>

const world = <A2, E>(
  body: (a: Actors, s: Supervisor["Service"]) => Effect.Effect<A2, E>,
  drainTimeout = 0,
): Effect.Effect<void, E> => {
  const a = actors(drainTimeout)
  return Effect.asVoid(Effect.flatMap(Supervisor, (s) => body(a, s))).pipe(
    Effect.provide(Layer.provideMerge(a.layer, Logger.layer([]))),
  )
}
const triggers = (a: Actors, key = A) => a.of(key).map((c) => c.trigger)
const lasting = (time: Duration.Input) => () => Effect.as(Effect.sleep(time), outcome())

describe("a sync's trace", () => {
  const theirs = (digit: string) => ({
    traceId: digit.repeat(32),
    spanId: digit.repeat(16),
    sampled: true,
  })

  it.effect(
    "goes on with that of the first webhook, and is linked to those that came with it",
    () => {
      const { layer, named, parentOf } = recorded()
      return world((a, s) =>
        Effect.gen(function* () {
          a.script.set(A, lasting("30 seconds"))
          yield* s.start(quiet("a"))
          yield* settle
          for (const digit of ["a", "b", "c"])
            yield* s.send(A, { kind: "webhook", traces: [theirs(digit)] })
          yield* TestClock.adjust("5 minutes")
          yield* s.send(A, { kind: "webhook" })
          yield* TestClock.adjust("5 minutes")
          const syncs = named("Worker.sync")
          assert.deepStrictEqual(
            syncs.map((one) => [
              parentOf(one)?.[0],
              ...one.links.map(({ span }) => span.spanId[0]),
            ]),
            [[undefined], ["a", "b", "c"], [undefined]],
          )
          assert.strictEqual(syncs[1]?.traceId, "a".repeat(32))
          assert.strictEqual(new Set(syncs.map((span) => span.traceId)).size, 3)
        }),
      ).pipe(Effect.provide(layer))
    },
  )
})

describe("a worker's mailbox", () => {
  it.effect("syncs once when it starts", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(triggers(a), ["startup"])
        assert.match(a.of(A)[0]?.syncId ?? "", /^[0-9A-HJKMNP-TV-Z]{26}$/)
      }),
    ),
  )

  const sha = outcome().commit.sha
  const pushed = (s: Supervisor["Service"], commit: string) =>
    s.send(A, { kind: "webhook", commit })

  it.effect("webhooks of the commit that was just applied are served once in a second", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* settle
        const begun = a.of(A)[0]?.at ?? 0
        for (let at = 0; at < 30; at++) {
          for (let one = 0; one < 3; one++) yield* pushed(s, sha)
          yield* TestClock.adjust("100 millis")
        }
        const served = a.of(A).map(({ trigger, at }) => [trigger, at - begun])
        assert.deepStrictEqual(served, [
          ["startup", 0],
          ["webhook", 1000],
          ["webhook", 2000],
          ["webhook", 3000],
        ])
        yield* TestClock.adjust("1 hour")
        yield* pushed(s, sha)
        yield* settle
        assert.strictEqual(a.of(A).length, 5, "at once where it was calm for long")
      }),
    ),
  )

  it.effect("and so are those that come while a sync runs", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("50 millis"))
        yield* s.start(quiet("a"))
        for (let at = 0; at < 300; at++) {
          yield* pushed(s, sha)
          yield* TestClock.adjust("10 millis")
        }
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(triggers(a), ["startup", ...Array(3).fill("webhook")])
      }),
    ),
  )

  it.effect("another commit that comes while a sync runs is served after it, whoever echoes", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("50 millis"))
        yield* s.start(quiet("a"))
        yield* settle
        for (const commit of [sha, "b".repeat(40), sha]) yield* pushed(s, commit)
        yield* TestClock.adjust("60 millis")
        assert.deepStrictEqual(triggers(a), ["startup", "webhook"])
      }),
    ),
  )

  it.effect("a webhook of another commit waits for none of its echoes, and no echo is lost", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* settle
        yield* pushed(s, sha)
        yield* settle
        const commit = { ...outcome().commit, sha: "b".repeat(40) }
        a.script.set(A, () => Effect.succeed(outcome({ commit })))
        yield* pushed(s, commit.sha)
        yield* settle
        assert.deepStrictEqual(triggers(a), ["startup", "webhook"])
        assert.strictEqual(a.of(A)[1]?.commit, "b".repeat(40))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(
          a.of(A).map(({ commit }) => commit),
          [undefined, "b".repeat(40), undefined],
          "the echo would wait for a head that another commit followed",
        )
      }),
    ),
  )

  it.effect("an echo waits a second at most, also where other syncs run one after another", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* settle
        const begun = a.of(A)[0]?.at ?? 0
        yield* pushed(s, sha)
        for (let at = 0; at < 12; at++) {
          yield* s.send(A, { kind: "drift" })
          yield* TestClock.adjust("250 millis")
        }
        const heard = a.of(A).filter(({ trigger }) => trigger === "webhook")
        assert.deepStrictEqual(
          heard.map(({ at }) => at - begun),
          [1000],
        )
      }),
    ),
  )

  it.effect("an echo that is due leaves a webhook that waits its commit", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("2 seconds"))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("2 seconds")
        yield* pushed(s, sha)
        yield* s.send(A, { kind: "drift" })
        yield* TestClock.adjust("1 second")
        yield* pushed(s, "b".repeat(40))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          a.of(A).map(({ trigger, commit }) => `${trigger} ${commit?.[0] ?? ""}`),
          ["startup ", "drift ", "webhook b", `webhook ${sha[0]}`],
        )
      }),
    ),
  )

  it.effect("a webhook of a commit that was not applied whole is served at once, each time", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.succeed(outcome({ failures: [failure("stall")] })))
        yield* s.start(quiet("a"))
        yield* settle
        for (let one = 0; one < 3; one++) {
          yield* pushed(s, sha)
          yield* settle
        }
        assert.deepStrictEqual(triggers(a), ["startup", "webhook", "webhook", "webhook"])
      }),
    ),
  )

  it.effect("a stop does not wait for an echo", () =>
    world((_, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* settle
        yield* pushed(s, sha)
        assert.isTrue(yield* s.stop(A, "forget"))
      }),
    ),
  )

  it.effect("triggers during a sync start another one after it, one for all of a kind", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("30 seconds"))
        yield* s.start(quiet("a"))
        yield* settle
        yield* s.send(A, { kind: "reconcile" })
        yield* s.send(A, { kind: "drift" })
        for (const commit of ["c1", "c2", "c3"]) yield* s.send(A, { kind: "webhook", commit })
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(
          a.of(A).map((c) => [c.trigger, c.commit, c.at / 1000]),
          [
            ["startup", undefined, 0],
            ["webhook", "c3", 30],
            ["drift", undefined, 60],
            ["reconcile", undefined, 90],
          ],
        )
        assert.deepStrictEqual(a.overlaps, [])
      }),
    ),
  )

  it.effect("callers share the next sync and get its outcome, not that of the running one", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) =>
          Effect.as(Effect.sleep("10 seconds"), outcome({ resourceCount: nth })),
        )
        yield* s.start(quiet("a"))
        yield* settle
        const both = yield* Effect.forkChild(
          Effect.all([s.syncNow(A, "c9"), s.syncNow(A)], { concurrency: 2 }),
        )
        yield* TestClock.adjust("20 seconds")
        const counts = (yield* Fiber.join(both)).map((o) => o.resourceCount)
        assert.deepStrictEqual(counts, [2, 2])
        assert.deepStrictEqual(triggers(a), ["startup", "syncNow"])
      }),
    ),
  )

  it.effect("a caller gets the error of its sync", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.fail(kubeError("stall")))
        yield* s.start(quiet("a"))
        const error = yield* Effect.flip(s.syncNow(A))
        assert.strictEqual(error._tag, "KubeError")
      }),
    ),
  )

  it.effect("a caller too many is told so at once", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.never)
        yield* s.start(quiet("a"))
        yield* settle
        for (let i = 0; i < 64; i++) yield* Effect.forkChild(s.syncNow(A))
        yield* settle
        const refused = yield* Effect.flip(s.syncNow(A))
        assert.include(refused.message, "NOPEA-C024")
      }),
    ),
  )

  it.effect("a sync reads the newest spec as it starts", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("10 seconds"))
        yield* s.start(quiet("a"))
        yield* settle
        for (const [generation, branch] of [[2, "one"] as const, [3, "two"] as const])
          yield* s.start(quiet("a", { generation, spec: { branch } }))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          a.of(A).map((c) => [c.trigger, c.request.repository.spec.branch]),
          [
            ["startup", "main"],
            ["specChanged", "two"],
          ],
        )
      }),
    ),
  )

  it.effect("status is answered while a sync runs", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.never)
        yield* s.start(quiet("a"))
        yield* settle
        assert.strictEqual((yield* s.status(A))?.phase, "Synced")
        assert.isUndefined(yield* s.status("apps/none"))
      }),
    ),
  )
})

describe("a worker's timers", () => {
  it.effect("repositories of one URL and interval poll at the same moments", () =>
    world((a, s) =>
      Effect.gen(function* () {
        const url = "https://git.example/mono.git"
        const spec = { url, interval: "5m", reconcileInterval: "24h" }
        yield* s.start(repository("a", { status: SYNCED, spec }))
        yield* TestClock.adjust("77 seconds")
        yield* s.start(repository("b", { status: SYNCED, spec }))
        yield* TestClock.adjust("21 minutes")
        const polls = (key: string) =>
          a.of(key).flatMap((c) => (c.trigger === "poll" ? [c.at] : []))
        const first = nextTick(0, 5 * MINUTE, url)
        const grid = [0, 1, 2, 3].map((n) => first + n * 5 * MINUTE)
        assert.deepStrictEqual(polls(A).slice(0, 4), grid)
        assert.deepStrictEqual(
          polls("apps/b").slice(0, 4),
          polls(A)
            .filter((at) => at > 77_000)
            .slice(0, 4),
        )
      }),
    ),
  )

  it.effect("reconciles at twice the interval unless it is told otherwise", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(repository("a", { status: SYNCED, spec: { interval: "30m" } }))
        yield* TestClock.adjust("24 hours")
        const count = (kind: string) => triggers(a).filter((t) => t === kind).length
        assert.deepStrictEqual([count("poll"), count("reconcile")], [48, 24])
      }),
    ),
  )

  it.effect("a shorter interval takes effect at once", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        yield* s.start(quiet("a", { generation: 2, spec: { interval: "1m" } }))
        yield* TestClock.adjust("5 minutes")
        assert.isAtLeast(triggers(a).filter((t) => t === "poll").length, 4)
      }),
    ),
  )
})

describe("a worker whose drift waits", () => {
  const kinds = (a: Actors) => a.of(A).map((c) => [c.trigger, c.at / 1000])
  const looking = (waits: ReadonlyArray<number | undefined>) => (_: unknown, nth: number) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const wait = waits[nth - 1]
      return outcome(wait === undefined ? {} : { wakeAt: now + wait })
    })

  it.effect("looks at it again when its time has come, and not again after that", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, looking([30_000, 5 * MINUTE]))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(kinds(a), [
          ["startup", 0],
          ["drift", 30],
          ["drift", 330],
        ])
      }),
    ),
  )

  it.effect("keeps the time over syncs that end early or fail", () =>
    world((a, s) =>
      Effect.gen(function* () {
        const rest = [
          Effect.succeed(outcome({ result: "nothing" })),
          Effect.fail(kubeError("stall")),
          Effect.succeed(outcome()),
        ]
        const first = looking([2 * MINUTE])
        a.script.set(A, (request, nth) =>
          nth === 1 ? first(request, nth) : (rest[nth - 2] ?? Effect.succeed(outcome())),
        )
        yield* s.start(quiet("a"))
        for (const kind of ["poll", "reconcile"] as const) {
          yield* TestClock.adjust("30 seconds")
          yield* s.send(A, { kind })
        }
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(kinds(a), [
          ["startup", 0],
          ["poll", 30],
          ["reconcile", 60],
          ["drift", 120],
        ])
      }),
    ),
  )

  it.effect("is not in a hurry where the time lies in the past", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, looking(Array<number>(1000).fill(-MINUTE)))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(a.of(A).length, 11)
      }),
    ),
  )

  it.effect("waits hours where it has to", () =>
    world((a, s) =>
      Effect.gen(function* () {
        const first = looking([10 * 60 * MINUTE])
        a.script.set(A, (request, nth) =>
          nth === 1 ? first(request, nth) : Effect.succeed(outcome({ result: "nothing" })),
        )
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("11 hours")
        const woken = kinds(a).filter(([kind]) => kind === "drift")
        assert.deepStrictEqual(woken, [["drift", 36_000]])
      }),
    ),
  )
})

describe("a worker's retries", () => {
  const gaps = (a: Actors) =>
    a.of(A).map(({ at }, i, all) => Math.round((at - (all[i - 1]?.at ?? 0)) / 1000))

  it.effect("a Git server in trouble is asked after 1, 2, 4 … seconds, and success ends it", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) =>
          nth <= 4 ? Effect.fail(gitError()) : Effect.succeed(outcome()),
        )
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(triggers(a), ["startup", "retry", "retry", "retry", "retry"])
        assert.deepStrictEqual(gaps(a), [0, 1, 2, 4, 8])
      }),
    ),
  )

  it.effect("what failed in part is tried again, and the report tells when", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) =>
          Effect.succeed(outcome(nth === 1 ? { failures: [failure("wait")] } : {})),
        )
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(triggers(a), ["startup", "retry"])
        const [first, second] = a.toldOf(A, "finished")
        assert.approximately(first?.retryIn ?? 0, 1000, 100)
        assert.isUndefined(second?.retryIn)
      }),
    ),
  )

  it.effect("what waiting cannot mend is not retried", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.fail(kubeError("stall")))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(triggers(a), ["startup"])
        yield* s.send(A, { kind: "webhook", commit: "fix" })
        yield* settle
        assert.deepStrictEqual(triggers(a), ["startup", "webhook"])
      }),
    ),
  )

  it.effect("a newer commit cuts the sleep before a retry short", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) =>
          nth === 1 ? Effect.fail(gitError(10 * MINUTE)) : Effect.succeed(outcome()),
        )
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("30 seconds")
        yield* s.send(A, { kind: "webhook", commit: "c2" })
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(
          a.of(A).map((c) => [c.trigger, c.at / 1000]),
          [
            ["startup", 0],
            ["webhook", 30],
          ],
        )
      }),
    ),
  )
})

describe("what a worker tells", () => {
  const told = (a: Actors) => a.told.map((t) => [t.what, t.at / 1000])

  it.effect("a fast sync is told once, when it has ended", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("900 millis"))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told(a), [["finished", 0.9]])
      }),
    ),
  )

  it.effect("a slow sync is told after one second", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("5 seconds"))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told(a), [
          ["syncing", 1],
          ["finished", 5],
        ])
      }),
    ),
  )

  it.effect("what was begun to be told is told before the outcome", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.writing.takes = 3000
        a.script.set(A, lasting("2 seconds"))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told(a), [
          ["syncing", 4],
          ["finished", 4],
        ])
      }),
    ),
  )

  it.effect("the very first sync is told at once, and only the first", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a", { status: {} }))
        yield* settle
        yield* s.syncNow(A)
        assert.deepStrictEqual(told(a), [
          ["syncing", 0],
          ["finished", 0],
          ["finished", 0],
        ])
      }),
    ),
  )
})

describe("suspend", () => {
  const suspended = (generation: number) => quiet("a", { generation, spec: { suspend: true } })

  it.effect("lets the running sync end, runs no other, and is told once", () =>
    world((a, s) =>
      Effect.gen(function* () {
        a.script.set(A, lasting("30 seconds"))
        yield* s.start(quiet("a"))
        yield* settle
        yield* s.start(suspended(2))
        yield* s.send(A, { kind: "webhook" })
        yield* TestClock.adjust("48 hours")
        assert.deepStrictEqual(triggers(a), ["startup"])
        assert.deepStrictEqual(
          a.told.map((t) => t.what),
          ["syncing", "finished", "suspended"],
        )
        const refused = yield* Effect.flip(s.syncNow(A))
        assert.include(refused.message, "NOPEA-C021")
      }),
    ),
  )

  it.effect("runs nothing when it is suspended from the start, and syncs when resumed", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(suspended(1))
        yield* TestClock.adjust("48 hours")
        assert.deepStrictEqual(a.calls, [])
        assert.strictEqual(a.toldOf(A, "suspended").length, 1)
        yield* s.start(quiet("a", { generation: 2 }))
        yield* settle
        assert.deepStrictEqual(triggers(a), ["specChanged"])
        yield* s.start(suspended(3))
        yield* settle
        assert.strictEqual(a.toldOf(A, "suspended").length, 2)
      }),
    ),
  )
})

describe("a request by annotation", () => {
  const asked = (at: string, handled?: string, resourceVersion = "1") =>
    quiet("a", {
      resourceVersion,
      annotations: { [ANNOTATION_RECONCILE]: at },
      status: { ...SYNCED, ...(handled === undefined ? {} : { lastHandledReconcileAt: handled }) },
    })

  it.effect("syncs once, also when the answer is written back", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* settle
        yield* s.start(asked("t1"))
        yield* settle
        yield* s.start(asked("t1", "t1", "2"))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(triggers(a), ["startup", "syncNow"])
      }),
    ),
  )

  it.effect("that waits at a restart is served by the first sync", () =>
    world((a, s) =>
      Effect.gen(function* () {
        yield* s.start(asked("t2", "t1"))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(triggers(a), ["startup"])
        const annotations = a.of(A)[0]?.request.repository.metadata.annotations
        assert.strictEqual(annotations?.[ANNOTATION_RECONCILE], "t2")
      }),
    ),
  )
})

describe("replies", () => {
  it.effect("are given also to those whose worker is stopped while they wait", () =>
    world((a, s) =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        a.script.set(A, () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        yield* s.start(quiet("a"))
        yield* Deferred.await(begun)
        const waiting = yield* Effect.forkChild(Effect.result(s.syncNow(A)))
        yield* settle
        yield* s.stop(A, "keep")
        const answer = yield* Fiber.join(waiting)
        assert.include(Result.isFailure(answer) ? answer.failure.message : "", "NOPEA-C022")
      }),
    ),
  )
})
