// Somebody sends as many deliveries as the controller answers: pushes go live, probes answer, nothing grows.
import { assert, describe, it } from "vitest"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { sumOf } from "../metrics/parse.ts"
import { type Built, build, SAMPLES } from "../webhook/deliveries.ts"
import { type Post, postOf, sendAll, startSender } from "../webhook/Sender.ts"
import { configMap, explainFailure, gitRepository, synced, world } from "./world.ts"

const SECRET = "in-the-environment"
const here = world({ env: { NOPEA_WEBHOOK_SECRET: SECRET } })
const ROUTE = "/webhook/github"
const LANES = 32
const FLOOD = 6_000
/** What 6,000 requests may leave behind in resident memory, garbage included. */
const GROWTH = 64 * 2 ** 20

const pushOf = (
  { url }: GitRepo,
  commit: string,
  id: string,
  over: { readonly secret?: string; readonly signed?: boolean } = {},
): Built => {
  const { github } = SAMPLES
  const repository = { clone_url: url }
  const body = { ...github.body, after: commit, repository, more: "x".repeat(10_000) }
  const headers = { ...github.headers, "x-github-delivery": id }
  return build({ ...github, body, headers }, { secret: SECRET, ...over })
}

/** Signed by somebody else, not signed, for nobody, and one that came before. */
const floodOf = (repo: GitRepo, commit: string): ReadonlyArray<Post> => [
  postOf(ROUTE, pushOf(repo, commit, "forged", { secret: "guess" })),
  postOf(ROUTE, pushOf(repo, commit, "bare", { signed: false })),
  postOf("/webhook/nobody/none", pushOf(repo, commit, "nobody")),
  postOf(ROUTE, pushOf(repo, commit, "replay")),
]

const begin = async (name: string, interval: string): Promise<GitRepo> => {
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit({ "a.yaml": configMap(name, "0") })
  await here.api.apply(gitRepository(here, name, repo.url, { interval }))
  await synced(here, name, commit)
  return repo
}

const deliver = async ({ headers, body }: Built): Promise<number> => {
  const url = `http://127.0.0.1:${here.controller.port}${ROUTE}`
  return (await fetch(url, { method: "POST", headers, body: new Uint8Array(body) })).status
}

/** Asks both probes again and again; answers every status that came. */
const probing = (): (() => Promise<ReadonlySet<number>>) => {
  const seen = new Set<number>()
  let isOn = true
  const ask = async () => {
    while (isOn) {
      for (const path of ["/health", "/ready"]) seen.add(await here.controller.probe(path))
    }
  }
  const asking = ask()
  return async () => {
    isOn = false
    await asking
    return seen
  }
}

const memory = async (): Promise<number> =>
  sumOf(await here.controller.says("/metrics"), "process_resident_memory_bytes") ?? Number.NaN

describe("a flood of deliveries", () => {
  it("keeps no push from going live and no probe from being answered", async () => {
    explainFailure(here)
    const hooked = await begin("hooked", "1h")
    const polled = await begin("polled", "1s")
    const first = String(await hooked.head())
    assert.strictEqual(await deliver(pushOf(hooked, first, "replay")), 202)
    const posts = floodOf(hooked, first)
    const { port } = here.controller
    const endless = { port, posts, lanes: LANES, count: Number.POSITIVE_INFINITY, name: "flood" }
    const sender = startSender(endless)
    const probes = probing()
    for (const round of ["1", "2", "3"]) {
      const byPoll = await polled.commit({ "a.yaml": configMap("polled", round) })
      const byHook = await hooked.commit({ "a.yaml": configMap("hooked", round) })
      assert.strictEqual(await deliver(pushOf(hooked, byHook, round)), 202)
      await synced(here, "hooked", byHook)
      await synced(here, "polled", byPoll)
    }
    assert.deepStrictEqual([...(await probes())], [200])
    const { statuses } = await sender.stop()
    assert.deepStrictEqual(Object.keys(statuses), ["200", "401"], JSON.stringify(statuses))
    assert.isAbove(statuses["401"] ?? 0, statuses["200"] ?? 0)
  }, 180_000)

  it("leaves neither memory nor log lines behind", async () => {
    explainFailure(here)
    const hooked = await begin("remembered", "1h")
    const first = String(await hooked.head())
    await deliver(pushOf(hooked, first, "replay"))
    const order = { port: here.controller.port, posts: floodOf(hooked, first), lanes: LANES }
    await sendAll({ ...order, count: FLOOD / 2, name: "warm" })
    const [before, lines] = [await memory(), (await here.controller.lines()).length]
    const { statuses } = await sendAll({ ...order, count: FLOOD, name: "flood" })
    assert.deepStrictEqual(statuses, { "200": FLOOD / 4, "401": (FLOOD * 3) / 4 })
    assert.isBelow((await memory()) - before, GROWTH)
    assert.isBelow((await here.controller.lines()).length - lines, 100)
  }, 180_000)
})
