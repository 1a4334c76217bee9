// Two controllers on one API server: one writes at a time, however the other one ends.
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, assert, beforeAll, describe, it, onTestFailed, vi } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import type { AuditEntry, AuditMark } from "../cluster/audit.ts"
import { audit, cluster, markAudit } from "../cluster/connect.ts"
import { stall } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { ApiProxy } from "./ApiProxy.ts"
import {
  Controller,
  configMap,
  gitRepository,
  repositoryKey,
  stage,
  statusOf,
  synced,
} from "./world.ts"

const here = stage()
const OBJECTS = 12

interface Contender {
  /** Its own, so that the audit log tells the two apart. */
  readonly user: string
  readonly controller: Controller
}

const contenders: Contender[] = []
const releases: Array<() => Promise<unknown>> = []

afterEach(async () => {
  await Promise.all(contenders.map(({ controller }) => controller.kill()))
  for (const one of await here.api.list({ ...repositoryKey("", ""), namespace: here.namespace })) {
    await here.api.delete(repositoryKey(here.namespace, one.metadata.name))
  }
  for (const release of releases.splice(0).reverse()) await release()
  for (const { controller } of contenders.splice(0))
    await rm(controller.folder, { recursive: true })
  // The next test starts with a Lease of its own: a killed holder's would have to expire first.
  await here.api.delete(lease)
})

const lease = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "nopea", namespace: here.namespace },
}

const binding = (name: string) => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: `${here.namespace}-${name}` },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
  subjects: [{ kind: "ServiceAccount", name, namespace: here.namespace }],
})

const tokenOf = async (name: string): Promise<string> => {
  const account = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: here.namespace },
  }
  await here.api.apply(account)
  await here.api.apply(binding(name))
  const path = `${await here.api.path(account)}/token`
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  }
  const answer = await here.api.call("POST", path, { body })
  return answer.body.status.token
}

const NAMES = ["one", "two", "three"] as const
const tokens = new Map<string, string>()

beforeAll(async () => {
  for (const name of NAMES) tokens.set(name, await tokenOf(name))
})
afterAll(() => Promise.all(NAMES.map((name) => here.api.delete(binding(name)))))

const contender = async (
  name: (typeof NAMES)[number],
  more: { readonly proxy?: ApiProxy; readonly env?: Record<string, string> } = {},
): Promise<Contender> => {
  const folder = await mkdtemp(join(tmpdir(), "nopea-leader-"))
  const controller = new Controller(folder, here.namespace, {
    token: String(tokens.get(name)),
    isAtHome: true,
    env: { NOPEA_LEADER_ELECTION: "true", ...more.env },
    ...(more.proxy === undefined ? {} : { api: more.proxy }),
  })
  const made = { user: `system:serviceaccount:${here.namespace}:${name}`, controller }
  contenders.push(made)
  onTestFailed(async () => {
    process.stderr.write(`--- ${name} ---\n${await controller.tail()}\n`)
  })
  await controller.launch()
  return made
}

const openProxy = async (): Promise<ApiProxy> => {
  const proxy = await ApiProxy.open(cluster())
  releases.push(() => proxy.close())
  return proxy
}

const standsBy = (contender: Contender, holder: string): Promise<string> =>
  eventually(`${contender.user} stands by behind ${holder}`, async () => {
    const said = await contender.controller.says("/ready").catch(() => "")
    return said.includes(`standby: ${holder} leads`) ? said : undefined
  })

const spec = async (): Promise<Json> => (await here.api.get(lease))?.spec
const holder = async (): Promise<string> => (await spec()).holderIdentity

/** `one` leads, `two` stands by. */
const pair = async (more: Parameters<typeof contender>[1] = {}) => {
  const one = await contender("one", more)
  await one.controller.becomes(200)
  const two = await contender("two")
  await standsBy(two, await holder())
  return { one, two }
}

/** All that `user` wrote, save the Lease; oldest first. */
const writes = async (
  { user }: Contender,
  since: AuditMark,
): Promise<ReadonlyArray<AuditEntry>> => {
  const entries = await audit({ user, since })
  return entries
    .filter(
      ({ verb, resource }) => !["get", "list", "watch"].includes(verb) && resource !== "leases",
    )
    .sort((a, b) => (a.receivedAt < b.receivedAt ? -1 : 1))
}

