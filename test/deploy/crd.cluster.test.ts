import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { beforeAll, describe, expect, it } from "vitest"
import { eventually, type Json, type KubeObject } from "../cluster/Api.ts"
import { cluster, connect, freshNamespace } from "../cluster/connect.ts"
import { raw } from "../domain/repositories.ts"
import { RIGHT, WRONG } from "../domain/wrongSpecs.ts"
import { definition } from "./manifests.ts"

const run = promisify(execFile)
const api = connect()
const namespace = freshNamespace(api)
const kubectl = async (...args: string[]) =>
  (await run(cluster().bin.kubectl, ["--kubeconfig", cluster().kubeconfig, ...args])).stdout

const named = (name: string, spec: object = {}): KubeObject => {
  const { apiVersion, kind, spec: minimal } = raw({ spec })
  return { apiVersion, kind, metadata: { name, namespace }, spec: minimal }
}

const key = (name: string) => named(name)

beforeAll(async () => api.applyDefinition(await definition()))

describe("the CustomResourceDefinition", () => {
  it("is established, with a structural schema", async () => {
    const live = await api.get(await definition())
    const conditions: Json[] = live.status.conditions
    const of = (type: string) => conditions.find((one) => one.type === type)?.status
    expect([of("Established"), of("NamesAccepted"), of("NonStructuralSchema")]).toEqual([
      "True",
      "True",
      undefined,
    ])
  })

  it("keeps every rule and description it was sent", async () => {
    const live = await api.get(await definition())
    const sent = (await definition())["spec"].versions[0].schema
    expect(live.spec.versions[0].schema).toEqual(sent)
  })

  it("fills in every default", async () => {
    const { spec } = await api.create(named("defaults"))
    expect(spec).toEqual({
      url: "https://git.example/web.git",
      branch: "main",
      path: ".",
      interval: "5m",
      timeout: "3m",
      suspend: false,
      prune: true,
      pruneLimit: "50%",
      deletionPolicy: "Orphan",
      healPolicy: "auto",
      healGracePeriod: "0s",
      conflictPolicy: "git",
      adopt: "Plain",
      dryRun: false,
      wait: false,
      force: false,
    })
  })

  it.each(RIGHT.map((spec, at) => [JSON.stringify(spec), spec, at] as const))(
    "takes %s",
    async (_, spec, at) => {
      await api.create(named(`right-${at}`, spec))
    },
  )

  it("prunes fields that it does not know", async () => {
    const { spec } = await api.create(named("unknown", { tomorrow: true }))
    expect(spec).not.toHaveProperty("tomorrow")
  })
})

/** `spec.ignore[0].paths` is how both sides spell it; a rule over several fields stands at `spec`. */
const refusal = async (spec: object): Promise<string> =>
  api.create(named("wrong", spec)).then(
    () => expect.fail("it was accepted"),
    (error: Error) => error.message,
  )

describe("the API server refuses, naming the field,", () => {
  it.each(WRONG.map((wrong) => [wrong[0], JSON.stringify(wrong[1]).slice(0, 70), wrong] as const))(
    "%s: %s",
    async (_field, _text, [field, spec, says]) => {
      const message = await refusal(spec)
      expect(message).toContain(field)
      expect(message).toMatch(says)
    },
  )

  it("a name that does not fit into a label", async () => {
    await expect(api.create(named("a".repeat(64)))).rejects.toThrow(/at most 63 characters/)
    await api.create(named("a".repeat(63)))
  })

  it("a dependency on itself, and one named twice", async () => {
    await expect(api.create(named("loop", { dependsOn: ["loop"] }))).rejects.toThrow(/itself/)
    await expect(api.create(named("twice", { dependsOn: ["a", "a"] }))).rejects.toThrow(
      /spec.dependsOn\[1\]: Duplicate value/,
    )
  })

  it("a spec without a url, and no spec at all", async () => {
    const { spec: _, ...bare } = named("bare")
    await expect(api.create(bare as KubeObject)).rejects.toThrow(/spec: Required value/)
    await expect(api.create({ ...named("bare"), spec: {} })).rejects.toThrow(/spec.url: Required/)
  })
})

