// The laws of healing, on a model of server-side apply: what is held stays, and what was done needs no doing again.
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import fc from "fast-check"
import { formatRef } from "../../src/domain/object.ts"
import { decide } from "../../src/plan/decide.ts"
import { baselineAfter } from "../../src/plan/drift.ts"
import { memoryAfter, NO_EVIDENCE, NO_MEMORY } from "../../src/plan/evidence.ts"
import { isJsonObject, parseJson } from "../../src/plan/json.ts"
import { type LiveObject, withBaseline } from "../../src/plan/live.ts"
import { stampedBody } from "../../src/plan/stamp.ts"
import { isStep, type Rules, type Step } from "../../src/plan/step.ts"
import {
  type Data,
  hashOf,
  jsonOf,
  KEY,
  liveOf,
  type Cluster as Owners,
  wantOf,
} from "./driftWords.ts"
import { NOW, rules, US } from "./words.ts"

interface Cluster extends Owners {
  readonly live: Data
}
type Deed = readonly [does: "edit" | "remove" | "add", key: string]

const KEYS = ["a", "b", "c"]
const data = fc.record({
  a: fc.constantFrom("1", "2"),
  b: fc.constantFrom("1", "2"),
  c: fc.constantFrom("1", "2"),
})
const deeds = fc.array(
  fc.tuple(
    fc.constantFrom("edit", "remove", "add"),
    fc.constantFrom(...KEYS),
  ) as fc.Arbitrary<Deed>,
  { maxLength: 4 },
)

const applied = (git: Data): Cluster => ({
  applied: git,
  live: git,
  ours: new Set(KEYS),
  theirs: new Set(),
})

/** Somebody changes a value: it is theirs. Somebody removes it: it is nobody's. */
const done = (cluster: Cluster, [does, key]: Deed): Cluster => {
  const name = does === "add" ? `x${key}` : key
  const without = (keys: ReadonlySet<string>) => new Set([...keys].filter((one) => one !== name))
  const ours = without(cluster.ours)
  const { [name]: _, ...rest } = cluster.live
  return does === "remove"
    ? { ...cluster, live: rest, ours, theirs: without(cluster.theirs) }
    : {
        ...cluster,
        live: { ...rest, [name]: "edited" },
        ours,
        theirs: new Set([...cluster.theirs, name]),
      }
}

const sentBy = (step: Step): Data => {
  const stamp = { namespace: "shop", owner: US, hash: step.hash, guard: step.guard }
  const body = parseJson(stampedBody(step.desired, stamp, step.holds))
  return (isJsonObject(body) ? (body["data"] ?? {}) : {}) as Data
}

/** Server-side apply by force: what is sent becomes ours; what was only ours and is not sent goes. */
const applying = (cluster: Cluster, step: Step, git: Data): Cluster => {
  const taken = (step.takes ?? []).map((path) => path[1]?.slice(2) ?? "")
  const sent = sentBy(step)
  const theirs = new Set([...cluster.theirs].filter((key) => !taken.includes(key)))
  const ours = new Set([...cluster.ours, ...taken])
  const stays = Object.entries(cluster.live).filter(([key]) => !ours.has(key) || theirs.has(key))
  const others = [...theirs].filter(
    (key) => sent[key] === undefined || sent[key] === cluster.live[key],
  )
  return {
    applied: git,
    live: { ...Object.fromEntries(stays), ...sent },
    ours: new Set(Object.keys(sent)),
    theirs: new Set(others),
  }
}

const scenario = fc.record({
  before: data,
  git: data,
  deeds,
  heal: fc.constantFrom("auto", "manual", "notify"),
  conflict: fc.constantFrom("git", "live"),
  grace: fc.boolean(),
  isKnown: fc.boolean(),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer A> ? A : never

const rulesOf = ({ heal, conflict, grace, isKnown, before }: Scenario): Rules => ({
  ...rules({
    healPolicy: heal as "auto",
    conflictPolicy: conflict as "git",
    healGracePeriod: grace ? Duration.minutes(1) : Duration.zero,
  }),
  memory: NO_MEMORY,
  evidence: { ...NO_EVIDENCE, lastApplied: isKnown ? new Map([[KEY, jsonOf(before)]]) : new Map() },
})

const seen = (cluster: Cluster, baseline?: LiveObject["baseline"]): LiveObject => {
  const object = liveOf(cluster)
  return baseline === undefined ? object : withBaseline(object, baseline)
}

/** One look at the cluster: what is done, and what is left after it. */
const look = (given: Scenario) => {
  const asked = rulesOf(given)
  const cluster = given.deeds.reduce(done, applied(given.before))
  const want = wantOf(given.git, hashOf(given.before), asked)
  const verdict = decide(want, seen(cluster), asked)
  return {
    asked,
    cluster,
    verdict,
    after: isStep(verdict) ? applying(cluster, verdict, given.git) : cluster,
  }
}

const law = (check: (given: Scenario) => void) => () =>
  fc.assert(fc.property(scenario, check), { numRuns: 2000 })
const touched = ({ deeds: all }: Scenario) =>
  new Set(all.map(([does, key]) => (does === "add" ? `x${key}` : key)))

describe("a heal", () => {
  it(
    "never sends what is held, and never changes its value",
    law((given) => {
      const { verdict, cluster, after } = look(given)
      for (const { action, path = "", type } of verdict.drift ?? []) {
        const key = path.replace("data.", "")
        if (action === "healed") continue
        if (isStep(verdict) && type !== "added") assert.notProperty(sentBy(verdict), key)
        assert.strictEqual(after.live[key], cluster.live[key], `${type} ${path} is ${action}`)
      }
    }),
  )

  it(
    "under manual, with Git at rest, changes no value at all",
    law((given) => {
      if (given.heal === "auto") return
      const { cluster, after } = look({ ...given, git: given.before })
      assert.deepEqual(after.live, cluster.live)
    }),
  )

  it(
    "under auto, at once, brings all that Git says, and takes away what people added",
    law((given) => {
      const { after } = look({ ...given, heal: "auto", conflict: "git", grace: false })
      assert.deepEqual(after.live, { ...given.git })
    }),
  )

  it(
    "what Git changed lands where nobody else was, whatever the policy",
    law((given) => {
      const { after } = look(given)
      for (const key of KEYS.filter((one) => !touched(given).has(one)))
        assert.strictEqual(after.live[key], given.git[key as "a"])
    }),
  )

  it(
    "done once needs no doing again: the next look writes nothing, and tells the same drift",
    law((given) => {
      const { asked, verdict, after } = look(given)
      if (!isStep(verdict)) return
      const change = { ref: verdict.ref, action: "configured", drift: verdict.drift ?? [] } as const
      const memory = memoryAfter(asked.memory, [change], NOW, {
        claimed: new Set([formatRef(verdict.ref)]),
        complete: true,
        live: { unknown: new Set() },
      })
      const later: Rules = { ...asked, now: NOW + 1, memory, evidence: NO_EVIDENCE }
      const baseline = baselineAfter(verdict, liveOf(after, { baseline: undefined }), asked)
      const again = decide(
        wantOf(given.git, hashOf(given.git), later),
        seen(after, baseline),
        later,
      )
      assert.isFalse(isStep(again), JSON.stringify(again))
      const stays = (rows: typeof verdict.drift) =>
        (rows ?? [])
          .filter(({ action }) => action !== "healed")
          .map((row) => `${row.type} ${row.path} ${row.action}`)
      assert.sameMembers(stays(again.drift), stays(verdict.drift))
    }),
  )
})
