import { it } from "@effect/vitest"
import { Effect, Fiber, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { KubeError } from "../../src/domain/errors.ts"
import { inform, type Source } from "../../src/kube/Informer.ts"
import type { Listed, ObjectMetadata, WatchEvent } from "../../src/kube/Kube.ts"
import { refused } from "../../src/kube/response.ts"
import { garbage, unanswered } from "../../src/kube/unanswered.ts"
import type { InformerEvent } from "../../src/kube/watch.ts"

const asked = { operation: "watch", subject: "/ConfigMap", kind: "ConfigMap" }
const down = unanswered(asked, { code: "NOPEA-A018", reason: "refused", fix: "start it" })
const busy = unanswered(asked, {
  code: "NOPEA-A016",
  reason: "busy",
  fix: "wait",
  retryAfter: 90_000,
})
const expired = refused(asked, { status: 410, body: "" })
const forbidden = refused(asked, { status: 403, body: "" })

const meta = (name: string, resourceVersion: string): ObjectMetadata => ({
  metadata: { name, resourceVersion },
})
const listed = (version: string, ...names: ReadonlyArray<string>): Listed<ObjectMetadata> => ({
  items: names.map((name) => meta(name, version)),
  resourceVersion: version,
})
const applied = (name: string, version: string): WatchEvent<ObjectMetadata> => ({
  type: "MODIFIED",
  object: meta(name, version),
})

const versionOf = ({ metadata }: ObjectMetadata): string => metadata.resourceVersion ?? ""

type Watching = Queue.Queue<WatchEvent<ObjectMetadata>, KubeError | "end">

/** A server that answers lists from a script and hands each watch to the test. */
const makeServer = (lists: ReadonlyArray<Listed<ObjectMetadata> | KubeError>) =>
  Effect.gen(function* () {
    const left = [...lists]
    const calls: Array<string> = []
    const watches = yield* Queue.unbounded<Watching>()
    const source: Source<ObjectMetadata> = {
      versionOf,
      list: Effect.suspend(() => {
        calls.push("list")
        const next = left.length > 1 ? left.shift() : left[0]
        if (next === undefined) return Effect.never
        return "items" in next ? Effect.succeed(next) : Effect.fail(next)
      }),
      watch: (version) =>
        Stream.unwrap(
          Effect.gen(function* () {
            calls.push(`watch ${version}`)
            const queue: Watching = yield* Queue.unbounded<
              WatchEvent<ObjectMetadata>,
              KubeError | "end"
            >()
            yield* Queue.offer(watches, queue)
            return Stream.fromQueue(queue).pipe(
              Stream.catch((e) => (e === "end" ? Stream.empty : Stream.fail(e))),
            )
          }),
        ),
    }
    return { source, calls, watch: Queue.take(watches) }
  })

const told = (event: InformerEvent<ObjectMetadata>): string => {
  if (event.type === "synced")
    return `synced ${event.objects.map((o) => o.metadata.name).join(",")}`
  if (event.type === "current") return `current ${event.resourceVersion}`
  if (event.type === "failed") return `failed ${event.error.code}`
  return `${event.type} ${event.object.metadata.name}`
}

const start = (source: Source<ObjectMetadata>, relist?: number) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const events: Array<InformerEvent<ObjectMetadata>> = []
    const run = Stream.runForEach(inform(source, relist === undefined ? {} : { relist }), (event) =>
      Effect.sync(() => {
        seen.push(told(event))
        events.push(event)
      }),
    )
    const fiber = yield* Effect.forkChild(run, { startImmediately: true })
    yield* TestClock.adjust(0)
    return { seen, events, fiber }
  })

