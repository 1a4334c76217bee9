/** GitRepositories that figures are measured with, and how they are waited for. */
import { eventually, type Json } from "../test/cluster/Api.ts"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import type { Ground } from "./Ground.ts"
import { deployment } from "./objects.ts"

const GROUP = "nopea.false.systems/v1alpha1"

/** The files of a small application. */
export const four = (name: string): Record<string, string> => ({
  "deployment.yaml": deployment(name, "1"),
  "service.yaml": `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: None, selector: {app: ${name}}, ports: [{port: 80}]}\n`,
  "account.yaml": `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ${name}}\n`,
  "config.yaml": `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {mode: production}\n`,
})

export const keyOf = (namespace: string, name: string) => ({
  apiVersion: GROUP,
  kind: "GitRepository",
  metadata: { name, namespace },
})

export const declare = (
  ground: Ground,
  namespace: string,
  name: string,
  spec: Record<string, unknown>,
): Promise<Json> =>
  ground.api.create({ ...keyOf(namespace, name), spec: { interval: "1m", ...spec } })

export const allSynced = (ground: Ground, namespace: string, count: number): Promise<true> =>
  eventually(
    `${count} repositories are Synced`,
    async () => {
      const found = await ground.api.list({ apiVersion: GROUP, kind: "GitRepository", namespace })
      const synced = found.filter((one: Json) => one.status?.phase === "Synced").length
      return synced >= count ? true : undefined
    },
    600_000,
  )

export const syncedAt = (
  ground: Ground,
  namespace: string,
  name: string,
  commit: string,
): Promise<Json> =>
  ground.api.waitFor(
    keyOf(namespace, name),
    (live) => live?.status?.lastSyncedCommit === commit && live.status.phase === "Synced",
    { until: `is synced at ${commit}`, deadlineMs: 300_000 },
  )

/** So many at a time. */
export const inLanes = async <A>(
  lanes: number,
  all: ReadonlyArray<A>,
  work: (one: A) => Promise<unknown>,
): Promise<void> => {
  const queue = all.values()
  const lane = async () => {
    for (const one of queue) await work(one)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** A Git repository each, with one small application of that name. */
export const applications = async (
  ground: Ground,
  names: ReadonlyArray<string>,
): Promise<ReadonlyArray<GitRepo>> => {
  const repos: GitRepo[] = []
  await inLanes(4, names, async (name) => {
    const repo = await ground.git.createRepo(name)
    await repo.commit(four(name.replace(/^.*\//u, "")))
    repos.push(repo)
  })
  return repos.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
}
