import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { FAULTS } from "../../src/git/failure.ts"
import { faultIn, source } from "../contract/Git.contract.ts"
import { client, hour, server, until, zero } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describe("one commit", () => {
  it("asks its server for it once, and never again once it is there", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const commit = await repo.commit({ "deploy/a": "1\n" })
    await repo.commit({ "deploy/a": "2\n" })
    const git = await client()
    const fixed = source(repo, { ref: { commit } })
    expect(await git.texts(fixed, "deploy")).toEqual({ "deploy/a": "1\n" })
    expect(host.log.filter(({ command }) => command === "ls-refs")).toHaveLength(0)
    host.clearLog()
    expect(await git.texts(fixed, "deploy")).toEqual({ "deploy/a": "1\n" })
    expect(await git.run((g) => g.lsRemote(fixed, zero))).toBe(commit)
    expect(host.log).toHaveLength(0)
  })

  it("is there for another path too, and after the mirror was lost", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const commit = await repo.commit({ "a/x": "x\n", "b/y": "y\n" })
    await repo.commit({ "a/x": null, "b/y": null, z: "z" })
    const fixed = source(repo, { ref: { commit } })
    const git = await client()
    expect(await git.texts(fixed, "a")).toEqual({ "a/x": "x\n" })
    expect(await git.texts(fixed, "b")).toEqual({ "b/y": "y\n" })
    const other = await client()
    expect(await other.run((g) => g.files(fixed, commit, "b"))).toHaveLength(1)
  })

  it.each([
    ["that gives no objects by id", { wants: "tips" }],
    ["of protocol 0", { protocol: 0 }],
  ] as const)("comes from a server %s, where a branch is at it", async (_, serving) => {
    const repo = await (await server()).createRepo("app", serving)
    const commit = await repo.commit({ a: "1\n" })
    const git = await client()
    expect(await git.texts(source(repo, { ref: { commit } }), ".")).toEqual({ a: "1\n" })
  })

  it("by an id of SHA-256 is refused, and nobody is asked", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    await repo.commit({ a: "1\n" })
    const git = await client()
    const wrong = source(repo, { ref: { commit: "a".repeat(64) } })
    const error = await git.failure((g) => g.sync(wrong, "."))
    expect(error).toMatchObject({ code: FAULTS.unsupported.code, disposition: "stall" })
    expect(error.reason).toContain("one by SHA-256")
    expect(host.log).toHaveLength(0)
  })

  it("is refused by a server that gives only the heads of branches: the way out is said", async () => {
    const repo = await (await server()).createRepo("app", { wants: "tips", protocol: 0 })
    const commit = await repo.commit({ a: "1\n" })
    await repo.commit({ a: "2\n" })
    const git = await client()
    const error = await git.failure((g) => g.sync(source(repo, { ref: { commit } }), "."))
    expect(error).toMatchObject({ code: FAULTS.commitRefused.code, disposition: "stall" })
    expect(error.reason).toContain("unadvertised object")
    expect(error.fix).toContain("follow a branch or a tag")
  })

  it.each(["tree", "blob"])("that is a %s is refused, again and again", async (kind) => {
    const repo = await (await server()).createRepo("app")
    await repo.commit({ a: "1\n" })
    const commit = await repo.git(["rev-parse", kind === "tree" ? "main^{tree}" : "main:a"])
    const git = await client()
    const wrong = source(repo, { ref: { commit } })
    for (let round = 0; round < 2; round += 1) {
      expect(await git.run((g) => faultIn(g.sync(wrong, ".")))).toBe("noCommit")
    }
    expect(await git.run((g) => g.head(wrong))).toBeUndefined()
  })

  it("that is the id of a tag is refused: it names the tag, and the commit may be another", async () => {
    const repo = await (await server()).createRepo("app")
    await repo.commit({ a: "1\n" })
    const commit = await repo.tag("v1", { message: "one" })
    const git = await client()
    const wrong = source(repo, { ref: { commit } })
    expect(await git.run((g) => faultIn(g.sync(wrong, ".")))).toBe("noCommit")
  })
})

