import { assert, describe, it } from "vitest"
import { makePlan, withoutPrune } from "../../src/plan/plan.ts"
import { input, lines, live, planLines, snapshot } from "./words.ts"

const stand = (what: "wanted" | "released" | "gone" | "unknown") => ({ stand: () => what })
const wanted = { wantedBy: () => "other/web" }

describe("an object of another GitRepository", () => {
  it.each([
    ["is failed while its owner wants it", "wanted", "", "failed A042 ConfigMap shop/a"],
    ["is failed while its owner may want it", "unknown", "", "failed A042 ConfigMap shop/a"],
    ["is taken once its owner let it go", "released", "", "adopt ConfigMap shop/a"],
    ["is taken where its owner is gone", "gone", "", "adopt ConfigMap shop/a"],
    [
      "with a tool's mark is taken from who let it go",
      "released",
      "argo=x",
      "adopt ConfigMap shop/a",
    ],
    [
      "with a tool's mark is not taken where its owner is gone",
      "gone",
      "argo=x",
      "failed A043 ConfigMap shop/a",
    ],
    [
      "that only has copied labels is judged by its other marks",
      "released",
      "unproven argo=x",
      "failed A043 ConfigMap shop/a",
    ],
    ["that is being deleted is waited for", "released", "dying", "waiting A046 ConfigMap shop/a"],
    ["with break-glass is left alone", "released", "suspend=true", "held A053 ConfigMap shop/a"],
  ] as const)("%s", (_, known, marks, line) => {
    const observed = [`ConfigMap shop/a other old ${marks}`]
    assert.deepStrictEqual(planLines(observed, ["ConfigMap shop/a"], { others: stand(known) }), [
      line,
    ])
  })

  it("is handed over whatever spec.adopt says, but what a deleted one left is not", () => {
    const see = (known: "released" | "gone") =>
      planLines(["ConfigMap shop/a other old"], ["ConfigMap shop/a"], {
        policy: { adopt: "Never" },
        others: stand(known),
      })
    assert.deepStrictEqual(see("released"), ["adopt ConfigMap shop/a"])
    assert.deepStrictEqual(see("gone"), ["failed A045 ConfigMap shop/a"])
  })
})

describe("an object that left Git", () => {
  it("is not deleted while another GitRepository wants it, and does not count against the limit", () => {
    const many = Array.from({ length: 9 }, (_, i) => `ConfigMap shop/${i} ours`)
    const others = { wantedBy: (key: string) => (key.endsWith("/0") ? undefined : "other/web") }
    const plan = planLines(many, [], { policy: { pruneLimit: "20%" }, others })
    assert.deepStrictEqual(plan[0], "delete ConfigMap shop/0")
    assert.deepStrictEqual(
      plan.slice(1),
      many.slice(1).map((line) => `skipped A047 ${line.replace(" ours", "")}`),
    )
    assert.notInclude(planLines(many, [], { others: wanted }).join(), "delete")
  })

  it("waits, and is asked for again, while it is not known who wants it", () => {
    const plan = makePlan(input([], [live("ConfigMap shop/a ours", "v1:x")]))
    assert.deepStrictEqual(plan.leaving, ["/ConfigMap/shop/a"])
    assert.deepStrictEqual(lines(withoutPrune(plan)), ["waiting A048 ConfigMap shop/a"])
  })

  it("asks nobody while a document does not render: nothing would be deleted", () => {
    const plan = makePlan(input([], [live("ConfigMap shop/a ours", "v1:x")], { complete: false }))
    assert.deepStrictEqual(plan.leaving, [])
  })

  it("of a kind that cannot be listed stays, and that is said", () => {
    const seen = snapshot([live("ConfigMap shop/a ours", "v1:x")], ["/ConfigMap"])
    const plan = makePlan(input([], [], { live: seen }))
    assert.deepStrictEqual(plan.prune, [])
    assert.match(plan.warnings.join(), /\/ConfigMap cannot be listed whole/u)
  })
})
