// First apply of 1,000 Deployments from Git, against 1,000 bare concurrent server-side applies.

import { load } from "js-yaml"
import { type Applied, Bare, CONNECTIONS } from "./Bare.ts"
import type { Figure } from "./figure.ts"
import { compare } from "./figure.ts"
import type { Ground } from "./Ground.ts"
import { deployments } from "./objects.ts"

const COUNT = 1000
const ROUNDS = 3

/** The object as NOPEA makes it live: its labels and its annotation are part of what the API server stores. */
const stamped = (yaml: string, namespace: string): Applied => {
  const object = load(yaml) as Applied
  const labels = {
    ...object.metadata.labels,
    "app.kubernetes.io/managed-by": "nopea",
    "nopea.io/repository": "first",
    "nopea.io/repository-namespace": namespace,
    "nopea.io/repository-uid": "00000000-0000-0000-0000-000000000000",
  }
  const annotations = { "nopea.io/applied": `v1:${"0".repeat(64)}` }
  return { ...object, metadata: { ...object.metadata, labels, annotations } }
}

const bareRound = async (bare: Bare, ground: Ground, round: number): Promise<number> => {
  const namespace = await ground.namespace(`bare-first-${round}`)
  const objects = Object.values(deployments(COUNT, "1")).map((yaml) => stamped(yaml, namespace))
  const start = performance.now()
  await Promise.all(objects.map((object) => bare.applyObject(namespace, object)))
  return performance.now() - start
}

const nopeaRound = async (ground: Ground, namespace: string): Promise<number> => {
  const repo = await ground.git.createRepo(namespace)
  const commit = await repo.commit(deployments(COUNT, "1"))
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
  return performance.now() - start
}

/** Both sides have done it once before it counts: a controller runs for weeks, and code is slow the first time. */
export const firstApply = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const bare = new Bare(ground.plane)
  const namespaces: string[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    namespaces.push(await ground.namespace(`nopea-first-${round}`))
  }
  const controller = await ground.controller(namespaces)
  const pairs: Array<{ nopea: number; bare: number }> = []
  for (const [round, namespace] of namespaces.entries()) {
    pairs.push({
      bare: await bareRound(bare, ground, round),
      nopea: await nopeaRound(ground, namespace),
    })
  }
  await controller.stop()
  await bare.close()
  return [
    compare({
      name: "first apply of 1,000 Deployments: GitRepository created → Synced",
      baseline: `1,000 concurrent server-side applies of the same objects, HTTP/1.1, ${CONNECTIONS} connections`,
      goal: 1.3,
      unit: "ms",
      pairs: pairs.slice(1),
    }),
  ]
}
