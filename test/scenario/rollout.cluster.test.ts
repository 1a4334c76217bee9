// KULTA: a Deployment of Git goes into a Rollout, in Git or not, on and off, through kills and edits.
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { terminal } from "../cli/Terminal.ts"
import type { Json } from "../cluster/Api.ts"
import { cluster, markAudit } from "../cluster/connect.ts"
import { askedSince, deployment, deploymentKey } from "./drifting.ts"
import {
  CANARY,
  createRollout,
  DEFINITION,
  imageIn,
  managersOf,
  rolloutFile,
  rolloutKey,
  setImage,
  setOf,
  setStatus,
} from "./rollouts.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const run = promisify(execFile)
const here = world()
const PAGE = readFileSync(join(import.meta.dirname, "../../docs/kulta.md"), "utf8")
const APP_1 = "registry.example/app:1"
const APP_2 = "registry.example/app:2"

/** `nginx` -> its GitRepository, its Git, and what tests ask of both. */
const given = async (
  name: string,
  files: Readonly<Record<string, string>>,
  spec: Readonly<Record<string, unknown>> = {},
) => {
  explainFailure(here)
  const repo = await here.git.createRepo(name)
  let commit = await repo.commit(files)
  const { rolloutRef = { name }, ...rest } = spec
  const named = rolloutRef === null ? rest : { ...rest, rolloutRef }
  await here.api.apply(gitRepository(here, name, repo.url, named))
  return {
    name,
    synced: () => synced(here, name, commit),
    edit: (next: Readonly<Record<string, string>>) => repo.commit(next),
    push: async (next: Readonly<Record<string, string | null>>) => {
      commit = await repo.commit(next as Record<string, string>)
      await requestSync(here, name)
    },
    set: (next: object) => here.api.patch(repositoryKey(here.namespace, name), { spec: next }),
    /** A sync that looks at everything, from its request to its end. */
    look: async () => {
      const token = await requestSync(here, name)
      const until = (status: Json) =>
        status.lastHandledReconcileAt === token && status.phase !== "Syncing"
      return statusOf(here, name, "has looked", until)
    },
    status: (until: string, holds: (status: Json) => boolean) => statusOf(here, name, until, holds),
    failed: (code: string) =>
      statusOf(here, name, `fails with ${code}`, ({ failures }) =>
        failures?.some((one: Json) => one.code === code),
      ),
    live: () => here.api.get(rolloutKey(here, name)),
    /** Break-glass on the live Rollout; `null` takes it away. */
    suspendHeal: (value: string | null) =>
      here.api.patch(
        rolloutKey(here, name),
        { metadata: { annotations: { "nopea.io/suspend-heal": value } } },
        { fieldManager: "kubectl-annotate" },
      ),
    deployment: () => here.api.get(deploymentKey(here.namespace, name)),
    rolloutIs: (until: string, holds: (live: Json) => boolean) =>
      here.api.waitFor(rolloutKey(here, name), (live) => live !== undefined && holds(live), {
        until,
      }),
  }
}

const delegatedOf = (name: string, inGit = false) => ({
  deployment: `apps/Deployment/${here.namespace}/${name}`,
  rollout: `kulta.io/Rollout/${here.namespace}/${name}`,
  inGit,
})
const writesTo = async (name: string, since: Awaited<ReturnType<typeof markAudit>>) =>
  askedSince(since, { resource: "rollouts", namespace: here.namespace, name })

const app = (name: string, image = "app:1", replicas = 2) => deployment(name, { image, replicas })

const withoutLabels = (live: Json) =>
  Object.keys({ ...live.metadata.labels, ...live.metadata.annotations }).filter((key) =>
    key.startsWith("nopea.io/"),
  )

afterAll(() => here.api.delete(DEFINITION))

