/**
 * Threads of our own that parse files, with a memory limit and a deadline. They start on demand and stop
 * when idle. A file that ends its thread fails alone. Interruption ends the threads that work for it.
 */
import { Worker } from "node:worker_threads"
import { Cause, type Duration, Effect, Exit, Option, Pool, Queue, Result, type Scope } from "effect"
import { onlyFailures, type Parsed, stalled } from "./parsed.ts"
import type { Job } from "./thread.ts"

export interface ThreadOptions {
  /** Most threads at a time; none runs while there is nothing to do. */
  readonly threads: number
  /** Longest time between two answers of a batch; after it the thread is ended. */
  readonly timeout: Duration.Input
  /** JavaScript heap of one thread. Buffers are outside it: the size of files and batches bounds those. */
  readonly memoryMb: number
}

export interface Threads {
  /** One answer per job. A file that takes too long or too much memory is a failure of its own. */
  readonly parse: (jobs: ReadonlyArray<Job>) => Effect.Effect<ReadonlyArray<Parsed>>
}

const IDLE: Duration.Input = "30 seconds"
const BATCH_FILES = 200
const BATCH_BYTES = 512 * 1024
export const TOO_SLOW = "NOPEA-R023"
export const DIED = "NOPEA-R024"

/** Beside this file: `thread.ts` from source, `thread.js` in the bundle. */
const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "thread.ts" : "thread.js", import.meta.url)

/** Why a thread gave no answer; `stale`: it had ended before it got the batch. */
type Death = "stale" | "late" | "memory" | "crash"

interface Thread {
  readonly worker: Worker
  readonly inbox: Queue.Queue<Parsed, Death>
}

const startThread = (
  memoryMb: number,
  running: Set<Worker>,
): Effect.Effect<Thread, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(Queue.bounded<Parsed, Death>(BATCH_FILES), (inbox) => {
      const worker = new Worker(ENTRY, {
        name: "nopea-render",
        argv: [],
        execArgv: [],
        env: {},
        stdin: false,
        stdout: true,
        stderr: true,
        resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      })
      const die = (death: Death) => Queue.failCauseUnsafe(inbox, Cause.fail(death))
      worker.on("message", (parsed: Parsed) => Queue.offerUnsafe(inbox, parsed))
      worker.on("error", (error: Error & { readonly code?: string }) =>
        die(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? "memory" : "crash"),
      )
      worker.on("exit", () => {
        running.delete(worker)
        die("crash")
      })
      running.add(worker)
      return { worker, inbox }
    }),
    ({ worker }) => Effect.promise(() => worker.terminate()),
  )

/** Each file counts for at least its share of a batch, so that both bounds hold. */
const batchesOf = (jobs: ReadonlyArray<Job>): ReadonlyArray<ReadonlyArray<Job>> => {
  const batches: Array<Array<Job>> = []
  let room = 0
  for (const job of jobs) {
    room -= Math.max(job.bytes.length, BATCH_BYTES / BATCH_FILES)
    if (room >= 0) batches.at(-1)?.push(job)
    else {
      batches.push([job])
      room = BATCH_BYTES - job.bytes.length
    }
  }
  return batches
}

const culprit = (death: Death): Parsed => {
  const [code, reason] =
    death === "late"
      ? [TOO_SLOW, "rendering the file takes too long"]
      : [DIED, `rendering the file ${death === "memory" ? "needs too much memory" : "crashes"}`]
  return onlyFailures(stalled(code, reason, "split or simplify the file"))
}

export const makeThreads: (options: ThreadOptions) => Effect.Effect<Threads, never, Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const running = new Set<Worker>()
    const pool = yield* Pool.makeWithTTL({
      acquire: startThread(options.memoryMb, running),
      min: 0,
      max: options.threads,
      timeToLive: IDLE,
    })
    // A pool that closes waits for what it lent: so busy threads end first.
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => Promise.all([...running].map((worker) => worker.terminate()))),
    )

    const converse = (thread: Thread, jobs: ReadonlyArray<Job>, answers: Array<Parsed>) =>
      Effect.gen(function* () {
        if (thread.worker.threadId < 0) return yield* Effect.fail<Death>("stale")
        // Copies: a view would take along the whole buffer that it looks into.
        const batch = jobs.map(({ bytes, format }) => ({ bytes: new Uint8Array(bytes), format }))
        thread.worker.postMessage(
          batch,
          batch.map(({ bytes }) => bytes.buffer),
        )
        while (answers.length < jobs.length) {
          const more = yield* Effect.timeoutOption(Queue.takeAll(thread.inbox), options.timeout)
          if (Option.isNone(more)) return yield* Effect.fail<Death>("late")
          answers.push(...more.value)
        }
      })

    /** Runs jobs on one thread; `answers` has what came before it failed. */
    const attempt = (
      jobs: ReadonlyArray<Job>,
      answers: Array<Parsed>,
    ): Effect.Effect<void, Death> =>
      Effect.flatMap(Pool.get(pool), (thread) =>
        Effect.onExit(converse(thread, jobs, answers), (exit) =>
          Exit.isSuccess(exit) ? Effect.void : Pool.invalidate(pool, thread),
        ),
      ).pipe(
        Effect.scoped,
        Effect.retry({ while: (death) => death === "stale", times: options.threads }),
      )

    /** A file on whose turn a thread died gets one more try, alone: others may have filled the memory. */
    const alone = Effect.fnUntraced(function* (job: Job, death: Death) {
      if (death === "late") return culprit(death)
      const answers: Array<Parsed> = []
      const again = yield* Effect.result(attempt([job], answers))
      return answers[0] ?? culprit(Result.isFailure(again) ? again.failure : death)
    })

    const parseBatch = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>) {
      const results: Array<Parsed> = []
      while (results.length < jobs.length) {
        const rest = jobs.slice(results.length)
        const answers: Array<Parsed> = []
        const outcome = yield* Effect.result(attempt(rest, answers))
        results.push(...answers)
        const next = rest[answers.length]
        if (next !== undefined && Result.isFailure(outcome)) {
          results.push(yield* alone(next, outcome.failure))
        }
      }
      return results
    })

    const parse: Threads["parse"] = (jobs) =>
      Effect.map(
        Effect.forEach(batchesOf(jobs), parseBatch, { concurrency: options.threads }),
        (results) => results.flat(),
      )
    return { parse } satisfies Threads
  })
