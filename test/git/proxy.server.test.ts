import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Fiber } from "effect"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { FAULTS } from "../../src/git/failure.ts"
import { source } from "../contract/Git.contract.ts"
import { type ConnectProxyOptions, startConnectProxy } from "../gitserver/ConnectProxy.ts"
import { status } from "../gitserver/failures.ts"
import { client, folder, processesOf, server, until, zero } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const WORD = "s3cr:t/word"
const LOGIN = `ann:${encodeURIComponent(WORD)}`

const proxy = async (options?: ConnectProxyOptions) => {
  const started = await startConnectProxy(options)
  onTestFinished(() => started.stop())
  return started
}

/** A repository at a name that only the proxy knows. */
const given = async (tls: boolean) => {
  const host = await server({ tls })
  const repo = await host.createRepo("app")
  await repo.commit({ a: "1" })
  await repo.createBranch("next")
  const url = repo.url.replace("127.0.0.1", "git.nopea.test")
  const credentials = tls ? { caCrt: host.ca ?? "" } : {}
  return { host, repo, at: source({ url }, { credentials }), target: `git.nopea.test:${host.port}` }
}

const PATH = process.env["PATH"] ?? ""

describe("a proxy", () => {
  it.each(["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])(
    "of %s is asked for a tunnel to the server, with its user and password",
    async (name) => {
      const { at, target } = await given(true)
      const { log, port } = await proxy({ login: `ann:${WORD}` })
      const git = await client({
        environment: { PATH, [name]: `http://${LOGIN}@127.0.0.1:${port}` },
      })
      expect(await git.texts(at, ".")).toEqual({ a: "1" })
      expect(new Set(log.map((asked) => `${asked.method} ${asked.target}`))).toEqual(
        new Set([`CONNECT ${target}`]),
      )
    },
  )

  it("of HTTP_PROXY is asked for what is not encrypted", async () => {
    const { at, target } = await given(false)
    const { log, url } = await proxy()
    const git = await client({ environment: { PATH, HTTP_PROXY: url } })
    expect(await git.texts(at, ".")).toEqual({ a: "1" })
    expect(log[0]).toMatchObject({ method: "GET" })
    expect(log[0]?.target).toContain(`http://${target}/app.git/info/refs`)
  })

  it("is not asked for what NO_PROXY names, nor for this machine", async () => {
    const { at, repo, host } = await given(true)
    const { log, url } = await proxy()
    const git = await client({ environment: { PATH, HTTPS_PROXY: url, NO_PROXY: ".nopea.test" } })
    const error = await git.failure((g) => g.lsRemote(at, zero))
    expect(error).toMatchObject({ code: FAULTS.unreachable.code })
    expect(error.reason).not.toContain("proxy")
    const near = source(repo, { credentials: { caCrt: host.ca ?? "" } })
    expect(await git.texts(near, ".")).toEqual({ a: "1" })
    expect(log).toEqual([])
  })

  it("shows its password in no argument", async () => {
    const { at } = await given(true)
    const { be, log, port } = await proxy()
    be("silent")
    const git = await client({
      environment: { PATH, HTTPS_PROXY: `http://${LOGIN}@127.0.0.1:${port}` },
    })
    const asking = git.start((g) => g.lsRemote(at, zero))
    await until(() => log.length > 0)
    const told = processesOf(git.dataDir).map(({ argv }) => argv)
    expect(told.length).toBeGreaterThan(0)
    for (const argv of told) expect(argv).not.toMatch(/s3cr|proxy/u)
    await Effect.runPromise(Fiber.interrupt(asking))
  })
})

describe("a proxy that does not serve is named, without its password:", () => {
  const failing = async (tls: boolean, port: number, more: object = {}) => {
    const { at, repo } = await given(tls)
    const name = tls ? "HTTPS_PROXY" : "HTTP_PROXY"
    const environment = { PATH, [name]: `http://${LOGIN}@127.0.0.1:${port}` }
    const git = await client({ environment, ...more })
    const error = await git.failure((g) => g.sync(at, "."))
    const told = JSON.stringify({ ...error })
    expect(told).toContain(`the proxy http://127.0.0.1:${port} (${name})`)
    for (const secret of [WORD, encodeURIComponent(WORD), "s3cr", btoa(`ann:${WORD}`)]) {
      expect(told).not.toContain(secret)
    }
    return { error, git, repo, at }
  }

  it.each([
    [407, true],
    [407, false],
    [403, true],
    [502, true],
    [429, true],
    [503, true],
  ])("it answers %i (TLS: %s)", async (code, tls) => {
    const { be, port } = await proxy()
    be({ refuses: code })
    const { error, git, at } = await failing(tls, port)
    expect(error).toMatchObject({ code: FAULTS.proxy.code, disposition: "retry" })
    expect(error.reason).toContain(`answered ${code}`)
    expect(error.fix).toMatch(/^check the proxy http:\/\/127.*NO_PROXY$/)
    be("good")
    expect(await git.texts(at, ".")).toEqual({ a: "1" })
  })

  it("nobody listens there", async () => {
    const { port, stop } = await proxy()
    await stop()
    const { error } = await failing(true, port)
    expect(error).toMatchObject({ code: FAULTS.proxy.code, disposition: "retry" })
    expect(error.reason).toMatch(/does not serve: .*connect/i)
  })

  it("its name does not resolve", async () => {
    const { at } = await given(true)
    const HTTPS_PROXY = `http://${LOGIN}@no-such-proxy.invalid:3128`
    const git = await client({ environment: { PATH, HTTPS_PROXY } })
    const error = await git.failure((g) => g.lsRemote(at, zero))
    expect(error.code).toBe(FAULTS.proxy.code)
    expect(error.reason).toContain("the proxy http://no-such-proxy.invalid:3128 (HTTPS_PROXY)")
    expect(JSON.stringify({ ...error })).not.toContain("s3cr")
  })

  it.each(["silent", "mute"] as const)("it hangs (%s), until the deadline", async (mood) => {
    const { be, port } = await proxy()
    be(mood)
    const { error, git } = await failing(true, port, { fetchTimeout: "1 second" })
    expect(error).toMatchObject({ code: FAULTS.timeout.code, disposition: "retry" })
    expect(processesOf(git.dataDir)).toEqual([])
  })

  it("its address is none, and then nobody is asked", async () => {
    const { at, host } = await given(true)
    const git = await client({ environment: { PATH, HTTPS_PROXY: `ftp://${LOGIN}@proxy` } })
    const error = await git.failure((g) => g.lsRemote(at, zero))
    expect(error).toMatchObject({
      code: FAULTS.proxy.code,
      reason: "HTTPS_PROXY is no proxy's URL",
    })
    expect(error.fix).toContain("set HTTPS_PROXY to http://host:port")
    expect(JSON.stringify({ ...error })).not.toContain("s3cr")
    expect(host.log).toHaveLength(0)
  })

  it("but what the server answers through it is the server's", async () => {
    const { at, repo } = await given(true)
    const { url } = await proxy()
    const git = await client({ environment: { PATH, HTTPS_PROXY: url } })
    repo.fail(status(404))
    const error = await git.failure((g) => g.lsRemote(at, zero))
    expect(error.code).toBe(FAULTS.repositoryMissing.code)
    expect(error.reason).not.toContain("proxy")
  })
})

describe("the authorities", () => {
  it.each(["GIT_SSL_CAINFO", "SSL_CERT_FILE"])("of %s are trusted", async (name) => {
    const host = await server({ tls: true })
    const repo = await host.createRepo("app")
    await repo.commit({ a: "1" })
    const strict = await client({ environment: { PATH } })
    const error = await strict.failure((g) => g.lsRemote(source(repo), zero))
    expect(error.code).toBe(FAULTS.tls.code)
    const git = await client({ environment: { PATH, [name]: host.caFile ?? "" } })
    expect(await git.texts(source(repo), ".")).toEqual({ a: "1" })
  })

  it("of the Secret go before the machine's", async () => {
    const [host, other] = [await server({ tls: true }), await server({ tls: true })]
    const repo = await host.createRepo("app")
    await repo.commit({ a: "1" })
    const environment = {
      PATH,
      GIT_SSL_CAINFO: other.caFile ?? "",
      SSL_CERT_FILE: other.caFile ?? "",
    }
    const git = await client({ environment })
    const own = source(repo, { credentials: { caCrt: host.ca ?? "" } })
    expect(await git.texts(own, ".")).toEqual({ a: "1" })
    const theirs = source(repo, { credentials: { caCrt: other.ca ?? "" } })
    expect((await git.failure((g) => g.lsRemote(theirs, zero))).code).toBe(FAULTS.tls.code)
  })

  it("that are not there are told with the file", async () => {
    const host = await server({ tls: true })
    const repo = await host.createRepo("app")
    const file = join(await folder(), "absent.pem")
    const git = await client({ environment: { PATH, SSL_CERT_FILE: file } })
    const error = await git.failure((g) => g.lsRemote(source(repo), zero))
    expect(error.code).toBe(FAULTS.tls.code)
    await writeFile(file, host.ca ?? "")
    await repo.commit({ a: "1" })
    expect(await git.texts(source(repo), ".")).toEqual({ a: "1" })
  })
})
