import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { formatRef } from "../../src/domain/object.ts"
import { applyStages, type Placed, pruneStages } from "../../src/plan/order.ts"
import { ref } from "./words.ts"

const placed = (text: string, wave?: string): Placed => ({
  ref: ref(text),
  marks: wave === undefined ? {} : { "argocd.argoproj.io/sync-wave": wave },
})
const names = (stages: ReadonlyArray<ReadonlyArray<Placed>>) =>
  stages.map((stage) => stage.map((o) => `${o.ref.kind} ${o.ref.name}`).join(", "))

const KINDS = [
  "Namespace",
  "ConfigMap",
  "Deployment",
  "Job",
  "Ingress",
  "ClusterRole",
  "CustomResourceDefinition",
  "Widget",
  "ValidatingWebhookConfiguration",
]
const objects = fc.uniqueArray(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    name: fc.constantFrom("a", "b", "c"),
    wave: fc.constantFrom(undefined, "-1", "0", "2", "x"),
  }),
  { selector: (o) => `${o.kind} ${o.name}` },
)
const build = (rows: ReadonlyArray<{ kind: string; name: string; wave: string | undefined }>) =>
  rows.map((o) => placed(`${o.kind} shop/${o.name}`, o.wave))

describe("the order of apply", () => {
  it("goes from definitions over config and workloads to routes and webhooks", () =>
    assert.deepStrictEqual(
      names(
        applyStages(
          [
            "ValidatingWebhookConfiguration v",
            "Widget shop/w",
            "Ingress shop/i",
            "HorizontalPodAutoscaler shop/h",
            "Job shop/j",
            "Deployment shop/d",
            "Service shop/s",
            "Secret shop/s",
            "RoleBinding shop/b",
            "Role shop/r",
            "ServiceAccount shop/a",
            "ClusterRoleBinding b",
            "ClusterRole r",
            "Namespace shop",
            "CustomResourceDefinition c",
          ].map((text) => placed(text)),
        ),
      ),
      [
        "CustomResourceDefinition c",
        "Namespace shop",
        "ClusterRole r",
        "ClusterRoleBinding b",
        "ServiceAccount a, Role r",
        "Secret s, Service s, RoleBinding b",
        "Deployment d",
        "Job j",
        "HorizontalPodAutoscaler h",
        "Widget w, Ingress i",
        "ValidatingWebhookConfiguration v",
      ],
    ))
  it("follows sync waves across kinds, but definitions and namespaces stay first", () =>
    assert.deepStrictEqual(
      names(
        applyStages([
          placed("ConfigMap shop/late", "5"),
          placed("Job shop/early", "-1"),
          placed("Deployment shop/d"),
          placed("Namespace shop", "9"),
          placed("ConfigMap shop/odd", "soon"),
        ]),
      ),
      ["Namespace shop", "Job early", "ConfigMap odd", "Deployment d", "ConfigMap late"],
    ))
  it("is a permutation that does not depend on the order of the input", () =>
    fc.assert(
      fc.property(objects, fc.infiniteStream(fc.nat()), (rows, keys) => {
        const all = build(rows)
        const shuffled = all
          .map((o) => [keys.next().value as number, o] as const)
          .sort(([a], [b]) => a - b)
          .map(([, o]) => o)
        const order = applyStages(all)
          .flat()
          .map((o) => formatRef(o.ref))
        assert.deepStrictEqual(
          applyStages(shuffled)
            .flat()
            .map((o) => formatRef(o.ref)),
          order,
        )
        assert.deepStrictEqual(order.toSorted(), all.map((o) => formatRef(o.ref)).toSorted())
      }),
    ))
  it("is exactly reversed for prune", () =>
    fc.assert(
      fc.property(objects, (rows) => {
        const all = build(rows)
        assert.deepStrictEqual(pruneStages(all).flat(), applyStages(all).flat().toReversed())
        assert.deepStrictEqual(names(pruneStages(all)).length, names(applyStages(all)).length)
      }),
    ))
})
