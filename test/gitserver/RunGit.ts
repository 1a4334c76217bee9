// git as a child process that reads nobody's configuration and asks nobody anything.
import { spawn } from "node:child_process"

/** The environment of every git that tests run: no system or user configuration, no prompts, no locale. */
export const gitEnvironment = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  LC_ALL: "C",
  TZ: "UTC",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Test Author",
  GIT_AUTHOR_EMAIL: "author@example.com",
  GIT_COMMITTER_NAME: "Test Committer",
  GIT_COMMITTER_EMAIL: "committer@example.com",
  ...extra,
})

export interface GitRun {
  readonly cwd?: string
  readonly input?: string | Buffer
  readonly env?: NodeJS.ProcessEnv
  /** Default 60 s. */
  readonly limitMs?: number
}

export interface GitOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs git and answers its outcome whatever the exit code; 124 when the limit ended it. */
export const tryGit = (args: readonly string[], options: GitRun = {}): Promise<GitOutcome> =>
  new Promise((resolve, reject) => {
    const { cwd, input, env, limitMs = 60_000 } = options
    const child = spawn("git", [...args], {
      env: gitEnvironment(env),
      ...(cwd === undefined ? {} : { cwd }),
      detached: true,
    })
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    let late = false
    // git's transport runs in children of git: the whole group must go.
    const limit = setTimeout(() => {
      late = true
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
    }, limitMs)
    child.stdout.on("data", (chunk) => out.push(chunk))
    child.stderr.on("data", (chunk) => err.push(chunk))
    child.once("error", reject)
    child.once("close", (code) => {
      clearTimeout(limit)
      const [stdout, stderr] = [Buffer.concat(out).toString(), Buffer.concat(err).toString()]
      resolve({ code: late ? 124 : (code ?? 1), stdout, stderr })
    })
    child.stdin.on("error", () => undefined)
    child.stdin.end(input ?? "")
  })

/** Runs git and answers its output without the last line end; fails with what git said. */
export const git = async (args: readonly string[], options: GitRun = {}): Promise<string> => {
  const { code, stdout, stderr } = await tryGit(args, options)
  if (code !== 0) throw new Error(`git ${args.join(" ")} ended with ${code}: ${stderr.trim()}`)
  return stdout.replace(/\n$/, "")
}
