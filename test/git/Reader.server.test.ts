import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, vi } from "vitest"
import { Git } from "../../src/git/Git.ts"
import { type GitCliOptions, layer } from "../../src/git/GitCli.ts"
import { faultIn, source } from "../contract/Git.contract.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { folder, processesOf, server, textsAt, until, zero } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them: it is virtual. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const files = { "deploy/a": "a", "deploy/sub/b": "b", "deploy/sub/c": "c", other: "o" }

const scene = Effect.promise(async () => {
  const host = await server()
  const repo = await host.createRepo("app")
  await repo.commit(files)
  return { repo, dataDir: await folder() }
})

const gitIn = (dataDir: string, more: Partial<GitCliOptions> = {}) =>
  layer({ dataDir, allowFileUrls: false, mirrorMaxBytes: 1e9, ...more })

/** What a worker does: the question, the fetch, the listing, the blobs. */
const change = Effect.fnUntraced(function* (repo: GitRepo, path: string) {
  const git = yield* Git
  yield* git.head(source(repo))
  yield* git.lsRemote(source(repo), zero)
  const { sha } = yield* git.sync(source(repo), path)
  return yield* textsAt(git, source(repo), { commit: sha, path })
})

const readersIn = (dataDir: string): ReadonlyArray<number> =>
  processesOf(dataDir).flatMap(({ pid, argv }) => (argv.includes("cat-file") ? [pid] : []))

const ended = (dataDir: string) =>
  Effect.promise(() => until(() => readersIn(dataDir).length === 0))

describe("the processes that git is asked by", () => {
  it.effect("are three for a change: the question, the fetch, one reader; one for a poll", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      const bin = yield* Effect.promise(folder)
      const real = execFileSync("which", ["git"]).toString().trim()
      const log = join(bin, "log")
      const script = `#!/bin/sh\necho "$1" >> ${log}\nexec ${real} "$@"\n`
      yield* Effect.promise(() => writeFile(join(bin, "git"), script, { mode: 0o755 }))
      const started = Effect.promise(async () => {
        const names = readFileSync(log, "utf8").trim()
        await writeFile(log, "")
        return names === "" ? [] : names.split("\n")
      })
      const PATH = [bin, process.env["PATH"]].join(delimiter)
      yield* Effect.gen(function* () {
        const git = yield* Git
        yield* started
        expect(yield* change(repo, "deploy")).toEqual(
          Object.fromEntries(Object.entries(files).filter(([path]) => path !== "other")),
        )
        expect(yield* started).toEqual(["ls-remote", "fetch", "cat-file", "fetch"])
        yield* TestClock.adjust("10 seconds")
        yield* ended(dataDir)
        yield* Effect.promise(() => repo.commit({ "deploy/a": "new" }))
        expect(yield* change(repo, "deploy")).toMatchObject({ "deploy/a": "new" })
        expect(yield* started).toEqual(["ls-remote", "fetch", "cat-file"])
        yield* TestClock.adjust("10 seconds")
        yield* ended(dataDir)
        const known = yield* git.head(source(repo))
        expect(yield* git.lsRemote(source(repo), zero)).toBe(known?.sha)
        expect(yield* started).toEqual(["ls-remote"])
      }).pipe(Effect.provide(gitIn(dataDir, { environment: { ...process.env, PATH } })))
    }),
  )

  it.effect("a first fetch of the root brings all files: nothing is fetched after it", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      const texts = yield* change(repo, "").pipe(Effect.provide(gitIn(dataDir)))
      expect(texts).toEqual(files)
      const mirrors = execFileSync("find", [dataDir, "-name", "*.pack"]).toString().trim()
      expect(mirrors.split("\n")).toHaveLength(1)
    }),
  )
})

