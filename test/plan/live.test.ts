import { assert, describe, it } from "@effect/vitest"
import type { ManagedFieldsEntry, ObjectMeta } from "../../src/domain/object.ts"
import { inherited, liveObject, withBaseline } from "../../src/plan/live.ts"
import { US } from "./words.ts"

const LABELS = {
  "nopea.io/repository": US.name,
  "nopea.io/repository-namespace": US.namespace,
  "nopea.io/repository-uid": US.uid,
}
const entry = (more: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry => ({
  manager: "nopea",
  operation: "Apply",
  apiVersion: "v1",
  fieldsV1: { "f:metadata": { "f:labels": { "f:nopea.io/repository-uid": {} } } },
  ...more,
})
const distil = (meta: Partial<ObjectMeta>) =>
  liveObject(
    { group: "", version: "v1", kind: "ConfigMap" },
    { name: "a", namespace: "shop", ...meta },
  )

describe("a live object", () => {
  it("belongs to the GitRepository that all three labels name", () => {
    assert.deepStrictEqual(distil({ labels: LABELS }).owner, US)
    const { "nopea.io/repository-uid": _, ...two } = LABELS
    assert.isUndefined(distil({ labels: two }).owner)
  })

  const proofs: ReadonlyArray<
    readonly [title: string, entries: ReadonlyArray<ManagedFieldsEntry>, proven: boolean]
  > = [
    ["by our Apply entry that owns the labels", [entry({ manager: "kubectl" }), entry()], true],
    ["not by labels alone", [], false],
    ["not by another manager's entry", [entry({ manager: "operator" })], false],
    ["not by an Update of that name", [entry({ operation: "Update" })], false],
    ["not by an entry of a subresource", [entry({ subresource: "status" })], false],
    ["not by an entry that lost the labels", [entry({ fieldsV1: { "f:data": {} } })], false],
  ]
  for (const [title, managedFields, proven] of proofs) {
    it(`is proven ${title}`, () =>
      assert.strictEqual(distil({ labels: LABELS, managedFields }).proven, proven))
  }

  it("is a child only by a controller's ownerReference", () => {
    const owner = { apiVersion: "v1", kind: "X", name: "x", uid: "1" }
    assert.isFalse(distil({ ownerReferences: [owner] }).controlled)
    assert.isTrue(distil({ ownerReferences: [{ ...owner, controller: true }] }).controlled)
  })

  it("keeps the marks of tools and people, and neither our own stamp nor anything else", () => {
    const { marks, applied } = distil({
      labels: { ...LABELS, app: "x", "kustomize.toolkit.fluxcd.io/name": "apps" },
      annotations: { "nopea.io/applied": "v1:1", "nopea.io/prune": "enabled", note: "y" },
    })
    assert.deepStrictEqual(marks, {
      "kustomize.toolkit.fluxcd.io/name": "apps",
      "nopea.io/prune": "enabled",
    })
    assert.strictEqual(applied, "v1:1")
  })

  it("keeps Helm's managed-by label, and no other value of it", () => {
    const marks = (value: string) =>
      distil({ labels: { "app.kubernetes.io/managed-by": value } }).marks
    assert.deepStrictEqual(marks("Helm"), { "app.kubernetes.io/managed-by": "Helm" })
    assert.deepStrictEqual(marks("me"), {})
  })

  it("keeps the baseline that a write was answered with, whatever was judged before it", () => {
    const answer = distil({ uid: "1", managedFields: [entry()] })
    const written = withBaseline(answer, { ownership: answer.ownership, whole: true })
    const before = withBaseline(distil({ uid: "1" }), { ownership: "", whole: false })
    assert.deepStrictEqual(inherited(written, before), written)
    assert.deepStrictEqual(inherited(answer, before).baseline, before.baseline)
    assert.property(inherited(answer, before), "fields", "what is not settled can be judged")
  })
})
