import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdtemp, readFile, readlink, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { garbage, redirect, slow, stall, stallAfter, status, truncate } from "./failures.ts"
import type { Files } from "./fastImport.ts"
import { type GitServer, type GitServerOptions, startGitServer } from "./GitServer.ts"
import { git, tryGit } from "./RunGit.ts"

let folder = ""
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nopea-gitserver-test-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const place = (): string => join(folder, String(count++))

const server = async (options?: GitServerOptions): Promise<GitServer> => {
  const started = await startGitServer(options)
  onTestFinished(() => started.stop())
  return started
}

const clone = (url: string, ...args: string[]) => {
  const to = place()
  return tryGit(["clone", "-q", ...args, url, to], { limitMs: 20_000 }).then((outcome) => ({
    ...outcome,
    to,
  }))
}

const withCredentials = (url: string, user: string): string => url.replace("://", `://${user}@`)

const manifests = (many: number, body = "kind: ConfigMap\n"): Files =>
  Object.fromEntries(
    Array.from({ length: many }, (_, index) => [
      `apps/${index % 10}/${index}.yaml`,
      `${body}# ${index}\n`,
    ]),
  )

describe("repositories", () => {
  it("hold what was committed: texts, bytes, programs, symbolic links and odd names", async () => {
    const repo = await (await server()).createRepo("org/app")
    const bytes = Buffer.from([0, 255, 10, 13])
    const first = await repo.commit({
      "a.yaml": "a: 1\n",
      "bin/tool": { executable: "#!/bin/sh\n" },
      link: { symlink: "a.yaml" },
      'odd "näme"\\\n.bin': bytes,
    })
    const { to, stderr, code } = await clone(repo.url)
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(await git(["rev-parse", "HEAD"], { cwd: to })).toBe(first)
    expect(await readFile(join(to, "a.yaml"), "utf8")).toBe("a: 1\n")
    expect(await readFile(join(to, 'odd "näme"\\\n.bin'))).toEqual(bytes)
    expect(await readlink(join(to, "link"))).toBe("a.yaml")
    expect(await git(["ls-files", "-s", "bin/tool"], { cwd: to })).toMatch(/^100755 /)
    expect(await repo.git(["fsck", "--strict"])).toBe("")
  })

  it("grow a history with author, message and time, and lose removed paths", async () => {
    const repo = await (await server()).createRepo("app")
    const first = await repo.commit({ a: "1", b: "1" })
    const author = { name: "Ann", email: "ann@example.com" }
    const second = await repo.commit(
      { a: null, c: "1" },
      { message: "two", author, time: 1_000_000_000 },
    )
    expect(await repo.head()).toBe(second)
    expect(await repo.git(["log", "--format=%H %an <%ae> %at %s"])).toBe(
      `${second} Ann <ann@example.com> 1000000000 two\n${first} Test Author <author@example.com> ${await repo.git(
        ["log", "-1", "--format=%at", first],
      )} change a, b`,
    )
    expect(await repo.git(["ls-tree", "-r", "--name-only", second])).toBe("b\nc")
    await repo.commit({ d: "1" }, { replace: true })
    expect(await repo.git(["ls-tree", "-r", "--name-only", "main"])).toBe("d")
  })

  it("have branches and tags that come, move and go, also by force", async () => {
    const repo = await (await server()).createRepo("app")
    const first = await repo.commit({ a: "1" })
    const second = await repo.commit({ a: "2" })
    await repo.createBranch("dev", first)
    const onDev = await repo.commit({ b: "1" }, { branch: "dev" })
    expect(await repo.git(["rev-parse", `${onDev}^`])).toBe(first)
    const forced = await repo.forcePush({ z: "1" })
    expect(await repo.git(["rev-list", "--count", forced])).toBe("1")
    const based = await repo.forcePush({ y: "1" }, { onto: first })
    expect(await repo.git(["rev-parse", "main^"])).toBe(first)
    await repo.reset(second)
    expect(await repo.head()).toBe(second)
    await repo.deleteBranch("dev")
    expect(await repo.head("dev")).toBeUndefined()
    await repo.tag("light", { commit: based })
    const annotated = await repo.tag("v1.0.0", { message: "one" })
    const refs = await git(["ls-remote", repo.url])
    expect(refs.split("\n").map((line) => line.split("\t").join(" "))).toEqual([
      `${second} HEAD`,
      `${second} refs/heads/main`,
      `${based} refs/tags/light`,
      `${annotated} refs/tags/v1.0.0`,
      `${second} refs/tags/v1.0.0^{}`,
    ])
  })

  it("take 1,000 files in one commit, and commits in parallel in some order", async () => {
    const repo = await (await server()).createRepo("app")
    await repo.commit(manifests(1_000))
    expect((await repo.git(["ls-tree", "-r", "--name-only", "main"])).split("\n").length).toBe(
      1_000,
    )
    await Promise.all([1, 2, 3, 4].map((turn) => repo.commit({ [`p${turn}`]: "1" })))
    expect(await repo.git(["rev-list", "--count", "main"])).toBe("5")
  })

  it("may be empty", async () => {
    const repo = await (await server()).createRepo("empty")
    expect(await tryGit(["ls-remote", repo.url])).toMatchObject({ code: 0, stdout: "" })
    expect(await repo.head()).toBeUndefined()
  })

  it("accept a push", async () => {
    const repo = await (await server({ users: { ann: "secret" } })).createRepo("app")
    await repo.commit({ a: "1" })
    const { to } = await clone(withCredentials(repo.url, "ann:secret"))
    await git(["commit", "-q", "--allow-empty", "-m", "pushed"], { cwd: to })
    await git(["push", "-q", "origin", "main"], { cwd: to })
    expect(await repo.git(["log", "-1", "--format=%s", "main"])).toBe("pushed")
  })
})

