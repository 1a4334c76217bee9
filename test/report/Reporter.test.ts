import { it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, References, Result } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { Cache, layer as cacheLayer } from "../../src/cache/Cache.ts"
import type { KubeError } from "../../src/domain/errors.ts"
import {
  decodeRepository,
  GIT_REPOSITORIES as GIT_REPOSITORY,
  type GitRepository,
} from "../../src/domain/repository.ts"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import type { TriggerKind } from "../../src/domain/trigger.ts"
import { Kube } from "../../src/kube/Kube.ts"
import { unanswered } from "../../src/kube/unanswered.ts"
import { Notifier } from "../../src/report/Notifier.ts"
import { Reporter } from "../../src/report/Reporter.ts"
import { layerWith, layer as reporterLayer } from "../../src/report/ReporterLive.ts"
import { raw } from "../domain/repositories.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"
import {
  change,
  drift,
  failedHeal,
  failure,
  gitError,
  healedDrift,
  heldDrift,
  outcome,
  outcomeOf,
  report,
  START,
  sha,
  type Told,
  untouched,
} from "./reports.ts"

const NAME = { namespace: "shop", name: "web" }
const EVENTS = KubeMemory.resourceType("v1", "Event")
const down = unanswered(
  { operation: "patch", subject: "shop/web", kind: "GitRepository" },
  { code: "NOPEA-A018", reason: "down", fix: "up" },
)

interface LogLine {
  readonly level: string
  readonly message: unknown
  readonly fields: Readonly<Record<string, unknown>>
}

interface World {
  readonly kube: Kube["Service"]
  readonly memory: KubeMemory.KubeMemory["Service"]
  readonly reporter: Reporter["Service"]
  readonly cache: Cache["Service"]
  readonly log: Array<LogLine>
  /** The GitRepository as the API server has it now. */
  readonly live: () => GitRepository
  readonly status: () => RepositoryStatus
  readonly patches: () => number
  /** `2x Warning ApplyFailed`. */
  readonly events: () => ReadonlyArray<string>
  /** `Warning DriftDetected: kubectl-edit changed …`. */
  readonly said: () => ReadonlyArray<string>
  /** Commits and objects that the notifier was handed. */
  readonly notified: Array<readonly [commit: string, objects: ReadonlyArray<string>]>
  readonly finish: (result: Parameters<typeof report>[0], told?: Told) => Effect.Effect<void>
  readonly syncing: (kind: TriggerKind) => Effect.Effect<void>
}

const world = (body: (w: World) => Effect.Effect<unknown, unknown>) => {
  const log: Array<LogLine> = []
  const remember = Logger.make(({ logLevel, message, fiber }) => {
    const fields = fiber.getRef(References.CurrentLogAnnotations)
    log.push({ level: logLevel, message: Array.isArray(message) ? message[0] : message, fields })
  })
  const notified: World["notified"] = []
  const notifier = Layer.succeed(Notifier, {
    send: (_, { commit, drift }) =>
      Effect.sync(() => void notified.push([commit, drift.map(({ object }) => object)])),
  })
  const layer = layerWith(notifier).pipe(
    Layer.provideMerge(Layer.mergeAll(KubeMemory.layer, cacheLayer())),
  )
  return Effect.gen(function* () {
    const memory = yield* KubeMemory.KubeMemory
    const kube = yield* Kube
    const reporter = yield* Reporter
    const cache = yield* Cache
    memory.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } })
    memory.put(raw() as never)
    const live = () => Result.getOrThrow(decodeRepository(memory.find(GIT_REPOSITORY, NAME)))
    yield* body({
      kube,
      memory,
      reporter,
      cache,
      log,
      live,
      status: () => live().status ?? {},
      patches: () =>
        memory.calls.filter(({ verb, options }) => verb === "jsonPatch" && options === "status")
          .length,
      events: () => memory.all(EVENTS).map((e) => `${e["count"]}x ${e["type"]} ${e["reason"]}`),
      said: () => memory.all(EVENTS).map((e) => `${e["type"]} ${e["reason"]}: ${e["message"]}`),
      notified,
      finish: (result, told = {}) =>
        reporter.finished(report(result, { repository: live(), ...told })),
      syncing: (kind) => reporter.syncing(live(), { kind }, "01J"),
    })
  }).pipe(
    Effect.provide(layer.pipe(Layer.provideMerge(Logger.layer([remember])))),
    Effect.provideService(References.MinimumLogLevel, "Debug"),
  )
}