describe("kubectl", () => {
  it("explains a field", async () => {
    const text = await eventually("the schema is published", () =>
      kubectl("explain", "gitrepository.spec.healPolicy").catch(() => undefined),
    )
    expect(text).toMatch(/what happens when somebody changes an object in the cluster/i)
    expect(text).toMatch(/ENUM:\s+auto\s+manual\s+notify/)
    expect(text).toContain("DESCRIPTION")
  })

  it("prints the columns by the short names, the wide ones only when asked", async () => {
    await api.create(named("columns"))
    const status = {
      observedGeneration: 1,
      phase: "Synced",
      summary: { commit: "4f1c2ab", resources: "12/12" },
      driftedCount: 1,
      lastSyncTime: new Date().toISOString(),
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "Succeeded",
          message: "applied 4f1c2ab: 12 objects",
          lastTransitionTime: new Date().toISOString(),
        },
      ],
    }
    await api.patch(key("columns"), { status }, { subresource: "status" })
    const cells = (text: string) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => line.split(/\s{2,}/))
    const [head, row] = cells(await kubectl("get", "ngr", "columns", "-n", namespace))
    expect(head).toEqual(["NAME", "PHASE", "COMMIT", "RESOURCES", "DRIFT", "LAST SYNC", "AGE"])
    expect(row?.slice(0, 5)).toEqual(["columns", "Synced", "4f1c2ab", "12/12", "1"])
    const [wide, wideRow] = cells(
      await kubectl("get", "nopea", "columns", "-n", namespace, "-o", "wide"),
    )
    expect(wide?.slice(0, 4)).toEqual(["NAME", "URL", "BRANCH", "PHASE"])
    expect(wideRow?.at(-1)).toBe("applied 4f1c2ab: 12 objects")
  })

  it("waits for Ready", async () => {
    await kubectl("wait", "ngr/columns", "-n", namespace, "--for=condition=Ready", "--timeout=5s")
  })
})

describe("the status", () => {
  it("is a subresource: an edit of the object does not touch it, and it may say all that we say", async () => {
    await api.create(named("status"))
    await api.patch(key("status"), { status: { phase: "Synced" } })
    const untouched = { observedGeneration: -1, phase: "Pending" }
    expect((await api.get(key("status"))).status).toEqual(untouched)
    await api.patch(key("status"), { status: fullStatus }, { subresource: "status" })
    expect((await api.get(key("status"))).status).toEqual(fullStatus)
  })
})

const time = "2026-11-20T10:00:00Z"
const sha = "4f1c".repeat(10)
const fullStatus = {
  observedGeneration: 3,
  phase: "Drifted",
  lastSyncedCommit: sha,
  lastAttemptedCommit: sha,
  lastSyncTime: time,
  commit: { sha, message: "api: 3 replicas", author: "a@example.com", time },
  resourceCount: 12,
  appliedCount: 12,
  driftedCount: 1,
  suspendedCount: 0,
  inventoryKinds: ["/Service", "apps/Deployment"],
  drift: [
    {
      object: "apps/Deployment/shop/api",
      type: "manual_drift",
      path: "spec.template.spec.containers[name=api].image",
      manager: "kubectl-edit",
      operation: "Update",
      time,
      firstSeen: time,
      action: "held",
      until: time,
    },
  ],
  failures: [
    {
      code: "NOPEA-A004",
      object: "batch/Job/shop/migrate",
      file: "deploy/job.yaml",
      document: 2,
      line: 14,
      reason: "field is immutable: spec.template",
      fix: "set spec.force, or rename the Job",
    },
  ],
  plan: [{ object: "apps/Deployment/shop/api", action: "configured", paths: ["spec.replicas"] }],
  history: [
    {
      commit: sha,
      trigger: "webhook",
      phase: "Synced",
      startedAt: time,
      duration: "0.21s",
      created: 0,
      configured: 1,
      pruned: 0,
      healed: 0,
      failed: 0,
      syncId: "01J00000000000000000000000",
    },
  ],
  lastHandledReconcileAt: "now",
  summary: { commit: "4f1c4f1", resources: "12/12" },
  conditions: [
    {
      type: "Ready",
      status: "True",
      reason: "Succeeded",
      message: "applied 4f1c4f1: 12 objects",
      lastTransitionTime: time,
      observedGeneration: 3,
    },
  ],
}
