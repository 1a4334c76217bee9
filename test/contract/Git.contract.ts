// What every implementation of the Git port does, asked of one world with a server and a Git.
import { Duration, Effect, Result } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { GitError } from "../../src/domain/errors.ts"
import type { BlobId, CommitId, GitSource, TreeEntry } from "../../src/domain/source.ts"
import { FAULTS, type Fault } from "../../src/git/failure.ts"
import { Git } from "../../src/git/Git.ts"
import type { Files } from "../gitserver/fastImport.ts"

export interface CommitText {
  readonly message?: string
  readonly branch?: string
  readonly author?: { readonly name: string; readonly email: string }
  readonly time?: number
}

type Soon<A> = A | Promise<A>

export interface WorldRepo {
  readonly url: string
  readonly commit: (files: Files, options?: CommitText) => Soon<CommitId>
  readonly forcePush: (files: Files, options?: CommitText) => Soon<CommitId>
  readonly createBranch: (branch: string, commit?: CommitId) => Soon<void>
  readonly deleteBranch: (branch: string) => Soon<void>
  /** Annotated where it has a message. */
  readonly tag: (
    name: string,
    options?: { readonly commit?: CommitId; readonly message?: string },
  ) => Soon<unknown>
  readonly deleteTag: (name: string) => Soon<void>
}

export interface World {
  readonly createRepo: (name: string) => Soon<WorldRepo>
  /** The server answers with an error until it recovers. */
  readonly breakServer: (repo: WorldRepo) => void
  readonly mendServer: (repo: WorldRepo) => void
  readonly run: <A, E>(effect: Effect.Effect<A, E, Git>) => Promise<A>
  readonly stop: () => Promise<void>
}

export const source = (
  repo: { readonly url: string },
  more: Partial<GitSource> = {},
): GitSource => ({
  url: repo.url,
  branch: "main",
  credentials: {},
  ...more,
})

/** The error's code, or what there was instead of an error. */
export const faultIn = <A, R>(
  effect: Effect.Effect<A, GitError, R>,
): Effect.Effect<unknown, never, R> =>
  Effect.map(Effect.result(effect), (result) =>
    Result.isFailure(result)
      ? (Object.entries(FAULTS).find(([, { code }]) => code === result.failure.code)?.[0] as Fault)
      : { succeeded: result.success },
  )

const text = (blobs: ReadonlyMap<BlobId, Uint8Array>): ReadonlyArray<string> =>
  [...blobs.values()].map((bytes) => Buffer.from(bytes).toString())

const shape = (entries: ReadonlyArray<TreeEntry>) => entries.map(({ path, mode }) => [path, mode])

const zero = Duration.zero

