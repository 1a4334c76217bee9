import { Redacted, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { GitCredentials } from "../../src/domain/source.ts"
import { FAULTS } from "../../src/git/failure.ts"
import {
  isRefName,
  mirrorKey,
  mirrorRef,
  normalPath,
  parseRemote,
  shown,
} from "../../src/git/url.ts"
import { tryGit } from "../gitserver/RunGit.ts"

const place = { operation: "fetch", subject: "x" }
const password: GitCredentials = { username: "u", password: Redacted.make("word") }

const parse = (url: string, more: { files?: boolean; credentials?: GitCredentials } = {}) =>
  parseRemote(
    url,
    { allowFileUrls: more.files ?? false, credentials: more.credentials ?? {} },
    place,
  )

const codeOf = (url: string, more: Parameters<typeof parse>[1] = {}): string => {
  const parsed = parse(url, more)
  return Result.isFailure(parsed) ? parsed.failure.code : `accepted ${parsed.success.url}`
}

describe("URLs", () => {
  it.each([
    ["https://example.com/org/repo.git", "https://example.com/org/repo.git"],
    ["HTTPS://Example.COM:443/org/repo.git/", "https://example.com/org/repo.git"],
    ["https://example.com//org///repo", "https://example.com/org/repo"],
    ["http://example.com:80/a", "http://example.com/a"],
    ["https://example.com:8443/a%20b.git", "https://example.com:8443/a%20b.git"],
    ["https://example.com/a/../b.git", "https://example.com/b.git"],
    ["https://[::1]:8443/a.git", "https://[::1]:8443/a.git"],
  ])("%s is %s", (url, normal) => {
    expect(codeOf(url)).toBe(`accepted ${normal}`)
  })

  it.each([
    ["-oProxyCommand=x", FAULTS.urlRefused],
    ["ext::sh -c touch", FAULTS.urlRefused],
    ["fd::17", FAULTS.urlRefused],
    ["git://example.com/a", FAULTS.urlRefused],
    ["ftp://example.com/a", FAULTS.urlRefused],
    ["javascript:alert(1)", FAULTS.urlRefused],
    ["https:example.com/a", FAULTS.urlRefused],
    ["/srv/git/a", FAULTS.urlRefused],
    ["", FAULTS.urlRefused],
    ["https://exa mple.com/a", FAULTS.urlRefused],
    ["https://example.com/a\nb", FAULTS.urlRefused],
    ["https://example.com/a?token=x", FAULTS.urlRefused],
    ["https://example.com/a#x", FAULTS.urlRefused],
    ["https://ghp_token@example.com/a", FAULTS.urlRefused],
    ["https://user:word@example.com/a", FAULTS.urlRefused],
    ["file:///srv/git/a", FAULTS.fileRefused],
    ["git@example.com:org/a.git", FAULTS.sshCredentials],
    ["ssh://git@example.com/a.git", FAULTS.sshCredentials],
    ["git+ssh://example.com/a.git", FAULTS.urlRefused],
    ["ssh://git:word@example.com/a.git", FAULTS.urlRefused],
    ["ssh://-oProxyCommand=x/a.git", FAULTS.urlRefused],
    ["ssh://git@example.com/a.git?x", FAULTS.urlRefused],
    ["ssh://git@example.com", FAULTS.urlRefused],
    ["-oProxyCommand=x@example.com:a.git", FAULTS.urlRefused],
    ["git@example.com:-a.git", FAULTS.urlRefused],
    ["git@example.com:a b.git", FAULTS.urlRefused],
  ])("%j is refused", (url, { code }) => {
    expect(codeOf(url)).toBe(code)
  })

  it.each([
    ["http://example.com/a", FAULTS.plainCredentials.code],
    ["http://10.0.0.1/a", FAULTS.plainCredentials.code],
    ["http://127.0.0.1.example.com/a", FAULTS.plainCredentials.code],
    ["http://localhost.example.com/a", FAULTS.plainCredentials.code],
    ["http://127.0.0.1:8080/a", "accepted http://127.0.0.1:8080/a"],
    ["http://127.1/a", "accepted http://127.0.0.1/a"],
    ["http://[::1]/a", "accepted http://[::1]/a"],
    ["http://localhost:1/a", "accepted http://localhost:1/a"],
    ["https://example.com/a", "accepted https://example.com/a"],
  ])("credentials to %s: %s", (url, outcome) => {
    expect(codeOf(url, { credentials: password })).toBe(outcome)
  })

  it("an authority alone is no secret, and may go with plain http", () => {
    expect(codeOf("http://example.com/a", { credentials: { caCrt: "PEM" } })).toMatch(/^accepted/)
  })

  it("files are read where they are allowed", () => {
    expect(codeOf("file:///srv/git/a/", { files: true })).toBe("accepted file:///srv/git/a")
    expect(codeOf("ext::sh", { files: true })).toBe(FAULTS.urlRefused.code)
  })

  it("a normal URL is its own normal form", () => {
    fc.assert(
      fc.property(fc.webUrl(), (url) => {
        const parsed = parse(url)
        if (Result.isFailure(parsed)) return
        expect(codeOf(parsed.success.url)).toBe(`accepted ${parsed.success.url}`)
        expect(parsed.success.url.startsWith(parsed.success.origin)).toBe(true)
      }),
    )
  })

  it.each([
    ["ssh://git@Example.COM:22//org/app.git/", "accepted ssh://git@example.com/org/app.git"],
    ["ssh://example.com:2222/app", "accepted ssh://example.com:2222/app"],
    ["ssh://git@[::1]:2222/~git/app", "accepted ssh://git@[::1]:2222/~git/app"],
    ["git@Example.com:org//app.git/", "accepted git@example.com:org/app.git"],
    ["git@example.com:/srv/app.git", "accepted git@example.com:/srv/app.git"],
  ])("over SSH %s: %s", (url, outcome) => {
    const body = Buffer.from("openssh-key-v1\0\0\0\0\x04none").toString("base64")
    const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n-----END OPENSSH PRIVATE KEY-----`
    const credentials = { identity: Redacted.make(key), knownHosts: "example.com x y" }
    expect(codeOf(url, { credentials })).toBe(outcome)
  })

  it("are shown without user, password and control characters", () => {
    expect(shown("https://user:word@example.com/a\u001b[31m")).toBe("https://example.com/a?[31m")
  })
})

describe("mirror keys", () => {
  const key = (url: string, credentials: GitCredentials = {}): string =>
    mirrorKey(Result.getOrThrow(parse(url)), credentials)

  it("are equal for one place written two ways", () => {
    expect(key("https://example.com/a")).toBe(key("HTTPS://EXAMPLE.com:443//a/"))
  })

  it("differ by any part of the credentials", () => {
    const all: GitCredentials[] = [
      {},
      { username: "word" },
      { password: Redacted.make("word") },
      { bearerToken: Redacted.make("word") },
      { identity: Redacted.make("word") },
      { knownHosts: "word" },
      { caCrt: "word" },
      { username: "wo", password: Redacted.make("rd") },
    ]
    expect(new Set(all.map((one) => key("https://example.com/a", one))).size).toBe(all.length)
  })

  it("do not show the credentials", () => {
    expect(key("https://example.com/a", password)).toMatch(/^[0-9a-f]{64}$/)
  })

  it("of branches do not depend on slashes", () => {
    expect(mirrorRef("a/b")).toMatch(/^refs\/nopea\/[0-9a-f]{64}$/)
    expect(mirrorRef("a/b")).not.toBe(mirrorRef("a"))
  })
})

describe("branch names", () => {
  it("are what git itself takes, apart from a leading -", async () => {
    const parts = [
      "a",
      "-",
      "/",
      ".",
      "..",
      "@",
      "{",
      "~",
      "^",
      ":",
      "?",
      "*",
      "[",
      "\\",
      " ",
      ".lock",
      "ä",
      "\u007f",
      "\t",
    ]
    const names = fc.sample(
      fc
        .array(fc.constantFrom(...parts), { minLength: 1, maxLength: 5 })
        .map((some) => some.join("")),
      { numRuns: 250, seed: 7 },
    )
    const unique = [...new Set(["main", "release/1.0", "a.lock/b", "@", ...names])]
    const judged = await Promise.all(
      unique.map(async (name) => {
        const { code } = await tryGit(["check-ref-format", `refs/heads/${name}`])
        return [name, code === 0 && !name.startsWith("-") && name !== "@"] as const
      }),
    )
    expect(unique.map((name) => [name, isRefName(name)])).toEqual(judged)
  }, 60_000)

  it("are not endless", () => {
    expect(isRefName("a".repeat(251))).toBe(false)
  })
})

describe("paths", () => {
  it.each([
    [".", ""],
    ["", ""],
    ["./", ""],
    ["deploy", "deploy"],
    ["./deploy//app/", "deploy/app"],
    ["..a/b..", "..a/b.."],
    ["..", undefined],
    ["a/../b", undefined],
    ["/etc", undefined],
    ["a\0b", undefined],
  ])("%j is %j", (path, normal) => {
    expect(normalPath(path)).toBe(normal)
  })

  it("are normal after one turn, and never leave", () => {
    fc.assert(
      fc.property(fc.string(), (path) => {
        const normal = normalPath(path)
        if (normal === undefined) return
        expect(normalPath(normal)).toBe(normal)
        expect(normal.split("/")).not.toContain("..")
      }),
    )
  })
})
