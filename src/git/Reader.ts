/** One git process per mirror that is asked again and again, one question at a time, and ends soon after the last. */
import { type Duration, Effect, Random, type Scope } from "effect"
import { readObjects } from "./commands.ts"
import type { Environment } from "./environment.ts"
import * as git from "./GitProcess.ts"

export interface Reader {
  /** The answer on standard output, code 0. Anything else, interruption too, is the end of the process. */
  readonly ask: (question: string, maxBytes: number) => Effect.Effect<git.Finished>
  /** Questions so far; undefined while one is being answered. */
  readonly asked: () => number | undefined
  readonly isAlive: () => boolean
  readonly end: Effect.Effect<void>
}

/** A process start costs more than many answers; what comes together within a sync comes within this time. */
const IDLE: Duration.Input = "1 second"

interface Answer {
  readonly add: (chunk: Uint8Array) => void
  readonly fail: (ended: git.Ended) => void
}

/** The name of an object that is not there, and that no file foresees. */
const newMark = Effect.map(Effect.all([Random.nextInt, Random.nextInt]), (numbers) =>
  ["nopea", ...numbers].join("."),
)

/** Collects one answer; the line about the mark is its end. */
const collect = (
  mark: string,
  maxBytes: number,
  done: (finished: git.Finished) => void,
): Answer & { readonly isTooLarge: () => boolean } => {
  const last = Buffer.from(`${mark} missing\n`)
  const chunks: Uint8Array[] = []
  let size = 0
  const isTooLarge = () => size > maxBytes + last.length
  const endOf = (length: number): Buffer => {
    let from = chunks.length
    for (let have = 0; have < length && from > 0; ) have += chunks[--from]?.length ?? 0
    return Buffer.concat(chunks.slice(from)).subarray(-length)
  }
  return {
    isTooLarge,
    add: (chunk) => {
      size += chunk.length
      if (isTooLarge()) return
      chunks.push(chunk)
      if (!endOf(last.length).equals(last)) return
      const stdout = Buffer.concat(chunks).subarray(0, -last.length)
      done({ how: "exited", code: 0, stdout, stderr: "", trace: "" })
    },
    fail: (ended) => {
      const how = isTooLarge() ? "overflowed" : ended.how
      // It ends because we do: an end of its own accord, whatever its code, is no answer.
      done({ ...ended, how, code: ended.code === 0 ? 1 : ended.code, stdout: Buffer.alloc(0) })
    },
  }
}

const startReader = (env: Environment): Reader => {
  let answer: ReturnType<typeof collect> | undefined
  let end: git.Ended | undefined
  let asked = 0
  const running = git.launch(
    { args: readObjects, env },
    (chunk) => {
      answer?.add(chunk)
      if (answer?.isTooLarge() === true) git.signalGroup(running.child, "SIGKILL")
    },
    (ended) => {
      end = ended
      answer?.fail(ended)
    },
  )
  const answered = (question: string, mark: string, maxBytes: number) =>
    Effect.callback<git.Finished>((resume) => {
      asked += 1
      answer = collect(mark, maxBytes, (finished) => {
        answer = undefined
        resume(Effect.succeed(finished))
      })
      if (end !== undefined) answer.fail(end)
      else running.child.stdin?.write(`${question}info ${mark}\nflush\n`)
      return git.terminate(running)
    })
  return {
    asked: () => (answer === undefined ? asked : undefined),
    isAlive: () => end === undefined,
    end: Effect.suspend(() => git.terminate(running)),
    ask: (question, maxBytes) =>
      Effect.flatMap(newMark, (mark) => answered(question, mark, maxBytes)),
  }
}

/** Where the reader of a mirror is kept; whoever asks has its `turn`. */
interface Place {
  reader?: Reader
}

export type Look = (
  place: Place,
  env: Environment,
  question: { readonly text: string; readonly maxBytes: number },
) => Effect.Effect<git.Finished>

/** All readers end with the scope. A look that fails with a process of an earlier one is repeated with a new one. */
export const makeReaders = Effect.fnUntraced(function* (
  limit: Duration.Duration,
): Effect.fn.Return<Look, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const all = new Set<Reader>()
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => Effect.forEach(all, ({ end }) => end, { concurrency: "unbounded" })),
  )

  const retire = Effect.fnUntraced(function* (place: Place, reader: Reader) {
    let seen: number | undefined
    while (reader.isAlive() && (seen === undefined || seen !== reader.asked())) {
      seen = reader.asked()
      yield* Effect.sleep(IDLE)
    }
    if (place.reader === reader) delete place.reader
    yield* reader.end
    all.delete(reader)
  })

  const start = Effect.fnUntraced(function* (place: Place, env: Environment) {
    const reader = yield* Effect.try({ try: () => startReader(env), catch: git.unstarted })
    place.reader = reader
    all.add(reader)
    yield* Effect.forkIn(retire(place, reader), scope)
    return reader
  }, Effect.uninterruptible)

  return (place, env, { text, maxBytes }) => {
    const ask = (reader: Reader) => git.within(limit, reader.ask(text, maxBytes))
    const fresh = Effect.flatMap(start(place, env), ask).pipe(Effect.catch(Effect.succeed))
    return Effect.suspend(() => {
      const known = place.reader
      if (known === undefined || !known.isAlive()) return fresh
      return Effect.flatMap(ask(known), (finished) =>
        finished.how === "exited" && finished.code !== 0 ? fresh : Effect.succeed(finished),
      )
    })
  }
})
