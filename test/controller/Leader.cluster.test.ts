// Leader election on a real API server: conditional writes, hand-over, expiry and outage.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Fiber, Layer, Logger, ManagedRuntime } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { TIMING, type Timing, whyNotLeading } from "../../src/controller/election.ts"
import { Leader, layer } from "../../src/controller/Leader.ts"
import { claimed, LEASES, leaseBody, leasePatch, parseLease } from "../../src/controller/lease.ts"
import { Kube } from "../../src/kube/Kube.ts"
import { layer as kubeLayer } from "../../src/kube/KubeHttp.ts"
import { eventually } from "../cluster/Api.ts"
import { cluster, connect, freshNamespace } from "../cluster/connect.ts"
import { spawnGuarded } from "../cluster/Guarded.ts"
import { kubeconfigText } from "../cluster/users.ts"
import { Gateway } from "./Gateway.ts"

const SHORT: Timing = { lease: 3_000, renew: 2_000, retry: 200 }
/** Longer than any test waits: nobody gets such a lease but by release. */
const LONG: Timing = { lease: 600_000, renew: 400_000, retry: 200 }

const api = connect()
const made: { folder: string } = { folder: "" }
beforeAll(async () => {
  made.folder = await mkdtemp(join(tmpdir(), "nopea-leader-"))
})
afterAll(() => rm(made.folder, { recursive: true, force: true }))

let kubeconfigs = 0
const kubeThrough = async (server: string) => {
  const { ca, tokens } = cluster()
  const kubeconfig = join(made.folder, `kubeconfig-${++kubeconfigs}`)
  await writeFile(kubeconfig, kubeconfigText(server, ca, { me: tokens.admin }))
  return kubeLayer({ kubeconfig, deadline: 5_000 })
}

/** The work of all members of one test: who runs it now, and whether two ever did. */
class Work {
  readonly history: string[] = []
  readonly running: string[] = []
  overlaps = 0

  by(name: string): Effect.Effect<never> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.history.push(name)
        this.running.push(name)
        if (this.running.length > 1) this.overlaps += 1
      }),
      () => Effect.never,
      () => Effect.sync(() => this.running.splice(this.running.indexOf(name), 1)),
    )
  }
}

class Member {
  readonly name: string
  readonly gateway: Gateway
  readonly #runtime: ManagedRuntime.ManagedRuntime<Leader, unknown>
  readonly #work: Work
  #fiber: Fiber.Fiber<never, unknown> | undefined

  static async join(name: string, namespace: string, timing: Timing, work: Work): Promise<Member> {
    const gateway = new Gateway(cluster().server)
    const kube = await kubeThrough(await gateway.open())
    const live = layer({ namespace, identity: name, timing }).pipe(
      Layer.provide(kube),
      Layer.provideMerge(Logger.layer([])),
    )
    return new Member(name, gateway, ManagedRuntime.make(live), work)
  }

  constructor(
    name: string,
    gateway: Gateway,
    runtime: ManagedRuntime.ManagedRuntime<Leader, unknown>,
    work: Work,
  ) {
    this.name = name
    this.gateway = gateway
    this.#runtime = runtime
    this.#work = work
  }

  start(): void {
    const work = this.#work.by(this.name)
    this.#fiber = this.#runtime.runFork(Effect.flatMap(Leader, (l) => l.whileLeading(work)))
  }

  async stop(): Promise<void> {
    if (this.#fiber !== undefined) await Effect.runPromise(Fiber.interrupt(this.#fiber))
  }

  told(): Promise<string | undefined> {
    return this.#runtime.runPromise(
      Effect.flatMap(Leader, (l) => Effect.map(l.status, whyNotLeading)),
    )
  }

  mayWrite(): Promise<boolean> {
    return this.#runtime.runPromise(Effect.map(Leader, (l) => l.mayWrite()))
  }

  async close(): Promise<void> {
    await this.stop()
    await this.#runtime.dispose()
    await this.gateway.close()
  }
}

const two = (timing: Timing) => {
  const namespace = freshNamespace(api, "leader")
  const work = new Work()
  const members: Member[] = []
  beforeAll(async () => {
    for (const name of ["a", "b"]) members.push(await Member.join(name, namespace, timing, work))
  })
  afterAll(async () => {
    for (const member of members) await member.close()
    assert.strictEqual(work.overlaps, 0, "two led at once")
  })
  const runs = (name: string) =>
    eventually(`${name} leads`, async () => (work.running[0] === name ? true : undefined))
  const rests = (name: string) =>
    eventually(`${name} stops`, async () => (work.running.includes(name) ? undefined : true))
  const lease = () =>
    api.get({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "nopea", namespace },
    })
  const stands = (member: Member, reason: RegExp) =>
    eventually(`${member.name} says ${reason}`, async () =>
      reason.test((await member.told()) ?? "") ? true : undefined,
    )
  return { namespace, work, runs, rests, stands, lease, of: () => members as [Member, Member] }
}

const valueIn = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(String(exit))
}

