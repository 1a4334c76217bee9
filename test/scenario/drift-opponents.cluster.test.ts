// Others who write our fields: once, by force, for ever; and an account that may not put anything back.
import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import {
  askedSince,
  conditionOf,
  Drifting,
  deployment,
  EDIT,
  IMAGE,
  imageOf,
  markAudit,
} from "./drifting.ts"
import { configMap, configMapKey, world } from "./world.ts"

const here = world()
const applied = (one: Drifting, image: string): Json => ({
  ...one.key,
  spec: {
    selector: { matchLabels: { app: one.name } },
    template: {
      metadata: { labels: { app: one.name } },
      spec: { containers: [{ name: "main", image: `registry.example/${image}` }] },
    },
  },
})

describe("another manager", () => {
  it("that applies by force is named with how it wrote, and put back; told and left under manual", async () => {
    const one = await Drifting.deployment(here, "forced")
    await here.api.apply(applied(one, "app:9"), { fieldManager: "argocd", force: true })
    await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
    await one.healed()
    await one.set({ healPolicy: "manual" })
    await one.look()
    await here.api.apply(applied(one, "app:9"), { fieldManager: "argocd", force: true })
    const { drift } = await one.drifted()
    assert.equal(drift.length, 1)
    assert.include(drift[0], { path: IMAGE, manager: "argocd", operation: "Apply", action: "left" })
    assert.equal(imageOf(await one.live()), "app:9")
  })

  it("that applies the same values takes nothing: no drift, no write", async () => {
    const one = await Drifting.deployment(here, "same")
    const since = await markAudit()
    await here.api.apply(applied(one, "app:1"), { fieldManager: "argocd", force: true })
    assert.deepInclude(await one.look(), { phase: "Synced", driftedCount: 0 })
    const { writes } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.deepEqual(writes, [])
  })

  it("in an endless loop is met a bounded number of times and named; its neighbours do not notice", async () => {
    const one = await Drifting.of(here, "looped", {
      "app.yaml": deployment("looped"),
      "b.yaml": configMap("looped-b", "x"),
    })
    const other = await Drifting.deployment(here, "calm")
    const since = await markAudit()
    let isOver = false
    let turns = 0
    const opponent = (async () => {
      while (!isOver) {
        if (imageOf(await one.live()) !== "app:other") {
          await one.setImage("app:other", { fieldManager: "greedy-operator" })
          turns++
        }
      }
    })()
    try {
      const status = await one.status("has given way", (s) => s.drift?.[0]?.action === "held")
      assert.include(status.drift[0], { path: IMAGE, manager: "greedy-operator" })
      assert.include(conditionOf(status, "Drifted").message, "greedy-operator")
      const b = configMapKey(here.namespace, "looped-b")
      await here.api.patch(b, { data: { value: "edited" } }, EDIT)
      await one.waitFor("is healed beside it", (live) => live.data.value === "x", b)
      await other.setImage("app:9")
      await other.waitFor("is healed", (live) => imageOf(live) === "app:1")
      await other.push({ "app.yaml": deployment(other.name, { image: "app:2" }) })
      await other.synced()
      for (let nth = 0; nth < 5; nth++) await one.look()
    } finally {
      isOver = true
      await opponent
    }
    const { writes, reads } = await askedSince(since, { resource: "deployments", name: one.name })
    assert.isAtLeast(writes.length, 3)
    assert.isAtMost(writes.length, 4, "three heals, and one more where ten seconds have passed")
    assert.isAtMost(turns, writes.length + 1)
    assert.isBelow(reads, 20)
  })
})

describe("an account that may not patch", () => {
  it("phase Drifted, the failure is listed, polling goes on, and the right brings the heal", async () => {
    const { api, namespace } = here
    const rbac = "rbac.authorization.k8s.io/v1"
    const named = { name: "powerless", namespace }
    const role = (verbs: ReadonlyArray<string>): Json => ({
      apiVersion: rbac,
      kind: "Role",
      metadata: named,
      rules: [
        { apiGroups: ["apps"], resources: ["deployments"], verbs },
        { apiGroups: [""], resources: ["configmaps"], verbs: ["*"] },
      ],
    })
    await api.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: named })
    await api.apply(role(["*"]))
    await api.apply({
      apiVersion: rbac,
      kind: "RoleBinding",
      metadata: named,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "powerless" },
      subjects: [{ kind: "ServiceAccount", name: "powerless", namespace }],
    })
    const one = await Drifting.of(
      here,
      "powerless",
      { "app.yaml": deployment("powerless"), "b.yaml": configMap("powerless-b", "x") },
      { serviceAccountName: "powerless", interval: "2s" },
    )
    await api.apply(role(["get", "list", "watch"]))
    await one.setImage("app:9")
    const status = await one.status("tells that it could not heal", (s) => s.failures?.length === 1)
    assert.equal(status.phase, "Drifted")
    assert.include(status.failures[0], { object: `apps/Deployment/${namespace}/powerless` })
    assert.include(status.failures[0].reason, "powerless")
    assert.include(status.drift[0], { path: IMAGE, manager: "kubectl-edit", action: "held" })
    assert.deepInclude(conditionOf(status, "Drifted"), { status: "True", reason: "HealFailed" })
    const commit = await one.repo.commit({ "b.yaml": configMap("powerless-b", "y") })
    await one.waitFor(
      "has the polled commit",
      (l) => l.data.value === "y",
      configMapKey(namespace, "powerless-b"),
    )
    await one.status("tells the commit", (s) => s.lastAttemptedCommit === commit)
    await api.apply(role(["*"]))
    await one.waitFor("is healed", (live) => imageOf(live) === "app:1")
    await one.synced(commit)
  })
})
