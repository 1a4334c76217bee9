import { assert, describe, it } from "@effect/vitest"
import type { Action } from "../../src/domain/change.ts"
import { formatRef } from "../../src/domain/object.ts"
import { appliedAfter } from "../../src/plan/after.ts"
import { placeAll } from "../../src/plan/placement.ts"
import { describePlan, idleKeys, makePlan, type Plan, type PlanInput } from "../../src/plan/plan.ts"
import type { Policy } from "../../src/plan/step.ts"
import {
  COMMIT,
  desired,
  hash,
  input,
  lines,
  live,
  planLines,
  ref,
  rules,
  SERVED,
  snapshot,
} from "./words.ts"

const A = "ConfigMap shop/a"
const earlierHash = (text: string, applied = hash(desired(text))): Partial<PlanInput> => ({
  applied: new Map([[formatRef(desired(text).ref), applied]]),
})

type Row = readonly [
  title: string,
  observed: ReadonlyArray<string>,
  desired: ReadonlyArray<string>,
  expected: ReadonlyArray<string>,
  more?: Partial<PlanInput> & { readonly policy?: Partial<Policy> },
]

const check = (rows: ReadonlyArray<Row>): void => {
  for (const [title, observed, wanted, expected, more] of rows) {
    it(title, () => assert.deepStrictEqual([...planLines(observed, wanted, more)], [...expected]))
  }
}

describe("what is wanted and not to be applied", () => {
  it.each([
    ["nothing that is applied", [A, `ConfigMap shop/b ssa=IfNotPresent`], []],
    [
      "what Git opts out",
      [A, "ConfigMap shop/b ssa=Ignore", "ConfigMap shop/c reconcile=disabled"],
      ["b", "c"],
    ],
    ["not what is defined twice: it was meant", [A, "ConfigMap shop/b", "ConfigMap shop/b"], []],
    ["not what waits for its kind", [A, "Widget shop/b"], []],
  ] as const)("is %s", (_, wanted, idle) => {
    const all = input(wanted.map((text) => desired(text)))
    const keys = [...idleKeys(placeAll(all))]
    const names = keys.map((key) => key.split("/").at(-1))
    assert.deepStrictEqual([...new Set(names)], [...idle])
  })
})

describe("one desired object", () => {
  check([
    ["is created where nothing is known of it", [], [A], [`create ${A}`]],
    ["costs no request where its hash is live", [`${A} ours`], [A], [`unchanged ${A}`]],
    ["is patched where another hash is live", [`${A} ours old`], [A], [`patch ${A}`]],
    ["waits while the live one is being deleted", [`${A} ours dying`], [A], [`waiting A046 ${A}`]],
    ["fails where another repository owns it", [`${A} other`], [A], [`failed A042 ${A}`]],
    [
      "fails where another repository's labels are not even proven",
      [`${A} other unproven`],
      [A],
      [`failed A042 ${A}`],
      { policy: { adopt: "Always" } },
    ],
    ["fails where it is a controller's child", [`${A} ours child`], [A], [`failed A044 ${A}`]],
    [
      "is taken over from an earlier life of the repository",
      [`${A} earlier old`],
      [A],
      [`adopt ${A}`],
    ],
    [
      "is taken over from an earlier life even where nothing may be adopted",
      [`${A} earlier old`],
      [A],
      [`adopt ${A}`],
      { policy: { adopt: "Never" } },
    ],
    [
      "is not taken where labels of an earlier life are only copies and nothing may be adopted",
      [`${A} earlier old unproven`],
      [A],
      [`failed A045 ${A}`],
      { policy: { adopt: "Never" } },
    ],
    ["is adopted where no tool claims it", [A.concat(" old")], [A], [`adopt ${A}`]],
    [
      "fails where none may be adopted",
      [`${A} old`],
      [A],
      [`failed A045 ${A}`],
      { policy: { adopt: "Never" } },
    ],
    ["is ours by its hash where its labels were removed", [A], [A], [`heal by patch ${A}`]],
    [
      "is left without its labels where nothing heals by itself",
      [A],
      [A],
      [`held A055 ${A}`],
      { policy: { healPolicy: "manual" } },
    ],
    [
      "is applied again where its ownership record is gone",
      [`${A} ours unproven`],
      [A],
      [`heal by patch ${A}`],
    ],
  ])
  for (const tool of ["flux=apps", "argo=apps:x", "helm=web", "managedBy=Helm"]) {
    check([
      [`fails where it is marked ${tool}`, [`${A} old ${tool}`], [A], [`failed A043 ${A}`]],
      [
        `is adopted where it is marked ${tool} and all may be adopted`,
        [`${A} old ${tool}`],
        [A],
        [`adopt ${A}`],
        { policy: { adopt: "Always" } },
      ],
    ])
  }
})