describe("authentication", () => {
  it("lets in the named user with the right password only", async () => {
    const remote = await server({ users: { ann: "s:e:c" } })
    const repo = await remote.createRepo("app")
    await repo.commit({ a: "1" })
    expect((await tryGit(["ls-remote", repo.url])).code).not.toBe(0)
    expect(remote.log.map((one) => [one.status, one.authorization])).toEqual([[401, "none"]])
    remote.clearLog()
    const wrong = await tryGit(["ls-remote", withCredentials(repo.url, "ann:wrong")])
    expect(wrong.stderr).toContain("Authentication failed")
    expect((await tryGit(["ls-remote", withCredentials(repo.url, "ann:s%3Ae%3Ac")])).code).toBe(0)
    expect(remote.log.at(-1)).toMatchObject({ status: 200, authorization: "basic", user: "ann" })
  })

  it("lets in a bearer token", async () => {
    const remote = await server({ tokens: ["t0ken"] })
    const repo = await remote.createRepo("app")
    await repo.commit({ a: "1" })
    const withToken = (token: string) => {
      const header = `http.extraHeader=Authorization: Bearer ${token}`
      return tryGit(["-c", header, "ls-remote", repo.url])
    }
    expect((await withToken("t0ken")).code).toBe(0)
    expect(remote.log[0]).toMatchObject({ status: 200, authorization: "bearer" })
    expect((await withToken("other")).code).not.toBe(0)
  })

  it("serves TLS that only its own authority vouches for", async () => {
    const remote = await server({ tls: true })
    const repo = await remote.createRepo("app")
    const commit = await repo.commit({ a: "1" })
    const trusted = await tryGit(["ls-remote", repo.url, "HEAD"], {
      env: { GIT_SSL_CAINFO: remote.caFile },
    })
    expect(trusted.stdout).toBe(`${commit}\tHEAD\n`)
    const untrusted = await tryGit(["ls-remote", repo.url])
    expect(untrusted.stderr).toMatch(/certificate/i)
    expect(remote.ca).toContain("BEGIN CERTIFICATE")
  })
})

