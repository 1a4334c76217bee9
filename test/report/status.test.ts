import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ConfigError, type SyncError, SyncTimeout } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import { decodeRepository } from "../../src/domain/repository.ts"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import * as failures from "../../src/plan/failures.ts"
import {
  afterCrash,
  afterError,
  afterSync,
  whileSuspended,
  whileSyncing,
} from "../../src/report/status.ts"
import { NOTE } from "../../src/report/verdict.ts"
import { raw, repository } from "../domain/repositories.ts"
import {
  change,
  failure,
  gitError,
  outcome,
  outcomeOf,
  report,
  START,
  sha,
  type Told,
  untouched,
} from "./reports.ts"

/** `Synced Ready=True/Succeeded Drifted=False/Succeeded`. */
const gist = (status: RepositoryStatus): string =>
  [
    status.phase,
    ...(status.conditions ?? []).map((one) => `${one.type}=${one.status}/${one.reason}`),
  ].join(" ")

const ready = (status: RepositoryStatus) =>
  status.conditions?.find(({ type }) => type === "Ready")?.message

const heard = (result: SyncOutcome | SyncError, before: RepositoryStatus = {}, told: Told = {}) => {
  const news = report(result, told)
  const { generation = 0 } = news.repository.metadata
  return afterSync(before, news, { generation, now: news.startedAt + 210 })
}

const fields = { code: "NOPEA-C002", operation: "read", subject: "s", reason: "r", fix: "f" }
const dryRun = repository({ spec: { dryRun: true } })
const SYNCED = heard(outcome("a", "created web, created api"))
const FAILED = heard(outcome("a", "created web, failed job"))
const HELD = heard(outcome("b", "unchanged web, held api"), SYNCED)
const DRIFTED = heard(outcome("a", "unchanged web, drifted api"), SYNCED)

