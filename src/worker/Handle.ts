/** What outlives an incarnation of a worker: its mailbox, the newest GitRepository, and what runs now. */
import { Cause, Deferred, Effect, Exit, Latch, Result } from "effect"
import type { SyncError } from "../domain/errors.ts"
import type { SyncOutcome } from "../domain/outcome.ts"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import type { Trigger, TriggerKind } from "../domain/trigger.ts"
import { coalesce, hasRoom, offer, type Request, type Slots, take } from "./mailbox.ts"
import { SyncRefused, type WhyRefused } from "./refused.ts"
import { changeOf } from "./state.ts"

export type Reply = Deferred.Deferred<SyncOutcome, SyncError | SyncRefused>
export type Answer = Result.Result<SyncOutcome, SyncError | SyncRefused>

export interface Running {
  readonly trigger: Trigger
  readonly syncId: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

/** What people and providers wait for: it ends the pause after a crash early. */
const URGENT: ReadonlySet<TriggerKind> = new Set(["webhook", "syncNow", "specChanged"])

const hasUrgent = (slots: Slots<Reply>): boolean => [...URGENT].some((kind) => slots.has(kind))

const appliedBy = (exit: Exit.Exit<Answer>): string | undefined => {
  const outcome = Exit.isSuccess(exit) ? Result.getOrUndefined(exit.value) : undefined
  const isWhole = outcome?.failures.length === 0 && outcome.unasked === undefined
  return isWhole ? outcome.commit.sha : undefined
}

/** Every method is synchronous, so none can be interrupted halfway. One consumer: the worker's loop. */
export class WorkerHandle {
  readonly key: string
  readonly uid: string
  #repository: GitRepository
  #slots: Slots<Reply> = new Map()
  #served: Request<Reply> | undefined
  #running: Running | undefined
  #isClosed = false
  /** The commit that the last request ended with, applied whole. */
  #applied: string | undefined
  /** The one commit that every webhook in the mailbox tells of; `undefined` where there are several. */
  #told: string | undefined
  #echo: Request<Reply> | undefined
  readonly #waiting = Latch.makeUnsafe(false)
  readonly #urgent = Latch.makeUnsafe(false)
  readonly #idle = Latch.makeUnsafe(true)

  constructor(repository: GitRepository) {
    this.key = keyOf(repository)
    this.uid = repository.metadata.uid
    this.#repository = repository
  }

