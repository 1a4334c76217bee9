import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Fiber, ManagedRuntime, Redacted } from "effect"
import { describe, expect, it, vi } from "vitest"
import type { GitCredentials } from "../../src/domain/source.ts"
import { FAULTS } from "../../src/git/failure.ts"
import type { Git } from "../../src/git/Git.ts"
import { layer } from "../../src/git/GitCli.ts"
import { faultIn, source } from "../contract/Git.contract.ts"
import {
  truncate as cut,
  garbage,
  redirect,
  slow,
  stall,
  stallAfter,
  status,
} from "../gitserver/failures.ts"
import type { Files } from "../gitserver/fastImport.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import {
  client,
  folder,
  hour,
  packs,
  processesOf,
  server,
  sizeOf,
  textsAt,
  until,
  zero,
} from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const big = (seed: number, size: number): string => {
  let state = seed + 1
  return Array.from({ length: size / 8 }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state.toString(36).padStart(8, "0").slice(-8)
  }).join("")
}

const monorepo: Files = Object.fromEntries([
  ...Array.from({ length: 20 }, (_, i) => [`deploy/${i}.yaml`, `n: ${i}\n`]),
  ...Array.from({ length: 50 }, (_, i) => [`src/${i}.bin`, big(i, 20_000)]),
])

/** Below `bomb` twenty million files, made of a few trees that hold one another. */
const addBomb = async (repo: GitRepo): Promise<void> => {
  const deploy = await repo.git(["rev-parse", "main:deploy"])
  let tree = deploy
  for (let depth = 0; depth < 6; depth += 1) {
    const ten = Array.from({ length: 10 }, (_, i) => `040000 tree ${tree}\t${i}\n`)
    tree = await repo.git(["mktree"], { input: ten.join("") })
  }
  const input = `040000 tree ${tree}\tbomb\n040000 tree ${deploy}\tdeploy\n`
  const root = await repo.git(["mktree"], { input })
  const by = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
  await repo.reset(await repo.git([...by, "commit-tree", "-p", "main", "-m", "bomb", root]))
}

const password = (word = "s3cret-Wörd"): GitCredentials => ({
  username: "ann",
  password: Redacted.make(word),
})
const bearer = (word = "t0ken-abcdef"): GitCredentials => ({ bearerToken: Redacted.make(word) })

describe("what is fetched", () => {
  it("at first: the commit, its trees, and only the blobs below the path", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit(monorepo)
    const git = await client()
    expect(Object.keys(await git.texts(source(repo), "deploy"))).toHaveLength(20)
    const [mirror = ""] = await git.mirrors()
    const sent = host.log.reduce((sum, { bytesSent }) => sum + bytesSent, 0)
    expect(sent).toBeLessThan(20_000)
    expect(await sizeOf(join(mirror, "objects"))).toBeLessThan(40_000)
    expect(host.log.filter(({ command }) => command === "fetch")).toHaveLength(2)
  })

  it("by an update: one fetch, with the changed blob in it; reading asks nobody", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit(monorepo)
    const git = await client()
    await git.texts(source(repo), "deploy")
    const sha = await repo.commit({ "deploy/3.yaml": "n: new\n" })
    host.clearLog()
    await git.run((g) => g.sync(source(repo), "deploy"))
    expect(host.log.map(({ command }) => command)).toEqual(["", "ls-refs", "fetch"])
    repo.fail(status(500))
    const found = await git.run((g) => textsAt(g, source(repo), { commit: sha, path: "deploy" }))
    expect(found["deploy/3.yaml"]).toBe("n: new\n")
    expect(Object.keys(found)).toHaveLength(20)
  })

  it("by an update outside the path, also where the pack holds deltas against blobs that are not here", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit(monorepo)
    const git = await client()
    await git.texts(source(repo), "deploy")
    await repo.commit({ "src/1.bin": `${big(1, 20_000)}more` })
    expect(Object.keys(await git.texts(source(repo), "deploy"))).toHaveLength(20)
  })

  it("for a large changed blob: a second fetch, when it is read", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit({ "deploy/a": "a" })
    const git = await client()
    await git.texts(source(repo), "deploy")
    const large = big(5, 1_600_000)
    await repo.commit({ "deploy/large": large })
    expect((await git.texts(source(repo), "deploy"))["deploy/large"]).toBe(large)
  })

  it("for a file that moves into the path: the blob that no update brings", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit({ "deploy/a": "a", "src/b": "moved\n" })
    const git = await client()
    await git.texts(source(repo), "deploy")
    await repo.commit({ "src/b": null, "deploy/b": "moved\n" })
    expect(await git.texts(source(repo), "deploy")).toEqual({
      "deploy/a": "a",
      "deploy/b": "moved\n",
    })
  })

  it.each([
    ["no filters", { filters: false }],
    ["no filters over protocol 0", { filters: false, protocol: 0 }],
    ["filters over protocol 0", { protocol: 0 }],
    ["no objects by id, protocol 0", { wants: "tips", protocol: 0 }],
    ["no objects by id", { wants: "tips" }],
    ["neither", { wants: "tips", filters: false, protocol: 0 }],
  ] as const)("from a server with %s: the same files", async (_, serving) => {
    const repo = await (await server()).createRepo("app", serving)
    await repo.commit(monorepo)
    const git = await client()
    expect((await git.texts(source(repo), "deploy"))["deploy/7.yaml"]).toBe("n: 7\n")
    await repo.commit({ "deploy/7.yaml": "n: new\n", "src/1.bin": "x" })
    expect((await git.texts(source(repo), "deploy"))["deploy/7.yaml"]).toBe("n: new\n")
    expect((await git.texts(source(repo), "src"))["src/1.bin"]).toBe("x")
  })

  it("from a server of plain files: nothing, with a clear reason", async () => {
    const repo = await (await server()).createRepo("app", { protocol: "dumb" })
    const sha = await repo.commit({ a: "1" })
    const git = await client()
    expect(await git.run((g) => faultIn(g.sync(source(repo), ".")))).toBe("unsupported")
    expect(await git.run((g) => g.lsRemote(source(repo), zero))).toBe(sha)
  })

  it("from a folder, where that is allowed", async () => {
    const repo = await (await server()).createRepo("app")
    await repo.commit(monorepo)
    const url = `file://${repo.path}`
    const git = await client({ allowFileUrls: true })
    expect(Object.keys(await git.texts(source({ url }), "deploy"))).toHaveLength(20)
    const strict = await client()
    expect(await strict.run((g) => faultIn(g.sync(source({ url }), ".")))).toBe("fileRefused")
  })
})

