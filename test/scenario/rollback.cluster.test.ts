// Going back: the annotation at the running controller, as the command line and as kubectl write it.
import { describe, expect, it } from "vitest"
import { terminal } from "../cli/Terminal.ts"
import { eventually, type Json } from "../cluster/Api.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { build, SAMPLES } from "../webhook/deliveries.ts"
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

const SECRET = "in-the-environment"
const here = world({ env: { NOPEA_WEBHOOK_SECRET: SECRET } })
const { nopea } = terminal()
const { api } = here
const short = (commit: string) => commit.slice(0, 7)

const live = async (name: string): Promise<unknown> =>
  (await api.get(configMapKey(here.namespace, name)))?.data.value

/** Two commits that were synced: the second changes an object and brings one. */
const twoCommits = async (name: string, spec: Readonly<Record<string, unknown>> = {}) => {
  const repo = await here.git.createRepo(name)
  const good = await repo.commit({ "a.yaml": configMap(name, "good") })
  await api.apply(gitRepository(here, name, repo.url, spec))
  await synced(here, name, good)
  const bad = await repo.commit({
    "a.yaml": configMap(name, "bad"),
    "b.yaml": configMap(`${name}-b`, "bad"),
  })
  await requestSync(here, name)
  await synced(here, name, bad)
  return { repo, good, bad, n: [name, "-n", here.namespace] }
}

const annotate = (name: string, value: string | null) =>
  api.patch(repositoryKey(here.namespace, name), {
    metadata: { annotations: { "nopea.io/rollback": value } },
  })

let deliveries = 0

const push = async (repo: GitRepo, after: string): Promise<string> => {
  const { github } = SAMPLES
  const headers = { ...github.headers, "x-github-delivery": `rollback-${++deliveries}` }
  const repository = { clone_url: repo.url, html_url: repo.url.replace(/\.git$/u, "") }
  const body = { ...github.body, ref: "refs/heads/main", after, repository }
  const { body: sent, headers: signed } = build({ ...github, headers, body }, { secret: SECRET })
  const url = `http://127.0.0.1:${here.controller.port}/webhook/github`
  return (await fetch(url, { method: "POST", body: new Uint8Array(sent), headers: signed })).text()
}

const ready = (status: Json): Json => status.conditions.find((one: Json) => one.type === "Ready")

/** Waits for an answer to a request, and gives the status. */
const looked = async (name: string): Promise<Json> => {
  const token = await requestSync(here, name)
  return statusOf(here, name, "has looked", (s) => s.lastHandledReconcileAt === token)
}

