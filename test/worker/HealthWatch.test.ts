import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Changed } from "../../src/cache/Live.ts"
import type { Change } from "../../src/domain/change.ts"
import { toFailure } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import type { TriggerKind } from "../../src/domain/trigger.ts"
import { HEALTHY, type Health, progressing } from "../../src/health/facts.ts"
import { Checkup } from "../../src/worker/Checkup.ts"
import { makeHealthWatch } from "../../src/worker/HealthWatch.ts"
import { actors, gitError, outcome } from "../layers/Actors.ts"
import { repository } from "../layers/repositories.ts"

const A = "apps/a"
const SLOW = progressing("0 of 1 replicas are ready")
const web = repository("a", { spec: { wait: true, timeout: "1m" } })
const key = (name: string) => `apps/Deployment/shop/${name}`
const settle = TestClock.adjust(0)

const failure = toFailure(gitError())

const change = (action: Change["action"], name: string, kind = "Deployment"): Change => ({
  ref: { group: kind === "Deployment" ? "apps" : "", version: "v1", kind, namespace: "shop", name },
  action,
})

/** A cluster whose objects are as healthy as the test says. */
const cluster = () => {
  const state = new Map<string, Health | undefined>()
  const reads: Array<string> = []
  let version = 1
  let changed: Changed | undefined
  const asks = { isWatched: true, isWanted: true, mayList: true }
  const lists: Array<number> = []
  return {
    asks,
    state,
    reads,
    lists,
    follows: () => changed !== undefined,
    /** What a watch would tell. */
    becomes: (name: string, health: Health) => {
      state.set(name, health)
      version += 1
      changed?.(key(name), String(version))
    },
    layer: Layer.succeed(Checkup, {
      isWanted: () => asks.isWanted,
      read: (_, { name }) =>
        Effect.sync(() => {
          reads.push(name)
          const health = state.get(name)
          return health && { health, version: String(version) }
        }),
      readMany: (_, refs) =>
        Effect.sync(() => {
          lists.push(refs.length)
          const known = refs.flatMap(({ name }) => {
            const health = state.get(name)
            return health ? [[key(name), { health, version: String(version) }] as const] : []
          })
          return asks.mayList ? new Map(known) : undefined
        }),
      follow: (_, listener) => {
        changed = listener
      },
      isWatched: () => asks.isWatched,
    }),
  }
}

const world = <X, E>(
  body: (w: {
    readonly here: ReturnType<typeof cluster>
    readonly told: () => ReadonlyArray<string | undefined>
    readonly synced: (trigger: TriggerKind, over: Partial<SyncOutcome>) => Effect.Effect<void>
    readonly failed: Effect.Effect<void>
    readonly pause: Effect.Effect<void>
  }) => Effect.Effect<X, E>,
) => {
  const here = cluster()
  const a = actors()
  return Effect.gen(function* () {
    const watch = yield* makeHealthWatch(A)
    const fiber = yield* Effect.forkChild(watch.run)
    const request = (kind: TriggerKind) => ({
      repository: web,
      trigger: { kind },
      syncId: "01J",
    })
    yield* body({
      here,
      told: () => a.toldOf(A, "health").map(({ text }) => text),
      synced: (trigger, over) =>
        Effect.andThen(watch.after(request(trigger), Result.succeed(outcome(over))), settle),
      failed: watch.after(request("poll"), Result.fail(gitError())),
      pause: watch.pause,
    })
    yield* Fiber.interrupt(fiber)
    assert.isFalse(here.follows())
  }).pipe(Effect.provide(Layer.mergeAll(here.layer, a.reporter, Logger.layer([]))))
}

const created = { changes: [change("created", "web"), change("created", "api")] }
const unchanged = { changes: [change("unchanged", "web"), change("unchanged", "api")] }

