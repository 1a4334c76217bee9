// The recipes of docs/take-over.md, run as they are written: only names that a shared cluster needs are put in.
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import type { Json, KubeObject } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  repositoryKey,
  requestSync,
  synced,
  world,
} from "./world.ts"

const here = world()
const run = promisify(execFile)
const text = readFileSync(join(import.meta.dirname, "../../docs/take-over.md"), "utf8")

/** The shell block of this name. */
const recipe = (name: string, url = ""): string => {
  const [, block] = new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``, "u").exec(text) ?? []
  if (block === undefined) throw new Error(`docs/take-over.md has no recipe ${name}`)
  return block
    .replaceAll(/-n (shop|flux-system|argocd)\b/gu, `-n ${here.namespace}`)
    .replaceAll("namespace: shop", `namespace: ${here.namespace}`)
    .replaceAll("https://git.example/shop.git", url)
}

const shell = async (name: string, url?: string): Promise<string> => {
  const { bin, kubeconfig } = cluster()
  const path = `${dirname(bin.kubectl)}:${process.env["PATH"]}`
  const env = { PATH: path, KUBECONFIG: kubeconfig, HOME: here.controller.folder }
  const cwd = here.controller.folder
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", recipe(name, url)], { env, cwd })
  return stdout
}

const live = (name: string): Promise<Json> => here.api.get(configMapKey(here.namespace, name))

/** The kinds that the recipes patch and delete, without the tools behind them. */
const definition = (group: string, version: string, plural: string, kind: string) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    ],
  },
})

/** Where the tools are installed, their own definitions serve. */
const made: Array<KubeObject> = []
beforeAll(async () => {
  for (const one of [
    definition("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"),
    definition("argoproj.io", "v1alpha1", "applications", "Application"),
  ]) {
    if ((await here.api.get(one)) !== undefined) continue
    await here.api.applyDefinition(one)
    made.push(one)
  }
})
afterAll(async () => {
  for (const one of made) await here.api.delete(one)
})

/** Takes `name` over as the recipes do, and proves that what leaves Git later really goes. */
const takeOver = async (name: string, stop?: string) => {
  const { uid } = (await live(name)).metadata
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit({ "a.yaml": configMap(name, "git") })
  if (stop !== undefined) await shell(stop)
  assert.include(await shell("look", repo.url), name)
  assert.strictEqual((await live(name)).data.value, "old")
  await shell("take")
  await synced(here, "shop", commit)
  const taken = await live(name)
  assert.strictEqual(taken.metadata.uid, uid)
  assert.deepEqual(taken.data, { value: "git" })
  assert.strictEqual(taken.metadata.labels["nopea.io/repository"], "shop")
  return { repo, taken }
}

const old = (name: string, metadata: Record<string, unknown> = {}) => ({
  ...configMapKey(here.namespace, name),
  metadata: { name, namespace: here.namespace, ...metadata },
  data: { value: "old", gone: "from Git" },
})

