// Git servers, disks and processes that misbehave under a running controller: nothing is pruned, and all goes on.
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { readdir, writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it, onTestFinished } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import {
  type Failure,
  garbage,
  redirect,
  slow,
  stall,
  stallAfter,
  status,
  truncate,
} from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  type World,
  world,
} from "./world.ts"

const here = world()

const files = (name: string) => ({
  "a.yaml": configMap(`${name}-a`, "x"),
  "b.yaml": configMap(`${name}-b`, "x"),
})

/** A repository that is synced once. */
const begin = async (place: World, name: string, spec: object = {}): Promise<GitRepo> => {
  const repo = await place.git.createRepo(name)
  const commit = await repo.commit(files(name))
  await place.api.apply(gitRepository(place, name, repo.url, { ...spec }))
  await synced(place, name, commit)
  return repo
}

const failedBy = (place: World, name: string, code: RegExp): Promise<Json> =>
  statusOf(
    place,
    name,
    `is Failed with ${code}`,
    (s) => s.phase === "Failed" && code.test(s.failures[0]?.code ?? ""),
  )

const isThere = async (place: World, name: string): Promise<void> => {
  for (const one of ["a", "b"]) {
    assert.isDefined(await place.api.get(configMapKey(place.namespace, `${name}-${one}`)))
  }
}

/** Processes of git that work for this controller. */
const gits = (place: World): ReadonlyArray<{ readonly pid: number; readonly argv: string }> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .flatMap((name) => {
      try {
        const environ = readFileSync(`/proc/${name}/environ`, "latin1")
        if (!environ.includes(place.controller.folder)) return []
        return [{ pid: Number(name), argv: readFileSync(`/proc/${name}/cmdline`, "latin1") }]
      } catch {
        return []
      }
    })
    .filter(({ argv }) => /^(?:[^\0]*\/)?git\b/u.test(argv))

/** A door before the Git server, to be shut. */
const door = async (port: number) => {
  const sockets = new Set<Socket>()
  const serve = (socket: Socket): void => {
    const behind = connect(port, "127.0.0.1")
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      sockets.add(one)
      one.on("error", () => other.destroy())
      one.on("close", () => sockets.delete(one))
      one.pipe(other)
    }
  }
  const open = (at: number): Promise<Server> =>
    new Promise((resolve) => {
      const server = createServer(serve).listen(at, "127.0.0.1", () => resolve(server))
    })
  let server = await open(0)
  const own = (server.address() as AddressInfo).port
  const shut = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  onTestFinished(shut)
  return {
    port: own,
    shut,
    open: async () => {
      server = await open(own)
    },
  }
}

describe("a history", () => {
  it("that is replaced by force is followed, and what it lacks is pruned", async () => {
    explainFailure(here)
    const repo = await begin(here, "forced")
    const forced = await repo.forcePush({ "a.yaml": configMap("forced-a", "new") })
    await requestSync(here, "forced")
    await synced(here, "forced", forced)
    await here.api.waitForGone(configMapKey(here.namespace, "forced-b"))
    const live = await here.api.get(configMapKey(here.namespace, "forced-a"))
    assert.strictEqual(live.data.value, "new")
  })

  it("that goes back to an older commit is followed", async () => {
    explainFailure(here)
    const repo = await begin(here, "back")
    const first = String(await repo.head())
    const second = await repo.commit({ "a.yaml": configMap("back-a", "second") })
    await requestSync(here, "back")
    await synced(here, "back", second)
    await repo.reset(first)
    await requestSync(here, "back")
    await synced(here, "back", first)
    const live = await here.api.get(configMapKey(here.namespace, "back-a"))
    assert.strictEqual(live.data.value, "x")
  })

  it("whose branch is deleted prunes nothing, and goes on by itself when the branch is back", async () => {
    explainFailure(here)
    const repo = await begin(here, "branch")
    await repo.createBranch("other")
    await repo.deleteBranch("main")
    await requestSync(here, "branch")
    await failedBy(here, "branch", /^NOPEA-G006$/u)
    await isThere(here, "branch")
    const again = await repo.forcePush({ "a.yaml": configMap("branch-a", "again") })
    await synced(here, "branch", again)
    await here.api.waitForGone(configMapKey(here.namespace, "branch-b"))
  })
})

