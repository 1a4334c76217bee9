// What drift scenarios do: one repository with one Deployment or ConfigMaps, edits by name, and a count of what was written.
import type { Json, ObjectKey } from "../cluster/Api.ts"
import type { AuditMark } from "../cluster/audit.ts"
import { audit, markAudit } from "../cluster/connect.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { explainFailure, gitRepository, repositoryKey, type World } from "./world.ts"

export const EDIT = { fieldManager: "kubectl-edit" }
export const IMAGE = "spec.template.spec.containers[name=main].image"

export interface Wanted {
  readonly image?: string
  readonly replicas?: number
  readonly env?: string
  /** Further lines below `metadata`. */
  readonly metadata?: string
}

export const deployment = (
  name: string,
  { image = "app:1", replicas, env = "info", metadata = "" }: Wanted = {},
) =>
  `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
${metadata}spec:
${replicas === undefined ? "" : `  replicas: ${replicas}\n`}  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
      - name: main
        image: "registry.example/${image}"
        env: [{name: LEVEL, value: "${env}"}]
`

export const deploymentKey = (namespace: string, name: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace },
})

export const containersOf = (live: Json): ReadonlyArray<Json> =>
  live?.spec?.template?.spec?.containers ?? []
export const imageOf = (live: Json): string =>
  String(containersOf(live)[0]?.image).split("/")[1] ?? ""
export const envOf = (live: Json): string => String(containersOf(live)[0]?.env?.[0]?.value)

export const conditionOf = (status: Json, type: string): Json =>
  status.conditions?.find((one: Json) => one.type === type)

/** What a drift takes to be told or healed, many times over. */
const SOON = 15_000

const statusIs = async (
  { api, namespace }: World,
  name: string,
  until: string,
  holds: (status: Json) => boolean,
): Promise<Json> => {
  const isSo = (found: Json) => found?.status !== undefined && holds(found.status)
  return (await api.waitFor(repositoryKey(namespace, name), isSo, { until, deadlineMs: SOON }))
    .status
}

/** Requests that change something, of controllers, about one object. */
const WRITES = ["create", "update", "patch", "delete"]
const isDryRun = (uri: string): boolean => uri.includes("dryRun=All")

export class Drifting {
  readonly here: World
  readonly name: string
  readonly repo: GitRepo
  commit = ""

  private constructor(here: World, name: string, repo: GitRepo) {
    this.here = here
    this.name = name
    this.repo = repo
  }

  /** Synced, with these files. */
  static async of(
    here: World,
    name: string,
    files: Readonly<Record<string, string>>,
    spec: Readonly<Record<string, unknown>> = {},
  ): Promise<Drifting> {
    explainFailure(here)
    const repo = await here.git.createRepo(name)
    const drifting = new Drifting(here, name, repo)
    drifting.commit = await repo.commit(files)
    await here.api.apply(gitRepository(here, name, repo.url, spec))
    await drifting.synced()
    return drifting
  }

  /** One Deployment of the repository's name. */
  static deployment(here: World, name: string, spec = {}, wanted: Wanted = {}): Promise<Drifting> {
    return Drifting.of(here, name, { "app.yaml": deployment(name, wanted) }, spec)
  }

  get key() {
    return deploymentKey(this.here.namespace, this.name)
  }

  live(): Promise<Json> {
    return this.here.api.get(this.key)
  }

  /** Commits, and asks for a sync. */
  async push(files: Readonly<Record<string, string | null>>): Promise<string> {
    this.commit = await this.repo.commit(files as Record<string, string>)
    await this.ask()
    return this.commit
  }

  async ask(): Promise<void> {
    await this.here.api.patch(repositoryKey(this.here.namespace, this.name), {
      metadata: { annotations: { "nopea.io/reconcile-requested-at": new Date().toISOString() } },
    })
  }

  /** A sync that looks at everything, from its request to its end; answers the status. */
  async look(): Promise<Json> {
    const token = `${new Date().toISOString()}-${Math.random()}`
    await this.here.api.patch(repositoryKey(this.here.namespace, this.name), {
      metadata: { annotations: { "nopea.io/reconcile-requested-at": token } },
    })
    return this.status("has looked", (status) => status.lastHandledReconcileAt === token)
  }

  set(spec: Readonly<Record<string, unknown>>): Promise<Json> {
    return this.here.api.patch(repositoryKey(this.here.namespace, this.name), { spec })
  }

  status(until: string, holds: (status: Json) => boolean): Promise<Json> {
    return statusIs(this.here, this.name, until, holds)
  }

  drifted(): Promise<Json> {
    return this.status("is Drifted", ({ phase }) => phase === "Drifted")
  }

  synced(commit = this.commit): Promise<Json> {
    return this.status(
      `is Synced at ${commit.slice(0, 7)}`,
      (status) => status.phase === "Synced" && status.lastSyncedCommit === commit,
    )
  }

  /** Synced again after a heal of that many objects. */
  healed(count = 1): Promise<Json> {
    return this.status(
      `tells ${count} healed`,
      ({ phase, history }) => phase === "Synced" && history?.[0]?.healed === count,
    )
  }

  setImage(image: string, options: { readonly fieldManager: string } = EDIT): Promise<Json> {
    const containers = [{ name: "main", image: `registry.example/${image}` }]
    return this.here.api.patch(
      this.key,
      { spec: { template: { spec: { containers } } } },
      { ...options, type: "strategic" },
    )
  }

  setEnv(value: string, options: { readonly fieldManager: string } = EDIT): Promise<Json> {
    const containers = [{ name: "main", env: [{ name: "LEVEL", value }] }]
    return this.here.api.patch(
      this.key,
      { spec: { template: { spec: { containers } } } },
      { ...options, type: "strategic" },
    )
  }

  annotate(
    annotations: Readonly<Record<string, string | null>>,
    key: ObjectKey = this.key,
  ): Promise<Json> {
    return this.here.api.patch(key, { metadata: { annotations } }, EDIT)
  }

  waitFor(until: string, holds: (live: Json) => boolean, key: ObjectKey = this.key): Promise<Json> {
    return this.here.api.waitFor(key, holds, { until, deadlineMs: SOON })
  }
}

export interface Written {
  /** `patch 200`, in their order: those that were done. */
  readonly writes: ReadonlyArray<string>
  /** When they came, milliseconds since the epoch. */
  readonly at: ReadonlyArray<number>
  readonly dryRuns: number
  readonly reads: number
}

/** What controllers asked of the API server about objects of that resource since the mark. */
export const askedSince = async (
  since: AuditMark,
  where: { readonly resource: string; readonly namespace?: string; readonly name?: string },
): Promise<Written> => {
  const all = await audit({ userAgent: "nopea/", since, ...where })
  const dryRuns = all.filter(({ requestURI }) => isDryRun(requestURI))
  const real = all.filter(({ requestURI }) => !isDryRun(requestURI))
  const isWrite = ({ verb }: { readonly verb: string }) => WRITES.includes(verb)
  const done = real.filter((one) => isWrite(one) && one.code < 400)
  return {
    writes: done.map(({ verb, code }) => `${verb} ${code}`),
    at: done.map(({ receivedAt }) => Date.parse(receivedAt)),
    dryRuns: dryRuns.length,
    reads: real.filter((one) => !isWrite(one)).length,
  }
}

export { markAudit }