describe("an informer", () => {
  it.effect("lists, then tells what the watch brings from there on", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([listed("5", "a", "b")])
      const { seen } = yield* start(server.source)
      const watch = yield* server.watch
      yield* Queue.offer(watch, applied("c", "6"))
      yield* Queue.offer(watch, { type: "DELETED", object: meta("a", "7") })
      yield* Queue.offer(watch, { type: "BOOKMARK", resourceVersion: "9" })
      yield* TestClock.adjust(0)
      expect(seen).toEqual(["synced a,b", "applied c", "deleted a", "current 9"])
      expect(server.calls).toEqual(["list", "watch 5"])
    }),
  )

  it.effect(
    "goes on from the last event or bookmark when the server ends a watch, without listing",
    () =>
      Effect.gen(function* () {
        const server = yield* makeServer([listed("5")])
        yield* start(server.source)
        const watch = yield* server.watch
        yield* Queue.offer(watch, { type: "BOOKMARK", resourceVersion: "8" })
        yield* TestClock.adjust("5 minutes")
        yield* Queue.fail(watch, "end")
        yield* TestClock.adjust(0)
        expect(server.calls).toEqual(["list", "watch 5", "watch 8"])
      }),
  )

  it.effect("pauses before it reopens a watch that ended at once", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([listed("5")])
      yield* start(server.source)
      yield* Queue.fail(yield* server.watch, "end")
      yield* TestClock.adjust(800)
      expect(server.calls).toEqual(["list", "watch 5"])
      yield* TestClock.adjust(400)
      expect(server.calls).toEqual(["list", "watch 5", "watch 5"])
    }),
  )

  it.effect("lists anew at once where its position expired, and tells the whole truth", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([listed("5", "a"), listed("50", "b")])
      const { seen } = yield* start(server.source)
      yield* Queue.fail(yield* server.watch, expired)
      yield* TestClock.adjust(0)
      expect(seen).toEqual(["synced a", "synced b"])
      expect(server.calls).toEqual(["list", "watch 5", "list", "watch 50"])
    }),
  )

  it.effect.each([expired, garbage(asked, "no JSON")])(
    "does not storm a server that lists and then refuses each watch (%s)",
    (error) =>
      Effect.gen(function* () {
        const server = yield* makeServer([listed("5")])
        const { seen } = yield* start(server.source)
        const refusing = yield* Effect.forkChild(
          Effect.forever(Effect.flatMap(server.watch, (watch) => Queue.fail(watch, error))),
        )
        yield* TestClock.adjust("10 minutes")
        expect(server.calls.filter((call) => call === "list").length).toBeLessThan(20)
        expect(seen).toContain(`failed ${error.code}`)
        yield* Fiber.interrupt(refusing)
      }),
  )

  it.effect("tells a failure with its delay, which grows to a minute and is reset by success", () =>
    Effect.gen(function* () {
      const lists = [...Array.from({ length: 9 }, () => down), listed("5", "a")]
      const server = yield* makeServer(lists)
      const { events } = yield* start(server.source)
      yield* TestClock.adjust("10 minutes")
      const delays = events.flatMap((e) => (e.type === "failed" ? [e.retryIn] : []))
      for (const [i, delay] of delays.entries()) {
        const base = Math.min(1_000 * 2 ** i, 60_000)
        expect(delay).toBeGreaterThanOrEqual(base * 0.9)
        expect(delay).toBeLessThanOrEqual(base * 1.1)
      }
      expect(delays.length).toBe(9)
      const watch = yield* server.watch
      yield* Queue.offer(watch, { type: "BOOKMARK", resourceVersion: "6" })
      yield* Queue.fail(watch, down)
      yield* TestClock.adjust(0)
      const last = events.at(-1)
      expect(last?.type === "failed" && last.retryIn).toBeLessThanOrEqual(1_100)
    }),
  )

  it.effect("stays away as long as the server asks", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([busy, listed("5")])
      yield* start(server.source)
      yield* TestClock.adjust(80_000)
      expect(server.calls).toEqual(["list"])
      yield* TestClock.adjust(20_000)
      expect(server.calls).toEqual(["list", "list", "watch 5"])
    }),
  )

  it.effect("keeps asking where it is forbidden: a right may be granted later", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([forbidden, forbidden, listed("5", "a")])
      const { seen } = yield* start(server.source)
      yield* TestClock.adjust("1 minute")
      expect(seen).toEqual(["failed NOPEA-A011", "failed NOPEA-A011", "synced a"])
    }),
  )

  it.effect("lists anew within an hour and a tenth, even while the watch is alive", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([listed("5", "a"), listed("90", "b")])
      const { seen } = yield* start(server.source)
      yield* server.watch
      yield* TestClock.adjust("53 minutes")
      expect(server.calls).toEqual(["list", "watch 5"])
      yield* TestClock.adjust("14 minutes")
      expect(server.calls).toEqual(["list", "watch 5", "list", "watch 90"])
      expect(seen).toEqual(["synced a", "synced b"])
    }),
  )

  it.effect("loses nothing that a slow reader has not taken yet", () =>
    Effect.gen(function* () {
      const server = yield* makeServer([listed("1")])
      const seen: Array<string> = []
      const reading = yield* Effect.forkChild(
        Stream.runForEach(inform(server.source), (event) =>
          Effect.andThen(
            Effect.sleep(1_000),
            Effect.sync(() => seen.push(told(event))),
          ),
        ),
        { startImmediately: true },
      )
      yield* TestClock.adjust(0)
      const watch = yield* server.watch
      for (let i = 2; i < 1_002; i++) yield* Queue.offer(watch, applied(`o${i}`, String(i)))
      yield* TestClock.adjust(1_001_000)
      expect(seen).toEqual([
        "synced ",
        ...Array.from({ length: 1_000 }, (_, i) => `applied o${i + 2}`),
      ])
      yield* Fiber.interrupt(reading)
    }),
  )

  it.effect("ends its watch when nobody reads any more", () =>
    Effect.gen(function* () {
      let isOpen = false
      const source: Source<ObjectMetadata> = {
        versionOf,
        list: Effect.succeed(listed("5")),
        watch: () =>
          Stream.unwrap(
            Effect.acquireRelease(
              Effect.sync(() => {
                isOpen = true
                return Stream.never
              }),
              () =>
                Effect.sync(() => {
                  isOpen = false
                }),
            ),
          ),
      }
      const { fiber } = yield* start(source)
      expect(isOpen).toBe(true)
      yield* Fiber.interrupt(fiber)
      expect(isOpen).toBe(false)
    }),
  )
})
