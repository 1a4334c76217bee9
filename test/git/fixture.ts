// One data directory with a live Git, servers that end with the test, and views of processes and mirrors.
import { readdirSync, readFileSync } from "node:fs"
import { mkdtemp, readdir, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, type Fiber, ManagedRuntime } from "effect"
import { onTestFinished } from "vitest"
import type { GitError } from "../../src/domain/errors.ts"
import type { CommitId, GitSource } from "../../src/domain/source.ts"
import { Git } from "../../src/git/Git.ts"
import { type GitCliOptions, layer } from "../../src/git/GitCli.ts"
import { type GitServer, type GitServerOptions, startGitServer } from "../gitserver/GitServer.ts"

export const server = async (options?: GitServerOptions): Promise<GitServer> => {
  const started = await startGitServer(options)
  onTestFinished(() => started.stop())
  return started
}

export const folder = async (): Promise<string> => {
  const made = await mkdtemp(join(tmpdir(), "nopea-git-test-"))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

export type Body<A, E> = (git: Git["Service"]) => Effect.Effect<A, E>

export interface Client {
  readonly dataDir: string
  readonly run: <A, E>(body: Body<A, E>) => Promise<A>
  /** Started, to be interrupted. */
  readonly start: <A, E>(body: Body<A, E>) => Fiber.Fiber<A, E | GitError>
  readonly failure: <A>(body: Body<A, GitError>) => Promise<GitError>
  /** Path and text of everything below `path` at the head. */
  readonly texts: (source: GitSource, path: string) => Promise<Record<string, string>>
  readonly close: () => Promise<void>
  /** Folders of mirrors. */
  readonly mirrors: () => Promise<ReadonlyArray<string>>
}

export const client = async (options: Partial<GitCliOptions> = {}): Promise<Client> => {
  const dataDir = options.dataDir ?? (await folder())
  const runtime = ManagedRuntime.make(
    layer({ dataDir, allowFileUrls: false, mirrorMaxBytes: 2 ** 30, ...options }),
  )
  onTestFinished(() => runtime.dispose())
  const run: Client["run"] = (body) => runtime.runPromise(Effect.flatMap(Git, body))
  return {
    dataDir,
    run,
    start: (body) => runtime.runFork(Effect.flatMap(Git, body)),
    failure: (body) => run((git) => Effect.flip(body(git))) as Promise<GitError>,
    texts: (source, path) => run((git) => texts(git, source, path)),
    close: () => runtime.dispose(),
    mirrors: async () => {
      const names = await readdir(join(dataDir, "mirrors"))
      return names
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .map((name) => join(dataDir, "mirrors", name))
    },
  }
}

const texts = Effect.fnUntraced(function* (git: Git["Service"], source: GitSource, path: string) {
  const { sha } = yield* git.sync(source, path)
  return yield* textsAt(git, source, { commit: sha, path })
})

export const textsAt = Effect.fnUntraced(function* (
  git: Git["Service"],
  source: GitSource,
  at: { readonly commit: CommitId; readonly path: string },
) {
  const files = yield* git.files(source, at.commit, at.path)
  const wanted = files.filter(({ mode }) => mode !== "submodule").map(({ blob }) => blob)
  const blobs = yield* git.read(source, at.commit, wanted)
  return Object.fromEntries(
    files.map(({ path, blob }) => [path, Buffer.from(blobs.get(blob) ?? []).toString()]),
  )
})

export const sizeOf = async (place: string): Promise<number> => {
  const names = await readdir(place, { recursive: true })
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(place, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

export const packs = async (mirror: string): Promise<ReadonlyArray<string>> =>
  (await readdir(join(mirror, "objects", "pack"))).filter((name) => name.endsWith(".pack"))

export interface Process {
  readonly pid: number
  readonly argv: string
  readonly environment: string
}

const readOr = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** Living processes whose environment names the data directory: git and everything it started for us. */
export const processesOf = (dataDir: string): ReadonlyArray<Process> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({
      pid: Number(pid),
      argv: readOr(`/proc/${pid}/cmdline`).replaceAll("\0", " "),
      environment: readOr(`/proc/${pid}/environ`),
    }))
    .filter(({ environment }) => environment.includes(`HOME=${dataDir}/`))

/** Until the claim holds; the deadline is a failure, never an answer. */
export const until = async (
  claim: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> => {
  const end = Date.now() + limitMs
  while (!(await claim())) {
    if (Date.now() > end) throw new Error(`not so within ${limitMs} ms: ${claim}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export const zero = Duration.zero
export const hour = Duration.hours(1)
