import { execFileSync } from "node:child_process"
import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Result } from "effect"
import { describe, expect, it, vi } from "vitest"
import { FAULTS } from "../../src/git/failure.ts"
import { type TrustedKey, trustedKeys } from "../../src/git/signature.ts"
import { faultIn, source } from "../contract/Git.contract.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { type SshKey, sshKey } from "../gitserver/sshKeys.ts"
import { client, folder, server } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const alice = sshKey()
const bob = sshKey()

const trust = (...all: ReadonlyArray<SshKey>): ReadonlyArray<TrustedKey> =>
  Result.getOrThrow(trustedKeys({ team: all.map((key) => key.public).join("\n") }))

const repoWith = async (): Promise<GitRepo> => {
  const repo = await (await server()).createRepo("app")
  await repo.commit({ "deploy/a": "1\n" })
  return repo
}

/** What is at main, once more and signed as git does it. */
const sign = async (repo: GitRepo, key: SshKey, message = "signed"): Promise<string> => {
  const file = join(await folder(), "key")
  await writeFile(file, key.private, { mode: 0o600 })
  const by = ["-c", "gpg.format=ssh", "-c", `user.signingkey=${file}`]
  const commit = [...by, "commit-tree", "-S", "-p", "main", "-m", message, "main^{tree}"]
  const sha = await repo.git(commit)
  await repo.reset(sha)
  return sha
}

/** The commit at main after this change of its text. */
const rewrite = async (repo: GitRepo, change: (text: string) => string): Promise<string> => {
  const text = await repo.git(["cat-file", "commit", "main"])
  const input = `${change(text)}\n`
  const sha = await repo.git(["hash-object", "-t", "commit", "-w", "--stdin"], { input })
  await repo.reset(sha)
  return sha
}

const verdict = async (repo: GitRepo, trusted: ReadonlyArray<TrustedKey>): Promise<unknown> => {
  const git = await client()
  const { sha } = await git.run((g) => g.sync(source(repo), "deploy"))
  const found = await git.run((g) => faultIn(g.verify(source(repo), sha, trusted)))
  expect(await readdir(join(git.dataDir, "keys")).catch(() => [])).toEqual([])
  return found
}

const GOOD = { succeeded: undefined }

describe("a commit", () => {
  it.each([
    ["Ed25519", alice],
    ["RSA", sshKey({ type: "rsa" })],
    ["ECDSA", sshKey({ type: "ecdsa" })],
  ])("that a trusted key signed (%s) is good, in a mirror that asks nobody", async (_, key) => {
    const repo = await repoWith()
    const sha = await sign(repo, key, "Grüße\n\nmit Ümläuten")
    expect(await verdict(repo, trust(bob, key))).toEqual(GOOD)
    const git = await client()
    await git.run((g) => g.sync(source(repo), "deploy"))
    repo.fail({ kind: "status", code: 500 })
    await git.run((g) => g.verify(source(repo), sha, trust(key)))
  })

  it("that is not signed is refused by name", async () => {
    const repo = await repoWith()
    const git = await client()
    const { sha } = await git.run((g) => g.sync(source(repo), "deploy"))
    const error = await git.failure((g) => g.verify(source(repo), sha, trust(alice)))
    expect(error).toMatchObject({ code: FAULTS.unsigned.code, disposition: "stall" })
    expect(error.reason).toBe(`commit ${sha.slice(0, 12)}: it is not signed`)
  })

  it("that another key signed is refused, with that key's fingerprint", async () => {
    const repo = await repoWith()
    const sha = await sign(repo, bob)
    const git = await client()
    await git.run((g) => g.sync(source(repo), "deploy"))
    const error = await git.failure((g) => g.verify(source(repo), sha, trust(alice)))
    expect(error.code).toBe(FAULTS.untrusted.code)
    const file = join(await folder(), "key.pub")
    await writeFile(file, bob.public)
    const [, fingerprint = "none"] = execFileSync("ssh-keygen", ["-l", "-f", file], {
      encoding: "utf8",
    }).split(" ")
    expect(error.reason).toContain(fingerprint)
    expect(await verdict(repo, [])).toBe("untrusted")
  })

  it.each([
    ["message", (text: string) => text.replace(/signed$/u, "altered")],
    [
      "tree",
      (text: string) => text.replace(/^tree \w+/u, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    ],
    ["author", (text: string) => text.replace("author@example.com", "else@example.com")],
  ])("whose %s was altered after it was signed is refused", async (_, change) => {
    const repo = await repoWith()
    await repo.git(["hash-object", "-t", "tree", "-w", "--stdin"], { input: "" })
    await sign(repo, alice)
    await rewrite(repo, change)
    expect(await verdict(repo, trust(alice))).toBe("altered")
  })

  it("with the signature of another commit, or of something that is no commit, is refused", async () => {
    const repo = await repoWith()
    await sign(repo, alice)
    const signatureOf = (text: string) => /^gpgsig (?:.*\n)(?: .*\n)*/mu.exec(text)?.[0] ?? "none"
    const first = signatureOf(await repo.git(["cat-file", "commit", "main"]))
    await repo.commit({ "deploy/a": "2\n" })
    await sign(repo, alice)
    await rewrite(repo, (text) => text.replace(signatureOf(text), first))
    expect(await verdict(repo, trust(alice))).toBe("altered")
    const place = await folder()
    await writeFile(join(place, "key"), alice.private, { mode: 0o600 })
    const payload = (await repo.git(["cat-file", "commit", "main"])).replace(first, "")
    await writeFile(join(place, "payload"), `${payload}\n`)
    execFileSync("ssh-keygen", [
      "-q",
      "-Y",
      "sign",
      "-n",
      "file",
      "-f",
      join(place, "key"),
      join(place, "payload"),
    ])
    const signed = execFileSync("cat", [join(place, "payload.sig")], { encoding: "utf8" })
    const header = `gpgsig ${signed.trimEnd().replaceAll("\n", "\n ")}\n`
    await rewrite(repo, (text) => text.replace(first, header))
    expect(await verdict(repo, trust(alice))).toBe("altered")
  })

  it("that is not in the mirror is gone, and nobody is asked for it", async () => {
    const repo = await repoWith()
    const git = await client()
    await git.run((g) => g.sync(source(repo), "deploy"))
    const unknown = "1".repeat(40)
    expect(await git.run((g) => faultIn(g.verify(source(repo), unknown, trust(alice))))).toBe(
      "gone",
    )
  })
})
