/** The receiver of webhooks: how many it takes, how soon it answers beside a large sync, and how soon a push is live. */
import { Worker } from "node:worker_threads"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { type Built, build, SAMPLES } from "../test/webhook/deliveries.ts"
import { type Order, type Post, postOf, sendAll, startSender } from "../test/webhook/Sender.ts"
import { compare, type Figure, measured, median, type Pair } from "./figure.ts"
import type { Ground, Running } from "./Ground.ts"
import { deployments } from "./objects.ts"
import { changesBy, goalOf, type Way } from "./one-change.ts"
import { declare, four, syncedAt } from "./repositories.ts"

const SECRET = "of-the-benchmark"
const ENV = { NOPEA_WEBHOOK_SECRET: SECRET }
const BODY = 10 * 2 ** 10
const ROUNDS = 5
/** Not counted: both sides run for months, and it takes some ten thousand before the code is compiled. */
const WARM = 3
const DELIVERIES = 10_000
const LANES = 16
const ROUTE = "/webhook/github"

/** GitHub's push of this commit, as large as a push of some commits is. */
const push = ({ url }: GitRepo, commit: string): Built => {
  const { github } = SAMPLES
  const body = { ...github.body, after: commit, repository: { clone_url: url }, more: "" }
  const more = "x".repeat(BODY - JSON.stringify(body).length)
  return build({ ...github, body: { ...body, more } }, { secret: SECRET })
}

const postsOf = (repo: GitRepo, commit: string): ReadonlyArray<Post> => [
  postOf(ROUTE, push(repo, commit), "x-github-delivery"),
]

const portOf = ({ health }: Running): number => Number(new URL(health).port)

/** Seconds until all of them were taken. */
const accepted = async (order: Omit<Order, "lanes" | "count">): Promise<number> => {
  const { statuses, seconds } = await sendAll({ ...order, lanes: LANES, count: DELIVERIES })
  if (statuses["202"] === DELIVERIES) return seconds
  throw new Error(`not all deliveries were accepted: ${JSON.stringify(statuses)}`)
}

const startBare = async (): Promise<{ readonly port: number; readonly stop: () => unknown }> => {
  const thread = new Worker(new URL("./bareHooks.ts", import.meta.url), { workerData: SECRET })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  thread.once("message", resolve)
  thread.once("error", reject)
  return { port: await promise, stop: () => thread.terminate() }
}

/** The same deliveries to both; those that NOPEA takes ask for syncs, as they do anywhere. */
export const rate = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace("hooks")
  const repo = await ground.git.createRepo("hooks")
  const commit = await repo.commit(four("hooks"))
  const controller = await ground.controller([namespace], ENV)
  await declare(ground, namespace, "hooks", { url: repo.url, interval: "1h" })
  await syncedAt(ground, namespace, "hooks", commit)
  const bare = await startBare()
  const posts = postsOf(repo, commit)
  const pairs: Pair[] = []
  for (let round = 0; round < WARM + ROUNDS; round++) {
    const name = `round-${round}`
    pairs.push({
      bare: await accepted({ port: bare.port, posts, name }),
      nopea: await accepted({ port: portOf(controller), posts, name }),
    })
  }
  await bare.stop()
  await controller.stop()
  const counted = pairs.slice(WARM)
  return [
    compare({
      name: "10,000 signed webhooks of 10 KB: first sent → all accepted",
      baseline: "node:http that checks the same HMAC, the same client",
      unit: "s",
      goal: 2,
      pairs: counted,
    }),
    measured({
      name: "signed webhooks of 10 KB accepted in a second",
      unit: "",
      goal: Number.NaN,
      value: DELIVERIES / median(counted.map(({ nopea }) => nopea)),
    }),
  ]
}

/** Deliveries for the repository that is syncing: nothing more is to be done for them. */
export const beside = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace("hooks-large")
  const repo = await ground.git.createRepo("hooks-large")
  const commit = await repo.commit(deployments(10_000, "1"))
  const controller = await ground.controller([namespace], ENV)
  await declare(ground, namespace, "large", { url: repo.url, path: "apps", timeout: "10m" })
  const sender = startSender({
    port: portOf(controller),
    posts: postsOf(repo, commit),
    lanes: 2,
    count: Number.POSITIVE_INFINITY,
    everyMs: 20,
    name: "beside",
  })
  await syncedAt(ground, namespace, "large", commit)
  const { p99, statuses } = await sender.stop()
  await controller.stop()
  const others = Object.keys(statuses).filter((status) => !["202", "404"].includes(status))
  if (others.length > 0) throw new Error(`unexpected answers: ${JSON.stringify(statuses)}`)
  return [
    measured({
      name: "p99 of a webhook's answer while 10,000 objects are applied",
      unit: "ms",
      goal: 50,
      value: p99,
    }),
  ]
}

const WEBHOOK: Way = {
  name: "hooked",
  interval: "1h",
  env: ENV,
  tell: async (controller, repo, commit) => {
    const { headers, body } = push(repo, commit)
    const url = `http://127.0.0.1:${portOf(controller)}${ROUTE}`
    const id = { "x-github-delivery": commit }
    const answer = await fetch(url, {
      method: "POST",
      body: new Uint8Array(body),
      headers: { ...headers, ...id },
    })
    if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`)
  },
}

const one = async (ground: Ground, count: number): Promise<Figure> => {
  const { pairs } = await changesBy(ground, WEBHOOK, count)
  return compare({
    name: `one of ${count.toLocaleString("en")} objects changed: webhook sent → live (seen by a watch)`,
    baseline: "git fetch + one server-side apply, seen by a watch",
    goal: goalOf(count),
    unit: "ms",
    pairs,
  })
}

export const live = async (ground: Ground): Promise<ReadonlyArray<Figure>> => [
  await one(ground, 4),
  await one(ground, 1000),
]