describe("after a sync the status says", () => {
  const ok = "Ready=True/Succeeded"
  const whole = `${ok} Drifted=False/Succeeded`
  const retry = "Reconciling=True/Progressing"
  it.each<[string, RepositoryStatus, SyncOutcome | SyncError, Told, string]>([
    ["first success", {}, outcome("a", "created web"), {}, `Synced ${whole}`],
    ["nothing to do", SYNCED, untouched("a"), {}, `Synced ${whole}`],
    [
      "a part failed for good",
      SYNCED,
      outcome("b", "created web, failed job"),
      {},
      "Failed Ready=False/ApplyFailed Drifted=False/Succeeded Stalled=True/ApplyFailed",
    ],
    [
      "a part failed, tried again",
      SYNCED,
      outcome("b", "created web, failed job"),
      { retryIn: 1000 },
      `Failed Ready=False/ApplyFailed Drifted=False/Succeeded ${retry}`,
    ],
    [
      "a part only waits",
      SYNCED,
      outcome("b", "", { failures: [failure({ disposition: "wait" })] }),
      { retryIn: 1000 },
      `Failed Ready=False/Progressing Drifted=False/Succeeded ${retry}`,
    ],
    [
      "rendering failed",
      SYNCED,
      outcome("b", "", { failures: [failure({ code: "NOPEA-R003" })] }),
      {},
      "Failed Ready=False/RenderFailed Drifted=False/Succeeded Stalled=True/RenderFailed",
    ],
    [
      "healing failed",
      SYNCED,
      outcome("a", "", { failures: [failure({ code: "NOPEA-D003" })] }),
      { retryIn: 1 },
      `Failed Ready=False/HealFailed Drifted=False/Succeeded ${retry}`,
    ],
    [
      "Git does not answer",
      SYNCED,
      gitError(),
      { retryIn: 1000 },
      `Failed Ready=False/GitFailed Drifted=False/Succeeded ${retry}`,
    ],
    [
      "Git refuses for good",
      {},
      gitError({ disposition: "stall" }),
      {},
      "Failed Ready=False/GitFailed Stalled=True/GitFailed",
    ],
    [
      "a dependency is missing",
      {},
      new ConfigError({ ...fields, disposition: "wait" }),
      { retryIn: 1 },
      `Pending Ready=False/DependencyNotReady ${retry}`,
    ],
    [
      "a setting is wrong",
      {},
      new ConfigError({ ...fields, disposition: "stall" }),
      {},
      "Failed Ready=False/ConfigInvalid Stalled=True/ConfigInvalid",
    ],
    [
      "it took too long",
      {},
      new SyncTimeout({ ...fields, disposition: "retry" }),
      { retryIn: 1 },
      `Failed Ready=False/Timeout ${retry}`,
    ],
    [
      "deletes are held",
      SYNCED,
      outcome("b", "unchanged web, held api"),
      {},
      "Failed Ready=False/PruneHeld Drifted=False/Succeeded Stalled=True/PruneHeld",
    ],
    [
      "deletes are still held",
      HELD,
      untouched("b"),
      {},
      "Failed Ready=False/PruneHeld Drifted=False/Succeeded Stalled=True/PruneHeld",
    ],
    [
      "deletes are held that another spec of the same commit asks for",
      heard(outcome("a", "unchanged web, held api"), SYNCED),
      untouched("a"),
      {},
      "Failed Ready=False/PruneHeld Drifted=False/Succeeded Stalled=True/PruneHeld",
    ],
    [
      "somebody changed the cluster",
      SYNCED,
      outcome("a", "unchanged web, drifted api"),
      {},
      `Drifted ${ok} Drifted=True/DriftDetected`,
    ],
    [
      "drift that a quiet look found",
      SYNCED,
      outcome("a", "unchanged web, drifted api", { result: "nothing" }),
      {},
      `Drifted ${ok} Drifted=True/DriftDetected`,
    ],
    ["drift that stays", DRIFTED, untouched("a"), {}, `Drifted ${ok} Drifted=True/DriftDetected`],
    ["drift that was healed", DRIFTED, outcome("a", "healed api"), {}, `Synced ${whole}`],
    ["broken glass", SYNCED, outcome("a", "unchanged web, suspended api"), {}, `Synced ${whole}`],
    [
      "a dry run with a plan",
      {},
      outcome("a", "", { plan: [{ object: "apps/Deployment/shop/web", action: "create" }] }),
      { repository: dryRun },
      `Pending ${whole}`,
    ],
    [
      "a dry run without one",
      {},
      outcome("a", "", { plan: [] }),
      { repository: dryRun },
      `Synced ${whole}`,
    ],
    ["all is well again", FAILED, outcome("a", "created web, created job"), {}, `Synced ${whole}`],
    [
      "Git answers again",
      heard(gitError(), SYNCED, { retryIn: 1 }),
      untouched("a"),
      {},
      `Synced ${whole}`,
    ],
    [
      "Git answers again while deletes are held",
      heard(gitError(), HELD, { retryIn: 1 }),
      untouched("b"),
      {},
      "Failed Ready=False/PruneHeld Drifted=False/Succeeded Stalled=True/PruneHeld",
    ],
    [
      "Git answers again while there is drift",
      heard(gitError(), DRIFTED, { retryIn: 1 }),
      untouched("a"),
      {},
      `Drifted ${ok} Drifted=True/DriftDetected`,
    ],
  ])("%s", (_, before, result, told, said) => {
    expect(gist(heard(result, before, told))).toBe(said)
  })
})

