import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { Cache } from "../../src/cache/Cache.ts"
import { describeCrash } from "../../src/domain/crash.ts"
import type { GitRepository } from "../../src/domain/repository.ts"
import { serverOf } from "../../src/supervisor/Incarnations.ts"
import { Supervisor } from "../../src/supervisor/Supervisor.ts"
import { actors, gitError, outcome } from "../layers/Actors.ts"
import { type RepositoryFields, repository, SYNCED } from "../layers/repositories.ts"

const quiet = (name: string, fields: RepositoryFields = {}): GitRepository =>
  repository(name, {
    status: SYNCED,
    ...fields,
    spec: { interval: "24h", reconcileInterval: "24h", ...fields.spec },
  })
const A = "apps/a"
const B = "apps/b"
const settle = TestClock.adjust(0)
type Actors = ReturnType<typeof actors>

const logs = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message, fiber }) => {
    const fields = fiber.getRef(References.CurrentLogAnnotations)
    lines.push(`${[message].flat().join(" ")} ${JSON.stringify(fields)}`)
  })
  return { lines, layer: Logger.layer([logger]) }
}

interface World {
  readonly a: Actors
  readonly s: Supervisor["Service"]
  readonly lines: ReadonlyArray<string>
}

const world = <X, E>(body: (w: World) => Effect.Effect<X, E, Cache>, drainTimeout = 0) => {
  const a = actors(drainTimeout)
  const { lines, layer } = logs()
  return Effect.asVoid(Effect.flatMap(Supervisor, (s) => body({ a, s, lines }))).pipe(
    Effect.provide(Layer.provideMerge(a.layer, layer)),
  )
}
const bug = Effect.sync(() => (undefined as unknown as { boom: () => never }).boom())
const seconds = (a: Actors, key: string) => a.of(key).map((c) => c.at / 1000)
const gaps = (a: Actors, key: string) =>
  seconds(a, key).map((at, i, all) => Math.round(at - (all[i - 1] ?? 0)))
/** An hour in which nothing can stop it. */
const stubborn = () => Effect.uninterruptible(Effect.as(Effect.sleep("1 hour"), outcome()))

describe("a crash", () => {
  it.effect("restarts the worker after 1, 2, 4 … 60 seconds and does not delay another one", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, () => bug)
        a.script.set(B, () => Effect.as(Effect.sleep("1 second"), outcome()))
        yield* s.start(quiet("a"))
        yield* s.start(quiet("b"))
        for (let i = 0; i < 200; i++) {
          yield* Effect.forkChild(s.syncNow(B))
          yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual(gaps(a, A).slice(0, 8), [0, 1, 2, 4, 8, 16, 32, 60])
        assert.isAtLeast(a.toldOf(B, "finished").length, 199)
        assert.isEmpty(a.toldOf(B, "crashed"))
      }),
    ),
  )

  it.effect("after a healthy minute counts as the first", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        const crashing = new Set([1, 2, 3, 5])
        a.script.set(A, (_, nth) => (crashing.has(nth) ? bug : Effect.succeed(outcome())))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("2 minutes")
        yield* s.send(A, { kind: "webhook" })
        yield* TestClock.adjust("1 minute")
        const delays = a.toldOf(A, "crashed").map((t) => Math.round((t.retryIn ?? 0) / 1000))
        assert.deepStrictEqual(delays, [1, 2, 4, 1])
      }),
    ),
  )

  it.effect("is told and logged without what the error says", () =>
    world(({ a, s, lines }) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) =>
          nth === 1 ? Effect.sync(() => JSON.parse("hunter2") as never) : Effect.succeed(outcome()),
        )
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 minute")
        const [crash] = a.toldOf(A, "crashed")
        assert.match(crash?.text ?? "", /^SyntaxError at .*Supervisor\.test\.ts:\d+:\d+/)
        assert.notInclude(crash?.text, "hunter2")
        assert.isNotEmpty(lines)
        assert.notInclude(lines.join("\n"), "hunter2")
      }),
    ),
  )

  it.effect("is also what an interruption from inside is", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) => (nth === 1 ? Effect.interrupt : Effect.succeed(outcome())))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(a.of(A).length, 2)
        assert.strictEqual(a.toldOf(A, "crashed")[0]?.text, "interrupted from inside")
      }),
    ),
  )

  it.effect("answers who waits for that sync, and keeps what waits behind it", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) =>
          nth === 2 ? Effect.andThen(Effect.sleep("1 second"), bug) : Effect.succeed(outcome()),
        )
        yield* s.start(quiet("a"))
        yield* settle
        const waiting = yield* Effect.forkChild(Effect.flip(s.syncNow(A)))
        yield* settle
        yield* s.send(A, { kind: "webhook", commit: "behind" })
        yield* TestClock.adjust("3 seconds")
        assert.include((yield* Fiber.join(waiting)).message, "NOPEA-C023")
        assert.deepStrictEqual(
          a.of(A).map((c) => [c.trigger, c.commit]),
          [
            ["startup", undefined],
            ["syncNow", undefined],
            ["webhook", "behind"],
            ["startup", undefined],
          ],
        )
      }),
    ),
  )

  it.effect("is got over sooner by a push, drift waits", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) => (nth <= 6 ? bug : Effect.succeed(outcome())))
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("40 seconds")
        assert.strictEqual(a.of(A).length, 6)
        yield* s.send(A, { kind: "drift" })
        yield* settle
        assert.strictEqual(a.of(A).length, 6)
        yield* s.send(A, { kind: "webhook", commit: "fix" })
        yield* settle
        assert.strictEqual(a.of(A)[6]?.commit, "fix")
      }),
    ),
  )
})