/** The same cluster, seen by a controller that was started anew. */
const reborn = (kube: Kube["Service"]) =>
  Layer.fresh(reporterLayer).pipe(
    Layer.provide(Layer.fresh(cacheLayer())),
    Layer.provide(Layer.succeed(Kube, kube)),
  )

const failing = (memory: World["memory"], times: number, error: KubeError = down) => {
  let left = times
  memory.intercept(({ verb }) => {
    if (verb !== "jsonPatch" || left === 0) return Effect.void
    left -= 1
    return Effect.fail(error)
  })
}

describe("the status in the cluster", () => {
  it.effect("goes from Pending over Syncing to Synced with the first sync", () =>
    world(({ status, syncing, finish }) =>
      Effect.gen(function* () {
        expect(status().phase).toBeUndefined()
        yield* syncing("startup")
        expect(status().phase).toBe("Syncing")
        yield* finish(outcome("a", "created web"))
        expect(status()).toMatchObject({ phase: "Synced", lastSyncedCommit: sha("a") })
        expect(status().conditions?.map(({ type }) => type)).toEqual(["Ready", "Drifted"])
      }),
    ),
  )

  it.effect("is not written by a poll that finds nothing, however slow it is", () =>
    world(({ patches, syncing, finish }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web"))
        const before = patches()
        for (const kind of ["poll", "reconcile", "retry", "drift", "startup"] as const) {
          yield* TestClock.adjust("5 minutes")
          yield* syncing(kind)
          yield* finish(untouched("a"))
        }
        expect(patches()).toBe(before)
      }),
    ),
  )

  it.effect("does not flap while a Git server that never answered is asked again, slowly", () =>
    world(({ patches, syncing, status, finish }) =>
      Effect.gen(function* () {
        yield* syncing("startup")
        yield* finish(gitError(), { retryIn: 1 })
        const before = patches()
        for (let turn = 0; turn < 3; turn++) {
          yield* syncing("retry")
          expect(status().phase).toBe("Failed")
          yield* finish(gitError(), { retryIn: 1, trigger: "retry" })
        }
        expect(patches()).toBe(before)
        yield* syncing("webhook")
        expect(status().phase).toBe("Syncing")
      }),
    ),
  )

  it.effect("answers a request for a sync, also where there is nothing to do, and once", () =>
    world(({ memory, patches, status, finish }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web"))
        const annotations = { "nopea.io/reconcile-requested-at": "now, please" }
        memory.edit(GIT_REPOSITORY, NAME, (o) => ({
          ...o,
          metadata: { ...o.metadata, annotations },
        }))
        const before = patches()
        yield* finish(untouched("a"), { trigger: "syncNow" })
        expect(status().lastHandledReconcileAt).toBe("now, please")
        yield* finish(untouched("a"))
        expect(patches()).toBe(before + 1)
      }),
    ),
  )

  it.effect(
    "is not written again after a restart, though the server keeps its keys in another order",
    () =>
      world(({ kube, memory, patches, finish, status }) =>
        Effect.gen(function* () {
          yield* finish(outcome("a", "created web, drifted api"))
          const sorted = (value: unknown): unknown => {
            if (Array.isArray(value)) return value.map(sorted)
            if (typeof value !== "object" || value === null) return value
            const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
            return Object.fromEntries(entries.map(([k, v]) => [k, sorted(v)]))
          }
          memory.edit(GIT_REPOSITORY, NAME, (o) => ({ ...o, status: sorted(status()) }))
          const before = patches()
          const restarted = reborn(kube)
          yield* Effect.flatMap(Reporter, (fresh) =>
            fresh.finished(
              report(outcome("a", "unchanged web, drifted api"), {
                repository: Result.getOrThrow(decodeRepository(memory.find(GIT_REPOSITORY, NAME))),
              }),
            ),
          ).pipe(Effect.provide(restarted))
          expect(patches()).toBe(before)
        }),
      ),
  )

  it.effect(
    "survives failing writes: retried at once, else with the next report, and never in the sync's way",
    () =>
      world(({ memory, status, finish, cache, log }) =>
        Effect.gen(function* () {
          failing(memory, 2)
          const first = yield* Effect.forkChild(finish(outcome("a", "created web")))
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(first)
          expect(status().lastSyncedCommit).toBe(sha("a"))

          failing(memory, 100)
          const second = yield* Effect.forkChild(finish(outcome("b", "configured web")))
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(second)
          expect(status().lastSyncedCommit).toBe(sha("a"))
          expect((yield* cache.states.get("shop/web"))?.lastSyncedCommit).toBe(sha("b"))
          expect(log.map(({ message }) => message)).toContain("status not written")

          failing(memory, 0)
          yield* finish(untouched("b"))
          expect(status().lastSyncedCommit).toBe(sha("b"))
        }),
      ),
  )

  it.effect("is given up on after a bounded time when the API server hangs", () =>
    world(({ memory, finish, log }) =>
      Effect.gen(function* () {
        memory.intercept(({ options }) => (options === "status" ? Effect.never : Effect.void))
        const report = yield* Effect.forkChild(finish(outcome("a", "created web")))
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.join(report)
        const told = log.find(({ message }) => message === "status not written")
        expect(told?.fields).toMatchObject({ code: "NOPEA-A060", repository: "shop/web" })
      }),
    ),
  )

  it.effect("has new kinds stored before announcing returns, or says that it could not", () =>
    world(({ memory, reporter, live, status, finish }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web"))
        yield* reporter.announceKinds(live(), ["/Service", "apps/Deployment"])
        expect(status().inventoryKinds).toEqual(["/Service", "apps/Deployment"])
        expect(status().phase).toBe("Synced")
        failing(memory, 100)
        const third = yield* Effect.forkChild(
          Effect.flip(reporter.announceKinds(live(), ["/Secret"])),
        )
        yield* TestClock.adjust("1 minute")
        expect((yield* Fiber.join(third))._tag).toBe("KubeError")
      }),
    ),
  )

  it.effect("is not given to a successor of the same name", () =>
    world(({ memory, live, status, finish, cache }) =>
      Effect.gen(function* () {
        const old = live()
        yield* finish(outcome("a", "created web"))
        memory.remove(GIT_REPOSITORY, NAME)
        memory.put(raw() as never)
        yield* finish(outcome("b", "created web"), { repository: old })
        expect(status()).toEqual({})
        expect((yield* cache.states.get("shop/web"))?.lastSyncedCommit).toBe(sha("b"))
        yield* finish(gitError(), { retryIn: 1 })
        expect(status().lastSyncedCommit).toBeUndefined()
        expect(status().history).toHaveLength(1)
      }),
    ),
  )

  it.effect("of a GitRepository that cannot be decoded keeps what it knew", () =>
    world(({ kube, status, finish, live, events, log }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web"))
        const { uid } = live().metadata
        const bad = decodeRepository(raw({ spec: { interval: "soon" } }))
        if (Result.isSuccess(bad)) return expect.fail("it was accepted")
        const restarted = reborn(kube)
        yield* Effect.flatMap(Reporter, (fresh) =>
          fresh.rejected({ ...NAME, uid }, 7, bad.failure),
        ).pipe(Effect.provide(restarted))
        expect(status()).toMatchObject({
          phase: "Failed",
          observedGeneration: 7,
          inventoryKinds: ["apps/Deployment"],
          lastSyncedCommit: sha("a"),
        })
        expect(events()).toContain("1x Warning ConfigInvalid")
        expect(log.at(-1)?.fields).toMatchObject({ code: "NOPEA-C001" })
      }),
    ),
  )
})

