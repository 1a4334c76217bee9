import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Drift } from "../../src/domain/drift.ts"
import type { SyncError } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import { conditionOf, type RepositoryStatus } from "../../src/domain/status.ts"
import { afterSync } from "../../src/report/status.ts"
import {
  anonymous,
  change,
  deleted,
  drift,
  failedHeal,
  failure,
  gitError,
  healedDrift,
  heldDrift,
  outcome,
  outcomeOf,
  report,
  START,
  sha,
  untouched,
} from "./reports.ts"

const MINUTE = 60_000

const heard = (
  result: SyncOutcome | SyncError,
  before: RepositoryStatus = {},
  at = START,
): RepositoryStatus => afterSync(before, report(result, { at }), { generation: 1, now: at + 210 })

const SYNCED = heard(outcome("a", "created web, created api"))
const told = (status: RepositoryStatus) => {
  const drifted = conditionOf(status, "Drifted")
  return `${drifted?.status}/${drifted?.reason} ${drifted?.message}`
}
const gist = (status: RepositoryStatus) =>
  `${status.phase} Ready=${conditionOf(status, "Ready")?.status} Drifted=${conditionOf(status, "Drifted")?.reason}`
const counts = (status: RepositoryStatus) => [status.driftedCount, status.suspendedCount]

const api = (...drifts: ReadonlyArray<Drift>) => outcomeOf("a", [heldDrift("api", drifts)])
const NAME = "apps/Deployment/shop/api"

describe("the condition Drifted says", () => {
  const at = (minutes: number) => START + minutes * MINUTE
  it.each<[string, SyncOutcome, string]>([
    [
      "who changed which field",
      api(drift()),
      `kubectl-edit changed spec.replicas of ${NAME}; it is left (spec.healPolicy is manual)`,
    ],
    [
      "until when healing waits",
      api(drift({ action: "held", until: at(5), reason: "spec.healGracePeriod" })),
      `kubectl-edit changed spec.replicas of ${NAME}; healing waits until 2026-11-20T10:05:00Z (spec.healGracePeriod)`,
    ],
    [
      "that break-glass keeps it",
      outcomeOf("a", [
        heldDrift("api", [drift({ action: "held", reason: "break-glass" })], "glass"),
      ]),
      `kubectl-edit changed spec.replicas of ${NAME}; healing waits (break-glass)`,
    ],
    ["what was deleted", api(deleted), `${NAME} was deleted; it is left`],
    [
      "what was added",
      api(drift({ type: "added", path: "spec.template.spec.containers[name=debug]" })),
      `kubectl-edit added spec.template.spec.containers[name=debug] of ${NAME}; it is left (spec.healPolicy is manual)`,
    ],
    [
      "that Git changed it too",
      api(drift({ type: "conflict", reason: "spec.conflictPolicy is live" })),
      `kubectl-edit changed spec.replicas of ${NAME}, which Git changed too; it is left (spec.conflictPolicy is live)`,
    ],
    [
      "somebody, where nobody knows who",
      api(anonymous()),
      `somebody changed spec.replicas of ${NAME}; it is left`,
    ],
    [
      "several fields of one author at once, and other authors",
      api(
        drift(),
        drift({ path: "spec.paused" }),
        drift({ path: "a" }),
        drift({ path: "b" }),
        drift({ path: "c", author: { manager: "helm", operation: "Apply" } }),
      ),
      `kubectl-edit changed spec.replicas, spec.paused, a and 1 more of ${NAME}; helm changed c of ${NAME}; it is left (spec.healPolicy is manual)`,
    ],
    [
      "how many objects there are",
      outcomeOf(
        "a",
        ["api", "web", "job"].map((name) => heldDrift(name, [drift(), drift({ path: "a" })])),
      ),
      `kubectl-edit changed spec.replicas, a of ${NAME}; it is left (spec.healPolicy is manual); 3 objects in all`,
    ],
  ])("%s", (_, result, message) => {
    const after = heard(result, SYNCED)
    expect(told(after)).toBe(`True/DriftDetected ${message}`)
    expect(gist(after)).toBe("Drifted Ready=True Drifted=DriftDetected")
  })
})

