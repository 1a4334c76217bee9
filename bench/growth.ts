/** What grows with the number of repositories and of objects, and what does not. */

import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { Bare, epoch } from "./Bare.ts"
import type { Curve, Point } from "./curve.ts"
import { type Figure, measured, median } from "./figure.ts"
import type { Ground } from "./Ground.ts"
import { deployment, deployments, nameOf } from "./objects.ts"
import { firstQuestion, ONE_POLL } from "./one-change.ts"
import { idleMinute, lsRemoteCpu, restingOf } from "./Process.ts"
import { allSynced, applications, declare, syncedAt } from "./repositories.ts"

export const REPOSITORIES: ReadonlyArray<number> = [1, 10, 100, 1000]
export const OBJECTS: ReadonlyArray<number> = [10, 100, 1000, 10_000]
const CHANGES = 7
/** More of them say nothing new about one `git ls-remote`. */
const ASKED = 100

export const CURVES: Readonly<Record<string, Omit<Curve, "points">>> = {
  repositories: {
    name: "Growth: Git repositories of 4 objects each, polled each minute",
    sizes: "repositories",
    series: [
      { name: "process start → all Synced", unit: "s", expected: "linear" },
      { name: "resident memory", unit: "MiB", expected: "flat" },
      { name: "CPU per idle minute", unit: "s", expected: "linear" },
      { name: "CPU per poll ÷ git ls-remote", unit: "×", expected: "flat" },
    ],
  },
  objects: {
    name: "Growth: Deployments in one repository",
    sizes: "objects",
    series: [
      { name: "created → Synced", unit: "s", expected: "linear" },
      { name: "one change: poll → live", unit: "ms", expected: "flat" },
      { name: "requests per change", unit: "", expected: "flat" },
      { name: "resident memory", unit: "MiB", expected: "flat" },
    ],
  },
}

export const growRepositories = async (
  ground: Ground,
  count: number,
): Promise<ReadonlyArray<Point>> => {
  const namespace = await ground.namespace(`grow-${count}`)
  const names = Array.from({ length: count }, (_, i) => `grow-${i}`)
  const repos = await applications(ground, names)
  for (const { name, url } of repos) await declare(ground, namespace, name, { url })
  const start = performance.now()
  const controller = await ground.controller([namespace])
  await allSynced(ground, namespace, count)
  const took = performance.now() - start
  const memory = await restingOf(controller)
  const { cpu, polls } = await idleMinute(ground, controller)
  await controller.stop()
  const bare = await lsRemoteCpu(repos.slice(0, ASKED).map(({ url }) => url))
  const values = [took / 1000, memory, cpu / 1000, cpu / polls / bare]
  return [{ curve: "repositories", size: count, values }]
}

/** Milliseconds from the question of the poll that finds it until a changed object is live, each time. */
const changes = async (
  ground: Ground,
  namespace: string,
  repo: GitRepo,
  count: number,
): Promise<ReadonlyArray<number>> => {
  const bare = new Bare(ground.plane)
  const target = nameOf(Math.floor(count / 2))
  const took: number[] = []
  for (let round = 1; round <= CHANGES; round++) {
    const watch = await bare.watch(namespace, target)
    const start = epoch()
    const seen = watch.seen(`app:round-${round}"`)
    const commit = await repo.commit({
      [`apps/${target}.yaml`]: deployment(target, `round-${round}`),
    })
    took.push((await seen) - firstQuestion(ground, repo.name, start, ONE_POLL))
    watch.close()
    await syncedAt(ground, namespace, "objects", commit)
  }
  await bare.close()
  return took
}

/** A controller runs for weeks, and code is slow the first time. */
const warmUp = async (ground: Ground, namespace: string): Promise<void> => {
  const [repo] = await applications(ground, ["warm"])
  await declare(ground, namespace, "warm", { url: repo?.url, interval: "1h" })
  await allSynced(ground, namespace, 1)
}

export const growObjects = async (ground: Ground, count: number): Promise<ReadonlyArray<Point>> => {
  const namespace = await ground.namespace(`objects-${count}`)
  const repo = await ground.git.createRepo("objects")
  const commit = await repo.commit(deployments(count, "1"))
  const controller = await ground.controller([namespace])
  await warmUp(ground, namespace)
  const spec = {
    url: repo.url,
    path: "apps",
    interval: "1s",
    reconcileInterval: "1h",
    timeout: "10m",
  }
  const start = performance.now()
  await declare(ground, namespace, "objects", spec)
  await syncedAt(ground, namespace, "objects", commit)
  const took = performance.now() - start
  const mark = await ground.plane.auditMark()
  const change = median(await changes(ground, namespace, repo, count))
  const requests = await ground.plane.auditCount({
    userAgent: "nopea/",
    resource: "deployments",
    since: mark,
  })
  const memory = await restingOf(controller)
  await controller.stop()
  return [
    {
      curve: "objects",
      size: count,
      values: [took / 1000, change, requests / CHANGES, memory],
    },
  ]
}

/** What one more costs, between the smallest and the largest. */
const eachOf = ({ points, series }: Curve, name: string, goal: number): ReadonlyArray<Figure> => {
  const index = series.findIndex((one) => one.name === "resident memory")
  const [first, last] = [points.at(0), points.at(-1)]
  if (first === undefined || last === undefined || first.size === last.size) return []
  const more = (last.values[index] ?? Number.NaN) - (first.values[index] ?? Number.NaN)
  return [measured({ name, unit: "KiB", goal, value: (more * 1024) / (last.size - first.size) })]
}

/** What the whole curves say. */
export const growthFigures = (curves: Readonly<Record<string, Curve>>): ReadonlyArray<Figure> => [
  ...(curves["repositories"] === undefined
    ? []
    : eachOf(curves["repositories"], "memory, each further repository of 4 objects", 512)),
  ...(curves["objects"] === undefined
    ? []
    : eachOf(curves["objects"], "memory, each further watched object", Number.NaN)),
]
