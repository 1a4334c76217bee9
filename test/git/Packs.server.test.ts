// What fetches bring, beside what the server says that it sent.
import { randomBytes } from "node:crypto"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Fiber } from "effect"
import { describe, expect, it, vi } from "vitest"
import { source } from "../contract/Git.contract.ts"
import { stallAfter } from "../gitserver/failures.ts"
import { client, server, until } from "./fixture.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** Nothing makes it smaller. */
const noise = (bytes: number) => randomBytes(bytes / 2).toString("hex")

const given = async (path: string, size: number) => {
  const host = await server()
  const repo = await host.createRepo("app")
  const fetches: Array<number> = []
  const git = await client({ received: (bytes) => void fetches.push(bytes) })
  await repo.commit({ [path]: noise(size) })
  const texts = () => git.texts(source(repo), "deploy")
  /** Bytes that the server sent in answers with packs, and those that were counted. */
  const compared = async (work: () => Promise<unknown>) => {
    host.clearLog()
    fetches.splice(0)
    await work()
    const answers = host.log.filter(({ command }) => command === "fetch")
    const sent = answers.reduce((sum, { bytesSent }) => sum + bytesSent, 0)
    return { sent, fetched: fetches.reduce((sum, size) => sum + size, 0), times: fetches.length }
  }
  return { repo, git, texts, fetches, compared }
}

const halfPack = async (mirror: string): Promise<number> => {
  const folder = join(mirror, "objects", "pack")
  const [half] = (await readdir(folder)).filter((name) => name.startsWith("tmp_pack"))
  return half === undefined ? 0 : (await stat(join(folder, half))).size
}

describe("the bytes of packs that fetches bring", () => {
  it("are nearly what the server sent, at first, by an update, and for a blob that came later", async () => {
    const { repo, texts, compared } = await given("deploy/a", 400_000)
    const change = async (size: number) => {
      await repo.commit({ "deploy/b": noise(size) })
      await texts()
    }
    for (const work of [texts, () => change(200_000), () => change(3_000_000)]) {
      const { sent, fetched } = await compared(work)
      expect(fetched).toBeGreaterThan(0.9 * sent)
      expect(fetched).toBeLessThan(1.02 * sent)
    }
  })

  it("are none where nothing is fetched, and few where only something else changed", async () => {
    const { repo, git, texts, compared } = await given("deploy/a", 400_000)
    await texts()
    const commit = await repo.commit({ "src/b": "b" })
    const { fetched } = await compared(texts)
    expect(fetched).toBeGreaterThan(0)
    expect(fetched).toBeLessThan(2_000)
    const read = () => git.run((g) => g.files(source(repo), commit, "deploy"))
    expect(await compared(read)).toEqual({ sent: 0, fetched: 0, times: 0 })
  })

  it("are counted of a fetch that is cut too", async () => {
    const { repo, git, texts, fetches } = await given("deploy/a", 20_000)
    await texts()
    await repo.commit({ "deploy/a": noise(800_000) })
    fetches.splice(0)
    repo.fail(stallAfter(300_000), { step: "rpc" })
    const [mirror = ""] = await git.mirrors()
    const fiber = git.start((g) => g.sync(source(repo), "deploy"))
    await until(async () => (await halfPack(mirror)) > 100_000)
    await Effect.runPromise(Fiber.interrupt(fiber))
    expect(fetches).toHaveLength(1)
    expect(fetches[0]).toBeGreaterThan(100_000)
    expect(fetches[0]).toBeLessThanOrEqual(300_000)
  })
})
