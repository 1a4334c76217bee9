import { readFileSync } from "node:fs"
import { chmod, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Duration, Effect, Fiber } from "effect"
import { describe, expect, it, vi } from "vitest"
import { type GitCommand, runGit } from "../../src/git/GitProcess.ts"
import { folder, until } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** A program called git that is this shell script; `$DIR` is its folder. */
const gitThat = async (script: string) => {
  const dir = await folder()
  const file = join(dir, "git")
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
  const command = (more: Partial<GitCommand> = {}): GitCommand => ({
    args: [],
    env: { HOME: dir, PATH: `${dir}:${process.env["PATH"]}`, DIR: dir },
    maxBytes: 1_000_000,
    limit: Duration.seconds(30),
    ...more,
  })
  return { dir, command }
}

/** A zombie waits for its reaper, and does nothing any more. */
const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

const pidsIn = async (dir: string, count: number): Promise<ReadonlyArray<number>> => {
  const read = async () =>
    (await readFile(join(dir, "pids"), "utf8").catch(() => ""))
      .split("\n")
      .filter(Boolean)
      .map(Number)
  await until(async () => (await read()).length === count)
  return read()
}

/** Parent and child write their ids, then sleep for ever; `trap` says what they do about SIGTERM. */
const family = (trap: string): string => `
  (${trap} echo "$(exec sh -c 'echo $PPID')" >> $DIR/pids; while :; do sleep 1; done) &
  ${trap} echo $$ >> $DIR/pids; while :; do sleep 1; done`

describe("one git process", () => {
  it("gives stdin, and collects stdout, stderr, descriptor 3 and the exit code apart", async () => {
    const { command } = await gitThat("cat; echo words >&2; echo trace >&3; exit 7")
    const finished = await Effect.runPromise(runGit(command({ stdin: "hello" })))
    expect({ ...finished, stdout: finished.stdout.toString() }).toEqual({
      how: "exited",
      code: 7,
      stdout: "hello",
      stderr: "words\n",
      trace: "trace\n",
    })
  })

  it("is not held up by a reader that closes early, nor by endless words", async () => {
    const { command } = await gitThat("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 0")
    const finished = await Effect.runPromise(runGit(command({ stdin: "y".repeat(3_000_000) })))
    expect(finished).toMatchObject({ how: "exited", code: 0 })
    expect(finished.stderr.length).toBeLessThan(20_000)
  })

  it("ends when it writes more than it may", async () => {
    const { command } = await gitThat("cat /dev/zero")
    const finished = await Effect.runPromise(runGit(command({ maxBytes: 1000 })))
    expect(finished.how).toBe("overflowed")
    expect(finished.stdout.toString().length).toBeLessThanOrEqual(1000)
  })

  it("that is not there is an outcome, not a crash", async () => {
    const dir = await folder()
    const { command } = await gitThat("true")
    const missing = await Effect.runPromise(runGit(command({ env: { HOME: dir, PATH: dir } })))
    expect(missing).toMatchObject({ how: "unstarted" })
    const elsewhere = await Effect.runPromise(
      runGit(command({ env: { HOME: join(dir, "absent") } })),
    )
    expect(elsewhere).toMatchObject({ how: "unstarted" })
    const impossible = await Effect.runPromise(runGit(command({ args: ["a\0b"] })))
    expect(impossible).toMatchObject({ how: "unstarted" })
  })

  it("past its deadline is dead, with its children", async () => {
    const { dir, command } = await gitThat(family(""))
    const ending = Effect.runPromise(runGit(command({ limit: Duration.millis(500) })))
    const pids = await pidsIn(dir, 2)
    expect(await ending).toMatchObject({ how: "timedOut" })
    await until(() => !pids.some(isAlive))
  })

  it("that is interrupted is dead, with its children", async () => {
    const { dir, command } = await gitThat(family(""))
    const fiber = Effect.runFork(runGit(command()))
    const pids = await pidsIn(dir, 2)
    await Effect.runPromise(Fiber.interrupt(fiber))
    await until(() => !pids.some(isAlive))
  })

  it("that ignores the polite signal is killed, with children that ignore it too", async () => {
    const { dir, command } = await gitThat(family("trap '' TERM;"))
    const fiber = Effect.runFork(runGit(command()))
    const pids = await pidsIn(dir, 2)
    await Effect.runPromise(Fiber.interrupt(fiber))
    await until(() => !pids.some(isAlive))
  })

  it("leaves no child that ignores the signal behind a parent that heeds it", async () => {
    const { dir, command } = await gitThat(`
      (trap '' TERM; exec >/dev/null 2>&1 3>&-; echo "$(exec sh -c 'echo $PPID')" >> $DIR/pids; while :; do sleep 1; done) &
      echo $$ >> $DIR/pids; while :; do sleep 1; done`)
    const fiber = Effect.runFork(runGit(command()))
    const pids = await pidsIn(dir, 2)
    await Effect.runPromise(Fiber.interrupt(fiber))
    await until(() => !pids.some(isAlive))
  })
})
