import { it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { Live, type LiveQuery } from "../../src/cache/Live.ts"
import { type LiveIndexOptions, layer } from "../../src/controller/LiveIndex.ts"
import type { KubeError } from "../../src/domain/errors.ts"
import { formatRef } from "../../src/domain/object.ts"
import { Kube, type ResourceType } from "../../src/kube/Kube.ts"
import { refused } from "../../src/kube/response.ts"
import { unanswered } from "../../src/kube/unanswered.ts"
import { liveObject } from "../../src/plan/live.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"

const CONFIG_MAP = KubeMemory.resourceType("v1", "ConfigMap")
const SECRET = KubeMemory.resourceType("v1", "Secret")
const WIDGET = KubeMemory.resourceType("test.nopea.dev/v1", "Widget")
const asked = { operation: "watch", subject: "/ConfigMap", kind: "ConfigMap" }
const forbidden = refused(asked, { status: 403, body: "" })
const expired = refused(asked, { status: 410, body: "" })
const unserved = refused(
  { ...asked, operation: "list" },
  { status: 404, body: "404 page not found" },
)
const down = unanswered(asked, { code: "NOPEA-A018", reason: "down", fix: "start it" })

const object = (name: string, repository = "web", type: ResourceType = CONFIG_MAP) => ({
  apiVersion: type.group === "" ? type.version : `${type.group}/${type.version}`,
  kind: type.kind,
  metadata: {
    name,
    namespace: "default",
    labels: {
      "nopea.io/repository": repository,
      "nopea.io/repository-namespace": "shop",
      "nopea.io/repository-uid": "u1",
    },
  },
})
const at = (name: string) => ({ namespace: "default", name })
const key = (name: string) => formatRef({ ...CONFIG_MAP, ...at(name) })

const query = (freshness: LiveQuery["freshness"], more: Partial<LiveQuery> = {}): LiveQuery => ({
  repository: "shop/web",
  kinds: [CONFIG_MAP],
  freshness,
  caller: { budget: "shop/web", impersonate: "system:serviceaccount:shop:apply" },
  namespaces: ["default"],
  ...more,
})

/** A live index over an API server in memory, what it said in its log, and a worker that counts. */
const given = (options?: LiveIndexOptions) =>
  Effect.gen(function* () {
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(String(message)))
    const scope = yield* Scope.fork(yield* Effect.scope)
    const built = layer(options).pipe(
      Layer.provideMerge(KubeMemory.layer),
      Layer.provideMerge(Logger.layer([logger])),
    )
    const services = yield* Layer.buildWithScope(built, scope)
    const get = <A>(effect: Effect.Effect<A, never, Kube | Live | KubeMemory.KubeMemory>) =>
      Effect.provide(effect, services)
    const live = yield* get(Live)
    const kube = yield* get(Kube)
    const memory = yield* get(KubeMemory.KubeMemory)
    const me = { budget: "test" }
    const apply = (o: ReturnType<typeof object>, type: ResourceType = CONFIG_MAP) =>
      kube.apply(me, type, at(o.metadata.name), JSON.stringify(o), {
        fieldManager: "nopea",
        force: true,
      })
    let wakes = 0
    live.register("shop/web", () => {
      wakes += 1
    })
    return {
      live,
      memory,
      logged,
      apply,
      wakes: () => wakes,
      close: Scope.close(scope, Exit.void),
      names: (wanted: LiveQuery) =>
        Effect.map(live.snapshot(wanted), ({ objects, unknown }) => [
          ...[...objects.values()].map(({ ref }) => ref.name),
          ...[...unknown].map((kind) => `unknown ${kind}`),
        ]),
      lists: () => memory.calls.filter(({ verb }) => verb === "listMetadata").length,
      glass: (name: string, value: string) =>
        memory.edit(CONFIG_MAP, at(name), (o) => ({
          ...o,
          metadata: { ...o.metadata, annotations: { "nopea.io/break-glass": value } },
        })),
    }
  })

/** Lets everybody run on, without time, until it holds. */
const until = Effect.fnUntraced(function* (holds: () => boolean) {
  for (let turn = 0; !holds() && turn < 10_000; turn++) yield* TestClock.adjust(0)
  expect(holds()).toBe(true)
})

