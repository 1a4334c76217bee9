// What somebody did, what Git did, and under which policy: every combination, by two tables.
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { Drift } from "../../src/domain/drift.ts"
import { decide } from "../../src/plan/decide.ts"
import { NO_EVIDENCE, NO_MEMORY } from "../../src/plan/evidence.ts"
import { isStep, type Rules, type Verdict } from "../../src/plan/step.ts"
import { type Data, EDITOR, hashOf, jsonOf, KEY, liveOf, wantOf } from "./driftWords.ts"
import { NOW, rules } from "./words.ts"

const BEFORE: Data = { a: "1", b: "1" }
const GIT = { rests: BEFORE, same: { a: "2", b: "1" }, other: { a: "1", b: "2" } }
type Moves = keyof typeof GIT
const DEEDS = ["edited", "removed", "added", "deleted", "cleared"] as const
type Deed = (typeof DEEDS)[number]
const keys = (...names: ReadonlyArray<string>): ReadonlySet<string> => new Set(names)

const after = (deed: Deed, annotations: Readonly<Record<string, string>>) => {
  const applied = { applied: BEFORE, ours: keys("a", "b"), theirs: keys() }
  if (deed === "deleted") return undefined
  if (deed === "edited")
    return liveOf({ ...applied, ours: keys("b"), theirs: keys("a") }, { annotations })
  if (deed === "removed") return liveOf({ ...applied, ours: keys("b") }, { annotations })
  if (deed === "added") return liveOf({ ...applied, theirs: keys("x") }, { annotations })
  return liveOf(applied, { annotations, managedFields: [] })
}

/** Which drift that is, by what Git did meanwhile; `-`: none, Git's commit brings it back. */
const TYPES: Readonly<
  Record<Deed, readonly [rests: string, other: string, same: string, unknown: string]>
> = {
  edited: ["manual_drift data.a", "manual_drift data.a", "conflict data.a", "manual_drift data.a"],
  removed: ["manual_drift data.a", "manual_drift data.a", "conflict data.a", "-"],
  added: ["added data.x", "added data.x", "added data.x", "added data.x"],
  deleted: ["deleted", "conflict", "conflict", "conflict"],
  cleared: ["manual_drift", "conflict", "conflict", "conflict"],
}

/** What becomes of it; the first row that fits. */
const FATES: ReadonlyArray<
  readonly [type: string, heal: string, conflict: string, timing: string, fate: string]
> = [
  ["*", "*", "*", "glass", "held"],
  ["conflict", "*", "git", "*", "healed"],
  ["conflict", "*", "live", "*", "left"],
  ["*", "manual", "*", "*", "left"],
  ["*", "notify", "*", "*", "left"],
  ["*", "auto", "*", "none", "healed"],
  ["*", "auto", "*", "over", "healed"],
  ["*", "auto", "*", "grace", "held until"],
  ["*", "auto", "*", "contest", "held until"],
]
const fits = (pattern: string, value: string): boolean => pattern === "*" || pattern === value
const fateOf = (...asked: readonly [string, string, string, string]): string =>
  FATES.find((row) => asked.every((value, nth) => fits(row[nth] ?? "", value)))?.[4] ??
  "nothing fits"

const TIMINGS = ["none", "grace", "over", "contest", "glass"] as const
const under = (
  healPolicy: "auto" | "manual" | "notify",
  conflictPolicy: "git" | "live",
  timing: (typeof TIMINGS)[number],
  isKnown: boolean,
): Rules => {
  const isTimed = timing === "grace" || timing === "over"
  const healGracePeriod = isTimed ? Duration.minutes(1) : Duration.zero
  const seen = NOW - (timing === "over" ? 61_000 : 59_000)
  const firstSeen = new Map(["data.a", "data.x", ""].map((path) => [`${KEY} ${path}`, seen]))
  const heals = new Map([[KEY, [NOW - 3000, NOW - 2000, NOW - 1000]]])
  const memory = {
    ...NO_MEMORY,
    ...(isTimed ? { firstSeen } : {}),
    ...(timing === "contest" ? { heals } : {}),
  }
  const lastApplied = isKnown ? new Map([[KEY, jsonOf(BEFORE)]]) : new Map<string, string>()
  const policy = { healPolicy, conflictPolicy, healGracePeriod }
  return { ...rules(policy), memory, evidence: { ...NO_EVIDENCE, lastApplied } }
}

const shown = ({ type, path = "", action, until }: Drift): string =>
  `${`${type} ${path}`.trim()}: ${action}${until === undefined ? "" : " until"}`
const rowsOf = (verdict: Verdict): ReadonlyArray<string> => (verdict.drift ?? []).map(shown)

