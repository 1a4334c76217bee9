import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { currentTrace } from "../../src/domain/Tracing.ts"
import * as DeliveryLive from "../../src/events/Delivery.ts"
import { pauseOf, type Sink, sinksOf, verdictOf } from "../../src/events/sinks.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { type Answer, type Send, type Sending, Unsent } from "../../src/report/Sending.ts"
import { recorded } from "../layers/Spans.ts"
import { sumOf } from "../metrics/parse.ts"

const { Delivery, MAX_WAITING } = DeliveryLive
const sink = (name: string): Sink => ({ name, url: new URL(`https://${name}/events`) })
const message = (body: string) => ({ headers: { "content-type": "application/json" }, body })

type Say = (sending: Sending, nth: number) => Effect.Effect<Answer, Unsent>

/** Sinks that answer as the test says, in virtual time; closed when `close` runs. */
const given = Effect.fnUntraced(function* (say: Say, names = ["a.example"], drain = 4_000) {
  const registry = new Registry()
  const seen: Array<Sending> = []
  const times: Array<number> = []
  const send: Send = (sending) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      times.push(now)
      seen.push(sending)
      return say(sending, seen.length)
    })
  const scope = yield* Scope.make()
  const layer = DeliveryLive.layer({ sinks: names.map(sink), drain, send }).pipe(
    Layer.provide(Layer.succeed(Metrics, registry)),
  )
  const context = yield* Layer.buildWithScope(layer, scope)
  const { offer } = yield* Effect.provide(Delivery, context)
  const count = (result: string) => sumOf(registry.text(), "nopea_cdevents_total", { result }) ?? 0
  const waiting = (name = "a.example") =>
    sumOf(registry.text(), "nopea_cdevents_waiting", { sink: name })
  return {
    seen,
    times,
    offer: (body: string) => offer(message(body)),
    bodies: () => seen.map(({ body }) => body),
    count,
    waiting,
    close: Scope.close(scope, Exit.void),
  }
})

const answer = (status: number, retryAfter?: number): Effect.Effect<Answer> =>
  Effect.succeed({ status, retryAfter })
const silence = Effect.fail(new Unsent({ how: "silent", why: "ECONNREFUSED" }))
const settle = TestClock.adjust(0)

