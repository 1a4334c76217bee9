import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Here } from "../../src/cli/Cluster.ts"
import { rollback } from "../../src/cli/Rollback.ts"
import { GIT_REPOSITORIES } from "../../src/domain/repository.ts"
import { Kube } from "../../src/kube/Kube.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"
import { object, synced } from "./views.ts"

const id = (letter: string): string => letter.repeat(40)
const NAME = { namespace: "shop", name: "api" }
const row = synced.history[0]
const status = (...commits: ReadonlyArray<string>) => ({
  ...synced,
  lastSyncedCommit: id(commits[0] ?? ""),
  lastAttemptedCommit: id(commits[0] ?? ""),
  history: commits.map((commit) => ({ ...row, commit: id(commit) })),
})

/** `nopea rollback api --yes --no-wait` while somebody else writes `meanwhile` before the first writes arrive. */
const run = (
  meanwhile: ReadonlyArray<(kube: KubeMemory.KubeMemory["Service"]) => void>,
  options: { readonly to?: string; readonly clear?: boolean } = {},
) =>
  Effect.gen(function* () {
    const kube = yield* KubeMemory.KubeMemory
    kube.put({ ...object("api", status("b", "a")) } as never)
    const left = [...meanwhile]
    kube.intercept(({ verb }) =>
      Effect.sync(() => (verb === "mergePatch" ? left.shift()?.(kube) : undefined)),
    )
    const here = { kube: yield* Kube, namespace: "shop", server: "memory" } as unknown as Here
    const { to, clear = false } = options
    const asked = { name: "api", to, clear, yes: true, wait: false, timeout: 1000 }
    const told = yield* Effect.result(rollback(here, asked))
    const annotations = kube.find(GIT_REPOSITORIES, NAME)?.metadata.annotations ?? {}
    return { told, value: annotations["nopea.io/rollback"], left: left.length }
  }).pipe(Effect.provide(KubeMemory.layer))

const put = (of: object) => (kube: KubeMemory.KubeMemory["Service"]) => {
  kube.put(of as never)
}

const recreate = (kube: KubeMemory.KubeMemory["Service"]): void => {
  kube.remove(GIT_REPOSITORIES, NAME)
  put(object("api", status("b", "a")))(kube)
}

describe("what nopea rollback writes", () => {
  it.effect("is what was decided, though the status moved meanwhile", () =>
    Effect.gen(function* () {
      const drift = (driftedCount: number) =>
        put(object("api", { ...status("b", "a"), driftedCount }))
      const { told, value, left } = yield* run([drift(1), drift(2)])
      assert.isTrue(Result.isSuccess(told))
      assert.strictEqual(value, `${id("b")}..${id("a")}`)
      assert.strictEqual(left, 0)
    }),
  )

  it.effect("is nothing where something else would be decided now", () =>
    Effect.gen(function* () {
      const { told, value } = yield* run([put(object("api", status("c", "b", "a")))])
      assert.isTrue(Result.isFailure(told) && told.failure.message.includes("changed meanwhile"))
      assert.isUndefined(value)
    }),
  )

  it.effect("is nothing where another one has taken the name", () =>
    Effect.gen(function* () {
      const { told, value } = yield* run([recreate])
      assert.isTrue(Result.isFailure(told) && told.failure.message.includes("changed meanwhile"))
      assert.isUndefined(value)
    }),
  )

  it.effect("is given up where the object never rests", () =>
    Effect.gen(function* () {
      const restless = Array.from({ length: 9 }, (_, at) =>
        put(object("api", { ...status("b", "a"), driftedCount: at + 1 })),
      )
      const { told, value, left } = yield* run(restless)
      assert.isTrue(Result.isFailure(told))
      assert.isUndefined(value)
      assert.strictEqual(left, 4)
    }),
  )
})