describe("docs/take-over.md", () => {
  afterEach(async () => {
    await shell("leave").catch(() => "")
    await here.api.waitForGone(repositoryKey(here.namespace, "shop"))
  })

  it("kubectl: what was made by hand is taken, and what is not in Git is listed", async () => {
    explainFailure(here)
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}" }
    for (const name of ["by-hand", "not-in-git"]) {
      const path = (await here.api.path(configMapKey(here.namespace, name))).replace(
        /\/[^/]+$/u,
        "",
      )
      await here.api.call("POST", path, {
        body: old(name, { annotations }),
        query: { fieldManager: "kubectl-client-side-apply" },
      })
    }
    const { taken } = await takeOver("by-hand")
    assert.notProperty(
      taken.metadata.annotations,
      "kubectl.kubernetes.io/last-applied-configuration",
    )
    const found = await shell("kubectl")
    assert.include(found, "configmap/not-in-git")
    assert.notInclude(found, "configmap/by-hand")
    await shell("leave")
    await here.api.waitForGone(repositoryKey(here.namespace, "shop"))
    assert.isDefined(await live("by-hand"))
  })

  it("Flux: the Kustomization is stopped, its object taken, its marks gone", async () => {
    explainFailure(here)
    const flux = "kustomize.toolkit.fluxcd.io"
    const unit = {
      apiVersion: `${flux}/v1`,
      kind: "Kustomization",
      metadata: { name: "shop", namespace: here.namespace },
      spec: { prune: true },
    }
    await here.api.apply(unit)
    const labels = { [`${flux}/name`]: "shop", [`${flux}/namespace`]: "flux-system" }
    await here.api.apply(old("by-flux", { labels }), { fieldManager: "kustomize-controller" })
    const { taken } = await takeOver("by-flux", "flux-stop")
    assert.deepInclude((await here.api.get(unit)).spec, { suspend: true, prune: false })
    assert.notProperty(taken.metadata.labels, `${flux}/name`)
    await shell("flux-remove")
    assert.isUndefined(await here.api.get(unit))
  })

  /** As the controllers of Flux and Argo CD leave a Deployment behind: their marks, and others' status. */
  const workload = (name: string, metadata: object): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: here.namespace, ...metadata },
    spec: {
      replicas: 0,
      revisionHistoryLimit: 3,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "main", image: "registry.example/app:1" }] },
      },
    },
  })
  /** Takes a Deployment over as Git has it, and then without one field. */
  const takesWorkload = async (name: string) => {
    const key = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name } }
    const at = { ...key, metadata: { name, namespace: here.namespace } }
    const before = await here.api.get(at)
    const { spec } = workload(name, {})
    const repo = await here.git.createRepo(name)
    const first = await repo.commit({ "a.json": JSON.stringify({ ...key, spec }) })
    await shell("look", repo.url)
    await shell("take")
    await synced(here, "shop", first)
    const taken = await here.api.get(at)
    assert.strictEqual(taken.metadata.uid, before.metadata.uid)
    assert.deepEqual(taken.spec, before.spec)
    const { revisionHistoryLimit: _, ...less } = spec as Json
    const second = await repo.commit({ "a.json": JSON.stringify({ ...key, spec: less }) })
    await requestSync(here, "shop")
    await synced(here, "shop", second)
    assert.strictEqual((await here.api.get(at)).spec.revisionHistoryLimit, 10)
    return taken
  }

  it("a Deployment of Flux, applied on the server, keeps its uid and spec, so no pod restarts, and then follows Git", async () => {
    explainFailure(here)
    const flux = "kustomize.toolkit.fluxcd.io"
    const labels = { [`${flux}/name`]: "shop", [`${flux}/namespace`]: "flux-system" }
    const manager = { fieldManager: "kustomize-controller" }
    await here.api.apply(workload("flux-deployment", { labels }), manager)
    const { metadata } = await takesWorkload("flux-deployment")
    assert.notProperty(metadata.labels, `${flux}/namespace`)
  })

  it("a Deployment of Argo CD, applied at the client, keeps its uid and spec, so no pod restarts, and then follows Git", async () => {
    explainFailure(here)
    const name = "argo-deployment"
    const record = "kubectl.kubernetes.io/last-applied-configuration"
    const annotations = {
      "argocd.argoproj.io/tracking-id": `shop:apps/Deployment:${here.namespace}/${name}`,
      "argocd.argoproj.io/installation-id": "here",
      [record]: JSON.stringify(workload(name, {})),
    }
    const one = workload(name, { annotations, labels: { "app.kubernetes.io/instance": "shop" } })
    const path = (await here.api.path(one)).replace(/\/[^/]+$/u, "")
    await here.api.call("POST", path, {
      body: one,
      query: { fieldManager: "argocd-controller" },
    })
    const { metadata } = await takesWorkload(name)
    const left = Object.keys(metadata.annotations).filter((key) => /^(argocd|kubectl)\./u.test(key))
    assert.isEmpty(left)
  })

  it("Argo CD: the Application lets go of its objects and is deleted", async () => {
    explainFailure(here)
    const unit = {
      apiVersion: "argoproj.io/v1alpha1",
      kind: "Application",
      metadata: {
        name: "shop",
        namespace: here.namespace,
        finalizers: ["resources-finalizer.argocd.argoproj.io"],
      },
      spec: { syncPolicy: { automated: { prune: true } } },
    }
    await here.api.apply(unit)
    const annotations = {
      "argocd.argoproj.io/tracking-id": `shop:/ConfigMap:${here.namespace}/by-argo`,
    }
    await here.api.apply(old("by-argo", { annotations }), { fieldManager: "argocd-controller" })
    const { taken } = await takeOver("by-argo", "argo-stop")
    assert.notProperty(taken.metadata.annotations, "argocd.argoproj.io/tracking-id")
    await shell("argo-remove")
    await here.api.waitForGone(unit)
  })

  /** Synced by NOPEA, then left to whoever comes next. */
  const leftBehind = async (name: string) => {
    const { bin, kubeconfig } = cluster()
    const earlier = ["-l", "nopea.io/repository=shop", "-n", here.namespace]
    await run(bin.kubectl, [
      "--kubeconfig",
      kubeconfig,
      "delete",
      "configmap,deployment",
      ...earlier,
    ])
    const repo = await here.git.createRepo(name)
    const commit = await repo.commit({
      "a.yaml": configMap(name, "git", "  labels: {app: shop}\n"),
    })
    await shell("look", repo.url)
    await shell("take")
    await synced(here, "shop", commit)
    await shell("leave")
    await here.api.waitForGone(repositoryKey(here.namespace, "shop"))
    const found = await live(name)
    assert.strictEqual(found.metadata.labels["nopea.io/repository"], "shop")
    return found
  }
  const managersOf = ({ metadata }: Json): ReadonlyArray<string> =>
    (metadata.managedFields ?? []).map(({ manager }: Json) => manager)
  const marksOf = ({ metadata }: Json): ReadonlyArray<string> =>
    Object.keys({ ...metadata.labels, ...metadata.annotations }).filter((key) =>
      /^nopea\.io\/|managed-by$/u.test(key),
    )

  it("back to a tool that applies on the server: only what NOPEA alone holds goes", async () => {
    explainFailure(here)
    const { uid } = (await leftBehind("back-server")).metadata
    const labels = { app: "shop", "kustomize.toolkit.fluxcd.io/name": "shop" }
    const metadata = { name: "back-server", namespace: here.namespace, labels }
    const manifest = { ...configMapKey(here.namespace, "back-server"), metadata }
    const flux = { fieldManager: "kustomize-controller" }
    await here.api.apply({ ...manifest, data: { value: "git" } }, flux)
    const lines = (await shell("let-go-look")).split("\n").filter((line) => /^[-+] /u.test(line))
    assert.isAbove(lines.length, 3)
    assert.deepEqual(
      lines.filter((line) => !/nopea/u.test(line)),
      ["-  annotations:"],
    )
    await shell("let-go")
    const found = await live("back-server")
    assert.strictEqual(found.metadata.uid, uid)
    assert.deepEqual([marksOf(found), managersOf(found)], [[], ["kustomize-controller"]])
    assert.deepEqual([found.data, found.metadata.labels], [{ value: "git" }, labels])
    await here.api.apply({ ...manifest, data: { other: "x" } }, flux)
    assert.deepEqual((await live("back-server")).data, { other: "x" })
  })

  it("back to a tool that applies at the client: nothing of NOPEA stays", async () => {
    explainFailure(here)
    const { uid } = (await leftBehind("back-client")).metadata
    await shell("let-go-client")
    const found = await live("back-client")
    assert.strictEqual(found.metadata.uid, uid)
    assert.deepEqual([marksOf(found), found.data], [[], { value: "git" }])
    assert.notInclude(managersOf(found), "nopea")
  })

  it("Helm: the object is taken, and only the release's record is deleted", async () => {
    explainFailure(here)
    const record = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: "sh.helm.release.v1.shop.v1",
        namespace: here.namespace,
        labels: { owner: "helm", name: "shop" },
      },
    }
    await here.api.apply(record)
    const path = (await here.api.path(configMapKey(here.namespace, "by-helm"))).replace(
      /\/[^/]+$/u,
      "",
    )
    const labels = { "app.kubernetes.io/managed-by": "Helm" }
    const annotations = {
      "meta.helm.sh/release-name": "shop",
      "meta.helm.sh/release-namespace": "shop",
    }
    await here.api.call("POST", path, {
      body: old("by-helm", { labels, annotations }),
      query: { fieldManager: "helm" },
    })
    const { repo, taken } = await takeOver("by-helm")
    assert.strictEqual(taken.metadata.labels["app.kubernetes.io/managed-by"], "nopea")
    assert.notProperty(taken.metadata.annotations, "meta.helm.sh/release-name")
    await shell("helm-remove")
    assert.isUndefined(await here.api.get(record))
    await repo.commit({ "a.yaml": null, "b.yaml": configMap("after-helm", "x") })
    await requestSync(here, "shop")
    await here.api.waitForGone(configMapKey(here.namespace, "by-helm"))
  })
})
