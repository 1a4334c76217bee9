// Node scripts as child processes, for tests of what happens when a process is killed.
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { promisify } from "node:util"
import { eventually } from "./Api.ts"

export interface Script {
  readonly child: ChildProcess
  readonly pid: number
  /** Everything on both outputs so far. */
  readonly output: () => string
  /** Waits until the output matches. */
  readonly says: (pattern: RegExp, limitMs?: number) => Promise<RegExpExecArray>
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>
}

/** Runs module text with this Node; `args` are in `process.argv` from index 1 on. */
export const runScript = (
  text: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Script => {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", text, ...args], {
    env: { ...process.env, ...env },
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  const add = (part: string) => {
    output += part
  }
  child.stdout?.setEncoding("utf8").on("data", add)
  child.stderr?.setEncoding("utf8").on("data", add)
  const ended = once(child, "close").then(([code, signal]) => (signal ?? code) as number | string)
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  const says = async (pattern: RegExp, limitMs?: number) => {
    const look = async () => {
      const found = pattern.exec(output)
      if (found === null && isOver) throw new Error(`the script ended, it said: ${output}`)
      return found ?? undefined
    }
    return eventually(`a script says ${pattern}; so far: ${output}`, look, limitMs)
  }
  return { child, pid: child.pid ?? 0, output: () => output, says, ended }
}

/** The command lines of all processes on this machine that contain the text. */
export const processesWith = async (text: string): Promise<string[]> => {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-ww", "-o", "pid=,stat=,args="])
  return stdout.split("\n").filter((line) => line.includes(text) && !/^\s*\d+\s+Z/.test(line))
}

/** Waits until no process has the text in its command line. */
export const noProcessesWith = (text: string): Promise<boolean> =>
  eventually(`no process with ${text} is left`, async () =>
    (await processesWith(text)).length === 0 ? true : undefined,
  )
