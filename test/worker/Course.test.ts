// Which commit a sync works on while the newest one cannot be had, may not be applied yet, or was applied in part.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { Cache } from "../../src/cache/Cache.ts"
import { Claims } from "../../src/cache/Claims.ts"
import { Dependencies } from "../../src/cache/Dependencies.ts"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import { KubeMemory, resourceType } from "../layers/KubeMemory.ts"
import { repositoryObject } from "../layers/repositories.ts"
import { sync, syncs, told } from "../layers/Syncs.ts"

const configMap = (name: string, value = "x"): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${value}"}\n`
const CONFIG_MAP = resourceType("v1", "ConfigMap")
const DOWN = { kind: "error", fault: "unreachable" } as const

/** A and B, applied. */
const given = Effect.fnUntraced(function* (world: ReturnType<typeof syncs>, spec: object = {}) {
  const kube = yield* KubeMemory
  const cache = yield* Cache
  const git = world.git.createRepo("web")
  kube.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } })
  const object = kube.put(repositoryObject("web", { spec: { url: git.url, ...spec } }))
  const repository = Result.getOrThrow(decodeRepository(object))
  const first = git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
  yield* sync(repository, "startup")
  yield* TestClock.adjust("1 minute")
  const named = (name: string) => ({ namespace: "apps", name })
  const remove = Effect.fnUntraced(function* (name: string) {
    kube.remove(CONFIG_MAP, named(name))
    yield* TestClock.adjust("1 hour")
  })
  const dataOf = (name: string): unknown =>
    (kube.find(CONFIG_MAP, named(name))?.["data"] as Record<string, unknown>)?.["value"]
  return { cache, first, git, kube, remove, repository, dataOf }
})

const codeOf = (result: Effect.Success<ReturnType<typeof sync>>): string | undefined =>
  Result.isSuccess(result) ? result.success.unasked?.code : undefined

describe("the first sync of a process, while Git gives no answer", () => {
  const restarted = Effect.fnUntraced(function* (
    { cache, first, git, repository }: Effect.Success<ReturnType<typeof given>>,
    over: RepositoryStatus = {},
  ) {
    yield* cache.drop("apps/web")
    yield* TestClock.adjust("1 minute")
    git.fail(DOWN)
    const synced = { lastSyncedCommit: first, lastAttemptedCommit: first, lastSyncedGeneration: 1 }
    return { ...repository, status: { ...synced, ...over } } satisfies GitRepository
  })

  it.effect("heals as the commit synced last says, deletes nothing, and says what Git said", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const all = yield* given(world)
      const { git, kube, remove, dataOf } = all
      yield* remove("a")
      const b = kube.find(CONFIG_MAP, { namespace: "apps", name: "b" })
      const { uid: _, ...metadata } = { ...b?.metadata, name: "newer" }
      kube.put({ ...b, metadata } as never)
      const repository = yield* restarted(all)
      const found = yield* sync(repository, "startup")
      assert.deepStrictEqual(told(found), ["healed ConfigMap/apps/a", "unchanged ConfigMap/apps/b"])
      assert.match(codeOf(found) ?? "", /^NOPEA-G/u)
      for (const trigger of ["drift", "reconcile"] as const) {
        yield* remove("a")
        const next = yield* sync(repository, trigger)
        assert.include(told(next), "healed ConfigMap/apps/a")
        assert.strictEqual(codeOf(next), codeOf(found))
      }
      assert.strictEqual(dataOf("newer"), "x")
      assert.deepStrictEqual(told(yield* sync(repository, "retry")), [codeOf(found) ?? ""])
      git.recover()
      const answered = yield* sync(repository, "poll")
      assert.include(told(answered), "deleted ConfigMap/apps/newer")
      assert.isUndefined(codeOf(answered))
    }).pipe(Effect.provide(world.layer))
  })

  it.effect.each<[string, RepositoryStatus]>([
    ["another commit was tried since", { lastAttemptedCommit: "b".repeat(40) }],
    ["it was applied under another spec", { lastSyncedGeneration: 2 }],
  ])("heals nothing where %s", ([, over]) => {
    const world = syncs()
    return Effect.gen(function* () {
      const all = yield* given(world)
      yield* all.remove("a")
      const repository = yield* restarted(all, over)
      for (const trigger of ["startup", "drift", "reconcile"] as const)
        assert.match(told(yield* sync(repository, trigger))[0] ?? "", /^NOPEA-G/u)
      assert.isUndefined(all.dataOf("a"))
    }).pipe(Effect.provide(world.layer))
  })

  it.effect.each(["the mirror is lost", "the mirror has a newer commit"] as const)(
    "heals nothing where %s",
    (what) => {
      const world = syncs()
      return Effect.gen(function* () {
        const all = yield* given(world, { dependsOn: ["base"] })
        const { git, repository: before, remove, dataOf } = all
        const dependencies = yield* Dependencies
        dependencies.register(before, () => {})
        yield* remove("a")
        if (what === "the mirror is lost") world.git.loseMirrors()
        else {
          git.commit({ "a.yaml": configMap("a", "y") })
          assert.deepStrictEqual(told(yield* sync(before, "poll")), ["NOPEA-C050"])
        }
        const repository = yield* restarted(all)
        for (const trigger of ["startup", "drift"] as const)
          assert.match(told(yield* sync(repository, trigger))[0] ?? "", /^NOPEA-G/u)
        assert.isUndefined(dataOf("a"))
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect("heals nothing that is not trusted any more", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const all = yield* given(world)
      yield* all.remove("a")
      const { spec, ...rest } = yield* restarted(all)
      const repository = { ...rest, spec: { ...spec, verify: { secretRef: { name: "signers" } } } }
      assert.match(told(yield* sync(repository, "startup"))[0] ?? "", /^NOPEA-G/u)
      assert.deepStrictEqual(told(yield* sync(repository, "drift")), ["NOPEA-C002"])
      assert.isUndefined(all.dataOf("a"))
    }).pipe(Effect.provide(world.layer))
  })
})

