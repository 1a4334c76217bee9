/** Runs kustomize on files of one commit: a folder of its own, nothing of our environment, and an end that is an end. */
import { type ChildProcess, spawn } from "node:child_process"
import {
  access,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rm,
  stat,
  writeFile,
} from "node:fs/promises"
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path"
import { Clock, Duration, Effect, Option, type Scope } from "effect"
import { MOST_SAID } from "./reason.ts"

export interface KustomizeOptions {
  /** A program's name, sought on PATH and beside this file, or a path with a `/`. */
  readonly program: string
  /** Where the folders are made. */
  readonly folder: string
  readonly timeout: Duration.Input
  readonly maxOutputBytes: number
  readonly memoryMb: number
}

export interface Build {
  /** By their path in the repository. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Of the kustomization, relative to the repository's root. */
  readonly root: string
  readonly sharesFiles: boolean
}

export interface Built {
  readonly how: "exited" | "late" | "overflowed" | "unstarted"
  /** -1 where a signal ended it. */
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
  /** The folder's name, which nobody needs to see. */
  readonly folder: string
}

const unstarted = (why: string): Built => ({
  how: "unstarted",
  code: -1,
  stdout: Buffer.alloc(0),
  stderr: why,
  folder: "",
})

/** Of the folders' names: nothing else is ours to delete. */
const PREFIX = "build-"
const LAST_WAIT = "2 seconds"
/** What a killed controller left behind. */
const STALE = Duration.toMillis(Duration.hours(1))

const signalGroup = ({ pid }: ChildProcess): void => {
  if (pid === undefined) return
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // ESRCH: the whole group is gone.
  }
}

/**
 * Limits that the kernel keeps, and that hold for an orphan too: memory (KiB), processor time (s), no files, no core.
 * `exec`: the shell is gone before kustomize begins.
 */
const LIMITED = 'ulimit -d "$1"; ulimit -t "$2"; ulimit -f 0; ulimit -c 0; shift 2; exec "$@"'

const argumentsOf = (program: string, options: KustomizeOptions, build: Build) => {
  const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(options.timeout)))
  const limits = [String(options.memoryMb * 1024), String(2 * seconds + 5)]
  const free = build.sharesFiles ? ["--load-restrictor", "LoadRestrictionsNone"] : []
  const target = ["--", `./${build.root}`]
  return ["-c", LIMITED, "sh", ...limits, program, "build", ...free, ...target]
}

const environment = (memoryMb: number) => ({
  PATH: "",
  GOMAXPROCS: "2",
  GOMEMLIMIT: `${Math.floor(memoryMb * 0.75)}MiB`,
})

type Ended = Omit<Built, "folder">

interface Running {
  readonly child: ChildProcess
  readonly isClosed: () => boolean
}

const start = (
  args: ReadonlyArray<string>,
  { memoryMb, maxOutputBytes }: KustomizeOptions,
  cwd: string,
  done: (ended: Ended) => void,
): Running => {
  const chunks: Array<Buffer> = []
  let size = 0
  let said = ""
  let isClosed = false
  const stdio = ["ignore", "pipe", "pipe"] as const
  const options = { cwd, env: environment(memoryMb), detached: true, stdio: [...stdio] }
  const child = spawn("/bin/sh", args, options)
  const end = (how: Built["how"], code: number, stderr: string) => {
    isClosed = true
    done({ how, code, stdout: Buffer.concat(chunks), stderr })
  }
  child.stdout
    ?.on("error", () => {})
    .on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxOutputBytes) chunks.push(chunk)
      else signalGroup(child)
    })
  child.stderr
    ?.setEncoding("utf8")
    .on("error", () => {})
    .on("data", (text: string) => {
      said = (said + text).slice(-MOST_SAID)
    })
  child.once("error", ({ code }: NodeJS.ErrnoException) =>
    end("unstarted", -1, code ?? "no process"),
  )
  child.once("close", (code) =>
    end(size > maxOutputBytes ? "overflowed" : "exited", code ?? -1, said),
  )
  return { child, isClosed: () => isClosed }
}

/** By force: it has nothing to tidy up. Whoever left the group cannot hold the caller by a pipe. */
const terminate = ({ child, isClosed }: Running): Effect.Effect<void> =>
  Effect.gen(function* () {
    signalGroup(child)
    yield* Effect.callback<void>((resume) => {
      const closed = () => resume(Effect.void)
      if (isClosed()) closed()
      else child.once("close", closed)
      return Effect.sync(() => child.off("close", closed))
    }).pipe(Effect.interruptible, Effect.timeoutOption(LAST_WAIT))
    for (const stream of child.stdio) stream?.destroy()
  })

const runOnce = (args: ReadonlyArray<string>, folder: string, options: KustomizeOptions) =>
  Effect.callback<Ended>((resume) => {
    try {
      const running = start(args, options, folder, (ended) => resume(Effect.succeed(ended)))
      return terminate(running)
    } catch (error) {
      resume(Effect.succeed(unstarted((error as NodeJS.ErrnoException).code ?? "no process")))
      return Effect.void
    }
  })

const LATE: Ended = { how: "late", code: -1, stdout: Buffer.alloc(0), stderr: "" }

const write = async (folder: string, { files, root }: Build): Promise<void> => {
  const folders = new Set([root, ...files.keys().map((path) => dirname(path))])
  for (const each of folders) await mkdir(join(folder, each), { recursive: true, mode: 0o700 })
  for (const [path, bytes] of files) {
    await writeFile(join(folder, path), bytes, { flag: "wx", mode: 0o600 })
  }
}

const remove = (folder: string) =>
  Effect.promise(() => rm(folder, { recursive: true, force: true }).catch(() => {}))

/** Disk and processes say no by a code; their messages have paths. */
const onSystem = <A>(run: () => Promise<A>): Effect.Effect<A, Built> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => unstarted((cause as NodeJS.ErrnoException).code ?? "unknown error"),
  })

const sweep = async (parent: string, now: number): Promise<void> => {
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const names = await readdir(parent)
  for (const name of names.filter((each) => each.startsWith(PREFIX))) {
    const { mtimeMs } = await stat(join(parent, name))
    if (now - mtimeMs > STALE) await rm(join(parent, name), { recursive: true, force: true })
  }
}

const makeFolder = async (parent: string): Promise<string> => {
  await mkdir(parent, { recursive: true, mode: 0o700 })
  return realpath(await mkdtemp(join(parent, PREFIX)))
}

/** Absolute path of the program, if there is one. */
export const findProgram = async (program: string): Promise<string | undefined> => {
  const beside = import.meta.dirname
  const places = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute)
  const isPath = program.includes("/")
  const candidates = isPath
    ? [resolve(program)]
    : [...places, beside].map((at) => join(at, program))
  for (const path of program === "" ? [] : candidates) {
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

/** Never fails: what the end means is the caller's to say. */
export const runKustomize = Effect.fn("Kustomize.build")(
  function* (
    program: string,
    options: KustomizeOptions,
    build: Build,
  ): Effect.fn.Return<Built, Built, Scope.Scope> {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.promise(() => sweep(options.folder, now).catch(() => {}))
    const made = onSystem(() => makeFolder(options.folder))
    const folder = yield* Effect.acquireRelease(made, remove)
    yield* onSystem(() => write(folder, build))
    const running = runOnce(argumentsOf(program, options, build), folder, options)
    const ended = yield* Effect.timeoutOption(running, options.timeout)
    return { ...Option.getOrElse(ended, () => LATE), folder }
  },
  Effect.scoped,
  Effect.catch((built: Built) => Effect.succeed(built)),
)
