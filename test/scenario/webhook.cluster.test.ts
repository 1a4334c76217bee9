// Webhooks at the running controller: what is proven is live soon, what is forged does nothing.
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { eventually } from "../cluster/Api.ts"
import { status as limited } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { build, type Headers, SAMPLES, type Sample } from "../webhook/deliveries.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  statusOf,
  synced,
  world,
} from "./world.ts"

const run = promisify(execFile)
const SECRET = "in-the-environment"
const here = world({ env: { NOPEA_WEBHOOK_SECRET: `old-one,${SECRET}` } })

let deliveries = 0

/** GitHub's push of this commit to this repository. */
const pushOf = (repo: GitRepo, commit: string, over: object = {}): Sample => {
  const { github } = SAMPLES
  const headers = { ...github.headers, "x-github-delivery": `delivery-${++deliveries}` }
  const repository = { clone_url: repo.url, html_url: repo.url.replace(/\.git$/u, "") }
  return { ...github, headers, body: { ...github.body, after: commit, repository, ...over } }
}

const post = async (path: string, body: Buffer, headers: Headers): Promise<string> => {
  const url = `http://127.0.0.1:${here.controller.port}${path}`
  const answer = await fetch(url, { method: "POST", body: new Uint8Array(body), headers })
  return `${answer.status} ${(await answer.text()).trim()}`
}

const deliver = (path: string, sample: Sample, secret: string): Promise<string> => {
  const { body, headers } = build(sample, { secret })
  return post(path, body, headers)
}

const begin = async (name: string, spec: object = {}): Promise<GitRepo> => {
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit({ "a.yaml": configMap(name, "first") })
  await here.api.apply(gitRepository(here, name, repo.url, { ...spec }))
  await synced(here, name, commit)
  return repo
}

const change = (repo: GitRepo, name: string): Promise<string> =>
  repo.commit({ "a.yaml": configMap(name, "second") })

const liveValue = async (name: string): Promise<unknown> =>
  (await here.api.get(configMapKey(here.namespace, name)))?.data.value

/** Syncs that a webhook asked for. */
const history = async (name: string): Promise<ReadonlyArray<string>> => {
  const { status } = await here.api.get(repositoryKey(here.namespace, name))
  return status.history.map((one: { trigger: string }) => one.trigger)
}

const storeSecret = (name: string, values: Readonly<Record<string, string>>) =>
  here.api.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: here.namespace },
    stringData: values,
  })

/** A block of docs/webhooks.md, in a shell that has what its first block would set. */
const shell = async (name: string, url: string): Promise<string> => {
  const page = await readFile(join(import.meta.dirname, "../../docs/webhooks.md"), "utf8")
  const block = (title: string) =>
    new RegExp(`\`\`\`sh ${title}\n([^\`]*?)\`\`\``, "u").exec(page)?.[1] ?? `false # ${title}`
  const sign = block("try")
    .split("\n")
    .filter((line) => line.startsWith("sign()"))
  const script = [...sign, block(name)].join("\n")
  const NOPEA = `http://127.0.0.1:${here.controller.port}`
  const env = { PATH: process.env["PATH"], NOPEA, SECRET, URL: url }
  return (await run("bash", ["-euo", "pipefail", "-c", script], { env })).stdout
}

describe("docs/webhooks.md", () => {
  it("has a delivery for each kind of provider that is taken as it stands", async () => {
    explainFailure(here)
    const repo = await begin("by-hand")
    for (const name of ["github", "gitea", "gitlab", "bitbucket", "bitbucket-server", "azure"]) {
      assert.strictEqual(await shell(`try-${name}`, repo.url), "queued for 1 GitRepository\n", name)
    }
    assert.match(await shell("try-github", "https://git.example/other.git"), /^NOPEA-W004 /u)
  })
})

