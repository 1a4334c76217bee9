/** What comes next for a worker: run or not, retry when. Decided here, carried out in `Worker.ts`. */
import { Result } from "effect"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import {
  ANNOTATION_APPROVE_PRUNE,
  ANNOTATION_RECONCILE,
  ANNOTATION_RECONCILE_FLUX,
  type GitRepository,
} from "../domain/repository.ts"
import { ANNOTATION_ROLLBACK } from "../domain/rollback.ts"
import type { TriggerKind } from "../domain/trigger.ts"
import { routeOf } from "./route.ts"

/**
 * - `idle`: waits for a trigger. From any, by success or by a failure that no retry can mend
 * - `retrying`: tries again at `retryAt` (`elapsedMillis`). From any, by a failure that may pass
 * - `suspended`: runs nothing. From any, when a trigger finds `spec.suspend`; left by the first that does not
 */
export type WorkerState =
  | { readonly phase: "idle" }
  | { readonly phase: "retrying"; readonly attempt: number; readonly retryAt: number }
  | { readonly phase: "suspended" }

export type WorkerEvent =
  | { readonly type: "taken"; readonly suspended: boolean }
  | {
      readonly type: "finished"
      readonly trigger: TriggerKind
      readonly outcome: Result.Result<SyncOutcome, SyncError>
      readonly now: number
      /** In [0, 1). */
      readonly random: number
    }

export interface Step {
  readonly state: WorkerState
  /** `tellSuspended`: once per suspension, then `refuse`. `rest`: wait for the mailbox. */
  readonly action: "run" | "tellSuspended" | "refuse" | "rest"
  /** Milliseconds. */
  readonly retryIn?: number
}

export const IDLE: WorkerState = { phase: "idle" }

const CAP = 60_000
/** What a server may ask us to stay away at most. */
const MAX_RETRY_AFTER = 60 * 60 * 1000

/** Somebody asked anew: the count of attempts starts over. */
const FRESH: ReadonlySet<TriggerKind> = new Set(["webhook", "syncNow", "specChanged"])

/** They may go without an answer of Git, so they do not bring the next question forward. */
const LOOKS: ReadonlySet<TriggerKind> = new Set(["drift", "reconcile"])

/** Whole milliseconds: timers know no parts of them. */
const jitter = (delay: number, random: number): number => Math.round(delay * (0.9 + 0.2 * random))

/** 1 s, 2 s, 3 s … 60 s, ± 10 %. `attempt` counts from 1. */
export const linearDelay = (attempt: number, random: number): number =>
  jitter(Math.min(attempt * 1000, CAP), random)

/** 1 s, 2 s, 4 s … ± 10 %, never more than 60 s: for servers in trouble, and after crashes. */
export const exponentialDelay = (attempt: number, random: number): number =>
  Math.min(jitter(1000 * 2 ** Math.min(attempt - 1, 10), random), CAP)

interface Trouble {
  readonly delay: (attempt: number, random: number) => number
  readonly atLeast: number
}

const troubleOf = (error: SyncError): Trouble | undefined =>
  error.disposition === "stall"
    ? undefined
    : {
        delay:
          error._tag === "GitError" || error._tag === "SyncTimeout"
            ? exponentialDelay
            : linearDelay,
        atLeast: Math.min(Math.ceil(error.retryAfter ?? 0), MAX_RETRY_AFTER),
      }

/** What may pass by itself; `undefined`: nothing failed, or waiting does not help. */
const troubleIn = ({
  outcome,
  trigger,
}: WorkerEvent & { type: "finished" }): Trouble | undefined => {
  if (Result.isFailure(outcome)) return troubleOf(outcome.failure)
  const { unasked } = outcome.success
  if (unasked !== undefined && !LOOKS.has(trigger)) return troubleOf(unasked)
  return outcome.success.failures.some(({ disposition }) => disposition !== "stall")
    ? { delay: linearDelay, atLeast: 0 }
    : undefined
}

/** It ended before it looked at what is to be retried. */
const sawNothing = ({ trigger, outcome }: WorkerEvent & { type: "finished" }): boolean =>
  routeOf({ kind: trigger }, "commit").mayEndEarly &&
  Result.isSuccess(outcome) &&
  outcome.success.result === "nothing"

/** Whatever it did, the question that Git did not answer is still to be asked. */
const isUnasked = ({ outcome, trigger }: WorkerEvent & { type: "finished" }): boolean =>
  LOOKS.has(trigger) && Result.isSuccess(outcome) && outcome.success.unasked !== undefined

const finished = (state: WorkerState, event: WorkerEvent & { type: "finished" }): Step => {
  const { trigger, now, random } = event
  if (state.phase === "suspended") return { state, action: "rest" }
  const trouble = troubleIn(event)
  const isOpen = isUnasked(event) || (trouble === undefined && sawNothing(event))
  if (isOpen && state.phase === "retrying")
    return { state, action: "rest", retryIn: Math.max(state.retryAt - now, 0) }
  if (isUnasked(event)) return { state, action: "rest" }
  if (trouble === undefined) return { state: IDLE, action: "rest" }
  const attempt = state.phase === "retrying" && !FRESH.has(trigger) ? state.attempt + 1 : 1
  const isLook = state.phase === "retrying" && LOOKS.has(trigger)
  const pending = isLook ? state.retryAt - now : 0
  const retryIn = Math.max(trouble.delay(attempt, random), trouble.atLeast, pending)
  return { state: { phase: "retrying", attempt, retryAt: now + retryIn }, action: "rest", retryIn }
}

const taken = (state: WorkerState, suspended: boolean): Step => {
  if (!suspended) return { state: state.phase === "suspended" ? IDLE : state, action: "run" }
  return {
    state: { phase: "suspended" },
    action: state.phase === "suspended" ? "refuse" : "tellSuspended",
  }
}

export const step = (state: WorkerState, event: WorkerEvent): Step =>
  event.type === "taken" ? taken(state, event.suspended) : finished(state, event)

export const isSuspended = ({ spec }: GitRepository): boolean => spec.suspend

/** The trigger that a changed GitRepository is; `undefined` for changes of status and the like. */
export const changeOf = (before: GitRepository, after: GitRepository): TriggerKind | undefined => {
  const annotation = (name: string) => after.metadata.annotations?.[name]
  const isNew = (name: string) =>
    annotation(name) !== undefined && annotation(name) !== before.metadata.annotations?.[name]
  const isRequested = [ANNOTATION_RECONCILE, ANNOTATION_RECONCILE_FLUX].some(
    (name) => isNew(name) && annotation(name) !== after.status?.lastHandledReconcileAt,
  )
  if (isRequested || isNew(ANNOTATION_APPROVE_PRUNE)) return "syncNow"
  const wasRollback = before.metadata.annotations?.[ANNOTATION_ROLLBACK]
  return before.metadata.generation !== after.metadata.generation ||
    wasRollback !== annotation(ANNOTATION_ROLLBACK) ||
    before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp
    ? "specChanged"
    : undefined
}
