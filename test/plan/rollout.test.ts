// What spec.rolloutRef makes of a commit: who gets the pod template, what is delegated, what fails, and what is kept.
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { ChangeSet } from "../../src/domain/change.ts"
import {
  type DesiredObject,
  formatRef,
  type Json,
  type KubeObject,
  type ObjectMeta,
} from "../../src/domain/object.ts"
import { appliedAfter, appliedCountOf, delegatedAfter, releasedBy } from "../../src/plan/after.ts"
import { NO_EVIDENCE } from "../../src/plan/evidence.ts"
import { brokenGlass, notHealed } from "../../src/plan/failures.ts"
import { asGuest, asLent, giveBack, lentObject, otherGiver } from "../../src/plan/lent.ts"
import type { LiveObject } from "../../src/plan/live.ts"
import { placeAll } from "../../src/plan/placement.ts"
import { describePlan, idleKeys, makePlan, type Plan, type PlanInput } from "../../src/plan/plan.ts"
import { delegate, rolloutOf } from "../../src/plan/rollout.ts"
import type { Policy } from "../../src/plan/step.ts"
import { desired, hash, input, lines, live, OTHER, rules, US } from "./words.ts"

const template = (image: string) => ({
  metadata: { labels: { app: "api" } },
  spec: { containers: [{ name: "main", image }] },
})
const SELECTOR = { matchLabels: { app: "api" } }

const deployment = (name = "shop/api", spec: object = {}): DesiredObject =>
  desired(`Deployment ${name}`, {
    spec: { replicas: 3, selector: SELECTOR, template: template("app:1"), ...spec },
  })
const rollout = (spec: object = { strategy: { canary: {} } }, name = "shop/api"): DesiredObject =>
  desired(`Rollout ${name}`, { spec })
const config = desired("ConfigMap shop/a")

const specOf = (one: DesiredObject | undefined): Json => JSON.parse(one?.json ?? "null")?.spec
const given = (...all: ReadonlyArray<DesiredObject>) =>
  delegate({ desired: all, name: "api", namespace: "shop" })

describe("a Rollout that is in Git", () => {
  const rows: ReadonlyArray<readonly [title: string, own: object, expected: object]> = [
    [
      "gets template, replicas and selector of the Deployment",
      { strategy: { simple: {} } },
      { strategy: { simple: {} }, replicas: 3, selector: SELECTOR, template: template("app:1") },
    ],
    [
      "keeps what Git writes into it",
      {
        replicas: 5,
        selector: { matchLabels: { own: "yes" } },
        strategy: { canary: { steps: [] } },
      },
      {
        replicas: 5,
        selector: { matchLabels: { own: "yes" } },
        strategy: { canary: { steps: [] } },
        template: template("app:1"),
      },
    ],
    [
      "loses a pod template of its own",
      { template: template("own:1") },
      { replicas: 3, selector: SELECTOR, template: template("app:1") },
    ],
  ]
  for (const [title, own, expected] of rows) {
    it(title, () => {
      const { desired: all, lent, to } = given(deployment(), rollout(own), config)
      assert.deepEqual(
        all.map(({ ref }) => ref.kind),
        ["Rollout", "ConfigMap"],
      )
      assert.deepEqual<unknown>(specOf(all[0]), expected)
      assert.isUndefined(lent)
      assert.deepEqual(to, {
        deployment: "apps/Deployment/shop/api",
        rollout: "kulta.io/Rollout/shop/api",
        inGit: true,
      })
    })
  }
  it("says where it loses a pod template of its own, and nothing where both are the same", () => {
    const [warning, ...others] = given(
      deployment(),
      rollout({ template: template("own:1") }),
    ).warnings
    assert.match(
      warning ?? "",
      /^deploy\/all\.yaml, document 1: spec\.template of Rollout api is left/u,
    )
    assert.deepEqual(others, [])
    assert.deepEqual(given(deployment(), rollout({ template: template("app:1") })).warnings, [])
    assert.deepEqual(given(deployment(), rollout()).warnings, [])
  })
  it("is another object to apply whenever the pod template is another", () => {
    const digestOf = (image: string) =>
      given(deployment("shop/api", { template: template(image) }), rollout()).desired[0]?.digest
    assert.notStrictEqual(digestOf("app:1"), digestOf("app:2"))
    assert.strictEqual(digestOf("app:1"), digestOf("app:1"))
  })
  it("is looked for beside the Deployment, and nowhere else", () => {
    const { desired: all, lent } = given(deployment("blue/api"), rollout())
    assert.deepEqual(all, [rollout()])
    assert.deepInclude(lent?.ref, { kind: "Rollout", namespace: "blue", name: "api" })
  })
  it("is the same one with its namespace written or not", () => {
    const bare = { ...deployment(), ref: { ...deployment().ref, namespace: "" } }
    assert.isUndefined(given(bare, rollout()).lent)
  })
})

