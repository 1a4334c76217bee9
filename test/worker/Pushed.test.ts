import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { decodeRepository } from "../../src/domain/repository.ts"
import { Syncer } from "../../src/worker/Syncer.ts"
import type { MemoryRepo } from "../layers/GitMemory.ts"
import { KubeMemory } from "../layers/KubeMemory.ts"
import { repositoryObject } from "../layers/repositories.ts"
import { syncs, told } from "../layers/Syncs.ts"

const files = (value: string) => ({
  "a.yaml": `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {value: "${value}"}\n`,
})
const SYNC_ID = "01J00000000000000000000000"

interface World {
  readonly git: MemoryRepo
  /** A commit that the server has and does not show as head. */
  readonly hidden: string
  /** A webhook's sync that runs beside the test. */
  readonly push: (commit?: string) => Effect.Effect<Fiber.Fiber<ReadonlyArray<string>>>
  /** Questions for the head so far, without those that came with a fetch. */
  readonly asked: () => number
}

const world = (body: (w: World) => Effect.Effect<unknown>) => {
  const given = syncs()
  return Effect.gen(function* () {
    const kube = yield* KubeMemory
    const syncer = yield* Syncer
    const git = given.git.createRepo("web")
    kube.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } })
    const object = kube.put(repositoryObject("web", { spec: { url: git.url } }))
    const repository = Result.getOrThrow(decodeRepository(object))
    const run = (kind: "startup" | "webhook", commit?: string) => {
      const trigger = { kind, ...(commit === undefined ? {} : { commit }) }
      return Effect.map(Effect.result(syncer.run({ repository, trigger, syncId: SYNC_ID })), told)
    }
    git.commit(files("first"))
    yield* run("startup")
    git.createBranch("hidden")
    const hidden = git.commit(files("second"), { branch: "hidden" })
    const before = given.git.callsOf("lsRemote").length
    yield* body({
      git,
      hidden,
      push: (commit) => Effect.forkChild(run("webhook", commit)),
      asked: () => given.git.callsOf("lsRemote").length - before,
    })
  }).pipe(Effect.provide(given.layer))
}

const CHANGED = ["configured ConfigMap/apps/a"]

describe("a pushed commit", () => {
  it.effect("that the server shows is applied without a question", () =>
    world(({ git, hidden, push, asked }) =>
      Effect.gen(function* () {
        git.createBranch("main", hidden)
        assert.deepStrictEqual(yield* Fiber.join(yield* push(hidden)), CHANGED)
        assert.strictEqual(asked(), 0)
      }),
    ),
  )

  it.effect("that the server shows a little later is waited for", () =>
    world(({ git, hidden, push, asked }) =>
      Effect.gen(function* () {
        const sync = yield* push(hidden)
        yield* TestClock.adjust("250 millis")
        assert.strictEqual(asked(), 1)
        git.createBranch("main", hidden)
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(yield* Fiber.join(sync), CHANGED)
        assert.strictEqual(asked(), 2)
      }),
    ),
  )

  it.effect("that the server never shows is not applied, and not waited for longer", () =>
    world(({ hidden, push, asked }) =>
      Effect.gen(function* () {
        for (const commit of [hidden, "f".repeat(40), "HEAD", "--upload-pack=x"]) {
          const sync = yield* push(commit)
          const before = asked()
          yield* TestClock.adjust("2750 millis")
          assert.deepStrictEqual(yield* Fiber.join(sync), [])
          assert.strictEqual(asked() - before, 4)
        }
      }),
    ),
  )

  it.effect("that was overtaken delays the newer one hardly", () =>
    world(({ git, hidden, push, asked }) =>
      Effect.gen(function* () {
        git.commit(files("third"))
        const sync = yield* push(hidden)
        yield* TestClock.adjust("750 millis")
        assert.deepStrictEqual(yield* Fiber.join(sync), CHANGED)
        assert.strictEqual(asked(), 2)
      }),
    ),
  )

  it.effect("that is not named is not waited for", () =>
    world(({ push, asked }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* Fiber.join(yield* push()), [])
        assert.strictEqual(asked(), 0)
      }),
    ),
  )
})