describe("the rows", () => {
  it("have all that is known of who and when, and what becomes of it", () => {
    const { author } = drift()
    const row = drift({
      author: {
        manager: "kubectl",
        operation: "Update",
        time: author?.time ?? "",
        subresource: "scale",
      },
      action: "held",
      until: START + MINUTE,
      reason: "spec.healGracePeriod",
    })
    expect(heard(api(row), SYNCED, START + MINUTE).drift).toEqual([
      {
        object: NAME,
        type: "manual_drift",
        path: "spec.replicas",
        manager: "kubectl",
        operation: "Update",
        subresource: "scale",
        time: "2026-11-20T09:59:00Z",
        firstSeen: "2026-11-20T10:00:00Z",
        action: "held",
        until: "2026-11-20T10:01:00Z",
        reason: "spec.healGracePeriod",
      },
    ])
  })

  it("are of what still is so: what was put back is gone", () => {
    const part = {
      ...heldDrift("api", [drift({ action: "healed", path: "a" }), drift({ path: "b" })]),
      action: "configured" as const,
    }
    const after = heard(outcomeOf("b", [part, healedDrift("web", [drift()])]), SYNCED)
    expect(after.drift?.map(({ object, path }) => [object, path])).toEqual([[NAME, "b"]])
    expect(gist(after)).toBe("Drifted Ready=True Drifted=DriftDetected")
    const healed = heard(outcomeOf("b", [healedDrift("api", [drift()])]), after)
    expect([healed.drift, gist(healed)]).toEqual([[], "Synced Ready=True Drifted=Succeeded"])
  })

  it("are counted by object; break-glass apart", () => {
    const changes = [
      heldDrift("api", [drift(), drift({ path: "a" })]),
      heldDrift("web", [drift({ action: "held", reason: "break-glass" })], "glass"),
      change("suspended job"),
    ]
    expect(counts(heard(outcomeOf("a", changes), SYNCED))).toEqual([2, 2])
  })

  it("are bounded, and no object hides all others", () => {
    const many = Array.from({ length: 200 }, (_, at) => drift({ path: `spec.a${at}` }))
    const changes = [heldDrift("api", many), heldDrift("web", [drift()]), heldDrift("job", many)]
    const { drift: rows = [], driftedCount } = heard(outcomeOf("a", changes), SYNCED)
    expect([rows.length, driftedCount]).toEqual([50, 3])
    expect(new Set(rows.map(({ object }) => object)).size).toBe(3)
  })

  it("have conflicts first: only from these rows does a restart know of them", () => {
    const paths = Array.from({ length: 60 }, (_, i) => drift({ path: `data.f${i}` }))
    const last = paths.map((one, i) => (i < 40 ? one : { ...one, type: "conflict" as const }))
    const { drift: rows = [] } = heard(outcomeOf("a", [heldDrift("web", last)]), SYNCED)
    expect(rows.filter(({ type }) => type === "conflict")).toHaveLength(20)
    expect(rows).toHaveLength(50)
  })

  it("carry no long words, no line breaks and nothing that looks like a credential", () => {
    const text = `https://me:hunter2@x\n${"x".repeat(5000)}`
    const wild = drift({ path: text, author: { manager: text, operation: "Update" }, reason: text })
    const after = JSON.stringify(heard(api(wild, drift({ path: "b" })), SYNCED))
    expect(after).not.toContain("hunter2")
    expect(after).not.toContain("\\n")
    expect(after.length).toBeLessThan(8000)
  })

  it("stay known where a sync failed before it looked, and keep their words", () => {
    const before = heard(api(drift()), SYNCED)
    const broken = outcomeOf("b", [], {
      failures: [failure({ code: "NOPEA-R003" })],
      result: "done",
    })
    const after = heard(broken, before, START + MINUTE)
    expect([after.drift, after.driftedCount]).toEqual([before.drift, 1])
    expect(told(after)).toBe(told(before))
    expect(heard(gitError(), before).drift).toEqual(before.drift)
  })
})