describe("a Rollout that is not in Git", () => {
  it("gets just template and replicas, by its name alone", () => {
    const { lent, desired: all } = given(deployment(), config)
    assert.deepEqual(JSON.parse(lent?.json ?? ""), {
      apiVersion: "kulta.io/v1alpha1",
      kind: "Rollout",
      metadata: { name: "api" },
      spec: { replicas: 3, template: template("app:1") },
    })
    assert.deepEqual(lent?.source, deployment().source)
    assert.deepEqual(all, [config])
  })
  it("gets no replicas where the Deployment has none", () => {
    assert.deepEqual(specOf(given(deployment("shop/api", { replicas: undefined })).lent), {
      template: template("app:1"),
    })
  })
})

describe("what cannot be delegated", () => {
  const codes = (changes: ChangeSet) =>
    changes.map((c) => `${c.action} ${c.failure?.code} ${formatRef(c.ref)}`)
  it("several Deployments fail, each naming all of them, with the Rollout; the others go on", () => {
    const two = [deployment(), deployment("blue/web"), rollout(), config]
    const { desired: all, changes, to, lent } = given(...two)
    assert.deepEqual(codes(changes), [
      "failed NOPEA-A061 apps/Deployment/shop/api",
      "failed NOPEA-A061 apps/Deployment/blue/web",
      "failed NOPEA-A061 kulta.io/Rollout/shop/api",
    ])
    for (const { failure } of changes)
      assert.match(failure?.reason ?? "", /Git has 2: api in deploy\/all\.yaml .*; web in deploy/u)
    assert.deepEqual([all, to, lent], [[config], undefined, undefined])
  })
  it("no Deployment fails the Rollout, also one that is not in Git", () => {
    assert.deepEqual(codes(given(rollout(), config).changes), [
      "failed NOPEA-A062 kulta.io/Rollout/shop/api",
    ])
    assert.deepEqual(codes(given(config).changes), ["failed NOPEA-A062 kulta.io/Rollout/shop/api"])
    assert.deepEqual(given(rollout(), config).desired, [config])
  })
  it("a Deployment without a pod template fails, and takes the template from nobody", () => {
    const { changes, lent } = given(deployment("shop/api", { template: undefined }), rollout())
    assert.deepEqual(codes(changes), [
      "failed NOPEA-A062 apps/Deployment/shop/api",
      "failed NOPEA-A062 kulta.io/Rollout/shop/api",
    ])
    assert.isUndefined(lent)
  })
})

const any = fc.uniqueArray(
  fc.constantFrom(
    deployment(),
    deployment("shop/web"),
    deployment("blue/api"),
    rollout(),
    rollout({ replicas: 1 }, "blue/api"),
    rollout({}, "shop/other"),
    config,
    desired("Service shop/api"),
  ),
)