const refuse =
  (error: KubeError, ...verbs: ReadonlyArray<string>): KubeMemory.Intercept =>
  ({ verb, caller }) =>
    verbs.includes(verb) && caller?.impersonate === undefined ? Effect.fail(error) : Effect.void

describe("the live index", () => {
  it.effect(
    "tells a follower of every version of its objects, also of those that wake nobody",
    () =>
      Effect.gen(function* () {
        const world = yield* given()
        const heard: Array<string> = []
        world.live.follow(
          "shop/web",
          (changed, version) => void heard.push(`${changed} ${version}`),
        )
        expect(world.live.isWatched(CONFIG_MAP)).toBe(false)
        yield* world.apply(object("a"))
        yield* world.apply(object("b", "other"))
        yield* world.names(query("known"))
        expect(world.live.isWatched(CONFIG_MAP)).toBe(true)
        yield* until(() => heard.length === 1)
        world.memory.edit(CONFIG_MAP, at("a"), (o) => ({ ...o, status: { odd: true } }))
        yield* until(() => heard.length === 2)
        expect(new Set(heard.map((one) => one.split(" ")[0]))).toEqual(new Set([key("a")]))
        world.memory.remove(CONFIG_MAP, at("a"))
        yield* until(() => heard.length === 3)
        expect(heard[2]).toBe(`${key("a")} `)
        world.live.follow("shop/web")
        yield* world.apply(object("a"))
        yield* TestClock.adjust("1 second")
        expect(heard).toHaveLength(3)
      }),
  )

  it.effect("lists a kind once for all repositories that start at once", () =>
    Effect.gen(function* () {
      const { live, apply, lists, memory } = yield* given()
      yield* apply(object("a"))
      const all = Array.from({ length: 50 }, (_, i) =>
        live.snapshot(query("fresh", { repository: i === 0 ? "shop/web" : `shop/r${i}` })),
      )
      const [first] = yield* Effect.all(all, { concurrency: "unbounded" })
      expect(first?.objects.size).toBe(1)
      expect(lists()).toBe(1)
      expect(memory.watching()).toBe(1)
    }),
  )

  it.effect("trusts a watch for two minutes after its last sign of life", () =>
    Effect.gen(function* () {
      const { names, memory, lists } = yield* given()
      yield* names(query("fresh"))
      yield* TestClock.adjust("119 seconds")
      memory.bookmark()
      yield* TestClock.adjust("119 seconds")
      yield* names(query("fresh"))
      expect(lists()).toBe(1)
      yield* TestClock.adjust("2 seconds")
      yield* names(query("known"))
      expect(lists()).toBe(1)
      yield* names(query("fresh"))
      expect(lists()).toBe(2)
    }),
  )

  it.effect("asks for nothing where nothing is due", () =>
    Effect.gen(function* () {
      const { names, memory } = yield* given()
      yield* names(query("fresh"))
      memory.calls.length = 0
      yield* names(query("fresh"))
      yield* names(query("known"))
      expect(memory.calls.filter(({ options }) => options === "refresh")).toEqual([])
      expect(memory.calls.filter(({ verb }) => verb !== "discovery")).toEqual([])
    }),
  )

  it.effect("tells of a deletion that the watch missed, as soon as it lists anew", () =>
    Effect.gen(function* () {
      const { names, memory, apply, wakes } = yield* given()
      yield* apply(object("a"))
      yield* apply(object("b"))
      yield* names(query("fresh"))
      memory.intercept(({ verb }) =>
        verb === "watchMetadata" ? Effect.fail(expired) : Effect.void,
      )
      memory.endWatches()
      yield* TestClock.adjust(0)
      memory.remove(CONFIG_MAP, at("a"))
      memory.expire()
      expect(wakes()).toBe(0)
      memory.intercept(() => Effect.void)
      yield* TestClock.adjust("2 minutes")
      expect(wakes()).toBe(1)
      expect(yield* names(query("known"))).toEqual(["b"])
    }),
  )

  it.effect("waits for the first list at most ten seconds, then asks for its own objects", () =>
    Effect.gen(function* () {
      const { names, memory, apply } = yield* given()
      yield* apply(object("a"))
      memory.intercept(({ verb, options }) =>
        verb === "listMetadata" && !JSON.stringify(options).includes("=web")
          ? Effect.never
          : Effect.void,
      )
      const waiting = yield* Effect.forkChild(names(query("fresh")))
      yield* TestClock.adjust("9 seconds")
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(waiting)).toEqual(["a"])
      expect(yield* names(query("known"))).toEqual(["a"])
    }),
  )

  it.effect(
    "says once that a kind cannot be watched, lists it meanwhile, and says when it can",
    () =>
      Effect.gen(function* () {
        const { names, memory, apply, logged, lists } = yield* given()
        yield* apply(object("a"))
        memory.intercept(refuse(forbidden, "watchMetadata"))
        yield* names(query("fresh"))
        yield* TestClock.adjust("5 minutes")
        memory.remove(CONFIG_MAP, at("a"))
        yield* apply(object("b"))
        const before = lists()
        expect(yield* names(query("fresh"))).toEqual(["b"])
        expect(yield* names(query("known"))).toEqual(["b"])
        expect(lists()).toBe(before + 1)
        expect(logged).toEqual([
          "a kind cannot be watched; reconciles list it, and drift is found then",
        ])
        memory.intercept(() => Effect.void)
        yield* TestClock.adjust("70 seconds")
        memory.bookmark()
        yield* TestClock.adjust(0)
        expect(logged.slice(1)).toEqual(["a kind is watched again"])
        yield* names(query("fresh"))
        expect(lists()).toBe(before + 1)
      }),
  )

  it.effect("fails where the server cannot be reached, and starts over when it can", () =>
    Effect.gen(function* () {
      const { live, names, memory, apply } = yield* given()
      yield* apply(object("a"))
      memory.intercept(({ verb }) => (verb === "listMetadata" ? Effect.fail(down) : Effect.void))
      expect((yield* Effect.flip(live.snapshot(query("fresh")))).code).toBe("NOPEA-A018")
      memory.intercept(() => Effect.void)
      expect(yield* names(query("fresh"))).toEqual(["a"])
    }),
  )

  it.effect("looks as the caller where the controller may not, there where the caller works", () =>
    Effect.gen(function* () {
      const { names, memory, apply } = yield* given()
      yield* apply(object("a"))
      memory.intercept(refuse(forbidden, "listMetadata", "watchMetadata"))
      expect(yield* names(query("fresh"))).toEqual(["a"])
      memory.intercept(({ verb, options }) =>
        verb === "listMetadata" && !JSON.stringify(options).includes('"namespace"')
          ? Effect.fail(forbidden)
          : Effect.void,
      )
      expect(yield* names(query("fresh", { namespaces: ["default", "else"] }))).toEqual(["a"])
      memory.intercept(({ verb }) =>
        verb === "listMetadata" ? Effect.fail(forbidden) : Effect.void,
      )
      expect(yield* names(query("fresh"))).toEqual(["a", "unknown /ConfigMap"])
      memory.intercept(() => Effect.void)
      memory.remove(CONFIG_MAP, at("a"))
      expect(yield* names(query("known", { kinds: [CONFIG_MAP] }))).toEqual([])
    }),
  )

  it.effect("lists Secrets as the caller only, unless they may be watched", () =>
    Effect.gen(function* () {
      const plain = yield* given()
      const secrets = query("fresh", { kinds: [SECRET] })
      yield* plain.apply(object("s", "web", SECRET), SECRET)
      expect(yield* plain.names(secrets)).toEqual(["s"])
      expect(plain.memory.watching()).toBe(0)
      const asking = plain.memory.calls.filter(({ verb }) => verb === "listMetadata")
      expect(asking.map(({ caller }) => caller)).toEqual([secrets.caller])
      expect(yield* plain.names({ ...secrets, freshness: "known" })).toEqual(["s"])
      expect(plain.lists()).toBe(1)
      const watching = yield* given({ watchSecrets: true })
      yield* watching.names(secrets)
      expect(watching.memory.watching()).toBe(1)
    }),
  )

  it.effect("lists a kind that has no watch each time it is asked freshly", () =>
    Effect.gen(function* () {
      const { names, memory, lists } = yield* given()
      memory.serve({ ...WIDGET, verbs: ["list", "patch"] })
      const widgets = { kinds: [WIDGET] }
      yield* names(query("fresh", widgets))
      yield* names(query("fresh", widgets))
      yield* names(query("known", widgets))
      expect([lists(), memory.watching()]).toEqual([2, 0])
    }),
  )

  it.effect("looks again, at once, at a kind that was away and is served", () =>
    Effect.gen(function* () {
      const { names, memory, apply } = yield* given()
      const widgets = { kinds: [WIDGET] }
      expect(yield* names(query("known", widgets))).toEqual([])
      memory.serve(WIDGET)
      yield* apply(object("w", "web", WIDGET), WIDGET)
      expect(yield* names(query("known", widgets))).toEqual(["w"])
      memory.intercept(refuse(unserved, "listMetadata", "watchMetadata"))
      memory.expire()
      memory.endWatches()
      yield* TestClock.adjust("10 seconds")
      memory.remove(WIDGET, at("w"))
      memory.intercept(() => Effect.void)
      expect(yield* names(query("known", widgets))).toEqual([])
      expect(memory.watching()).toBe(1)
    }),
  )

  it.effect("watches a kind from its first object on where a sync defined it itself", () =>
    Effect.gen(function* () {
      const { live, names, memory, apply, wakes } = yield* given()
      yield* names(query("fresh", { kinds: [WIDGET] }))
      memory.serve(WIDGET)
      const { metadata } = yield* apply(object("w", "web", WIDGET), WIDGET)
      yield* live.record("shop/web", liveObject(WIDGET, metadata))
      yield* TestClock.adjust(0)
      expect(memory.watching()).toBe(1)
      memory.remove(WIDGET, at("w"))
      yield* TestClock.adjust(0)
      expect(wakes()).toBe(1)
    }),
  )

  it.effect(
    "ends the watch of a kind that nobody names, after a while, and all with the layer",
    () =>
      Effect.gen(function* () {
        const { live, names, memory, lists, close } = yield* given()
        const none = { kinds: [] }
        yield* names(query("fresh"))
        yield* live.snapshot(query("fresh", { repository: "shop/other" }))
        yield* names(query("fresh", none))
        yield* TestClock.adjust("2 minutes")
        expect(memory.watching()).toBe(1)
        yield* live.drop("shop/other")
        yield* TestClock.adjust("20 seconds")
        yield* names(query("known"))
        expect(lists()).toBe(1)
        yield* names(query("known", none))
        yield* TestClock.adjust("2 minutes")
        expect(memory.watching()).toBe(0)
        yield* names(query("fresh", { isPassing: true }))
        expect(memory.watching()).toBe(0)
        yield* names(query("fresh"))
        expect(memory.watching()).toBe(1)
        yield* close
        expect(memory.watching()).toBe(0)
      }),
  )

  it.effect("lets a storm in one kind delay neither another kind nor its own worker", () =>
    Effect.gen(function* () {
      const { names, memory, apply, glass, wakes } = yield* given()
      memory.serve(WIDGET)
      yield* apply(object("a"))
      yield* apply(object("w", "web", WIDGET), WIDGET)
      yield* names(query("fresh", { kinds: [CONFIG_MAP, WIDGET] }))
      for (let i = 0; i < 1_000; i++) glass("a", String(i))
      memory.remove(WIDGET, at("w"))
      const kinds = [CONFIG_MAP, WIDGET]
      yield* until(() => wakes() > 0)
      while ((yield* names(query("known", { kinds }))).length > 1) yield* TestClock.adjust(0)
      expect(wakes()).toBeLessThan(600)
      yield* until(() => wakes() === 1_001)
    }),
  )

  it.effect("is silent about own writes, also about one that is interrupted", () =>
    Effect.gen(function* () {
      const { live, names, apply, glass, wakes } = yield* given()
      yield* apply(object("a"))
      yield* names(query("fresh"))
      const writing = live.writing("shop/web", key("a"))
      const write = Effect.andThen(
        Effect.sync(() => glass("a", "x")),
        Effect.never,
      )
      const running = yield* Effect.forkChild(writing(write), { startImmediately: true })
      const marks = () => live.snapshot(query("known"))
      while ((yield* marks()).objects.get(key("a"))?.marks["nopea.io/break-glass"] === undefined)
        yield* TestClock.adjust(0)
      expect(wakes()).toBe(0)
      yield* Fiber.interrupt(running)
      expect(wakes()).toBe(1)
      glass("a", "y")
      yield* until(() => wakes() === 2)
    }),
  )
})