describe("a kind that nobody serves yet", () => {
  it("waits calmly, and everything follows once one commit brings definition and Rollout", async () => {
    await here.api.delete(DEFINITION)
    const one = await given("early", {
      "app.yaml": app("early"),
      "c.yaml": configMap("early", "x"),
    })
    const status = await one.failed("NOPEA-A040")
    assert.strictEqual(
      status.conditions.find((c: Json) => c.type === "Ready").reason,
      "Progressing",
    )
    assert.deepInclude(status.failures[0], { file: "app.yaml" })
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "early")))
    await one.push({ "crd.json": JSON.stringify(DEFINITION), "r.json": rolloutFile("early") })
    const after = await one.synced()
    assert.strictEqual(imageIn(await one.live()), APP_1)
    assert.deepInclude(after, { resourceCount: 4, appliedCount: 4 })
    assert.isUndefined(await one.deployment())
  })
})

describe("a Rollout that is in Git", () => {
  beforeAll(() => here.api.applyDefinition(DEFINITION))

  it("is filled from the Deployment by one apply; the Deployment is delegated, and that is told", async () => {
    const since = await markAudit()
    const files = {
      "app.yaml": app("in-git"),
      "r.json": rolloutFile("in-git"),
      "c.yaml": configMap("in-git", "x"),
    }
    const one = await given("in-git", files)
    const status = await one.synced()
    const live = await one.live()
    assert.strictEqual(imageIn(live), APP_1)
    assert.deepInclude(live.spec, {
      replicas: 2,
      strategy: CANARY,
      selector: { matchLabels: { app: "in-git" } },
    })
    assert.deepEqual(managersOf(live), ["nopea"])
    assert.deepEqual((await writesTo("in-git", since)).writes, ["patch 201"])
    assert.isUndefined(await one.deployment())
    assert.deepInclude(status, { resourceCount: 3, appliedCount: 3 })
    assert.deepEqual(status.delegated, delegatedOf("in-git", true))
  })

  it("has the next commit's template by one patch, heals like any object, and costs nothing at rest", async () => {
    const one = await given("moves", { "app.yaml": app("moves"), "r.json": rolloutFile("moves") })
    await one.synced()
    const since = await markAudit()
    await one.push({ "app.yaml": app("moves", "app:2") })
    await one.synced()
    assert.strictEqual(imageIn(await one.live()), APP_2)
    await one.look()
    assert.deepEqual(await writesTo("moves", since).then(({ writes, reads }) => [writes, reads]), [
      ["patch 200"],
      0,
    ])
    await setImage(here, "moves", "registry.example/hacked:1")
    await one.rolloutIs("has Git's image again", (live) => imageIn(live) === APP_2)
    const healed = await one.status("tells the heal", ({ history }) => history?.[0]?.healed === 1)
    assert.strictEqual(healed.phase, "Synced")
  })

  it("stays as Git writes it when rolloutRef is removed, with the template it has; the Deployment is applied", async () => {
    const one = await given("off-git", {
      "app.yaml": app("off-git"),
      "r.json": rolloutFile("off-git"),
    })
    await one.synced()
    const { uid } = (await one.live()).metadata
    await one.set({ rolloutRef: null })
    const status = await one.status(
      "is no longer delegated",
      (s) => s.phase === "Synced" && s.delegated === undefined,
    )
    assert.deepInclude(status, { resourceCount: 2, appliedCount: 2 })
    const live = await one.live()
    assert.deepEqual([live.metadata.uid, imageIn(live), live.spec.replicas], [uid, APP_1, 2])
    assert.deepEqual(live.spec.strategy, CANARY)
    assert.isUndefined(setOf(live, "nopea")["f:spec"]["f:template"])
    assert.strictEqual((await one.deployment()).spec.replicas, 2)
  })

  it("that leaves Git while it is named stays, and goes on getting templates; switching off deletes nothing", async () => {
    const one = await given("leaves", {
      "app.yaml": app("leaves"),
      "r.json": rolloutFile("leaves"),
    })
    await one.synced()
    const { uid } = (await one.live()).metadata
    await one.push({ "app.yaml": app("leaves", "app:2"), "r.json": null })
    await one.synced()
    assert.deepEqual([(await one.live()).metadata.uid, imageIn(await one.live())], [uid, APP_2])
    await one.set({ rolloutRef: null })
    await one.status(
      "is no longer delegated",
      (s) => s.phase === "Synced" && s.delegated === undefined,
    )
    const left = await one.live()
    assert.deepEqual([left.metadata.uid, imageIn(left), withoutLabels(left)], [uid, APP_2, []])
    await one.look()
    await one.push({ "app.yaml": app("leaves", "app:1") })
    await one.synced()
    assert.strictEqual((await one.live()).metadata.uid, uid)
  })
})