interface Case {
  readonly deed: Deed
  readonly moves: Moves
  readonly isKnown: boolean
  readonly timing: (typeof TIMINGS)[number]
  readonly heal: "auto" | "manual" | "notify"
  readonly conflict: "git" | "live"
}
const cases: ReadonlyArray<Case> = DEEDS.flatMap((deed) =>
  (["rests", "other", "same"] as const).flatMap((moves) =>
    [true, false].flatMap((isKnown) =>
      TIMINGS.flatMap((timing) =>
        (["auto", "manual", "notify"] as const).flatMap((heal) =>
          (["git", "live"] as const).map(
            (conflict): Case => ({ deed, moves, isKnown, timing, heal, conflict }),
          ),
        ),
      ),
    ),
  ),
).filter(
  ({ deed, timing, moves, isKnown }) =>
    (deed !== "deleted" || timing !== "glass") && (moves !== "rests" || isKnown),
)

const verdictOf = ({ deed, moves, isKnown, timing, heal, conflict }: Case): Verdict => {
  const asked = under(heal, conflict, timing, isKnown)
  const annotations: Record<string, string> =
    timing === "glass" ? { "nopea.io/suspend-heal": "true" } : {}
  const live = after(deed, annotations)
  return decide(wantOf(GIT[moves], hashOf(BEFORE), asked), live, asked)
}
const typeOf = ({ deed, moves, isKnown }: Case): string => {
  const [rests, other, same, unknown] = TYPES[deed]
  if (moves === "rests") return rests
  if (!isKnown) return unknown
  return moves === "other" ? other : same
}

const check = (one: Case): void => {
  const verdict = verdictOf(one)
  const [type = "", path] = typeOf(one).split(" ")
  const isMoved = one.moves !== "rests"
  if (one.timing === "glass") {
    assert.isFalse(isStep(verdict), "nobody touches it")
    assert.deepEqual(rowsOf(verdict), isMoved ? [] : [`${typeOf(one)}: held`])
    return
  }
  if (type === "-") {
    assert.isTrue(isStep(verdict))
    assert.deepEqual(rowsOf(verdict), [])
    return
  }
  const fate = fateOf(type, one.heal, one.conflict, one.timing)
  assert.deepEqual(rowsOf(verdict), [`${typeOf(one)}: ${fate}`])
  const isHealed = fate === "healed"
  const isWholeObject = path === undefined
  assert.strictEqual(isStep(verdict), isHealed || (isMoved && !isWholeObject))
  if (!isStep(verdict)) {
    assert.strictEqual(verdict.action, "held")
    assert.strictEqual(verdict.until !== undefined, fate === "held until")
    return
  }
  const holdsIt = !isHealed && type !== "added"
  assert.deepEqual(verdict.holds ?? [], holdsIt ? [["data", "a"]] : [])
  assert.deepEqual(verdict.takes ?? [], isHealed && type === "added" ? [["f:data", "f:x"]] : [])
  if (one.deed !== "deleted") {
    assert.strictEqual(
      "resourceVersion" in verdict.guard,
      isHealed,
      "a heal is of the version it was decided on",
    )
    assert.strictEqual(verdict.heals, !isMoved)
  }
}

describe("drift", () => {
  for (const deed of DEEDS)
    for (const moves of ["rests", "other", "same"] as const)
      it(`${deed}, Git ${moves === "rests" ? "at rest" : `changed the ${moves} field`}: under every policy`, () => {
        const mine = cases.filter((one) => one.deed === deed && one.moves === moves)
        assert.isAtLeast(mine.length, 24)
        for (const one of mine) {
          try {
            check(one)
          } catch (cause) {
            throw new Error(`${JSON.stringify(one)}: ${cause}`)
          }
        }
      })

  it("names who did it, and since when it is known", () => {
    const asked = under("manual", "git", "grace", true)
    const verdict = decide(wantOf(BEFORE, hashOf(BEFORE), asked), after("edited", {}), asked)
    assert.deepEqual(verdict.drift, [
      {
        type: "manual_drift",
        path: "data.a",
        author: { manager: EDITOR, operation: "Update", time: "2026-11-20T09:59:00Z" },
        firstSeen: NOW - 59_000,
        action: "left",
        reason: "spec.healPolicy is manual",
      },
    ])
  })

  it("two fields have two fates", () => {
    const asked = under("auto", "git", "none", true)
    const memory = { ...NO_MEMORY, firstSeen: new Map([[`${KEY} data.a`, NOW - 61_000]]) }
    const timed: Rules = {
      ...asked,
      memory,
      policy: { ...asked.policy, healGracePeriod: Duration.minutes(1) },
    }
    const live = liveOf({ applied: { ...BEFORE, c: "1" }, ours: keys("c"), theirs: keys("a", "b") })
    const verdict = decide(wantOf(BEFORE, hashOf(BEFORE), timed), live, timed)
    assert.deepEqual(rowsOf(verdict), [
      "manual_drift data.a: healed",
      "manual_drift data.b: held until",
    ])
    assert.deepEqual(isStep(verdict) ? verdict.holds : undefined, [["data", "b"]])
    assert.strictEqual(verdict.until, NOW + 60_000)
  })
})