describe("delegating", () => {
  it("loses no object and invents none: each is applied, delegated or failed", () =>
    fc.assert(
      fc.property(any, (all) => {
        const { desired: applied, changes } = delegate({
          desired: all,
          name: "api",
          namespace: "shop",
        })
        const out = [...applied, ...changes].map(({ ref }) => formatRef(ref)).sort()
        const extra = all.some(({ ref }) => ref.kind === "Deployment")
          ? []
          : ["kulta.io/Rollout/shop/api"]
        const expected = new Set([...all.map(({ ref }) => formatRef(ref)), ...extra])
        const isNamed = all.some(({ ref }) => ref.kind === "Rollout" && ref.name === "api")
        if (isNamed && extra.length > 0 && !all.includes(rollout())) expected.delete(extra[0] ?? "")
        assert.includeMembers([...new Set([...expected, ...out])], out)
        assert.strictEqual(new Set(out).size, out.length)
        for (const { ref } of all) assert.include(out, formatRef(ref))
      }),
    ))
  it("touches nothing but Deployments and the Rollout that is named", () =>
    fc.assert(
      fc.property(any, (all) => {
        const { desired: applied } = delegate({ desired: all, name: "api", namespace: "shop" })
        for (const one of all.filter(({ ref }) => !/^(Deployment|Rollout)$/u.test(ref.kind)))
          assert.include(applied, one)
      }),
    ))
  it("never leaves a Deployment to be applied, and never a Rollout without a template", () =>
    fc.assert(
      fc.property(any, (all) => {
        const {
          desired: applied,
          lent,
          to,
        } = delegate({ desired: all, name: "api", namespace: "shop" })
        assert.isFalse(applied.some(({ ref }) => ref.kind === "Deployment"))
        const filled = [...applied, ...(lent ? [lent] : [])].filter(
          ({ ref }) => formatRef(ref) === to?.rollout,
        )
        assert.strictEqual(filled.length, to === undefined ? 0 : 1)
        for (const one of filled)
          assert.deepEqual((specOf(one) as { template: Json }).template, template("app:1"))
      }),
    ))
})

const ON: Partial<Policy> = { rolloutRef: { name: "api" } }
const WAS = {
  deployment: "apps/Deployment/shop/api",
  rollout: "kulta.io/Rollout/shop/api",
  inGit: false,
}
const IN_GIT = { ...WAS, inGit: true }

const entry = (manager: string, fieldsV1: object, operation: "Apply" | "Update" = "Apply") => ({
  manager,
  operation,
  apiVersion: "kulta.io/v1alpha1",
  fieldsV1: fieldsV1 as Record<string, Json>,
})
const LENT_SET = {
  "f:spec": {
    "f:replicas": {},
    "f:template": {
      "f:metadata": { "f:labels": { "f:app": {} } },
      "f:spec": { "f:containers": {} },
    },
  },
}
const meta = (entries: ReadonlyArray<ReturnType<typeof entry>>, more: object = {}): ObjectMeta => ({
  name: "api",
  namespace: "shop",
  uid: "uid-r",
  resourceVersion: "7",
  managedFields: entries,
  ...more,
})

const lentHash = hash(given(deployment()).lent as DesiredObject)
const seen = (metadata: ObjectMeta, appliedBefore = true): LiveObject =>
  lentObject(
    { hash: lentHash, appliedBefore },
    { group: "kulta.io", version: "v1alpha1", kind: "Rollout" },
    metadata,
  )

const planned = (
  all: ReadonlyArray<DesiredObject>,
  objects: ReadonlyArray<LiveObject>,
  policy: Partial<Policy> = ON,
  more: Partial<PlanInput> = {},
): Plan => makePlan(input(all, objects, { rules: rules(policy), ...more }))

const oldDeployment = live("Deployment shop/api ours", hash(deployment()))
const applied = { applied: new Map([["kulta.io/Rollout/shop/api", lentHash]]) }

