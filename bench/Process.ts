/** What a process costs, read from /proc (Linux): resident memory, CPU with its ended children. */
import { execFile } from "node:child_process"
import { readdir, readFile, readlink } from "node:fs/promises"
import { setTimeout as pause } from "node:timers/promises"
import { promisify } from "node:util"
import { gitEnvironment } from "./Bare.ts"
import type { Ground, Running } from "./Ground.ts"

const MEBI = 2 ** 20
/** Threads that render end when they had nothing to do for 30 s. */
const REST = 40_000
const MINUTE = 60_000

/** Process id of whoever listens on a loopback port. */
export const listenerOf = async (port: number): Promise<number> => {
  const hex = port.toString(16).toUpperCase().padStart(4, "0")
  const line = (await readFile("/proc/net/tcp", "utf8"))
    .split("\n")
    .find((text) => text.includes(`:${hex} 00000000:0000 0A`))
  const socket = `socket:[${line?.trim().split(/\s+/u)[9]}]`
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/u.test(name))) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")
      if (target === socket) return Number(pid)
    }
  }
  throw new Error(`nobody listens on ${port}`)
}

/** Resident memory in MiB. */
export const residentOf = async (controller: Running): Promise<number> => {
  const status = await readFile(`/proc/${await controller.pid()}/status`, "utf8")
  return (Number(/^VmRSS:\s+(\d+) kB/mu.exec(status)?.[1]) * 1024) / MEBI
}

/** Resident memory once the threads that rendered have ended. */
export const restingOf = async (controller: Running): Promise<number> => {
  await pause(REST)
  return residentOf(controller)
}

const fieldsOf = (stat: string): ReadonlyArray<number> =>
  stat
    .replace(/^.*\) /su, "")
    .split(" ")
    .map(Number)

/** Milliseconds, from ticks of 10: user and system, of the process and of its ended children. */
const cpuIn = (stat: string): number =>
  [11, 12, 13, 14].reduce((sum, field) => sum + (fieldsOf(stat)[field] ?? 0), 0) * 10

const cpuOf = async (controller: Running): Promise<number> =>
  cpuIn(await readFile(`/proc/${await controller.pid()}/stat`, "utf8"))

export interface Idle {
  /** Milliseconds of CPU in a minute. */
  readonly cpu: number
  /** How often the Git server was asked for a head meanwhile. */
  readonly polls: number
}

/** A minute in which nothing happens but polls. */
export const idleMinute = async (ground: Ground, controller: Running): Promise<Idle> => {
  const questions = () => ground.git.log.filter(({ command }) => command === "ls-refs").length
  const [cpu, asked] = [await cpuOf(controller), questions()]
  await pause(MINUTE)
  return { cpu: (await cpuOf(controller)) - cpu, polls: questions() - asked }
}

const LOOP = `for url in "$@"; do git ls-remote -q "$url" refs/heads/main >/dev/null || exit 1; done
read -r line </proc/$$/stat; echo "$line"`

/** Milliseconds of CPU that one bare `git ls-remote` takes, on average over these URLs. */
export const lsRemoteCpu = async (urls: ReadonlyArray<string>): Promise<number> => {
  const options = { env: gitEnvironment, timeout: 300_000 }
  const { stdout } = await promisify(execFile)("sh", ["-c", LOOP, "sh", ...urls], options)
  return cpuIn(stdout) / urls.length
}