describe("an object that somebody deleted", () => {
  const manual = { healPolicy: "manual" } as const
  check([
    ["is created again as a heal", [], [A], [`heal by create ${A}`], earlierHash(A)],
    [
      "is left where nothing heals by itself",
      [],
      [A],
      [`held A055 ${A}`],
      { ...earlierHash(A), policy: manual },
    ],
    [
      "is created where Git changed it meanwhile, whatever the heal policy",
      [],
      [A],
      [`create ${A}`],
      { ...earlierHash(A, "v1:old"), policy: manual },
    ],
    [
      "is known as deleted after a restart by the commit that was applied whole",
      [],
      [A],
      [`held A055 ${A}`],
      { settled: true, policy: manual },
    ],
    [
      "is not called deleted where its kind could not be listed",
      [],
      [A],
      [`unchanged ${A}`],
      { ...earlierHash(A), live: snapshot([], ["/ConfigMap"]) },
    ],
    [
      "that was never applied is created though its kind could not be listed",
      [],
      [A],
      [`create ${A}`],
      { live: snapshot([], ["/ConfigMap"]) },
    ],
  ])
})

describe("annotations", () => {
  check([
    ["ssa: Ignore in Git skips the object", [], [`${A} ssa=Ignore`], [`skipped A054 ${A}`]],
    ["ssa: IfNotPresent creates what is absent", [], [`${A} ssa=IfNotPresent`], [`create ${A}`]],
    [
      "ssa: IfNotPresent leaves what is there",
      [`${A} old`],
      [`${A} ssa=IfNotPresent`],
      [`skipped A054 ${A}`],
    ],
    ["reconcile: disabled in Git skips it", [], [`${A} reconcile=disabled`], [`skipped A054 ${A}`]],
    [
      "reconcile: disabled on the live object skips it",
      [`${A} ours old reconcile=Disabled`],
      [A],
      [`skipped A054 ${A}`],
    ],
    [
      "break-glass holds a change from Git",
      [`${A} ours old suspend=true`],
      [A],
      [`held A053 ${A}`],
    ],
    [
      "break-glass holds an unchanged object too",
      [`${A} ours suspend=true`],
      [A],
      [`held A053 ${A}`],
    ],
    [
      "break-glass until later holds",
      [`${A} ours old suspend=2026-11-20T10:00:01Z`],
      [A],
      [`held A053 ${A}`],
    ],
    [
      "break-glass that expired does not hold",
      [`${A} ours old suspend=2026-11-20T10:00:00Z`],
      [A],
      [`patch ${A}`],
    ],
    [
      "break-glass that says false does not hold",
      [`${A} ours old suspend=false`],
      [A],
      [`patch ${A}`],
    ],
    [
      "break-glass that nobody can read holds",
      [`${A} ours old suspend=soon`],
      [A],
      [`held A053 ${A}`],
    ],
  ])
})

describe("kinds", () => {
  const CRD = {
    spec: {
      group: "example.com",
      scope: "Cluster",
      names: { kind: "Widget", plural: "widgets" },
      versions: [
        { name: "v1", served: true },
        { name: "v1alpha1", served: false },
      ],
    },
  }
  const crd = desired("CustomResourceDefinition widgets.example.com", CRD)
  const plan = (...texts: ReadonlyArray<string>) =>
    makePlan(input([...texts.map((t) => desired(t)), crd]))

  check([
    [
      "that nobody serves wait, and hold nothing else up",
      [],
      ["Widget shop/w", A],
      [`create ${A}`, "waiting A040 Widget shop/w"],
    ],
    [
      "in a version that is not served wait",
      [],
      ["apps/v1beta1:Deployment shop/d"],
      ["waiting A040 Deployment shop/d"],
    ],
    [
      "that are requests are refused",
      [],
      ["SubjectAccessReview x"],
      ["failed A057 SubjectAccessReview x"],
    ],
  ])
  it("of a definition in the same commit come after it, in its scope", () => {
    const { stages, warnings } = plan("Widget shop/w")
    assert.deepStrictEqual(
      stages.map((s) => s.map((step) => `${formatRef(step.ref)} ${step.definedBy ?? ""}`.trim())),
      [
        ["apiextensions.k8s.io/CustomResourceDefinition/widgets.example.com"],
        ["example.com/Widget/w widgets.example.com"],
      ],
    )
    assert.match(warnings.join(), /cluster-scoped, its namespace is left out/)
  })
  it("in a version that the definition of the commit does not serve wait", () =>
    assert.include(lines(plan("example.com/v1alpha1:Widget shop/w")), "waiting A040 Widget shop/w"))
  it("name the version that is served", () => {
    const [change] = makePlan(input([desired("apps/v1beta1:Deployment shop/d")])).settled
    assert.match(change?.failure?.fix ?? "", /apps\/v1,/)
  })
  it("of a group that cannot be read are not called absent", () => {
    const kinds = { ...SERVED, incomplete: ["example.com/v1"] }
    const [change] = makePlan(input([desired("Widget shop/w")], [], { kinds })).settled
    assert.match(change?.failure?.reason ?? "", /cannot be read now/)
  })
})