describe("the first sync of a process whose Git is silent, after a commit that waited", () => {
  it.effect("says what that commit wants: nobody deletes what was to move there", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { cache, first, git, kube, repository: before } = yield* given(world)
      const claims = yield* Claims
      const repository = { ...before, spec: { ...before.spec, dependsOn: ["base"] } }
      const dependencies = yield* Dependencies
      dependencies.register(repository, () => {})
      git.commit({ "moved.yaml": configMap("moved") })
      assert.deepStrictEqual(told(yield* sync(repository, "poll")), ["NOPEA-C050"])
      const from = world.git.createRepo("from")
      const object = kube.put(repositoryObject("from", { spec: { url: from.url } }))
      const giving = Result.getOrThrow(decodeRepository(object))
      from.commit({ "x.yaml": configMap("moved"), "y.yaml": configMap("kept") })
      yield* sync(giving, "startup")
      yield* TestClock.adjust("1 minute")
      from.commit({ "x.yaml": null })
      yield* cache.drop("apps/web")
      claims.drop("apps/web")
      for (const one of [repository, giving]) claims.register(one, () => {})
      git.fail(DOWN)
      const status = {
        lastSyncedCommit: first,
        lastAttemptedCommit: first,
        lastSyncedGeneration: 1,
      }
      const running = yield* Effect.forkChild(sync(giving, "poll"))
      yield* TestClock.adjust("1 second")
      const failed = yield* sync({ ...repository, status }, "startup")
      assert.match(told(failed)[0] ?? "", /^NOPEA-G/u)
      yield* TestClock.adjust("10 seconds")
      assert.include(told(yield* Fiber.join(running)), "skipped ConfigMap/apps/moved")
      assert.strictEqual(claims.others("apps/other").wantedBy("/ConfigMap/apps/moved"), "apps/web")
    }).pipe(Effect.provide(world.layer))
  })
})