describe("stop", () => {
  it.effect("interrupts the running sync and is done", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        let isInterrupted = false
        a.script.set(A, () =>
          Effect.onInterrupt(Effect.never, () =>
            Effect.sync(() => {
              isInterrupted = true
            }),
          ),
        )
        yield* s.start(quiet("a"))
        yield* settle
        assert.isTrue(yield* s.stop(A, "keep"))
        assert.isTrue(isInterrupted)
        assert.deepStrictEqual(yield* s.list, [])
        assert.isFalse(yield* s.send(A, { kind: "poll" }))
        assert.include((yield* Effect.flip(s.syncNow(A))).message, "NOPEA-C020")
        assert.isFalse(yield* s.stop(A, "keep"))
      }),
    ),
  )

  it.effect("takes five seconds at most whatever the worker does, and delays nobody", () =>
    world(({ a, s, lines }) =>
      Effect.gen(function* () {
        a.script.set(A, stubborn)
        yield* s.start(quiet("a"))
        yield* settle
        const caller = yield* Effect.forkChild(Effect.flip(s.syncNow(A)))
        yield* settle
        const stopping = yield* Effect.forkChild(s.stop(A, "keep"))
        yield* settle
        assert.include((yield* Fiber.join(caller)).message, "NOPEA-C022")
        yield* s.start(quiet("b"))
        yield* settle
        assert.strictEqual(a.of(B).length, 1)
        assert.isUndefined(stopping.pollUnsafe())
        yield* TestClock.adjust("5 seconds")
        assert.isTrue(yield* Fiber.join(stopping))
        assert.match(lines.join("\n"), /did not stop in time.*"apps\/a"/)
        yield* TestClock.adjust("1 hour")
        assert.match(lines.join("\n"), /stopped late/)
      }),
    ),
  )

  it.effect("answers at once who waits for the sync that cannot be stopped", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) => (nth === 2 ? stubborn() : Effect.succeed(outcome())))
        yield* s.start(quiet("a"))
        yield* settle
        const caller = yield* Effect.forkChild(Effect.flip(s.syncNow(A)))
        yield* settle
        yield* Effect.forkChild(s.stop(A, "keep"))
        yield* settle
        assert.include((yield* Fiber.join(caller)).message, "NOPEA-C022")
        yield* TestClock.adjust("1 hour")
      }),
    ),
  )

  it.effect("a new worker waits until the old one has ended: two never overlap", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, (_, nth) => (nth === 1 ? stubborn() : Effect.succeed(outcome())))
        yield* s.start(quiet("a"))
        yield* settle
        // stopped and started again and again, while the first one cannot be stopped
        for (let i = 0; i < 3; i++) {
          const stopping = yield* Effect.forkChild(s.stop(A, "keep"))
          yield* settle
          yield* s.start(quiet("a"))
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(stopping)
        }
        assert.strictEqual(a.of(A).length, 1)
        const caller = yield* Effect.forkChild(s.syncNow(A))
        yield* TestClock.adjust("1 hour")
        yield* Fiber.join(caller)
        assert.deepStrictEqual(seconds(a, A).slice(1, 2), [3600])
        assert.deepStrictEqual(a.overlaps, [])
      }),
    ),
  )

  it.effect("forgets what was kept only when asked to, and only when the worker has ended", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        const cache = yield* Cache
        a.script.set(A, () => Effect.onExit(stubborn(), () => cache.states.set(A, SYNCED)))
        yield* s.start(quiet("a"))
        yield* settle
        yield* Effect.forkChild(s.stop(A, "forget"))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(a.dropped, [])
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(a.dropped, [A])
        assert.isUndefined(yield* cache.states.get(A))

        yield* cache.states.set(B, SYNCED)
        yield* s.start(quiet("b"))
        yield* s.stop(B, "keep")
        assert.isDefined(yield* cache.states.get(B))
      }),
    ),
  )

  it.effect(
    "another uid under the same name is another repository: stopped, forgotten, started",
    () =>
      world(({ a, s }) =>
        Effect.gen(function* () {
          const cache = yield* Cache
          a.script.set(A, (_, nth) => (nth === 1 ? Effect.never : Effect.succeed(outcome())))
          yield* s.start(quiet("a", { uid: "old" }))
          yield* settle
          yield* cache.states.set(A, { phase: "Failed" })
          yield* s.start(quiet("a", { uid: "new" }))
          yield* settle
          assert.deepStrictEqual(a.dropped, [A])
          assert.strictEqual((yield* s.status(A))?.phase, "Synced")
          assert.deepStrictEqual(
            a.of(A).map((c) => [c.trigger, c.request.repository.metadata.uid]),
            [
              ["startup", "old"],
              ["startup", "new"],
            ],
          )
          assert.deepStrictEqual(a.overlaps, [])
        }),
      ),
  )
})

