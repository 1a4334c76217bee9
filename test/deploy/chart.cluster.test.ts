// The Helm chart, rendered by Helm's renderer: it says what the Kustomize folders say, and the API server takes it.
import { join } from "node:path"
import { loadAll } from "js-yaml"
import { describe, expect, it } from "vitest"
import type { Json, KubeObject } from "../cluster/Api.ts"
import { connect, freshNamespace } from "../cluster/connect.ts"
import { helmTemplate } from "../cluster/helm.ts"
import { built, builtBy, definition, find } from "./manifests.ts"

const api = connect()
const namespace = freshNamespace(api, "chart")
const tenant = freshNamespace(api, "tenant")
const chart = join(import.meta.dirname, "../../deploy/chart")
const FIRST_BUILD = 600_000

const rendered = async (values: object, where = namespace): Promise<ReadonlyArray<KubeObject>> => {
  const text = await helmTemplate({ chart, name: "nopea", namespace: where, values })
  return (loadAll(text) as (KubeObject | null)[]).filter((one) => one !== null)
}

const EVERYTHING = {
  image: { repository: "registry.example/nopea", tag: "1" },
  rbac: { variant: "restricted", tenants: [tenant], deployer: "robot" },
  replicas: 2,
  settings: { NOPEA_CLUSTER_NAME: "test", NOPEA_WATCH_SECRETS: true },
  extraEnv: [
    { name: "NOPEA_CDEVENTS_TOKEN", valueFrom: { secretKeyRef: { name: "sink", key: "token" } } },
  ],
  extraVolumes: [{ name: "authorities", configMap: { name: "authorities" } }],
  extraVolumeMounts: [{ name: "authorities", mountPath: "/etc/authorities" }],
  imagePullSecrets: [{ name: "pull" }],
  networkPolicy: { enabled: true },
  podDisruptionBudget: { enabled: true },
  podLabels: { team: "a" },
  podAnnotations: { "example.com/x": "y" },
  nodeSelector: { "kubernetes.io/os": "linux" },
  tolerations: [{ operator: "Exists" }],
  priorityClassName: "system-cluster-critical",
}