describe("credentials", () => {
  const guarded = async (tls = false) => {
    const host = await server({ users: { ann: "s3cret-Wörd" }, tokens: ["t0ken-abcdef"], tls })
    const repo = await host.createRepo("app")
    const sha = await repo.commit({ a: "1" })
    return { host, repo, sha }
  }

  it.each([
    ["a password", password()],
    ["a bearer token", bearer()],
  ])("%s opens the repository", async (_, credentials) => {
    const { repo, sha } = await guarded()
    const git = await client()
    expect((await git.run((g) => g.sync(source(repo, { credentials }), "."))).sha).toBe(sha)
    expect(await git.run((g) => g.lsRemote(source(repo, { credentials }), zero))).toBe(sha)
  })

  it.each([
    ["no credentials", {}],
    ["a wrong password", password("wrong-Wörd")],
    ["a wrong token", bearer("wrong-token")],
  ])("%s: refused, and the error holds no secret", async (_, credentials) => {
    const { repo } = await guarded()
    const git = await client()
    const error = await git.failure((g) => g.sync(source(repo, { credentials }), "."))
    expect(error).toMatchObject({ code: FAULTS.authentication.code, disposition: "stall" })
    expect(JSON.stringify(error)).not.toMatch(/wrong|Basic|Bearer/)
  })

  it("are in no argument of any process and in no file, and only git's own environment has them", async () => {
    const { host, repo } = await guarded()
    const secrets = ["s3cret", "t0ken", Buffer.from("ann:s3cret-Wörd").toString("base64")]
    const git = await client()
    for (const credentials of [password(), bearer()]) {
      repo.fail(stallAfter(100), { step: "rpc" })
      const fiber = git.start((g) => g.sync(source(repo, { credentials }), "."))
      await host.waitForRequest(({ step }) => step === "rpc")
      const running = processesOf(git.dataDir)
      expect(running.some(({ argv }) => argv.includes("remote-http"))).toBe(true)
      expect(running.some(({ environment }) => environment.includes("Authorization"))).toBe(true)
      for (const { argv } of running) {
        for (const secret of secrets) expect(argv).not.toContain(secret)
      }
      await Effect.runPromise(Fiber.interrupt(fiber))
      repo.recover()
      await git.run((g) => g.sync(source(repo, { credentials }), "."))
      host.clearLog()
    }
    const files = (await readdir(git.dataDir, { recursive: true, withFileTypes: true })).filter(
      (e) => e.isFile(),
    )
    expect(files.length).toBeGreaterThan(5)
    for (const file of files) {
      const text = await readFile(join(file.parentPath, file.name), "latin1")
      for (const secret of secrets) expect(text).not.toContain(secret)
    }
  })

  it("an error answer's body is not shown, nor a secret that it repeats", async () => {
    const { repo } = await guarded()
    repo.fail(status(403, { "Content-Type": "text/plain" }, "token t0ken-abcdef is not enough"))
    const git = await client()
    const error = await git.failure((g) => g.sync(source(repo, { credentials: bearer() }), "."))
    expect(error.code).toBe(FAULTS.forbidden.code)
    expect(error.reason).toMatch(/^fatal: unable to access .*: 403$/)
    expect(JSON.stringify(error)).not.toContain("t0ken")
  })

  it("are kept apart: what one may read, another may not", async () => {
    const { repo, sha } = await guarded()
    const git = await client()
    await git.run((g) => g.sync(source(repo, { credentials: bearer() }), "."))
    const other = source(repo, { credentials: password("wrong-Wörd") })
    expect(await git.run((g) => g.head(other))).toBeUndefined()
    expect(await git.run((g) => faultIn(g.files(other, sha, ".")))).toBe("authentication")
  })

  it("an authority of one's own is trusted where it is given, and only there", async () => {
    const { host, repo, sha } = await guarded(true)
    const git = await client()
    const trusting = source(repo, { credentials: { ...bearer(), caCrt: host.ca ?? "" } })
    expect((await git.run((g) => g.sync(trusting, "."))).sha).toBe(sha)
    const credentials = bearer()
    expect(await git.run((g) => faultIn(g.sync(source(repo, { credentials }), ".")))).toBe("tls")
    const other = (await server({ tls: true })).ca ?? ""
    const wrong = source(repo, { credentials: { ...credentials, caCrt: other } })
    expect(await git.run((g) => faultIn(g.sync(wrong, ".")))).toBe("tls")
    const names = (await readdir(join(git.dataDir, "mirrors"))).filter((n) => n.endsWith(".ca"))
    const modes = names.map(async (n) => (await stat(join(git.dataDir, "mirrors", n))).mode & 0o777)
    expect(await Promise.all(modes)).toEqual([0o600, 0o600])
  })

  it("do not follow a redirect; without credentials the first redirect is followed", async () => {
    const { repo } = await guarded()
    const open = await server()
    const target = await open.createRepo("target")
    const sha = await target.commit({ a: "1" })
    repo.fail(redirect(target.url))
    const git = await client()
    const credentials = bearer()
    expect(await git.run((g) => faultIn(g.sync(source(repo, { credentials }), ".")))).toBe(
      "redirect",
    )
    expect(open.log).toHaveLength(0)
    const entrance = await open.createRepo("entrance")
    entrance.fail(redirect(target.url))
    expect((await git.run((g) => g.sync(source(entrance), "."))).sha).toBe(sha)
  })

  it("with a line break are refused before anybody is asked", async () => {
    const { host, repo } = await guarded()
    const git = await client()
    const credentials = bearer("a\r\nX-Evil: 1")
    expect(await git.run((g) => faultIn(g.sync(source(repo, { credentials }), ".")))).toBe(
      "credentialsRefused",
    )
    expect(host.log).toHaveLength(0)
  })
})