describe("a plan with rolloutRef", () => {
  it("applies the Rollout of Git, and neither applies nor prunes the Deployment", () => {
    const plan = planned([deployment(), rollout(), config], [oldDeployment])
    assert.deepEqual(lines(plan), [
      "create ConfigMap shop/a",
      "create Rollout shop/api",
      "delegated A065 Deployment shop/api",
    ])
    assert.isTrue(plan.claimed.has("apps/Deployment/shop/api"))
    assert.include(
      describePlan(plan).map(({ object, action }) => `${action} ${object}`),
      "delegated apps/Deployment/shop/api",
    )
  })
  it("keeps no other's Deployment from being deleted: what is never written proves no right to it", () => {
    const idle = (...all: ReadonlyArray<DesiredObject>) => {
      const given = input(all, [], { rules: rules(ON) })
      return [...idleKeys(placeAll(given))]
    }
    assert.deepEqual(idle(deployment(), rollout(), config), ["apps/Deployment/shop/api"])
    assert.deepEqual(idle(deployment(), deployment("shop/web"), config), [], "those are failures")
  })
  it("leaves a Deployment that drifted alone, and tells nothing of it", () => {
    const drifted = live("Deployment shop/api ours unproven")
    assert.deepEqual(lines(planned([deployment(), rollout()], [drifted])), [
      "create Rollout shop/api",
      "delegated A065 Deployment shop/api",
    ])
  })
  it("waits for a Rollout that is neither in Git nor in the cluster, and claims it not", () => {
    const plan = planned([deployment(), config], [oldDeployment])
    assert.deepEqual(lines(plan), [
      "create ConfigMap shop/a",
      "delegated A065 Deployment shop/api",
      "waiting A063 Rollout shop/api",
    ])
    assert.isFalse(plan.claimed.has("kulta.io/Rollout/shop/api"))
    assert.strictEqual(plan.settled.find(({ failure }) => failure)?.failure?.disposition, "wait")
  })
  it("waits as for any kind that is not served, with the place of the Deployment", () => {
    const kinds = {
      incomplete: [],
      find: (k: { kind: string }) =>
        k.kind === "Rollout" ? undefined : { version: "v1", namespaced: true, verbs: ["patch"] },
    }
    const [, change] = planned([deployment()], [], ON, { kinds }).settled
    assert.deepInclude(change?.failure, { code: "NOPEA-A040", file: "deploy/all.yaml" })
  })
  it("patches one that is there by its uid, with what it never applied", () => {
    const plan = planned(
      [deployment()],
      [seen(meta([entry("kubectl-create", LENT_SET, "Update")]), false)],
    )
    const [step] = plan.stages.flat()
    assert.deepInclude(step, { lent: true, heals: false })
    assert.deepInclude(step?.guard, { on: "object", uid: "uid-r" })
    assert.isUndefined(step?.drift)
  })
  it("asks for nothing of one that is as it was applied", () => {
    const same = seen(
      meta([
        entry("nopea-rollout", LENT_SET),
        entry("kubectl-create", { "f:spec": { "f:strategy": {} } }, "Update"),
      ]),
    )
    assert.deepEqual(lines(planned([deployment()], [same], ON, applied)), [
      "delegated A065 Deployment shop/api",
      "unchanged Rollout shop/api",
    ])
  })
  const edited = seen(
    meta([
      entry("nopea-rollout", {
        "f:spec": {
          "f:replicas": {},
          "f:template": { "f:metadata": { "f:labels": { "f:app": {} } } },
        },
      }),
      entry(
        "kubectl-edit",
        { "f:spec": { "f:template": { "f:spec": { "f:containers": {} } } } },
        "Update",
      ),
    ]),
  )
  const whole = { ...edited, baseline: { ownership: "", whole: true } }
  it("heals what a person took of it, by policy", () => {
    const plan = planned([deployment()], [whole], ON, applied)
    assert.deepEqual(lines(plan), [
      "heal by patch Rollout shop/api",
      "delegated A065 Deployment shop/api",
    ])
    const [row] = plan.stages.flat()[0]?.drift ?? []
    assert.deepInclude(row, { type: "manual_drift", action: "healed" })
    assert.strictEqual(row?.author?.manager, "kubectl-edit")
  })
  it("leaves it so where the policy says", () => {
    const plan = planned([deployment()], [whole], { ...ON, healPolicy: "manual" }, applied)
    assert.deepEqual(lines(plan), [
      "delegated A065 Deployment shop/api",
      "held A055 Rollout shop/api",
    ])
  })
  it("knows a conflict where a person took the only field of a map, and leaves it where the policy says", () => {
    const emptied = {
      "f:spec": {
        "f:replicas": {},
        "f:template": { "f:metadata": { "f:labels": { "f:app": {} } }, "f:spec": {} },
      },
    }
    const by = { "f:spec": { "f:template": { "f:spec": { "f:containers": {} } } } }
    const found = seen(
      meta([entry("nopea-rollout", emptied), entry("kubectl-edit", by, "Update")]),
      false,
    )
    const last = given(deployment()).lent?.json ?? ""
    const asked = {
      ...rules({ ...ON, conflictPolicy: "live" }),
      evidence: { ...NO_EVIDENCE, lastApplied: new Map([[WAS.rollout, last]]) },
    }
    const next = deployment("shop/api", { replicas: 5, template: template("app:2") })
    const plan = planned([next], [found], ON, { rules: asked, ...applied })
    const [step] = plan.stages.flat()
    assert.deepEqual(step?.holds, [["spec", "template", "spec", "containers"]])
    assert.deepInclude(step?.drift?.[0], {
      type: "conflict",
      action: "left",
      path: "spec.template.spec.containers",
    })
  })
  it("keeps off it by break-glass on the live Rollout", () => {
    const glass = seen(meta([], { annotations: { "nopea.io/suspend-heal": "true" } }), false)
    assert.deepEqual(lines(planned([deployment()], [glass])), [
      "delegated A065 Deployment shop/api",
      "held A053 Rollout shop/api",
    ])
  })
  it("leaves replicas to an autoscaler", () => {
    const scaled = meta([
      {
        ...entry("hpa", { "f:spec": { "f:replicas": {} } }, "Update"),
        subresource: "scale",
      } as never,
    ])
    const [step] = planned([deployment()], [seen(scaled, false)]).stages.flat()
    assert.deepEqual(step?.holds, [["spec", "replicas"]])
  })
  it("never takes what people put into a Rollout that is not ours", () => {
    const strategy = entry(
      "kubectl-edit",
      { "f:spec": { "f:strategy": {}, "f:paused": {} } },
      "Update",
    )
    const same = seen(meta([entry("nopea-rollout", LENT_SET), strategy]))
    assert.deepEqual(planned([deployment()], [same], ON, applied).stages, [])
  })
  it("does not prune a Rollout that left Git while it is named", () => {
    const was = { ...live("Rollout shop/api ours"), fields: "[]" }
    assert.deepEqual(
      lines(planned([deployment(), config], [was])).filter((l) => l.startsWith("delete")),
      [],
    )
  })
  it("prunes nothing while it cannot be told what is delegated", () => {
    const others = [oldDeployment, live("ConfigMap shop/gone ours")]
    for (const all of [[deployment(), deployment("shop/web")], [config]])
      assert.deepEqual(planned(all, others).prune, [])
  })
  it("says why the Rollout is not written, in the place of a write", () => {
    const ref = {
      group: "kulta.io",
      version: "v1alpha1",
      kind: "Rollout",
      namespace: "shop",
      name: "api",
    }
    const barred = { ref, action: "failed" } as const
    const plan = planned([deployment()], [seen(meta([]), false)], ON, { barred })
    assert.deepEqual(lines(plan), ["delegated A065 Deployment shop/api", "failed Rollout shop/api"])
  })
})

