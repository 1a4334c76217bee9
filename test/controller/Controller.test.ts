import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Controller, layer } from "../../src/controller/Controller.ts"
import { Deletion } from "../../src/controller/Deletion.ts"
import { layer as finalizerLayer } from "../../src/controller/Finalizer.ts"
import { ANNOTATION_RECONCILE, keyOf } from "../../src/domain/repository.ts"
import { type Farewell, FINALIZER } from "../../src/plan/deletion.ts"
import { Supervisor } from "../../src/supervisor/Supervisor.ts"
import { actors, outcome } from "../layers/Actors.ts"
import { type RepositoryFields, repositoryObject, SYNCED } from "../layers/repositories.ts"
import { watchedRepositories } from "../layers/WatchedRepositories.ts"

const A = "apps/a"
const B = "apps/b"
const settle = TestClock.adjust(0)
const object = (name: string, fields: RepositoryFields = {}) =>
  repositoryObject(name, {
    status: SYNCED,
    ...fields,
    spec: { interval: "24h", reconcileInterval: "24h", ...fields.spec },
  })
const unreadable = (name: string, generation: number) =>
  object(name, { generation, spec: { interval: "soon" } })

const DELETED: Farewell = { deleted: 1, handedOver: new Map(), left: new Map() }

const world = (namespaces: ReadonlyArray<string> = [], drainTimeout = 20_000) => {
  const a = actors(drainTimeout)
  const cluster = watchedRepositories()
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => {
    lines.push([message].flat().join(" "))
  })
  const farewells: Array<string> = []
  const script: { deletion: Effect.Effect<Farewell> } = { deletion: Effect.succeed(DELETED) }
  const deletion = Layer.succeed(Deletion, {
    run: (repository) =>
      Effect.suspend(() => {
        farewells.push(`${repository.metadata.name}, ${a.running(keyOf(repository))} syncs running`)
        return script.deletion
      }),
  })
  return {
    a,
    cluster,
    lines,
    farewells,
    script,
    layer: layer({ namespaces }).pipe(
      Layer.provide(finalizerLayer),
      Layer.provide(deletion),
      Layer.provideMerge(a.layer),
      Layer.provide([cluster.layer, a.reporter]),
      Layer.provideMerge(Logger.layer([logger])),
    ),
  }
}
type World = ReturnType<typeof world>

const run = <X, E>(
  body: (w: World) => Effect.Effect<X, E, Controller | Supervisor>,
  namespaces: ReadonlyArray<string> = [],
) => {
  const w = world(namespaces, 0)
  return Effect.asVoid(body(w)).pipe(Effect.provide(w.layer))
}
const triggers = (w: World, key = A) => w.a.of(key).map((c) => c.trigger)

