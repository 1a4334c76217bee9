// What has to be asked before the plan, and what the answers settle.
import { assert, describe, it } from "@effect/vitest"
import type { Failure } from "../../src/domain/errors.ts"
import type { JsonObject, KubeObject } from "../../src/domain/object.ts"
import { decide } from "../../src/plan/decide.ts"
import { type Evidence, NO_EVIDENCE, NO_MEMORY } from "../../src/plan/evidence.ts"
import { askedAnew, isAsked, judge, unsettled } from "../../src/plan/judge.ts"
import { type LiveObject, withBaseline } from "../../src/plan/live.ts"
import { isStep, type Policy, type Rules } from "../../src/plan/step.ts"
import { type Data, EDITOR, hashOf, jsonOf, KEY, liveOf, wantOf } from "./driftWords.ts"
import { live, rules, snapshot } from "./words.ts"

const GIT: Data = { a: "1", b: "1" }
const keys = (...names: ReadonlyArray<string>): ReadonlySet<string> => new Set(names)
const whole = { applied: GIT, ours: keys("a", "b"), theirs: keys() }
const edited = { applied: GIT, ours: keys("b"), theirs: keys("a") }
const removed = { applied: GIT, ours: keys("b"), theirs: keys() }
const RESTARTED = { baseline: undefined }
const under = (policy: Partial<Policy> = {}, evidence: Partial<Evidence> = {}): Rules => ({
  ...rules(policy),
  evidence: { ...NO_EVIDENCE, ...evidence },
})
const MANUAL = { healPolicy: "manual" } as const
const asksOf = (object: LiveObject | undefined, asked: Rules, git = GIT) => {
  const answer = judge(wantOf(git, hashOf(GIT), asked), object, asked)
  return isAsked(answer) ? answer.asks.join(" ") : answer === undefined ? "nothing" : "settled"
}
const wouldOwn = (...all: ReadonlyArray<string>) => {
  const { fields = "[]" } = liveOf({ applied: GIT, ours: keys(...all), theirs: keys() })
  const [own] = JSON.parse(fields) as ReadonlyArray<{ readonly fieldsV1: JsonObject }>
  return { wouldOwn: new Map([[KEY, { set: own?.fieldsV1 ?? {} }]]) }
}
const wholeOf = (data: Data) => ({
  whole: new Map([[KEY, { ...JSON.parse(jsonOf(data)), data } as KubeObject]]),
})
const failure: Failure = {
  code: "NOPEA-A010",
  reason: "no dry runs",
  fix: "let them",
  disposition: "stall",
}

