// The wall clock of a running controller is set two hours ahead and back: polls, retries and the lease go on.
import { mkdtempSync, rmSync } from "node:fs"
import { connect as connectTo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { status } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import {
  configMap,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  type World,
  world,
} from "./world.ts"

const HOUR = 60 * 60 * 1000
const MINUTE = 60 * 1000
const INTERVAL = 1000

const folder = mkdtempSync(join(tmpdir(), "nopea-clock-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const stepping = (name: string) => ({
  STEPS_SOCKET: join(folder, name),
  NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "clockSteps.ts"))}`,
})

const here = world({ env: stepping("alone") })
const elected = world({
  isAtHome: true,
  env: { ...stepping("elected"), NOPEA_LEADER_ELECTION: "true" },
})

/** Sets the clock by so much; answers how far it is off since the process started. */
const step = async (place: World, ms: number): Promise<number> => {
  const socket = connectTo(place.controller.options.env?.["STEPS_SOCKET"] ?? "")
  socket.setTimeout(5000, () => socket.destroy(new Error("the controller's clock did not answer")))
  socket.write(`${ms}\n`)
  let said = ""
  for await (const chunk of socket) said += chunk
  return Number(said)
}

const begin = async (place: World, name: string, interval = "1h"): Promise<GitRepo> => {
  const repo = await place.git.createRepo(name)
  const commit = await repo.commit({ "a.yaml": configMap(name, "first") })
  await place.api.apply(gitRepository(place, name, repo.url, { interval }))
  await synced(place, name, commit)
  return repo
}

const pushed = async (place: World, repo: GitRepo, value: string): Promise<Json> =>
  synced(place, repo.name, await repo.commit({ "a.yaml": configMap(repo.name, value) }))

/** How often the Git server was asked for this repository's branches. */
const asked = ({ git }: World, { name }: GitRepo): number =>
  git.log.filter(({ repo, command }) => repo === name && command === "ls-refs").length

/** Three more polls come, and not more than the interval allows. */
const pollsSteadily = async (place: World, repo: GitRepo): Promise<void> => {
  const before = asked(place, repo)
  const startedAt = performance.now()
  await eventually("three more polls", async () => asked(place, repo) >= before + 3 || undefined)
  const allowed = (performance.now() - startedAt) / INTERVAL
  assert.isAtMost(asked(place, repo) - before, allowed + 2)
}

const crashes = async ({ controller }: World): Promise<ReadonlyArray<Json>> =>
  (await controller.lines()).filter(({ message }) => /crash/u.test(message))

/** The status tells the time of the clock as it is now set. */
const tellsTime = (said: Json, offset: number): void => {
  assert.closeTo(Date.parse(said.lastSyncTime) - Date.now(), offset, MINUTE)
}

describe.for([
  ["ahead", 2 * HOUR],
  ["back", -2 * HOUR],
] as const)("a clock that is set two hours %s", ([way, by]) => {
  it("lets polls go on at their interval, and pushes go live by them", async () => {
    explainFailure(here)
    const repo = await begin(here, `polled-${way}`, "1s")
    const offset = await step(here, by)
    tellsTime(await pushed(here, repo, "second"), offset)
    await pollsSteadily(here, repo)
    tellsTime(await pushed(here, repo, "third"), offset)
    assert.deepEqual(await crashes(here), [])
  })

  it("does not put off a retry that is under way", async () => {
    explainFailure(here)
    const repo = await begin(here, `retried-${way}`)
    repo.fail(status(503))
    const commit = await repo.commit({ "a.yaml": configMap(repo.name, "second") })
    await requestSync(here, repo.name)
    await statusOf(here, repo.name, "is Failed", (s) => s.phase === "Failed")
    await step(here, by)
    repo.recover()
    await synced(here, repo.name, commit)
    assert.deepEqual(await crashes(here), [])
  })
})

const lease = async (): Promise<Json> => {
  const metadata = { name: "nopea", namespace: elected.namespace }
  const kind = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" }
  return (await elected.api.get({ ...kind, metadata }))?.spec
}

describe("a leader", () => {
  it("keeps its lease when its clock is set back, and renews it", async () => {
    explainFailure(elected)
    const repo = await begin(elected, "led", "1s")
    const { holderIdentity } = await lease()
    const offset = await step(elected, -2 * HOUR)
    const renewed = await eventually("the lease is renewed", async () => {
      const found = await lease()
      return Date.parse(found.renewTime) < Date.now() + offset / 2 ? found : undefined
    })
    assert.strictEqual(renewed.holderIdentity, holderIdentity)
    await pushed(elected, repo, "second")
    assert.isFalse(elected.controller.hasEnded)
    assert.deepEqual(await crashes(elected), [])
  })

  /** A clock that was set and a machine that slept beyond the lease look alike: it may end, never write. */
  it("renews before it writes, or ends, when its clock leaps beyond its lease", async () => {
    explainFailure(elected)
    const { controller } = elected
    const repo = await begin(elected, "leapt", "1s")
    await step(elected, 2 * HOUR)
    const commit = await repo.commit({ "a.yaml": configMap("leapt", "second") })
    await eventually("it goes on, or has ended", async () => {
      const live = await elected.api.get(repositoryKey(elected.namespace, "leapt"))
      return live.status.lastSyncedCommit === commit || controller.hasEnded || undefined
    })
    if (controller.hasEnded) {
      assert.strictEqual(await controller.exited, 1)
      await controller.start()
    }
    await synced(elected, "leapt", commit)
    assert.deepEqual(await crashes(elected), [])
  })
})