describe("a Rollout that is not in Git", () => {
  beforeAll(() => here.api.applyDefinition(DEFINITION))

  it("is waited for, never created, and gets just template and replicas once it is there", async () => {
    const one = await given("awaited", {
      "app.yaml": app("awaited"),
      "c.yaml": configMap("awaited", "x"),
    })
    const status = await one.failed("NOPEA-A063")
    assert.strictEqual(
      status.conditions.find((c: Json) => c.type === "Ready").reason,
      "Progressing",
    )
    assert.deepInclude(status, { resourceCount: 2, appliedCount: 1 })
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "awaited")))
    assert.isUndefined(await one.live())
    const { uid } = (await createRollout(here, "awaited")).metadata
    const after = await one.synced()
    const live = await one.live()
    assert.deepEqual([live.metadata.uid, imageIn(live), live.spec.replicas], [uid, APP_1, 2])
    assert.deepEqual(live.spec.strategy, CANARY)
    assert.deepEqual(Object.keys(setOf(live, "nopea-rollout")), ["f:spec"])
    assert.sameMembers(Object.keys(setOf(live, "nopea-rollout")["f:spec"]), [
      "f:replicas",
      "f:template",
    ])
    assert.deepEqual(withoutLabels(live), [])
    assert.deepInclude(after, { resourceCount: 2, appliedCount: 2 })
    assert.deepEqual(after.delegated, delegatedOf("awaited"))
    assert.deepEqual(after.inventoryKinds, ["/ConfigMap"])
    assert.isUndefined(await one.deployment())
  })

  it("costs one read for each sync that looks, and one patch for a change", async () => {
    await createRollout(here, "reads")
    const one = await given("reads", {
      "app.yaml": app("reads"),
      "c.yaml": configMap("reads", "x"),
    })
    await one.synced()
    const rest = await markAudit()
    await one.look()
    await one.look()
    const quiet = await writesTo("reads", rest)
    assert.deepEqual([quiet.writes, quiet.reads, quiet.dryRuns], [[], 2, 0])
    const since = await markAudit()
    await one.push({ "app.yaml": app("reads", "app:2") })
    await one.synced()
    const moved = await writesTo("reads", since)
    assert.deepEqual([moved.writes, moved.reads], [["patch 200"], 1])
    const other = await markAudit()
    await one.push({ "c.yaml": configMap("reads", "y") })
    await one.synced()
    assert.deepEqual((await writesTo("reads", other)).writes, [])
    assert.strictEqual(imageIn(await one.live()), APP_2)
  })

  it("is healed at the next look where a person changed the template, and nothing else of it is touched", async () => {
    await createRollout(here, "edited")
    const one = await given("edited", { "app.yaml": app("edited") })
    await one.synced()
    await setImage(here, "edited", "registry.example/hacked:1")
    await here.api.patch(
      rolloutKey(here, "edited"),
      { spec: { strategy: { simple: {} } } },
      { fieldManager: "kubectl-edit" },
    )
    const status = await one.look()
    assert.strictEqual(status.phase, "Synced")
    assert.strictEqual(status.history[0].healed, 1)
    const live = await one.live()
    assert.strictEqual(imageIn(live), APP_1)
    assert.deepEqual(live.spec.strategy, { ...CANARY, simple: {} })
  })

  it("is healed by itself after the grace period, with no look of anybody", async () => {
    await createRollout(here, "grace")
    const one = await given("grace", { "app.yaml": app("grace") }, { healGracePeriod: "2s" })
    await one.synced()
    await setImage(here, "grace", "registry.example/hacked:1")
    const held = await one.look()
    assert.deepInclude(held.drift[0], { type: "manual_drift", action: "held" })
    assert.isNotEmpty(held.drift[0].until)
    await one.rolloutIs("has Git's image again", (live) => imageIn(live) === APP_1)
    await one.status("tells the heal", ({ history }) => history?.[0]?.healed === 1)
  })

  it("keeps the cluster's side of a conflict where conflictPolicy says so", async () => {
    await createRollout(here, "live")
    const one = await given("live", { "app.yaml": app("live") }, { conflictPolicy: "live" })
    await one.synced()
    assert.strictEqual(imageIn(await one.live()), APP_1)
    await setImage(here, "live", "registry.example/hacked:1")
    await one.push({ "app.yaml": app("live", "app:2", 5) })
    const status = await one.status("has a conflict", ({ drift }) => drift?.length === 1)
    assert.deepInclude(status.drift[0], { type: "conflict", action: "left" })
    const live = await one.live()
    assert.deepEqual([imageIn(live), live.spec.replicas], ["registry.example/hacked:1", 5])
  })

  it("keeps a person's template where the policy leaves it, through kill -9; the next commit wins", async () => {
    await createRollout(here, "manual")
    const one = await given("manual", { "app.yaml": app("manual") }, { healPolicy: "manual" })
    await one.synced()
    await setImage(here, "manual", "registry.example/hacked:1")
    const found = await one.look()
    assert.strictEqual(found.phase, "Drifted")
    assert.deepInclude(found.drift[0], {
      object: delegatedOf("manual").rollout,
      type: "manual_drift",
      manager: "kubectl-edit",
      action: "left",
    })
    const since = await markAudit()
    await here.controller.kill()
    await here.controller.start()
    const again = await one.look()
    assert.deepEqual(again.drift, found.drift)
    assert.deepEqual((await writesTo("manual", since)).writes, [])
    assert.strictEqual(imageIn(await one.live()), "registry.example/hacked:1")
    await one.push({ "app.yaml": app("manual", "app:2") })
    await one.synced()
    assert.strictEqual(imageIn(await one.live()), APP_2)
  })

  it("is met anew when it was deleted and made anew, and never made by NOPEA", async () => {
    await createRollout(here, "anew")
    const one = await given("anew", { "app.yaml": app("anew") })
    await one.synced()
    await here.api.delete(rolloutKey(here, "anew"))
    await one.look()
    await one.failed("NOPEA-A063")
    assert.isUndefined(await one.live())
    const { uid } = (await createRollout(here, "anew")).metadata
    await one.rolloutIs("has the template again", (live) => imageIn(live) === APP_1)
    await one.synced()
    assert.strictEqual((await one.live()).metadata.uid, uid)
  })

  it("keeps the replicas of an autoscaler through a commit", async () => {
    await createRollout(here, "scaled")
    const one = await given("scaled", { "app.yaml": app("scaled") })
    await one.synced()
    await here.api.patch(
      rolloutKey(here, "scaled"),
      { spec: { replicas: 7 } },
      { subresource: "scale", fieldManager: "kube-controller-manager" },
    )
    await one.push({ "app.yaml": app("scaled", "app:2") })
    const status = await one.synced()
    assert.deepEqual(status.drift ?? [], [])
    const live = await one.live()
    assert.deepEqual([imageIn(live), live.spec.replicas], [APP_2, 7])
  })

  it("keeps its replicas when they leave the Deployment", async () => {
    await createRollout(here, "open")
    const one = await given("open", { "app.yaml": app("open") })
    await one.synced()
    await one.push({ "app.yaml": deployment("open", { image: "app:2" }) })
    await one.synced()
    const live = await one.live()
    assert.deepEqual([imageIn(live), live.spec.replicas], [APP_2, 2])
  })

  it("is left alone by break-glass on the live Rollout, until the annotation goes", async () => {
    await createRollout(here, "glass")
    const one = await given("glass", { "app.yaml": app("glass") })
    await one.synced()
    await one.suspendHeal("true")
    await one.push({ "app.yaml": app("glass", "app:2") })
    const held = await one.status("holds it", ({ suspendedCount }) => suspendedCount === 1)
    assert.strictEqual(imageIn(await one.live()), APP_1)
    assert.deepInclude(held, { appliedCount: 0, resourceCount: 1 })
    await one.suspendHeal(null)
    await one.look()
    assert.strictEqual(imageIn(await one.live()), APP_2)
  })

  it("is not taken from another GitRepository that gives it its template", async () => {
    const owner = await given(
      "owned",
      {
        "r.json": rolloutFile("owned", {
          template: { spec: { containers: [{ name: "main", image: "own:1" }] } },
        }),
      },
      { rolloutRef: null },
    )
    await owner.synced()
    const one = await given(
      "guest",
      { "app.yaml": app("guest") },
      { rolloutRef: { name: "owned" } },
    )
    const status = await one.failed("NOPEA-A064")
    assert.include(status.failures[0].reason, `GitRepository ${here.namespace}/owned`)
    assert.strictEqual(imageIn(await owner.live()), "own:1")
  })

  it("fails alone where the account may not read it", async () => {
    const group = { apiGroup: "rbac.authorization.k8s.io" }
    const place = (kind: string, apiVersion: string) => ({
      apiVersion,
      kind,
      metadata: { name: "limited", namespace: here.namespace },
    })
    await here.api.apply(place("ServiceAccount", "v1"))
    const verbs = ["get", "list", "patch", "create"]
    await here.api.apply({
      ...place("Role", "rbac.authorization.k8s.io/v1"),
      rules: [{ apiGroups: [""], resources: ["configmaps"], verbs }],
    })
    await here.api.apply({
      ...place("RoleBinding", "rbac.authorization.k8s.io/v1"),
      roleRef: { ...group, kind: "Role", name: "limited" },
      subjects: [{ kind: "ServiceAccount", name: "limited", namespace: here.namespace }],
    })
    await createRollout(here, "denied")
    const files = { "app.yaml": app("denied"), "c.yaml": configMap("denied", "x") }
    const one = await given("denied", files, { serviceAccountName: "limited" })
    const status = await one.failed("NOPEA-A002")
    assert.lengthOf(status.failures, 1)
    assert.strictEqual(status.failures[0].object, delegatedOf("denied").rollout)
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "denied")))
    assert.strictEqual(imageIn(await one.live()), "registry.example/own:1")
  })

  it("is the health that is awaited: of the Rollout, not of the Deployment", async () => {
    await createRollout(here, "well")
    await setStatus(here, "well", { phase: "Progressing", message: "step 1" })
    const one = await given("well", { "app.yaml": app("well") }, { wait: true })
    const waits = await one.status("says what it waits for", ({ conditions = [] }) =>
      conditions.some(
        (c: Json) => c.type === "Healthy" && c.message.includes("the rollout is Progressing"),
      ),
    )
    assert.strictEqual(waits.conditions.find((c: Json) => c.type === "Ready").status, "Unknown")
    await setStatus(here, "well", { phase: "Completed" })
    await one.status("is Ready", ({ conditions = [] }) =>
      conditions.some((c: Json) => c.type === "Ready" && c.status === "True"),
    )
  })
})