describe("places", () => {
  it("an object without a namespace goes to the repository's own", () =>
    assert.deepStrictEqual([...planLines([], ["ConfigMap a"])], ["create ConfigMap team/a"]))
  it("an object without a namespace goes to spec.targetNamespace", () =>
    assert.deepStrictEqual(
      [...planLines([], ["ConfigMap a"], { policy: { targetNamespace: "shop" } })],
      ["create ConfigMap shop/a"],
    ))
  it("a cluster-scoped object has none, and that is told", () => {
    const plan = makePlan(input([desired("ClusterRole shop/r")]))
    assert.deepStrictEqual([...lines(plan)], ["create ClusterRole r"])
    assert.deepStrictEqual(
      [...plan.warnings],
      ["deploy/all.yaml, document 1: ClusterRole r is cluster-scoped, its namespace is left out"],
    )
  })
  it("two objects that meet only there both fail, with both positions", () => {
    const both = [desired("ConfigMap a", {}, 1), desired("ConfigMap team/a", {}, 9)]
    const { settled, stages } = makePlan(input([...both, desired("ConfigMap team/b")]))
    assert.strictEqual(stages.flat().length, 1)
    assert.deepStrictEqual(
      settled.map((c) => [c.failure?.code, c.failure?.line]),
      [
        ["NOPEA-A041", 1],
        ["NOPEA-A041", 9],
      ],
    )
    for (const change of settled) {
      assert.match(change.failure?.reason ?? "", /line 1\).*line 9\)|line 9\).*line 1\)/)
    }
  })
})

describe("prune", () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => `ConfigMap shop/x${i} ours`)
  const gone = (n: number, verb: string) => many(n).map((l) => `${verb} ${l.replace(" ours", "")}`)
  const sorted = (rows: ReadonlyArray<string>) => [...rows].sort()
  const dying: Row = ["leaves what is being deleted already", [`${A} ours dying`], [], []]
  check([
    ["deletes what is proven ours and left Git", [`${A} ours`], [], [`delete ${A}`]],
    ["leaves what labels alone call ours", [`${A} ours unproven`], [], []],
    ["leaves a controller's child", [`${A} ours child`], [], []],
    ["leaves what an earlier life of the repository applied", [`${A} earlier`], [], []],
    ["leaves what another repository applied", [`${A} other`], [], []],
    dying,
    ["does nothing with spec.prune off", [`${A} ours`], [], [], { policy: { prune: false } }],
    ["does nothing where a document did not render", [`${A} ours`], [], [], { complete: false }],
    [
      "waits where something desired waits",
      [`${A} ours`],
      ["Widget shop/w"],
      ["waiting A040 Widget shop/w", `held A051 ${A}`],
    ],
    [
      "leaves a kind that was not listed whole",
      [],
      [],
      [],
      { live: snapshot([live(`${A} ours`)], ["/ConfigMap"]) },
    ],
    [
      "leaves what is annotated prune: disabled",
      [`${A} ours prune=disabled`],
      [],
      [`skipped A054 ${A}`],
    ],
    [
      "leaves what Flux users protected",
      [`${A} ours fluxPrune=disabled`],
      [],
      [`skipped A054 ${A}`],
    ],
    [
      "leaves what Argo CD users protected",
      [`${A} ours options=Validate=true,Prune=false`],
      [],
      [`skipped A054 ${A}`],
    ],
    ["leaves what is under break-glass", [`${A} ours suspend=true`], [], [`held A053 ${A}`]],
    ["leaves what is not reconciled", [`${A} ours reconcile=disabled`], [], [`skipped A054 ${A}`]],
    [
      "goes on beside what is held",
      [`${A} ours`, "ConfigMap shop/b ours suspend=true"],
      ["ConfigMap shop/b"],
      [`delete ${A}`, "held A053 ConfigMap shop/b"],
    ],
  ])
  for (const kind of [
    "Namespace shop",
    "PersistentVolume v",
    "PersistentVolumeClaim shop/c",
    "CustomResourceDefinition widgets.example.com",
  ]) {
    check([
      [`keeps a ${kind}`, [`${kind} ours`], [], [`skipped A052 ${kind}`]],
      [`deletes a ${kind} on request`, [`${kind} ours prune=enabled`], [], [`delete ${kind}`]],
    ])
  }
  const limits: ReadonlyArray<
    readonly [limit: number | string, of: number, left: number, held: boolean]
  > = [
    ["50%", 8, 4, false],
    ["50%", 8, 5, true],
    ["50%", 3, 3, false],
    ["50%", 4, 4, true],
    ["0%", 100, 4, true],
    ["100%", 9, 9, false],
    [2, 9, 2, false],
    [2, 9, 3, true],
    [0, 9, 1, true],
    ["much%", 9, 4, true],
  ]
  for (const [pruneLimit, of, leaving, held] of limits) {
    it(`${held ? "holds" : "runs"} at ${leaving} of ${of} with limit ${pruneLimit}`, () => {
      const stay = many(of)
        .slice(leaving)
        .map((l) => l.replace(" ours", ""))
      const result = planLines(many(of), stay, { policy: { pruneLimit } })
      const expected = held ? gone(leaving, "held A050") : gone(leaving, "delete")
      assert.deepStrictEqual(
        sorted(result.filter((l) => !l.startsWith("unchanged"))),
        sorted(expected),
      )
    })
  }
  it("over the limit runs once this very commit is approved", () => {
    const policy = { pruneLimit: 1 }
    const run = (approvedPrune: string) => sorted(planLines(many(4), [], { policy, approvedPrune }))
    assert.deepStrictEqual(run(COMMIT), sorted(gone(4, "delete")))
    assert.deepStrictEqual(run(COMMIT.slice(0, 7)), sorted(gone(4, "held A050")))
  })
  it("over the limit says how to approve it", () => {
    const plan = makePlan(
      input(
        [],
        many(4).map((l) => live(l)),
        { rules: rules({ pruneLimit: 1 }) },
      ),
    )
    assert.match(
      plan.settled[0]?.note?.fix ?? "",
      new RegExp(`kubectl annotate .* -n team shop .*approve-prune=${COMMIT}`),
    )
  })
})