  /** The newest one; a sync reads it as it starts. */
  get repository(): GitRepository {
    return this.#repository
  }
  get running(): Running | undefined {
    return this.#running
  }
  get isClosed(): boolean {
    return this.#isClosed
  }
  /** What the mailbox holds. */
  get waitingKinds(): ReadonlyArray<TriggerKind> {
    return [...new Set([...this.#slots.keys(), ...(this.hasEcho ? ["webhook" as const] : [])])]
  }
  /** Whether a webhook waits that tells of no other commit than the last sync applied: `hear` it when there is time. */
  get hasEcho(): boolean {
    return this.#echo !== undefined
  }
  /** Resumes while a request waits. */
  get waiting(): Effect.Effect<void> {
    return this.#waiting.await
  }
  /** Resumes while a webhook, a caller or a new spec waits. */
  get urgent(): Effect.Effect<void> {
    return this.#urgent.await
  }
  /** Resumes while no request is served. */
  get idle(): Effect.Effect<void> {
    return this.#idle.await
  }

  /** Never blocks, never grows: one slot per kind of trigger. A closed mailbox refuses. */
  offer(trigger: Trigger, reply?: Reply): void {
    const why = this.#isClosed ? "stopped" : hasRoom(this.#slots, trigger.kind) ? undefined : "busy"
    if (reply !== undefined && why !== undefined) this.#refuse([reply], why)
    if (this.#isClosed) return
    const replies = reply === undefined || why !== undefined ? [] : [reply]
    if (this.#isEcho(trigger)) this.#keep({ trigger, replies })
    else this.#put({ trigger, replies })
  }

  /**
   * The echo is a request like any other from now on; while a webhook waits it is not: that may tell of a newer commit.
   * Of a commit that another one followed it says nothing any more: nobody waits for a server to show it.
   */
  hear(): void {
    const echo = this.#slots.has("webhook") ? undefined : this.#echo
    if (echo === undefined) return
    this.#echo = undefined
    const { commit, ...trigger } = echo.trigger
    this.#put(commit === this.#applied ? echo : { ...echo, trigger })
  }

  /** While nothing runs or waits: what comes meanwhile may be of a commit that the running sync does not see. */
  #isEcho({ kind, commit }: Trigger): boolean {
    const isQuiet = this.#served === undefined && this.#slots.size === 0
    return kind === "webhook" && commit !== undefined && commit === this.#applied && isQuiet
  }

  /** What came while that commit was applied, and told of no other. */
  #demote(): void {
    const waiting = this.#slots.get("webhook")
    if (waiting === undefined || this.#applied === undefined || this.#told !== this.#applied) return
    this.#slots = new Map([...this.#slots].filter(([kind]) => kind !== "webhook"))
    if (!hasUrgent(this.#slots)) this.#urgent.closeUnsafe()
    this.#keep(waiting)
  }

  #keep(request: Request<Reply>): void {
    if (this.#echo === undefined) this.#waiting.openUnsafe()
    this.#echo = this.#echo === undefined ? request : coalesce(this.#echo, request)
  }

  #put(request: Request<Reply>): void {
    const { kind, commit } = request.trigger
    if (kind === "webhook") {
      const isAlike = !this.#slots.has(kind) || this.#told === commit
      this.#told = isAlike ? commit : undefined
    }
    this.#slots = offer(this.#slots, request)
    if (URGENT.has(kind)) this.#urgent.openUnsafe()
    this.#waiting.openUnsafe()
  }

  /** Keeps the newest GitRepository; what matters to a sync asks for one. */
  respec(repository: GitRepository): void {
    const kind = changeOf(this.#repository, repository)
    this.#repository = repository
    if (kind !== undefined) this.offer({ kind })
  }

  /** The next request: whoever takes it must `settle` it. */
  take(): Request<Reply> | undefined {
    const taken = this.#isClosed ? undefined : take(this.#slots)
    if (taken === undefined) {
      this.#waiting.closeUnsafe()
      return undefined
    }
    this.#slots = taken.rest
    if (taken.rest.size === 0) this.#waiting.closeUnsafe()
    if (!hasUrgent(taken.rest)) this.#urgent.closeUnsafe()
    this.#idle.closeUnsafe()
    this.#served = taken.request
    return taken.request
  }

  begin(running: Running): void {
    this.#running = running
  }

  /** Answers every caller of the request, also after a crash or a stop. */
  settle(exit: Exit.Exit<Answer>): void {
    const replies = this.#served?.replies ?? []
    this.#served = undefined
    this.#running = undefined
    this.#applied = appliedBy(exit)
    if (Exit.isSuccess(exit)) {
      for (const reply of replies) Deferred.doneUnsafe(reply, Effect.fromResult(exit.value))
    } else this.#refuse(replies, Cause.hasDies(exit.cause) ? "crashed" : "stopped")
    this.#demote()
    this.#idle.openUnsafe()
  }

  /** Takes nothing more; who waits in the mailbox is refused. A running sync may still end. */
  close(): void {
    this.#isClosed = true
    this.#waiting.closeUnsafe()
    this.#refuse(
      [...this.#slots.values()].flatMap(({ replies }) => replies),
      "stopped",
    )
    this.#slots = new Map()
    this.#echo = undefined
  }

  /** Nobody waits any longer for a sync that may not end soon. */
  abandon(): void {
    this.close()
    this.#refuse(this.#served?.replies ?? [], "stopped")
  }

  #refuse(replies: ReadonlyArray<Reply>, why: WhyRefused): void {
    const refused = Effect.fail(new SyncRefused({ repository: this.key, why }))
    for (const reply of replies) Deferred.doneUnsafe(reply, refused)
  }
}