describe("a heal that failed", () => {
  const failing = outcomeOf("a", [change("unchanged web"), failedHeal("api", [drift()])])
  const FAILED = heard(failing, SYNCED)

  it("leaves Ready True, as Git is applied, and says what failed and the way out", () => {
    expect(gist(FAILED)).toBe("Drifted Ready=True Drifted=HealFailed")
    expect(told(FAILED)).toBe(
      `True/HealFailed could not put back spec.replicas of ${NAME}, which kubectl-edit had changed: field is immutable: spec.template [NOPEA-A004]. Fix: set spec.force, or rename the Job`,
    )
    expect(FAILED.failures).toHaveLength(1)
    expect(FAILED.drift).toMatchObject([
      {
        object: NAME,
        action: "held",
        reason: "healing failed [NOPEA-A004]: field is immutable: spec.template",
      },
    ])
    expect(conditionOf(FAILED, "Stalled")).toBeUndefined()
  })

  it("keeps no commit from being the last one that was applied whole", () => {
    const next = heard({ ...failing, commit: { ...failing.commit, sha: sha("b") } }, SYNCED)
    expect(next.lastSyncedCommit).toBe(sha("b"))
  })

  it("of an addition says so", () => {
    const added = outcomeOf("a", [failedHeal("api", [drift({ type: "added", path: "spec.x" })])])
    expect(told(heard(added, SYNCED))).toContain(
      `could not remove spec.x of ${NAME}, which kubectl-edit had added`,
    )
  })

  it("beside an ordinary failure is the lesser one", () => {
    const both = outcomeOf("a", [failedHeal("api", [drift()]), change("failed job")])
    const after = heard(both, SYNCED)
    expect(gist(after)).toBe("Failed Ready=False Drifted=HealFailed")
    expect(conditionOf(after, "Ready")?.message).toContain("batch/Job/shop/migrate")
    expect(after.failures).toHaveLength(2)
  })

  it("that only waits is drift, not a failure", () => {
    const wait = { code: "NOPEA-A046", disposition: "wait", reason: "it is being deleted" } as const
    const after = heard(outcomeOf("a", [failedHeal("api", [deleted], wait)]), SYNCED)
    expect(told(after)).toBe(
      `True/DriftDetected ${NAME} was deleted; healing waits [NOPEA-A046]: it is being deleted`,
    )
    expect(gist(after)).toBe("Drifted Ready=True Drifted=DriftDetected")
  })

  it("without a word of what had changed is told by its object, since when it was first seen", () => {
    const { drift: _, ...bare } = failedHeal("api", [])
    const once = heard(outcomeOf("a", [bare]), SYNCED)
    expect(told(once)).toContain(`could not put back ${NAME}: field is immutable`)
    expect(heard(outcomeOf("a", [bare]), once, START + MINUTE)).toEqual(once)
  })

  it("is over when it succeeds", () => {
    expect(gist(heard(outcomeOf("a", [healedDrift("api", [drift()])]), FAILED))).toBe(
      "Synced Ready=True Drifted=Succeeded",
    )
  })
})

describe("whatever drifts", () => {
  const drifts = fc.record({
    type: fc.constantFrom<Drift["type"]>("manual_drift", "conflict", "added", "deleted"),
    path: fc.constantFrom("a", "b", "c"),
    action: fc.constantFrom<Drift["action"]>("healed", "held", "left"),
    firstSeen: fc.nat(10_000).map((ago) => START - ago),
    until: fc.nat(1e9).map((ahead) => START + ahead),
  })
  const rows = fc.array(drifts, { minLength: 1, maxLength: 4 })
  const changes = fc.array(
    fc.oneof(
      rows.map((all) => heldDrift("api", all)),
      rows.map((all) => healedDrift("web", all)),
      rows.map((all) => failedHeal("job", all)),
      fc.constant(change("drifted old")),
      fc.constant(change("failed new")),
    ),
    { maxLength: 5 },
  )

  it("the same news twice changes no word of the status, however much later", () => {
    fc.assert(
      fc.property(changes, (all) => {
        const healing = all.some(({ action }) => action === "healed")
        fc.pre(!healing)
        const once = heard(outcomeOf("a", all), SYNCED)
        expect(heard(outcomeOf("a", all), once, START + 1e9)).toEqual(once)
        if (all.every((one) => one.failure === undefined))
          expect(heard(untouched("a"), once, START + 1e9)).toEqual(once)
      }),
    )
  })

  it("rows, count, condition and phase agree", () => {
    fc.assert(
      fc.property(changes, (all) => {
        const after = heard(outcomeOf("a", all), SYNCED)
        const objects = new Set(after.drift?.map(({ object }) => object))
        expect(after.driftedCount).toBe(objects.size)
        expect(conditionOf(after, "Drifted")?.status).toBe(objects.size > 0 ? "True" : "False")
        if (after.phase === "Synced") expect(objects.size).toBe(0)
        if (after.phase === "Drifted") expect(conditionOf(after, "Ready")?.status).toBe("True")
        expect(after.drift?.every(({ action }) => action !== "healed")).toBe(true)
      }),
    )
  })
})