describe("GitRepositories in the cluster", () => {
  it.effect("get a worker when they appear, a sync for a new spec, and lose it when deleted", () =>
    run((w) =>
      Effect.gen(function* () {
        const s = yield* Supervisor
        w.cluster.put(object("a"))
        yield* settle
        w.cluster.put(object("b"))
        w.cluster.put(object("a", { generation: 2 }))
        yield* settle
        assert.deepStrictEqual(triggers(w), ["startup", "specChanged"])
        assert.deepStrictEqual(triggers(w, B), ["startup"])
        w.cluster.remove(A)
        yield* settle
        assert.deepStrictEqual(
          (yield* s.list).map((r) => r.metadata.name),
          ["b"],
        )
        assert.deepStrictEqual(w.a.dropped, [A])
      }),
    ),
  )

  it.effect("that were there before the controller get a worker too", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(object("a"))
        w.cluster.put(object("b"))
        yield* Effect.flatMap(Controller, (c) => c.synced)
        yield* settle
        assert.deepStrictEqual([triggers(w), triggers(w, B)], [["startup"], ["startup"]])
      }),
    ),
  )

  it.effect("cause nothing by status, finalizers and labels: our own writes start no loop", () =>
    run((w) =>
      Effect.gen(function* () {
        // every sync writes the status back, as the real reporter does
        w.a.script.set(A, (_, nth) =>
          Effect.sync(() => {
            w.cluster.put(object("a", { status: { ...SYNCED, lastSyncedCommit: `c${nth}` } }))
            return outcome()
          }),
        )
        w.cluster.put(object("a"))
        yield* settle
        w.cluster.put(object("a", { finalizers: ["nopea.false.systems/objects"] }))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(triggers(w), ["startup"])
        w.cluster.put(object("a", { annotations: { [ANNOTATION_RECONCILE]: "now" } }))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(triggers(w), ["startup", "syncNow"])
      }),
    ),
  )

  it.effect("deleted and created anew between two events are another repository", () =>
    run((w) =>
      Effect.gen(function* () {
        w.a.script.set(A, (_, nth) => (nth === 1 ? Effect.never : Effect.succeed(outcome())))
        w.cluster.put(object("a", { uid: "old" }))
        yield* settle
        w.cluster.put(object("a", { uid: "new" }))
        yield* settle
        assert.deepStrictEqual(
          w.a.of(A).map((c) => c.request.repository.metadata.uid),
          ["old", "new"],
        )
        assert.include(w.a.dropped, A)
        assert.deepStrictEqual(w.a.overlaps, [])
      }),
    ),
  )

  it.effect(
    "are found again after a lost watch: what was deleted, changed and created meanwhile",
    () =>
      run((w) =>
        Effect.gen(function* () {
          const s = yield* Supervisor
          for (const name of ["a", "b"]) w.cluster.put(object(name))
          yield* settle
          w.cluster.expire(() => {
            w.cluster.remove(A)
            w.cluster.put(object("b", { generation: 2 }))
            w.cluster.put(object("c"))
          })
          yield* TestClock.adjust("5 seconds")
          assert.deepStrictEqual((yield* s.list).map((r) => r.metadata.name).toSorted(), ["b", "c"])
          assert.deepStrictEqual(w.a.dropped, [A])
          assert.deepStrictEqual(triggers(w, B), ["startup", "specChanged"])
        }),
      ),
  )

  it.effect("do not wait for another one's worker that cannot be stopped", () =>
    run((w) =>
      Effect.gen(function* () {
        w.a.script.set(A, () =>
          Effect.uninterruptible(Effect.as(Effect.sleep("1 hour"), outcome())),
        )
        w.cluster.put(object("a"))
        yield* settle
        w.cluster.remove(A)
        w.cluster.put(object("b"))
        w.cluster.put(object("a", { uid: "new" }))
        yield* settle
        assert.deepStrictEqual(triggers(w, B), ["startup"])
        assert.strictEqual(w.a.of(A).length, 1)
        yield* TestClock.adjust("3 hours")
        assert.strictEqual(w.a.of(A).length, 2)
        assert.deepStrictEqual(w.a.overlaps, [])
      }),
    ),
  )
})

describe("a GitRepository that cannot be read", () => {
  it.effect("is told once per generation, its worker stops, others go on", () =>
    run((w) =>
      Effect.gen(function* () {
        const s = yield* Supervisor
        w.cluster.put(object("a"))
        w.cluster.put(object("b"))
        yield* settle
        w.cluster.put(unreadable("a", 2))
        yield* settle
        // the status that tells it comes back as an event
        w.cluster.put({ ...unreadable("a", 2), status: { phase: "Failed" } })
        yield* settle
        assert.strictEqual(w.a.toldOf(A, "rejected").length, 1)
        assert.include(w.a.toldOf(A, "rejected")[0]?.text, "spec.interval")
        assert.deepStrictEqual(
          (yield* s.list).map((r) => r.metadata.name),
          ["b"],
        )
        w.cluster.put(unreadable("a", 3))
        yield* settle
        assert.strictEqual(w.a.toldOf(A, "rejected").length, 2)
        assert.deepStrictEqual(w.a.dropped, [])
        w.cluster.put(object("a", { generation: 4 }))
        yield* settle
        assert.deepStrictEqual(triggers(w), ["startup", "startup"])
      }),
    ),
  )

  it.effect("and took the name of another one is told too, and the other is forgotten", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put({ ...unreadable("a", 1) })
        yield* settle
        w.cluster.put(repositoryObject("a", { uid: "new", spec: { interval: "later" } }))
        yield* settle
        assert.strictEqual(w.a.toldOf(A, "rejected").length, 2)
        assert.deepStrictEqual(w.a.dropped, [A])
      }),
    ),
  )

  it.effect("is forgotten when it is deleted", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(unreadable("a", 1))
        yield* settle
        w.cluster.remove(A)
        yield* settle
        assert.deepStrictEqual(w.a.dropped, [A])
      }),
    ),
  )

  it.effect("and even breaks the code that reads it does not keep others from being served", () =>
    run((w) =>
      Effect.gen(function* () {
        const broken = {
          get url(): never {
            throw new Error("hunter2")
          },
        }
        w.cluster.put({ ...object("a"), spec: broken })
        w.cluster.put(object("b"))
        yield* settle
        assert.deepStrictEqual(triggers(w, B), ["startup"])
        assert.match(w.lines.join("\n"), /crash in the intake of apps\/a: Error at /)
        assert.notInclude(w.lines.join("\n"), "hunter2")
      }),
    ),
  )
})