describe("the commits", () => {
  it("a whole commit becomes the last synced one, in full and short", () => {
    expect(SYNCED).toMatchObject({
      lastSyncedCommit: sha("a"),
      lastAttemptedCommit: sha("a"),
      summary: { commit: "aaaaaaa", resources: "2/2" },
      commit: { sha: sha("a"), message: "commit a", author: "a@example.com" },
    })
  })

  it("a commit that was applied in part is attempted, not synced", () => {
    const next = heard(outcome("b", "created web, failed job"), SYNCED)
    expect([next.lastSyncedCommit, next.lastAttemptedCommit]).toEqual([sha("a"), sha("b")])
    expect(next.summary).toEqual({ commit: "aaaaaaa", resources: "1/2" })
  })

  it("a commit whose deletes are held is not synced, nor is a dry run's", () => {
    expect(HELD.lastSyncedCommit).toBe(sha("a"))
    const dry = heard(outcome("b", "", { plan: [] }), SYNCED, { repository: dryRun })
    expect([dry.lastSyncedCommit, dry.lastSyncTime]).toEqual([sha("a"), SYNCED.lastSyncTime])
  })

  it("a commit that changed nothing here is synced all the same", () => {
    const at = START + 60_000
    const next = heard(outcome("b", "unchanged web"), SYNCED, { at })
    expect(next.lastSyncedCommit).toBe(sha("b"))
    expect(next.lastSyncTime).toBe("2026-11-20T10:01:00Z")
  })

  it("under which spec it was whole is kept until deletes for another commit's sake may hide behind it", () => {
    const generation = repository().metadata.generation
    const told = (result: SyncOutcome | SyncError) => heard(result, SYNCED).lastSyncedGeneration
    expect(SYNCED.lastSyncedGeneration).toBe(generation)
    expect(told(gitError())).toBe(generation)
    expect(told(outcome("b", "created web, failed job"))).toBe(generation)
    expect(told(outcome("b", "unchanged web, held api"))).toBe(generation)
    expect(told(outcome("b", "deleted web, failed job"))).toBeUndefined()
    expect(told(outcome("b", "deleted web, unchanged api"))).toBe(generation)
    const recreated = (over: object) => ({ ...change("failed job"), failure: failure(over) })
    for (const code of ["NOPEA-A046", "NOPEA-A059"])
      expect(told(outcomeOf("b", [recreated({ code })]))).toBeUndefined()
    const keptUp = (commit: string) => outcome(commit, "deleted web", { unasked: gitError() })
    expect([told(keptUp("a")), told(keptUp("b"))]).toEqual([generation, undefined])
  })

  it("a Git server that fails leaves both as they were", () => {
    const next = heard(gitError(), SYNCED)
    expect([next.lastSyncedCommit, next.lastAttemptedCommit]).toEqual([sha("a"), sha("a")])
  })
})

describe("while Git cannot be asked", () => {
  const DOWN = heard(gitError(), SYNCED, { retryIn: 1000 })
  const unasked = (changes: string) => outcome("a", changes, { unasked: gitError() })

  it("a heal is told, and what Git last answered stands", () => {
    const next = heard(unasked("healed web, failed job"), DOWN, { retryIn: 500 })
    expect(gist(next)).toBe(gist({ ...DOWN, conditions: next.conditions ?? [] }))
    expect(ready(next)).toBe(ready(DOWN))
    expect(next.conditions).toEqual(DOWN.conditions)
    expect(next.failures?.map(({ code }) => code)).toEqual([gitError().code, "NOPEA-A004"])
    expect(next.history?.[0]).toMatchObject({ phase: "Failed", healed: 1 })
    expect(next.lastSyncedCommit).toBe(DOWN.lastSyncedCommit)
  })

  it("a look that finds nothing writes nothing, and Git's answer clears it", () => {
    const next = heard(unasked("unchanged web, unchanged api"), DOWN, { retryIn: 500 })
    expect(next).toEqual(DOWN)
    expect(gist(heard(outcome("a", "unchanged web, unchanged api"), next))).toBe(gist(SYNCED))
  })
})

describe("quiet", () => {
  const later = { at: START + 3_600_000 }
  it.each<[string, RepositoryStatus, SyncOutcome | SyncError, Told]>([
    ["a poll that finds nothing", SYNCED, untouched("a"), later],
    ["a look that finds nothing", SYNCED, outcome("a", "unchanged web, unchanged api"), later],
    ["drift that is still there", DRIFTED, outcome("a", "unchanged web, drifted api"), later],
    [
      "a failure that stays",
      heard(gitError(), SYNCED, { retryIn: 1 }),
      gitError(),
      { ...later, retryIn: 60_000 },
    ],
    [
      "an object that still fails",
      heard(outcome("b", "unchanged web, failed job"), SYNCED),
      outcome("b", "unchanged web, failed job"),
      later,
    ],
  ])("%s changes no word of the status", (_, before, result, told) => {
    expect(heard(result, before, told)).toEqual(before)
  })
})

it("a dry run with more entries than the status holds says the same where nobody looked", () => {
  const plan = Array.from({ length: 150 }, (_, at) => ({
    object: `a/B/c/${at}`,
    action: "created",
  }))
  const told = { repository: dryRun }
  const first = heard(outcome("a", "", { plan }), {}, told)
  expect(first.plan).toHaveLength(100)
  expect(ready(first)).toBe("dry run of aaaaaaa: 100 or more objects would be written")
  expect(heard(untouched("a"), first, told)).toEqual(first)
})

