import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world()

const ready = (status: Json): Json => status.conditions?.find((one: Json) => one.type === "Ready")

const waits = (name: string, why: string): Promise<Json> =>
  statusOf(
    here,
    name,
    `waits: ${why}`,
    (status) =>
      status.phase === "Pending" &&
      ready(status)?.reason === "DependencyNotReady" &&
      ready(status).message.includes(why),
  )

const repo = async (name: string, value = "x", files: Record<string, string> = {}) => {
  const made = await here.git.createRepo(name)
  const commit = await made.commit({ "a.yaml": configMap(name, value), ...files })
  return { made, commit, url: made.url }
}

const isThere = async (name: string): Promise<boolean> =>
  (await here.api.get(configMapKey(here.namespace, name))) !== undefined

const patch = (name: string, spec: object) =>
  here.api.patch(repositoryKey(here.namespace, name), { spec })

const JOB = JSON.stringify({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name: "migrate" },
  spec: {
    backoffLimit: 0,
    template: {
      spec: {
        restartPolicy: "Never",
        containers: [{ name: "main", image: "registry.example/migrate:1" }],
      },
    },
  },
})

describe("a repository that depends on others", () => {
  it("waits for one that does not exist, then for its first sync, and follows at once", async () => {
    explainFailure(here)
    const [base, app] = [await repo("base"), await repo("app")]
    await here.api.apply(gitRepository(here, "app", app.url, { dependsOn: ["base"] }))
    const held = await waits("app", "base does not exist")
    assert.isUndefined(held.lastSyncedCommit)
    assert.isFalse(await isThere("app"))
    await here.api.apply(gitRepository(here, "base", base.url))
    await synced(here, "base", base.commit)
    await synced(here, "app", app.commit)
  })

  it("keeps what was applied when a dependency fails, heals it, and holds back the next commit", async () => {
    explainFailure(here)
    const [base, app] = [await repo("bottom"), await repo("top")]
    await here.api.apply(gitRepository(here, "bottom", base.url))
    await here.api.apply(gitRepository(here, "top", app.url, { dependsOn: ["bottom"] }))
    await synced(here, "top", app.commit)
    await base.made.commit({ "b.yaml": "kind: [" })
    await requestSync(here, "bottom")
    await statusOf(here, "bottom", "has failed", ({ phase }) => phase === "Failed")
    await requestSync(here, "top")
    await here.api.delete(configMapKey(here.namespace, "top"))
    await here.api.waitFor(configMapKey(here.namespace, "top"), (live) => live !== undefined)
    await synced(here, "top", app.commit)
    const next = await app.made.commit({ "a.yaml": configMap("top", "y") })
    await requestSync(here, "top")
    const held = await waits("top", "bottom is not ready (RenderFailed)")
    assert.strictEqual(held.lastSyncedCommit, app.commit)
    await here.api.delete(configMapKey(here.namespace, "top"))
    const healed = await here.api.waitFor(
      configMapKey(here.namespace, "top"),
      (l) => l !== undefined,
    )
    assert.strictEqual(healed.data.value, "x")
    const told = await statusOf(here, "top", "tells the heal", (s) => s.history?.[0]?.healed === 1)
    assert.strictEqual(ready(told)?.reason, "DependencyNotReady")
    const mended = await base.made.commit({ "b.yaml": null })
    await requestSync(here, "bottom")
    await synced(here, "bottom", mended)
    await synced(here, "top", next)
  })

  it("waits for the health of one that waits for its own", async () => {
    explainFailure(here)
    const [data, app] = [await repo("data", "x", { "job.json": JOB }), await repo("service")]
    await here.api.apply(gitRepository(here, "data", data.url, { wait: true }))
    await here.api.apply(gitRepository(here, "service", app.url, { dependsOn: ["data"] }))
    await waits("service", "data is not ready (Progressing)")
    const job = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "migrate", namespace: here.namespace },
    }
    await here.api.waitFor(job, (live) => live?.status?.startTime !== undefined)
    await here.api.patch(job, { spec: { suspend: true } })
    await synced(here, "service", app.commit)
    const status = await statusOf(here, "data", "is Synced", ({ phase }) => phase === "Synced")
    assert.strictEqual(status.conditions.find((c: Json) => c.type === "Healthy").status, "True")
  })

  it("of one monorepo follow commit by commit", async () => {
    explainFailure(here)
    const mono = await here.git.createRepo("mono")
    const files = (value: string) => ({
      "infra/a.yaml": configMap("mono-infra", value),
      "apps/a.yaml": configMap("mono-apps", value),
    })
    const first = await mono.commit(files("1"))
    await here.api.apply(gitRepository(here, "mono-infra", mono.url, { path: "infra" }))
    await here.api.apply(
      gitRepository(here, "mono-apps", mono.url, { path: "apps", dependsOn: ["mono-infra"] }),
    )
    await synced(here, "mono-apps", first)
    const second = await mono.commit(files("2"))
    await requestSync(here, "mono-apps")
    await synced(here, "mono-infra", second)
    await synced(here, "mono-apps", second)
  })

  it.each([
    ["to who waits for the other", "infra", "apps"],
    ["to whom it waits for", "apps", "infra"],
  ])("of one monorepo may hand an object over %s", async (_, from, to) => {
    explainFailure(here)
    const name = (what: string) => `move-${from}-${what}`
    const mono = await here.git.createRepo(name("mono"))
    const moved = configMap(name("x"), "1")
    const first = await mono.commit({
      "infra/a.yaml": configMap(name("infra-a"), "1"),
      "apps/a.yaml": configMap(name("apps-a"), "1"),
      [`${from}/x.yaml`]: moved,
    })
    const dependsOn = [name("infra")]
    await here.api.apply(gitRepository(here, name("infra"), mono.url, { path: "infra" }))
    await here.api.apply(gitRepository(here, name("apps"), mono.url, { path: "apps", dependsOn }))
    await synced(here, name("apps"), first)
    const key = configMapKey(here.namespace, name("x"))
    const { uid } = (await here.api.get(key)).metadata
    const second = await mono.commit({ [`${from}/x.yaml`]: null, [`${to}/x.yaml`]: moved })
    await requestSync(here, name("infra"))
    await requestSync(here, name("apps"))
    await synced(here, name("infra"), second)
    await synced(here, name("apps"), second)
    const { metadata } = await here.api.get(key)
    assert.strictEqual(metadata.uid, uid)
    assert.strictEqual(metadata.labels["nopea.io/repository"], name(to))
  })

  it("says how healthy a dependency is", async () => {
    explainFailure(here)
    const [base, app] = [await repo("known"), await repo("knower")]
    await here.api.apply(gitRepository(here, "known", base.url))
    const alone = await synced(here, "known", base.commit)
    const healthy = (status: Json) => status.conditions.find((c: Json) => c.type === "Healthy")
    assert.isUndefined(healthy(alone))
    await here.api.apply(gitRepository(here, "knower", app.url, { dependsOn: ["known"] }))
    await synced(here, "knower", app.commit)
    await statusOf(here, "known", "is healthy", (status) => healthy(status)?.status === "True")
  })

  it("that stand in a circle are told of it, each of them, and go on when it is cut", async () => {
    explainFailure(here)
    const all = { one: await repo("one"), two: await repo("two"), three: await repo("three") }
    await here.api.apply(gitRepository(here, "one", all.one.url))
    await synced(here, "one", all.one.commit)
    await here.api.apply(gitRepository(here, "two", all.two.url, { dependsOn: ["one"] }))
    await synced(here, "two", all.two.commit)
    await here.api.apply(gitRepository(here, "three", all.three.url, { dependsOn: ["two"] }))
    await synced(here, "three", all.three.commit)
    await patch("one", { dependsOn: ["three"] })
    await waits("one", "one -> three -> two -> one")
    await waits("two", "two -> one -> three -> two")
    await waits("three", "three -> two -> one -> three")
    await patch("one", { dependsOn: null })
    for (const name of ["one", "two", "three"] as const) await synced(here, name, all[name].commit)
  })
})