export const gitContract = (makeWorld: () => Soon<World>): void => {
  let world: World
  let count = 0
  beforeAll(async () => {
    world = await makeWorld()
  })
  afterAll(() => world.stop())
  const repo = async (files: Files = { "deploy/a.yaml": "a: 1\n" }): Promise<WorldRepo> => {
    count += 1
    const made = await world.createRepo(`contract-${count}`)
    if (Object.keys(files).length > 0) await made.commit(files)
    return made
  }
  const run = <A, E>(body: (git: Git["Service"]) => Effect.Effect<A, E, never>): Promise<A> =>
    world.run(Effect.flatMap(Git, body))

  describe("sync", () => {
    it("answers the head's id, first line, author and time", async () => {
      const app = await repo({})
      const sha = await app.commit(
        { "a.yaml": "a: 1\n" },
        {
          message: "api: 3 replicas\n\nBecause.",
          author: { name: "Ann Ä", email: "ann@example.com" },
          time: 1_000_000_000,
        },
      )
      expect(await run((git) => git.sync(source(app), "."))).toEqual({
        sha,
        message: "api: 3 replicas",
        author: "ann@example.com",
        time: "2001-09-09T01:46:40Z",
      })
    })

    it("follows new commits, and a history that was replaced", async () => {
      const app = await repo()
      const first = await run((git) => git.sync(source(app), "deploy"))
      const second = await app.commit({ "deploy/a.yaml": "a: 2\n" })
      expect((await run((git) => git.sync(source(app), "deploy"))).sha).toBe(second)
      const third = await app.forcePush({ "deploy/b.yaml": "b: 1\n" })
      expect((await run((git) => git.sync(source(app), "deploy"))).sha).toBe(third)
      expect(new Set([first.sha, second, third]).size).toBe(3)
      const files = await run((git) => git.files(source(app), third, "deploy"))
      expect(shape(files)).toEqual([["deploy/b.yaml", "file"]])
    })

    it("serves two branches of one repository, also where one name begins the other", async () => {
      const app = await repo()
      const other = await app.commit({ "deploy/a.yaml": "other\n" }, { branch: "main-2" })
      const main = await run((git) => git.sync(source(app), "."))
      const branch = await run((git) => git.sync(source(app, { branch: "main-2" }), "."))
      expect(branch.sha).toBe(other)
      expect((await run((git) => git.head(source(app))))?.sha).toBe(main.sha)
    })

    it("says that a repository is empty, and serves its first commit", async () => {
      const app = await repo({})
      expect(await run((git) => faultIn(git.sync(source(app), ".")))).toBe("emptyRepository")
      expect(await run((git) => faultIn(git.lsRemote(source(app), zero)))).toBe("emptyRepository")
      const sha = await app.commit({ a: "1" })
      expect((await run((git) => git.sync(source(app), "."))).sha).toBe(sha)
    })

    it("says that a branch is missing, was deleted, and is there again", async () => {
      const app = await repo()
      const next = source(app, { branch: "next" })
      expect(await run((git) => faultIn(git.sync(next, ".")))).toBe("branchMissing")
      expect(await run((git) => faultIn(git.lsRemote(next, zero)))).toBe("branchMissing")
      await app.createBranch("next")
      const first = await run((git) => git.sync(next, "."))
      await app.deleteBranch("next")
      expect(await run((git) => faultIn(git.sync(next, ".")))).toBe("branchMissing")
      expect((await run((git) => git.head(next)))?.sha).toBe(first.sha)
      const again = await app.forcePush({ "z.yaml": "z: 1\n" }, { branch: "next" })
      expect((await run((git) => git.sync(next, "."))).sha).toBe(again)
      expect(again).not.toBe(first.sha)
    })

    it("fetches a commit that has nothing below the path; the listing then says so", async () => {
      const app = await repo()
      const { sha } = await run((git) => git.sync(source(app), "nowhere"))
      expect(await run((git) => faultIn(git.files(source(app), sha, "nowhere")))).toBe(
        "pathMissing",
      )
      expect(await run((git) => faultIn(git.files(source(app), sha, "deploy/a.yaml")))).toBe(
        "pathMissing",
      )
    })

    it("says that a repository does not exist", async () => {
      const app = await repo()
      const url = app.url.replace(/\/[^/]*$/u, "/absent.git")
      expect(await run((git) => faultIn(git.sync(source({ url }), ".")))).toBe("repositoryMissing")
    })

    it("fails while the server does, keeps what it has, and goes on afterwards", async () => {
      const app = await repo()
      const { sha } = await run((git) => git.sync(source(app), "deploy"))
      world.breakServer(app)
      expect(await run((git) => faultIn(git.sync(source(app), "deploy")))).toBe("serverError")
      expect(await run((git) => faultIn(git.lsRemote(source(app), zero)))).toBe("serverError")
      const [entry] = await run((git) => git.files(source(app), sha, "deploy"))
      const blobs = await run((git) => git.read(source(app), sha, [entry?.blob ?? ""]))
      expect(text(blobs)).toEqual(["a: 1\n"])
      world.mendServer(app)
      expect((await run((git) => git.sync(source(app), "deploy"))).sha).toBe(sha)
    })
  })

  describe("a reference instead of the branch", () => {
    const at = (repo: WorldRepo, ref: NonNullable<GitSource["ref"]>) => source(repo, { ref })
    const both = (target: GitSource) =>
      run((git) => Effect.all([git.sync(target, "."), git.lsRemote(target, zero)])).then(
        ([commit, tip]) => [commit.sha, tip],
      )
    const faults = (target: GitSource) =>
      run((git) =>
        Effect.all([faultIn(git.sync(target, ".")), faultIn(git.lsRemote(target, zero))]),
      )

    it.each([
      ["a plain tag", {}],
      ["an annotated tag", { message: "first release" }],
    ])("%s is its commit, and is followed where it moves", async (_, options) => {
      const app = await repo({})
      const first = await app.commit({ a: "1" })
      await app.tag("stable", options)
      const second = await app.commit({ a: "2" })
      const stable = at(app, { tag: "stable" })
      expect(await both(stable)).toEqual([first, first])
      expect((await run((git) => git.head(stable)))?.sha).toBe(first)
      await app.tag("stable", { ...options, commit: second })
      expect(await both(stable)).toEqual([second, second])
      expect((await run((git) => git.head(stable)))?.sha).toBe(second)
    })

    it("a tag and a branch of one name are two", async () => {
      const app = await repo({})
      const first = await app.commit({ a: "1" })
      await app.tag("main")
      const second = await app.commit({ a: "2" })
      expect(await both(at(app, { tag: "main" }))).toEqual([first, first])
      expect(await both(source(app))).toEqual([second, second])
      expect(await both(at(app, { tag: "main" }))).toEqual([first, first])
    })

    it("a tag that is missing, was deleted, and is there again", async () => {
      const app = await repo()
      const stable = at(app, { tag: "stable" })
      expect(await faults(stable)).toEqual(["tagMissing", "tagMissing"])
      await app.tag("stable")
      const { sha } = await run((git) => git.sync(stable, "."))
      await app.deleteTag("stable")
      expect(await faults(stable)).toEqual(["tagMissing", "tagMissing"])
      expect((await run((git) => git.head(stable)))?.sha).toBe(sha)
      await app.tag("stable")
      expect(await both(stable)).toEqual([sha, sha])
    })

    it("the highest version in a range, which moves on with new tags and back with deleted ones", async () => {
      const app = await repo({})
      const commits: string[] = []
      for (const tag of ["v1.0.0", "1.2.0", "v2.0.0-rc.1", "nightly"]) {
        commits.push(await app.commit({ a: tag }))
        await app.tag(tag, tag === "1.2.0" ? { message: "second" } : {})
      }
      const [first, second, third] = commits
      const one = at(app, { semver: "1.x" })
      expect(await both(one)).toEqual([second, second])
      expect(await both(at(app, { semver: ">=2.0.0-0" }))).toEqual([third, third])
      const next = await app.commit({ a: "v1.10.0" })
      await app.tag("v1.10.0")
      expect(await both(one)).toEqual([next, next])
      await app.deleteTag("v1.10.0")
      await app.deleteTag("1.2.0")
      expect(await both(one)).toEqual([first, first])
      const three = at(app, { semver: "3.x" })
      expect(await faults(three)).toEqual(["versionMissing", "versionMissing"])
    })

    it("one commit, also where no branch leads to it any more, and without a further question", async () => {
      const app = await repo({})
      const first = await app.commit({ "deploy/a": "1", b: "b" })
      await app.commit({ "deploy/a": "2" })
      const fixed = at(app, { commit: first })
      expect(await both(fixed)).toEqual([first, first])
      world.breakServer(app)
      expect(await both(fixed)).toEqual([first, first])
      world.mendServer(app)
      const files = await run((git) => git.files(fixed, first, "."))
      expect(shape(files).map(([path]) => path)).toEqual(["b", "deploy/a"])
    })

    it("a commit that is not there", async () => {
      const app = await repo()
      const absent = at(app, { commit: "1".repeat(40) })
      expect(await run((git) => faultIn(git.sync(absent, ".")))).toBe("commitMissing")
      expect(await run((git) => git.head(absent))).toBeUndefined()
    })
  })

  describe("lsRemote", () => {
    it("answers the branch's head without fetching", async () => {
      const app = await repo({})
      const sha = await app.commit({ a: "1" })
      expect(await run((git) => git.lsRemote(source(app), zero))).toBe(sha)
      expect(await run((git) => git.head(source(app)))).toBeUndefined()
    })

    it("gives an answer again that is young enough, and asks again for a younger one", async () => {
      const app = await repo({})
      const first = await app.commit({ a: "1" })
      expect(await run((git) => git.lsRemote(source(app), zero))).toBe(first)
      const second = await app.commit({ a: "2" })
      expect(await run((git) => git.lsRemote(source(app), Duration.hours(1)))).toBe(first)
      expect(await run((git) => git.lsRemote(source(app), zero))).toBe(second)
      expect(await run((git) => git.lsRemote(source(app), Duration.hours(1)))).toBe(second)
    })

    it("never repeats a failure to one who asks again", async () => {
      const app = await repo()
      world.breakServer(app)
      const hour = Duration.hours(1)
      expect(await run((git) => faultIn(git.lsRemote(source(app), hour)))).toBe("serverError")
      world.mendServer(app)
      expect(await run((git) => git.lsRemote(source(app), hour))).toMatch(/^[0-9a-f]{40}$/)
    })
  })

  describe("files", () => {
    const tree: Files = {
      "README.md": "hello\n",
      "deploy/b.yaml": "b\n",
      "deploy/a/x.yaml": "x\n",
      "deploy/a.yaml": "a\n",
      "deploy/run": { executable: "#!/bin/sh\n" },
      "deploy/link": { symlink: "../README.md" },
      "deploy/module": { submodule: "1".repeat(40) },
      'deploy/odd "näme"\\.yaml': "odd\n",
      "deployment/no.yaml": "no\n",
    }

    it("lists everything below the path by mode, sorted by the path's bytes", async () => {
      const app = await repo(tree)
      const { sha } = await run((git) => git.sync(source(app), "deploy"))
      expect(shape(await run((git) => git.files(source(app), sha, "deploy")))).toEqual([
        ["deploy/a.yaml", "file"],
        ["deploy/a/x.yaml", "file"],
        ["deploy/b.yaml", "file"],
        ["deploy/link", "symlink"],
        ["deploy/module", "submodule"],
        ['deploy/odd "näme"\\.yaml', "file"],
        ["deploy/run", "executable"],
      ])
    })

    it("takes a path as people write it, and refuses one that leaves the repository", async () => {
      const app = await repo(tree)
      const { sha } = await run((git) => git.sync(source(app), "./deploy//a/"))
      for (const path of ["deploy/a", "./deploy/a/", "deploy//a", "deploy/./a"]) {
        const files = await run((git) => git.files(source(app), sha, path))
        expect(shape(files)).toEqual([["deploy/a/x.yaml", "file"]])
      }
      expect(await run((git) => git.files(source(app), sha, "."))).toHaveLength(9)
      for (const path of ["..", "deploy/../..", "/etc", "a\0b"]) {
        expect(await run((git) => faultIn(git.sync(source(app), path)))).toBe("pathRefused")
        expect(await run((git) => faultIn(git.files(source(app), sha, path)))).toBe("pathRefused")
      }
    })

    it("takes a path literally", async () => {
      const app = await repo({ "a*b/x": "1", "aab/y": "2", ":(top)/z": "3" })
      const { sha } = await run((git) => git.sync(source(app), "a*b"))
      expect(shape(await run((git) => git.files(source(app), sha, "a*b")))).toEqual([
        ["a*b/x", "file"],
      ])
      expect(shape(await run((git) => git.files(source(app), sha, ":(top)")))).toEqual([
        [":(top)/z", "file"],
      ])
    })

    it("still lists an older commit after the branch moved on", async () => {
      const app = await repo()
      const { sha } = await run((git) => git.sync(source(app), "deploy"))
      await app.commit({ "deploy/b.yaml": "b\n" })
      await run((git) => git.sync(source(app), "deploy"))
      expect(await run((git) => git.files(source(app), sha, "deploy"))).toHaveLength(1)
    })

    it("fetches the head where the mirror is new, and says that an unknown commit is gone", async () => {
      const app = await repo({})
      const sha = await app.commit({ "deploy/a.yaml": "a\n" })
      expect(await run((git) => git.files(source(app), sha, "deploy"))).toHaveLength(1)
      const unknown = "1".repeat(40)
      expect(await run((git) => faultIn(git.files(source(app), unknown, ".")))).toBe("gone")
    })
  })

  describe("read", () => {
    it("gives every byte as it was committed", async () => {
      const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256))
      const app = await repo({ "d/bytes": bytes, "d/empty": "", "d/lines": "a\n\nmissing\n" })
      const { sha } = await run((git) => git.sync(source(app), "d"))
      const entries = await run((git) => git.files(source(app), sha, "d"))
      const blobs = await run((git) =>
        git.read(
          source(app),
          sha,
          entries.map(({ blob }) => blob),
        ),
      )
      const [first, second, third] = entries.map(({ blob }) => blobs.get(blob))
      expect(Buffer.from(first ?? []).equals(bytes)).toBe(true)
      expect(second).toHaveLength(0)
      expect(Buffer.from(third ?? []).toString()).toBe("a\n\nmissing\n")
    })

    it("gives the target of a symbolic link, never what lies behind it", async () => {
      const app = await repo({ "d/link": { symlink: "/etc/passwd" } })
      const { sha } = await run((git) => git.sync(source(app), "d"))
      const [link] = await run((git) => git.files(source(app), sha, "d"))
      const blobs = await run((git) => git.read(source(app), sha, [link?.blob ?? ""]))
      expect(text(blobs)).toEqual(["/etc/passwd"])
    })

    it("fetches blobs from outside the synced path", async () => {
      const app = await repo({ "a/x": "x\n", "b/y": "y\n" })
      const { sha } = await run((git) => git.sync(source(app), "a"))
      const [entry] = await run((git) => git.files(source(app), sha, "b"))
      const blobs = await run((git) => git.read(source(app), sha, [entry?.blob ?? ""]))
      expect(text(blobs)).toEqual(["y\n"])
    })

    it("reads nothing where nothing is asked for, and says that an unknown blob is gone", async () => {
      const app = await repo()
      const { sha } = await run((git) => git.sync(source(app), "."))
      expect((await run((git) => git.read(source(app), sha, []))).size).toBe(0)
      const unknown = "1".repeat(40)
      expect(await run((git) => faultIn(git.read(source(app), sha, [unknown])))).toBe("gone")
    })
  })

  describe("refusals", () => {
    it.each([
      ["-main", "branchRefused"],
      ["a..b", "branchRefused"],
      ["", "branchRefused"],
      ["a b", "branchRefused"],
    ])("branch %j", async (branch, fault) => {
      const app = await repo()
      expect(await run((git) => faultIn(git.sync(source(app, { branch }), ".")))).toBe(fault)
    })

    it.each([
      [{ tag: "-v1" }, "tagRefused"],
      [{ tag: "a..b" }, "tagRefused"],
      [{ semver: "banana" }, "rangeRefused"],
      [{ semver: "!=1.2.0" }, "rangeRefused"],
      [{ commit: "main" }, "commitMissing"],
      [{ commit: "-1" }, "commitMissing"],
    ])("reference %j", async (ref, fault) => {
      const app = await repo()
      expect(await run((git) => faultIn(git.sync(source(app, { ref }), ".")))).toBe(fault)
    })

    it.each([
      ["--upload-pack=touch /tmp/x", "urlRefused"],
      ["ext::sh -c true", "urlRefused"],
      ["https://user:word@example.com/a.git", "urlRefused"],
      ["git@example.com:org/a.git", "sshCredentials"],
      ["ssh://git@example.com/org/a.git", "sshCredentials"],
      ["ssh://-oProxyCommand=x/a.git", "urlRefused"],
      ["git@-oProxyCommand=x:a.git", "urlRefused"],
      ["git@example.com:-x", "urlRefused"],
    ])("URL %j", async (url, fault) => {
      expect(await run((git) => faultIn(git.sync(source({ url }), ".")))).toBe(fault)
      expect(await run((git) => faultIn(git.lsRemote(source({ url }), zero)))).toBe(fault)
    })
  })
}
