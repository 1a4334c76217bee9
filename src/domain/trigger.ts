/** Why a sync runs. A trigger is a reason, not a request with content: the worker reads the newest spec. */
import type { TraceContext } from "./trace.ts"

/**
 * In order of priority: the first waiting one goes first. `claim`: another repository asks whether this one wants an
 * object, or lets one go.
 */
export const TRIGGER_KINDS = [
  "webhook",
  "syncNow",
  "specChanged",
  "claim",
  "poll",
  "drift",
  "retry",
  "reconcile",
  "startup",
] as const
export type TriggerKind = (typeof TRIGGER_KINDS)[number]

export interface Trigger {
  readonly kind: TriggerKind
  /** Hint of a webhook: the commit that was pushed. */
  readonly commit?: string
  /** Of the webhooks that asked: the sync goes on with the first one's trace and is linked to the others. */
  readonly traces?: ReadonlyArray<TraceContext>
}
