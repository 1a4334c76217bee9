import { assert, describe, it } from "@effect/vitest"
import type { ManagedFieldsEntry, ObjectMeta } from "../../src/domain/object.ts"
import { takeOver } from "../../src/plan/adopt.ts"

const entry = (manager: string, fieldsV1: ManagedFieldsEntry["fieldsV1"], more: object = {}) =>
  ({
    manager,
    operation: "Update",
    apiVersion: "v1",
    fieldsType: "FieldsV1",
    fieldsV1,
    ...more,
  }) as ManagedFieldsEntry
const meta = (managedFields: ReadonlyArray<ManagedFieldsEntry>, more: object = {}): ObjectMeta => ({
  name: "a",
  resourceVersion: "7",
  managedFields,
  ...more,
})
const managers = (m: ObjectMeta, adopt: "Plain" | "Always" = "Plain") => {
  const patch = takeOver(m, "v1", adopt)
  const value = patch?.find((o) => o.path === "/metadata/managedFields")?.value
  return (value as ReadonlyArray<ManagedFieldsEntry> | undefined)?.map((e) => e.manager)
}

describe("taking an object over", () => {
  it("moves the fields of client-side managers to ours, joined", () => {
    const patch = takeOver(
      meta([
        entry("kubectl-client-side-apply", { "f:data": { "f:a": {} } }),
        entry("kubectl-edit", { "f:data": { "f:b": {} }, "f:immutable": {} }),
        entry("controller", { "f:data": { "f:c": {} } }),
      ]),
      "v1",
      "Plain",
    )
    assert.deepStrictEqual(patch?.[0], {
      op: "test",
      path: "/metadata/resourceVersion",
      value: "7",
    })
    assert.deepStrictEqual(patch?.[1]?.value, [
      entry("controller", { "f:data": { "f:c": {} } }),
      entry(
        "nopea",
        { "f:data": { "f:a": {}, "f:b": {} }, "f:immutable": {} },
        { operation: "Apply" },
      ),
    ])
  })
  it("leaves subresources alone", () =>
    assert.isUndefined(
      takeOver(meta([entry("kubectl-edit", {}, { subresource: "scale" })]), "v1", "Plain"),
    ))
  it("does nothing where nobody of them has a field", () =>
    assert.isUndefined(takeOver(meta([entry("controller", {})]), "v1", "Plain")))
  it("takes the fields and marks of other tools only where all may be adopted", () => {
    const m = meta([entry("kustomize-controller", {}), entry("kubectl-create", {})], {
      labels: { app: "x", "kustomize.toolkit.fluxcd.io/name": "apps" },
      annotations: {
        "argocd.argoproj.io/tracking-id": "y",
        "argocd.argoproj.io/installation-id": "z",
        "argocd.argoproj.io/sync-wave": "1",
      },
    })
    assert.deepStrictEqual(managers(m), ["kustomize-controller", "nopea"])
    assert.deepStrictEqual(managers(m, "Always"), ["nopea"])
    assert.deepStrictEqual(
      takeOver(m, "v1", "Always")
        ?.slice(2)
        .map((o) => o.path),
      [
        "/metadata/labels/kustomize.toolkit.fluxcd.io~1name",
        "/metadata/annotations/argocd.argoproj.io~1tracking-id",
        "/metadata/annotations/argocd.argoproj.io~1installation-id",
      ],
    )
    assert.strictEqual(takeOver(m, "v1", "Plain")?.length, 2)
  })
  it("drops kubectl's record of what it applied", () =>
    assert.deepStrictEqual(
      takeOver(
        meta([entry("kubectl-client-side-apply", {})], {
          annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        }),
        "v1",
        "Plain",
      )?.at(-1),
      {
        op: "remove",
        path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
      },
    ))
  it("joins what is ours already", () =>
    assert.deepStrictEqual(
      managers(meta([entry("nopea", { "f:x": {} }, { operation: "Apply" }), entry("kubectl", {})])),
      ["nopea"],
    ))
})