describe("on and off", () => {
  beforeAll(() => here.api.applyDefinition(DEFINITION))

  it("a Deployment that was applied is left alone while it is delegated, and applied again after", async () => {
    await createRollout(here, "switch")
    const one = await given(
      "switch",
      { "app.yaml": app("switch"), "c.yaml": configMap("switch", "x") },
      { rolloutRef: null, healPolicy: "manual" },
    )
    await one.synced()
    const { uid } = (await one.deployment()).metadata
    await one.set({ rolloutRef: { name: "switch" } })
    await one.status("is delegated", (s) => s.phase === "Synced" && s.delegated !== undefined)
    const [, scale = ""] = /`kubectl (scale deployment api .*?)`/u.exec(PAGE) ?? []
    const asked = scale.replace(" api -n shop ", ` switch -n ${here.namespace} `).split(" ")
    const { kubeconfig, bin } = cluster()
    await run(bin.kubectl, ["--kubeconfig", kubeconfig, ...asked])
    assert.strictEqual((await one.deployment()).spec.replicas, 0)
    await one.push({ "app.yaml": app("switch", "app:2") })
    const status = await one.synced()
    assert.deepEqual([status.drift ?? [], status.driftedCount], [[], 0])
    const idle = await one.deployment()
    assert.deepEqual([idle.metadata.uid, idle.spec.replicas, imageIn(idle)], [uid, 0, APP_1])
    assert.strictEqual(imageIn(await one.live()), APP_2)
    assert.include(status.inventoryKinds, "apps/Deployment")

    await here.controller.kill()
    await one.set({ rolloutRef: null })
    await here.controller.start()
    await one.status(
      "is no longer delegated",
      (s) => s.phase === "Synced" && s.delegated === undefined,
    )
    const back = await one.deployment()
    assert.deepEqual([back.metadata.uid, back.spec.replicas, imageIn(back)], [uid, 2, APP_2])
    const left = await one.live()
    assert.deepEqual([imageIn(left), left.spec.replicas], [APP_2, 2])
    assert.notInclude(managersOf(left), "nopea-rollout")
    const since = await markAudit()
    await one.look()
    assert.deepEqual((await writesTo("switch", since)).writes, [])
  })

  it("break-glass keeps the Rollout as it is when it is switched off, until the annotation goes", async () => {
    await createRollout(here, "kept")
    const one = await given("kept", { "app.yaml": app("kept") })
    await one.synced()
    await one.suspendHeal("true")
    const since = await markAudit()
    await one.set({ rolloutRef: null })
    const held = await one.status("holds it", (s) => s.suspendedCount === 1 && s.appliedCount === 1)
    assert.deepEqual(held.delegated, delegatedOf("kept"))
    assert.deepEqual((await writesTo("kept", since)).writes, [])
    assert.include(managersOf(await one.live()), "nopea-rollout")
    assert.strictEqual(imageIn(await one.deployment()), APP_1)
    await one.suspendHeal(null)
    const after = await one.look()
    assert.isUndefined(after.delegated)
    const live = await one.live()
    assert.deepEqual([imageIn(live), live.spec.replicas], [APP_1, 2])
    assert.notInclude(managersOf(live), "nopea-rollout")
  })

  it("another name gives the first Rollout back and fills the second", async () => {
    await createRollout(here, "renamed")
    await createRollout(here, "renamed-next")
    const one = await given("renamed", { "app.yaml": app("renamed") })
    await one.synced()
    await one.set({ rolloutRef: { name: "renamed-next" } })
    await one.status("is delegated to the other", (s) =>
      s.delegated?.rollout.endsWith("/renamed-next"),
    )
    assert.strictEqual(imageIn(await here.api.get(rolloutKey(here, "renamed-next"))), APP_1)
    assert.notInclude(managersOf(await one.live()), "nopea-rollout")
    assert.strictEqual(imageIn(await one.live()), APP_1)
  })

  it("one that comes into Git is taken over, with nobody left behind", async () => {
    await createRollout(here, "comes")
    const one = await given("comes", { "app.yaml": app("comes") })
    await one.synced()
    const { uid } = (await one.live()).metadata
    await one.push({ "r.json": rolloutFile("comes") })
    await one.synced()
    const live = await one.live()
    assert.deepEqual([live.metadata.uid, imageIn(live), managersOf(live)], [uid, APP_1, ["nopea"]])
  })
})

