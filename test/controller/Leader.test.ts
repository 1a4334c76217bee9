import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { whyNotLeading } from "../../src/controller/election.ts"
import { Leader, layer, layerOff } from "../../src/controller/Leader.ts"
import { Kube } from "../../src/kube/Kube.ts"
import { Client, LeaseServer } from "./LeaseServer.ts"

const LEASE = { namespace: "nopea-system", name: "nopea" }
const at = TestClock.adjust

/** What the work writes, and when it ran; two that run at once are remembered. */
class Journal {
  readonly entries: string[] = []
  readonly running = new Set<string>()
  overlaps = 0

  start(name: string): void {
    this.entries.push(`${name} starts`)
    this.running.add(name)
    if (this.running.size > 1) this.overlaps += 1
  }

  end(name: string): void {
    this.entries.push(`${name} ends`)
    this.running.delete(name)
  }

  /** Work that takes `last` milliseconds to end. */
  work(name: string, last = 0): Effect.Effect<never> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.start(name)),
      () => Effect.never,
      () =>
        Effect.andThen(
          Effect.sleep(last),
          Effect.sync(() => this.end(name)),
        ),
    )
  }
}

interface Member {
  readonly client: Client
  readonly leader: Leader["Service"]
  aborted: boolean
}

const member = (server: LeaseServer, identity: string) =>
  Effect.gen(function* () {
    const client = new Client(server)
    const made: { aborted: boolean } = { aborted: false }
    const abort = Effect.sync(() => {
      made.aborted = true
    })
    const options = { namespace: LEASE.namespace, identity, abort }
    const context = yield* Layer.build(
      Layer.provide(layer(options), Layer.succeed(Kube, client.kube)),
    )
    return Object.assign(made, { client, leader: Context.get(context, Leader) }) as Member
  })

const world = Effect.gen(function* () {
  const server = new LeaseServer()
  const journal = new Journal()
  const a = yield* member(server, "a")
  const b = yield* member(server, "b")
  const run = (who: Member, name: string, last?: number) =>
    Effect.forkScoped(who.leader.whileLeading(journal.work(name, last)))
  return { server, journal, a, b, run }
})

type World = Effect.Success<typeof world>

const told = ({ leader }: Member) => Effect.map(leader.status, whyNotLeading)

const scenario = (
  name: string,
  body: (world: World) => Effect.Effect<unknown, unknown, Scope.Scope>,
) =>
  it.effect(name, () =>
    Effect.scoped(
      Effect.gen(function* () {
        const w = yield* world
        yield* body(w)
        assert.strictEqual(w.journal.overlaps, 0, "two led at once")
      }),
    ).pipe(Effect.provide(Logger.layer([]))),
  )