const OBSERVED = [
  oldDeployment,
  live("Deployment shop/api ours unproven"),
  live("Deployment shop/web ours", "v1:x"),
  live("Rollout shop/api ours", "v1:x"),
  live("Rollout shop/other ours", "v1:x"),
  live("ConfigMap shop/gone ours", "v1:x"),
]

describe("whatever is in Git and in the cluster, a plan with rolloutRef", () => {
  const law = (check: (plan: Plan, all: ReadonlyArray<DesiredObject>) => void) => () =>
    fc.assert(
      fc.property(
        any,
        fc.uniqueArray(fc.constantFrom(...OBSERVED), { selector: ({ ref }) => formatRef(ref) }),
        fc.constantFrom(undefined, WAS, IN_GIT),
        fc.constantFrom<Partial<Policy>>(ON, {}, { ...ON, healPolicy: "manual" }),
        (all, objects, formerly, policy) => check(planned(all, objects, policy, { formerly }), all),
      ),
      { numRuns: 500 },
    )
  const pruned = (plan: Plan) => plan.prune.flat().map(({ ref }) => formatRef(ref))
  it(
    "deletes nothing that Git has, and no Rollout that has pod templates from here",
    law((plan, all) => {
      for (const { ref } of all) assert.notInclude(pruned(plan), formatRef(ref))
      for (const one of [plan.delegated, plan.formerly])
        if (one !== undefined) assert.notInclude(pruned(plan), one.rollout)
    }),
  )
  it(
    "deletes nothing while it cannot be told what is delegated",
    law((plan) => {
      const isOff = plan.rules.policy.rolloutRef === undefined
      if (!isOff && plan.delegated === undefined) assert.deepEqual(pruned(plan), [])
    }),
  )
  it(
    "writes no Deployment while it is on, and what is not its own only by its uid",
    law((plan) => {
      for (const { ref, lent, guard } of plan.stages.flat()) {
        if (plan.rules.policy.rolloutRef) assert.notStrictEqual(ref.kind, "Deployment")
        if (lent) assert.strictEqual(guard.on, "object")
      }
    }),
  )
  it(
    "says something of every object of Git, once",
    law((plan, all) => {
      const said = [...plan.stages.flat(), ...plan.settled].map(({ ref }) => formatRef(ref))
      for (const { ref } of all)
        assert.lengthOf(
          said.filter((key) => key === formatRef(ref)),
          1,
          formatRef(ref),
        )
    }),
  )
})

