// A commit that changes one object: the request count and the time from trigger to live.
import { join } from "node:path"
import { Bare, bareMirror } from "./Bare.ts"
import type { Figure } from "./figure.ts"
import { compare, exact } from "./figure.ts"
import type { Ground } from "./Ground.ts"
import { deployment, deployments, nameOf } from "./objects.ts"

const ROUNDS = 15

const measure = async (ground: Ground, count: number): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace(`change-${count}`)
  const bareNamespace = await ground.namespace(`bare-change-${count}`)
  const bare = new Bare(ground.plane)
  const repo = await ground.git.createRepo(`change-${count}`)
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
  await ground.api.apply({ ...key, spec: { url: repo.url, path: "apps", interval: "1h" } })
  await synced()
  const fetch = await bareMirror(join(ground.folder, `bare-${count}.git`), repo.url)
  const target = nameOf(Math.floor(count / 2))
  await bare.apply(bareNamespace, deployment(target, "0"))

  const pairs: Array<{ nopea: number; bare: number }> = []
  const mark = await ground.plane.auditMark()
  for (let round = 1; round <= ROUNDS; round++) {
    const image = `round-${round}`
    head = await repo.commit({ [`apps/${target}.yaml`]: deployment(target, image) })
    const bareWatch = await bare.watch(bareNamespace, target)
    const bareStart = performance.now()
    await fetch()
    const bareSeen = bareWatch.seen(`app:${image}"`)
    await bare.apply(bareNamespace, deployment(target, image))
    const bareTook = (await bareSeen) - bareStart
    bareWatch.close()

    const watch = await bare.watch(namespace, target)
    const start = performance.now()
    const seen = watch.seen(`app:${image}"`)
    const annotations = { "nopea.io/reconcile-requested-at": image }
    await ground.api.patch(key, { metadata: { annotations } })
    pairs.push({ nopea: (await seen) - start, bare: bareTook })
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
      name: `one of ${size} objects changed: request for a sync → live (seen by a watch)`,
      baseline: "git fetch + one server-side apply, seen by a watch",
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