/** The claim of this page: the second one's first write comes after the first one's last. */
const assertOneWriter = async (
  first: Contender,
  second: Contender,
  since: AuditMark,
): Promise<void> => {
  const [before, after] = [await writes(first, since), await writes(second, since)]
  assert.isNotEmpty(before, `${first.user} wrote nothing`)
  assert.isNotEmpty(after, `${second.user} wrote nothing`)
  assert.isBelow(
    Date.parse(before.at(-1)?.receivedAt ?? ""),
    Date.parse(after[0]?.receivedAt ?? ""),
    "the two wrote at the same time",
  )
}

/** A repository that is pushed to without a pause, until the test ends. */
const busyRepository = async (
  name: string,
): Promise<{ repo: GitRepo; rest: () => Promise<string> }> => {
  const repo = await here.git.createRepo(name)
  let round = 0
  let isOver = false
  const next = () => {
    const files = Array.from({ length: OBJECTS }, (_, i) => [
      `${i}.yaml`,
      configMap(`${name}-${i}`, `${round}`),
    ])
    round += 1
    return repo.commit(Object.fromEntries(files))
  }
  let last = await next()
  await here.api.apply(gitRepository(here, name, repo.url, { interval: "1s" }))
  const over = Promise.withResolvers<void>()
  const asked = (since: number) =>
    here.git.waitForRequest((one) => one.repo === name && one.at >= since, 60_000)
  const pushing = (async () => {
    while (!isOver) {
      last = await next()
      await Promise.race([asked(Date.now()), over.promise])
    }
  })()
  const rest = async () => {
    isOver = true
    over.resolve()
    await pushing
    return last
  }
  releases.push(rest)
  return { repo, rest }
}

const syncedCount = async ({ controller }: Contender): Promise<number> =>
  (await controller.lines()).filter((line) => line.message === "sync finished").length

const hasSynced = (contender: Contender, times = 1): Promise<unknown> =>
  eventually(
    `${contender.user} has synced`,
    async () => (await syncedCount(contender)) >= times || undefined,
    60_000,
  )

const saidAt = async ({ controller }: Contender, message: string): Promise<number | undefined> => {
  const line = (await controller.lines()).findLast((one) => one.message.startsWith(message))
  return line === undefined ? undefined : Date.parse(line.time)
}

/** A lease lasts 15 s, and some tests wait for two. */
vi.setConfig({ testTimeout: 150_000 })