describe("what counts as applied", () => {
  const again = (plan: Plan, ...done: ReadonlyArray<readonly [name: string, action: Action]>) =>
    [
      ...appliedAfter(plan, [
        ...plan.settled,
        ...done.map(([name, action]) => ({ ref: ref(`ConfigMap shop/${name}`), action })),
      ]),
    ].map(([key]) => key)
  const two = [desired("ConfigMap shop/a"), desired("ConfigMap shop/b")]

  it("is what was written or found as Git says, and not what failed", () => {
    const plan = makePlan(input(two))
    assert.deepStrictEqual(again(plan, ["a", "created"], ["b", "failed"]), ["/ConfigMap/shop/a"])
  })
  it("stays known of an object that was deleted and is left so, whatever commits follow", () => {
    const manual = { rules: rules({ healPolicy: "manual" }) }
    const first = makePlan(input(two, [], { ...manual, settled: true }))
    const applied = appliedAfter(first, first.settled)
    const next = makePlan(input([...two, desired("ConfigMap shop/c")], [], { ...manual, applied }))
    assert.deepStrictEqual(
      [...lines(next)],
      ["create ConfigMap shop/c", "held A055 ConfigMap shop/a", "held A055 ConfigMap shop/b"],
    )
  })
  it("stays known of what a plan could not see, and is forgotten of what left Git", () => {
    const applied = new Map(["/Widget/shop/w", "/ConfigMap/shop/b"].map((key) => [key, "v1:x"]))
    const widget = new Map(
      [...applied].map(([key, is]) => [key.replace("/W", "example.com/W"), is]),
    )
    const wanted = [desired("ConfigMap shop/a"), desired("Widget shop/w")]
    const kept = (complete: boolean) => [
      ...appliedAfter(makePlan(input(wanted, [], { complete })), [], widget).keys(),
    ]
    assert.deepStrictEqual(kept(true), ["example.com/Widget/shop/w"])
    assert.deepStrictEqual(kept(false), ["example.com/Widget/shop/w", "/ConfigMap/shop/b"])
  })
  it("stays known of an object whose kind could not be listed", () => {
    const applied = new Map([["/ConfigMap/shop/a", hash(two[0] ?? desired(A))]])
    const plan = makePlan(input(two, [], { applied, live: snapshot([], ["/ConfigMap"]) }))
    assert.deepStrictEqual(again(plan), ["/ConfigMap/shop/a"])
  })
})

describe("a dry run", () => {
  it("reports what would happen and leaves out what is unchanged", () => {
    const same = desired("ConfigMap shop/same")
    const plan = makePlan(
      input(
        [same, desired(A), desired("ConfigMap shop/b")],
        [
          live("ConfigMap shop/same ours", hash(same)),
          live("ConfigMap shop/b ours old"),
          live("ConfigMap shop/c ours"),
        ],
      ),
    )
    assert.deepStrictEqual(
      [...describePlan(plan)],
      [
        { object: "/ConfigMap/shop/a", action: "created" },
        { object: "/ConfigMap/shop/b", action: "configured" },
        { object: "/ConfigMap/shop/c", action: "deleted" },
      ],
    )
  })
})