describe("while a newer commit waits for a dependency", () => {
  const gated = Effect.fnUntraced(function* (world: ReturnType<typeof syncs>) {
    const all = yield* given(world, { dependsOn: ["base"] })
    const claims = yield* Claims
    const dependencies = yield* Dependencies
    dependencies.register(all.repository, () => {})
    claims.register(all.repository, () => {})
    const moved = { "a.yaml": configMap("a", "y"), "b.yaml": null, "c.yaml": configMap("c") }
    all.git.commit(moved)
    const { stand } = claims.others("apps/other")
    const stands = () =>
      ["a", "b", "c"].map((name) => stand(all.repository.metadata, `/ConfigMap/apps/${name}`))
    const ready = {
      reason: "Succeeded",
      message: "",
      lastTransitionTime: "",
      observedGeneration: 1,
    }
    const release = () => {
      const object = repositoryObject("base")
      dependencies.register(Result.getOrThrow(decodeRepository(object)), () => {})
      const conditions = [{ type: "Ready" as const, status: "True" as const, ...ready }]
      dependencies.told("apps/base", { conditions })
    }
    return { ...all, stands, release }
  })

  it.effect("the applied one is kept up, and what the newer one wants stays said", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { cache, git, release, remove, repository, stands, dataOf } = yield* gated(world)
      assert.deepStrictEqual(told(yield* sync(repository, "poll")), ["NOPEA-C050"])
      const foreseen = ["wanted", "released", "wanted"]
      assert.deepStrictEqual(stands(), foreseen)
      for (const isDown of [false, true]) {
        if (isDown) git.fail(DOWN)
        if (isDown) assert.match(told(yield* sync(repository, "poll"))[0] ?? "", /^NOPEA-G/u)
        for (const trigger of ["drift", "reconcile"] as const) {
          yield* remove("a")
          const kept = yield* sync(repository, trigger)
          assert.deepStrictEqual(told(kept), [
            "healed ConfigMap/apps/a",
            "unchanged ConfigMap/apps/b",
          ])
          assert.match(codeOf(kept) ?? "", isDown ? /^NOPEA-G/u : /^NOPEA-C050$/u)
          assert.strictEqual(dataOf("a"), "x")
          assert.deepStrictEqual(stands(), foreseen)
        }
      }
      git.recover()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told(yield* sync(repository, "retry")), ["NOPEA-C050"])
      release()
      const asked = world.git.callsOf("lsRemote").length
      assert.deepStrictEqual(told(yield* sync(repository, "retry")), [
        "configured ConfigMap/apps/a",
        "created ConfigMap/apps/c",
        "deleted ConfigMap/apps/b",
      ])
      assert.strictEqual(world.git.callsOf("lsRemote").length, asked)
      assert.deepInclude(yield* cache.commits.get("apps/web"), { clean: true })
      assert.isUndefined((yield* cache.commits.get("apps/web"))?.waits)
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("its revert says again what the applied one wants", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, first, repository, stands } = yield* gated(world)
      assert.deepStrictEqual(told(yield* sync(repository, "poll")), ["NOPEA-C050"])
      yield* sync(repository, "drift")
      git.createBranch("main", first)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told(yield* sync(repository, "poll")), [
        "unchanged ConfigMap/apps/a",
        "unchanged ConfigMap/apps/b",
      ])
      assert.deepStrictEqual(stands(), ["wanted", "wanted", "released"])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a new spec waits too, and is not carried out with the old commit", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { remove, repository, dataOf } = yield* gated(world)
      assert.deepStrictEqual(told(yield* sync(repository, "poll")), ["NOPEA-C050"])
      yield* remove("a")
      const metadata = { ...repository.metadata, generation: 2 }
      for (const trigger of ["specChanged", "drift", "reconcile"] as const)
        assert.deepStrictEqual(told(yield* sync({ ...repository, metadata }, trigger)), [
          "NOPEA-C050",
        ])
      assert.isUndefined(dataOf("a"))
    }).pipe(Effect.provide(world.layer))
  })
})

/** Says that it was asked, and never answers. */
const stuck = (asked: Deferred.Deferred<void>) =>
  Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)

describe("a commit whose sync ran out of time", () => {
  it.effect(
    "while it deleted: what is gone is its doing, and comes back with the one before",
    () => {
      const world = syncs()
      return Effect.gen(function* () {
        const all = yield* given(world, { timeout: "30s", healPolicy: "manual" })
        const { first, git, kube } = all
        const synced = { lastSyncedCommit: first, lastAttemptedCommit: first }
        const repository = { ...all.repository, status: { ...synced, lastSyncedGeneration: 1 } }
        git.commit({ "a.yaml": null, "b.yaml": null, "c.yaml": configMap("c") })
        let isSlow = true
        const asked = Deferred.makeUnsafe<void>()
        kube.intercept(({ verb, name }) =>
          isSlow && verb === "delete" && name?.name === "b" ? stuck(asked) : Effect.void,
        )
        const running = yield* Effect.forkChild(sync(repository, "webhook"))
        yield* Deferred.await(asked)
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(told(yield* Fiber.join(running)), ["NOPEA-C005"])
        isSlow = false
        git.createBranch("main", first)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told(yield* sync(repository, "poll")), [
          "created ConfigMap/apps/a",
          "deleted ConfigMap/apps/c",
          "unchanged ConfigMap/apps/b",
        ])
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect("is not taken back by a look at drift", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository, dataOf } = yield* given(world, { timeout: "30s" })
      git.commit({ "a.yaml": configMap("a", "y"), "b.yaml": configMap("b", "y") })
      let isSlow = true
      const asked = Deferred.makeUnsafe<void>()
      kube.intercept(({ verb, name }) =>
        isSlow && verb === "apply" && name?.name === "b" ? stuck(asked) : Effect.void,
      )
      const running = yield* Effect.forkChild(sync(repository, "webhook"))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(told(yield* Fiber.join(running)), ["NOPEA-C005"])
      assert.deepStrictEqual([dataOf("a"), dataOf("b")], ["y", "x"])
      isSlow = false
      yield* sync(repository, "drift")
      assert.deepStrictEqual([dataOf("a"), dataOf("b")], ["y", "y"])
    }).pipe(Effect.provide(world.layer))
  })
})
