import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Fiber, Redacted } from "effect"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import type { GitCredentials } from "../../src/domain/source.ts"
import { FAULTS } from "../../src/git/failure.ts"
import { faultIn, source } from "../contract/Git.contract.ts"
import { type SshServer, startSshServer } from "../gitserver/SshServer.ts"
import { type SshKey, sshKey } from "../gitserver/sshKeys.ts"
import { client, processesOf, server, until, zero } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const hostKey = sshKey()
const mine = sshKey()
const PASSPHRASE = "s3cret phrase's Wörd"
const locked = sshKey({ passphrase: PASSPHRASE })

const sshServer = async (allowed: ReadonlyArray<SshKey> = [mine, locked]): Promise<SshServer> => {
  const started = await startSshServer({ hostKey, allowed: allowed.map((key) => key.public) })
  onTestFinished(() => started.stop())
  return started
}

interface Given {
  readonly host: SshServer
  readonly sha: string
  readonly repo: Awaited<ReturnType<Awaited<ReturnType<typeof server>>["createRepo"]>>
  readonly with: (
    credentials: Partial<Record<keyof GitCredentials, string>>,
  ) => ReturnType<typeof source>
  readonly url: string
}

const given = async (allowed?: ReadonlyArray<SshKey>): Promise<Given> => {
  const repo = await (await server()).createRepo("org/app")
  const sha = await repo.commit({ "deploy/a": "1\n", "src/b": "b\n" })
  const host = await sshServer(allowed)
  const url = host.serve(repo)
  return {
    host,
    sha,
    repo,
    url,
    with: ({ identity, knownHosts = host.knownHosts, password, ...more }) =>
      source(
        { url },
        {
          credentials: {
            ...(identity === undefined ? {} : { identity: Redacted.make(identity) }),
            ...(password === undefined ? {} : { password: Redacted.make(password) }),
            ...(knownHosts === "" ? {} : { knownHosts }),
            ...(more.username === undefined ? {} : { username: more.username }),
            ...(more.bearerToken === undefined
              ? {}
              : { bearerToken: Redacted.make(more.bearerToken) }),
          },
        },
      ),
  }
}

const keyFolders = (dataDir: string): Promise<ReadonlyArray<string>> =>
  readdir(join(dataDir, "keys")).catch(() => [])