describe("what is counted and remembered", () => {
  const inGit = planned([deployment(), rollout(), config], [])
  const outside = planned([deployment(), config], [seen(meta([]), false)])
  const done = (
    plan: Plan,
    action: "configured" | "waiting" | "unchanged" = "configured",
  ): ChangeSet => [
    ...plan.settled,
    ...plan.stages.flat().map(({ ref }) => ({ ref, action }) as const),
  ]
  it("a delegated Deployment counts as applied once its Rollout has the pod template", () => {
    assert.strictEqual(appliedCountOf(inGit, done(inGit)), 3)
    assert.strictEqual(appliedCountOf(outside, done(outside)), 2)
    assert.strictEqual(appliedCountOf(inGit, done(inGit, "waiting")), 0)
    assert.strictEqual(appliedCountOf(outside, outside.settled), 0)
  })
  it("what is delegated is in the status, until all that follows from a change is done", () => {
    assert.deepEqual(delegatedAfter(inGit, done(inGit)), IN_GIT)
    assert.deepEqual(delegatedAfter(outside, done(outside)), WAS)
    const off = planned([deployment(), config], [oldDeployment], {}, { formerly: WAS })
    assert.isUndefined(delegatedAfter(off, done(off)))
    assert.deepEqual(delegatedAfter(off, done(off, "waiting")), WAS)
    const held = off.stages.flat().map(({ ref }) => ({ ref, action: "held" }) as const)
    assert.deepEqual(delegatedAfter(off, held), WAS)
    const ref = rolloutOf(WAS)
    assert.isDefined(ref)
    const note = brokenGlass({ ref }, "removed", undefined)
    const glass = [...done(off), { ref, action: "held", note } as const]
    assert.deepEqual(delegatedAfter(off, glass), WAS, "break-glass on the Rollout")
    const left = notHealed({ ref }, "spec.replicas", [])
    const drifted = planned([deployment(), rollout()], [], ON, { formerly: WAS })
    const found = [{ ref, action: "held", note: left } as const]
    assert.deepEqual(delegatedAfter(drifted, found), IN_GIT, "drift that is left in it")
    const failing = planned([config], [], ON, { formerly: WAS })
    assert.deepEqual(delegatedAfter(failing, done(failing)), WAS)
  })
  it("the Rollout is given back when it is named no more, when another is, and when it comes into Git", () => {
    const elsewhere = { ...WAS, rollout: "kulta.io/Rollout/shop/old" }
    const asks = (all: ReadonlyArray<DesiredObject>, policy: Partial<Policy>, formerly = WAS) =>
      releasedBy(planned(all, [], policy, { formerly }))
    assert.deepEqual(asks([deployment()], {}), WAS)
    assert.deepEqual(asks([deployment()], ON, elsewhere), elsewhere)
    assert.deepEqual(asks([deployment(), rollout()], ON), WAS)
    assert.isUndefined(asks([deployment()], ON))
    assert.isUndefined(asks([deployment(), rollout()], ON, IN_GIT))
    assert.isUndefined(asks([deployment(), rollout()], {}, IN_GIT))
    assert.isUndefined(asks([deployment()], ON, IN_GIT))
    assert.deepEqual(asks([deployment()], {}, IN_GIT), IN_GIT)
    assert.isUndefined(asks([config], ON))
    assert.isUndefined(releasedBy(planned([deployment()], [], {})))
  })
})

