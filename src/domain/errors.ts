/**
 * Every expected failure: a stable code, what failed, on what, why, and the way out.
 * Codes are never reused. Letters: G git, R render, A apply, D drift, W webhook, E events, C configuration.
 */
import { Schema } from "effect"

/**
 * - `retry`: the world may answer differently soon (network, 5xx, 409, 429)
 * - `wait`: something else must appear first (a kind, a namespace); retried like `retry`, reported calmly
 * - `stall`: only a new commit, spec, request or reconcile can help
 */
export type Disposition = "retry" | "wait" | "stall"

/** One failure as status, events and the command line show it. */
export interface Failure {
  readonly code: string
  readonly reason: string
  readonly fix: string
  readonly disposition: Disposition
  /** `group/kind/namespace/name`, where one object is concerned. */
  readonly object?: string
  readonly file?: string
  readonly document?: number
  readonly line?: number
}

const Dispositions = Schema.Literals(["retry", "wait", "stall"])

const fields = {
  /** Such as `NOPEA-G001`. */
  code: Schema.String,
  /** The port's verb: `fetch`, `apply`. */
  operation: Schema.String,
  /** The repository or object it was about; never with credentials. */
  subject: Schema.String,
  reason: Schema.String,
  fix: Schema.String,
  disposition: Dispositions,
  /** Milliseconds the server asked us to stay away. */
  retryAfter: Schema.optionalKey(Schema.Number),
}

/** A Git server, mirror or reference that did not do what was asked. */
export class GitError extends Schema.TaggedError<GitError>()("GitError", fields) {
  override get message(): string {
    return `${this.code} ${this.operation} ${this.subject}: ${this.reason}`
  }
}

/** The render as a whole could not run (a thread died, time or memory ran out). */
export class RenderError extends Schema.TaggedError<RenderError>()("RenderError", fields) {
  override get message(): string {
    return `${this.code} ${this.operation} ${this.subject}: ${this.reason}`
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
    return `${this.code} ${this.operation} ${this.subject}: ${this.reason}`
  }
}

/** A wrong or missing setting: of the controller, or in a GitRepository's spec or Secret. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", fields) {
  override get message(): string {
    return `${this.code} ${this.operation} ${this.subject}: ${this.reason}`
  }
}

/** The sync as a whole ran out of its `spec.timeout`. */
export class SyncTimeout extends Schema.TaggedError<SyncTimeout>()("SyncTimeout", fields) {
  override get message(): string {
    return `${this.code} ${this.operation} ${this.subject}: ${this.reason}`
  }
}

export type SyncError = GitError | RenderError | KubeError | ConfigError | SyncTimeout

export const toFailure = (error: SyncError): Failure => ({
  code: error.code,
  reason: `${error.operation} ${error.subject}: ${error.reason}`,
  fix: error.fix,
  disposition: error.disposition,
})