describe("what cannot be delegated", () => {
  beforeAll(() => here.api.applyDefinition(DEFINITION))

  it("several Deployments: all are named, none is applied or pruned, the others are", async () => {
    const files = { "a.yaml": app("two"), "b.yaml": app("two-b"), "c.yaml": configMap("two", "x") }
    const one = await given("two", files)
    const status = await one.failed("NOPEA-A061")
    assert.lengthOf(status.failures, 2)
    for (const { reason } of status.failures)
      assert.match(reason, /Git has 2: two in a\.yaml .*; two-b in b\.yaml/u)
    assert.deepInclude(status, { resourceCount: 3, appliedCount: 1 })
    assert.isDefined(await here.api.get(configMapKey(here.namespace, "two")))
    assert.isUndefined(await one.deployment())
    await createRollout(here, "two")
    await one.push({ "b.yaml": null })
    await one.synced()
    assert.strictEqual(imageIn(await one.live()), APP_1)
  })

  it("no Deployment: it is said, and the Rollout keeps what it has", async () => {
    const one = await given("none", {
      "app.yaml": app("none"),
      "r.json": rolloutFile("none"),
      "c.yaml": configMap("none", "x"),
    })
    await one.synced()
    await one.push({ "app.yaml": null })
    const status = await one.failed("NOPEA-A062")
    assert.deepInclude(status.failures[0], { object: delegatedOf("none").rollout, file: "r.json" })
    assert.strictEqual(imageIn(await one.live()), APP_1)
    assert.deepEqual(status.delegated, delegatedOf("none", true))
  })
})