describe("a start with many repositories", () => {
  const names = Array.from({ length: 1000 }, (_, i) => `r${i}`)

  it.effect("runs a few first syncs at a time, and all of them soon", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        let most = 0
        let now = 0
        const counted = Effect.acquireUseRelease(
          Effect.sync(() => {
            now += 1
            most = Math.max(most, now)
          }),
          () => Effect.as(Effect.sleep("200 millis"), outcome()),
          () =>
            Effect.sync(() => {
              now -= 1
            }),
        )
        for (const name of names) a.script.set(`apps/${name}`, () => counted)
        for (const name of names) yield* s.start(quiet(name))
        yield* TestClock.adjust("13 seconds")
        assert.strictEqual(most, 16)
        assert.strictEqual(a.calls.length, 1000)
      }),
    ),
  )

  it.effect("is not held up by servers that hang, nor are pushes by the start", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        const hanging = names.slice(0, 64)
        for (const name of hanging) a.script.set(`apps/${name}`, () => Effect.never)
        for (const name of names.slice(0, 200)) yield* s.start(quiet(name))
        yield* settle
        assert.strictEqual(a.calls.length, 16)
        yield* s.send("apps/r199", { kind: "webhook", commit: "c" })
        yield* settle
        assert.deepStrictEqual(
          a.of("apps/r199").map((c) => c.trigger),
          ["webhook"],
        )
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(a.calls.filter((c) => c.trigger === "startup").length, 200)
      }),
    ),
  )

  it.effect("of one server that hangs wait for each other, those of another server do not", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        const hanging = names.slice(0, 64)
        for (const name of hanging) a.script.set(`apps/${name}`, () => Effect.never)
        for (const name of hanging) yield* s.start(quiet(name))
        yield* settle
        const url = "https://elsewhere.example/org/app.git"
        yield* s.start(quiet("other", { spec: { url } }))
        yield* settle
        assert.deepStrictEqual(seconds(a, "apps/other"), [0])
      }),
    ),
  )

  it("know their server by the URL, whatever its form", () => {
    const urls = [
      "https://git.example/org/app.git",
      "https://user@git.example/org/app.git",
      "ssh://git@git.example/org/app.git",
      "git@git.example:org/app.git",
      "Git.Example:app",
      "http://127.0.0.1:3000/app.git",
      "file:///srv/app.git",
    ]
    assert.deepStrictEqual(urls.map(serverOf), [
      ...Array.from({ length: 5 }, () => "git.example"),
      "127.0.0.1:3000",
      "",
    ])
  })
})

