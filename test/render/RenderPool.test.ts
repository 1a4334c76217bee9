import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Worker } from "node:worker_threads"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { layer, type RenderPoolOptions } from "../../src/render/RenderPool.ts"
import { configMap, renderContract, run, treeOf } from "../contract/Render.contract.ts"

const options: RenderPoolOptions = {
  threads: 2,
  timeout: "20 seconds",
  maxFileBytes: 10_000_000,
  maxBytes: 100_000_000,
  memoryMb: 256,
  cacheBytes: 1_000_000,
  kustomize: { program: "", folder: join(tmpdir(), "nopea-unused"), processes: 1, memoryMb: 256 },
}
const pool = (changed: Partial<RenderPoolOptions> = {}) => layer({ ...options, ...changed })

/** Takes minutes: each short line costs the parser another pass over all of them. */
const endless = `a: [\n${"1,\n".repeat(900_000)}]\n`
/** Its tree does not fit into a small heap. */
const huge = `a:\n${"- {b: [c, d, {e: f}]}\n".repeat(300_000)}`
const many = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`f${at}.yaml`, configMap(`c${at}`)] as const),
  )

/** The threads that this process starts from here on. */
const watchThreads = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const started: Array<Worker> = []
      const note = (worker: Worker) => started.push(worker)
      process.on("worker", note)
      return { started, note }
    }),
    ({ note }) => Effect.sync(() => process.off("worker", note)),
  ),
  ({ started }) => started,
)
const isRunning = ({ threadId }: Worker): boolean => threadId >= 0

const once = (emitter: NodeJS.EventEmitter, event: string) =>
  Effect.callback<void>((resume) => {
    emitter.once(event, () => resume(Effect.void))
  })

/** Starts a render that never ends, and waits until its thread runs. */
const startEndless = Effect.gen(function* () {
  const online = yield* Effect.forkChild(
    Effect.callback<void>((resume) => {
      process.once("worker", (worker) => worker.once("online", () => resume(Effect.void)))
    }),
    { startImmediately: true },
  )
  const fiber = yield* Effect.forkChild(run(treeOf({ "a.yaml": endless }).request))
  yield* Fiber.join(online)
  return fiber
})