describe("Kubernetes Events", () => {
  it.effect("come with transitions, on the GitRepository, and not with states", () =>
    world(({ memory, finish, events, live }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web, created api"))
        yield* finish(untouched("a"))
        yield* finish(outcome("a", "unchanged web, unchanged api"))
        expect(events()).toEqual(["1x Normal Succeeded"])
        const [event] = memory.all(EVENTS)
        expect(event).toMatchObject({
          message: "applied aaaaaaa (2/2): 2 created",
          involvedObject: {
            apiVersion: "nopea.false.systems/v1alpha1",
            kind: "GitRepository",
            namespace: "shop",
            name: "web",
            uid: live().metadata.uid,
          },
        })
        yield* finish(outcome("b", "unchanged web, failed api"))
        yield* finish(outcome("b", "unchanged web, failed api"), { trigger: "retry" })
        yield* finish(outcome("c", "unchanged web, drifted api"))
        yield* finish(outcome("c", "unchanged web, healed api"))
        expect(events().slice(1)).toEqual([
          "1x Warning ApplyFailed",
          "1x Normal Succeeded",
          "1x Warning DriftDetected",
          "1x Normal Healed",
        ])
      }),
    ),
  )

  it.effect("that repeat are counted on the first one, for as long as the server keeps it", () =>
    world(({ finish, events }) =>
      Effect.gen(function* () {
        for (let turn = 0; turn < 3; turn++) {
          yield* finish(gitError(), { retryIn: 1 })
          yield* finish(outcome("a", "unchanged web"))
        }
        expect(events()).toEqual(["3x Warning GitFailed", "3x Normal Succeeded"])
        yield* TestClock.adjust("2 hours")
        yield* finish(gitError(), { retryIn: 1 })
        expect(events().at(-1)).toBe("1x Warning GitFailed")
      }),
    ),
  )

  it.effect.each<[string, (n: number) => string, string]>([
    ["a time", (n) => `port 443 after ${n} ms: refused`, "port 443: refused"],
    [
      "a time and sizes",
      (n) => `timed out after ${n} milliseconds with ${n} out of 9${n} bytes received`,
      "timed out with some bytes received",
    ],
    [
      "sizes",
      (n) => `RPC failed; ${n} bytes of body are still expected; closed with ${n} bytes remaining`,
      "RPC failed; some bytes of body are still expected; closed with some bytes remaining",
    ],
    [
      "a port of ours",
      (n) => `read tcp 10.0.0.1:${n}->10.0.0.2:443: connection reset by peer`,
      "read tcp 10.0.0.2:443: connection reset by peer",
    ],
  ])(
    "and status tell once, with the way out, what fails again with another number: %s",
    ([, words, told]) =>
      world(({ finish, said, patches, status }) =>
        Effect.gen(function* () {
          const git = (n: number) => gitError({ reason: words(n) })
          const object = (n: number) =>
            outcome("a", "", { failures: [failure({ reason: words(n) })] })
          for (const fail of [git, object]) {
            yield* finish(fail(1), { retryIn: 1 })
            const [patched, events] = [patches(), said().length]
            for (const n of [2, 30, 45_678])
              yield* finish(fail(n), { retryIn: 1, trigger: "retry" })
            expect([patches(), said().length]).toEqual([patched, events])
          }
          const at = "fetch https://git.example/web.git"
          expect(said()[0]).toBe(
            `Warning GitFailed: ${at}: ${told} [NOPEA-G001]. Fix: check the network`,
          )
          expect(said()).toHaveLength(2)
          expect(status().failures?.[0]).toMatchObject({ reason: told, fix: failure().fix })
        }),
      ),
  )

  it.effect("that expired on the server are written anew", () =>
    world(({ memory, finish, events }) =>
      Effect.gen(function* () {
        yield* finish(gitError(), { retryIn: 1 })
        yield* finish(outcome("a", "unchanged web"))
        for (const { metadata } of memory.all(EVENTS))
          memory.remove(EVENTS, { namespace: "shop", name: metadata.name })
        yield* finish(gitError(), { retryIn: 1 })
        expect(events()).toEqual(["1x Warning GitFailed"])
      }),
    ),
  )

  it.effect("are bounded in rate, and what is not written is in the log", () =>
    world(({ finish, events, log }) =>
      Effect.gen(function* () {
        for (let turn = 0; turn < 40; turn++)
          yield* finish(gitError({ reason: `reason ${turn}` }), { retryIn: 1 })
        expect(events()).toHaveLength(20)
        expect(log.filter(({ message }) => message === "event not written: too many")).toHaveLength(
          20,
        )
        yield* TestClock.adjust("1 minute")
        for (let turn = 0; turn < 5; turn++)
          yield* finish(gitError({ reason: `later ${turn}` }), { retryIn: 1 })
        expect(events()).toHaveLength(22)
      }),
    ),
  )

  it.effect("that the API server refuses disturb nothing", () =>
    world(({ memory, finish, status }) =>
      Effect.gen(function* () {
        memory.intercept(({ verb }) => (verb === "create" ? Effect.fail(down) : Effect.void))
        yield* finish(outcome("a", "created web"))
        expect(status().phase).toBe("Synced")
      }),
    ),
  )

  it.effect("tell suspension and crashes", () =>
    world(({ reporter, live, events, finish }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web"))
        yield* reporter.suspended(live())
        yield* reporter.crashed(live(), "TypeError at a (b.ts:1:2)", 1000)
        expect(events().slice(1)).toEqual(["1x Normal Suspended", "1x Warning WorkerCrashed"])
      }),
    ),
  )

  it.effect("tell a manifest's warnings once per commit", () =>
    world(({ finish, events }) =>
      Effect.gen(function* () {
        const warnings = ["a.yaml: status is dropped"]
        yield* finish(outcome("a", "created web", { warnings }))
        yield* finish(outcome("a", "configured web", { warnings }))
        expect(events()).toEqual([
          "1x Normal Succeeded",
          "1x Warning ManifestWarning",
          "1x Normal Succeeded",
        ])
      }),
    ),
  )
})

