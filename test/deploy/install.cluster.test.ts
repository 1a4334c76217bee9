import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { KubeObject } from "../cluster/Api.ts"
import { connect, freshNamespace } from "../cluster/connect.ts"
import { built, builtBy, find, install, may, movedTo } from "./manifests.ts"

const api = connect()

const BASE = [
  "ClusterRole/nopea-controller",
  "ClusterRoleBinding/nopea-controller",
  "CustomResourceDefinition/gitrepositories.nopea.false.systems",
  "Deployment/nopea",
  "Namespace/nopea-system",
  "Role/nopea-controller",
  "RoleBinding/nopea-controller",
  "Service/nopea",
  "ServiceAccount/nopea",
]
const PLAIN = ["ClusterRole/nopea-anything", "ClusterRoleBinding/nopea-anything"]
const RESTRICTED = [
  "ClusterRole/nopea-deployer",
  "ClusterRole/nopea-deployer-kinds",
  "ClusterRole/nopea-tenant",
  "ClusterRole/nopea-watch",
  "ClusterRole/nopea-watch-kinds",
  "ClusterRoleBinding/nopea-watch",
]

const titles = (objects: ReadonlyArray<KubeObject>) =>
  objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`).toSorted()

/** Grants of the variant's cluster roles and bindings, by the ServiceAccount of the controller. */
const question = (text: string, namespace: string) => {
  const [verb = "", path = "", name] = text.split(" ")
  const [resource = "", group = ""] = path.split(".", 2)
  const [, rest] = path.split(/\.(.*)/su)
  return {
    verb,
    resource,
    group: rest ?? group,
    namespace,
    ...(name === undefined ? {} : { name }),
  }
}

describe.each([
  [
    "deploy",
    PLAIN,
    [
      "impersonate serviceaccounts anybody",
      "escalate clusterroles.rbac.authorization.k8s.io",
      "delete deployments.apps",
      "get secrets",
    ],
    [],
  ],
  [
    "deploy/restricted",
    RESTRICTED,
    ["list deployments.apps", "watch httproutes.gateway.networking.k8s.io"],
    [
      "impersonate serviceaccounts nopea-deployer",
      "impersonate users",
      "impersonate groups",
      "escalate clusterroles.rbac.authorization.k8s.io",
      "bind clusterroles.rbac.authorization.k8s.io",
      "create configmaps",
      "patch deployments.apps",
      "delete deployments.apps",
      "list secrets",
      "get secrets",
      "get configmaps",
      "create pods",
      "create serviceaccounts",
      "delete gitrepositories.nopea.false.systems",
      "create gitrepositories.nopea.false.systems",
    ],
  ],
] as const)("%s", (folder, own, allowed, denied) => {
  const home = freshNamespace(api, "install")
  const elsewhere = freshNamespace(api, "elsewhere")
  let objects: ReadonlyArray<KubeObject> = []
  let remove = async () => {}
  beforeAll(async () => {
    objects = await built(folder)
    remove = await install(
      api,
      movedTo(home, objects).filter(({ kind }) => kind !== "Namespace"),
    )
  })
  afterAll(() => remove())

  it("builds, and the API server takes every object in a server-side dry run", async () => {
    expect(titles(objects)).toEqual([...BASE, ...own].toSorted())
    for (const one of [...movedTo(home, objects), find(objects, "CustomResourceDefinition")]) {
      const live = await api.apply(one, { dryRun: true, force: true })
      expect(live.metadata.labels["app.kubernetes.io/part-of"]).toBe("nopea")
    }
  })

  it("runs a pod that the restricted Pod Security Standard admits", async () => {
    const { template } = find(objects, "Deployment")["spec"]
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" }
    expect(find(objects, "Namespace").metadata["labels"]).toMatchObject(labels)
    await api.patch(
      { apiVersion: "v1", kind: "Namespace", metadata: { name: home } },
      { metadata: { labels } },
    )
    const metadata = { ...template.metadata, generateName: "nopea-" }
    const answer = await api.call("POST", `/api/v1/namespaces/${home}/pods`, {
      query: { dryRun: "All" },
      body: { apiVersion: "v1", kind: "Pod", ...template, metadata },
    })
    expect([answer.status, answer.body.message]).toEqual([201, undefined])
  })

  it("never runs two controllers, nor leaves a port unprobed", () => {
    const { replicas, strategy, template } = find(objects, "Deployment")["spec"]
    const [container] = template.spec.containers
    expect({ replicas, strategy }).toEqual({ replicas: 1, strategy: { type: "Recreate" } })
    const paths = ["livenessProbe", "readinessProbe"].map((one) => container[one].httpGet.path)
    expect(paths).toEqual(["/health", "/ready"])
    expect(find(objects, "Service")["spec"].selector).toEqual(template.metadata.labels)
  })

  const user = `system:serviceaccount:${home}:nopea`
  it.each(["patch gitrepositories.nopea.false.systems shop", "create events", ...allowed])(
    "the controller may %s anywhere",
    async (text) => {
      expect(await may(api, user, question(text, elsewhere))).toBe(true)
    },
  )
  it.each([...denied])("the controller may not %s elsewhere", async (text) => {
    expect(await may(api, user, question(text, elsewhere))).toBe(false)
  })
})

describe("the components", () => {
  const home = freshNamespace(api, "components")
  it.each([
    ["deploy/components/network-policy", "NetworkPolicy"],
    ["deploy/components/disruption-budget", "PodDisruptionBudget"],
  ])("%s adds its object to either variant", async (component, kind) => {
    for (const folder of ["deploy", "deploy/restricted"]) {
      const before = titles(await built(folder))
      const objects = await builtBy({ resources: [folder], components: [component] })
      expect(titles(objects)).toEqual([...before, `${kind}/nopea`].toSorted())
      const own = find(movedTo(home, objects), kind)
      await api.apply(own, { dryRun: true })
      const selector = own["spec"].podSelector ?? own["spec"].selector
      const { labels } = find(objects, "Deployment")["spec"].template.metadata
      expect(labels).toMatchObject(selector.matchLabels)
    }
  })

  it("deploy/monitoring adds the monitor and the alerts", async () => {
    const objects = await builtBy({ resources: ["deploy"], components: ["deploy/monitoring"] })
    expect(titles(objects)).toEqual(
      [...BASE, ...PLAIN, "PodMonitor/nopea", "PrometheusRule/nopea"].toSorted(),
    )
  })
})
