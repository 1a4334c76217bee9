// A lock file for one build at a time on this machine; a holder that died is replaced.
import { link, readFile, rm, stat, utimes, writeFile } from "node:fs/promises"
import { setTimeout as pause } from "node:timers/promises"

export interface Lock {
  readonly file: string
  /** How long to wait for another holder. */
  readonly limitMs: number
  readonly say: (line: string) => void
}

/** A holder touches its lock this often, and waiting is reported this often. */
const heartbeatMs = 15_000
/** A lock that nobody touched for so long has no holder, whoever has its process id now. */
export const staleMs = 120_000

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM"
  }
}

const holder = async (file: string): Promise<number | undefined> => {
  try {
    const pid = Number.parseInt(await readFile(file, "utf8"), 10)
    const { mtimeMs } = await stat(file)
    return isAlive(pid) && Date.now() - mtimeMs < staleMs ? pid : undefined
  } catch {
    return undefined
  }
}

/** The file appears with its content, so nobody ever reads a lock without a holder. */
const tryLock = async (file: string): Promise<boolean> => {
  const mine = `${file}.${process.pid}`
  await writeFile(mine, String(process.pid))
  try {
    await link(mine, file)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
    return false
  } finally {
    await rm(mine, { force: true })
  }
}

const acquire = async ({ file, limitMs, say }: Lock): Promise<void> => {
  const started = Date.now()
  let said = 0
  while (!(await tryLock(file))) {
    const pid = await holder(file)
    const waited = Date.now() - started
    if (pid === undefined) {
      await rm(file, { force: true })
    } else if (waited > limitMs) {
      throw new Error(`process ${pid} holds ${file} for too long: end it, or remove the file`)
    } else {
      if (Date.now() - said > heartbeatMs) {
        say(`waiting for process ${pid}, which builds: ${Math.round(waited / 1000)} s`)
        said = Date.now()
      }
      await pause(Math.min(200, limitMs))
    }
  }
}

/**
 * Runs `body` while holding the lock. Two that replace a dead holder at the same instant may both
 * run: `body` must be wasteful then, not wrong.
 */
export const withLock = async <A>(lock: Lock, body: () => Promise<A>): Promise<A> => {
  await acquire(lock)
  const touch = setInterval(() => {
    const now = new Date()
    utimes(lock.file, now, now).catch(() => undefined)
  }, heartbeatMs)
  try {
    return await body()
  } finally {
    clearInterval(touch)
    await rm(lock.file, { force: true })
  }
}