describe("switching off", () => {
  const OFF = { formerly: WAS }
  it("applies the Deployment whatever became of it meanwhile, also where drift is left", () => {
    const scaledAway = {
      ...live("Deployment shop/api ours unproven", hash(deployment())),
      proven: true,
    }
    const plan = planned(
      [deployment()],
      [scaledAway],
      { healPolicy: "manual", conflictPolicy: "live" },
      OFF,
    )
    assert.deepEqual(lines(plan), ["patch Deployment shop/api"])
    assert.deepInclude(plan.stages.flat()[0], { heals: false, returns: true })
  })
  it("applies it once: while something else fails it is governed as any other object", () => {
    const key = WAS.deployment
    const edited = {
      ...live("Deployment shop/api ours unproven", hash(deployment())),
      proven: true,
    }
    const once = { ...OFF, applied: new Map([[key, hash(deployment())]]) }
    const plan = planned([deployment()], [edited], { healPolicy: "manual" }, once)
    assert.deepEqual(lines(plan), ["held A055 Deployment shop/api"])
    assert.isUndefined(delegatedAfter(plan, plan.settled), "it has been given back")
  })
  it("a Deployment that was held has not been applied, whatever else was", () => {
    const glass = live("Deployment shop/api ours suspend=true", hash(deployment()))
    const plan = planned([deployment()], [glass], {}, { ...OFF, settled: true })
    assert.isFalse(appliedAfter(plan, plan.settled).has(WAS.deployment))
    assert.deepEqual(delegatedAfter(plan, plan.settled), WAS)
  })
  it("leaves break-glass on the Deployment in force", () => {
    const glass = live("Deployment shop/api ours suspend=true", "v1:x")
    assert.deepEqual(lines(planned([deployment()], [glass], {}, OFF)), [
      "held A053 Deployment shop/api",
    ])
  })
  it("deletes neither the Deployment nor a Rollout that left Git", () => {
    const was = live("Rollout shop/api ours", "v1:x")
    assert.deepEqual(lines(planned([deployment()], [oldDeployment, was], {}, OFF)), [
      "patch Deployment shop/api",
    ])
  })
  it("a Rollout of Git is applied as Git writes it", () => {
    const was = live("Rollout shop/api ours", "v1:x")
    const plan = planned([deployment(), rollout()], [oldDeployment, was], {}, OFF)
    assert.deepEqual(lines(plan), ["patch Deployment shop/api", "patch Rollout shop/api"])
    assert.isTrue(plan.stages.flat().every(({ returns }) => returns))
  })
})

describe("what is given back", () => {
  const strategy = entry("kubectl-create", { "f:spec": { "f:strategy": {} } }, "Update")
  it("are the fields, and no value and no other entry", () => {
    const live = meta([entry("nopea-rollout", LENT_SET), strategy])
    assert.deepEqual(giveBack(live, false, US), [
      { op: "test", path: "/metadata/resourceVersion", value: "7" },
      { op: "replace", path: "/metadata/managedFields", value: [strategy] },
    ])
  })
  it("never is an empty list, which would change nothing", () => {
    const [, patch] = giveBack(meta([entry("nopea-rollout", LENT_SET)]), false, US) ?? []
    assert.deepEqual(patch?.value, [{}])
  })
  it("is nothing where there is nothing", () => {
    assert.isUndefined(giveBack(meta([strategy]), false, US))
  })
  const ours = {
    labels: {
      "nopea.io/repository": US.name,
      "nopea.io/repository-namespace": US.namespace,
      "nopea.io/repository-uid": US.uid,
      mine: "yes",
    },
    annotations: { "nopea.io/applied": "v1:x" },
  }
  it("is all of one of ours that left Git: nothing deletes it then", () => {
    const patch = giveBack(meta([entry("nopea", LENT_SET), strategy], ours), false, US) ?? []
    assert.deepEqual(patch[1]?.value, [strategy])
    assert.sameMembers(
      patch.slice(2).map(({ op, path }) => `${op} ${path}`),
      [
        "remove /metadata/labels/nopea.io~1repository",
        "remove /metadata/labels/nopea.io~1repository-namespace",
        "remove /metadata/labels/nopea.io~1repository-uid",
        "remove /metadata/annotations/nopea.io~1applied",
      ],
    )
  })
  it("is nothing of ours while it is in Git, and never anything of another GitRepository's", () => {
    assert.isUndefined(giveBack(meta([entry("nopea", LENT_SET)], ours), true, US))
    assert.isUndefined(giveBack(meta([entry("nopea", LENT_SET)], ours), false, OTHER))
  })
})