describe("a server that fails", () => {
  it.each([
    [status(500), "serverError", undefined],
    [status(503, { "Retry-After": "7" }), "serverError", 7000],
    [status(429, { "Retry-After": "120" }), "rateLimited", 120_000],
    [status(429), "rateLimited", 60_000],
    [status(403), "forbidden", undefined],
    [status(404), "repositoryMissing", undefined],
    [garbage(), "badAnswer", undefined],
    [cut(50), "badAnswer", undefined],
    [cut(50, true), "badAnswer", undefined],
  ] as const)("%j is %s", async (failure, fault, retryAfter) => {
    const repo = await (await server()).createRepo("app")
    await repo.commit(monorepo)
    const git = await client()
    repo.fail(failure)
    const error = await git.failure((g) => g.sync(source(repo), "."))
    expect([error.code, error.reason]).toEqual([FAULTS[fault].code, expect.any(String)])
    const rest = error.retryAfter ?? Number.NaN
    expect(retryAfter === undefined ? Number.isNaN(rest) : rest >= retryAfter).toBe(true)
  })

  it("in the middle of a pack leaves a mirror that still serves", async () => {
    const repo = await (await server()).createRepo("app")
    const first = await repo.commit(monorepo)
    const git = await client()
    const before = await git.texts(source(repo), "deploy")
    await repo.commit({ "deploy/0.yaml": big(1, 100_000) })
    repo.fail(cut(5000), { step: "rpc" })
    expect(await git.run((g) => faultIn(g.sync(source(repo), "deploy")))).toBe("badAnswer")
    const at = { commit: first, path: "deploy" }
    expect(await git.run((g) => textsAt(g, source(repo), at))).toEqual(before)
    repo.recover()
    expect((await git.texts(source(repo), "deploy"))["deploy/0.yaml"]).toHaveLength(100_000)
  })

  it("that nobody listens for is unreachable", async () => {
    const host = await server()
    const { url } = await host.createRepo("app")
    await host.stop()
    const git = await client()
    expect(await git.run((g) => faultIn(g.sync(source({ url }), ".")))).toBe("unreachable")
    const nowhere = source({ url: "https://no-such-host.invalid/a.git" })
    expect(await git.run((g) => faultIn(g.lsRemote(nowhere, zero)))).toBe("unreachable")
  })

  it.each([
    ["before its answer", stall()],
    ["in its answer", stallAfter(60)],
  ])("that stalls %s ends at the deadline, and no process is left", async (_, failure) => {
    const repo = await (await server()).createRepo("app")
    await repo.commit(monorepo)
    const git = await client({ fetchTimeout: "1 second" })
    repo.fail(failure)
    expect(await git.run((g) => faultIn(g.sync(source(repo), ".")))).toBe("timeout")
    await until(() => processesOf(git.dataDir).length === 0)
  })

  it("that stalls does not hold up another", async () => {
    const [bad, good] = [await server(), await server()]
    const stalled = await Promise.all(
      Array.from({ length: 12 }, (_, i) => bad.createRepo(`app-${i}`)),
    )
    for (const one of stalled) one.fail(stall())
    const repo = await good.createRepo("app")
    const sha = await repo.commit({ a: "1" })
    const git = await client()
    const fibers = stalled.map((one) => git.start((g) => g.sync(source(one), ".")))
    await until(() => bad.log.length >= 8)
    expect((await git.run((g) => g.sync(source(repo), "."))).sha).toBe(sha)
    expect(new Set(bad.log.map(({ state }) => state))).toEqual(new Set(["open"]))
    await Promise.all(fibers.map((fiber) => Effect.runPromise(Fiber.interrupt(fiber))))
  })
})