describe("the chart", () => {
  it.each([
    ["its own values", {}],
    ["everything set", EVERYTHING],
  ])(
    "with %s is taken by the API server, strictly",
    async (_, values) => {
      for (const one of await rendered(values)) {
        const answer = await api.call("PATCH", await api.path(one), {
          query: { fieldManager: "helm", fieldValidation: "Strict", dryRun: "All", force: "true" },
          contentType: "application/apply-patch+yaml",
          body: one,
        })
        expect([one.kind, answer.status >= 400 ? answer.body.message : ""]).toEqual([one.kind, ""])
      }
    },
    FIRST_BUILD,
  )

  it("runs a pod that the restricted Pod Security Standard admits", async () => {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" }
    const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }
    await api.patch(home, { metadata: { labels } })
    const { template } = find(await rendered({}), "Deployment")["spec"]
    const body = {
      apiVersion: "v1",
      kind: "Pod",
      ...template,
      metadata: { ...template.metadata, generateName: "nopea-" },
    }
    const path = `/api/v1/namespaces/${namespace}/pods`
    const answer = await api.call("POST", path, { query: { dryRun: "All" }, body })
    expect([answer.status, answer.body.message]).toEqual([201, undefined])
  })

  it.each([
    ["anything", "deploy", []],
    ["restricted", "deploy/restricted", ["deploy/tenant"]],
  ])("gives the rights of the folder: %s", async (variant, folder, more) => {
    const tenants = more.length > 0 ? { tenants: ["shop"] } : {}
    const ours = await rendered({ rbac: { variant, ...tenants } }, "nopea-system")
    const theirs = [
      ...(await built(folder)),
      ...(more.length > 0 ? await builtBy({ namespace: "shop", resources: more }) : []),
    ]
    const rights = (objects: ReadonlyArray<KubeObject>) =>
      objects
        .filter(({ kind }) => /Role|ServiceAccount/u.test(kind))
        .map(({ kind, metadata, rules, roleRef, subjects, aggregationRule }) => {
          const { name, namespace: where } = metadata
          return JSON.stringify({ kind, name, where, rules, roleRef, subjects, aggregationRule })
        })
        .map((text) => JSON.stringify(sorted(JSON.parse(text))))
        .toSorted()
    expect(rights(ours)).toEqual(rights(theirs))
  })

  it("sets up the pod as the folder does", async () => {
    for (const [variant, folder] of [
      ["anything", "deploy"],
      ["restricted", "deploy/restricted"],
    ] as const) {
      const pod = (objects: ReadonlyArray<KubeObject>) => {
        const { spec } = find(objects, "Deployment")["spec"].template
        const [container] = spec.containers
        const env = container.env.toSorted((a: Json, b: Json) => (a.name < b.name ? -1 : 1))
        return { ...spec, containers: [{ ...container, env }] }
      }
      expect(pod(await rendered({ rbac: { variant } }))).toEqual(pod(await built(folder)))
    }
  })

  it.each([
    [1_073_741_824, "1073741824"],
    [1_000_000_000, "1000000000"],
    [8, "8"],
    [0, "0"],
    [true, "true"],
    ["10Mi", "10Mi"],
    ["010", "010"],
    ["1e9", "1e9"],
  ])("hands the setting %j on as %j", async (value, text) => {
    const { spec } = find(
      await rendered({ settings: { NOPEA_MIRROR_MAX_BYTES: value } }),
      "Deployment",
    )["spec"].template
    const row = { name: "NOPEA_MIRROR_MAX_BYTES", value: text }
    expect(spec.containers[0].env).toContainEqual(row)
  })

  it("brings the definition, which outlives the release, unless told not to", async () => {
    const crd = find(await rendered({}), "CustomResourceDefinition")
    expect(crd["spec"]).toEqual((await definition())["spec"])
    expect(crd.metadata["annotations"]).toMatchObject({ "helm.sh/resource-policy": "keep" })
    const without = await rendered({ crd: { install: false } })
    expect(without.map(({ kind }) => kind)).not.toContain("CustomResourceDefinition")
  })

  it("brings the monitor and the alerts where they are wanted", async () => {
    const objects = await rendered({ monitoring: { podMonitor: true, alerts: true } })
    expect(find(objects, "PodMonitor").metadata.namespace).toBe(namespace)
    expect(find(objects, "PrometheusRule")["spec"].groups.length).toBeGreaterThan(0)
    expect((await rendered({})).map(({ kind }) => kind)).not.toContain("PodMonitor")
  })

  it.each([
    [{ rbac: { variant: "everything" } }, /rbac\/variant/],
    [{ replicas: 9 }, /replicas/],
    [{ replicaCount: 1 }, /replicaCount/],
    [{ settings: { NOPEA_LISTEN: "0.0.0.0:1" } }, /NOPEA_LISTEN/],
    [{ settings: { NOPEA_WEBHOOK_SECRET: "s3cret" } }, /NOPEA_WEBHOOK_SECRET/],
    [{ rbac: { tenants: ["Shop"], variant: "restricted" } }, /tenants/],
    [{ rbac: { tenants: ["shop"] } }, /restricted/],
    [
      { rbac: { tenants: ["shop", namespace], variant: "restricted" } },
      /rbac\.tenants: .* is the controller's own namespace/,
    ],
    [{ networkPolicy: { ports: [] } }, /ports/],
    [{ podDisruptionBudget: { maxUnavailable: "most" } }, /maxUnavailable/],
  ])("refuses %j", async (values, says) => {
    await expect(rendered(values)).rejects.toThrow(says)
  })
})

/** Keys in order, at every depth. */
const sorted = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== "object") return value
  const entries = Object.entries(value).map(([key, one]): [string, Json] => [key, sorted(one)])
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