describe("a rollback", () => {
  it("lasts through looks, webhooks and a restart, until Git has another commit", async () => {
    explainFailure(here)
    const { repo, good, bad, n } = await twoCommits("back")
    const done = await nopea("rollback", ...n, "--timeout", "40s")
    expect(done).toMatchObject({ code: 0, err: "" })
    expect(done.out).toContain(`${here.namespace}/back  Synced  ${short(good)}  1 of 1 objects`)
    expect(done.out).toContain(`rolled back from ${short(bad)}`)
    expect(await live("back")).toBe("good")
    expect(await live("back-b")).toBeUndefined()

    const status = await looked("back")
    expect(status).toMatchObject({
      phase: "Synced",
      lastSyncedCommit: good,
      lastAttemptedCommit: good,
      rollback: { from: bad, to: good },
    })
    expect(ready(status).message).toContain(
      `rolled back from ${short(bad)} to ${short(good)}: the next commit other than ${short(bad)}`,
    )
    const diff = await nopea("diff", ...n)
    expect(diff).toMatchObject({ code: 0, out: "" })
    expect(diff.err).toContain(`it is rolled back from ${short(bad)} to ${short(good)}`)
    expect(await push(repo, bad)).toMatch(/^queued/u)
    await api.patch(configMapKey(here.namespace, "back"), { data: { value: "by hand" } })
    await eventually("the edit is healed", async () => (await live("back")) === "good" || undefined)

    await here.controller.stop()
    await here.controller.loseMirrors()
    await here.controller.start()
    expect(await looked("back")).toMatchObject({ phase: "Synced", rollback: { from: bad } })
    expect(await live("back")).toBe("good")
    expect((await nopea("status", ...n)).out).toContain(
      `Rollback  from ${short(bad)} to ${short(good)}`,
    )
    expect((await nopea("history", ...n)).out).toContain(`rolled back from ${short(bad)}`)

    const next = await repo.commit({ "a.yaml": configMap("back", "next") })
    expect(await push(repo, next)).toMatch(/^queued/u)
    const resumed = await synced(here, "back", next)
    expect(resumed.rollback).toBeUndefined()
    expect(await live("back")).toBe("next")
    expect((await nopea("status", ...n)).out).toContain("Rollback  over; if")

    await repo.reset(bad)
    await looked("back")
    await synced(here, "back", good)
    expect(await live("back")).toBe("good")

    const again = await nopea("rollback", ...n, "--clear", "--timeout", "40s")
    expect(again).toMatchObject({ code: 0, err: "" })
    const cleared = await synced(here, "back", bad)
    expect(cleared.rollback).toBeUndefined()
    expect(await live("back-b")).toBe("bad")
    expect((await nopea("rollback", ...n, "--clear")).out).toContain("is not rolled back")
  })

  it("by kubectl starts at once, and one that is not understood stops everything", async () => {
    explainFailure(here)
    const { good, bad, n } = await twoCommits("hand")
    await annotate("hand", `${short(bad)}..${short(good)}`)
    const refused = await statusOf(here, "hand", "is refused", ({ phase }) => phase === "Failed")
    expect(refused.failures).toMatchObject([{ code: "NOPEA-C008" }])
    expect(ready(refused)).toMatchObject({ reason: "ConfigInvalid" })
    expect(refused.lastSyncedCommit).toBe(bad)
    expect(await live("hand")).toBe("bad")
    await annotate("hand", `${bad}..${good}`)
    await synced(here, "hand", good)
    expect(await live("hand")).toBe("good")
    await annotate("hand", null)
    await synced(here, "hand", bad)
    expect((await nopea("rollback", ...n, "--to", "beef")).code).toBe(2)
    expect((await nopea("rollback", ...n, "--to", good, "--clear")).code).toBe(2)
  })

  it("to a commit that the server lacks fails and changes nothing", async () => {
    explainFailure(here)
    const { bad, n } = await twoCommits("lack")
    const failed = await nopea("rollback", ...n, "--to", "c".repeat(40), "--timeout", "40s")
    expect(failed).toMatchObject({ code: 1, out: "" })
    expect(failed.err).toMatch(/NOPEA-G035/u)
    expect(failed.err).toContain(`--clear`)
    expect(await live("lack")).toBe("bad")
    expect((await nopea("rollback", ...n, "--clear")).code).toBe(0)
    await synced(here, "lack", bad)
  })

  it("deletes no more than spec.pruneLimit allows, until that is approved", async () => {
    explainFailure(here)
    const names = ["x1", "x2", "x3", "x4", "x5"]
    const repo = await here.git.createRepo("many")
    const good = await repo.commit({ "a.yaml": configMap("many", "good") })
    await api.apply(gitRepository(here, "many", repo.url))
    await synced(here, "many", good)
    const files = Object.fromEntries(names.map((name) => [`${name}.yaml`, configMap(name, "bad")]))
    await repo.commit(files)
    const n = ["many", "-n", here.namespace]
    expect((await nopea("sync", ...n)).code).toBe(0)
    const held = await nopea("rollback", ...n)
    expect(held.code).toBe(1)
    expect(held.err).toContain("rollback from")
    expect(held.err).toContain(`nopea approve-prune many -n ${here.namespace}`)
    expect(await live("x1")).toBe("bad")
    expect((await nopea("approve-prune", ...n)).code).toBe(0)
    await synced(here, "many", good)
    await api.waitForGone(configMapKey(here.namespace, "x5"))
  })

  it("of a suspended repository waits until it is resumed; a fixed commit has none", async () => {
    explainFailure(here)
    const { good, bad, n } = await twoCommits("still")
    expect((await nopea("suspend", ...n)).code).toBe(0)
    const asked = await nopea("rollback", ...n)
    expect(asked.code).toBe(0)
    expect(asked.out).toContain(`nopea resume still -n ${here.namespace}`)
    expect(await live("still")).toBe("bad")
    expect((await nopea("resume", ...n)).code).toBe(0)
    await synced(here, "still", good)
    await api.patch(repositoryKey(here.namespace, "still"), { spec: { ref: { commit: bad } } })
    const fixed = await nopea("rollback", ...n)
    expect(fixed.code).toBe(1)
    expect(fixed.err).toContain("spec.ref.commit")
  })

  it("of one of two that follow the same branch needs not the other", async () => {
    explainFailure(here)
    const mono = await here.git.createRepo("mono")
    const files = (value: string) => ({
      "infra/a.yaml": configMap("mono-infra", value),
      "apps/a.yaml": configMap("mono-apps", value),
    })
    const first = await mono.commit(files("1"))
    await api.apply(gitRepository(here, "mono-infra", mono.url, { path: "infra" }))
    await api.apply(
      gitRepository(here, "mono-apps", mono.url, { path: "apps", dependsOn: ["mono-infra"] }),
    )
    await synced(here, "mono-apps", first)
    const second = await mono.commit(files("2"))
    await requestSync(here, "mono-apps")
    await synced(here, "mono-apps", second)
    const n = ["-n", here.namespace]
    expect((await nopea("rollback", "mono-apps", ...n)).code).toBe(0)
    expect(await live("mono-apps")).toBe("1")
    expect(await live("mono-infra")).toBe("2")
    expect((await nopea("rollback", "mono-infra", ...n)).code).toBe(0)
    expect((await nopea("rollback", "mono-apps", "--clear", "--no-wait", ...n)).code).toBe(0)
    const waits = await statusOf(here, "mono-apps", "waits", ({ phase }) => phase === "Pending")
    expect(ready(waits).message).toContain(`mono-infra was rolled back from ${short(second)}`)
    expect(await live("mono-apps")).toBe("1")
    const third = await mono.commit(files("3"))
    await requestSync(here, "mono-apps")
    await synced(here, "mono-infra", third)
    await synced(here, "mono-apps", third)
  })
})
