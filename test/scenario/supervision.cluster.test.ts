// What happens to one repository stays with it: killed processes, hung servers, runaway files, sheer size.
import { afterAll, assert, beforeAll, describe, it, onTestFinished } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { processesOf } from "../git/fixture.ts"
import { stall } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { type GitServer, startGitServer } from "../gitserver/GitServer.ts"
import { Debugger, inspectorOf } from "./Debugger.ts"
import {
  configMap,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world({
  env: { NOPEA_RENDER_TIMEOUT: "3s", NODE_OPTIONS: "--inspect=127.0.0.1:0" },
})
/** Another host: what hangs here must not hang there. */
let hung: GitServer

beforeAll(async () => {
  hung = await startGitServer()
})
afterAll(() => hung?.stop())

const add = async (
  name: string,
  git = here.git,
  spec = {},
): Promise<{ repo: GitRepo; commit: string }> => {
  const repo = await git.createRepo(name)
  const commit = await repo.commit({ "a.yaml": configMap(name, "first") })
  await here.api.apply(gitRepository(here, name, repo.url, spec))
  return { repo, commit }
}

/** One push until it is applied and said so; milliseconds. */
const pushTakes = async (repo: GitRepo, name: string, value: string): Promise<number> => {
  const commit = await repo.commit({ "a.yaml": configMap(name, value) })
  const startedAt = performance.now()
  await requestSync(here, name)
  await synced(here, name, commit)
  return performance.now() - startedAt
}

const several = async (
  repo: GitRepo,
  name: string,
  what: string,
): Promise<ReadonlyArray<number>> => {
  const times: number[] = []
  for (let i = 0; i < 5; i++) times.push(await pushTakes(repo, name, `${what}-${i}`))
  return times.sort((a, b) => a - b)
}

const tell = (what: string, times: ReadonlyArray<number>): void => {
  const shown = times.map((ms) => `${Math.round(ms)} ms`).join(", ")
  process.stderr.write(`${what}: ${shown}\n`)
}

/** Git's processes of the controller that speak of this repository. */
const gitOf = ({ name }: GitRepo): ReadonlyArray<number> =>
  processesOf(`${here.controller.folder}/mirrors`)
    .filter(({ argv, environment }) => `${argv} ${environment}`.includes(`${name}.git`))
    .map(({ pid }) => pid)

const isHanging = (git: GitServer, names: ReadonlyArray<string>): Promise<unknown> =>
  Promise.all(
    names.map((name) => git.waitForRequest(({ repo, state }) => repo === name && state === "open")),
  )

const failuresSaid = async (name: string): Promise<ReadonlyArray<string>> => {
  const lines = await here.controller.lines()
  return lines
    .filter(
      ({ repository, phase }) => repository === `${here.namespace}/${name}` && phase === "Failed",
    )
    .map(({ code }) => code)
}

/** Each sync of this repository that comes to rendering dies there of a TypeError. */
const plantBug = async (name: string) => {
  const debug = await Debugger.attach(await inspectorOf(here.controller.log))
  onTestFinished(() => debug.close())
  return debug.plant({
    after: '("Sync.render")',
    when: `journey.key === "${here.namespace}/${name}"`,
    change: "journey.repository = undefined",
  })
}

const crashEvents = async (name: string): Promise<ReadonlyArray<Json>> => {
  const kind = { apiVersion: "v1", kind: "Event", namespace: here.namespace }
  const events = await here.api.list(kind)
  return events.filter(
    ({ reason, involvedObject }) => reason === "WorkerCrashed" && involvedObject.name === name,
  )
}

describe("a worker that crashes", () => {
  it("is started again as often as it does, says so, and is alone with it", async () => {
    explainFailure(here)
    const { repo, commit } = await add("crashing")
    await synced(here, "crashing", commit)
    const neighbour = await add("beside-crash")
    await synced(here, "beside-crash", neighbour.commit)
    const bug = await plantBug("crashing")
    const next = await repo.commit({ "a.yaml": configMap("crashing", "second") })
    await requestSync(here, "crashing")
    const status = await statusOf(here, "crashing", "has crashed", (s) =>
      s.conditions.some(({ reason }: Json) => reason === "WorkerCrashed"),
    )
    assert.strictEqual(status.phase, "Failed")
    assert.strictEqual(status.lastSyncedCommit, commit)
    const ready = status.conditions.find(({ type }: Json) => type === "Ready")
    assert.match(ready.message, /its worker crashed and is started again: TypeError at /u)
    const [event] = await eventually("the crash is an Event", async () => {
      const events = await crashEvents("crashing")
      return events.length > 0 ? events : undefined
    })
    assert.strictEqual(event.type, "Warning")
    const beside = await pushTakes(neighbour.repo, "beside-crash", "second")
    await bug.struck(2)
    await bug.remove()
    await synced(here, "crashing", next)
    assert.deepEqual(await failuresSaid("beside-crash"), [])
    assert.deepEqual(await crashEvents("beside-crash"), [])
    assert.strictEqual(await here.controller.probe("/ready"), 200)
    tell(`beside a worker that crashed ${bug.strikes()} times, one push`, [beside])
  })
})

describe("a git process that is killed", () => {
  it("costs its own repository one retry, and the others nothing", async () => {
    explainFailure(here)
    const neighbour = await add("beside-kill", here.git, { interval: "1s" })
    await synced(here, "beside-kill", neighbour.commit)
    const { repo, commit } = await add("killed")
    await synced(here, "killed", commit)
    repo.fail(stall())
    here.git.clearLog()
    const next = await repo.commit({ "a.yaml": configMap("killed", "second") })
    await requestSync(here, "killed")
    await isHanging(here.git, ["killed"])
    const pids = gitOf(repo)
    assert.isNotEmpty(pids)
    repo.recover()
    for (const pid of pids) process.kill(pid, "SIGKILL")
    await synced(here, "killed", next)
    assert.lengthOf(await failuresSaid("killed"), 1)
    await pushTakes(neighbour.repo, "beside-kill", "second")
    assert.deepEqual(await failuresSaid("beside-kill"), [])
    assert.strictEqual(await here.controller.probe("/ready"), 200)
  })
})

describe("a file that never ends", () => {
  it("loses its thread alone: the other files of its commit and the other repositories are applied", async () => {
    explainFailure(here)
    const { repo, commit } = await add("runaway")
    await synced(here, "runaway", commit)
    const neighbour = await add("beside-runaway")
    await synced(here, "beside-runaway", neighbour.commit)
    const endless = `${configMap("endless", "x")}  list: [${"[],".repeat(2_500_000)}]\n`
    await repo.commit({
      "a.yaml": configMap("runaway", "second"),
      "endless.yaml": endless,
    })
    await requestSync(here, "runaway")
    const beside = await pushTakes(neighbour.repo, "beside-runaway", "second")
    const status = await statusOf(here, "runaway", "is Failed", (s) => s.phase === "Failed")
    assert.deepEqual(
      status.failures.map(({ file }: { file: string }) => file),
      ["endless.yaml"],
    )
    assert.match(status.failures[0].code, /^NOPEA-R02[34]$/u)
    assert.strictEqual(status.appliedCount, 1)
    assert.deepEqual(await failuresSaid("beside-runaway"), [])
    tell("beside a runaway file, one push", [beside])
    await repo.commit({ "endless.yaml": null })
    await requestSync(here, "runaway")
    await statusOf(here, "runaway", "is Synced", (s) => s.phase === "Synced")
  })
})

describe("a Git server that hangs", () => {
  it("delays none of those that use another", async () => {
    explainFailure(here)
    const neighbour = await add("beside-hang")
    await synced(here, "beside-hang", neighbour.commit)
    const before = await several(neighbour.repo, "beside-hang", "before")
    const names = Array.from({ length: 40 }, (_, i) => `hang-${i}`)
    for (const name of names) {
      const repo = await hung.createRepo(name)
      repo.fail(stall())
      await repo.commit({ "a.yaml": configMap(name, "x") })
    }
    await Promise.all(
      names.map((name) => here.api.apply(gitRepository(here, name, `${hung.url}/${name}.git`))),
    )
    await eventually("eight of them hang", async () => hung.log.length >= 8 || undefined)
    const during = await several(neighbour.repo, "beside-hang", "during")
    const newcomer = performance.now()
    const { commit } = await add("new-beside-hang")
    await synced(here, "new-beside-hang", commit)
    const first = performance.now() - newcomer
    assert.isAbove(hung.log.filter(({ state }) => state === "open").length, 0)
    tell("pushes before another server hangs", before)
    tell("pushes while 40 repositories of another server hang", during)
    tell("a new repository meanwhile", [first])
    for (const name of names) await here.api.delete(repositoryKey(here.namespace, name))
  })

  it("holds up neither the deletion of its GitRepository nor the end of its git process", async () => {
    explainFailure(here)
    const { repo, commit } = await add("deleted", hung)
    await synced(here, "deleted", commit)
    repo.fail(stall())
    hung.clearLog()
    await requestSync(here, "deleted")
    await isHanging(hung, ["deleted"])
    const pids = gitOf(repo)
    assert.isNotEmpty(pids)
    const startedAt = performance.now()
    await here.api.delete(repositoryKey(here.namespace, "deleted"))
    await here.api.waitForGone(repositoryKey(here.namespace, "deleted"), 5_000)
    await eventually("git is gone", async () => gitOf(repo).length === 0 || undefined, 5_000)
    tell("deleted while its fetch hung, git gone after", [performance.now() - startedAt])
    const again = await add("deleted-2", hung)
    await synced(here, "deleted-2", again.commit)
  })
})

describe("many and large", () => {
  it("a repository of 5,000 objects lets another one pass while it syncs", async () => {
    explainFailure(here)
    const neighbour = await add("beside-large")
    await synced(here, "beside-large", neighbour.commit)
    const before = await several(neighbour.repo, "beside-large", "before")
    const large = await here.git.createRepo("large")
    const files = Array.from({ length: 50 }, (_, file) => [
      `${file}.yaml`,
      Array.from({ length: 100 }, (_, i) => configMap(`large-${file}-${i}`, "x")).join("---\n"),
    ])
    const commit = await large.commit(Object.fromEntries(files))
    const startedAt = performance.now()
    await here.api.apply(gitRepository(here, "large", large.url))
    await statusOf(here, "large", "has announced its kinds", (s) => s.inventoryKinds?.length > 0)
    const during = [await pushTakes(neighbour.repo, "beside-large", "during")]
    const status = (await here.api.get(repositoryKey(here.namespace, "large"))).status
    assert.notStrictEqual(status.phase, "Synced", "it was too fast to tell")
    await here.api.waitFor(
      repositoryKey(here.namespace, "large"),
      (live) => live?.status?.lastSyncedCommit === commit,
      { until: "is Synced", deadlineMs: 150_000 },
    )
    tell("first sync of 5,000 objects", [performance.now() - startedAt])
    tell("pushes before it", before)
    tell("a push while it was applied", during)
  }, 240_000)

  it("a hundred repositories that come at once are all synced", async () => {
    explainFailure(here)
    const names = Array.from({ length: 100 }, (_, i) => `many-${i}`)
    const made: Array<readonly [string, string, string]> = []
    for (const name of names) {
      const repo = await here.git.createRepo(name)
      made.push([name, repo.url, await repo.commit({ "a.yaml": configMap(name, "x") })])
    }
    const startedAt = performance.now()
    await Promise.all(made.map(([name, url]) => here.api.apply(gitRepository(here, name, url))))
    await eventually(
      "all are Synced",
      async () => {
        const kind = { ...repositoryKey(here.namespace, ""), namespace: here.namespace }
        const { apiVersion } = kind
        const all = await here.api.list({ apiVersion, kind: kind.kind, namespace: here.namespace })
        const commits = new Map(all.map((one) => [one.metadata.name, one.status?.lastSyncedCommit]))
        return made.every(([name, , commit]) => commits.get(name) === commit) || undefined
      },
      120_000,
    )
    tell("100 repositories at once", [performance.now() - startedAt])
  }, 240_000)
})