describe("stopAll", () => {
  it.effect("closing the layer lets running syncs end, runs no other, and tells who is cut", () =>
    Effect.gen(function* () {
      const a = actors(20_000)
      const { lines, layer } = logs()
      a.script.set(A, () => Effect.as(Effect.sleep("15 seconds"), outcome()))
      a.script.set(B, () => Effect.never)
      const app = yield* Effect.forkChild(
        Effect.gen(function* () {
          const s = yield* Supervisor
          yield* s.start(quiet("a"))
          yield* s.start(quiet("b"))
          yield* settle
          yield* s.send(A, { kind: "webhook" })
        }).pipe(Effect.provide(Layer.provideMerge(a.layer, layer))),
      )
      yield* settle
      yield* TestClock.adjust("19 seconds")
      assert.deepStrictEqual(
        a.toldOf(A, "finished").map((t) => t.at),
        [15_000],
      )
      assert.isUndefined(app.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(app)
      assert.deepStrictEqual(
        a.calls.map((c) => [c.key, c.trigger]),
        [
          [A, "startup"],
          [B, "startup"],
        ],
      )
      const cut = lines.filter((line) => line.startsWith("sync cut short"))
      assert.strictEqual(cut.length, 1)
      assert.include(cut[0], B)
    }),
  )

  it.effect("ends at once when nothing runs", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        yield* s.start(quiet("a"))
        yield* settle
        assert.deepStrictEqual(yield* s.stopAll("20 seconds"), [])
        yield* s.start(quiet("b"))
        yield* settle
        assert.deepStrictEqual(
          a.calls.map((c) => c.key),
          [A],
        )
      }),
    ),
  )

  it.effect("lets no worker retry while another one drains", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.fail(gitError()))
        a.script.set(B, () => Effect.as(Effect.sleep("15 seconds"), outcome()))
        yield* s.start(quiet("a"))
        yield* s.start(quiet("b"))
        yield* settle
        const stopping = yield* Effect.forkChild(s.stopAll("20 seconds"))
        yield* TestClock.adjust("15 seconds")
        assert.deepStrictEqual(yield* Fiber.join(stopping), [])
        assert.strictEqual(a.of(A).length, 1)
      }),
    ),
  )

  it.effect("is bounded although a worker cannot be stopped", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, stubborn)
        yield* s.start(quiet("a"))
        yield* settle
        const stopping = yield* Effect.forkChild(s.stopAll("20 seconds"))
        yield* TestClock.adjust("25 seconds")
        const [cut] = yield* Fiber.join(stopping)
        assert.deepInclude(cut, { repository: A, trigger: { kind: "startup" }, startedAt: 0 })
        yield* TestClock.adjust("1 hour")
      }),
    ),
  )

  it.effect("refuses callers and answers those who wait", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, () => Effect.never)
        yield* s.start(quiet("a"))
        yield* settle
        const waiting = yield* Effect.forkChild(Effect.flip(s.syncNow(A)))
        yield* settle
        const stopping = yield* Effect.forkChild(s.stopAll("20 seconds"))
        yield* settle
        assert.include((yield* Fiber.join(waiting)).message, "NOPEA-C022")
        assert.include((yield* Effect.flip(s.syncNow(A))).message, "NOPEA-C022")
        assert.isFalse(yield* s.send(A, { kind: "webhook" }))
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.join(stopping)
      }),
    ),
  )

  it.effect("does not wait for the pause after a failure or a crash", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        a.script.set(A, () => bug)
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("40 seconds")
        assert.deepStrictEqual(yield* s.stopAll(Duration.seconds(20)), [])
      }),
    ),
  )
})

describe("a worker's log", () => {
  it.effect("names its repository and nothing of whoever started it", () =>
    world(({ a, s, lines }) =>
      Effect.gen(function* () {
        a.script.set(A, () => bug)
        yield* s.start(quiet("a")).pipe(Effect.annotateLogs({ request: "42" }))
        yield* settle
        assert.match(lines[0] ?? "", /worker crashed .*"repository":"apps\/a"/)
        assert.notInclude(lines.join("\n"), '42"')
      }),
    ),
  )
})

describe("describeCrash", () => {
  it("names the error and its places, never its message", () => {
    const error = new TypeError("cannot read https://me:hunter2@host\n    at hunter2 (x.ts:1:2)")
    const text = describeCrash(Cause.die(error))
    assert.match(text, /^TypeError at .*Supervisor\.test\.ts:\d+:\d+/)
    assert.notInclude(text, "hunter2")
  })

  it("says something of whatever was thrown", () => {
    assert.strictEqual(describeCrash(Cause.die("hunter2")), "a thrown string")
    const odd = Object.assign(new Error("hunter2"), { name: "hunter2", stack: "hunter2" })
    assert.strictEqual(describeCrash(Cause.die(odd)), "Error")
    assert.strictEqual(describeCrash(Cause.empty), "an empty cause")
  })
})

describe("drift", () => {
  it.effect("that a watch tells makes its worker look at once, however often it is told", () =>
    world(({ a, s }) =>
      Effect.gen(function* () {
        const looks = (key: string) => a.of(key).filter(({ trigger }) => trigger === "drift").length
        const told = (times: number) => {
          for (let i = 0; i < times; i++) a.wakes.get(A)?.()
          return TestClock.adjust("1 second")
        }
        yield* s.start(quiet("a"))
        yield* s.start(quiet("b"))
        yield* TestClock.adjust("1 second")
        // The first one is taken at once, all others are one.
        yield* told(1_000)
        assert.deepStrictEqual([looks(A), looks(B)], [2, 0])
        yield* s.stop(A, "keep")
        yield* told(1)
        yield* s.start(quiet("a"))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(looks(A), 2)
        yield* told(1)
        assert.strictEqual(looks(A), 3)
      }),
    ),
  )
})
