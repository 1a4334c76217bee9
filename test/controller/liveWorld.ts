// Live indexes on the real API server, and hands on one repository of them whose worker only counts.
import { randomBytes } from "node:crypto"
import { Effect, Layer, ManagedRuntime } from "effect"
import { afterAll } from "vitest"
import { Live, type LiveQuery, type LiveSnapshot } from "../../src/cache/Live.ts"
import { type LiveIndexOptions, layer as liveLayer } from "../../src/controller/LiveIndex.ts"
import { layer as kubeLayer } from "../../src/kube/KubeHttp.ts"
import { eventually } from "../cluster/Api.ts"
import { auditCount, cluster, connect, freshNamespace, markAudit } from "../cluster/connect.ts"

export const CONFIG_MAP = { group: "", kind: "ConfigMap" }
export const NAMESPACE = { group: "", kind: "Namespace" }

type Use = <A, E>(by: (live: Live["Service"]) => Effect.Effect<A, E>) => Promise<A>

export interface Worker {
  readonly repository: string
  readonly known: () => Promise<LiveSnapshot["objects"]>
  readonly wakes: () => number
  /** Until it was woken so often. */
  readonly woken: (times: number) => Promise<true>
  /** Until the watch has told what holds. */
  readonly sees: (holds: (objects: LiveSnapshot["objects"]) => boolean) => Promise<true>
}

interface OpenOptions extends LiveIndexOptions {
  readonly context?: string
  readonly kubeconfig?: string
}

export const liveWorld = () => {
  const agent = `nopea-live-${randomBytes(4).toString("hex")}`
  const api = connect()
  const namespace = freshNamespace(api, "live")

  const query = (name: string, more: Partial<LiveQuery> = {}): LiveQuery => ({
    repository: `${namespace}/${name}`,
    kinds: [CONFIG_MAP],
    freshness: "listed",
    caller: { budget: `${namespace}/${name}` },
    namespaces: [namespace],
    ...more,
  })

  const labelsOf = (repository: string, uid = "u1") => ({
    "nopea.io/repository": repository,
    "nopea.io/repository-namespace": namespace,
    "nopea.io/repository-uid": uid,
  })

  const labelled = (name: string, repository: string, uid = "u1") => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace, labels: labelsOf(repository, uid) },
  })

  const key = (name: string) => `/ConfigMap/${namespace}/${name}`

  const worker = async (use: Use, name: string, more: Partial<LiveQuery> = {}): Promise<Worker> => {
    const ask = (freshness: LiveQuery["freshness"]) =>
      use((live) => live.snapshot(query(name, { freshness, ...more })))
    let wakes = 0
    const wake = () => {
      wakes += 1
    }
    const repository = `${namespace}/${name}`
    await use((live) => Effect.sync(() => live.register(repository, wake)))
    await ask("fresh")
    const known = async () => (await ask("known")).objects
    return {
      repository,
      known,
      wakes: () => wakes,
      woken: (times) =>
        eventually(`${name} is woken ${times} times`, async () => wakes >= times || undefined),
      sees: (holds) =>
        eventually(`the watch tells ${name}`, async () => holds(await known()) || undefined),
    }
  }

  const open = ({ context = "admin", kubeconfig, ...options }: OpenOptions = {}) => {
    const access = { kubeconfig: kubeconfig ?? cluster().kubeconfig, context }
    const kube = kubeLayer({ ...access, userAgent: agent })
    const runtime = ManagedRuntime.make(liveLayer(options).pipe(Layer.provide(kube)))
    afterAll(() => runtime.dispose())
    const use: Use = (by) => runtime.runPromise(Effect.flatMap(Live, by))
    return {
      use,
      close: () => runtime.dispose(),
      worker: (name: string, more?: Partial<LiveQuery>) => worker(use, name, more),
    }
  }

  /** Lists that were asked for since now, of one resource or all. */
  const counting = async () => {
    const since = await markAudit()
    return (verb: string, resource?: string) =>
      auditCount({ userAgent: agent, verb, since, ...(resource === undefined ? {} : { resource }) })
  }

  return { api, namespace, open, query, labelled, labelsOf, key, counting }
}