describe("a signed push", () => {
  it("while the Git server wants rest is taken, held back with all others, and live afterwards", async () => {
    explainFailure(here)
    const [repo, other] = [await begin("limited"), await begin("beside")]
    repo.fail(limited(429, { "retry-after": "12" }), { times: 1 })
    const first = pushOf(repo, await change(repo, "limited"))
    assert.match(await deliver("/webhook/github", first, SECRET), /^202 queued for 1 /u)
    const isHeld = (name: string) =>
      statusOf(here, name, "waits for the Git server's rest", ({ failures = [] }) =>
        /asked for rest: it is asked nothing before /u.test(failures[0]?.reason),
      )
    await isHeld("limited")
    const commit = await change(other, "beside")
    const second = pushOf(other, commit)
    assert.match(await deliver("/webhook/github", second, SECRET), /^202 queued for 1 /u)
    assert.strictEqual((await isHeld("beside")).failures[0].code, "NOPEA-G011")
    await synced(here, "beside", commit)
    await synced(here, "limited", (await repo.head()) ?? "")
  })

  it("of GitHub is live soon, and its replay does nothing", async () => {
    explainFailure(here)
    const repo = await begin("pushed")
    const commit = await change(repo, "pushed")
    const sample = pushOf(repo, commit)
    assert.match(await deliver("/webhook/github", sample, SECRET), /^202 queued for 1 /u)
    const status = await synced(here, "pushed", commit)
    assert.strictEqual(await liveValue("pushed"), "second")
    assert.strictEqual(status.history[0].trigger, "webhook")
    assert.match(await deliver("/webhook/github", sample, SECRET), /^200 ignored/u)
    const again = pushOf(repo, commit)
    assert.match(await deliver("/webhook/github", again, "old-one"), /^202/u)
  })

  it("that names a commit which the server does not have yet waits for it", async () => {
    explainFailure(here)
    const repo = await begin("lagging")
    const first = String(await repo.head())
    const commit = await change(repo, "lagging")
    await repo.reset(first)
    assert.match(await deliver("/webhook/github", pushOf(repo, commit), SECRET), /^202/u)
    await repo.reset(commit)
    await synced(here, "lagging", commit)
    assert.deepStrictEqual(await history("lagging"), ["webhook", "startup"])
  })

  it("that is forged gets 401, and nothing happens", async () => {
    explainFailure(here)
    const repo = await begin("forged")
    const witness = await begin("witness")
    const commit = await change(repo, "forged")
    const { body, headers } = build(pushOf(repo, commit), { secret: SECRET })
    const changed = Buffer.from(body.toString().replace("created", "creates"))
    assert.match(await post("/webhook/github", changed, headers), /^401 NOPEA-W002/u)
    const bare = build(pushOf(repo, commit), { signed: false })
    assert.match(await post("/webhook/github", bare.body, bare.headers), /^401 NOPEA-W002/u)
    assert.match(
      await deliver("/webhook/github", pushOf(repo, commit), "guess"),
      /^401 NOPEA-W002/u,
    )
    const seen = await change(witness, "witness")
    assert.match(await deliver("/webhook/github", pushOf(witness, seen), SECRET), /^202/u)
    await synced(here, "witness", seen)
    assert.strictEqual(await liveValue("forged"), "first")
    assert.deepStrictEqual(await history("forged"), ["startup"])
  })

  it("of a branch or repository that nobody follows does nothing", async () => {
    explainFailure(here)
    const repo = await begin("quiet")
    const commit = await change(repo, "quiet")
    const branch = pushOf(repo, commit, { ref: "refs/heads/other" })
    assert.match(await deliver("/webhook/github", branch, SECRET), /^200 ignored/u)
    const place = pushOf(repo, commit, { repository: { clone_url: "https://git.example/x/y" } })
    assert.match(await deliver("/webhook/github", place, SECRET), /^404 NOPEA-W004/u)
    assert.strictEqual(await liveValue("quiet"), "first")
  })
})

describe("a repository's own route", () => {
  it("takes its own secrets, the new one of a rotation too, and not those of the providers' routes", async () => {
    explainFailure(here)
    await storeSecret("hook", { current: "first-secret\n" })
    const repo = await begin("own", { webhook: { secretRef: { name: "hook" } } })
    const path = `/webhook/${here.namespace}/own`
    const commit = await change(repo, "own")
    assert.match(await deliver(path, pushOf(repo, commit), SECRET), /^401 NOPEA-W002/u)
    assert.match(await deliver("/webhook/github", pushOf(repo, commit), "first-secret"), /^401/u)
    assert.match(await deliver(path, pushOf(repo, commit), "first-secret"), /^202/u)
    await synced(here, "own", commit)
    await storeSecret("hook", { current: "first-secret\n", next: "second-secret" })
    const next = await repo.commit({ "a.yaml": configMap("own", "third") })
    assert.match(await deliver("/webhook/own", pushOf(repo, commit), "first-secret"), /^202/u)
    await synced(here, "own", next)
    const sample = pushOf(repo, next)
    await eventually("the new secret is taken", async () => {
      const answer = await deliver(path, sample, "second-secret")
      return answer.startsWith("202") || undefined
    })
  })

  it("whose Secret is missing refuses, and the log says so", async () => {
    explainFailure(here)
    const repo = await begin("bare", { webhook: { secretRef: { name: "nowhere" } } })
    const sample = pushOf(repo, String(await repo.head()))
    const path = `/webhook/${here.namespace}/bare`
    assert.match(await deliver(path, sample, "x"), /^401 NOPEA-W002/u)
    const lines = await here.controller.lines()
    assert.isTrue(
      lines.some(({ code, repository }) => code === "NOPEA-W009" && /bare$/u.test(repository)),
    )
  })
})

describe("secrets of webhooks", () => {
  it("are in no log line, status or Event", async () => {
    const log = JSON.stringify(await here.controller.lines())
    const kinds = ["GitRepository", "Event"] as const
    const versions = { GitRepository: "nopea.false.systems/v1alpha1", Event: "events.k8s.io/v1" }
    const lists = await Promise.all(
      kinds.map((kind) =>
        here.api.list({ apiVersion: versions[kind], kind, namespace: here.namespace }),
      ),
    )
    const all = `${log}${JSON.stringify(lists)}`
    assert.include(all, "webhook: sync asked for")
    for (const secret of [SECRET, "old-one", "first-secret", "second-secret"]) {
      assert.notInclude(all, secret)
    }
    const status = await statusOf(here, "own", "has a status", () => true)
    assert.strictEqual(status.phase, "Synced")
  })
})
