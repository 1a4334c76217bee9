// Tags, version ranges and single commits at the running controller.
import { assert, describe, it } from "vitest"
import { eventually } from "../cluster/Api.ts"
import { status } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { build, SAMPLES } from "../webhook/deliveries.ts"
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

const SECRET = "in-the-environment"
const here = world({ env: { NOPEA_WEBHOOK_SECRET: SECRET } })

let deliveries = 0

/** Tells the controller of a pushed tag as GitHub does: for an annotated one by the id of the tag itself. */
const pushTag = async (repo: GitRepo, name: string, id: string): Promise<string> => {
  const { github } = SAMPLES
  const headers = { ...github.headers, "x-github-delivery": `tag-${++deliveries}` }
  const repository = { clone_url: repo.url, html_url: repo.url.replace(/\.git$/u, "") }
  const push = { ref: `refs/tags/${name}`, after: id, repository }
  const { body, ...rest } = build(
    { ...github, headers, body: { ...github.body, ...push } },
    { secret: SECRET },
  )
  const url = `http://127.0.0.1:${here.controller.port}/webhook/github`
  const sent = { method: "POST", body: new Uint8Array(body), headers: rest.headers }
  return (await fetch(url, sent)).text()
}

const commitOf = (repo: GitRepo, name: string, value: string): Promise<string> =>
  repo.commit({ "a.yaml": configMap(name, value) })

const liveValue = async (name: string): Promise<unknown> =>
  (await here.api.get(configMapKey(here.namespace, name)))?.data.value

describe("a GitRepository", () => {
  it("with a tag stays at it, follows it where a push moves it, and an Event tells so", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("tag")
    const first = await commitOf(repo, "tag", "first")
    await repo.tag("live", { message: "first" })
    const second = await commitOf(repo, "tag", "second")
    await here.api.apply(gitRepository(here, "tag", repo.url, { ref: { tag: "live" } }))
    await synced(here, "tag", first)
    assert.strictEqual(await liveValue("tag"), "first")
    const moved = await repo.tag("live", { commit: second, message: "second" })
    assert.match(await pushTag(repo, "live", moved), /^queued for 1 /u)
    const { history } = await synced(here, "tag", second)
    assert.strictEqual(history[0].trigger, "webhook")
    assert.strictEqual(await liveValue("tag"), "second")
    const told = `the tag live moved from ${first.slice(0, 12)} to ${second.slice(0, 12)}`
    await eventually("an Event tells of the moved tag", async () => {
      const kind = { apiVersion: "events.k8s.io/v1", kind: "Event" }
      const events = await here.api.list({ ...kind, namespace: here.namespace })
      return events.find(({ note }) => String(note).includes(told))
    })
  })

  it("with a version range follows the highest tag in it", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("semver")
    await commitOf(repo, "semver", "0.9.0")
    const first = await commitOf(repo, "semver", "1.0.0")
    await repo.tag("v1.0.0")
    await commitOf(repo, "semver", "2.0.0")
    await repo.tag("v2.0.0")
    await here.api.apply(gitRepository(here, "semver", repo.url, { ref: { semver: "1.x" } }))
    await synced(here, "semver", first)
    const next = await commitOf(repo, "semver", "1.1.0")
    const id = await repo.tag("v1.1.0", { message: "1.1.0" })
    assert.match(await pushTag(repo, "v1.1.0", id), /^queued for 1 /u)
    await synced(here, "semver", next)
    assert.strictEqual(await liveValue("semver"), "1.1.0")
    await here.api.apply(gitRepository(here, "semver", repo.url, { ref: { semver: "3.x" } }))
    const failed = await statusOf(here, "semver", "is Failed", ({ phase }) => phase === "Failed")
    assert.strictEqual(failed.failures[0].code, "NOPEA-G033")
    assert.include(failed.failures[0].reason, "there is: v1.0.0, v1.1.0, v2.0.0")
    assert.strictEqual(await liveValue("semver"), "1.1.0")
  })

  it("with a commit stays at it, heals, and needs no Git server for it", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("fixed")
    const commit = await commitOf(repo, "fixed", "first")
    await commitOf(repo, "fixed", "second")
    await here.api.apply(gitRepository(here, "fixed", repo.url, { ref: { commit } }))
    await synced(here, "fixed", commit)
    repo.fail(status(500))
    await here.api.patch(configMapKey(here.namespace, "fixed"), { data: { value: "edited" } })
    const isHealed = async () => (await liveValue("fixed")) === "first" || undefined
    await eventually("the edit is healed", isHealed)
    const token = await requestSync(here, "fixed")
    const handled = (found: { lastHandledReconcileAt?: string; phase: string }) =>
      found.lastHandledReconcileAt === token && found.phase === "Synced"
    await statusOf(here, "fixed", "is Synced by request", handled as never)
  })
})