describe("two controllers", () => {
  it("one leads and syncs; the other is alive, not ready, names the leader and writes nothing", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    await busyRepository("calm")
    const { one, two } = await pair()
    await hasSynced(one, 2)
    assert.strictEqual(await two.controller.probe("/ready"), 503)
    assert.strictEqual(await two.controller.probe("/health"), 200)
    assert.deepEqual(await writes(two, mark), [])
    assert.isNotEmpty(await writes(one, mark))
  })

  it("a leader that is told to stop hands over before its lease would have expired", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    const { rest } = await busyRepository("handover")
    const { one, two } = await pair()
    await hasSynced(one, 2)
    const before = await spec()
    assert.strictEqual(await one.controller.stop(), 0)
    await two.controller.becomes(200)
    const after = await spec()
    assert.notStrictEqual(after.holderIdentity, before.holderIdentity)
    assert.isBelow(Date.parse(after.acquireTime) - Date.parse(before.renewTime), 15_000)
    await hasSynced(two)
    const last = await rest()
    await statusOf(here, "handover", "is Synced", (s) => s.lastSyncedCommit === last)
    await assertOneWriter(one, two, mark)
  })

  it("a leader that is killed is replaced once its lease has expired, and not before", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    const { rest } = await busyRepository("killed")
    const { one, two } = await pair()
    await hasSynced(one, 2)
    await one.controller.kill()
    const before = await spec()
    await two.controller.becomes(200, 40_000)
    const after = await spec()
    assert.isAtLeast(Date.parse(after.acquireTime) - Date.parse(before.renewTime), 15_000)
    await hasSynced(two)
    const last = await rest()
    await statusOf(here, "killed", "is Synced", (s) => s.lastSyncedCommit === last)
    await assertOneWriter(one, two, mark)
  })

  it("a rolling update, the new one up before the old one stops, never has two writers", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    const { rest } = await busyRepository("rolling")
    const { one, two } = await pair()
    await hasSynced(one, 2)
    const stopped = one.controller.stop()
    await hasSynced(two, 2)
    assert.strictEqual(await stopped, 0)
    const three = await contender("three")
    await standsBy(three, await holder())
    assert.strictEqual(await two.controller.stop(), 0)
    await hasSynced(three)
    const last = await rest()
    await statusOf(here, "rolling", "is Synced", (s) => s.lastSyncedCommit === last)
    await assertOneWriter(one, two, mark)
    await assertOneWriter(two, three, mark)
  })

  it("a leader that is cut off stops its workers before its lease expires, and writes nothing when it is back", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    const { rest } = await busyRepository("cut")
    const proxy = await openProxy()
    const { one, two } = await pair({ proxy })
    await hasSynced(one, 2)
    proxy.cut()
    const { renewTime, leaseDurationSeconds } = await spec()
    await two.controller.becomes(200, 40_000)
    const stoppedAt = await saidAt(one, "leadership lost")
    assert.isDefined(stoppedAt)
    assert.isBelow(Number(stoppedAt), Date.parse(renewTime) + leaseDurationSeconds * 1000)
    const syncs = await syncedCount(one)
    await hasSynced(two)
    proxy.mend()
    await standsBy(one, await holder())
    await hasSynced(two, 4)
    assert.strictEqual(await syncedCount(one), syncs)
    const last = await rest()
    await statusOf(here, "cut", "is Synced", (s) => s.lastSyncedCommit === last)
    await assertOneWriter(one, two, mark)
  })

  it("a cut-off leader whose sync hangs cuts it in time, and stands by when it is back", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    const proxy = await openProxy()
    const { repo, rest } = await busyRepository("hangs")
    const { one, two } = await pair({ proxy, env: { NOPEA_DRAIN_TIMEOUT: "1m" } })
    await hasSynced(one, 2)
    await rest()
    repo.fail(stall())
    here.git.clearLog()
    await here.git.waitForRequest(({ repo: name }) => name === "hangs")
    proxy.cut()
    repo.recover()
    const { renewTime, leaseDurationSeconds } = await spec()
    const expiry = Date.parse(renewTime) + leaseDurationSeconds * 1000
    await two.controller.becomes(200, 40_000)
    const cutAt = await saidAt(one, "sync cut short")
    assert.isDefined(cutAt)
    assert.isBelow(Number(cutAt), expiry)
    proxy.mend()
    await standsBy(one, await holder())
    await synced(here, "hangs", await repo.commit({ "new.yaml": configMap("hangs-new", "x") }))
    await assertOneWriter(one, two, mark)
  })

  it("a leader that is told to stop while a sync hangs keeps its lease until the drain is over", async (context) => {
    if (!cluster().hasAudit) context.skip("needs the audit log")
    const mark = await markAudit()
    const { repo, rest } = await busyRepository("drains")
    const { one, two } = await pair({ env: { NOPEA_DRAIN_TIMEOUT: "10s" } })
    await hasSynced(one, 2)
    await rest()
    repo.fail(stall())
    here.git.clearLog()
    await here.git.waitForRequest(({ repo: name }) => name === "drains")
    const before = await spec()
    const stopped = one.controller.stop()
    await eventually("the lease is renewed during the drain", async () => {
      const { holderIdentity, renewTime } = await spec()
      assert.strictEqual(holderIdentity, before.holderIdentity)
      return Date.parse(renewTime) - Date.parse(before.renewTime) > 3_000 || undefined
    })
    repo.recover()
    assert.strictEqual(await stopped, 0)
    assert.isDefined(await saidAt(one, "sync cut short"))
    await synced(here, "drains", await repo.commit({ "new.yaml": configMap("drains-new", "x") }))
    await assertOneWriter(one, two, mark)
  })
})
