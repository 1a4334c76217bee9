// kill -9 right after an edit: the next process comes to the same verdict, and writes nothing that the policy forbids.
import { assert, describe, it } from "vitest"
import type { Json } from "../cluster/Api.ts"
import type { AuditMark } from "../cluster/audit.ts"
import {
  askedSince,
  containersOf,
  Drifting,
  deployment,
  EDIT,
  IMAGE,
  imageOf,
  markAudit,
} from "./drifting.ts"
import { configMap, world } from "./world.ts"

const here = world()
const restart = async () => {
  await here.controller.kill()
  await here.controller.start()
}
const writesOf = async (one: Drifting, since: AuditMark) =>
  (await askedSince(since, { resource: "deployments", name: one.name })).writes
const rowsOf = ({ drift = [] }: Json) =>
  drift.map(({ type, path, manager, action }: Json) => [type, path, manager, action])

const deeds: Readonly<Record<string, (one: Drifting) => Promise<unknown>>> = {
  edit: (one) => one.setImage("app:9"),
  removal: (one) =>
    here.api.patch(one.key, [{ op: "remove", path: "/spec/template/spec/containers/0/env" }], {
      ...EDIT,
      type: "json",
    }),
  addition: (one) =>
    here.api.patch(
      one.key,
      { spec: { template: { spec: { containers: [{ name: "extra", image: "x" }] } } } },
      { ...EDIT, type: "strategic" },
    ),
  deletion: (one) => here.api.delete(one.key),
}
const ENV = "spec.template.spec.containers[name=main].env"
const EXTRA = "spec.template.spec.containers[name=extra]"
const rows: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  edit: ["manual_drift", IMAGE, "kubectl-edit"],
  removal: ["manual_drift", ENV, undefined],
  addition: ["added", EXTRA, "kubectl-edit"],
  deletion: ["deleted", undefined, undefined],
}
const isAsGit = (live: Json) =>
  live !== undefined &&
  imageOf(live) === "app:1" &&
  containersOf(live).length === 1 &&
  containersOf(live)[0].env?.length === 1

/** One kill for all of them: each deed on a repository of its own, at once, then the kill. */
const afterKill = async (policy: string, spec: Readonly<Record<string, unknown>>) => {
  const all = new Map<string, Drifting>()
  for (const deed of Object.keys(deeds))
    all.set(deed, await Drifting.deployment(here, `${policy}-${deed}`, spec))
  const since = await markAudit()
  await Promise.all([...all].map(([deed, one]) => deeds[deed]?.(one)))
  await restart()
  return { all, since }
}

describe("kill -9 right after", () => {
  it("an edit, a removal, an addition, a deletion, under auto: all is put back, each once", async () => {
    const { all, since } = await afterKill("auto", {})
    for (const [deed, one] of all) {
      await one.waitFor(`is as Git says after ${deed}`, isAsGit)
      await one.synced()
      await one.look()
      const writes = await writesOf(one, since)
      assert.isAtMost(writes.length, deed === "addition" ? 2 : 1, `${deed}: ${writes}`)
    }
  })

  for (const [policy, spec, action] of [
    ["manual", { healPolicy: "manual" }, "left"],
    ["grace", { healGracePeriod: "1h" }, "held"],
  ] as const)
    it(`the same under ${policy}: told with who and where, nothing is written, and again after a second kill`, async () => {
      const { all, since } = await afterKill(policy, spec)
      const told = new Map<string, Json>()
      for (const [deed, one] of all) {
        const status = await one.drifted()
        assert.deepEqual(rowsOf(status), [[...(rows[deed] ?? []), action]], deed)
        told.set(deed, status.drift)
      }
      await restart()
      for (const [deed, one] of all) {
        assert.deepEqual((await one.look()).drift, told.get(deed), deed)
        assert.deepEqual(await writesOf(one, since), [], deed)
      }
    })

  it("an edit and a commit, both while nothing runs: per field, Git where Git changed it, the policy elsewhere", async () => {
    const one = await Drifting.deployment(here, "both", { healPolicy: "manual" })
    const other = await Drifting.deployment(here, "both-live", {
      healPolicy: "manual",
      conflictPolicy: "live",
    })
    await here.controller.kill()
    for (const each of [one, other]) {
      await each.setImage("app:9")
      await each.setEnv("debug")
      each.commit = await each.repo.commit({
        "app.yaml": deployment(each.name, { image: "app:2" }),
      })
    }
    await here.controller.start()
    const has = (each: Drifting) =>
      each.status("has the commit", (s) => s.lastSyncedCommit === each.commit)
    const LEVEL = `${ENV}[name=LEVEL].value`
    assert.deepEqual(rowsOf(await has(one)), [["manual_drift", LEVEL, "kubectl-edit", "left"]])
    assert.equal(imageOf(await one.live()), "app:2")
    assert.sameDeepMembers(rowsOf(await has(other)), [
      ["manual_drift", LEVEL, "kubectl-edit", "left"],
      ["conflict", IMAGE, "kubectl-edit", "left"],
    ])
    assert.equal(imageOf(await other.live()), "app:9")
  })

  it("the removal of an addition was begun: what became ours on the way goes as well", async () => {
    const one = await Drifting.of(here, "halfway", {
      "app.yaml": deployment("halfway"),
      "b.yaml": configMap("halfway-b", "x"),
    })
    await here.controller.kill()
    await deeds["addition"]?.(one)
    const { metadata } = await one.live()
    const [own, person] = ["nopea", "kubectl-edit"].map((manager) =>
      metadata.managedFields.find((e: Json) => e.manager === manager),
    )
    const containers = "f:containers"
    const path = (entry: Json) => entry.fieldsV1["f:spec"]["f:template"]["f:spec"][containers]
    Object.assign(path(own), path(person))
    const rest = metadata.managedFields.filter((e: Json) => e !== person)
    await here.api.patch(
      one.key,
      [
        { op: "replace", path: "/metadata/managedFields", value: rest },
        {
          op: "replace",
          path: "/metadata/annotations/nopea.io~1applied",
          value: `${metadata.annotations["nopea.io/applied"]}-`,
        },
      ],
      { fieldManager: "nopea", type: "json" },
    )
    await here.controller.start()
    await one.waitFor("has one container", (live) => containersOf(live).length === 1)
    await one.synced()
  })
})
