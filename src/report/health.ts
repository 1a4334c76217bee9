/** Health in the status: the condition `Healthy`, and what `spec.wait` makes of a sync that went well. Pure. */
import { Duration } from "effect"
import type { GitRepository } from "../domain/repository.ts"
import {
  type Condition,
  type ConditionNews,
  conditionOf,
  type RepositoryStatus,
} from "../domain/status.ts"
import type { Awaited, View } from "../health/view.ts"
import { line, MAX_MESSAGE, plural } from "./text.ts"
import type { Verdict } from "./verdict.ts"

const FAILED = "HealthCheckFailed"
const NAMED = 10

const told = (awaited: ReadonlyArray<Awaited>): string => {
  const named = awaited.slice(0, NAMED).map(({ object, reason }) => `${object}: ${reason}`)
  const more = awaited.length - named.length
  return `${named.join("; ")}${more > 0 ? `; and ${plural(more, "more object")}` : ""}`
}

type News = NonNullable<ConditionNews["Healthy"]>

const news = (status: News["status"], reason: string, message: string): News => ({
  status,
  reason,
  message: line(message, MAX_MESSAGE),
})

/** Nobody has looked yet since something was applied. */
export const UNKNOWN: News = news("Unknown", "Progressing", "what was applied is being looked at")

export const healthyNews = ({ state, total, awaited }: View, { spec }: GitRepository): News => {
  const some = `${awaited.length} of ${plural(total, "object")}`
  switch (state) {
    case "healthy":
      return news("True", "Succeeded", `all is healthy (looked at ${plural(total, "object")})`)
    case "progressing":
      return news("Unknown", "Progressing", `waits for ${some}: ${told(awaited)}`)
    case "degraded":
      return news("False", FAILED, `${some} not healthy: ${told(awaited)}`)
    case "late": {
      const time = Duration.format(spec.timeout)
      return news("False", FAILED, `${some} not healthy within ${time}: ${told(awaited)}`)
    }
  }
}

/** What Ready says where nothing but health decides it. */
const isOfHealth = ({ reason, status }: Condition): boolean =>
  reason === "Succeeded" || reason === FAILED || (reason === "Progressing" && status === "Unknown")

/** The commit is applied whole, and its health alone decides whether the repository is ready. */
export const isDecidedByHealth = (status: RepositoryStatus, { spec }: GitRepository): boolean => {
  const ready = conditionOf(status, "Ready")
  const isWhole = status.lastSyncedCommit === status.commit?.sha
  return spec.wait && !spec.dryRun && isWhole && ready !== undefined && isOfHealth(ready)
}

/** With `spec.wait`, what is applied whole is ready once it is healthy: as Flux's users know it. */
export const awaiting = (
  verdict: Verdict,
  status: RepositoryStatus,
  { spec }: GitRepository,
): Verdict => {
  const healthy = conditionOf(status, "Healthy")
  if (!spec.wait || spec.dryRun || verdict.ready !== "True" || healthy?.status === "True")
    return verdict
  const { message } = healthy ?? UNKNOWN
  const said = `${verdict.message}; ${message}`
  const next = { next: "retrying", waits: "it becomes ready once its objects are healthy" } as const
  return healthy?.status === "False"
    ? { ...next, phase: "Failed", ready: "False", reason: FAILED, message: said }
    : { ...next, phase: "Syncing", ready: "Unknown", reason: "Progressing", message: said }
}