describe("a Rollout through the eyes of its guest", () => {
  const [want] = planned([deployment()], [seen(meta([]), false)]).stages.flat()
  const object = (entries: Parameters<typeof meta>[0], spec: object): KubeObject => ({
    apiVersion: "kulta.io/v1alpha1",
    kind: "Rollout",
    metadata: meta(entries),
    spec,
  })
  const known = { last: undefined, owner: US }
  const isApplied = (whole: KubeObject | undefined, last?: string, appliedBefore = true) =>
    want !== undefined &&
    asLent({ ...want, appliedBefore }, whole, { ...known, last }).appliedBefore
  const lent = [entry("nopea-rollout", LENT_SET)]
  const is = { replicas: 3, template: template("app:1") }
  const taken = [
    entry("nopea-rollout", { "f:spec": { "f:replicas": {} } }),
    entry("kubectl-edit", { "f:spec": { "f:template": {} } }, "Update"),
  ]
  for (const [title, whole, expected] of [
    ["was applied where all that is ours is what Git says", object(lent, is), true],
    ["was not where a value of ours is another", object(lent, { ...is, replicas: 4 }), false],
    [
      "was not where ours has what Git does not say",
      object([entry("nopea-rollout", { "f:spec": { ...LENT_SET["f:spec"], "f:paused": {} } })], is),
      false,
    ],
    ["was not where nothing is ours", object([], is), false],
    [
      "was where a person took the part that differs",
      object(taken, { ...is, template: template("hacked:1") }),
      true,
    ],
    ["was not where it is gone", undefined, false],
  ] as const)
    it(`${title}, as far as a status says that all was applied`, () => {
      assert.strictEqual(isApplied(whole), expected)
      assert.strictEqual(isApplied(whole, undefined, false), false)
    })
  it("was applied where memory says so, whatever an admission webhook made of it; unless it is gone", () => {
    assert.isTrue(isApplied(object(lent, { replicas: 4 }), lentHash))
    assert.isFalse(isApplied(undefined, lentHash))
    assert.isFalse(isApplied(object(lent, { replicas: 4 }), "v1:other"))
  })
  it("is owned as far as nopea-rollout applied, and never by what nopea did", () => {
    const both = asGuest(meta([entry("nopea", {}), entry("nopea-rollout", LENT_SET)]))
    assert.deepEqual(
      both.managedFields?.map(({ manager }) => manager),
      ["nopea-git", "nopea"],
    )
  })
  it("is another GitRepository's to fill where its Git gives the pod template", () => {
    const labels = (owner: typeof US) => ({
      labels: {
        "nopea.io/repository": owner.name,
        "nopea.io/repository-namespace": owner.namespace,
        "nopea.io/repository-uid": owner.uid,
      },
    })
    assert.deepEqual(otherGiver(meta([entry("nopea", LENT_SET)], labels(OTHER)), US), OTHER)
    assert.isUndefined(otherGiver(meta([entry("nopea", LENT_SET)], labels(US)), US))
    const plain = entry("nopea", { "f:spec": { "f:strategy": {} } })
    assert.isUndefined(otherGiver(meta([plain], labels(OTHER)), US))
    assert.isUndefined(otherGiver(meta([entry("kubectl", LENT_SET)]), US))
  })
  it("is found again by what the status says of it, and by nothing else", () => {
    assert.deepEqual(rolloutOf(WAS), {
      group: "kulta.io",
      version: "v1alpha1",
      kind: "Rollout",
      namespace: "shop",
      name: "api",
    })
    for (const text of [
      "",
      "apps/Deployment/shop/api",
      "kulta.io/Rollout/api",
      "kulta.io/Rollout//api",
    ])
      assert.isUndefined(rolloutOf({ ...WAS, rollout: text }))
  })
})