describe("asked is", () => {
  const table: ReadonlyArray<readonly [string, LiveObject | undefined, Rules, string, Data?]> = [
    ["nothing of what is whole", liveOf(whole), under(), "settled"],
    ["nothing after a restart of what is whole", liveOf(whole, RESTARTED), under(), "settled"],
    [
      "nothing of what was whole and was edited, where it is healed",
      liveOf(edited),
      under(),
      "settled",
    ],
    ["its value, where a policy leaves it", liveOf(edited), under(MANUAL), "whole"],
    ["a dry run after a restart", liveOf(edited, RESTARTED), under(), "wouldOwn"],
    [
      "a dry run and its value, after a restart and left",
      liveOf(edited, RESTARTED),
      under(MANUAL),
      "wouldOwn whole",
    ],
    ["nothing of what is gone and comes back", undefined, under(), "nothing"],
    ["whether it is gone, where that is left", undefined, under(MANUAL), "whole"],
    [
      "what was applied, where Git moved",
      liveOf(edited),
      under(),
      "lastApplied",
      { a: "2", b: "1" },
    ],
    [
      "that and the whole object where the cluster may win",
      liveOf(edited),
      under({ conflictPolicy: "live" }),
      "lastApplied whole",
      { a: "2", b: "1" },
    ],
  ]
  for (const [title, object, asked, expected, git] of table)
    it(title, () => assert.strictEqual(asksOf(object, asked, git), expected))

  it("nothing once more of a second look", () => {
    assert.strictEqual(asksOf(liveOf(edited), under(MANUAL, wholeOf(GIT))), "settled")
    assert.strictEqual(asksOf(liveOf(edited, RESTARTED), under({}, wouldOwn("a", "b"))), "settled")
    assert.strictEqual(
      asksOf(liveOf(edited, RESTARTED), under({}, { wouldOwn: new Map([[KEY, { failure }]]) })),
      "settled",
    )
  })

  const baselineOf = (object: LiveObject, asked: Rules) => {
    const answer = judge(wantOf(GIT, hashOf(GIT), asked), object, asked)
    assert.isTrue(answer !== undefined && !isAsked(answer))
    if (answer === undefined || isAsked(answer)) return { ownership: "", whole: false }
    const { key: _, uid: __, ...baseline } = answer
    return baseline
  }
  const seenAt = (resourceVersion: string) => {
    const object = JSON.parse(jsonOf({ ...GIT, a: "9" }))
    const metadata = { ...object.metadata, resourceVersion }
    return { whole: new Map([[KEY, { ...object, metadata } as KubeObject]]) }
  }

  it("its value once, where a policy leaves it: again when the object or Git changed", () => {
    const object = liveOf(edited)
    const baseline = baselineOf(object, under(MANUAL, seenAt("10")))
    const known = withBaseline(object, baseline)
    assert.strictEqual(asksOf(known, under(MANUAL)), "settled")
    assert.deepEqual(baselineOf(known, under(MANUAL)), baseline, "it stays so")
    assert.strictEqual(asksOf({ ...known, resourceVersion: "11" }, under(MANUAL)), "whole")
    assert.strictEqual(asksOf({ ...known, uid: "uid-b" }, under(MANUAL)), "whole")
    const late = withBaseline(object, baselineOf(object, under(MANUAL, seenAt("11"))))
    assert.strictEqual(asksOf(late, under(MANUAL)), "whole", "another version was compared")
  })

  it("a dry run that was refused once for each version, until its time is over or somebody asks", () => {
    const object = liveOf(edited, RESTARTED)
    const refused = under({}, { wouldOwn: new Map([[KEY, { failure }]]) })
    const known = withBaseline(object, baselineOf(object, refused))
    assert.strictEqual(asksOf(known, under()), "nothing")
    const verdict = decide(wantOf(GIT, hashOf(GIT), under()), known, under())
    assert.strictEqual("action" in verdict && verdict.note?.code, "NOPEA-D001")
    assert.strictEqual(asksOf({ ...known, resourceVersion: "11" }, under()), "wouldOwn")
    assert.strictEqual(asksOf(known, { ...under(), now: under().now + 3_600_000 }), "wouldOwn")
    const anew = askedAnew(new Map([[KEY, known]])).get(KEY)
    assert.strictEqual(asksOf(anew, under()), "wouldOwn")
    const passing = { failure: { ...failure, disposition: "retry" } } as const
    const once = under({}, { wouldOwn: new Map([[KEY, passing]]) })
    assert.strictEqual(asksOf(object, once), "nothing")
  })

  it("only of objects that are ours, are there, and are not settled", () => {
    const asked = under()
    const object = liveOf(whole)
    const settled = withBaseline(object, { ownership: object.ownership, whole: true })
    const placed = (data: Data) => ({
      wants: new Map([[KEY, [wantOf(data, hashOf(GIT), asked)]]]),
      unplaced: [],
      delegations: [],
      warnings: [],
    })
    const count = (one: ReadonlyArray<LiveObject>, unknown: ReadonlyArray<string> = []) =>
      unsettled(placed(GIT), snapshot(one, unknown), asked).length
    assert.deepEqual(
      [
        count([object]),
        count([settled]),
        count([{ ...object, terminating: true }]),
        count([live("ConfigMap shop/a other")]),
        count([]),
        count([], ["/ConfigMap"]),
      ],
      [1, 0, 0, 0, 1, 0],
    )
    const annotations = { "nopea.io/suspend-heal": "true" }
    const glass = liveOf(edited, { annotations })
    const moved = unsettled(placed({ a: "2", b: "1" }), snapshot([glass], []), asked)
    assert.deepEqual([count([glass]), moved.length], [1, 0], "nor where nobody may write anyway")
  })
})