describe("a watch over health", () => {
  it.effect("reads what was applied once, and then only what a watch tells of", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", SLOW)
        yield* synced("webhook", created)
        assert.deepStrictEqual(here.reads, ["web", "api"])
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(here.reads.length, 2)
        here.becomes("api", HEALTHY)
        yield* settle
        assert.deepStrictEqual(here.reads.slice(2), ["api"])
        assert.deepStrictEqual(told(), ["progressing", "healthy"])
      }),
    ),
  )

  const names = Array.from({ length: 300 }, (_, i) => `one-${i}`)
  const many = { changes: names.map((name) => change("created", name)) }

  it.effect("reads many of one kind with one list, and one by one who is not in it", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        for (const name of names.slice(2)) here.state.set(name, HEALTHY)
        yield* synced("webhook", many)
        assert.deepStrictEqual([here.lists, here.reads], [[300], ["one-0", "one-1"]])
        for (const name of names.slice(0, 2)) here.state.set(name, HEALTHY)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(told(), ["progressing", "healthy"])
        assert.deepStrictEqual(here.lists, [300])
        for (const name of names.slice(0, 30)) here.becomes(name, SLOW)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(here.lists, [300], "a tenth is not worth a list")
        yield* synced("reconcile", { changes: names.map((name) => change("unchanged", name)) })
        assert.deepStrictEqual(here.lists, [300, 300])
      }),
    ),
  )

  it.effect("reads many one by one where no list is answered, and tries again in a reconcile", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        for (const name of names) here.state.set(name, HEALTHY)
        here.asks.mayList = false
        yield* synced("webhook", many)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual([here.lists, here.reads.length], [[300], 300])
        assert.strictEqual(told().at(-1), "healthy")
        here.asks.mayList = true
        yield* synced("reconcile", { changes: names.map((name) => change("unchanged", name)) })
        assert.deepStrictEqual([here.lists, here.reads.length], [[300, 300], 300])
      }),
    ),
  )

  it.effect("reads an object that changes all the time once a second", () =>
    world(({ here, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", SLOW)
        yield* synced("webhook", created)
        for (let i = 0; i < 100; i++) {
          here.becomes("api", progressing(`${i} of 100 replicas are ready`))
          yield* TestClock.adjust("100 millis")
        }
        assert.isAtMost(here.reads.length, 14)
      }),
    ),
  )

  it.effect("says when the time is up, and goes on watching until it is well", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", SLOW)
        yield* synced("webhook", created)
        yield* TestClock.adjust("59 seconds")
        assert.deepStrictEqual(told(), ["progressing"])
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(told(), ["progressing", "late"])
        yield* TestClock.adjust("1 hour")
        here.becomes("api", HEALTHY)
        yield* settle
        assert.deepStrictEqual(told(), ["progressing", "late", "healthy"])
        assert.strictEqual(here.reads.length, 3)
      }),
    ),
  )

  it.effect("asks more and more seldom where no watch tells, and stops once all is well", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.asks.isWatched = false
        here.state.set("web", HEALTHY).set("api", SLOW)
        yield* synced("webhook", created)
        yield* TestClock.adjust("10 minutes")
        assert.isAtLeast(here.reads.length, 2 + 10)
        assert.isAtMost(here.reads.length, 2 + 15)
        here.state.set("api", HEALTHY)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(told().at(-1), "healthy")
        const { length } = here.reads
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(here.reads.length, length)
      }),
    ),
  )

  it.effect("asks again for what could not be read", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY)
        yield* synced("webhook", created)
        assert.deepStrictEqual(told(), ["progressing"])
        here.state.set("api", HEALTHY)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(told(), ["progressing", "healthy"])
        assert.deepStrictEqual(here.reads, ["web", "api", "api"])
      }),
    ),
  )

  it.effect("asks again for what was well and could not be read", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", HEALTHY)
        yield* synced("webhook", created)
        here.state.delete("api")
        yield* synced("reconcile", unchanged)
        here.state.set("api", SLOW)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(told().slice(-2), ["healthy", "progressing"])
      }),
    ),
  )

  it.effect("awaits what is held, or was not healed, but not what is to be deleted", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", SLOW).set("db", SLOW).set("gone", SLOW)
        const changes = [
          change("unchanged", "web"),
          { ...change("held", "api"), note: { ...failure, file: "api.yaml" } },
          { ...change("failed", "db"), heals: true as const, failure },
          { ...change("held", "gone"), note: failure },
        ]
        yield* synced("webhook", { changes })
        assert.deepStrictEqual(here.reads, ["web", "api", "db"])
        assert.deepStrictEqual(told(), ["progressing"])
      }),
    ),
  )

  it.effect("a new commit overtakes it, and costs a read of what it wrote", () =>
    world(({ here, told, synced, pause }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", SLOW)
        yield* synced("webhook", created)
        yield* pause
        here.state.set("web", HEALTHY).set("api", HEALTHY)
        const changes = [change("unchanged", "web"), change("configured", "api")]
        yield* synced("webhook", { changes, commit: { ...outcome().commit, sha: "b".repeat(40) } })
        assert.deepStrictEqual(here.reads, ["web", "api", "api"])
        assert.deepStrictEqual(told(), ["progressing", "healthy"])
      }),
    ),
  )

  it.effect("tells nothing while a sync runs, and what it knows when that has ended", () =>
    world(({ here, told, synced, pause, failed }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", SLOW)
        yield* synced("webhook", created)
        yield* pause
        here.becomes("api", HEALTHY)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(told(), ["progressing"])
        yield* failed
        yield* settle
        assert.deepStrictEqual(told(), ["progressing", "healthy"])
      }),
    ),
  )

  it.effect("a reconcile looks at everything, a poll at nothing", () =>
    world(({ here, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", HEALTHY)
        yield* synced("webhook", created)
        yield* TestClock.adjust("5 seconds")
        yield* synced("poll", { result: "nothing" })
        yield* synced("drift", unchanged)
        assert.strictEqual(here.reads.length, 2)
        yield* TestClock.adjust("5 seconds")
        yield* synced("reconcile", unchanged)
        assert.strictEqual(here.reads.length, 4)
      }),
    ),
  )

  it.effect("reads nothing of kinds that are always healthy", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        yield* synced("webhook", { changes: [change("created", "settings", "ConfigMap")] })
        assert.deepStrictEqual([here.reads, told()], [[], ["healthy"]])
      }),
    ),
  )

  it.effect("stops where nobody wants to know, and says so once", () =>
    world(({ here, told, synced }) =>
      Effect.gen(function* () {
        here.state.set("web", HEALTHY).set("api", HEALTHY)
        yield* synced("webhook", created)
        here.asks.isWanted = false
        yield* synced("specChanged", unchanged)
        yield* synced("poll", { result: "nothing" })
        here.becomes("api", SLOW)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told(), ["healthy", "unwanted"])
        assert.isFalse(here.follows())
      }),
    ),
  )
})
