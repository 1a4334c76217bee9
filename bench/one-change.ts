// A commit that changes one object: the request count, and the time from the poll that finds it to live.
import { join } from "node:path"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { Bare, bareMirror, epoch } from "./Bare.ts"
import type { Figure, Pair } from "./figure.ts"
import { compare, exact } from "./figure.ts"
import type { Ground, Running } from "./Ground.ts"
import { deployment, deployments, nameOf } from "./objects.ts"
import { declare, syncedAt } from "./repositories.ts"

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

/** Of its ratio to the bare way. */
export const goalOf = (count: number): number => (count > 100 ? 1.5 : 1.3)

/** How the controller comes to know of a commit. */
export interface Way {
  readonly name: string
  readonly interval: string
  readonly env: Readonly<Record<string, string>>
  /** Absent: a poll finds it, and what counts begins with the poll's question. */
  readonly tell?: (controller: Running, repo: GitRepo, commit: string) => Promise<unknown>
}

/** One change in `count` objects after the other, each bare and by NOPEA. */
export const changesBy = async (
  ground: Ground,
  way: Way,
  count: number,
): Promise<{ readonly pairs: ReadonlyArray<Pair>; readonly requests: number }> => {
  const { tell } = way
  const namespace = await ground.namespace(`${way.name}-${count}`)
  const bareNamespace = await ground.namespace(`bare-${way.name}-${count}`)
  const bare = new Bare(ground.plane)
  const repo = await ground.git.createRepo(`${way.name}-${count}`)
  const bareRepo = await ground.git.createRepo(`bare-${way.name}-${count}`)
  await bareRepo.commit(deployments(count, "0"))
  const first = await repo.commit(deployments(count, "0"))
  const controller = await ground.controller([namespace], way.env)
  await declare(ground, namespace, "change", {
    url: repo.url,
    path: "apps",
    interval: way.interval,
  })
  await syncedAt(ground, namespace, "change", first)
  const mirror = await bareMirror(
    join(ground.folder, `bare-${way.name}-${count}.git`),
    bareRepo.url,
  )
  const target = nameOf(Math.floor(count / 2))
  await bare.apply(bareNamespace, deployment(target, "0"))

  const byHand = async (image: string, files: Readonly<Record<string, string>>) => {
    await bareRepo.commit(files)
    const watch = await bare.watch(bareNamespace, target)
    const start = epoch()
    const seen = watch.seen(`app:${image}"`)
    if (tell === undefined) await mirror.ask()
    await mirror.fetch()
    await bare.apply(bareNamespace, deployment(target, image))
    const end = await seen
    watch.close()
    return end - (tell === undefined ? firstQuestion(ground, bareRepo.name, start) : start)
  }

  const byNopea = async (image: string, files: Readonly<Record<string, string>>) => {
    const watch = await bare.watch(namespace, target)
    const start = epoch()
    const seen = watch.seen(`app:${image}"`)
    const commit = await repo.commit(files)
    const told = epoch()
    await tell?.(controller, repo, commit)
    const end = await seen
    watch.close()
    await syncedAt(ground, namespace, "change", commit)
    return end - (tell === undefined ? firstQuestion(ground, repo.name, start, ONE_POLL) : told)
  }

  const pairs: Pair[] = []
  const mark = await ground.plane.auditMark()
  for (let round = 1; round <= ROUNDS; round++) {
    const image = `round-${round}`
    const files = { [`apps/${target}.yaml`]: deployment(target, image) }
    pairs.push({ bare: await byHand(image, files), nopea: await byNopea(image, files) })
  }
  const requests = await ground.plane.audit({
    userAgent: "nopea/",
    namespace,
    resource: "deployments",
    since: mark,
  })
  await controller.stop()
  await bare.close()
  return { pairs, requests: requests.length / ROUNDS }
}

const POLL: Way = { name: "change", interval: "1s", env: {} }

const measure = async (ground: Ground, count: number): Promise<ReadonlyArray<Figure>> => {
  const { pairs, requests } = await changesBy(ground, POLL, count)
  const size = count.toLocaleString("en")
  return [
    compare({
      name: `one of ${size} objects changed: the poll's question → live (seen by a watch)`,
      baseline: "git ls-remote + git fetch + one server-side apply, seen by a watch",
      goal: goalOf(count),
      unit: "ms",
      pairs,
    }),
    exact({
      name: `one of ${size} objects changed: requests on objects, per commit`,
      goal: 1,
      value: requests,
    }),
  ]
}

export const oneChange = async (ground: Ground): Promise<ReadonlyArray<Figure>> => [
  ...(await measure(ground, 4)),
  ...(await measure(ground, 1000)),
]