describe("the log", () => {
  it.effect("has one line per sync, with everything needed to find it again", () =>
    world(({ finish, log }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web, failed job"), {
          trigger: "webhook",
          retryIn: 1500,
        })
        expect(log).toHaveLength(1)
        expect(log[0]).toMatchObject({
          level: "Warn",
          message: "sync finished",
          fields: {
            repository: "shop/web",
            trigger: "webhook",
            syncId: "01J00000000000000000000000",
            commit: sha("a"),
            phase: "Failed",
            reason: "ApplyFailed",
            created: 1,
            failed: 1,
            code: "NOPEA-A004",
            fix: "set spec.force, or rename the Job",
            retryIn: 1.5,
          },
        })
      }),
    ),
  )

  it.effect("is quiet where nothing happened", () =>
    world(({ finish, log }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created web"))
        yield* finish(untouched("a"))
        expect(log.map(({ level }) => level)).toEqual(["Info", "Debug"])
      }),
    ),
  )

  it.effect("has every failure that the status has no room for", () =>
    world(({ finish, log, status }) =>
      Effect.gen(function* () {
        const failures = Array.from({ length: 60 }, (_, at) => failure({ object: `a/B/c/${at}` }))
        yield* finish(outcome("a", "", { changes: [change("created web")], failures }))
        expect(status().failures).toHaveLength(50)
        const beyond = log.filter(({ message }) => String(message).startsWith("failure beyond"))
        expect(beyond.map(({ fields }) => fields["object"])).toEqual(
          failures.slice(50).map(({ object }) => object),
        )
      }),
    ),
  )
})