describe("failures", () => {
  const many = Array.from({ length: 120 }, (_, at) => failure({ object: `apps/Job/shop/${at}` }))

  it("come with code, place, reason and fix, and the first one's fix is in the Ready message", () => {
    const { disposition: _, ...entry } = failure()
    expect(FAILED.failures).toEqual([entry])
    expect(ready(FAILED)).toBe(
      "aaaaaaa: 1 of 2 objects applied. batch/Job/shop/migrate (deploy/job.yaml:14): field is immutable: spec.template [NOPEA-A004]. Fix: set spec.force, or rename the Job",
    )
  })

  it("of a file without an object begin with the file", () => {
    const { object: _, ...ofFile } = failure()
    expect(ready(heard(outcome("b", "", { failures: [ofFile] })))).toContain(
      " applied. deploy/job.yaml:14: field",
    )
  })

  it("are bounded; the message says how many there are besides the first", () => {
    const next = heard(outcome("b", "", { failures: many }))
    expect(next.failures).toHaveLength(50)
    expect(ready(next)).toContain("(and 119 more failures)")
  })

  it("that only wait come after those that somebody has to mend", () => {
    const waiting = failure({ disposition: "wait", reason: "no CRD" })
    const next = heard(outcome("b", "", { failures: [waiting, failure()] }))
    expect(next.failures?.map(({ reason }) => reason)).toEqual([failure().reason, "no CRD"])
  })

  it("leave when they are mended", () => {
    expect(heard(outcome("a", "created web, created job"), FAILED).failures).toEqual([])
  })

  it("never carry the first half of a credential that a cut would leave", () => {
    const reason = `${"\n".repeat(3_900)}https://me:hunter2${"x".repeat(300)}@git.example/x`
    expect(JSON.stringify(heard(gitError({ reason })))).not.toContain("hunter2")
  })

  it("never carry credentials, control characters or books", () => {
    const next = heard(
      gitError({
        reason: `fatal: https://me:hunter2@git.example/x\n\u001b[31mAuthorization: Bearer hunter2hunter2\u0000${"long ".repeat(1000)}`,
      }),
    )
    const text = JSON.stringify(next)
    expect(text).not.toContain("hunter2")
    expect(text).not.toMatch(/\\n|\\u00/)
    expect(text).toContain("https://<redacted>@git.example/x")
    expect(ready(next)?.length).toBeLessThanOrEqual(1024)
  })
})

describe("a rollback", () => {
  const rollback = { from: sha("b"), to: sha("a") }
  const BAD = heard(outcome("b", "configured web"), SYNCED)
  const BACK = heard(outcome("a", "configured web", { rollback }), BAD)
  const end =
    "rolled back from bbbbbbb to aaaaaaa: the next commit other than bbbbbbb is followed again"

  it("is said where the commit is said, and in the history", () => {
    expect(BACK).toMatchObject({ phase: "Synced", lastSyncedCommit: sha("a"), rollback })
    expect(ready(BACK)).toBe(`applied aaaaaaa: 1 object; ${end}`)
    expect(BACK.history?.[0]).toMatchObject({ commit: sha("a"), rolledBackFrom: sha("b") })
    expect(BAD.history?.[0]).not.toHaveProperty("rolledBackFrom")
  })

  it("stays said while nothing happens, and when Git or a worker fails", () => {
    expect(heard({ ...untouched("a"), rollback }, BACK)).toEqual(BACK)
    const cut = heard(gitError(), BACK, { retryIn: 1 })
    expect(cut.rollback).toEqual(rollback)
    const healed = outcome("a", "healed web", { rollback, unasked: gitError() })
    expect(heard(healed, cut).rollback).toEqual(rollback)
  })

  it("is over with the next commit, without a trace in Ready", () => {
    const next = heard(outcome("c", "configured web"), BACK)
    expect(next).not.toHaveProperty("rollback")
    expect(ready(next)).toBe("applied ccccccc: 1 object")
    expect(heard(untouched("a"), BACK)).not.toHaveProperty("rollback")
  })

  it.each([
    ["configured web, failed job", "rollback from bbbbbbb to aaaaaaa: aaaaaaa: 1 of 2 objects"],
    ["configured web, held api", "rollback from bbbbbbb to aaaaaaa: 6 of 8 objects left Git. Fix"],
  ])("that ends in %s says so", (changes, said) => {
    expect(ready(heard(outcome("a", changes, { rollback }), BAD))).toContain(said)
  })
})

