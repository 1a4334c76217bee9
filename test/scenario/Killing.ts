// One repository lives its life while its controller is killed at one point; what is left is compared with Git.
import { rm } from "node:fs/promises"
import { assert } from "vitest"
import { type Api, eventually, type Json, type ObjectKey } from "../cluster/Api.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import type { GitServer } from "../gitserver/GitServer.ts"
import type { ApiProxy, Passing, Point } from "./ApiProxy.ts"
import { type Life, lifeOf, type Phase } from "./life.ts"
import { type Controller, repositoryKey } from "./world.ts"

/** One controller behind a proxy of its own, in a namespace of its own. */
export interface Lane {
  readonly api: Api
  readonly namespace: string
  readonly git: GitServer
  readonly proxy: ApiProxy
  readonly controller: Controller
}

export type Uids = ReadonlyMap<string, string>

const showKey = ({ kind, metadata }: ObjectKey): string =>
  `${kind} ${metadata.namespace ?? ""}/${metadata.name}`

/** A kind that is not served has no objects. */
const find = async (api: Api, key: ObjectKey): Promise<Json | undefined> =>
  api.get(key).catch((cause: Error) => {
    if (/does not know/.test(cause.message)) return undefined
    throw cause
  })

const finishes = async (lane: Lane, key: string): Promise<number> =>
  (await lane.controller.lines()).filter(
    (line) =>
      line.message === "sync finished" && line.repository === key && line.trigger === "startup",
  ).length

export class Killing {
  readonly lane: Lane
  readonly name: string
  readonly life: Life
  readonly repo: GitRepo
  readonly uids = new Map<string, string>()
  hasRestarted = false

  private constructor(lane: Lane, name: string, repo: GitRepo) {
    this.lane = lane
    this.name = name
    this.repo = repo
    this.life = lifeOf(lane.namespace, name)
  }

  static async begin(lane: Lane, name: string): Promise<Killing> {
    return new Killing(lane, name, await lane.git.createRepo(`${lane.namespace}/${name}`))
  }

  get key(): ObjectKey {
    return repositoryKey(this.lane.namespace, this.name)
  }

  arm(point: Point): void {
    this.lane.proxy.arm(point, () => this.lane.controller.kill())
  }

  /** Everything that exists keeps its uid from here on, unless Git says otherwise. */
  async remember(): Promise<void> {
    const { api } = this.lane
    await Promise.all(
      this.life.keys.map(async (key) => {
        const live = await find(api, key)
        const known = this.uids.get(showKey(key))
        if (live === undefined) return
        if (known !== undefined)
          assert.strictEqual(live.metadata.uid, known, `${showKey(key)} was recreated`)
        this.uids.set(showKey(key), live.metadata.uid)
      }),
    )
  }

  /** After the kill: what was under way at the API server ends, then the next process starts. */
  async restart(): Promise<void> {
    const { proxy, controller, namespace } = this.lane
    await eventually("nothing is under way", async () => proxy.busy === 0 || undefined)
    await this.remember()
    proxy.disarm()
    proxy.hasStruck = false
    this.hasRestarted = true
    const before = await finishes(this.lane, `${namespace}/${this.name}`)
    await controller.start()
    if ((await this.lane.api.get(this.key)) === undefined) return
    await eventually("the startup sync has ended", async () =>
      (await finishes(this.lane, `${namespace}/${this.name}`)) > before ? true : undefined,
    )
  }

  /** `since`: how many requests there had been when the commit was made. */
  async #converged(commit: string, since: number): Promise<Json> {
    const { api, proxy } = this.lane
    const live = await api.waitFor(
      this.key,
      (found) => found?.status?.phase === "Synced" && found.status.lastSyncedCommit === commit,
      { until: `is Synced at ${commit.slice(0, 7)}`, deadlineMs: 60_000 },
    )
    if (this.hasRestarted) return live.status
    await eventually("the sync has told everything", async () => {
      if (proxy.hasStruck) return true
      const told = proxy.passed
        .slice(since)
        .some((one) => one.method === "POST" && /\/events/.test(one.path))
      return (told && proxy.busy === 0) || undefined
    })
    return live.status
  }

  /** One commit until it is applied, with the kill in between if it comes; then everything is looked at. */
  async live(phase: Phase): Promise<void> {
    const { api, proxy } = this.lane
    const since = proxy.passed.length
    const commit = await this.#commit(phase)
    const first = phase === this.life.phases[0]
    const ask = { "nopea.io/reconcile-requested-at": `${commit}-${Date.now()}` }
    if (first) await api.apply({ ...this.key, spec: { url: this.repo.url, interval: "1h" } })
    else await api.patch(this.key, { metadata: { annotations: ask } })
    const done = this.#converged(commit, since)
    await Promise.race([done, ...(this.hasRestarted ? [] : [proxy.struck])])
    if (proxy.hasStruck) {
      await proxy.struck
      await this.restart()
    }
    await done
    await this.check(phase, commit)
  }

  #commit(phase: Phase): Promise<string> {
    return this.repo.commit(phase.files, { message: phase.name, replace: true })
  }

  /** A commit comes while no controller runs; the one that starts is killed at the point. */
  async liveThroughStart(phase: Phase, point: Point): Promise<void> {
    const { api, proxy, controller, namespace } = this.lane
    await controller.kill()
    const hashKey = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "nopea-hash-key", namespace },
    }
    await api.delete(hashKey)
    const commit = await this.#commit(phase)
    this.arm(point)
    await controller.launch()
    const done = this.#converged(commit, 0)
    await Promise.race([done, proxy.struck])
    if (proxy.hasStruck) {
      await proxy.struck
      await this.restart()
    }
    await done
    await this.check(phase, commit)
  }

  async check(phase: Phase, commit: string): Promise<void> {
    const { api } = this.lane
    const { status } = await api.get(this.key)
    const where = `${this.name}, ${phase.name}`
    assert.strictEqual(status.phase, "Synced", where)
    assert.strictEqual(status.lastSyncedCommit, commit, where)
    assert.deepEqual(status.failures ?? [], [], where)
    assert.deepInclude(
      status,
      { resourceCount: phase.there.length, appliedCount: phase.there.length },
      where,
    )
    assert.deepEqual(status.inventoryKinds, phase.inventoryKinds, where)
    await Promise.all(
      phase.gone.map(async (key) => {
        const live = await find(api, key)
        assert.isTrue(
          live === undefined || live.metadata.deletionTimestamp !== undefined,
          `${where}: ${showKey(key)} is still there`,
        )
      }),
    )
    await Promise.all(
      phase.there.map(async ({ part, value }) => {
        const live = await find(api, part.key)
        assert.isDefined(live, `${where}: ${showKey(part.key)} is missing`)
        assert.strictEqual(part.read(live), value, `${where}: ${showKey(part.key)}`)
        assert.isUndefined(live.metadata.deletionTimestamp, `${where}: ${showKey(part.key)}`)
        assert.strictEqual(live.metadata.labels["nopea.io/repository"], this.name, where)
      }),
    )
    for (const key of phase.gone) this.uids.delete(showKey(key))
    await this.remember()
  }

  /** Takes everything away again, without waiting for it. */
  async end(): Promise<void> {
    const { api, proxy } = this.lane
    proxy.disarm()
    await api.delete(this.key)
    await api.waitForGone(this.key)
    for (const key of this.life.remains) if (await find(api, key)) await api.delete(key)
    await rm(this.repo.path, { recursive: true, force: true })
  }
}

export const describeRequest = ({ method, path }: Passing): string =>
  `${method} ${path.replace(/\?.*/, "").replace(/^\/apis?\//, "")}`
