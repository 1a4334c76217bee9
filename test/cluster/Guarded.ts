// Child processes that cannot outlive us: each runs below guard.sh, whose input pipe only we hold.
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { join } from "node:path"

export interface GuardedOptions {
  /** Both outputs are appended to this file; without it they go to our standard error. */
  readonly log?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Removed when we die without having stopped the child. */
  readonly removeIfOrphaned?: string
}

export interface Guarded {
  readonly name: string
  /** Settles with the exit code when the program has ended; never rejects. */
  readonly exited: Promise<number>
  readonly hasExited: () => boolean
  /** Sends a signal, named without SIG, to a program that still runs. */
  readonly signal: (name: string) => void
  /** SIGTERM, then SIGKILL once `graceMs` have passed; resolves when the program is gone. */
  readonly stop: (graceMs?: number) => Promise<void>
  readonly kill: () => Promise<void>
}

const guard = join(import.meta.dirname, "guard.sh")

const start = (command: string, args: readonly string[], options: GuardedOptions): ChildProcess => {
  const output = options.log === undefined ? 2 : openSync(options.log, "a")
  try {
    return spawn("/bin/sh", [guard, command, ...args], {
      stdio: ["pipe", output, output],
      // Its own process group: a Ctrl-C in the terminal reaches us, and we stop things in order.
      detached: true,
      env: {
        ...(options.env ?? process.env),
        NOPEA_GUARD_DIR: options.removeIfOrphaned ?? "",
      },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
  } finally {
    if (output !== 2) closeSync(output)
  }
}

/** Starts a program that ends with us, however we end. */
export const spawnGuarded = (
  command: string,
  args: readonly string[],
  options: GuardedOptions = {},
): Guarded => {
  const child = start(command, args, options)
  let ended = false
  const exited = new Promise<number>((resolve) => {
    const settle = (code: number) => {
      ended = true
      resolve(code)
    }
    child.once("exit", (code) => settle(code ?? 1))
    child.once("error", () => settle(127))
  })
  child.stdin?.on("error", () => undefined)
  const signal = (name: string) => {
    if (!ended) child.stdin?.write(`${name}\n`)
  }
  const kill = async () => {
    signal("KILL")
    await exited
  }
  const stop = async (graceMs = 10_000) => {
    signal("TERM")
    const deadline = setTimeout(() => signal("KILL"), graceMs)
    await exited
    clearTimeout(deadline)
  }
  return { name: command, exited, hasExited: () => ended, signal, stop, kill }
}
