/** Which spans are worth a number: stages of syncs, operations on Git, requests to the API server. Pure. */
import { Cause, Exit, Predicate } from "effect"
import type { Registry } from "./registry.ts"

/** A span that ended; `seconds` it took. */
export interface Ended {
  readonly name: string
  readonly seconds: number
  readonly exit: Exit.Exit<unknown, unknown>
}

const STAGES: Readonly<Record<string, string>> = {
  "Worker.sync": "whole",
  "Sync.commit": "fetch",
  "Sync.render": "render",
  "Look.look": "look",
  "Sync.plan": "plan",
  "Sync.apply": "apply",
  "Reporter.finished": "status",
}

/** The code of the failure, such as `NOPEA-G004`. */
const resultOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "done"
  if (Cause.hasInterruptsOnly(exit.cause)) return "cut"
  for (const reason of exit.cause.reasons) {
    if (reason._tag !== "Fail" || !Predicate.isObject(reason.error)) continue
    const { code } = reason.error as { readonly code?: unknown }
    if (typeof code === "string") return code
  }
  return "crashed"
}

/** `Git.read` answers bytes by blob. */
const bytesOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (!Exit.isSuccess(exit) || !(exit.value instanceof Map)) return 0
  const sizes = [...exit.value.values()].map((one) => (one instanceof Uint8Array ? one.length : 0))
  return sizes.reduce((sum, size) => sum + size, 0)
}

type Measure = (registry: Registry, ended: Ended) => void

const stage = (stage: string): Measure => {
  const labels = { stage }
  return (registry, { seconds }) =>
    registry.observe("nopea_sync_stage_duration_seconds", labels, seconds)
}

const git = (operation: string): Measure => {
  const labels = { operation }
  return (registry, { seconds, exit, name }) => {
    registry.observe("nopea_git_operation_duration_seconds", labels, seconds)
    registry.count("nopea_git_operations_total", { operation, result: resultOf(exit) })
    if (name === "Git.read") registry.count("nopea_git_read_bytes_total", {}, bytesOf(exit))
  }
}

const kube = (verb: string): Measure => {
  const labels = { verb }
  return (registry, { seconds }) =>
    registry.observe("nopea_kube_request_duration_seconds", labels, seconds)
}

/** How spans of this name are measured; `undefined`: not at all. */
export const measureOf = (name: string): Measure | undefined => {
  const known = STAGES[name]
  if (known !== undefined) return stage(known)
  const [port, operation] = name.split(".")
  if (operation === undefined) return undefined
  return port === "Git" ? git(operation) : port === "Kube" ? kube(operation) : undefined
}

/** For Git: what fetches brought. */
export const countFetched =
  (registry: Registry): ((bytes: number) => void) =>
  (bytes) =>
    registry.count("nopea_git_fetched_bytes_total", {}, bytes)

/** For the transport: every answer of the API server, 0 where none came. */
export const countAnswers =
  (registry: Registry): ((verb: string, status: number) => void) =>
  (verb, status) =>
    registry.count("nopea_kube_requests_total", {
      verb,
      code: status === 0 ? "none" : String(status),
    })