describe("history", () => {
  it("has one entry per sync that did something, the newest first, ten at most", () => {
    let status: RepositoryStatus = {}
    for (let turn = 0; turn < 15; turn++)
      status = heard(outcome("abcdefghijklmno".charAt(turn), "configured web"), status)
    expect(status.history).toHaveLength(10)
    expect(status.history?.[0]).toEqual({
      commit: sha("o"),
      trigger: "poll",
      phase: "Synced",
      startedAt: "2026-11-20T10:00:00Z",
      duration: "0.21s",
      created: 0,
      configured: 1,
      pruned: 0,
      healed: 0,
      failed: 0,
      syncId: "01J00000000000000000000000",
    })
  })

  it("counts what was pruned and healed", () => {
    const next = heard(outcome("a", "deleted web, deleted api, healed job"), SYNCED)
    expect(next.history?.[0]).toMatchObject({ pruned: 2, healed: 1 })
  })
})

describe("requests and generations", () => {
  it("a request for a sync is answered by its value, also when the sync fails", () => {
    const annotations = { "reconcile.fluxcd.io/requestedAt": "2026-11-20" }
    const asked = repository({ metadata: { annotations, generation: 7 } })
    for (const result of [untouched("a"), gitError()])
      expect(heard(result, SYNCED, { repository: asked })).toMatchObject({
        lastHandledReconcileAt: "2026-11-20",
        observedGeneration: 7,
      })
  })

  it("transition times move with the status of the condition only", () => {
    const at = START + 60_000
    const next = heard(outcome("b", "created web"), SYNCED, { at })
    expect(next.conditions?.[0]).toMatchObject({
      message: "applied bbbbbbb: 1 object",
      lastTransitionTime: "2026-11-20T10:00:00Z",
    })
    const failed = heard(outcome("b", "failed web"), SYNCED, { at })
    expect(failed.conditions?.[0]?.lastTransitionTime).toBe("2026-11-20T10:01:00Z")
  })
})

describe("drift", () => {
  it("names the object, why it is left, and when it was first seen", () => {
    const again = heard(outcome("a", "drifted api, drifted web"), DRIFTED, { at: START + 60_000 })
    expect(again.driftedCount).toBe(2)
    expect(again.drift?.map(({ object, firstSeen }) => [object, firstSeen])).toEqual([
      ["apps/Deployment/shop/api", "2026-11-20T10:00:00Z"],
      ["apps/Deployment/shop/web", "2026-11-20T10:01:00Z"],
    ])
  })

  it("is known by the codes that planning gives", () => {
    const subject = {
      ref: { group: "", version: "v1", kind: "Service", namespace: "a", name: "b" },
    }
    const owner = { namespace: "a", name: "b", uid: "c" }
    const over = { limit: 1, prune: 2, inventory: 3 }
    expect({
      pruneHeld: failures.pruneOverLimit(subject, over, { owner, commit: "d" }).code,
      suspended: failures.brokenGlass(subject, "true", undefined).code,
      drifted: failures.notHealed(subject, "a", []).code,
    }).toEqual(NOTE)
  })

  it("stays known where a sync failed before it looked at the object", () => {
    const broken = failure({ code: "NOPEA-R003", disposition: "stall" })
    const next = heard(outcome("b", "unchanged web", { failures: [broken] }), DRIFTED)
    expect(next).toMatchObject({ phase: "Failed", driftedCount: 1, drift: DRIFTED.drift })
    expect(gist(next)).toContain("Drifted=True/DriftDetected")
    const healed = heard(outcome("b", "healed api", { failures: [broken] }), DRIFTED)
    expect(healed).toMatchObject({ phase: "Failed", driftedCount: 0, drift: [] })
  })

  it("counts what break-glass keeps from healing apart", () => {
    const next = heard(outcome("a", "suspended api, unchanged web"), SYNCED)
    expect([next.suspendedCount, next.driftedCount]).toEqual([1, 0])
  })
})