describe("Render on threads", () => {
  renderContract(pool())

  it.live("a file that never ends fails alone, and the rest of its batch renders", () =>
    Effect.gen(function* () {
      const { request } = treeOf({ ...many(50), "f20b.yaml": endless })
      const { objects, failures } = yield* run(request)
      expect(objects).toHaveLength(50)
      expect(failures).toMatchObject([{ code: "NOPEA-R023", file: "f20b.yaml" }])
    }).pipe(Effect.provide(pool({ timeout: "6 seconds", threads: 1 }))),
  )

  it.live("a file that needs too much memory fails alone, and the pool goes on", () =>
    Effect.gen(function* () {
      const { request } = treeOf({ ...many(50), "f20b.yaml": huge })
      const { objects, failures } = yield* run(request)
      expect(objects).toHaveLength(50)
      expect(failures).toMatchObject([{ code: "NOPEA-R024", file: "f20b.yaml" }])
      const later = yield* run(treeOf({ "x.yaml": configMap("later") }).request)
      expect(later.objects).toHaveLength(1)
    }).pipe(Effect.provide(pool({ memoryMb: 48, threads: 1 }))),
  )

  it.live("an interrupted render ends its thread, and the next one gets a new one", () =>
    Effect.gen(function* () {
      const threads = yield* watchThreads
      yield* Fiber.interrupt(yield* startEndless)
      expect(threads.map(isRunning)[0]).toBe(false)
      const { objects } = yield* run(treeOf({ "x.yaml": configMap("next") }).request)
      expect(objects).toHaveLength(1)
    }).pipe(Effect.provide(pool({ threads: 1 }))),
  )

  it.live("a thread that dies between two renders is replaced unseen", () =>
    Effect.gen(function* () {
      const threads = yield* watchThreads
      yield* run(treeOf({ "a.yaml": configMap("a") }).request)
      yield* Effect.promise(() => (threads[0] as Worker).terminate())
      const { objects, failures } = yield* run(treeOf({ "b.yaml": configMap("b") }).request)
      expect(failures).toEqual([])
      expect(objects).toHaveLength(1)
    }).pipe(Effect.provide(pool({ threads: 1 }))),
  )

  it.live("a thread that dies in the middle of a batch loses no file", () =>
    Effect.gen(function* () {
      const died = yield* Effect.forkChild(
        Effect.callback<void>((resume) => {
          process.once("worker", (worker) =>
            worker.once("message", () => worker.terminate().then(() => resume(Effect.void))),
          )
        }),
        { startImmediately: true },
      )
      const { request } = treeOf({ ...many(50), "f20b.yaml": endless })
      const fiber = yield* Effect.forkChild(run(request))
      yield* Fiber.join(died)
      const { objects, failures } = yield* Fiber.join(fiber)
      expect(objects).toHaveLength(50)
      expect(failures).toMatchObject([{ code: "NOPEA-R023", file: "f20b.yaml" }])
    }).pipe(Effect.provide(pool({ threads: 1, timeout: "6 seconds" }))),
  )

  it.effect("idle threads stop", () =>
    Effect.gen(function* () {
      const threads = yield* watchThreads
      yield* run(treeOf({ "a.yaml": configMap("a") }).request)
      const [thread] = threads as [Worker]
      expect(isRunning(thread)).toBe(true)
      const ended = yield* Effect.forkChild(once(thread, "exit"), { startImmediately: true })
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(ended)
    }).pipe(Effect.provide(pool())),
  )

  it.live("threads start on demand only, and never more than allowed", () =>
    Effect.gen(function* () {
      const threads = yield* watchThreads
      yield* run(treeOf({ "README.md": "x" }).request)
      expect(threads).toHaveLength(0)
      const renders = Array.from({ length: 8 }, (_, at) =>
        run(treeOf({ "a.yaml": configMap(`a${at}`) }).request),
      )
      yield* Effect.all(renders, { concurrency: "unbounded" })
      expect(threads.length).toBeGreaterThan(0)
      expect(threads.length).toBeLessThanOrEqual(2)
    }).pipe(Effect.provide(pool())),
  )

  it.live("a blob is parsed once, for all files, commits and repositories", () =>
    Effect.gen(function* () {
      const first = treeOf({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
      yield* run(first.request)
      const second = treeOf({ "moved/a.yaml": configMap("a"), "b.yaml": configMap("c") })
      const { objects } = yield* run(second.request)
      expect(second.asked.flat()).toHaveLength(1)
      expect(objects.map(({ source }) => source.file)).toEqual(["b.yaml", "moved/a.yaml"])
    }).pipe(Effect.provide(pool())),
  )

  it.live("the same blob is read anew when its name makes it JSON", () =>
    Effect.gen(function* () {
      yield* run(treeOf({ "a.yaml": configMap("a") }).request)
      const { failures } = yield* run(treeOf({ "a.json": configMap("a") }).request)
      expect(failures).toMatchObject([{ code: "NOPEA-R010", file: "a.json" }])
    }).pipe(Effect.provide(pool())),
  )

  it.live("a file that is too large is a failure of its own", () =>
    Effect.gen(function* () {
      const { request } = treeOf({ "a.yaml": configMap("a"), "b.yaml": configMap("b".repeat(200)) })
      const { objects, failures } = yield* run(request)
      expect(objects).toHaveLength(1)
      expect(failures).toMatchObject([{ code: "NOPEA-R007", file: "b.yaml" }])
    }).pipe(Effect.provide(pool({ maxFileBytes: 150 }))),
  )

  it.live("files that are too large together end the render with the way out", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run(treeOf(many(10)).request))
      expect(error).toMatchObject({ code: "NOPEA-R025", subject: "team/app" })
      expect(error.fix).toBe(
        "narrow spec.path, or split the directory over several GitRepositories",
      )
    }).pipe(Effect.provide(pool({ maxBytes: 100 }))),
  )

  it.live("content that cannot be read ends the render: nothing looks as if it had left Git", () =>
    Effect.gen(function* () {
      const { request } = treeOf(many(3))
      const read = () => Effect.succeed(new Map<string, Uint8Array>())
      expect(yield* Effect.flip(run({ ...request, read }))).toMatchObject({ code: "NOPEA-R026" })
    }).pipe(Effect.provide(pool())),
  )

  it.live("ten thousand files render, in order, while the main thread keeps turning", () =>
    Effect.gen(function* () {
      let turns = 0
      const timer = setInterval(() => turns++, 1)
      const { objects, failures } = yield* run(treeOf(many(10_000)).request)
      clearInterval(timer)
      expect(failures).toEqual([])
      expect(objects).toHaveLength(10_000)
      expect(objects.map(({ source }) => source.file)).toEqual(Object.keys(many(10_000)).toSorted())
      expect(turns).toBeGreaterThan(10)
    }).pipe(Effect.provide(pool())),
  )

  it.live("closing the layer ends its threads, also busy ones", () =>
    Effect.gen(function* () {
      const threads = yield* watchThreads
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(pool())
          yield* Effect.provide(startEndless, context)
          yield* Effect.provide(run(treeOf({ "x.yaml": configMap("x") }).request), context)
          expect(threads.map(isRunning)).toEqual([true, true])
        }),
      )
      expect(threads.map(isRunning)).toEqual([false, false])
    }),
  )
})