describe("readiness", () => {
  it.effect("comes when every served namespace was listed; other namespaces are left alone", () =>
    run(
      (w) =>
        Effect.gen(function* () {
          const controller = yield* Controller
          yield* settle
          assert.isTrue(yield* controller.isSynced)
          w.cluster.put(object("x", { namespace: "one" }))
          w.cluster.put(object("y", { namespace: "two" }))
          w.cluster.put(object("z", { namespace: "three" }))
          yield* settle
          assert.deepStrictEqual(w.a.calls.map((c) => c.key).toSorted(), ["one/x", "two/y"])
        }),
      ["one", "two"],
    ),
  )

  it.effect("waits for the CRD, says so once, and goes on when it is there", () =>
    run((w) =>
      Effect.gen(function* () {
        const controller = yield* Controller
        w.cluster.refuse(404)
        yield* TestClock.adjust("10 minutes")
        assert.isFalse(yield* controller.isSynced)
        assert.deepStrictEqual(w.lines.filter((line) => line.includes("CRD")).length, 1)
        w.cluster.refuse(undefined)
        w.cluster.put(object("a"))
        yield* TestClock.adjust("2 minutes")
        yield* controller.synced
        assert.isTrue(yield* controller.isSynced)
        assert.deepStrictEqual(triggers(w), ["startup"])
      }),
    ),
  )

  it.effect("stays when the API server is away, and workers go on meanwhile", () =>
    run((w) =>
      Effect.gen(function* () {
        const controller = yield* Controller
        const s = yield* Supervisor
        w.cluster.put(object("a"))
        yield* settle
        w.cluster.expire(() => w.cluster.refuse(503))
        yield* TestClock.adjust("10 minutes")
        assert.isTrue(yield* controller.isSynced)
        yield* s.syncNow(A)
        assert.strictEqual(w.lines.filter((line) => line.includes("cannot be watched")).length, 1)
      }),
    ),
  )
})