describe("leader election", () => {
  scenario("one leads, and the other stands by and says who leads", ({ a, b, run, journal }) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* told(a), "standby: nobody leads")
      yield* run(a, "a")
      yield* at(0)
      yield* run(b, "b")
      yield* at("1 hour")
      assert.deepEqual(journal.entries, ["a starts"])
      assert.deepEqual(yield* a.leader.status, { role: "leader" })
      assert.strictEqual(yield* told(b), "standby: a leads")
      assert.isTrue(a.leader.mayWrite())
      assert.isFalse(b.leader.mayWrite())
    }),
  )

  scenario("work drains as long as it needs while the lease is renewed, then it is released", (w) =>
    Effect.gen(function* () {
      const first = yield* w.run(w.a, "a", 60_000)
      yield* at(0)
      yield* w.run(w.b, "b")
      yield* at("5 seconds")
      yield* Effect.forkScoped(Fiber.interrupt(first))
      yield* at("59 seconds")
      assert.isTrue(w.a.leader.mayWrite())
      assert.deepEqual(w.journal.entries, ["a starts"])
      yield* at("1 second")
      assert.isFalse(w.a.leader.mayWrite())
      yield* at("2 seconds")
      assert.deepEqual(w.journal.entries, ["a starts", "a ends", "b starts"])
      assert.isFalse(w.a.aborted)
    }),
  )

  scenario("a holder that is cut off stops before its lease can be taken, then stands by", (w) =>
    Effect.gen(function* () {
      yield* w.run(w.a, "a", 1_000)
      yield* at(0)
      yield* w.run(w.b, "b")
      yield* at("60 seconds")
      w.a.client.network = "down"
      yield* at("8 seconds")
      assert.isTrue(w.a.leader.mayWrite())
      yield* at("2 seconds")
      assert.isFalse(w.a.leader.mayWrite())
      assert.match((yield* told(w.a)) ?? "", /^standby/)
      yield* at("2 seconds")
      assert.deepEqual(w.journal.entries, ["a starts", "a ends"])
      assert.match((yield* told(w.a)) ?? "", /^standby: NOPEA-A018 /)
      yield* at("8 seconds")
      assert.deepEqual(w.journal.entries, ["a starts", "a ends", "b starts"])
      w.a.client.network = "up"
      yield* at("1 minute")
      assert.strictEqual(yield* told(w.a), "standby: b leads")
      assert.isFalse(w.a.aborted)
    }),
  )

  for (const network of ["down", "hangs", "lost"] as const) {
    scenario(`an outage (${network}) of 5 seconds is not noticed by the work`, (w) =>
      Effect.gen(function* () {
        yield* w.run(w.a, "a")
        yield* w.run(w.b, "b")
        yield* at("61 seconds")
        const [leader] = w.journal.running
        const { client } = leader === "a" ? w.a : w.b
        client.network = network
        yield* at("5 seconds")
        client.network = "up"
        yield* at("10 minutes")
        assert.deepEqual(w.journal.entries, [`${leader} starts`])
      }),
    )
    scenario(`an outage (${network}) of the API server stops the work until it is back`, (w) =>
      Effect.gen(function* () {
        yield* w.run(w.a, "a")
        yield* at("61 seconds")
        w.a.client.network = network
        yield* at("14 seconds")
        assert.deepEqual(w.journal.entries, ["a starts", "a ends"])
        w.a.client.network = "up"
        yield* at("20 seconds")
        assert.deepEqual(w.journal.entries, ["a starts", "a ends", "a starts"])
      }),
    )
  }

  scenario("work that does not end in time costs the process its life before the lease ends", (w) =>
    Effect.gen(function* () {
      yield* w.run(w.a, "a", 3_600_000)
      yield* at("60 seconds")
      w.a.client.network = "down"
      yield* at("13900 millis")
      assert.isFalse(w.a.aborted)
      yield* at("100 millis")
      assert.isTrue(w.a.aborted)
      yield* at("1 hour")
    }),
  )

  scenario("also where it drains for a shutdown when the API server goes", (w) =>
    Effect.gen(function* () {
      const first = yield* w.run(w.a, "a", 3_600_000)
      yield* at("60 seconds")
      yield* Effect.forkScoped(Fiber.interrupt(first))
      yield* at("60 seconds")
      assert.isFalse(w.a.aborted)
      w.a.client.network = "hangs"
      yield* at("14 seconds")
      assert.isTrue(w.a.aborted)
      yield* at("1 hour")
    }),
  )

  scenario("a lease that somebody takes by hand stops the work at the next renewal", (w) =>
    Effect.gen(function* () {
      yield* w.run(w.a, "a")
      yield* at("5 seconds")
      w.server.patch(LEASE, { metadata: {}, spec: { holderIdentity: "hand", renewTime: "x" } })
      yield* at("2 seconds")
      assert.deepEqual(w.journal.entries, ["a starts", "a ends"])
      assert.isFalse(w.a.leader.mayWrite())
      yield* at("2 seconds")
      assert.strictEqual(yield* told(w.a), "standby: hand leads")
      yield* at("15 seconds")
      assert.deepEqual(yield* w.a.leader.status, { role: "leader" })
    }),
  )

  scenario("a deleted lease is made again by its holder, and taken by nobody", (w) =>
    Effect.gen(function* () {
      yield* w.run(w.a, "a")
      yield* at(0)
      yield* w.run(w.b, "b")
      yield* at("9 seconds")
      w.server.delete(LEASE)
      yield* at("1 minute")
      assert.deepEqual(w.journal.entries, ["a starts"])
      assert.strictEqual(w.server.holder(LEASE), "a")
    }),
  )

  scenario("an annotation on the lease disturbs nobody", (w) =>
    Effect.gen(function* () {
      yield* w.run(w.a, "a")
      for (let i = 0; i < 30; i++) {
        yield* at("1 second")
        const live = w.server.get(LEASE)
        w.server.delete(LEASE)
        if (live !== undefined) w.server.create(LEASE, live)
      }
      assert.deepEqual(w.journal.entries, ["a starts"])
    }),
  )

  scenario("a standby that may not read the lease says so", (w) =>
    Effect.gen(function* () {
      w.a.client.network = "forbidden"
      yield* w.run(w.a, "a")
      yield* at("10 seconds")
      assert.match(
        (yield* told(w.a)) ?? "",
        /^standby: NOPEA-A0\d\d get .*Lease\/nopea-system\/nopea/,
      )
    }),
  )

  scenario("work that ends by itself answers, and the lease is free at once", (w) =>
    Effect.gen(function* () {
      const done = yield* Effect.forkScoped(w.a.leader.whileLeading(Effect.succeed(42)))
      const failed = yield* Effect.forkScoped(w.b.leader.whileLeading(Effect.fail("no")))
      yield* at("5 seconds")
      assert.strictEqual(yield* Fiber.join(done), 42)
      assert.deepEqual(yield* Fiber.await(failed), Exit.fail("no"))
      assert.strictEqual(w.server.holder(LEASE), "")
      const spec = w.server.get(LEASE)?.["spec"] as { readonly leaseTransitions: number }
      assert.strictEqual(spec.leaseTransitions, 1)
    }),
  )

  scenario("a release that cannot be sent does not hold a shutdown up", (w) =>
    Effect.gen(function* () {
      const first = yield* w.run(w.a, "a")
      yield* at("60 seconds")
      w.a.client.network = "hangs"
      const stopping = yield* Effect.forkScoped(Fiber.interrupt(first))
      yield* at("4 seconds")
      assert.isDefined(stopping.pollUnsafe())
    }),
  )

  scenario("a standby that is stopped leaves the lease alone", (w) =>
    Effect.gen(function* () {
      yield* w.run(w.a, "a")
      yield* at(0)
      const second = yield* w.run(w.b, "b")
      yield* at("5 seconds")
      yield* Fiber.interrupt(second)
      assert.strictEqual(w.server.holder(LEASE), "a")
    }),
  )

  it.effect(
    "a process that wakes after its lease ran out may not write, before any timer ran",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const clock = yield* Clock.Clock
          const pause = { monotonic: 0, wall: 0 }
          const paused: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, {
            monotonicTimeNanosUnsafe: () =>
              clock.monotonicTimeNanosUnsafe() + BigInt(pause.monotonic) * 1_000_000n,
            currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + pause.wall,
          })
          const made = member(new LeaseServer(), "a")
          const { leader } = yield* Effect.provideService(made, Clock.Clock, paused)
          yield* Effect.forkScoped(leader.whileLeading(Effect.never))
          yield* at("30 seconds")
          assert.isTrue(leader.mayWrite())
          pause.monotonic = 10_000
          assert.isFalse(leader.mayWrite(), "SIGSTOP: both clocks went on")
          pause.monotonic = 0
          pause.wall = 3_600_000
          assert.isFalse(leader.mayWrite(), "a sleeping machine: only the wall clock went on")
          pause.wall = -3_600_000
          assert.isTrue(leader.mayWrite(), "a wall clock that was set back proves nothing")
        }),
      ).pipe(Effect.provide(Logger.layer([]))),
  )

  it.effect("switched off, the work just runs", () =>
    Effect.gen(function* () {
      const leader = yield* Leader
      assert.strictEqual(yield* leader.whileLeading(Effect.succeed(1)), 1)
      assert.isUndefined(whyNotLeading(yield* leader.status))
      assert.isTrue(leader.mayWrite())
    }).pipe(Effect.provide(layerOff)),
  )
})
