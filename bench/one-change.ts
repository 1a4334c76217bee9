// A commit that changes one object: the request count, and the time from the poll that finds it to live.
import { join } from "node:path"
import { Bare, bareMirror, epoch } from "./Bare.ts"
import type { Figure } from "./figure.ts"
import { compare, exact } from "./figure.ts"
import type { Ground } from "./Ground.ts"
import { deployment, deployments, nameOf } from "./objects.ts"

const ROUNDS = 15
/** Shorter than the poll interval: what a poll asks lies within it, what the one before asked does not. */
export const ONE_POLL = 500

/** When the poll that led to the first fetch after `since` asked its first question, at most `before` earlier. */
export const firstQuestion = (ground: Ground, repo: string, since: number, before = 0): number => {
  const asked = ground.git.log.filter((one) => one.repo === repo && one.at >= since - before)
  const fetch = asked.find((one) => one.command === "fetch" && one.at >= since)
  const first = asked.find((one) => fetch !== undefined && one.at >= fetch.at - ONE_POLL)
  return first?.at ?? Number.NaN
}

const measure = async (ground: Ground, count: number): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace(`change-${count}`)
  const bareNamespace = await ground.namespace(`bare-change-${count}`)
  const bare = new Bare(ground.plane)
  const repo = await ground.git.createRepo(`change-${count}`)
  const bareRepo = await ground.git.createRepo(`bare-change-${count}`)
  await bareRepo.commit(deployments(count, "0"))
  let head = await repo.commit(deployments(count, "0"))
  const controller = await ground.controller([namespace])
  const key = {
    apiVersion: "nopea.false.systems/v1alpha1",
    kind: "GitRepository",
    metadata: { name: "change", namespace },
  }
  const synced = () =>
    ground.api.waitFor(key, (live) => live?.status?.lastSyncedCommit === head, {
      until: `is synced at ${head}`,
      deadlineMs: 120_000,
    })
  await ground.api.apply({ ...key, spec: { url: repo.url, path: "apps", interval: "1s" } })
  await synced()
  const mirror = await bareMirror(join(ground.folder, `bare-${count}.git`), bareRepo.url)
  const target = nameOf(Math.floor(count / 2))
  await bare.apply(bareNamespace, deployment(target, "0"))

  const pairs: Array<{ nopea: number; bare: number }> = []
  const mark = await ground.plane.auditMark()
  for (let round = 1; round <= ROUNDS; round++) {
    const image = `round-${round}`
    const files = { [`apps/${target}.yaml`]: deployment(target, image) }
    await bareRepo.commit(files)
    const bareWatch = await bare.watch(bareNamespace, target)
    const bareStart = epoch()
    const bareSeen = bareWatch.seen(`app:${image}"`)
    await mirror.ask()
    await mirror.fetch()
    await bare.apply(bareNamespace, deployment(target, image))
    const bareTook = (await bareSeen) - firstQuestion(ground, bareRepo.name, bareStart)
    bareWatch.close()

    const watch = await bare.watch(namespace, target)
    const start = epoch()
    const seen = watch.seen(`app:${image}"`)
    head = await repo.commit(files)
    pairs.push({
      nopea: (await seen) - firstQuestion(ground, repo.name, start, ONE_POLL),
      bare: bareTook,
    })
    watch.close()
    await synced()
  }
  const requests = await ground.plane.audit({
    userAgent: "nopea/",
    namespace,
    resource: "deployments",
    since: mark,
  })
  await controller.stop()
  await bare.close()
  const size = count.toLocaleString("en")
  return [
    compare({
      name: `one of ${size} objects changed: the poll's question → live (seen by a watch)`,
      baseline: "git ls-remote + git fetch + one server-side apply, seen by a watch",
      goal: count > 100 ? 1.5 : 1.3,
      unit: "ms",
      pairs,
    }),
    exact({
      name: `one of ${size} objects changed: requests on objects, per commit`,
      goal: 1,
      value: requests.length / ROUNDS,
    }),
  ]
}

export const oneChange = async (ground: Ground): Promise<ReadonlyArray<Figure>> => [
  ...(await measure(ground, 4)),
  ...(await measure(ground, 1000)),
]