describe("other news", () => {
  const later = { generation: 3, now: START + 60_000 }

  it("a first sync shows Syncing, not ready yet", () => {
    expect(gist(whileSyncing({ phase: "Pending" }, "startup", later))).toBe(
      "Syncing Ready=Unknown/Progressing Reconciling=True/Progressing",
    )
  })

  it("a later sync leaves readiness as it was, and ends where it would have ended", () => {
    const syncing = whileSyncing(FAILED, "webhook", later)
    expect(gist(syncing)).toBe(
      "Syncing Ready=False/ApplyFailed Drifted=False/Succeeded Reconciling=True/Progressing",
    )
    expect(heard(untouched("a"), whileSyncing(SYNCED, "webhook", later))).toEqual(SYNCED)
  })

  it("suspension keeps what was ready ready", () => {
    expect(gist(whileSuspended(SYNCED, later))).toBe(
      "Suspended Ready=True/Suspended Drifted=False/Succeeded",
    )
    expect(gist(whileSuspended({}, later))).toBe("Suspended Ready=Unknown/Suspended")
  })

  it("a crash is said, and that it starts again", () => {
    expect(gist(afterCrash(SYNCED, "TypeError at a (b.ts:1:2)", later))).toBe(
      "Failed Ready=False/WorkerCrashed Drifted=False/Succeeded Reconciling=True/Progressing",
    )
  })

  it("a spec that cannot be read stalls, and what is in the cluster stays known", () => {
    const decoded = decodeRepository(raw({ spec: { interval: "soon" } }))
    const error = "failure" in decoded ? decoded.failure : expect.fail("it was accepted")
    const next = afterError(SYNCED, error, { ...later, generation: 4 })
    expect(gist(next)).toBe(
      "Failed Ready=False/ConfigInvalid Drifted=False/Succeeded Stalled=True/ConfigInvalid",
    )
    expect(next.inventoryKinds).toEqual(["apps/Deployment"])
    expect(next.observedGeneration).toBe(4)
    expect(ready(next)).toContain("spec.interval: Expected a duration such as")
  })
})

describe("whatever happens", () => {
  const step = fc.oneof(
    fc.constantFrom("a", "b").map((c) => outcome(c, "created web, failed job")),
    fc.constantFrom("a", "b").map((c) => outcome(c, "unchanged web, drifted api")),
    fc.constantFrom("a", "b").map((c) => outcome(c, "configured web, healed api")),
    fc.constantFrom("a", "b").map((c) => outcome(c, "unchanged web, held api")),
    fc.constantFrom("a", "b").map(untouched),
    fc.constant(gitError()),
  )
  const run = (steps: ReadonlyArray<SyncOutcome | SyncError>) =>
    steps.reduce<RepositoryStatus>(
      (status, one, at) => heard(one, status, { at: START + at * 60_000 }),
      {},
    )

  it("Reconciling and Stalled are there only when true, one of each type, never both", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        const conditions = run(steps).conditions ?? []
        const types = conditions.map(({ type }) => type)
        expect(new Set(types).size).toBe(types.length)
        const progress = conditions.filter(
          ({ type }) => type === "Reconciling" || type === "Stalled",
        )
        expect(progress.length).toBeLessThanOrEqual(1)
        expect(progress.every(({ status }) => status === "True")).toBe(true)
      }),
    )
  })

  it("hearing the same news twice changes nothing the second time, unless something was written", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 5 }), step, (steps, last) => {
        const once = run([...steps, last])
        const wrote =
          "changes" in last &&
          last.changes.some(({ action }) => action === "configured" || action === "created")
        fc.pre(!wrote)
        expect(heard(last, once, { at: START + 999_000_000 })).toEqual(once)
      }),
    )
  })

  it("the status stays small", () => {
    const long = "x".repeat(100_000)
    const failed = Array.from({ length: 5000 }, () =>
      failure({ object: long, file: long, reason: long, fix: long }),
    )
    const plan = Array.from({ length: 5000 }, () => ({ object: long, action: long }))
    const huge = outcome("b", "", { failures: failed, plan })
    const commit = { sha: sha("b"), message: long, author: long, time: "2026-11-20T09:59:58Z" }
    const drifted = Array.from({ length: 5000 }, (_, at) => `drifted ${at}`).join(", ")
    const first = heard(outcome("a", drifted))
    const text = JSON.stringify(heard({ ...huge, commit }, first))
    expect(text.length).toBeLessThan(256 * 1024)
  })
})