describe("over SSH", () => {
  it("a repository is fetched, blobless and updated, by protocol 2, and no key stays behind", async () => {
    const { host, sha, repo, with: at } = await given()
    const git = await client()
    const over = at({ identity: mine.private })
    expect(await git.run((g) => g.lsRemote(over, zero))).toBe(sha)
    expect(await git.texts(over, "deploy")).toEqual({ "deploy/a": "1\n" })
    await repo.commit({ "deploy/a": "2\n" })
    expect(await git.texts(over, "deploy")).toEqual({ "deploy/a": "2\n" })
    expect(new Set(host.log.map(({ protocol }) => protocol))).toEqual(new Set(["version=2"]))
    expect(new Set(host.log.map(({ user }) => user))).toEqual(new Set(["git"]))
    expect(await keyFolders(git.dataDir)).toEqual([])
  })

  it.each([
    ["RSA in PEM", { type: "rsa", pem: true }],
    ["ECDSA", { type: "ecdsa" }],
    ["RSA in PEM with a passphrase", { type: "rsa", pem: true, passphrase: PASSPHRASE }],
  ] as const)("a key of %s opens", async (_, options) => {
    const key = sshKey(options)
    const { sha, with: at } = await given([key])
    const git = await client()
    const password = "passphrase" in options ? { password: options.passphrase } : {}
    const over = at({ identity: key.private, ...password })
    expect(await git.run((g) => g.lsRemote(over, zero))).toBe(sha)
  })

  it("an encrypted key opens with its passphrase, and one that is not encrypted with one too many", async () => {
    const { sha, with: at } = await given()
    const git = await client()
    const over = at({ identity: locked.private, password: PASSPHRASE })
    expect(await git.run((g) => g.lsRemote(over, zero))).toBe(sha)
    const more = at({
      identity: mine.private,
      password: "unneeded",
      username: "ann",
      bearerToken: "t",
    })
    expect(await git.run((g) => g.lsRemote(more, zero))).toBe(sha)
  })

  it("a key with the line ends of another system, and none at its end, opens", async () => {
    const { sha, with: at } = await given()
    const git = await client()
    const identity = mine.private.trim().replaceAll("\n", "\r\n")
    expect(await git.run((g) => g.lsRemote(at({ identity }), zero))).toBe(sha)
  })

  it("one commit is fetched by its id", async () => {
    const { sha, repo, with: at } = await given()
    await repo.commit({ "deploy/a": "2\n" })
    const git = await client()
    const fixed = { ...at({ identity: mine.private }), ref: { commit: sha } }
    expect(await git.texts(fixed, "deploy")).toEqual({ "deploy/a": "1\n" })
  })

  it("the keys are in files that only their owner reads, and in nobody's arguments or environment", async () => {
    const { host, with: at } = await given()
    const git = await client()
    host.hang("afterGreeting")
    const over = at({ identity: locked.private, password: PASSPHRASE })
    const asking = git.start((g) => g.lsRemote(over, zero))
    const isSsh = ({ argv }: { argv: string }) => /^ssh /u.test(argv)
    await until(() => host.connections() > 0 && processesOf(git.dataDir).some(isSsh))
    const [folder = ""] = await keyFolders(git.dataDir)
    for (const name of await readdir(join(git.dataDir, "keys", folder))) {
      const { mode } = await stat(join(git.dataDir, "keys", folder, name))
      expect([name, mode & 0o077]).toEqual([name, 0])
    }
    expect((await stat(join(git.dataDir, "keys", folder))).mode & 0o077).toBe(0)
    const told = processesOf(git.dataDir).map(({ argv, environment }) => argv + environment)
    expect(told.length).toBeGreaterThan(1)
    const body = locked.private.split("\n")[1] ?? "none"
    for (const text of told) {
      expect(text).not.toContain(PASSPHRASE)
      expect(text).not.toContain(body)
      expect(text).not.toContain("SSH_AUTH_SOCK")
    }
    await Effect.runPromise(Fiber.interrupt(asking))
    expect(processesOf(git.dataDir)).toEqual([])
    expect(await keyFolders(git.dataDir)).toEqual([])
    await until(() => host.connections() === 0)
  })

  it("what a killed controller left of keys is gone at the next start", async () => {
    const git = await client()
    await git.close()
    const left = join(git.dataDir, "keys", "key-left")
    await mkdir(left, { recursive: true })
    await writeFile(join(left, "identity"), mine.private)
    const next = await client({ dataDir: git.dataDir })
    const url = "https://git.example/app.git"
    expect(await next.run((g) => g.head(source({ url })))).toBeUndefined()
    expect(existsSync(left)).toBe(false)
  })

  it.each(["silent", "afterGreeting"] as const)(
    "a server that hangs in the handshake (%s) ends with the deadline, and every process with it",
    async (how) => {
      const { host, with: at } = await given()
      const git = await client({ fetchTimeout: "1 second" })
      host.hang(how)
      const over = at({ identity: mine.private })
      expect(await git.run((g) => faultIn(g.sync(over, ".")))).toBe("timeout")
      expect(processesOf(git.dataDir)).toEqual([])
      expect(await keyFolders(git.dataDir)).toEqual([])
      host.hang(undefined)
      expect(await git.texts(over, "deploy")).toEqual({ "deploy/a": "1\n" })
    },
  )
})

