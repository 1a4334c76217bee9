import { Redacted, Schedule } from "effect"
import * as Effect from "effect/Effect"
import { describe, expect, it, vi } from "vitest"
import { FAULTS } from "../../src/git/failure.ts"
import { faultIn, source } from "../contract/Git.contract.ts"
import { redirect, status } from "../gitserver/failures.ts"
import { client, server, zero } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds
const dateIn = (seconds: number): string => new Date(inSeconds(seconds) * 1000).toUTCString()

/** Two repositories of one server, and one of another. */
const world = async (users?: Readonly<Record<string, string>>) => {
  const options = users === undefined ? {} : { users }
  const [host, other] = [await server(options), await server(options)]
  const [shop, blog] = [await host.createRepo("shop"), await host.createRepo("blog")]
  const away = await other.createRepo("away")
  for (const repo of [shop, blog, away]) await repo.commit({ a: "1" })
  return { host, shop, blog, away, git: await client() }
}

const as = (name: string) => ({
  credentials: { username: name, password: Redacted.make(`${name}-word`) },
})

describe("a server that limits", () => {
  it.each([
    [status(429, { "Retry-After": "3000" }), "rateLimited", 3000],
    [status(429, { "Retry-After": dateIn(3000) }), "rateLimited", 2000],
    [status(429), "rateLimited", 60],
    [status(429, { "Retry-After": "soon" }), "rateLimited", 60],
    [status(429, { "Retry-After": "99999999999" }), "rateLimited", 3600],
    [status(503, { "Retry-After": "3000" }), "serverError", 3000],
    [
      status(403, { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": `${inSeconds(3000)}` }),
      "rateLimited",
      2000,
    ],
    [
      status(429, { "RateLimit-Remaining": "0", "RateLimit-Reset": `${inSeconds(3000)}` }),
      "rateLimited",
      2000,
    ],
    [status(403, {}, "You have exceeded a secondary rate limit."), "rateLimited", 60],
  ] as const)(
    "by %j is left alone, whatever is asked, and another is not",
    async (failure, fault, rest) => {
      const { host, shop, blog, away, git } = await world()
      shop.fail({ ...failure, headers: { "content-type": "text/plain", ...failure.headers } })
      const told = await git.failure((g) => g.lsRemote(source(shop), zero))
      expect(told.code).toBe(FAULTS[fault].code)
      expect(told.reason).toMatch(/asked for rest: it is asked nothing before \d{4}-[^ ]*Z: fatal/)
      expect(told.reason).toContain(host.url)
      expect(told.retryAfter).toBeGreaterThanOrEqual(rest * 1000)
      expect(told.retryAfter).toBeLessThan(3_700_000)
      shop.recover()
      host.clearLog()
      for (const repo of [shop, blog]) {
        const held = await git.failure((g) => g.sync(source(repo), "."))
        expect([held.code, held.reason.includes("fatal")]).toEqual([FAULTS[fault].code, false])
        expect(held.retryAfter).toBeGreaterThanOrEqual((rest - 60) * 1000)
      }
      expect(host.log).toHaveLength(0)
      expect(await git.texts(source(away), ".")).toEqual({ a: "1" })
    },
  )

  it("is asked again when the rest is over", async () => {
    const { shop, blog, git } = await world()
    shop.fail(status(429, { "Retry-After": "1" }), { times: 1 })
    expect(await git.run((g) => faultIn(g.sync(source(shop), ".")))).toBe("rateLimited")
    expect(await git.run((g) => faultIn(g.sync(source(blog), ".")))).toBe("rateLimited")
    const again = (repo: typeof shop) =>
      git.run((g) => Effect.retry(g.sync(source(repo), "."), Schedule.spaced("100 millis")))
    expect((await again(blog)).sha).toBe(await blog.head())
    expect((await again(shop)).sha).toBe(await shop.head())
  })

  it("is not whom another one redirects to: each speaks for itself", async () => {
    const { shop, blog, away, git } = await world()
    shop.fail(redirect(away.url))
    away.fail(status(429, { "Retry-After": "3000" }))
    expect(await git.run((g) => faultIn(g.lsRemote(source(shop), zero)))).toBe("rateLimited")
    expect(await git.texts(source(blog), ".")).toEqual({ a: "1" })
  })

  it("is none for files, whatever their names say", async () => {
    const files = await client({ allowFileUrls: true })
    const repo = await (await server()).createRepo("app")
    await repo.commit({ a: "1" })
    const absent = source({ url: "file:///absent/rate%20limit.git" })
    expect((await files.failure((g) => g.lsRemote(absent, zero))).retryAfter).toBeUndefined()
    expect(await files.texts(source({ url: `file://${repo.path}` }), ".")).toEqual({ a: "1" })
  })

  it("by one account leaves the others of that server to themselves", async () => {
    const { host, shop, blog, git } = await world({ ann: "ann-word", ben: "ben-word" })
    shop.fail(status(429, { "Retry-After": "3000" }), { times: 1 })
    expect(await git.run((g) => faultIn(g.lsRemote(source(shop, as("ann")), zero)))).toBe(
      "rateLimited",
    )
    host.clearLog()
    expect(await git.run((g) => faultIn(g.sync(source(blog, as("ann")), ".")))).toBe("rateLimited")
    expect(await git.run((g) => faultIn(g.sync(source(blog), ".")))).toBe("rateLimited")
    expect(host.log).toHaveLength(0)
    expect(await git.texts(source(blog, as("ben")), ".")).toEqual({ a: "1" })
  })
})