describe("interruption", () => {
  it("kills the fetch and everything it started, and the next sync works", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const sha = await repo.commit(monorepo)
    const git = await client()
    repo.fail(stallAfter(3000), { step: "rpc", times: 2 })
    const fiber = git.start((g) => g.sync(source(repo), "."))
    await host.waitForRequest(({ command }) => command === "fetch")
    expect(processesOf(git.dataDir).length).toBeGreaterThan(1)
    await Effect.runPromise(Fiber.interrupt(fiber))
    await until(() => processesOf(git.dataDir).length === 0)
    repo.recover()
    expect((await git.run((g) => g.sync(source(repo), "."))).sha).toBe(sha)
  })

  it("of one who asks for the head leaves the others their answer", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const sha = await repo.commit({ a: "1" })
    const git = await client()
    repo.fail(stall(), { times: 1 })
    const first = git.start((g) => g.lsRemote(source(repo), hour))
    await host.waitForRequest(() => true)
    const others = Array.from({ length: 5 }, () => git.start((g) => g.lsRemote(source(repo), hour)))
    await Effect.runPromise(Fiber.interrupt(first))
    const answers = await Promise.all(others.map((fiber) => Effect.runPromise(Fiber.join(fiber))))
    expect(new Set(answers)).toEqual(new Set([sha]))
  })

  it("closing the port ends what runs", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    repo.fail(stall())
    const git = await client()
    git.start((g) => g.sync(source(repo), "."))
    await host.waitForRequest(() => true)
    await git.close()
    await until(() => processesOf(git.dataDir).length === 0)
  })
})