describe("protocols", () => {
  const advertised = async (url: string, protocol = "version=2") => {
    const headers = { "git-protocol": protocol }
    const answer = await fetch(`${url}/info/refs?service=git-upload-pack`, { headers })
    return answer.text()
  }

  it("speaks version 2 with partial clones, and logs command, bytes and time", async () => {
    const remote = await server()
    const repo = await remote.createRepo("app")
    await repo.commit(manifests(50, "x".repeat(2_000)))
    const { to, code } = await clone(repo.url, "--bare", "--filter=blob:none", "--depth=1")
    expect(code).toBe(0)
    const listing = await git(["rev-list", "--objects", "--missing=print", "HEAD"], { cwd: to })
    expect(listing.match(/^\?/gm)?.length).toBe(50)
    const steps = remote.log.map(({ step, command, service, state }) => [
      step,
      command,
      service,
      state,
    ])
    expect(steps).toEqual([
      ["advertisement", "", "git-upload-pack", "finished"],
      ["rpc", "ls-refs", "git-upload-pack", "finished"],
      ["rpc", "fetch", "git-upload-pack", "finished"],
    ])
    expect(remote.log.every((one) => one.bytesSent > 0 && one.protocol === "version=2")).toBe(true)
  })

  it("can refuse partial clones", async () => {
    const remote = await server()
    const repo = await remote.createRepo("app", { filters: false })
    await repo.commit(manifests(5))
    expect(await advertised(repo.url)).not.toContain("filter")
    const { stderr, to } = await clone(repo.url, "--bare", "--filter=blob:none")
    expect(stderr).toContain("filtering not recognized by server, ignoring")
    expect(
      await git(["rev-list", "--objects", "--missing=print", "HEAD"], { cwd: to }),
    ).not.toContain("?")
    repo.serve({ filters: true })
    expect(await advertised(repo.url)).toContain("filter")
  })

  it("can refuse to serve objects by id", async () => {
    const repo = await (await server()).createRepo("app", { protocol: 0, wants: "tips" })
    const first = await repo.commit({ a: "1" })
    await repo.commit({ a: "2" })
    const byId = async () => {
      const to = place()
      await git(["init", "-q", "--bare", to])
      return tryGit(["fetch", "-q", "--depth=1", repo.url, first], { cwd: to })
    }
    expect((await byId()).stderr).toContain("unadvertised object")
    repo.serve({ wants: "reachable" })
    expect((await byId()).code).toBe(0)
  })

  it("can speak version 0 only, or plain files only", async () => {
    const remote = await server()
    const repo = await remote.createRepo("app", { protocol: 0 })
    const commit = await repo.commit({ a: "1" })
    expect(await advertised(repo.url)).toContain(`${commit} HEAD`)
    const dumb = await remote.createRepo("dumb", { protocol: "dumb" })
    const other = await dumb.commit(manifests(200))
    expect(await advertised(dumb.url)).toBe(`${other}\trefs/heads/main\n`)
    expect((await clone(repo.url)).code).toBe(0)
    expect((await clone(dumb.url)).code).toBe(0)
  })
})