describe("over SSH it is refused, with the reason and the way out and no secret:", () => {
  const other = sshKey()
  const lineOf = (host: SshServer, key: SshKey) => `[127.0.0.1]:${host.port} ${key.public}\n`

  const cases: ReadonlyArray<
    readonly [
      string,
      (host: SshServer) => Parameters<Given["with"]>[0],
      keyof typeof FAULTS,
      RegExp,
    ]
  > = [
    [
      "a host that known_hosts does not name",
      () => ({ identity: mine.private, knownHosts: `example.com ${other.public}\n` }),
      "hostKey",
      /No ED25519 host key is known for \[127\.0\.0\.1\]:\d+/,
    ],
    [
      "a host whose key changed",
      (host) => ({ identity: mine.private, knownHosts: lineOf(host, other) }),
      "hostKeyChanged",
      /Host key for .* has changed/,
    ],
    [
      "known_hosts that is no such file",
      () => ({ identity: mine.private, knownHosts: "nonsense\n" }),
      "hostKey",
      /host key is known/,
    ],
    [
      "a key that the server does not know",
      () => ({ identity: other.private }),
      "authentication",
      /Permission denied \(publickey\)/,
    ],
    [
      "a wrong passphrase",
      () => ({ identity: locked.private, password: "wrong one" }),
      "sshCredentials",
      /incorrect passphrase/,
    ],
    [
      "no passphrase",
      () => ({ identity: locked.private }),
      "sshCredentials",
      /encrypted, and the Secret has no password/,
    ],
    ["no identity", () => ({}), "sshCredentials", /needs the key identity/],
    [
      "a password instead of a key",
      () => ({ username: "ann", password: "word" }),
      "sshCredentials",
      /needs the key identity/,
    ],
    [
      "no known_hosts",
      () => ({ identity: mine.private, knownHosts: "" }),
      "sshCredentials",
      /needs the key known_hosts/,
    ],
    ["a public key", () => ({ identity: mine.public }), "sshCredentials", /public key/],
    [
      "half a key",
      () => ({ identity: mine.private.slice(0, 120) }),
      "sshCredentials",
      /no private key/,
    ],
    [
      "a key with a broken middle",
      () => ({
        identity: mine.private.replace(/\n(.{60})/gu, (_, text) => `\n${text.slice(0, 40)}`),
      }),
      "sshCredentials",
      /Load key "identity"/,
    ],
  ]
  it.each(cases)("%s", async (_, credentials, fault, reason) => {
    const { host, with: at } = await given()
    const over = at(credentials(host))
    const git = await client()
    for (const ask of [
      await git.failure((g) => g.sync(over, ".")),
      await git.failure((g) => g.lsRemote(over, zero)),
    ]) {
      expect(ask.reason).toMatch(reason)
      expect(ask).toMatchObject({ code: FAULTS[fault].code, disposition: "stall" })
      const told = JSON.stringify(ask)
      for (const secret of ["wrong one", "keys/key-", PASSPHRASE, git.dataDir]) {
        expect(told).not.toContain(secret)
      }
      for (const line of [mine, locked, other].map((key) => key.private.split("\n")[1] ?? "none")) {
        expect(told).not.toContain(line.slice(8, 30))
      }
    }
    expect(await keyFolders(git.dataDir)).toEqual([])
  })

  it("a repository that is not there", async () => {
    const { url, with: at } = await given()
    const git = await client()
    const over = { ...at({ identity: mine.private }), url: url.replace("app", "absent") }
    const error = await git.failure((g) => g.sync(over, "."))
    expect(error).toMatchObject({ code: FAULTS.repositoryMissing.code, disposition: "stall" })
    expect(error.reason).toContain("Repository not found")
  })

  it.each([
    ["fatal: write error: No space left on device\n", "badAnswer", /remote: .*No space left/],
    ["fatal: index-pack failed: bad object\n", "badAnswer", /remote: .*bad object/],
    ["error: cannot mkdir /srv: Permission denied\n", "badAnswer", /cannot mkdir/],
    ["remote: ERROR: requested too many times. Try again.\n", "rateLimited", /asked for rest/],
  ] as const)("what ails the server, which is not our disk: %j", async (words, fault, reason) => {
    const { host, with: at } = await given()
    const git = await client()
    const over = at({ identity: mine.private })
    await git.texts(over, "deploy")
    host.complain(words)
    const error = await git.failure((g) => g.lsRemote(over, zero))
    expect(error).toMatchObject({ code: FAULTS[fault].code, disposition: "retry" })
    expect(error.reason).toMatch(reason)
    expect((await git.mirrors()).length).toBe(1)
  })

  it("a key that would take hours to open, at once", async () => {
    const bytes = Buffer.from(locked.private.replace(/-----.*-----|\n/gu, ""), "base64")
    bytes.writeUInt32BE(2 ** 31, bytes.indexOf("bcrypt") + "bcrypt".length + 8 + 16)
    const identity = `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`
    const { host, with: at } = await given()
    const git = await client()
    const error = await git.failure((g) => g.sync(at({ identity, password: PASSPHRASE }), "."))
    expect(error).toMatchObject({ code: FAULTS.sshCredentials.code, disposition: "stall" })
    expect(error.reason).toContain("2147483648 rounds of bcrypt")
    expect(host.log).toEqual([])
  })

  it("a server that is not there", async () => {
    const { host, with: at } = await given()
    const over = at({ identity: mine.private })
    await host.stop()
    const git = await client()
    const error = await git.failure((g) => g.sync(over, "."))
    expect(error).toMatchObject({ code: FAULTS.unreachable.code, disposition: "retry" })
    expect(error.reason).toContain("Connection refused")
  })

  it("no program ssh", async () => {
    const { with: at } = await given()
    const git = await client()
    await git.close()
    const bin = join(git.dataDir, "bin")
    await mkdir(bin)
    const path = process.env["PATH"]?.split(":").find((one) => existsSync(join(one, "git")))
    await writeFile(join(bin, "git"), `#!/bin/sh\nexec ${path}/git "$@"\n`, { mode: 0o700 })
    const bare = await client({ environment: { PATH: bin } })
    const error = await bare.failure((g) => g.sync(at({ identity: mine.private }), "."))
    expect(error).toMatchObject({ code: FAULTS.sshMissing.code, disposition: "stall" })
  })

  it("the configuration of the user who runs it, which is not read", async () => {
    const { sha, with: at } = await given()
    const git = await client()
    const home = join(git.dataDir, "home", ".ssh")
    await mkdir(home, { recursive: true })
    await writeFile(join(home, "config"), "Host *\n  ProxyCommand false\n")
    await writeFile(join(home, "known_hosts"), "x")
    expect(await git.run((g) => g.lsRemote(at({ identity: mine.private }), zero))).toBe(sha)
    expect(await readFile(join(home, "known_hosts"), "utf8")).toBe("x")
  })
})