describe("drift", () => {
  const NAMED = "apps/Deployment/shop/api"
  const left = (...names: ReadonlyArray<string>) =>
    outcomeOf(
      "a",
      names.map((name) => heldDrift(name, [drift()])),
    )
  const glass = (name: string) => heldDrift(name, [], "glass")
  const quiet = (name: string) => change(`unchanged ${name}`)

  it.effect("is told when it appears, with its author and what becomes of it, and once", () =>
    world(({ finish, said }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created api, created web"))
        for (let turn = 0; turn < 2; turn++)
          yield* finish(outcomeOf("a", [...left("api").changes, quiet("web")]))
        yield* finish(untouched("a"))
        const again = { manager: "kubectl-edit", operation: "Update", time: "2026-11-20T11:00:00Z" }
        yield* finish(
          outcomeOf("a", [
            heldDrift("api", [drift({ author: { ...again, operation: "Update" } })]),
          ]),
        )
        yield* finish(left("api", "web"))
        expect(said().filter((one) => one.includes("Drift"))).toEqual([
          `Warning DriftDetected: kubectl-edit changed spec.replicas of ${NAMED}; it is left (spec.healPolicy is manual)`,
          "Warning DriftDetected: kubectl-edit changed spec.replicas of apps/Deployment/shop/web; it is left (spec.healPolicy is manual)",
        ])
      }),
    ),
  )

  it.effect("that is healed at once is told once, with its author", () =>
    world(({ finish, said, log }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created api"))
        const author = { manager: "kubectl-scale", operation: "Update", subresource: "scale" }
        const scaled = drift({ author: { ...author, operation: "Update" } })
        const added = drift({ type: "added", path: "spec.x" })
        yield* finish(outcomeOf("a", [healedDrift("api", [scaled, added])]))
        expect(said().slice(1)).toEqual([
          `Normal Healed: put back spec.replicas of ${NAMED}, which kubectl-scale had changed; removed spec.x of ${NAMED}, which kubectl-edit had added`,
        ])
        const rows = log.filter(({ message }) => message === "drift").map(({ fields }) => fields)
        expect(rows).toMatchObject([
          { object: NAMED, path: "spec.replicas", manager: "kubectl-scale", action: "healed" },
          { object: NAMED, path: "spec.x", type: "added", action: "healed" },
        ])
      }),
    ),
  )

  it.effect("that waits is told twice: when it is seen, and when it is healed", () =>
    world(({ finish, events }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created api"))
        const held = drift({ action: "held", until: START + 300_000, reason: "grace" })
        yield* finish(outcomeOf("a", [heldDrift("api", [held])]))
        yield* finish(outcomeOf("a", [healedDrift("api", [drift()])]))
        expect(events().slice(1)).toEqual(["1x Warning DriftDetected", "1x Normal Healed"])
      }),
    ),
  )

  it.effect("is in the log once, and again when its fate changes", () =>
    world(({ finish, log, patches }) =>
      Effect.gen(function* () {
        const held = drift({ action: "held", until: START + 300_000, reason: "grace" })
        for (let turn = 0; turn < 3; turn++)
          yield* finish(outcomeOf("a", [heldDrift("api", [held])]))
        expect(patches()).toBe(1)
        yield* finish(left("api"))
        const rows = log.filter(({ message }) => message === "drift")
        expect(rows.map(({ level, fields }) => [level, fields["action"]])).toEqual([
          ["Info", "held"],
          ["Info", "left"],
        ])
        expect(rows[0]?.fields).toMatchObject({
          repository: "shop/web",
          object: NAMED,
          path: "spec.replicas",
          type: "manual_drift",
          manager: "kubectl-edit",
          operation: "Update",
        })
      }),
    ),
  )

  it.effect("that cannot be healed is told as a transition, however often it is tried", () =>
    world(({ finish, said, log }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created api"))
        for (const reason of ["it is busy", "it is still busy"])
          yield* finish(
            outcomeOf("a", [failedHeal("api", [drift()], { reason, disposition: "retry" })]),
            { retryIn: 1 },
          )
        expect(said().slice(1)).toEqual([
          `Warning HealFailed: could not put back spec.replicas of ${NAMED}, which kubectl-edit had changed: it is busy [NOPEA-A004]. Fix: set spec.force, or rename the Job`,
        ])
        const syncs = log.filter(({ message }) => message === "sync finished")
        expect(syncs.map(({ level }) => level)).toEqual(["Info", "Warn", "Warn"])
        yield* finish(outcomeOf("a", [healedDrift("api", [drift()])]))
        expect(said().at(-1)).toContain("Normal Healed: put back")
      }),
    ),
  )

  it.effect("of many objects makes a few events", () =>
    world(({ finish, said }) =>
      Effect.gen(function* () {
        const names = Array.from({ length: 40 }, (_, at) => `api-${at}`)
        yield* finish(left(...names))
        expect(said().slice(1)).toHaveLength(4)
        expect(said().at(-1)).toBe("Warning DriftDetected: 37 more objects drifted")
      }),
    ),
  )

  it.effect("is not told again after a restart", () =>
    world(({ kube, live, finish, said }) =>
      Effect.gen(function* () {
        const all = outcomeOf("a", [heldDrift("api", [drift()]), glass("web")])
        yield* finish(all)
        const before = said()
        yield* Effect.flatMap(Reporter, (fresh) =>
          fresh.finished(report(all, { repository: live() })),
        ).pipe(Effect.provide(reborn(kube)))
        expect(said()).toEqual(before)
      }),
    ),
  )

  it.effect("that break-glass keeps is told when that begins and ends", () =>
    world(({ finish, said, status }) =>
      Effect.gen(function* () {
        yield* finish(outcome("a", "created api"))
        for (let turn = 0; turn < 2; turn++) yield* finish(outcomeOf("a", [glass("api")]))
        expect(status().suspendedCount).toBe(1)
        yield* finish(outcomeOf("b", [], { failures: [failure()] }))
        for (let turn = 0; turn < 2; turn++) yield* finish(outcomeOf("a", [quiet("api")]))
        expect(said().filter((one) => one.includes("Heal"))).toEqual([
          `Normal HealSuspended: ${NAMED}: nopea.io/suspend-heal (true) is set: incident 7`,
          `Normal HealResumed: ${NAMED}: nopea.io/suspend-heal holds no longer; it is healed again`,
        ])
      }),
    ),
  )

  it.effect("is handed to the notifier once, under healPolicy notify only", () =>
    world(({ memory, finish, notified }) =>
      Effect.gen(function* () {
        yield* finish(left("old"))
        memory.edit(GIT_REPOSITORY, NAME, (o) => ({
          ...o,
          spec: { ...(o["spec"] as object), healPolicy: "notify", notifyRef: { name: "chat" } },
        }))
        for (let turn = 0; turn < 2; turn++) yield* finish(left("old", "api"))
        yield* finish(outcomeOf("a", [quiet("old"), quiet("api")]))
        yield* finish(left("api"))
        expect(notified).toEqual([
          [sha("a"), [NAMED]],
          [sha("a"), [NAMED]],
        ])
      }),
    ),
  )
})