describe("failures", () => {
  const prepared = async (options?: GitServerOptions) => {
    const remote = await server(options)
    const repo = await remote.createRepo("app")
    await repo.commit({
      "big.bin": randomBytes(200_000),
    })
    return { remote, repo }
  }

  it.each([
    [status(429, { "retry-after": "7" }), /429/],
    [status(500), /500/],
    [status(403), /403/],
    [status(404), /not found/],
    [garbage(), /invalid|not valid|protocol|unexpected/i],
    [truncate(100), /fatal/],
    [truncate(100, true), /fatal/],
  ])("plays %j to a clone, until it recovers", async (failure, message) => {
    const { repo } = await prepared()
    repo.fail(failure)
    const failed = await clone(repo.url)
    expect(failed.code).toBe(128)
    expect(failed.stderr).toMatch(message)
    repo.recover()
    expect((await clone(repo.url)).code).toBe(0)
  })

  it("passes headers and status on as they were asked for", async () => {
    const { repo } = await prepared()
    repo.fail(status(429, { "retry-after": "7" }, "slow down"))
    const answer = await fetch(`${repo.url}/info/refs?service=git-upload-pack`)
    expect(answer.status).toBe(429)
    expect(answer.headers.get("retry-after")).toBe("7")
    expect(await answer.text()).toBe("slow down")
  })

  it("stalls without an answer until the client gives up", async () => {
    const { remote, repo } = await prepared()
    repo.fail(stall())
    const to = place()
    const hanging = tryGit(["clone", "-q", repo.url, to], { limitMs: 2_000 })
    const entry = await remote.waitForRequest((one) => one.repo === "app")
    expect(entry).toMatchObject({ status: 0, state: "open" })
    expect((await hanging).code).toBe(124)
    await remote.waitForRequest((one) => one === entry && one.state === "aborted")
  })

  it("stalls in the middle of the pack", async () => {
    const { remote, repo } = await prepared()
    repo.fail(stallAfter(10_000), { step: "rpc" })
    const to = place()
    const hanging = tryGit(["-c", "protocol.version=0", "clone", "-q", repo.url, to], {
      limitMs: 2_000,
    })
    const entry = await remote.waitForRequest((one) => one.bytesSent === 10_000)
    expect(entry).toMatchObject({ step: "rpc", state: "open" })
    expect((await hanging).code).toBe(124)
    await remote.waitForRequest((one) => one === entry && one.state === "aborted")
  })

  it("answers late when it is slow", async () => {
    const { remote, repo } = await prepared()
    repo.fail(slow(300), { step: "advertisement" })
    expect((await clone(repo.url)).code).toBe(0)
    const [first] = remote.log
    expect(first?.durationMs).toBeGreaterThanOrEqual(290)
  })

  it("fails only so many times, and only at the named step", async () => {
    const { remote, repo } = await prepared()
    repo.fail(status(503), { step: "rpc", times: 2 })
    expect((await clone(repo.url)).code).toBe(128)
    expect((await clone(repo.url)).code).toBe(128)
    expect((await clone(repo.url)).code).toBe(0)
    expect(remote.log.filter((one) => one.status === 503).map((one) => one.step)).toEqual([
      "rpc",
      "rpc",
    ])
  })

  it("redirects to another server, which sees what credentials came along", async () => {
    const { repo } = await prepared()
    const other = await server()
    const target = await other.createRepo("moved")
    await target.commit({ a: "1" })
    repo.fail(redirect(target.url))
    expect((await clone(withCredentials(repo.url, "ann:secret"))).code).toBe(0)
    expect(other.log[0]).toMatchObject({ repo: "moved", authorization: "none" })
    const refused = await tryGit(["-c", "http.followRedirects=false", "ls-remote", repo.url])
    expect(refused.code).toBe(128)
  })
})

describe("the server", () => {
  it("answers 404 to what it does not have, and not for files outside", async () => {
    const remote = await server()
    for (const path of ["/none.git/info/refs?service=git-upload-pack", "/", "/../../etc/passwd"])
      expect((await fetch(`${remote.url}${path}`)).status).toBe(404)
  })

  it("ends stalled connections and leaves nothing behind when it stops", async () => {
    const remote = await startGitServer()
    const repo = await remote.createRepo("app")
    await repo.commit({ a: "1" })
    repo.fail(stall())
    const hanging = fetch(`${repo.url}/info/refs?service=git-upload-pack`).catch((cause) => cause)
    await remote.waitForRequest((one) => one.repo === "app")
    await remote.stop()
    expect(await hanging).toBeInstanceOf(Error)
    expect(existsSync(repo.path)).toBe(false)
  })
})
