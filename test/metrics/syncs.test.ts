import { assert, describe, it } from "vitest"
import { ConfigError } from "../../src/domain/errors.ts"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { countSync, type Ended } from "../../src/metrics/syncs.ts"
import {
  drift,
  failedHeal,
  gitError,
  healedDrift,
  heldDrift,
  outcome,
  outcomeOf,
  report,
  START,
  untouched,
} from "../report/reports.ts"
import { sumOf } from "./parse.ts"

const ready = (status: "True" | "False"): RepositoryStatus => ({
  conditions: [{ type: "Ready", status, reason: "x", message: "x", lastTransitionTime: "x" }],
})
const told = (result: Parameters<typeof report>[0], over: Partial<Ended> = {}): Ended => ({
  ...report(result),
  before: {},
  after: ready("True"),
  at: START,
  ...over,
})
const counted = (...all: ReadonlyArray<Ended>) => {
  const registry = new Registry()
  for (const ended of all) countSync(registry, ended)
  return (name: string, labels = {}) => sumOf(registry.text(), name, labels)
}

const CONFIG = {
  code: "NOPEA-C050",
  operation: "sync",
  subject: "shop/web",
  reason: "it waits for what it depends on",
  fix: "see what it says",
} as const

describe("a sync as numbers", () => {
  it.each([
    ["done", outcome("a", "created web, configured api")],
    ["nothing", untouched("a")],
    ["partial", outcome("a", "created web, failed job")],
    ["partial", outcome("a", "unchanged web, held old")],
    ["failed", gitError()],
    ["waiting", new ConfigError({ ...CONFIG, disposition: "wait" })],
    ["failed", new ConfigError({ ...CONFIG, disposition: "stall" })],
  ])("is counted as %s", (result, how) => {
    const value = counted(told(how))
    assert.strictEqual(value("nopea_syncs_total", { trigger: "poll", result }), 1)
    assert.strictEqual(value("nopea_syncs_total"), 1)
  })

  it("counts objects by what was done to them, and never those that were left as they were", () => {
    const value = counted(
      told(outcome("a", "created a, created b, deleted c, failed d, unchanged e")),
    )
    const of = (action: string) => value("nopea_objects_total", { action })
    assert.deepStrictEqual(["created", "deleted", "failed", "unchanged", "configured"].map(of), [
      2,
      1,
      1,
      undefined,
      undefined,
    ])
  })

  it("counts drift when it is seen first: left, or healed in the same sync", () => {
    const row = { object: "apps/Deployment/shop/web", type: "manual_drift" } as const
    const healed = { appeared: [], healed: [row], healedObjects: [row.object] }
    const left = { appeared: [row], healed: [], healedObjects: [] }
    const known = { drift: [{ ...row, firstSeen: "x", action: "held" as const }] }
    const first = told(outcomeOf("a", [heldDrift("web", [drift()])]), { news: left })
    const later = told(outcomeOf("a", [healedDrift("web", [drift()])]), {
      news: healed,
      before: known,
    })
    const atOnce = told(outcomeOf("a", [healedDrift("web", [drift()])]), { news: healed })
    const value = counted(first, later, atOnce)
    assert.strictEqual(value("nopea_drift_total", { type: "manual_drift" }), 2)
    assert.strictEqual(value("nopea_heals_total"), 2)
  })

  it("counts heals that fail", () =>
    assert.strictEqual(
      counted(told(outcomeOf("a", [failedHeal("web", [drift()])])))("nopea_heal_failures_total"),
      1,
    ))

  it("says what the status says, and how many deletes wait for approval", () => {
    const status = {
      ...ready("True"),
      resourceCount: 12,
      appliedCount: 11,
      driftedCount: 2,
      suspendedCount: 1,
    }
    const value = counted(
      told(outcome("a", "held old, held older, suspended web"), { after: status }),
      told(untouched("a"), { after: status }),
    )
    assert.deepStrictEqual(
      ["desired", "applied", "drifted", "suspended", "prune_held"].map((what) =>
        value(`nopea_repository_${what}_objects`),
      ),
      [12, 11, 2, 1, 2],
    )
    assert.strictEqual(value("nopea_repository_ready"), 1)
  })

  it("remembers the last success while syncs fail", () => {
    const value = counted(
      told(untouched("a")),
      told(gitError(), { after: ready("False"), at: START + 60_000 }),
    )
    assert.strictEqual(value("nopea_repository_last_success_timestamp_seconds"), START / 1000)
    assert.strictEqual(value("nopea_repository_last_sync_timestamp_seconds"), START / 1000 + 60)
    assert.strictEqual(value("nopea_repository_ready"), 0)
  })
})
