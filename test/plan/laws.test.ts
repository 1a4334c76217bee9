// The laws of planning, on random commits and random clusters.
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { formatRef, type ObjectKey } from "../../src/domain/object.ts"
import { isOurs } from "../../src/plan/inventory.ts"
import type { LiveObject } from "../../src/plan/live.ts"
import { makePlan, type Plan, type PlanInput } from "../../src/plan/plan.ts"
import { desired, hash, input, live, rules, US } from "./words.ts"

const PATHS = [
  "Namespace shop",
  "ConfigMap shop/a",
  "ConfigMap shop/b",
  "Secret shop/a",
  "Deployment shop/a",
  "PersistentVolumeClaim shop/a",
  "ClusterRole r",
  "Widget shop/w",
]
const path = fc.constantFrom(...PATHS)
const wanted = fc.uniqueArray(
  fc.record({
    path,
    content: fc.constantFrom("1", "2"),
    mark: fc.constantFrom("", " ssa=Ignore", " prune=disabled"),
  }),
  { selector: (o) => o.path },
)
const observed = fc.uniqueArray(
  fc.record({
    path,
    content: fc.constantFrom("1", "2"),
    owner: fc.constantFrom(" ours", " ours", " ours unproven", " other", " earlier", ""),
    state: fc.constantFrom(
      "",
      "",
      "",
      " dying",
      " child",
      " suspend=true",
      " prune=enabled",
      " flux=x",
      " prune=disabled",
    ),
  }),
  { selector: (o) => o.path },
)
const policy = fc.record({
  prune: fc.boolean(),
  pruneLimit: fc.constantFrom("100%", "50%", 1),
  healPolicy: fc.constantFrom("auto", "manual", "notify"),
  adopt: fc.constantFrom("Plain", "Always", "Never"),
}) as fc.Arbitrary<Parameters<typeof rules>[0]>

const content = (value: string) => ({ data: { value } })
const scenario = fc
  .record({
    wanted,
    observed,
    policy,
    complete: fc.boolean(),
    settled: fc.boolean(),
    unknown: fc.constantFrom<ReadonlyArray<string>>([], ["/ConfigMap"]),
  })
  .map((s): PlanInput => {
    const objects = s.observed.map((o) =>
      live(o.path + o.owner + o.state, hash(desired(o.path, content(o.content)))),
    )
    return input(
      s.wanted.map((o) => desired(o.path + o.mark, content(o.content))),
      objects,
      {
        rules: rules(s.policy),
        complete: s.complete,
        settled: s.settled,
        live: {
          objects: new Map(
            objects
              .filter((o) => !s.unknown.includes(`${o.ref.group}/${o.ref.kind}`))
              .map((o) => [formatRef(o.ref), o]),
          ),
          unknown: new Set(s.unknown),
        },
      },
    )
  })

/** What the cluster holds after a plan was carried out without a surprise. */
const carriedOut = (plan: Plan): ReadonlyMap<ObjectKey, LiveObject> => {
  const after = new Map(plan.live.objects)
  for (const object of plan.prune.flat()) after.delete(formatRef(object.ref))
  for (const step of plan.stages.flat()) {
    const before = after.get(formatRef(step.ref))
    after.set(formatRef(step.ref), {
      ref: step.ref,
      uid: before?.uid ?? "new",
      resourceVersion: "11",
      owner: US,
      proven: true,
      controlled: false,
      terminating: false,
      applied: step.hash,
      marks: before?.marks ?? {},
      ownership: "own",
      baseline: { ownership: "own", whole: true },
    })
  }
  return after
}
const law = (check: (plan: Plan, given: PlanInput) => void) => () =>
  fc.assert(
    fc.property(scenario, (given) => check(makePlan(given), given)),
    { numRuns: 1000 },
  )
const keys = (plan: Plan) => plan.prune.flat().map((o) => formatRef(o.ref))

describe("a plan", () => {
  it("of what is live already does nothing", () =>
    fc.assert(
      fc.property(wanted, (rows) => {
        const objects = rows.filter((o) => !o.path.startsWith("Widget") && o.mark !== " ssa=Ignore")
        const given = objects.map((o) => desired(o.path + o.mark, content(o.content)))
        const plan = makePlan(
          input(
            given,
            given.map((d, i) => live(`${objects[i]?.path} ours`, hash(d))),
          ),
        )
        assert.deepStrictEqual([plan.stages, plan.prune], [[], []])
        assert.isTrue(plan.settled.every((c) => c.action === "unchanged"))
        assert.strictEqual(plan.settled.length, given.length)
      }),
    ))
  it(
    "carried out and made again is empty",
    law((plan, given) => {
      const again = makePlan({
        ...given,
        live: { ...given.live, objects: carriedOut(plan) },
      })
      const kinds = given.live.unknown
      const writes = again.stages.flat().filter((s) => !kinds.has(`${s.ref.group}/${s.ref.kind}`))
      assert.deepStrictEqual(writes, [])
      assert.deepStrictEqual(again.prune, [])
    }),
  )
  it(
    "never prunes what Git wants",
    law((plan, given) => {
      const want = new Set(given.desired.map((d) => formatRef(d.ref)))
      assert.isTrue(keys(plan).every((key) => !want.has(key)))
    }),
  )
  it(
    "never prunes what is not proven ours, is protected, or belongs to a kind that was not seen whole",
    law((plan, given) => {
      for (const object of plan.prune.flat()) {
        assert.isTrue(isOurs(object, US))
        assert.notInclude(
          ["PersistentVolumeClaim"],
          object.marks["nopea.io/prune"] ? "" : object.ref.kind,
        )
        assert.isFalse(given.live.unknown.has(`${object.ref.group}/${object.ref.kind}`))
        assert.notInclude(["disabled"], object.marks["nopea.io/prune"])
        assert.notProperty(object.marks, "nopea.io/suspend-heal")
        assert.isTrue(given.rules.policy.prune)
      }
    }),
  )
  it(
    "prunes nothing while anything fails, waits or did not render",
    law((plan, given) => {
      const bad = plan.settled.some((c) => c.action === "failed" || c.action === "waiting")
      if (bad || !given.complete) assert.deepStrictEqual(keys(plan), [])
    }),
  )
  it(
    "says something of every desired object, once",
    law((plan, given) => {
      const said = [...plan.stages.flat(), ...plan.settled].map((x) => formatRef(x.ref))
      for (const d of given.desired) {
        assert.strictEqual(said.filter((key) => key === formatRef(d.ref)).length, 1)
      }
    }),
  )
  it(
    "never writes what another repository, another tool or a person holds",
    law((plan, given) => {
      for (const step of plan.stages.flat()) {
        const found = given.live.objects.get(formatRef(step.ref))
        if (found === undefined) continue
        assert.isTrue(found.owner === undefined || found.owner.name === US.name)
        assert.isFalse(found.controlled || found.terminating)
        assert.notProperty(found.marks, "nopea.io/suspend-heal")
      }
    }),
  )
})
