/**
 * Every expected failure: a stable code, what failed, on what, why, and the way out.
 * Codes are never reused. Letters: G git, R render, A apply, D drift, W webhook, E events, C configuration.
 */
import { Schema } from "effect"
import type { FailureEntry } from "./status.ts"

const Disposition = Schema.Literals(["retry", "wait", "stall"])
/**
 * - `retry`: the world may answer differently soon (network, 5xx, 409, 429)
 * - `wait`: something else must appear first (a kind, a namespace); retried like `retry`, reported calmly
 * - `stall`: only a new commit, spec, request or reconcile can help
 */
export type Disposition = typeof Disposition.Type

/** One failure as status, events and the command line show it. */
export interface Failure extends FailureEntry {
  readonly disposition: Disposition
}

const fields = {
  /** Such as `NOPEA-G001`. */
  code: Schema.String,
  /** The port's verb: `fetch`, `apply`. */
  operation: Schema.String,
  /** The repository or object it was about; never with credentials. */
  subject: Schema.String,
  reason: Schema.String,
  fix: Schema.String,
  disposition: Disposition,
  /** Milliseconds the server asked us to stay away. */
  retryAfter: Schema.optionalKey(Schema.Number),
}

type Told = Readonly<Record<"code" | "operation" | "subject" | "reason", string>>

const sentence = ({ code, operation, subject, reason }: Told): string =>
  `${code} ${operation} ${subject}: ${reason}`

/** A Git server, mirror or reference that did not do what was asked. */
export class GitError extends Schema.TaggedError<GitError>()("GitError", fields) {
  override get message(): string {
    return sentence(this)
  }
}

/** The render as a whole could not run (a thread died, time or memory ran out). */
export class RenderError extends Schema.TaggedError<RenderError>()("RenderError", fields) {
  override get message(): string {
    return sentence(this)
  }
}

/** A request to the API server that failed. */
export class KubeError extends Schema.TaggedError<KubeError>()("KubeError", {
  ...fields,
  /** HTTP status; 0 where no answer came. */
  status: Schema.Number,
  /** `Status.reason` of the API server (`NotFound`, `Conflict`, …) or `""`. */
  statusReason: Schema.String,
}) {
  override get message(): string {
    return sentence(this)
  }
}

/** A wrong or missing setting: of the controller, or in a GitRepository's spec or Secret. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", fields) {
  override get message(): string {
    return sentence(this)
  }
}

/** The sync as a whole ran out of its `spec.timeout`. */
export class SyncTimeout extends Schema.TaggedError<SyncTimeout>()("SyncTimeout", fields) {
  override get message(): string {
    return sentence(this)
  }
}

export type SyncError = GitError | RenderError | KubeError | ConfigError | SyncTimeout

export const toFailure = (error: SyncError): Failure => ({
  code: error.code,
  reason: `${error.operation} ${error.subject}: ${error.reason}`,
  fix: error.fix,
  disposition: error.disposition,
})