describe("questions for the head", () => {
  it("that come while one is being answered share the next answer", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit({ a: "1" })
    const git = await client()
    repo.fail(slow(300))
    const fibers = Array.from({ length: 20 }, () =>
      git.start((g) => g.lsRemote(source(repo), zero)),
    )
    await Promise.all(fibers.map((fiber) => Effect.runPromise(Fiber.join(fiber))))
    const questions = host.log.filter(({ step }) => step === "advertisement")
    expect(questions.length).toBeLessThanOrEqual(2)
  })

  it("share a failure too, and it is not repeated to a later one", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const sha = await repo.commit({ a: "1" })
    const git = await client()
    repo.fail(slow(300), { times: 1 })
    repo.fail(status(500), { step: "rpc" })
    const fibers = Array.from({ length: 10 }, () =>
      git.start((g) => faultIn(g.lsRemote(source(repo), hour))),
    )
    const faults = await Promise.all(fibers.map((fiber) => Effect.runPromise(Fiber.join(fiber))))
    expect(new Set(faults)).toEqual(new Set(["serverError"]))
    expect(host.log.filter(({ step }) => step === "advertisement").length).toBeLessThanOrEqual(2)
    repo.recover()
    expect(await git.run((g) => g.lsRemote(source(repo), hour))).toBe(sha)
  })
})

describe("a hundred repositories of one mirror", () => {
  const files = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`dir-${i}/a.yaml`, `value: ${i}`]),
  )

  it("that sync at the same time share the fetch of the head", async () => {
    const host = await server()
    const repo = await host.createRepo("mono")
    const sha = await repo.commit(files)
    const git = await client()
    const fibers = Array.from({ length: 100 }, () =>
      git.start((g) => g.sync(source(repo), "dir-1")),
    )
    const commits = await Promise.all(fibers.map((f) => Effect.runPromise(Fiber.join(f))))
    expect(new Set(commits.map((commit) => commit.sha))).toEqual(new Set([sha]))
    const fetches = host.log.filter(({ command }) => command === "fetch")
    expect(fetches.length).toBeLessThanOrEqual(4)
  })

  it("that sync different directories at the same time share the fetches of their files", async () => {
    const host = await server()
    const repo = await host.createRepo("mono")
    await repo.commit(files)
    const git = await client()
    const fibers = Array.from({ length: 100 }, (_, i) =>
      git.start((g) => g.sync(source(repo), `dir-${i}`)),
    )
    await Promise.all(fibers.map((f) => Effect.runPromise(Fiber.join(f))))
    const fetches = host.log.filter(({ command }) => command === "fetch")
    expect(fetches.length).toBeLessThan(30)
    repo.fail(status(500))
    const sha = (await git.run((g) => g.head(source(repo))))?.sha ?? ""
    const all = await git.run((g) => textsAt(g, source(repo), { commit: sha, path: "." }))
    expect(Object.keys(all)).toHaveLength(100)
  })

  it("a sync that begins after a push sees it, whoever fetched before", async () => {
    const host = await server()
    const repo = await host.createRepo("mono")
    await repo.commit(files)
    const git = await client()
    const early = Array.from({ length: 20 }, () => git.start((g) => g.sync(source(repo), "dir-1")))
    await host.waitForRequest(({ command }) => command === "fetch")
    const sha = await repo.commit({ "dir-1/a.yaml": "value: new" })
    expect((await git.run((g) => g.sync(source(repo), "dir-1"))).sha).toBe(sha)
    await Promise.all(early.map((fiber) => Effect.runPromise(Fiber.join(fiber))))
  })

  it("that read at the same time share the fetch of what is not here", async () => {
    const host = await server()
    const repo = await host.createRepo("mono")
    await repo.commit(files)
    const git = await client()
    const { sha } = await git.run((g) => g.sync(source(repo), "dir-0"))
    host.clearLog()
    const read = (i: number) => (g: Git["Service"]) =>
      Effect.gen(function* () {
        const entries = yield* g.files(source(repo), sha, `dir-${i}`)
        const blobs = entries.map(({ blob }) => blob)
        const [bytes] = (yield* g.read(source(repo), sha, blobs)).values()
        return Buffer.from(bytes ?? []).toString()
      })
    const fibers = Array.from({ length: 100 }, (_, i) => git.start(read(i)))
    const texts = await Promise.all(fibers.map((f) => Effect.runPromise(Fiber.join(f))))
    expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => `value: ${i}`))
    const fetches = host.log.filter(({ command }) => command === "fetch")
    expect(fetches.length).toBeLessThan(30)
  })
})

