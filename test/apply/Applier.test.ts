import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Applier } from "../../src/apply/Applier.ts"
import type { KubeObject } from "../../src/domain/object.ts"
import { layer as kubeMemory } from "../layers/KubeMemory.ts"
import { type ClusterModel, clusterModel, refusal } from "./ClusterModel.ts"
import { applying, repository, sync } from "./syncs.ts"

const OWNER = { namespace: "team", name: "shop", uid: "uid-shop" }
const object = (apiVersion: string, kind: string, name: string, more: object = {}): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: "shop" },
  ...more,
})
const config = (name: string, a = "1") => object("v1", "ConfigMap", name, { data: { a } })
const deployment = (name: string) => object("apps/v1", "Deployment", name)
const crd: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { kind: "Widget", plural: "widgets" },
    versions: [{ name: "v1", served: true }],
  },
}
const widget = object("example.com/v1", "Widget", "w")

const CRD_KEY = "apiextensions.k8s.io/CustomResourceDefinition/widgets.example.com"

const test = (
  title: string,
  body: (
    cluster: ClusterModel,
  ) => Effect.Effect<void, unknown, Effect.Services<ReturnType<typeof sync>>>,
) =>
  it.effect(title, () =>
    Effect.flatMap(clusterModel, body).pipe(Effect.provide(applying(kubeMemory))),
  )
const writes = (cluster: ClusterModel) =>
  cluster.requests.filter((r) => r.startsWith("apply") || r.startsWith("delete"))