describe("a reader", () => {
  it.effect("ends a moment after its last question, and with the port", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      yield* Effect.gen(function* () {
        yield* change(repo, "deploy")
        expect(readersIn(dataDir)).toHaveLength(1)
        yield* TestClock.adjust("3 seconds")
        yield* ended(dataDir)
        yield* change(repo, "deploy/sub")
        expect(readersIn(dataDir)).toHaveLength(1)
      }).pipe(Effect.provide(gitIn(dataDir)))
      expect(readersIn(dataDir)).toEqual([])
    }),
  )

  it.effect("that somebody killed is replaced within the same call", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      yield* Effect.gen(function* () {
        const git = yield* Git
        const { sha } = yield* git.sync(source(repo), "deploy")
        for (let turn = 0; turn < 5; turn += 1) {
          const [pid = 0] = readersIn(dataDir)
          process.kill(pid, "SIGKILL")
          const at = { commit: sha, path: "deploy" }
          expect(Object.keys(yield* textsAt(git, source(repo), at))).toHaveLength(3)
        }
      }).pipe(Effect.provide(gitIn(dataDir)))
    }),
  )

  it.effect("that says more than may be read is ended, and the next question is answered", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      yield* Effect.promise(() => repo.commit({ "deploy/large": "x".repeat(500_000) }))
      yield* Effect.gen(function* () {
        const git = yield* Git
        const { sha } = yield* git.sync(source(repo), "deploy")
        const entries = yield* git.files(source(repo), sha, "deploy")
        const read = (path: string) => {
          const blobs = entries.filter((one) => one.path === path).map(({ blob }) => blob)
          return git.read(source(repo), sha, blobs)
        }
        expect(yield* faultIn(read("deploy/large"))).toBe("pathTooLarge")
        expect((yield* read("deploy/a")).size).toBe(1)
      }).pipe(Effect.provide(gitIn(dataDir, { readMaxBytes: 100_000 })))
    }),
  )

  it.effect("says no more in all where some blobs must be fetched between its answers", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      const large = (letter: string) => letter.repeat(1_600_000)
      yield* Effect.promise(() => repo.commit({ "deploy/first": large("1") }))
      yield* Effect.gen(function* () {
        const git = yield* Git
        yield* git.sync(source(repo), "deploy")
        yield* Effect.promise(() => repo.commit({ "deploy/second": large("2") }))
        const { sha } = yield* git.sync(source(repo), "deploy")
        const entries = yield* git.files(source(repo), sha, "deploy")
        const blobs = entries.map(({ blob }) => blob)
        const error = yield* Effect.flip(git.read(source(repo), sha, blobs))
        expect(error).toMatchObject({
          code: "NOPEA-G030",
          fix: "narrow spec.path, or split the directory over several GitRepositories",
        })
        for (const blob of blobs) expect((yield* git.read(source(repo), sha, [blob])).size).toBe(1)
      }).pipe(Effect.provide(gitIn(dataDir, { readMaxBytes: 2_000_000 })))
    }),
  )

  it.effect("whose question is interrupted ends, and others are answered", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      yield* Effect.gen(function* () {
        const git = yield* Git
        const { sha } = yield* git.sync(source(repo), "deploy")
        const [pid = 0] = readersIn(dataDir)
        process.kill(pid, "SIGSTOP")
        const asks = Array.from({ length: 3 }, () =>
          Effect.forkChild(git.files(source(repo), sha, "deploy/sub"), { startImmediately: true }),
        )
        const [first, ...others] = yield* Effect.all(asks)
        if (first !== undefined) yield* Fiber.interrupt(first).pipe(Effect.forkChild)
        // A stopped process takes no polite signal: the forced one comes after two seconds.
        for (let turn = 0; turn < 5; turn += 1) yield* TestClock.adjust("1 second")
        for (const fiber of others) expect(yield* Fiber.join(fiber)).toHaveLength(2)
        expect(readersIn(dataDir)).not.toContain(pid)
      }).pipe(Effect.provide(gitIn(dataDir)))
    }),
  )

  it.effect("lists what git itself lists, in its order", () =>
    Effect.gen(function* () {
      const { repo, dataDir } = yield* scene
      const names = ["x.yaml", "x/1", "x-y/2", "x0", "x/é/ü", "x/z z", "A/B/C/D/e", "x/1.yaml"]
      yield* Effect.promise(() => repo.commit(Object.fromEntries(names.map((n) => [n, n]))))
      yield* Effect.gen(function* () {
        const git = yield* Git
        for (const path of ["", "x", "A/B"]) {
          const { sha } = yield* git.sync(source(repo), path)
          const args = ["-C", repo.path, "ls-tree", "-rz", "--full-tree", sha, path || "."]
          const said = execFileSync("git", args).toString().split("\0").filter(Boolean)
          const entries = yield* git.files(source(repo), sha, path)
          const listed = entries.map((entry) => `100644 blob ${entry.blob}\t${entry.path}`)
          expect(listed).toEqual(said)
        }
        const { sha } = yield* git.sync(source(repo), "x")
        expect(yield* faultIn(git.files(source(repo), sha, "x.yaml"))).toBe("pathMissing")
        expect(yield* faultIn(git.files(source(repo), sha, "x/é/ü/no"))).toBe("pathMissing")
      }).pipe(Effect.provide(gitIn(dataDir)))
    }),
  )
})