describe("a tag", () => {
  it("of a tag of a commit is the commit", async () => {
    const repo = await (await server()).createRepo("app")
    const sha = await repo.commit({ a: "1\n" })
    const inner = await repo.tag("inner", { message: "inner" })
    await repo.tag("outer", { commit: inner, message: "outer" })
    const git = await client()
    const outer = source(repo, { ref: { tag: "outer" } })
    expect((await git.run((g) => g.sync(outer, "."))).sha).toBe(sha)
    expect(await git.run((g) => g.lsRemote(outer, zero))).toBe(sha)
    expect((await git.run((g) => g.head(outer)))?.sha).toBe(sha)
  })

  it("of something else is refused", async () => {
    const repo = await (await server()).createRepo("app")
    await repo.commit({ a: "1\n" })
    await repo.tag("odd", { commit: await repo.git(["rev-parse", "main^{tree}"]) })
    const git = await client()
    const odd = source(repo, { ref: { tag: "odd" } })
    expect(await git.run((g) => faultIn(g.sync(odd, ".")))).toBe("noCommit")
  })

  it("that is annotated survives the repacking of its mirror", async () => {
    const repo = await (await server()).createRepo("app")
    const git = await client({ maxPacks: 1 })
    const stable = source(repo, { ref: { tag: "stable" } })
    await repo.commit({ a: "0\n" })
    await repo.tag("stable", { message: "0" })
    await git.run((g) => g.sync(stable, "."))
    await repo.commit({ a: "1\n" })
    await repo.tag("stable", { message: "1" })
    const { sha } = await git.run((g) => g.sync(stable, "."))
    const [mirror = ""] = await git.mirrors()
    const shallow = () => readFile(join(mirror, "shallow"), "utf8")
    await until(async () => (await shallow()) === `${sha}\n`)
    await repo.commit({ a: "2\n" })
    await repo.tag("stable", { message: "2" })
    expect(await git.texts(stable, ".")).toEqual({ a: "2\n" })
  })

  it("answers who asks again within a time from the first question", async () => {
    const host = await server()
    const repo = await host.createRepo("app")
    const sha = await repo.commit({ a: "1\n" })
    await repo.tag("v1.0.0", { message: "one" })
    const git = await client()
    const range = source(repo, { ref: { semver: "1.x" } })
    expect(await git.run((g) => g.lsRemote(range, zero))).toBe(sha)
    host.clearLog()
    expect(await git.run((g) => g.lsRemote(range, hour))).toBe(sha)
    expect(host.log).toHaveLength(0)
  })
})

describe("a range", () => {
  it("is answered with what there is where nothing is in it", async () => {
    const repo = await (await server()).createRepo("app")
    await repo.commit({ a: "1\n" })
    const git = await client()
    const three = source(repo, { ref: { semver: "3.x" } })
    const none = await git.failure((g) => g.sync(three, "."))
    expect(none.reason).toBe("no tag is a version in 3.x (there is none)")
    for (const tag of ["latest", "v1.0.0"]) await repo.tag(tag)
    const error = await git.failure((g) => g.sync(three, "."))
    expect(error).toMatchObject({ code: FAULTS.versionMissing.code, disposition: "wait" })
    expect(error.reason).toBe("no tag is a version in 3.x (there is: latest, v1.0.0)")
  })

  it("over more tags than are read is refused with the way out", async () => {
    const repo = await (await server()).createRepo("app")
    const sha = await repo.commit({ a: "1\n" })
    const name = (i: number) => `${i}-${"x".repeat(200)}`
    const input = Array.from({ length: 20_000 }, (_, i) => `create refs/tags/${name(i)} ${sha}\n`)
    await repo.git(["update-ref", "--stdin"], { input: input.join("") })
    await repo.git(["pack-refs", "--all"])
    const git = await client()
    const range = source(repo, { ref: { semver: "1.x" } })
    expect(await git.run((g) => faultIn(g.lsRemote(range, zero)))).toBe("tooManyTags")
    const one = source(repo, { ref: { tag: name(3) } })
    expect(await git.run((g) => g.lsRemote(one, zero))).toBe(sha)
  })
})