describe("a Git server", () => {
  it("that goes away is retried, and everything goes on by itself when it is back", async () => {
    explainFailure(here)
    const entrance = await door(here.git.port)
    const repo = await here.git.createRepo("away")
    const first = await repo.commit(files("away"))
    const url = repo.url.replace(String(here.git.port), String(entrance.port))
    await here.api.apply(gitRepository(here, "away", url))
    await synced(here, "away", first)
    await entrance.shut()
    const next = await repo.commit({ "a.yaml": configMap("away-a", "new") })
    await requestSync(here, "away")
    const { failures, lastSyncedCommit } = await failedBy(here, "away", /^NOPEA-G001$/u)
    assert.strictEqual(lastSyncedCommit, first)
    assert.include(failures[0].fix, "spec.url")
    await isThere(here, "away")
    await entrance.open()
    await synced(here, "away", next)
  })

  it("that is slow is waited for", async () => {
    explainFailure(here)
    const repo = await begin(here, "slow")
    repo.fail(slow(1500))
    const next = await repo.commit({ "a.yaml": configMap("slow-a", "new") })
    await requestSync(here, "slow")
    await synced(here, "slow", next)
    repo.recover()
  })

  it("that stalls is given up after spec.timeout, its git ends, and others do not wait", async () => {
    explainFailure(here)
    const repo = await begin(here, "stalled", { timeout: "5s" })
    await begin(here, "beside")
    repo.fail(stall())
    const next = await repo.commit({ "a.yaml": configMap("stalled-a", "new") })
    const open = here.git.log.length
    await requestSync(here, "stalled")
    await here.git.waitForRequest((r) => r.repo === "stalled" && here.git.log.indexOf(r) >= open)
    const beside = await here.git.createRepo("beside-2")
    const other = await beside.commit(files("beside-2"))
    await here.api.apply(gitRepository(here, "beside-2", beside.url))
    await synced(here, "beside-2", other)
    await beside.commit({ "b.yaml": null })
    await requestSync(here, "beside-2")
    await here.api.waitForGone(configMapKey(here.namespace, "beside-2-b"))
    const { failures } = await failedBy(here, "stalled", /^NOPEA-(?:C005|G002)$/u)
    assert.match(failures[0].fix, /spec\.timeout|Git server/u)
    await isThere(here, "stalled")
    repo.recover()
    await synced(here, "stalled", next)
    await eventually("no git is left", async () => (gits(here).length === 0 ? true : undefined))
  })

  const lies: ReadonlyArray<readonly [what: string, failure: Failure, code: RegExp]> = [
    ["answers with garbage", garbage(), /^NOPEA-G024$/u],
    ["cuts its answers short", truncate(40), /^NOPEA-G024$/u],
    ["ends its answers early", truncate(40, true), /^NOPEA-G024$/u],
    ["has an error of its own", status(500), /^NOPEA-G013$/u],
    ["forbids", status(403), /^NOPEA-G004$/u],
    ["hides the repository", status(404), /^NOPEA-G005$/u],
    ["asks for rest", status(429, { "retry-after": "1" }), /^NOPEA-G011$/u],
  ]
  it.for(lies)(
    "that %s changes nothing, and everything goes on afterwards",
    async ([, lie, code]) => {
      explainFailure(here)
      const name = `lie-${randomBytes(3).toString("hex")}`
      const repo = await begin(here, name)
      const first = await repo.head()
      repo.fail(lie)
      const next = await repo.commit({ "a.yaml": configMap(`${name}-a`, "new"), "b.yaml": null })
      await requestSync(here, name)
      const failed = await failedBy(here, name, code)
      assert.strictEqual(failed.lastSyncedCommit, first)
      await isThere(here, name)
      repo.recover()
      await requestSync(here, name)
      await synced(here, name, next)
    },
  )

  it("that asks for rest is left alone by all who ask it, and what was requested meanwhile comes by itself", async () => {
    explainFailure(here)
    const [told, held] = [await begin(here, "told"), await begin(here, "held")]
    told.fail(status(429, { "retry-after": "12" }), { times: 1 })
    await requestSync(here, "told")
    const first = await failedBy(here, "told", /^NOPEA-G011$/u)
    assert.match(
      first.failures[0].reason,
      /asked for rest: it is asked nothing before 20.*Z: fatal/u,
    )
    const next = await held.commit({ "a.yaml": configMap("held-a", "new"), "b.yaml": null })
    const asked = here.git.log.length
    await requestSync(here, "held")
    const second = await failedBy(here, "held", /^NOPEA-G011$/u)
    assert.match(second.failures[0].reason, /asked for rest: it is asked nothing before 20[^ ]*Z$/u)
    const early = here.git.log.slice(asked).filter(({ repo }) => repo === "held")
    assert.deepEqual(early, [])
    await isThere(here, "held")
    await synced(here, "held", next)
    await synced(here, "told", (await told.head()) ?? "")
  })

  it("that redirects is not followed with credentials", async () => {
    explainFailure(here)
    const target = await here.git.createRepo("thief")
    await target.commit({ "a.yaml": configMap("thief", "x") })
    const repo = await here.git.createRepo("redirecting")
    repo.fail(redirect(target.url))
    await here.api.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "redirecting", namespace: here.namespace },
      stringData: { username: "robot", password: "for-one-server-only" },
    })
    const secretRef = { name: "redirecting" }
    await here.api.apply(gitRepository(here, "redirecting", repo.url, { secretRef }))
    const { failures } = await failedBy(here, "redirecting", /^NOPEA-G012$/u)
    assert.include(failures[0].fix, "spec.url")
    assert.isFalse(here.git.log.some((request) => request.repo === "thief"))
    assert.isUndefined(await here.api.get(configMapKey(here.namespace, "thief")))
  })
})