describe("the answer", () => {
  const verdict = (object: LiveObject, asked: Rules, git = GIT) =>
    decide(wantOf(git, hashOf(GIT), asked), object, asked)

  it("of a dry run: what it would bring back is drift, what it would not is the baseline", () => {
    const object = liveOf(removed, RESTARTED)
    const drifted = verdict(object, under(MANUAL, wouldOwn("a", "b")))
    assert.deepEqual(
      drifted.drift?.map(({ path }) => path),
      ["data.a"],
    )
    const baseline = verdict(object, under(MANUAL, wouldOwn("b")))
    assert.strictEqual("action" in baseline && baseline.action, "unchanged")
  })

  it("of a refused dry run: told and held, whatever the policy, and no heal", () => {
    for (const policy of [{}, MANUAL]) {
      const answer = verdict(
        liveOf(edited, RESTARTED),
        under(policy, { wouldOwn: new Map([[KEY, { failure }]]) }),
      )
      assert.isFalse(isStep(answer))
      if (isStep(answer)) return
      assert.strictEqual(answer.note?.code, "NOPEA-D001")
      assert.deepEqual(
        answer.drift?.map(({ path, action, author }) => [path, action, author?.manager]),
        [["data.a", "held", EDITOR]],
      )
    }
  })

  it("of its value: what somebody put back is taken back without a heal, and only as it was seen", () => {
    const answer = verdict(liveOf(edited), under(MANUAL, wholeOf(GIT)))
    assert.isTrue(isStep(answer))
    if (!isStep(answer)) return
    assert.deepEqual([answer.heals, answer.holds, answer.drift], [false, [], undefined])
    assert.deepEqual(answer.guard, { on: "object", uid: "uid-a", resourceVersion: "10" })
    const other = verdict(liveOf(edited), under(MANUAL, wholeOf({ ...GIT, a: "9" })))
    assert.strictEqual("action" in other && other.action, "held")
  })

  it("of its value, under conflictPolicy live: where both agree there is no conflict", () => {
    const git = { a: "2", b: "1" }
    const known = { lastApplied: new Map([[KEY, jsonOf(GIT)]]) }
    const policy = { conflictPolicy: "live" } as const
    const apart = verdict(
      liveOf(edited),
      under(policy, { ...known, ...wholeOf({ ...GIT, a: "9" }) }),
      git,
    )
    assert.deepEqual(
      apart.drift?.map(({ type, action }) => [type, action]),
      [["conflict", "left"]],
    )
    const agreed = verdict(liveOf(edited), under(policy, { ...known, ...wholeOf(git) }), git)
    assert.isUndefined(agreed.drift)
    assert.deepEqual(isStep(agreed) && agreed.holds, [])
  })

  it("of nobody, after a restart that could not remember all: the cluster keeps it where it may win", () => {
    const partial = (policy: Partial<Policy>, firstSeen: ReadonlyArray<string> = []): Rules => {
      const seen = new Map(firstSeen.map((key) => [key, 0]))
      return { ...under(policy), memory: { ...NO_MEMORY, firstSeen: seen, isPartial: true } }
    }
    const healed = (rule: Rules) => isStep(verdict(liveOf(edited), rule))
    assert.isFalse(healed(partial({ conflictPolicy: "live" })))
    assert.isTrue(healed(partial({ conflictPolicy: "live" }, [`${KEY} data.a`])))
    assert.isTrue(healed(partial({ conflictPolicy: "git" })))
    assert.isFalse(healed(partial({ conflictPolicy: "git", ...MANUAL })))
    const gone = (rule: Rules) => isStep(decide(wantOf(GIT, hashOf(GIT), rule), undefined, rule))
    assert.isFalse(gone(partial({ conflictPolicy: "live" })))
    assert.isTrue(gone(under({ conflictPolicy: "live" })))
  })

  it("of a hash that somebody else wrote: Git is at rest where this version was applied before", () => {
    const annotations = { "nopea.io/applied": "v1:nonsense" }
    const stamped = liveOf(removed, { annotations })
    const managed = JSON.parse(stamped.fields ?? "[]")
    managed[0].fieldsV1["f:metadata"]["f:annotations"] = { "f:other": {} }
    const tampered = liveOf(removed, { annotations, managedFields: managed })
    const held = verdict(tampered, under(MANUAL))
    assert.isFalse(isStep(held))
    assert.sameMembers(held.drift?.map(({ path }) => path ?? "") ?? [], [
      "data.a",
      'metadata.annotations["nopea.io/applied"]',
    ])
    assert.isTrue(isStep(verdict(stamped, under(MANUAL))), "where we wrote it, Git has moved")
  })
})
