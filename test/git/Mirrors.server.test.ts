import { existsSync } from "node:fs"
import { mkdir, readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, vi } from "vitest"
import { Git } from "../../src/git/Git.ts"
import { layer } from "../../src/git/GitCli.ts"
import { source } from "../contract/Git.contract.ts"
import { stall } from "../gitserver/failures.ts"
import { folder, server, until } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const scene = Effect.promise(async () => {
  const host = await server()
  const repo = await host.createRepo("app")
  await repo.commit({ a: "1" })
  const dataDir = await folder()
  return { host, repo, dataDir, root: join(dataDir, "mirrors") }
})

const gitIn = (dataDir: string) => layer({ dataDir, allowFileUrls: false, mirrorMaxBytes: 1e9 })

const mirrorsIn = (root: string) =>
  Effect.promise(async () => (await readdir(root)).filter((name) => /^[0-9a-f]{64}$/.test(name)))

const gone = (place: string) => Effect.promise(() => until(() => !existsSync(place)))

describe("a mirror that nobody uses", () => {
  it.effect(
    "is kept for an hour after its last use, then removed, and made again when needed",
    () =>
      Effect.gen(function* () {
        const { repo, dataDir, root } = yield* scene
        yield* Effect.gen(function* () {
          const git = yield* Git
          const { sha } = yield* git.sync(source(repo), ".")
          const [key = ""] = yield* mirrorsIn(root)
          yield* TestClock.adjust("50 minutes")
          yield* git.head(source(repo))
          yield* TestClock.adjust("59 minutes")
          expect(existsSync(join(root, key))).toBe(true)
          yield* TestClock.adjust("1 minute")
          yield* gone(join(root, key))
          expect(yield* git.head(source(repo))).toBeUndefined()
          expect((yield* git.sync(source(repo), ".")).sha).toBe(sha)
        }).pipe(Effect.provide(gitIn(dataDir)))
      }),
  )

  it.effect("is not removed while a fetch runs, however long", () =>
    Effect.gen(function* () {
      const { host, repo, dataDir, root } = yield* scene
      const slow = layer({
        dataDir,
        allowFileUrls: false,
        mirrorMaxBytes: 1e9,
        fetchTimeout: "10 hours",
      })
      yield* Effect.gen(function* () {
        const git = yield* Git
        yield* git.sync(source(repo), ".")
        const [key = ""] = yield* mirrorsIn(root)
        repo.fail(stall())
        host.clearLog()
        const fiber = yield* Effect.forkChild(git.sync(source(repo), "."))
        yield* Effect.promise(() => host.waitForRequest(() => true))
        yield* TestClock.adjust("2 hours")
        expect(existsSync(join(root, key))).toBe(true)
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(slow))
    }),
  )

  it.effect("is removed an hour after the start where an earlier run left it", () =>
    Effect.gen(function* () {
      const { dataDir, root } = yield* scene
      const leftover = join(root, "a".repeat(64))
      yield* Effect.promise(() => mkdir(leftover, { recursive: true }))
      yield* Effect.promise(() => writeFile(join(leftover, "HEAD"), "x"))
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("59 minutes")
        expect(existsSync(leftover)).toBe(true)
        yield* TestClock.adjust("1 minute")
        yield* gone(leftover)
      }).pipe(Effect.provide(gitIn(dataDir)))
    }),
  )

  it.effect("stays on disk when the port closes", () =>
    Effect.gen(function* () {
      const { repo, dataDir, root } = yield* scene
      yield* Effect.flatMap(Git, (git) => git.sync(source(repo), ".")).pipe(
        Effect.provide(Layer.fresh(gitIn(dataDir))),
      )
      expect(yield* mirrorsIn(root)).toHaveLength(1)
    }),
  )
})
