/** The answer to a caller whose sync did not run, or did not end by itself. */
import { Schema } from "effect"

const WHY = {
  unknown: {
    code: "NOPEA-C020",
    reason: "no worker runs for this GitRepository",
    fix: "see whether it exists, and whether its Ready condition says that it cannot be read",
  },
  suspended: {
    code: "NOPEA-C021",
    reason: "spec.suspend is true",
    fix: "set spec.suspend to false",
  },
  stopped: {
    code: "NOPEA-C022",
    reason: "its worker was stopped",
    fix: "ask again, unless the GitRepository was deleted",
  },
  crashed: {
    code: "NOPEA-C023",
    reason: "its worker crashed and restarts by itself",
    fix: "ask again; report the crash that the controller's log shows",
  },
  busy: {
    code: "NOPEA-C024",
    reason: "too many callers wait for its next sync",
    fix: "ask again when the running sync has ended",
  },
} as const

export type WhyRefused = keyof typeof WHY

export class SyncRefused extends Schema.TaggedError<SyncRefused>()("SyncRefused", {
  /** `namespace/name`. */
  repository: Schema.String,
  why: Schema.Literals(["unknown", "suspended", "stopped", "crashed", "busy"]),
}) {
  get code(): string {
    return WHY[this.why].code
  }
  get reason(): string {
    return WHY[this.why].reason
  }
  get fix(): string {
    return WHY[this.why].fix
  }
  override get message(): string {
    return `${this.code} sync ${this.repository}: ${this.reason}`
  }
}