describe("the mirror", () => {
  const synced = async (more: Parameters<typeof client>[0] = {}) => {
    const host = await server()
    const repo = await host.createRepo("app")
    const sha = await repo.commit(monorepo)
    const git = await client(more)
    const texts = await git.texts(source(repo), "deploy")
    const [mirror = ""] = await git.mirrors()
    return { host, repo, sha, git, texts, mirror }
  }

  it("is one for two sources of one URL and credentials, whatever path and branch", async () => {
    const { host, repo, git } = await synced()
    await repo.createBranch("next")
    host.clearLog()
    const url = repo.url.replace("http://", "HTTP://").replace(".git", ".git/")
    const sources = [source({ url }), source(repo, { branch: "next" })]
    await Promise.all(sources.map((one) => git.texts(one, "src")))
    expect(await git.mirrors()).toHaveLength(1)
    const sent = host.log.reduce((sum, { bytesSent }) => sum + bytesSent, 0)
    expect(sent).toBeLessThan(1_200_000)
  })

  it.each<[string, (mirror: string) => Promise<unknown>]>([
    ["a lock of a killed fetch", (m) => writeFile(join(m, "shallow.lock"), "")],
    ["packs that are cut short", (m) => everyPack(m, (file) => truncate(file, 100))],
    ["packs that are empty", (m) => everyPack(m, (file) => truncate(file, 0))],
    ["packs that are gone", (m) => everyPack(m, (file) => rm(file))],
    ["packs with other bytes", (m) => everyPack(m, garble)],
    ["no objects", (m) => rm(join(m, "objects"), { recursive: true })],
    ["no HEAD", (m) => rm(join(m, "HEAD"))],
    ["nonsense for a configuration", (m) => writeFile(join(m, "config"), "[[[")],
    ["nonsense for a branch", (m) => everyRef(m, (file) => writeFile(file, "nonsense\n"))],
    ["a branch at nothing", (m) => everyRef(m, (file) => writeFile(file, `${"1".repeat(40)}\n`))],
    ["nothing at all", (m) => rm(m, { recursive: true })],
  ])("with %s is made anew within the same call", async (_, harm) => {
    const { repo, git, mirror, texts } = await synced()
    await harm(mirror)
    const sha = await repo.commit({ "deploy/0.yaml": "n: new\n" })
    expect((await git.run((g) => g.sync(source(repo), "deploy"))).sha).toBe(sha)
    const found = await git.run((g) => textsAt(g, source(repo), { commit: sha, path: "deploy" }))
    expect(found).toEqual({ ...texts, "deploy/0.yaml": "n: new\n" })
  })

  it.each<[string, (mirror: string) => Promise<unknown>]>([
    ["cut short", (m) => everyPack(m, (file) => truncate(file, 100))],
    ["gone", (m) => everyPack(m, (file) => rm(file))],
    ["made of other bytes", (m) => everyPack(m, garble)],
  ])("whose packs are %s between two calls serves the same files", async (_, harm) => {
    const { repo, git, mirror, texts, sha } = await synced()
    await harm(mirror)
    const found = await git.run((g) => textsAt(g, source(repo), { commit: sha, path: "deploy" }))
    expect(found).toEqual(texts)
    await harm(mirror)
    expect((await git.run((g) => g.head(source(repo))))?.sha ?? "none").toMatch(/none|[0-9a-f]{40}/)
  })

  it("is lost with the whole data directory, and made anew with git's own configuration", async () => {
    const { repo, git, texts } = await synced()
    const before = await readFile(join(git.dataDir, "gitconfig"), "utf8")
    await rm(git.dataDir, { recursive: true })
    const sha = await repo.commit({ "deploy/0.yaml": "n: new\n" })
    expect((await git.run((g) => g.sync(source(repo), "deploy"))).sha).toBe(sha)
    const found = await git.run((g) => textsAt(g, source(repo), { commit: sha, path: "deploy" }))
    expect(found).toEqual({ ...texts, "deploy/0.yaml": "n: new\n" })
    expect(await readFile(join(git.dataDir, "gitconfig"), "utf8")).toBe(before)
  })

  it("whose fetch was killed without mercy serves the next sync", async () => {
    const { host, repo, git } = await synced()
    const sha = await repo.commit({ "deploy/0.yaml": big(2, 400_000) })
    repo.fail(stallAfter(200_000), { step: "rpc" })
    host.clearLog()
    const fiber = git.start((g) => faultIn(g.sync(source(repo), "deploy")))
    const [mirror = ""] = await git.mirrors()
    const halves = async () =>
      (await readdir(join(mirror, "objects", "pack"))).filter((name) => name.startsWith("tmp_"))
    await until(async () => (await halves()).length > 0)
    for (const { pid } of processesOf(git.dataDir)) process.kill(pid, "SIGKILL")
    expect(await Effect.runPromise(Fiber.join(fiber))).not.toHaveProperty("succeeded")
    repo.recover()
    expect((await git.run((g) => g.sync(source(repo), "deploy"))).sha).toBe(sha)
    expect(await halves()).toEqual([])
  })

  it("past its size is fetched anew; a repository that is too large by itself is refused", async () => {
    const { repo, git, mirror } = await synced({ mirrorMaxBytes: 60_000 })
    for (let turn = 0; turn < 8; turn += 1) {
      await repo.commit({ "deploy/0.yaml": big(turn, 16_000) })
      expect(Object.keys(await git.texts(source(repo), "deploy"))).toHaveLength(20)
      expect(await sizeOf(join(mirror, "objects", "pack"))).toBeLessThan(60_000)
    }
    await repo.commit({ "deploy/0.yaml": big(99, 200_000) })
    expect(await git.run((g) => faultIn(g.sync(source(repo), "deploy")))).toBe("tooLarge")
    expect(existsSync(mirror)).toBe(false)
    await repo.commit({ "deploy/0.yaml": "small" })
    expect(Object.keys(await git.texts(source(repo), "deploy"))).toHaveLength(20)
  })

  it("serves on where a path lists more than may be: nothing is thrown away or fetched anew", async () => {
    const { host, repo, git, mirror, texts } = await synced()
    await addBomb(repo)
    await writeFile(join(mirror, "mark"), "")
    host.clearLog()
    const error = await git.failure((g) => g.sync(source(repo), "bomb"))
    expect(error).toMatchObject({ code: FAULTS.pathTooLarge.code, disposition: "stall" })
    expect(error.fix).toMatch(/^narrow spec.path/)
    expect(host.log.filter(({ command }) => command === "fetch")).toHaveLength(1)
    expect(existsSync(join(mirror, "mark"))).toBe(true)
    expect(await git.texts(source(repo), "deploy")).toEqual(texts)
  })

  it("that a running fetch makes too large ends that fetch", async () => {
    const repo = await (await server()).createRepo("app", { filters: false })
    await repo.commit({ "deploy/0.yaml": big(1, 400_000) })
    repo.fail(stallAfter(200_000), { step: "rpc" })
    const git = await client({ mirrorMaxBytes: 100_000, fetchTimeout: "30 seconds" })
    expect(await git.run((g) => faultIn(g.sync(source(repo), "deploy")))).toBe("tooLarge")
    await until(() => processesOf(git.dataDir).length === 0)
  })

  it("keeps no half pack of an interrupted fetch", async () => {
    const { repo, git, mirror } = await synced()
    const halves = async () =>
      (await readdir(join(mirror, "objects", "pack"))).filter((name) => name.startsWith("tmp_"))
    await repo.commit({ "deploy/0.yaml": big(2, 400_000) })
    repo.fail(stallAfter(200_000), { step: "rpc" })
    const fiber = git.start((g) => g.sync(source(repo), "deploy"))
    await until(async () => (await halves()).length > 0)
    await Effect.runPromise(Fiber.interrupt(fiber))
    repo.recover()
    await git.run((g) => g.sync(source(repo), "deploy"))
    expect(await halves()).toEqual([])
  })

  it("with many packs is packed anew, and goes on", async () => {
    const { repo, git, mirror } = await synced({ maxPacks: 4 })
    for (let turn = 0; turn < 10; turn += 1) {
      await repo.commit({ "deploy/0.yaml": `n: ${turn}\n` })
      const texts = await git.texts(source(repo), "deploy")
      expect(texts["deploy/0.yaml"]).toBe(`n: ${turn}\n`)
      expect((await packs(mirror)).length).toBeLessThanOrEqual(8)
    }
    await until(async () => (await packs(mirror)).length <= 4)
    const shallow = (await readFile(join(mirror, "shallow"), "utf8")).trim().split("\n")
    expect(shallow.length).toBeLessThan(8)
    await repo.commit({ "deploy/1.yaml": "after\n" })
    expect((await git.texts(source(repo), "deploy"))["deploy/1.yaml"]).toBe("after\n")
  })

  it("outlives the controller, and what cannot be a mirror is removed at the start", async () => {
    const { host, repo, git, sha } = await synced()
    await git.close()
    await mkdir(join(git.dataDir, "mirrors", "leftover.removed-1", "objects"), { recursive: true })
    host.clearLog()
    const again = await client({ dataDir: git.dataDir })
    expect((await again.run((g) => g.head(source(repo))))?.sha).toBe(sha)
    expect(host.log).toHaveLength(0)
    expect(existsSync(join(git.dataDir, "mirrors", "leftover.removed-1"))).toBe(false)
  })

  it("is read by many while it is fetched into", async () => {
    const { host, repo, git, sha, texts } = await synced()
    await repo.commit({ "deploy/0.yaml": "n: new\n" })
    repo.fail(stall(), { step: "rpc" })
    host.clearLog()
    const fetch = git.start((g) => g.sync(source(repo), "deploy"))
    await host.waitForRequest(({ step }) => step === "rpc")
    const at = { commit: sha, path: "deploy" }
    const all = await Promise.all(
      Array.from({ length: 30 }, () => git.run((g) => textsAt(g, source(repo), at))),
    )
    for (const one of all) expect(one).toEqual(texts)
    await Effect.runPromise(Fiber.interrupt(fetch))
  })
})