describe("the controller's own side", () => {
  it("a fetch that is killed is repeated", async () => {
    explainFailure(here)
    const repo = await begin(here, "killed")
    repo.fail(stallAfter(100), { step: "rpc" })
    const next = await repo.commit({ "a.yaml": configMap("killed-a", "new") })
    await requestSync(here, "killed")
    const victims = await eventually("a fetch runs", async () => {
      const running = gits(here).filter(({ argv }) => argv.includes("remote-http"))
      return running.length > 0 ? running : undefined
    })
    repo.recover()
    for (const { pid } of victims) process.kill(pid, "SIGKILL")
    await synced(here, "killed", next)
  })

  it("a damaged mirror is made anew", async () => {
    explainFailure(here)
    const repo = await begin(here, "damaged")
    const mirrors = join(here.controller.folder, "mirrors", "mirrors")
    let damaged = 0
    for (const entry of await readdir(mirrors, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(?:pack|idx)$/u.test(entry.name)) continue
      await writeFile(join(entry.parentPath, entry.name), randomBytes(64), { flag: "r+" }).catch(
        () => rmSync(join(entry.parentPath, entry.name)),
      )
      damaged += 1
    }
    assert.isAbove(damaged, 1)
    const next = await repo.commit({ "a.yaml": configMap("damaged-a", "new") })
    await requestSync(here, "damaged")
    await synced(here, "damaged", next)
  })

  it("nothing is left of what failed: no process, no half pack", async () => {
    await eventually("no git is left", async () => (gits(here).length === 0 ? true : undefined))
    const left = await readdir(join(here.controller.folder, "mirrors"), { recursive: true })
    assert.deepEqual(
      left.filter((name) => /tmp_pack|\.lock$|\.removed-/u.test(name)),
      [],
    )
  })
})

/** A disk of 2 MiB, where this machine lets us mount one. */
const tinyDisk = (): string | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "nopea-tiny-disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "nopea-test", folder], { stdio: "pipe" })
    return folder
  } catch (error) {
    process.stderr.write(`nopea tests: the full disk is not tested, mounting failed: ${error}\n`)
    rmSync(folder, { recursive: true })
    return undefined
  }
}

const disk = tinyDisk()

describe.skipIf(disk === undefined)("a full disk", () => {
  // Before the world: what is registered last ends first, and the controller uses the disk.
  afterAll(() => {
    execFileSync("umount", [String(disk)])
    rmSync(String(disk), { recursive: true })
  })
  const small = world({ env: { NOPEA_DATA_DIR: String(disk) } })

  it("is reported as such, prunes nothing, and everything goes on when there is space", async () => {
    explainFailure(small)
    const repo = await begin(small, "full")
    await begin(small, "fits")
    const first = await repo.head()
    const large = configMap("full-b", randomBytes(3_000_000).toString("base64"))
    await repo.commit({ "a.yaml": null, "b.yaml": large })
    await requestSync(small, "full")
    const { failures, lastSyncedCommit } = await failedBy(small, "full", /^NOPEA-G015$/u)
    assert.include(failures[0].fix, "NOPEA_DATA_DIR")
    assert.strictEqual(lastSyncedCommit, first)
    await isThere(small, "full")
    const next = await repo.commit({ "a.yaml": configMap("full-a", "new"), "b.yaml": null })
    await small.api.patch(repositoryKey(small.namespace, "full"), { spec: { interval: "59m" } })
    await synced(small, "full", next)
    await requestSync(small, "fits")
    await synced(
      small,
      "fits",
      String((await small.api.get(repositoryKey(small.namespace, "fits"))).status.lastSyncedCommit),
    )
  })
})
