import { describe, expect, it } from "vitest"
import type { SyncError } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import { conditionOf } from "../../src/domain/status.ts"
import type { View } from "../../src/health/view.ts"
import { noticesOf } from "../../src/report/events.ts"
import { afterHealth, afterSync } from "../../src/report/status.ts"
import { repository } from "../domain/repositories.ts"
import { gitError, outcome, report, START, sha, untouched } from "./reports.ts"

const waiting = repository({ spec: { wait: true } })
const plain = repository()

const gist = (status: RepositoryStatus): string =>
  [
    status.phase,
    ...(status.conditions ?? [])
      .filter(({ type }) => type !== "Drifted")
      .map((one) => `${one.type}=${one.status}/${one.reason}`),
  ].join(" ")

const at = { generation: waiting.metadata.generation ?? 0, now: START + 210 }
const synced = (result: SyncOutcome | SyncError, before: RepositoryStatus = {}, of = waiting) =>
  afterSync(before, report(result, { repository: of }), at)

const row = (name: string) => ({
  object: `apps/Deployment/shop/${name}`,
  state: "progressing" as const,
  reason: "0 of 1 replicas are ready",
})
const VIEWS: Readonly<Record<View["state"], View>> = {
  healthy: { state: "healthy", total: 2, awaited: [] },
  progressing: { state: "progressing", total: 2, awaited: [row("web")] },
  degraded: { state: "degraded", total: 2, awaited: [{ ...row("web"), state: "degraded" }] },
  late: { state: "late", total: 2, awaited: [row("web")] },
}
const seen = (
  before: RepositoryStatus,
  state: View["state"],
  { commit = "a", of = waiting } = {},
) => afterHealth(before, { repository: of, commit: sha(commit), view: VIEWS[state] }, at)

const APPLIED = synced(outcome("a", "created web, created api"))
const READY = seen(APPLIED, "healthy")
const LATE = seen(seen(APPLIED, "progressing"), "late")

const running =
  "Syncing Ready=Unknown/Progressing Healthy=Unknown/Progressing Reconciling=True/Progressing"
const failed =
  "Failed Ready=False/HealthCheckFailed Healthy=False/HealthCheckFailed Reconciling=True/Progressing"
const good = "Synced Ready=True/Succeeded Healthy=True/Succeeded"

describe("with spec.wait the status", () => {
  it.each<[string, RepositoryStatus, string]>([
    ["is not ready when all is applied", APPLIED, running],
    ["is not ready while somebody is awaited", seen(APPLIED, "progressing"), running],
    ["is ready once all is healthy", READY, good],
    ["has failed when the time is up", LATE, failed],
    ["has failed where waiting does not help", seen(APPLIED, "degraded"), failed],
    ["is ready by itself when what was late comes", seen(LATE, "healthy"), good],
    ["is not ready when something falls ill", seen(READY, "progressing"), running],
    ["stays ready when a poll finds nothing", synced(untouched("a"), READY), good],
    ["stays failed when a poll finds nothing", synced(untouched("a"), LATE), failed],
    ["waits anew after a commit", synced(outcome("b", "configured web"), READY), running],
    ["waits anew after a heal", synced(outcome("a", "healed web"), READY), running],
    [
      "says of health beside what else failed",
      seen(synced(gitError(), APPLIED), "late"),
      "Failed Ready=False/GitFailed Healthy=False/HealthCheckFailed Stalled=True/GitFailed",
    ],
    [
      "comes back from a Git failure with what is known of health",
      synced(untouched("a"), synced(gitError(), READY)),
      good,
    ],
    ["does not hear of another commit's objects", seen(APPLIED, "late", { commit: "b" }), running],
  ])("%s", (_, status, expected) => expect(gist(status)).toBe(expected))

  it("names the objects, what is awaited of them, and the time", () => {
    expect(conditionOf(LATE, "Healthy")?.message).toBe(
      "1 of 2 objects not healthy within 3m: apps/Deployment/shop/web: 0 of 1 replicas are ready",
    )
    expect(conditionOf(LATE, "Ready")?.message).toContain("applied aaaaaaa: 2 objects; 1 of 2")
  })

  it("counts the commit as applied and tells it in the history, whatever becomes of it", () => {
    expect(APPLIED.lastSyncedCommit).toBe(sha("a"))
    expect(APPLIED.history?.map(({ phase }) => phase)).toEqual(["Synced"])
    expect(synced(untouched("a"), LATE).history).toHaveLength(1)
  })

  it("says nothing of health without a look, where only somebody else depends on it", () => {
    const before = synced(outcome("a", "created web"), {}, plain)
    expect(gist(before)).toBe("Synced Ready=True/Succeeded")
    const late = seen(before, "late", { of: plain })
    expect(gist(late)).toBe("Synced Ready=True/Succeeded Healthy=False/HealthCheckFailed")
    expect(gist(afterHealth(late, { repository: plain }, at))).toBe("Synced Ready=True/Succeeded")
  })

  it("is the same when nothing is new, so nothing is written", () => {
    expect(seen(READY, "healthy")).toEqual(READY)
    expect(seen(LATE, "late")).toEqual(LATE)
    expect(afterHealth({ phase: "Synced" }, { repository: plain }, at)).toEqual({ phase: "Synced" })
  })
})

describe("events of health", () => {
  const told = (before: RepositoryStatus, after: RepositoryStatus) =>
    noticesOf(before, after).map(({ type, reason }) => `${type} ${reason}`)
  const other = { ...VIEWS.late, awaited: [row("api")] }
  it.each<[string, RepositoryStatus, RepositoryStatus, ReadonlyArray<string>]>([
    ["none while somebody is awaited", APPLIED, seen(APPLIED, "progressing"), []],
    ["one when all is healthy", APPLIED, READY, ["Normal Succeeded"]],
    ["one when the time is up", APPLIED, LATE, ["Warning HealthCheckFailed"]],
    [
      "none when somebody else is awaited in vain",
      LATE,
      afterHealth(LATE, { repository: waiting, commit: sha("a"), view: other }, at),
      [],
    ],
    ["one when it recovers", LATE, seen(LATE, "healthy"), ["Normal Succeeded"]],
  ])("%s", (_, before, after, expected) => expect(told(before, after)).toEqual(expected))

  it("are told of a dependency whose Ready does not say it", () => {
    const before = synced(outcome("a", "created web"), {}, plain)
    const late = seen(before, "late", { of: plain })
    expect(told(before, late)).toEqual(["Warning HealthCheckFailed"])
    expect(told(late, seen(late, "healthy", { of: plain }))).toEqual(["Normal Healthy"])
  })
})