describe("a Lease on the API server", () => {
  const namespace = freshNamespace(api, "lease")
  it("takes a merge patch only as it was read, and stores each renewal", async () => {
    const kube = await kubeThrough(cluster().server)
    const runtime = ManagedRuntime.make(kube)
    const run = <A, E>(use: (kube: Kube["Service"]) => Effect.Effect<A, E>) =>
      runtime.runPromise(Effect.flatMap(Kube, (k) => Effect.exit(use(k))))
    const caller = { budget: "test" }
    const name = { namespace, name: "nopea" }
    const me = { identity: "me", duration: TIMING.lease, wall: Date.parse("2026-11-20T10:00:00Z") }
    const body = leaseBody(namespace, claimed(null, me))
    const created = await run((k) => k.create(caller, LEASES, namespace, body))
    assert.isTrue(Exit.isSuccess(created))
    const again = await run((k) => k.create(caller, LEASES, namespace, body))
    assert.match(String(again), /NOPEA-A006/)
    const first = parseLease(await run((k) => k.get(caller, LEASES, name)).then(valueIn), 1)
    const renewal = leasePatch(first, claimed(first, me))
    const second = parseLease(
      await run((k) => k.mergePatch(caller, LEASES, name, renewal)).then(valueIn),
      1,
    )
    assert.notStrictEqual(second.resourceVersion, first.resourceVersion, "same wall clock, stored")
    assert.strictEqual(second.acquireTime, first.acquireTime)
    const stale = await run((k) => k.mergePatch(caller, LEASES, name, renewal))
    assert.match(String(stale), /NOPEA-A005/)
    const release = leasePatch(second, { holderIdentity: "" })
    const third = parseLease(
      await run((k) => k.mergePatch(caller, LEASES, name, release)).then(valueIn),
      1,
    )
    assert.deepInclude(third, { holder: "", duration: TIMING.lease })
    await runtime.dispose()
  })
})

describe("two candidates at the API server", () => {
  const here = two(LONG)
  it("one leads, the other stands by; a release hands over long before the lease expires", async () => {
    const [a, b] = here.of()
    a.start()
    await here.runs("a")
    b.start()
    await here.stands(b, /^standby: a leads$/)
    assert.isUndefined(await a.told())
    await a.stop()
    await here.runs("b")
    const { spec } = await here.lease()
    assert.deepInclude(spec, {
      holderIdentity: "b",
      leaseTransitions: 1,
      leaseDurationSeconds: 600,
    })
    a.start()
    await here.stands(a, /^standby: b leads$/)
    assert.deepEqual(here.work.history, ["a", "b"])
  })
})

describe("a holder that is cut off", () => {
  const here = two(SHORT)
  it("stops first, is replaced after expiry, and stands by when it comes back", async () => {
    const [a, b] = here.of()
    a.start()
    await here.runs("a")
    b.start()
    await here.stands(b, /^standby: a leads$/)
    a.gateway.cut()
    await here.rests("a")
    assert.isFalse(await a.mayWrite())
    await here.runs("b")
    a.gateway.mend()
    await here.stands(a, /^standby: b leads$/)
    assert.deepEqual(here.work.history, ["a", "b"])
  })
})

describe("an API server that is out for longer than a holder may go on", () => {
  const here = two(SHORT)
  it("stops the work everywhere; one of them goes on when it is back", async () => {
    const [a, b] = here.of()
    a.start()
    await here.runs("a")
    b.start()
    for (const { gateway } of [a, b]) gateway.cut()
    await here.rests("a")
    await here.stands(a, /^standby: NOPEA-A018 /)
    await here.stands(b, /^standby: NOPEA-A018 /)
    assert.deepEqual(here.work.running, [])
    for (const { gateway } of [a, b]) gateway.mend()
    await eventually("one leads", async () => (here.work.running.length === 1 ? true : undefined))
  })
})

describe("a process that is stopped in the middle of its work", () => {
  const namespace = freshNamespace(api, "paused")
  const writtenBy = async (name: string) => {
    const all = await api.list({ apiVersion: "v1", kind: "ConfigMap", namespace })
    return all
      .filter(({ metadata }) => metadata.name.startsWith(`${name}-`))
      .map(({ metadata }) => Number(metadata.resourceVersion))
  }
  const writes = (name: string) =>
    eventually(`${name} writes`, async () =>
      (await writtenBy(name)).length > 0 ? true : undefined,
    )
  const start = (name: string) => {
    const log = join(made.folder, `${name}.log`)
    const script = join(import.meta.dirname, "writerProcess.ts")
    const args = [script, cluster().kubeconfig, namespace, name]
    const child = spawnGuarded(process.execPath, args, { log })
    const text = () => readFile(log, "utf8")
    const says = (what: RegExp) =>
      eventually(`${name} says ${what}`, async () => {
        const found = what.exec(await text())
        return found === null ? undefined : (found[1] ?? "")
      }).catch(async (cause: Error) => {
        throw new Error(`${cause.message}; the end of its log:\n${(await text()).slice(-3_000)}`)
      })
    return { says, kill: child.kill, exited: child.exited }
  }

  it("ends without another write when it goes on after somebody else took over", async () => {
    const a = start("a")
    const b = start("b")
    try {
      const pids = { a: Number(await a.says(/^pid (\d+)/)), b: Number(await b.says(/^pid (\d+)/)) }
      const [first, second] = await Promise.race([
        writes("a").then(() => ["a", "b"] as const),
        writes("b").then(() => ["b", "a"] as const),
      ])
      process.kill(pids[first], "SIGSTOP")
      await writes(second)
      process.kill(pids[first], "SIGCONT")
      assert.strictEqual(await { a, b }[first].exited, 1)
      assert.isBelow(
        Math.max(...(await writtenBy(first))),
        Math.min(...(await writtenBy(second))),
        "every write of the first comes before every write of the second",
      )
    } finally {
      await Promise.all([a.kill(), b.kill()])
    }
  })
})