describe("delivery", () => {
  it.effect("is in order, to every sink, and counted", () =>
    Effect.gen(function* () {
      const world = yield* given(() => answer(202), ["a.example", "b.example"])
      yield* world.offer("1")
      yield* world.offer("2")
      yield* settle
      for (const host of ["a.example", "b.example"])
        assert.deepStrictEqual(
          world.seen.filter(({ url }) => url.host === host).map(({ body }) => body),
          ["1", "2"],
        )
      assert.strictEqual(world.count("delivered"), 4)
      yield* world.close
    }),
  )

  it.effect("belongs to the trace of what offered it, however late it is", () => {
    const { layer, named } = recorded()
    return Effect.gen(function* () {
      const traces: Array<string | undefined> = []
      const world = yield* given((_, nth) =>
        Effect.flatMap(currentTrace, (trace) => {
          traces.push(trace?.traceId)
          return nth === 1 ? silence : answer(202)
        }),
      )
      yield* world.offer("1").pipe(Effect.withSpan("a"))
      yield* world.offer("2").pipe(Effect.withSpan("b"))
      yield* TestClock.adjust("1 minute")
      const [a, b] = ["a", "b"].map((name) => named(name)[0]?.traceId)
      assert.isDefined(a && b)
      assert.deepStrictEqual(traces, [a, a, b])
      yield* world.close
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "is tried again with longer and longer pauses, the very same message, and given up",
    () =>
      Effect.gen(function* () {
        const world = yield* given(() => silence)
        yield* world.offer("1")
        yield* settle
        yield* TestClock.adjust("1 hour")
        const gaps = world.times.slice(1).map((time, i) => time - (world.times[i] ?? 0))
        for (const [i, longest] of [1, 2, 4, 8, 16, 32, 60, 60, 60].entries())
          assert.isTrue(
            (gaps[i] ?? 0) >= longest * 500 && (gaps[i] ?? 0) <= longest * 1000,
            `${gaps}`,
          )
        assert.strictEqual(world.seen.length, 10)
        assert.strictEqual(new Set(world.bodies()).size, 1)
        assert.strictEqual(world.count("dropped"), 1)
        assert.strictEqual(world.waiting(), 0)
        yield* world.close
      }),
  )

  it.effect("waits as long as Retry-After says", () =>
    Effect.gen(function* () {
      const world = yield* given((_, nth) => (nth === 1 ? answer(429, 90_000) : answer(204)))
      yield* world.offer("1")
      yield* TestClock.adjust("89 seconds")
      assert.strictEqual(world.seen.length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(world.count("delivered"), 1)
      yield* world.close
    }),
  )

  it.effect.each([400, 401, 413, 415, 301, 307])(
    "is not tried again after %i, and the next one goes on",
    (status) =>
      Effect.gen(function* () {
        const world = yield* given(({ body }) => answer(body === "1" ? status : 200))
        yield* world.offer("1")
        yield* world.offer("2")
        yield* settle
        assert.deepStrictEqual(world.bodies(), ["1", "2"])
        assert.deepStrictEqual([world.count("dropped"), world.count("delivered")], [1, 1])
        yield* world.close
      }),
  )

  it.effect("that crashes costs that message only, and still ends with the layer", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message: said }) => lines.push(JSON.stringify(said)))
    return Effect.gen(function* () {
      const says = (body: string): Effect.Effect<Answer> => {
        if (body === "1") return Effect.die(new Error("s3cret"))
        if (body === "2") throw new Error("s3cret")
        return body === "3" ? Effect.failCause(Cause.interrupt(0)) : answer(200)
      }
      const world = yield* given(({ body }) => says(body))
      for (const body of ["1", "2", "3", "4"]) yield* Effect.andThen(world.offer(body), settle)
      assert.deepStrictEqual(world.bodies(), ["1", "2", "3", "4"])
      assert.deepStrictEqual([world.count("dropped"), world.count("delivered")], [3, 1])
      assert.strictEqual(world.waiting(), 0)
      yield* world.close
      yield* world.offer("5")
      yield* settle
      assert.strictEqual(world.seen.length, 4)
      assert.include(lines.join(), "crash in delivery: Error at ")
      assert.notInclude(lines.join(), "s3cret")
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("ends for a sink that answers 410, and goes on for the others", () =>
    Effect.gen(function* () {
      const world = yield* given(
        ({ url }) => answer(url.host === "a.example" ? 410 : 200),
        ["a.example", "b.example"],
      )
      for (const body of ["1", "2", "3"]) yield* world.offer(body)
      yield* TestClock.adjust("1 hour")
      yield* world.offer("4")
      yield* settle
      assert.strictEqual(world.seen.filter(({ url }) => url.host === "a.example").length, 1)
      assert.deepStrictEqual([world.count("dropped"), world.count("delivered")], [4, 4])
      yield* world.close
    }),
  )

  it.effect(
    "of a sink that hangs keeps nobody waiting: what is too much is dropped and counted",
    () =>
      Effect.gen(function* () {
        const world = yield* given(
          ({ url }) => (url.host === "a.example" ? Effect.never : answer(200)),
          ["a.example", "b.example"],
        )
        for (let i = 0; i < MAX_WAITING + 5; i++) {
          yield* world.offer(`${i}`)
          yield* settle
        }
        assert.strictEqual(world.waiting("a.example"), MAX_WAITING)
        assert.deepStrictEqual(
          [world.count("dropped"), world.count("delivered")],
          [5, MAX_WAITING + 5],
        )
        yield* Effect.forkChild(world.close, { startImmediately: true })
        yield* TestClock.adjust("4 seconds")
        assert.strictEqual(world.count("dropped"), MAX_WAITING + 5)
      }),
  )

  it.effect("at the end brings what waits, without the pauses", () =>
    Effect.gen(function* () {
      let isUp = false
      const world = yield* given(() => (isUp ? answer(200) : answer(503)))
      for (const body of ["1", "2", "3"]) yield* world.offer(body)
      yield* settle
      isUp = true
      yield* world.close
      assert.strictEqual(world.count("delivered"), 3)
    }),
  )

  it.effect("at the end gives a sink up that is away, at its first failure", () =>
    Effect.gen(function* () {
      const world = yield* given(() => silence)
      for (const body of ["1", "2", "3"]) yield* world.offer(body)
      yield* settle
      yield* world.close
      assert.deepStrictEqual(world.bodies(), ["1", "1"])
      assert.strictEqual(world.count("dropped"), 3)
    }),
  )
})

describe("sinks", () => {
  const token = Redacted.make("s3cret")
  const urls = (...all: ReadonlyArray<string>) => all.map((one) => new URL(one))
  it.each([
    ["http://127.0.0.1:9/x", true],
    ["http://broker.events.svc.cluster.local/x", true],
    ["https://events.example/x", true],
    ["http://events.example/x", false],
  ])("a token goes to %s: %s", (url, isFine) =>
    assert.strictEqual(sinksOf(urls(url), token)._tag, isFine ? "Success" : "Failure"),
  )
  it("are named by their host, and told apart", () => {
    const found = sinksOf(urls("https://a.example/x?key=s3cret", "https://a.example/y"), undefined)
    const names = found._tag === "Success" ? found.success.map(({ name }) => name) : []
    assert.deepStrictEqual(names, ["a.example", "a.example#2"])
  })
  it.each([
    [200, "delivered"],
    [202, "delivered"],
    [302, "refused"],
    [400, "refused"],
    [404, "again"],
    [410, "gone"],
    [415, "refused"],
    [429, "again"],
    [500, "again"],
  ])("an answer of %i: %s", (status, verdict) => assert.strictEqual(verdictOf(status), verdict))
  it.each([
    [1, 0, 0, 500],
    [1, 1, 0, 1000],
    [3, 1, 0, 4000],
    [30, 1, 0, 60_000],
    [1, 1, 90_000, 90_000],
    [1, 1, 86_400_000, 3_600_000],
  ])("pause after try %i with %f and Retry-After %i: %i", (nth, random, retryAfter, pause) =>
    assert.strictEqual(pauseOf(nth, random, retryAfter), pause),
  )
})
