// First apply of 1,000 Deployments from Git, against 1,000 bare concurrent server-side applies.

import { Bare } from "./Bare.ts"
import type { Figure } from "./figure.ts"
import { compare } from "./figure.ts"
import type { Ground } from "./Ground.ts"
import { deployments } from "./objects.ts"

const COUNT = 1000
const ROUNDS = 3

const bareRound = async (bare: Bare, ground: Ground, round: number): Promise<number> => {
  const namespace = await ground.namespace(`bare-first-${round}`)
  const files = Object.values(deployments(COUNT, "1"))
  const start = performance.now()
  await Promise.all(files.map((yaml) => bare.apply(namespace, yaml)))
  return performance.now() - start
}

const nopeaRound = async (ground: Ground, round: number): Promise<number> => {
  const namespace = await ground.namespace(`nopea-first-${round}`)
  const repo = await ground.git.createRepo(`first-${round}`)
  const commit = await repo.commit(deployments(COUNT, "1"))
  const controller = await ground.controller([namespace])
  const key = {
    apiVersion: "nopea.false.systems/v1alpha1",
    kind: "GitRepository",
    metadata: { name: "first", namespace },
  }
  const start = performance.now()
  await ground.api.apply({ ...key, spec: { url: repo.url, path: "apps", interval: "1h" } })
  await ground.api.waitFor(key, (live) => live?.status?.lastSyncedCommit === commit, {
    until: "is synced",
    deadlineMs: 120_000,
  })
  const took = performance.now() - start
  await controller.stop()
  return took
}

export const firstApply = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const bare = new Bare(ground.plane)
  const pairs: Array<{ nopea: number; bare: number }> = []
  await bareRound(bare, ground, 0)
  for (let round = 1; round <= ROUNDS; round++) {
    pairs.push({
      bare: await bareRound(bare, ground, round),
      nopea: await nopeaRound(ground, round),
    })
  }
  await bare.close()
  return [
    compare({
      name: "first apply of 1,000 Deployments: GitRepository created → Synced",
      baseline: "1,000 concurrent server-side applies, HTTP/1.1, 32 connections",
      goal: 1.3,
      unit: "ms",
      pairs,
    }),
  ]
}
