import { existsSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { describe, expect } from "vitest"
import { globalConfig, localEnvironment } from "../../src/git/environment.ts"
import { knownHead } from "../../src/git/Fetching.ts"
import { discard, makeMirrors, prepare } from "../../src/git/Mirrors.ts"
import { makeSessions } from "../../src/git/Session.ts"
import { source } from "../contract/Git.contract.ts"
import { folder, until } from "./fixture.ts"

/** A mirror whose branch is at a commit that is not there. */
const broken = Effect.gen(function* () {
  const dataDir = yield* Effect.promise(folder)
  const places = { home: join(dataDir, "home"), configFile: join(dataDir, "gitconfig") }
  yield* Effect.promise(() => mkdir(places.home))
  yield* Effect.promise(() => writeFile(places.configFile, globalConfig(false)))
  const limit = Duration.seconds(30)
  const keys = join(dataDir, "keys")
  const limits = {
    fetchTimeout: limit,
    readTimeout: limit,
    allowFileUrls: false,
    hostRate: 1000,
    parent: process.env,
    keys,
  }
  const mirrors = yield* makeMirrors(join(dataDir, "mirrors"), "1 hour")
  const open = yield* makeSessions(mirrors, localEnvironment(process.env, places), limits)
  const session = yield* open(source({ url: "https://git.example/app.git" }), "head")
  yield* prepare(session.mirror)
  const ref = join(session.mirror.folder, session.mirrorRef)
  yield* Effect.promise(() => mkdir(dirname(ref), { recursive: true }))
  yield* Effect.promise(() => writeFile(ref, `${"1".repeat(40)}\n`))
  return session
})

describe("a mirror that cannot tell its head", () => {
  it.live("is thrown away", () =>
    Effect.gen(function* () {
      const session = yield* broken
      expect(yield* knownHead(session)).toBeUndefined()
      expect(existsSync(session.mirror.folder)).toBe(false)
    }),
  )

  it.live("is not thrown away again where another made it anew in the meantime", () =>
    Effect.gen(function* () {
      const session = yield* broken
      const { mirror } = session
      const meantime = Effect.gen(function* () {
        const asking = yield* Effect.forkChild(knownHead(session), { startImmediately: true })
        yield* Effect.promise(() => until(() => mirror.reader?.asked() === 1))
        yield* discard(mirror)
        yield* prepare(mirror)
        return asking
      })
      const asking = yield* mirror.writer.withPermit(meantime)
      expect(yield* Fiber.join(asking)).toBeUndefined()
      expect(existsSync(join(mirror.folder, "HEAD"))).toBe(true)
    }),
  )
})
