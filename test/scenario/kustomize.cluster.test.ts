// Kustomizations from a Git server to the cluster, by the real kustomize.
import { readdirSync, readlinkSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"
import type { Files } from "../gitserver/fastImport.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const { kustomize = "" } = cluster().bin
const here = world({ env: { NOPEA_KUSTOMIZE: kustomize, NOPEA_KUSTOMIZE_TIMEOUT: "5s" } })

const overlay = (patch: string, more = ""): Files => ({
  "base/kustomization.yaml": "resources: [web.yaml, stays.yaml]\nlabels: [{pairs: {part: base}}]\n",
  "base/web.yaml": configMap("web", "base"),
  "base/stays.yaml": configMap("stays", "base"),
  "overlays/live/kustomization.yaml": `namePrefix: live-\nresources: [../../base]\npatches: [{path: patch.yaml}]\n${more}`,
  "overlays/live/patch.yaml": patch,
  "README.md": "no part of it",
})
const liveValue = async (name: string): Promise<Json> =>
  (await here.api.get(configMapKey(here.namespace, name)))?.data?.value

/** More work than there is time for. */
const runaway = (): Files => ({
  "base/kustomization.yaml":
    "configMapGenerator: [{name: x, literals: [a=b]}]\nresources: [web.yaml]\n",
  "base/web.yaml": configMap("web", "x"),
  "app/kustomization.yaml": `resources:\n${Array.from({ length: 1500 }, (_, at) => `- o${at}\n`).join("")}`,
  ...Object.fromEntries(
    Array.from({ length: 1500 }, (_, at) => [
      `app/o${at}/kustomization.yaml`,
      `namePrefix: o${at}-\nresources: [../../base]\n`,
    ]),
  ),
})

const place = () => join(here.controller.folder, "mirrors", "kustomize")
/** The folders of running builds. */
const builds = () => readdir(place()).catch(() => [])

const workplace = (pid: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ""
  }
}
/** Processes that work in such a folder, removed or not. */
const atWork = () => readdirSync("/proc").filter((pid) => workplace(pid).startsWith(place()))

describe.skipIf(kustomize === "")("a kustomization", () => {
  it("is applied with its base, a push to a patch is live, and a bad one prunes nothing", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("shop")
    const first = await repo.commit(overlay(configMap("web", "first")))
    await here.api.apply(gitRepository(here, "shop", repo.url, { path: "overlays/live" }))
    const status = await synced(here, "shop", first)
    assert.strictEqual(status.resourceCount, 2)
    assert.strictEqual(await liveValue("live-web"), "first")
    assert.strictEqual(await liveValue("live-stays"), "base")

    const second = await repo.commit({ "overlays/live/patch.yaml": configMap("web", "second") })
    await requestSync(here, "shop")
    await synced(here, "shop", second)
    assert.strictEqual(await liveValue("live-web"), "second")

    const base = await repo.commit({ "base/stays.yaml": configMap("stays", "changed") })
    await requestSync(here, "shop")
    await synced(here, "shop", base)
    assert.strictEqual(await liveValue("live-stays"), "changed")

    await repo.commit({ "overlays/live/patch.yaml": configMap("nobody", "third") })
    await requestSync(here, "shop")
    const failed = await statusOf(here, "shop", "is Failed", ({ phase }) => phase === "Failed")
    assert.strictEqual(failed.lastSyncedCommit, base)
    const [failure] = failed.failures
    assert.include(failure, { code: "NOPEA-R034", file: "overlays/live/kustomization.yaml" })
    assert.match(failure.reason, /no matches for Id ConfigMap.*nobody/u)
    assert.notInclude(JSON.stringify(failed), here.controller.folder)
    assert.strictEqual(await liveValue("live-web"), "second")
    assert.strictEqual(await liveValue("live-stays"), "changed")

    const remote = "components: ['https://example.com/x?ref=main']\n"
    await repo.commit(overlay(configMap("web", "fourth"), remote))
    await requestSync(here, "shop")
    await statusOf(here, "shop", "refuses what is remote", ({ failures }) =>
      (failures ?? []).some(
        ({ code, line, file }: Json) =>
          code === "NOPEA-R029" && line === 4 && file === "overlays/live/kustomization.yaml",
      ),
    )
    assert.strictEqual(await liveValue("live-web"), "second")

    const mended = await repo.commit(overlay(configMap("web", "fifth")))
    await requestSync(here, "shop")
    await synced(here, "shop", mended)
    assert.strictEqual(await liveValue("live-web"), "fifth")
    assert.deepStrictEqual(await builds(), [])
  })

  it("an object that leaves it is pruned", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("leaving")
    const both = await repo.commit({
      "kustomization.yaml": "resources: [a.yaml, b.yaml]\n",
      "a.yaml": configMap("leaving-a", "1"),
      "b.yaml": configMap("leaving-b", "1"),
    })
    await here.api.apply(gitRepository(here, "leaving", repo.url))
    await synced(here, "leaving", both)
    const one = await repo.commit({ "kustomization.yaml": "resources: [a.yaml]\n" })
    await requestSync(here, "leaving")
    await synced(here, "leaving", one)
    await here.api.waitForGone(configMapKey(here.namespace, "leaving-b"))
    assert.strictEqual(await liveValue("leaving-a"), "1")
  })

  it("that runs away is ended, and holds up no neighbour", async () => {
    explainFailure(here)
    const neighbour = await here.git.createRepo("neighbour")
    const before = await neighbour.commit({
      "kustomization.yaml": "resources: [a.yaml]\n",
      "a.yaml": configMap("neighbour", "1"),
    })
    await here.api.apply(gitRepository(here, "neighbour", neighbour.url))
    await synced(here, "neighbour", before)
    const wild = await here.git.createRepo("wild")
    await wild.commit(runaway())
    await here.api.apply(gitRepository(here, "wild", wild.url, { path: "app" }))
    await eventually("kustomize runs", async () => (await builds()).length > 0 || undefined)
    const after = await neighbour.commit({ "a.yaml": configMap("neighbour", "2") })
    await requestSync(here, "neighbour")
    await synced(here, "neighbour", after)
    const failed = await statusOf(here, "wild", "is Failed", ({ phase }) => phase === "Failed")
    assert.include(failed.failures[0], {
      code: "NOPEA-R023",
      file: "app/kustomization.yaml",
      reason: "kustomize takes longer than 5s",
    })
    assert.deepStrictEqual(await builds(), [])
    assert.deepStrictEqual(atWork(), [])
  })
})