describe("the machine", () => {
  it("without git, or with an old one, says so at the start", async () => {
    const old = await folder()
    const start = async (PATH: string) => {
      const dataDir = await folder()
      const environment = { PATH }
      const runtime = ManagedRuntime.make(
        layer({ dataDir, allowFileUrls: false, mirrorMaxBytes: 1e9, environment }),
      )
      return runtime.runPromise(Effect.void).then(
        () => "started",
        (error: Error) => error.message,
      )
    }
    await writeFile(join(old, "git"), "#!/bin/sh\necho git version 2.38.9\n", { mode: 0o755 })
    expect(await start(await folder())).toMatch(/NOPEA-G021 .*git does not run/)
    expect(await start(old)).toMatch(/NOPEA-G021 .*git version 2.38.9 is older than 2.39/)
    expect(await start(process.env["PATH"] ?? "")).toBe("started")
  })

  it("that has no process left for git is tried again, and the reason is named", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit({ a: "1" })
    const bin = await folder()
    const found = (process.env["PATH"] ?? "").split(":").map((place) => join(place, "git"))
    await symlink(String(found.find((place) => existsSync(place))), join(bin, "git"))
    const git = await client({ environment: { PATH: bin } })
    await git.run(() => Effect.void)
    await rm(join(bin, "git"))
    const error = await git.failure((g) => g.sync(source(repo), "."))
    expect(error).toMatchObject({ code: "NOPEA-G029", disposition: "retry" })
    expect(error.reason).toBe("git could not be started: ENOENT")
  })

  it("and its Git configuration, hooks and variables have no say", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const sha = await repo.commit({ a: "1" })
    const home = await folder()
    const touched = join(home, "touched")
    await writeFile(
      join(home, ".gitconfig"),
      `[url "http://127.0.0.1:1/"]\n\tinsteadOf = ${host.url}/\n[core]\n\tgitProxy = touch ${touched}\n[credential]\n\thelper = "!touch ${touched}"\n`,
    )
    const git = await client({
      environment: {
        ...process.env,
        HOME: home,
        XDG_CONFIG_HOME: home,
        GIT_CONFIG_GLOBAL: join(home, ".gitconfig"),
        GIT_ASKPASS: `touch ${touched}`,
        GIT_DIR: "/nowhere",
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: `url.http://127.0.0.1:1/.insteadOf`,
        GIT_CONFIG_VALUE_0: `${host.url}/`,
      },
    })
    expect((await git.run((g) => g.sync(source(repo), "."))).sha).toBe(sha)
    repo.fail(status(401, { "WWW-Authenticate": 'Basic realm="x"' }))
    expect(await git.run((g) => faultIn(g.sync(source(repo), ".")))).toBe("authentication")
    expect(existsSync(touched)).toBe(false)
  })

  it("with a data directory that cannot be written says so", async () => {
    const file = join(await folder(), "file")
    await writeFile(file, "")
    const options = { dataDir: join(file, "data"), allowFileUrls: false, mirrorMaxBytes: 1e9 }
    const started = ManagedRuntime.make(layer(options)).runPromise(Effect.void)
    await expect(started).rejects.toThrow(/NOPEA-G028/)
  })
})

async function everyPack(mirror: string, harm: (file: string) => Promise<unknown>): Promise<void> {
  const folder = join(mirror, "objects", "pack")
  for (const name of await packs(mirror)) await harm(join(folder, name))
}

async function everyRef(mirror: string, harm: (file: string) => Promise<unknown>): Promise<void> {
  const folder = join(mirror, "refs", "nopea")
  for (const name of await readdir(folder)) await harm(join(folder, name))
}

async function garble(file: string): Promise<void> {
  const { size } = await stat(file)
  await rm(file)
  await writeFile(file, Buffer.alloc(size, 7))
}