describe("the command line", () => {
  beforeAll(() => here.api.applyDefinition(DEFINITION))
  const { nopea } = terminal()

  it("shows what is delegated, and compares the Rollout in the Deployment's place", async () => {
    const n = ["-n", here.namespace]
    await createRollout(here, "told")
    const one = await given("told", { "app.yaml": app("told") })
    await one.synced()
    const status = await nopea("status", "told", ...n)
    const { deployment, rollout } = delegatedOf("told")
    assert.include(status.out, `Delegated ${deployment} to ${rollout}`)
    const note = `${deployment} is not compared: it is delegated: its pod template goes into ${rollout}\n`
    assert.deepEqual(await nopea("diff", "told", ...n), {
      code: 0,
      out: "",
      err: `1 object: 1 unchanged\n${note}`,
    })
    const [, jsonpath = "", said = ""] = /-o jsonpath='(.*)'\n(.*)\n/u.exec(PAGE) ?? []
    const { kubeconfig, bin } = cluster()
    const asked = ["get", "gitrepository", "told", ...n, "-o", `jsonpath=${jsonpath}`]
    const { stdout } = await run(bin.kubectl, ["--kubeconfig", kubeconfig, ...asked])
    assert.strictEqual(stdout, said.replaceAll("/shop/api", `/${here.namespace}/told`))
    await one.edit({ "app.yaml": app("told", "app:2") })
    const changed = await nopea("diff", "told", ...n)
    assert.strictEqual(changed.code, 1)
    assert.include(changed.err, "1 object: 1 changed")
    assert.match(
      changed.out,
      /^- +(- )?image: registry.example\/app:1\n\+ +(- )?image: registry.example\/app:2$/mu,
    )
    assert.notInclude(changed.out, "strategy: null")
    assert.strictEqual(imageIn(await one.live()), APP_1)
    await here.api.delete(rolloutKey(here, "told"))
    const gone = await nopea("diff", "told", ...n)
    assert.isAbove(gone.code, 1)
    assert.include(gone.err, "NOPEA-A063")
  })
})

