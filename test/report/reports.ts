// Sync reports for tests, in few words.
import { Result } from "effect"
import type { Action, Change } from "../../src/domain/change.ts"
import type { Drift } from "../../src/domain/drift.ts"
import { type Failure, GitError, type SyncError } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import type { GitRepository } from "../../src/domain/repository.ts"
import type { TriggerKind } from "../../src/domain/trigger.ts"
import type { SyncReport } from "../../src/report/Reporter.ts"
import { repository } from "../domain/repositories.ts"

export const START = Date.parse("2026-11-20T10:00:00Z")
export const sha = (letter: string): string => letter.repeat(40)

const ref = (name: string) => ({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  namespace: "shop",
  name,
})

export const failure = (over: Partial<Failure> = {}): Failure => ({
  code: "NOPEA-A004",
  object: "batch/Job/shop/migrate",
  file: "deploy/job.yaml",
  document: 2,
  line: 14,
  reason: "field is immutable: spec.template",
  fix: "set spec.force, or rename the Job",
  disposition: "stall",
  ...over,
})

const NOTES = {
  held: failure({ code: "NOPEA-A050", reason: "6 of 8 objects left Git", fix: "approve: kubectl" }),
  drifted: failure({ code: "NOPEA-A055", reason: "spec.replicas was changed" }),
  suspended: failure({ code: "NOPEA-A053", reason: "nopea.io/suspend-heal (true) is set" }),
} as const

/** `created web`, `failed job`, `drifted web` (held by policy), `suspended web`, `held web` (a prune). */
export const change = (text: string): Change => {
  const [action = "", name = ""] = text.split(" ")
  if (action in NOTES)
    return { ref: ref(name), action: "held", note: NOTES[action as keyof typeof NOTES] }
  return action === "failed"
    ? { ref: ref(name), action, failure: failure() }
    : { ref: ref(name), action: action as Action }
}

/** `kubectl-edit` changed `spec.replicas` at the start, and it is left: what `over` does not say otherwise. */
export const drift = (over: Partial<Drift> = {}): Drift => ({
  type: "manual_drift",
  path: "spec.replicas",
  author: { manager: "kubectl-edit", operation: "Update", time: "2026-11-20T09:59:00Z" },
  firstSeen: START,
  action: "left",
  reason: "spec.healPolicy is manual",
  ...over,
})

/** A drift of which nobody knows the author, and nothing is said why. */
export const anonymous = (over: Partial<Drift> = {}): Drift => {
  const { author: _, reason: __, ...rest } = drift()
  return { ...rest, ...over }
}

/** The object as a whole is gone. */
export const deleted: Drift = { type: "deleted", firstSeen: START, action: "left" }

const DRIFT_CODE = { left: "NOPEA-A055", glass: "NOPEA-A053" } as const

/** An object left or held with its drifts. */
export const heldDrift = (
  name: string,
  drifts: ReadonlyArray<Drift>,
  why: keyof typeof DRIFT_CODE = "left",
): Change => ({
  ref: ref(name),
  action: "held",
  note: failure({
    code: DRIFT_CODE[why],
    reason: "nopea.io/suspend-heal (true) is set: incident 7",
  }),
  drift: drifts,
})

export const healedDrift = (name: string, drifts: ReadonlyArray<Drift>): Change => ({
  ref: ref(name),
  action: "healed",
  drift: drifts.map((one) => ({ ...one, action: "healed" })),
  heals: true,
})

export const failedHeal = (
  name: string,
  drifts: ReadonlyArray<Drift>,
  over: Partial<Failure> = {},
): Change => ({
  ref: ref(name),
  action: over.disposition === "wait" ? "waiting" : "failed",
  failure: failure({ object: `apps/Deployment/shop/${name}`, ...over }),
  drift: drifts.map((one) => ({ ...one, action: "healed" })),
  heals: true,
})

/** Of a sync with these changes, and with the failures that are in them. */
export const outcomeOf = (
  commit: string,
  changes: ReadonlyArray<Change>,
  over: Partial<SyncOutcome> = {},
): SyncOutcome =>
  outcome(commit, "", {
    changes,
    failures: changes.flatMap((one) => one.failure ?? []),
    resourceCount: changes.length,
    ...over,
  })

export const outcome = (
  commit: string,
  changes: string,
  over: Partial<SyncOutcome> = {},
): SyncOutcome => {
  const all = changes === "" ? [] : changes.split(", ").map(change)
  const failures = all.flatMap((one) => (one.failure === undefined ? [] : [one.failure]))
  return {
    commit: {
      sha: sha(commit),
      message: `commit ${commit}`,
      author: "a@example.com",
      time: "2026-11-20T09:59:58Z",
    },
    result: "done",
    changes: all,
    failures,
    warnings: [],
    resourceCount: all.length,
    appliedCount: all.filter(({ action }) => action !== "failed" && action !== "held").length,
    inventoryKinds: ["apps/Deployment"],
    ...over,
  }
}

export const untouched = (commit: string): SyncOutcome =>
  outcome(commit, "", { result: "nothing", inventoryKinds: [] })

export const gitError = (over: Partial<ConstructorParameters<typeof GitError>[0]> = {}) =>
  new GitError({
    code: "NOPEA-G001",
    operation: "fetch",
    subject: "https://git.example/web.git",
    reason: "the host does not answer",
    fix: "check the network",
    disposition: "retry",
    ...over,
  })

export interface Told {
  readonly at?: number
  readonly trigger?: TriggerKind
  readonly retryIn?: number
  readonly repository?: GitRepository
}

export const report = (
  result: SyncOutcome | SyncError,
  { at = START, trigger = "poll", retryIn, repository: subject = repository() }: Told = {},
): SyncReport => ({
  repository: subject,
  trigger: { kind: trigger },
  syncId: "01J00000000000000000000000",
  startedAt: at,
  outcome: "changes" in result ? Result.succeed(result) : Result.fail(result),
  ...(retryIn === undefined ? {} : { retryIn }),
})