describe("shutdown", () => {
  it.effect("closes the intake first, then drains running syncs, then cuts", () =>
    Effect.gen(function* () {
      const w = world([], 20_000)
      w.a.script.set(A, () => Effect.as(Effect.sleep("15 seconds"), outcome()))
      w.a.script.set(B, () => Effect.never)
      const app = yield* Effect.forkChild(
        Effect.gen(function* () {
          w.cluster.put(object("a"))
          w.cluster.put(object("b"))
          yield* settle
        }).pipe(Effect.provide(w.layer)),
      )
      yield* settle
      assert.strictEqual(w.a.calls.length, 2)
      // closing now: a sync runs on, and what happens in the cluster starts nothing any more
      yield* TestClock.adjust("1 second")
      w.cluster.put(object("c"))
      w.cluster.put(object("a", { generation: 2 }))
      w.cluster.remove(B)
      yield* TestClock.adjust("18 seconds")
      assert.strictEqual(w.a.calls.length, 2)
      assert.deepStrictEqual(
        w.a.toldOf(A, "finished").map((t) => t.at),
        [15_000],
      )
      assert.isUndefined(app.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(app)
      assert.strictEqual(w.a.calls.length, 2)
      assert.deepStrictEqual(w.a.dropped, [])
      assert.strictEqual(w.lines.filter((line) => line.includes("cut short")).length, 1)
    }),
  )
})

describe("the finalizer", () => {
  const toDelete = { spec: { deletionPolicy: "Delete" } }
  const leaving = { deletionTimestamp: "2026-11-20T10:00:00Z", finalizers: [FINALIZER] }
  const finalizers = (w: World, key = A) => w.cluster.find(key)?.metadata.finalizers ?? []

  it.effect("is there only while the policy is Delete, and leaves other finalizers alone", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(object("a", { finalizers: ["other.example/one"] }))
        yield* settle
        assert.deepStrictEqual(finalizers(w), ["other.example/one"])
        w.cluster.put(
          object("a", { ...toDelete, generation: 2, finalizers: ["other.example/one"] }),
        )
        yield* settle
        assert.deepStrictEqual(finalizers(w), ["other.example/one", FINALIZER])
        w.cluster.put(object("a", { generation: 3, finalizers: ["other.example/one", FINALIZER] }))
        yield* settle
        assert.deepStrictEqual(finalizers(w), ["other.example/one"])
      }),
    ),
  )

  it.effect("is not there while a repository only observes", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(object("a", { spec: { deletionPolicy: "Delete", dryRun: true } }))
        yield* settle
        assert.deepStrictEqual(finalizers(w), [])
      }),
    ),
  )

  it.effect(
    "of a deleted one goes after its worker has stopped and its objects are dealt with",
    () =>
      run((w) =>
        Effect.gen(function* () {
          const s = yield* Supervisor
          w.a.script.set(A, () => Effect.never)
          w.cluster.put(object("a", toDelete))
          yield* settle
          w.cluster.put(object("a", { ...toDelete, ...leaving, generation: 2 }))
          yield* settle
          assert.deepStrictEqual(w.farewells, ["a, 0 syncs running"])
          assert.isUndefined(w.cluster.find(A))
          assert.deepStrictEqual(yield* s.list, [])
          assert.deepStrictEqual(w.cluster.events, [
            "ObjectsDeleted: deleted 1 object with the GitRepository",
          ])
        }),
      ),
  )

  it.effect("delays no other repository, and its deletion is not begun again by every event", () =>
    run((w) =>
      Effect.gen(function* () {
        w.script.deletion = Effect.delay(Effect.succeed(DELETED), "1 minute")
        w.cluster.put(object("a", { ...toDelete, ...leaving }))
        yield* settle
        w.cluster.put(object("a", { ...toDelete, ...leaving, status: { phase: "Synced" } }))
        w.cluster.put(object("b"))
        yield* settle
        assert.deepStrictEqual(triggers(w, B), ["startup"])
        assert.deepStrictEqual(triggers(w), [])
        assert.strictEqual(w.farewells.length, 1)
        assert.isDefined(w.cluster.find(A))
        yield* TestClock.adjust("1 minute")
        assert.isUndefined(w.cluster.find(A))
      }),
    ),
  )

  it.effect("of one that cannot be read goes too: its objects stay, and that is said", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(
          object("a", { ...leaving, spec: { interval: "soon", deletionPolicy: "Delete" } }),
        )
        yield* settle
        assert.isUndefined(w.cluster.find(A))
        assert.deepStrictEqual(w.farewells, [])
        assert.match(w.cluster.events.join(), /^ObjectsOrphaned: .*cannot be read: spec.interval/u)
      }),
    ),
  )

  it.effect("of one whose policy is Orphan by now goes without a delete", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(object("a", leaving))
        yield* settle
        assert.isUndefined(w.cluster.find(A))
        assert.deepStrictEqual(w.farewells, [])
      }),
    ),
  )

  it.effect("is tried again until the API server takes it", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.refusePatches(500)
        w.cluster.put(object("a", { ...toDelete, ...leaving }))
        yield* TestClock.adjust("1 minute")
        assert.isDefined(w.cluster.find(A))
        w.cluster.refusePatches(undefined)
        yield* TestClock.adjust("1 minute")
        assert.isUndefined(w.cluster.find(A))
        assert.strictEqual(w.farewells.length, 1)
      }),
    ),
  )

  it.effect("that somebody takes away ends the deletion", () =>
    run((w) =>
      Effect.gen(function* () {
        let ended = false
        w.script.deletion = Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            ended = true
          }),
        )
        w.cluster.put(object("a", { ...toDelete, ...leaving }))
        yield* settle
        w.cluster.remove(A)
        yield* settle
        assert.isTrue(ended)
      }),
    ),
  )

  it.effect("of another holder keeps a deleted repository from applying anything", () =>
    run((w) =>
      Effect.gen(function* () {
        w.cluster.put(object("a"))
        yield* settle
        const { deletionTimestamp } = leaving
        w.cluster.put(
          object("a", { generation: 2, deletionTimestamp, finalizers: ["x.example/y"] }),
        )
        yield* TestClock.adjust("48 hours")
        assert.deepStrictEqual(triggers(w), ["startup"])
      }),
    ),
  )
})
