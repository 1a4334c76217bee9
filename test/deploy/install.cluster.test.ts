import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { loadAll } from "js-yaml"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Json, KubeObject } from "../cluster/Api.ts"
import { cluster, connect } from "../cluster/connect.ts"

const run = promisify(execFile)
const api = connect()
const folder = fileURLToPath(new URL("../../deploy", import.meta.url))

let objects: ReadonlyArray<KubeObject> = []
const find = (kind: string): KubeObject =>
  objects.find((one) => one.kind === kind) ?? expect.fail(`deploy/ has no ${kind}`)

const REAL = new Set(["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"])

beforeAll(async () => {
  const { stdout } = await run(cluster().bin.kubectl, ["kustomize", folder])
  objects = loadAll(stdout) as KubeObject[]
  for (const one of objects) if (REAL.has(one.kind)) await api.apply(one, { force: true })
})

afterAll(async () => {
  for (const one of objects) if (REAL.has(one.kind)) await api.delete(one)
})

describe("deploy/", () => {
  it("builds, and the API server takes every object in a server-side dry run", async () => {
    expect(objects.map((one) => `${one.kind}/${one.metadata.name}`).toSorted()).toEqual([
      "ClusterRole/nopea-anything",
      "ClusterRole/nopea-controller",
      "ClusterRoleBinding/nopea-anything",
      "ClusterRoleBinding/nopea-controller",
      "CustomResourceDefinition/gitrepositories.nopea.false.systems",
      "Deployment/nopea",
      "Namespace/nopea-system",
      "Role/nopea-controller",
      "RoleBinding/nopea-controller",
      "Service/nopea",
      "ServiceAccount/nopea",
    ])
    for (const one of objects) {
      const live = await api.apply(one, { dryRun: true, force: true })
      expect(live.metadata.labels["app.kubernetes.io/part-of"]).toBe("nopea")
    }
  })

  it("runs a pod that the restricted Pod Security Standard admits", async () => {
    const { template } = find("Deployment")["spec"]
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { generateName: "nopea-" }, ...template }
    const answer = await api.call("POST", "/api/v1/namespaces/nopea-system/pods", {
      query: { dryRun: "All" },
      body: { ...pod, metadata: { ...template.metadata, generateName: "nopea-" } },
    })
    expect([answer.status, answer.body.message]).toEqual([201, undefined])
  })

  it("never runs two controllers, nor leaves a port unprobed", () => {
    const { replicas, strategy, template } = find("Deployment")["spec"]
    const [container] = template.spec.containers
    expect({ replicas, strategy }).toEqual({ replicas: 1, strategy: { type: "Recreate" } })
    const paths = ["livenessProbe", "readinessProbe"].map((one) => container[one].httpGet.path)
    expect(paths).toEqual(["/health", "/ready"])
    expect(find("Service")["spec"].selector).toEqual(template.metadata.labels)
  })
})

describe("the installed controller may", () => {
  it.each([
    ["patch", "nopea.false.systems", "gitrepositories", "status", "shop"],
    ["create", "", "events", "", "shop"],
    ["update", "coordination.k8s.io", "leases", "", "nopea-system"],
    ["impersonate", "", "serviceaccounts", "", "shop"],
    ["escalate", "rbac.authorization.k8s.io", "clusterroles", "", ""],
    ["delete", "apps", "deployments", "", "shop"],
  ])("%s %s %s/%s in %j", async (verb, group, resource, subresource, namespace) => {
    const review: Json = await api.call(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      {
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: {
            user: "system:serviceaccount:nopea-system:nopea",
            resourceAttributes: { verb, group, resource, subresource, namespace },
          },
        },
      },
    )
    expect(review.body.status.allowed).toBe(true)
  })
})