describe("the Applier", () => {
  test("goes stage after stage: nothing of a later one is sent before an earlier one is done", (cluster) =>
    Effect.gen(function* () {
      const open = new Set<string>()
      const overlaps: Array<string> = []
      cluster.before = (request) =>
        Effect.gen(function* () {
          if (!request.startsWith("apply")) return
          const kind = request.split("/").slice(0, 2).join("/")
          overlaps.push(...[...open].filter((other) => other !== kind))
          open.add(kind)
          yield* Effect.yieldNow
          yield* Effect.sleep("10 millis")
          open.delete(kind)
        })
      const fiber = yield* Effect.forkChild(
        sync(repository(OWNER), [deployment("d"), config("a"), config("b"), deployment("e")]),
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(overlaps, [])
      assert.deepStrictEqual(
        writes(cluster).map((r) => r.split("/")[1]),
        ["ConfigMap", "ConfigMap", "Deployment", "Deployment"],
      )
    }))

  test("sends what is in one stage at once, 32 at most", (cluster) =>
    Effect.gen(function* () {
      let now = 0
      let most = 0
      cluster.before = (request) =>
        request.startsWith("apply")
          ? Effect.gen(function* () {
              most = Math.max(most, ++now)
              yield* Effect.sleep("10 millis")
              now--
            })
          : Effect.void
      const fiber = yield* Effect.forkChild(
        sync(
          repository(OWNER),
          Array.from({ length: 100 }, (_, i) => config(`c${i}`)),
        ),
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).lines.length, 100)
      assert.strictEqual(most, 32)
    }))

  test("announces new kinds before anything is written, and old ones never again", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER)
      yield* sync(repo, [config("a")])
      yield* sync(repo, [config("a", "2"), deployment("d")])
      yield* sync(repo, [config("a", "3"), deployment("d")])
      assert.deepStrictEqual(repo.announced, [["/ConfigMap"], ["/ConfigMap", "apps/Deployment"]])
      assert.strictEqual(writes(cluster).length, 4)
    }))

  test("writes nothing where new kinds cannot be announced", (cluster) =>
    Effect.gen(function* () {
      const { plan } = yield* sync(repository(OWNER, { adopt: "Never" }), [config("a")])
      cluster.requests.length = 0
      const applier = yield* Applier
      const error = yield* Effect.flip(
        applier.run({
          repository: "team/shop",
          caller: { budget: "team/shop" },
          plan,
          inventoryKinds: [],
          announce: () => Effect.fail(refusal(503)),
        }),
      )
      assert.strictEqual(error.status, 503)
      assert.deepStrictEqual(cluster.requests, [])
    }))

  test("waits for a definition to be established before its objects", (cluster) =>
    Effect.gen(function* () {
      let looks = 0
      cluster.establish = () => ++looks > 3
      const fiber = yield* Effect.forkChild(sync(repository(OWNER), [widget, crd]))
      yield* TestClock.adjust("9 seconds")
      const { lines } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(lines, [`created ${CRD_KEY}`, "created example.com/Widget/shop/w"])
      assert.deepStrictEqual(writes(cluster), [
        `apply ${CRD_KEY}`,
        "apply example.com/Widget/shop/w",
      ])
    }))

  test("gives a definition ten seconds, then goes on without its objects", (cluster) =>
    Effect.gen(function* () {
      cluster.establish = () => false
      const fiber = yield* Effect.forkChild(sync(repository(OWNER), [widget, crd, config("a")]))
      yield* TestClock.adjust("10 seconds")
      const { lines } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(lines, [
        "created /ConfigMap/shop/a",
        `created ${CRD_KEY}`,
        "waiting example.com/Widget/shop/w A049",
      ])
    }))

  test("tries a kind that answers 404 again for two seconds", (cluster) =>
    Effect.gen(function* () {
      let left = 5
      cluster.before = (request) =>
        request.startsWith("apply apps") && left-- > 0
          ? Effect.fail(refusal(404, "NOPEA-A015"))
          : Effect.void
      const early = yield* Effect.forkChild(sync(repository(OWNER), [deployment("d")]))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(early)).lines, ["created apps/Deployment/shop/d"])
      left = Number.POSITIVE_INFINITY
      const late = yield* Effect.forkChild(
        sync(repository({ ...OWNER, name: "web" }), [deployment("e")]),
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(late)).lines, [
        "waiting apps/Deployment/shop/e A015",
      ])
    }))

  test("looks eight times at an object that changes under every write, then gives up for now", (cluster) =>
    Effect.gen(function* () {
      cluster.put(config("a", "0"))
      cluster.before = (request) =>
        Effect.sync(() => {
          if (request.startsWith("apply")) cluster.put(config("a", String(Math.random())))
        })
      const { lines, changes } = yield* sync(repository(OWNER), [config("a"), config("b")])
      assert.deepStrictEqual(lines, ["created /ConfigMap/shop/b", "failed /ConfigMap/shop/a A056"])
      assert.strictEqual(changes.find((c) => c.failure)?.failure?.disposition, "retry")
      assert.strictEqual(
        cluster.requests.filter((r) => r === "getMetadata /ConfigMap/shop/a").length,
        7,
      )
    }))

  test("tries only what failed again", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER)
      cluster.before = (request) =>
        request === "apply /ConfigMap/shop/b" ? Effect.fail(refusal(500)) : Effect.void
      const objects = [config("a"), config("b"), config("c")]
      assert.deepStrictEqual((yield* sync(repo, objects)).lines, [
        "created /ConfigMap/shop/a",
        "created /ConfigMap/shop/c",
        "failed /ConfigMap/shop/b A017",
      ])
      cluster.before = () => Effect.void
      cluster.requests.length = 0
      yield* sync(repo, objects, { freshness: "known" })
      assert.deepStrictEqual(cluster.requests, ["apply /ConfigMap/shop/b"])
    }))

  test("prunes last, in reverse, and keeps track of what it could not delete", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER)
      yield* sync(repo, [config("a"), deployment("d"), config("keep")])
      cluster.requests.length = 0
      cluster.before = (request) =>
        request === "delete apps/Deployment/shop/d" ? Effect.fail(refusal(500)) : Effect.void
      const { lines } = yield* sync(repo, [config("keep", "2")], { freshness: "known" })
      assert.deepStrictEqual(cluster.requests, [
        "apply /ConfigMap/shop/keep",
        "delete apps/Deployment/shop/d",
        "delete /ConfigMap/shop/a",
      ])
      assert.include(lines, "failed apps/Deployment/shop/d A017")
      assert.deepStrictEqual(repo.kinds, ["/ConfigMap", "apps/Deployment"])
      cluster.before = () => Effect.void
      yield* sync(repo, [config("keep", "2")], { freshness: "known" })
      assert.deepStrictEqual(repo.kinds, ["/ConfigMap"])
      assert.isUndefined(cluster.find("Deployment", "d"))
      assert.isDefined(cluster.find("ConfigMap", "keep"))
    }))

  test("deletes nothing while an object of the same sync fails, and tells what waits", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER)
      yield* sync(repo, [config("a"), config("b")])
      cluster.before = (request) =>
        request.startsWith("apply") ? Effect.fail(refusal(422, "NOPEA-A009")) : Effect.void
      assert.deepStrictEqual((yield* sync(repo, [config("b", "2")])).lines, [
        "failed /ConfigMap/shop/b A009",
        "held /ConfigMap/shop/a A051",
      ])
      assert.isTrue(cluster.find("ConfigMap", "a") !== undefined)
    }))

  test("looks again before it deletes what changed: a protection set a moment ago wins", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER)
      yield* sync(repo, [config("guarded"), config("edited")])
      for (const [name, annotations] of [
        ["guarded", { "nopea.io/prune": "disabled" }],
        ["edited", {}],
      ] as const) {
        const before = cluster.find("ConfigMap", name) ?? config(name)
        cluster.put({ ...before, metadata: { ...before.metadata, annotations } })
      }
      assert.deepStrictEqual((yield* sync(repo, [], { freshness: "known" })).lines, [
        "deleted /ConfigMap/shop/edited",
        "skipped /ConfigMap/shop/guarded A054",
      ])
    }))

  test("does not prune what lost our labels since the plan", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER)
      yield* sync(repo, [config("a")])
      cluster.put(config("a"))
      assert.deepStrictEqual((yield* sync(repo, [], { freshness: "known" })).lines, [
        "skipped /ConfigMap/shop/a A058",
      ])
    }))

  test("stops at once when it is interrupted, and the next sync goes on from there", (cluster) =>
    Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      cluster.before = (request) =>
        request === "apply apps/Deployment/shop/d"
          ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
          : Effect.void
      const repo = repository(OWNER)
      const objects = [config("a"), deployment("d")]
      const fiber = yield* Effect.forkChild(sync(repo, objects))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      cluster.before = () => Effect.void
      cluster.requests.length = 0
      const { lines } = yield* sync(repo, objects, { freshness: "known" })
      assert.deepStrictEqual(lines, [
        "created apps/Deployment/shop/d",
        "unchanged /ConfigMap/shop/a",
      ])
      assert.deepStrictEqual(cluster.requests, ["apply apps/Deployment/shop/d"])
    }))

  const frozen = (cluster: ClusterModel, name: string) => {
    let isFrozen = true
    cluster.before = (request) => {
      if (request === `delete /ConfigMap/shop/${name}`) isFrozen = false
      return isFrozen && request === `apply /ConfigMap/shop/${name}`
        ? Effect.fail(refusal(422, "NOPEA-A004"))
        : Effect.void
    }
  }

  test("recreates by spec.force only what the dry run proved: create, delete, create", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER, { force: true })
      yield* sync(repo, [config("a")])
      cluster.requests.length = 0
      frozen(cluster, "a")
      const { lines } = yield* sync(repo, [config("a", "2")])
      assert.deepStrictEqual(lines, ["configured /ConfigMap/shop/a"])
      assert.deepStrictEqual(
        cluster.requests.filter((r) => !r.startsWith("list")),
        [
          "apply /ConfigMap/shop/a",
          "getMetadata /ConfigMap/shop/a",
          "create /ConfigMap/shop/a",
          "delete /ConfigMap/shop/a",
          "getMetadata /ConfigMap/shop/a",
          "apply /ConfigMap/shop/a",
        ],
      )
      assert.isDefined(cluster.find("ConfigMap", "a"))
    }))

  test("says loudly that a recreated object could not be created, and creates it next time", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER, { force: true })
      yield* sync(repo, [config("a")])
      let deleted = false
      cluster.before = (request) => {
        if (request.startsWith("delete")) deleted = true
        if (!request.startsWith("apply")) return Effect.void
        return Effect.fail(deleted ? refusal(503, "NOPEA-A017") : refusal(422, "NOPEA-A004"))
      }
      const { lines, changes } = yield* sync(repo, [config("a", "2")])
      assert.deepStrictEqual(lines, ["failed /ConfigMap/shop/a A059"])
      assert.deepInclude(changes[0]?.failure, { disposition: "retry", file: "deploy/all.yaml" })
      assert.include(changes[0]?.failure?.reason, "DELETED")
      cluster.before = () => Effect.void
      const next = yield* sync(repo, [config("a", "2")], { freshness: "known" })
      assert.deepStrictEqual(next.lines, ["created /ConfigMap/shop/a"])
    }))

  test("deletes nothing where the dry run is refused", (cluster) =>
    Effect.gen(function* () {
      const repo = repository(OWNER, { force: true })
      yield* sync(repo, [config("a")])
      cluster.before = (request) => {
        if (request.startsWith("apply")) return Effect.fail(refusal(422, "NOPEA-A004"))
        return request.startsWith("create") ? Effect.fail(refusal(422, "NOPEA-A009")) : Effect.void
      }
      const { lines } = yield* sync(repo, [config("a", "2")])
      assert.deepStrictEqual(lines, ["failed /ConfigMap/shop/a A009"])
      assert.isFalse(cluster.requests.some((r) => r.startsWith("delete")))
    }))
})
