/** Runs one git command in its own process group: bytes in, bytes out, a deadline, and an end that is an end. */
import { type ChildProcess, spawn } from "node:child_process"
import type { Readable } from "node:stream"
import { type Duration, Effect, Option } from "effect"
import type { Environment } from "./environment.ts"

export interface GitCommand {
  /** Default: git. */
  readonly program?: "ssh-keygen"
  readonly args: ReadonlyArray<string>
  /** Its HOME is the working directory. */
  readonly env: Environment
  readonly stdin?: string | Uint8Array
  /** Standard output beyond this ends the process. */
  readonly maxBytes: number
  readonly limit: Duration.Duration
}

/** `unstarted`: there is no such program, or no process to be had; `stderr` says why. */
export interface Finished {
  readonly how: "exited" | "timedOut" | "overflowed" | "unstarted"
  /** -1 where a signal ended it. */
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
  /** Descriptor 3: the curl trace, or what ssh says. */
  readonly trace: string
  /** What ssh and the server said, where that is not among git's own words. */
  readonly far?: string
}

const FORCE_KILL_AFTER = "2 seconds"
const TAIL = 16_384

/** Keeps the end of a stream that may never end. */
const tailOf = (stream: Readable): (() => string) => {
  let kept = ""
  stream.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-TAIL)
  })
  stream.on("error", () => {})
  return () => kept
}

/** The group outlives its leader for as long as one of its processes runs. */
export const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // ESRCH: the whole group is gone.
  }
}

/** A process and what it says besides its answers. */
export interface Running {
  readonly child: ChildProcess
  readonly isClosed: () => boolean
}

/** How a process came to its end; its standard output is its owner's. */
export type Ended = Omit<Finished, "stdout">

const awaitClose = (running: Running): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const closed = () => resume(Effect.void)
    if (running.isClosed()) closed()
    else running.child.once("close", closed)
    return Effect.sync(() => running.child.off("close", closed))
  }).pipe(Effect.interruptible, Effect.timeoutOption(FORCE_KILL_AFTER), Effect.asVoid)

/** Asks, then forces whoever is left; one that left the group cannot hold the caller by a pipe. */
export const terminate = (running: Running): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (running.isClosed()) return
    signalGroup(running.child, "SIGTERM")
    yield* awaitClose(running)
    signalGroup(running.child, "SIGKILL")
    yield* awaitClose(running)
    for (const stream of running.child.stdio) stream?.destroy()
  })

const nothing = { code: -1, stdout: Buffer.alloc(0), stderr: "", trace: "" }

export const unstarted = (error: unknown): Finished => ({
  ...nothing,
  how: "unstarted",
  stderr: String(error),
})

/** In a group of its own. `onData` gets standard output as it comes; `onEnd` is called once. */
export const launch = (
  { program, args, env }: Pick<GitCommand, "program" | "args" | "env">,
  onData: (chunk: Uint8Array) => void,
  onEnd: (ended: Ended) => void,
): Running => {
  const stdio = ["pipe", "pipe", "pipe", "pipe"] as const
  const place = { cwd: env["HOME"], env, detached: true }
  const child = spawn(program ?? "git", args, { ...place, stdio: [...stdio] })
  let isClosed = false
  const end = (ended: Ended): void => {
    if (!isClosed) onEnd(ended)
    isClosed = true
  }
  child.on("error", (error) => end(unstarted(error)))
  const [stdin, out, err, extra] = child.stdio
  const stderr = tailOf(err as Readable)
  const trace = tailOf(extra as Readable)
  stdin?.on("error", () => {})
  out?.on("error", () => {}).on("data", onData)
  child.once("close", (code) =>
    end({ how: "exited", code: code ?? -1, stderr: stderr(), trace: trace() }),
  )
  return { child, isClosed: () => isClosed }
}

const start = (command: GitCommand, done: (finished: Finished) => void): Running => {
  const stdout: Uint8Array[] = []
  let size = 0
  const take = (chunk: Uint8Array): void => {
    size += chunk.length
    if (size <= command.maxBytes) stdout.push(chunk)
    else signalGroup(running.child, "SIGKILL")
  }
  const running = launch(command, take, (ended) => {
    const how = size > command.maxBytes ? "overflowed" : ended.how
    done({ ...ended, how, stdout: Buffer.concat(stdout) })
  })
  running.child.stdin?.end(command.stdin ?? "")
  return running
}

const spawned = (command: GitCommand): Effect.Effect<Finished> =>
  Effect.callback<Finished>((resume) => {
    try {
      const running = start(command, (finished) => resume(Effect.succeed(finished)))
      return terminate(running)
    } catch (error) {
      resume(Effect.succeed(unstarted(error)))
      return Effect.void
    }
  })

/** Ends, by force, what runs past its limit. */
export const within = (
  limit: Duration.Duration,
  running: Effect.Effect<Finished>,
): Effect.Effect<Finished> =>
  Effect.timeoutOption(running, limit).pipe(
    Effect.map(Option.getOrElse((): Finished => ({ ...nothing, how: "timedOut" }))),
  )

/** Never fails: what the end means is the caller's to say. Returns, or is interrupted, when the whole group is dead. */
export const runGit = (command: GitCommand): Effect.Effect<Finished> =>
  within(command.limit, spawned(command))
