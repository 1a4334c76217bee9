// What a look at the cluster finds, and what of it is remembered: without a server.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { Cache } from "../../src/cache/Cache.ts"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"
import { MAX_LISTED, type RepositoryStatus } from "../../src/domain/status.ts"
import { memoryFrom } from "../../src/worker/journey.ts"
import { KubeMemory, resourceType } from "../layers/KubeMemory.ts"
import { repositoryObject } from "../layers/repositories.ts"
import { sync, syncs, told } from "../layers/Syncs.ts"

const configMap = (name: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: x}\n`
const CONFIG_MAP = resourceType("v1", "ConfigMap")

/** What a status says after a sync of the spec as it is; `lastSyncedCommit` may be of an earlier one. */
const applied = (
  lastSyncedCommit: string,
  status: "True" | "False",
  reason: string,
): RepositoryStatus => {
  const told = { message: "", lastTransitionTime: "2026-11-20T10:00:00Z" }
  const ready = { ...told, type: "Ready" as const, status, reason, observedGeneration: 1 }
  return { lastSyncedCommit, observedGeneration: 1, conditions: [ready] }
}

/** Two ConfigMaps, applied; the first of them was deleted since. */
const given = Effect.fnUntraced(function* (world: ReturnType<typeof syncs>, spec: object) {
  const kube = yield* KubeMemory
  const git = world.git.createRepo("web")
  kube.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } })
  const object = kube.put(repositoryObject("web", { spec: { url: git.url, ...spec } }))
  const repository = Result.getOrThrow(decodeRepository(object))
  const commit = git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
  yield* sync(repository, "startup")
  kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
  yield* TestClock.adjust("1 second")
  return {
    commit,
    git,
    kube,
    repository,
    find: () => kube.find(CONFIG_MAP, { namespace: "apps", name: "a" }),
  }
})
const edited = (repository: GitRepository, spec: object): GitRepository => ({
  ...repository,
  metadata: { ...repository.metadata, generation: 9 },
  spec: { ...repository.spec, ...spec },
})

describe("a look", () => {
  it.effect("with spec.dryRun tells what it would heal, each time, and writes nothing", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { repository, find } = yield* given(world, {})
      const observed = edited(repository, { dryRun: true })
      for (const trigger of ["drift", "reconcile"] as const) {
        const outcome = Result.getOrThrow(yield* sync(observed, trigger))
        assert.strictEqual(outcome.result, "done")
        assert.deepStrictEqual(outcome.plan, [{ object: "/ConfigMap/apps/a", action: "healed" }])
        assert.isUndefined(find())
      }
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("with spec.dryRun tells of a deletion also after a restart", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { commit, repository } = yield* given(world, {})
      yield* (yield* Cache).drop("apps/web")
      const { conditions = [], ...known } = applied(commit, "True", "Succeeded")
      const dry = conditions.map((one) => ({ ...one, observedGeneration: 9 }))
      const status = { ...known, lastSyncedGeneration: 1, conditions: dry }
      const observed = { ...edited(repository, { dryRun: true }), status }
      const { plan } = Result.getOrThrow(yield* sync(observed, "startup"))
      assert.deepStrictEqual(plan, [{ object: "/ConfigMap/apps/a", action: "healed" }])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("knows what is left deleted as deleted, whatever else of the spec changes", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { repository, find } = yield* given(world, { healPolicy: "manual" })
      assert.deepStrictEqual(told(yield* sync(repository, "reconcile")), [
        "held ConfigMap/apps/a",
        "unchanged ConfigMap/apps/b",
      ])
      const other = edited(repository, { healGracePeriod: repository.spec.timeout })
      assert.include(told(yield* sync(other, "specChanged")), "held ConfigMap/apps/a")
      assert.isUndefined(find())
      const auto = edited(repository, { healPolicy: "auto" })
      assert.include(told(yield* sync(auto, "specChanged")), "healed ConfigMap/apps/a")
    }).pipe(Effect.provide(world.layer))
  })
})

describe("a document that does not render for a while", () => {
  it.effect("brings back nothing that is left deleted", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository, find } = yield* given(world, { healPolicy: "manual" })
      git.commit({ "a.yaml": "kind: [" })
      yield* sync(repository, "webhook")
      git.commit({ "a.yaml": configMap("a") })
      yield* TestClock.adjust("1 minute")
      assert.include(told(yield* sync(repository, "webhook")), "held ConfigMap/apps/a")
      assert.isUndefined(find())
    }).pipe(Effect.provide(world.layer))
  })
})

describe("after a restart", () => {
  it("the status tells since when, and which conflicts were left", () => {
    const row = { action: "left", firstSeen: "2026-11-20T10:00:00Z", manager: "kubectl-edit" }
    const status = {
      drift: [
        { ...row, object: "/ConfigMap/apps/a", type: "manual_drift", path: "data.a" },
        { ...row, object: "/ConfigMap/apps/a", type: "conflict", path: "data.b" },
        { ...row, object: "/ConfigMap/apps/b", type: "conflict" },
      ],
    } as unknown as RepositoryStatus
    const { firstSeen, heals, conflicts } = memoryFrom(status)
    const keys = ["/ConfigMap/apps/a data.a", "/ConfigMap/apps/a data.b", "/ConfigMap/apps/b "]
    const since = Date.parse("2026-11-20T10:00:00Z")
    assert.deepEqual(
      [...firstSeen],
      keys.map((key) => [key, since]),
    )
    assert.deepEqual([...conflicts], keys.slice(1))
    assert.strictEqual(heals.size, 0)
    assert.strictEqual(memoryFrom(undefined).firstSeen.size, 0)
  })

  it("a status full of conflicts tells that there may be more", () => {
    const full = (...types: ReadonlyArray<string>): RepositoryStatus => {
      const row = { object: "/ConfigMap/apps/a", firstSeen: "2026-11-20T10:00:00Z", action: "left" }
      return { drift: types.map((type, i) => ({ ...row, type, path: `data.${i}` })) } as never
    }
    const conflicts = Array.from({ length: MAX_LISTED - 1 }, () => "conflict")
    assert.isUndefined(memoryFrom(full(...conflicts)).isPartial)
    assert.isUndefined(memoryFrom(full(...conflicts, "deleted")).isPartial)
    assert.isTrue(memoryFrom(full(...conflicts, "conflict")).isPartial)
  })

  it.effect(
    "what was deleted stays deleted where the policy says so, also at another commit",
    () => {
      const world = syncs()
      return Effect.gen(function* () {
        const { git, repository, find } = yield* given(world, { healPolicy: "manual" })
        const cache = yield* Cache
        const lastSyncedCommit = (yield* cache.commits.get("apps/web"))?.commit.sha ?? ""
        yield* cache.drop("apps/web")
        git.commit({ "b.yaml": null, "c.yaml": configMap("c") })
        const status = applied(lastSyncedCommit, "True", "Succeeded")
        const restarted: GitRepository = { ...repository, status }
        const found = yield* sync(restarted, "startup")
        assert.includeMembers(
          [...told(found)],
          ["held ConfigMap/apps/a", "created ConfigMap/apps/c"],
        )
        assert.isUndefined(find())
        assert.include(told(yield* sync(restarted, "reconcile")), "held ConfigMap/apps/a")
        yield* cache.drop("apps/web")
        const failed = applied(lastSyncedCommit, "False", "GitFailed")
        const respecced = { ...repository, status: failed }
        assert.include(told(yield* sync(respecced, "startup")), "created ConfigMap/apps/a")
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect.each([
    ["the last try failed", { healPolicy: "manual" }, 1, "held"],
    ["the last try failed, in grace", { healGracePeriod: "1h" }, 1, "held"],
    [
      "the last try failed, and it was whole under another spec",
      { healPolicy: "manual" },
      9,
      "created",
    ],
  ] as const)("what was deleted is known although %s", ([_, spec, generation, action]) => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, spec)
      const cache = yield* Cache
      const lastSyncedCommit = (yield* cache.commits.get("apps/web"))?.commit.sha ?? ""
      const failed = applied(lastSyncedCommit, "False", "ApplyFailed")
      const status = { ...failed, lastSyncedGeneration: generation }
      for (const isMoved of [false, true]) {
        if (isMoved) git.commit({ "b.yaml": null, "c.yaml": configMap("c") })
        kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
        yield* TestClock.adjust("1 second")
        yield* cache.drop("apps/web")
        const found = yield* sync({ ...repository, status }, "startup")
        assert.include(told(found), `${action} ConfigMap/apps/a`)
      }
    }).pipe(Effect.provide(world.layer))
  })
})