describe("deleting and planning", () => {
  beforeAll(() => here.api.applyDefinition(DEFINITION))

  it("deletionPolicy Delete takes the Deployment that was applied before, and no Rollout that is not in Git", async () => {
    await createRollout(here, "ends")
    const one = await given(
      "ends",
      { "app.yaml": app("ends"), "c.yaml": configMap("ends", "x") },
      { rolloutRef: null, deletionPolicy: "Delete" },
    )
    await one.synced()
    await one.set({ rolloutRef: { name: "ends" } })
    await one.status("is delegated", (s) => s.phase === "Synced" && s.delegated !== undefined)
    await here.api.waitFor(
      repositoryKey(here.namespace, "ends"),
      ({ metadata }) => metadata.finalizers?.length === 1,
      { until: "has the finalizer" },
    )
    await here.api.delete(repositoryKey(here.namespace, "ends"))
    await here.api.waitForGone(repositoryKey(here.namespace, "ends"))
    await here.api.waitForGone(configMapKey(here.namespace, "ends"))
    await here.api.waitForGone(deploymentKey(here.namespace, "ends"))
    assert.strictEqual(imageIn(await one.live()), APP_1)
  })

  it("a dry run tells what would be done, and writes nothing", async () => {
    await createRollout(here, "dry")
    const since = await markAudit()
    const one = await given("dry", { "app.yaml": app("dry") }, { dryRun: true })
    const { plan } = await one.status(
      "has a plan",
      (s) => s.plan?.length > 0 && s.phase === "Pending",
    )
    assert.sameDeepMembers(plan, [
      { object: delegatedOf("dry").rollout, action: "configured" },
      { object: delegatedOf("dry").deployment, action: "delegated" },
    ])
    assert.deepEqual((await writesTo("dry", since)).writes, [])
    await one.set({ dryRun: false })
    await one.synced()
    await one.set({ dryRun: true })
    await one.status("has nothing to write", (s) => s.phase === "Synced" && s.plan?.length === 1)
  })
})
