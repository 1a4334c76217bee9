/** Commands that ask something of the controller: sync, suspend, resume, approve-prune. */
import { Effect } from "effect"
import { ANNOTATION_APPROVE_PRUNE, ANNOTATION_RECONCILE } from "../domain/repository.ts"
import { conditionOf } from "../domain/status.ts"
import { change, type Here, now, paintFor, repository } from "./Cluster.ts"
import { syncedText } from "./lists.ts"
import { statusText } from "./statusText.ts"
import { EXIT, type Told } from "./told.ts"
import { heldPrune, isSuspended, short, type View } from "./view.ts"
import { plain, span } from "./words.ts"

const LOOK_EVERY = 300

export interface SyncOptions {
  readonly name: string
  readonly wait: boolean
  /** Milliseconds. */
  readonly timeout: number
}

const target = ({ namespace, name }: Pick<View, "namespace" | "name">): string =>
  `${namespace}/${name}`

interface Asked {
  readonly token: string
  /** The request that was handled last before ours: its time may come from a clock that is ahead. */
  readonly before: string | undefined
}

/** A later request of somebody else is answered by a sync that answers ours too. */
export const isHandled = ({ status }: View, { token, before }: Asked): boolean => {
  const { lastHandledReconcileAt: handled, phase } = status
  // With spec.wait the request is handled when all is applied, and the sync still runs.
  if (phase === "Syncing") return false
  return handled === token || (handled !== before && Date.parse(handled ?? "") >= Date.parse(token))
}

/** What the sync came to where it is not ready. */
export const unready = (view: View): string => {
  const { reason, message } = conditionOf(view.status, "Ready") ?? {}
  if (reason !== "DependencyNotReady") return "the sync failed"
  return `the sync waits: ${plain(message ?? "")}`
}

/** One line on a terminal's stderr that is written over, and nothing where nobody looks. */
const progress = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[2K${text}`)
  })

export const awaitSync = (
  here: Here,
  { name, timeout }: Pick<SyncOptions, "name" | "timeout">,
  asked: Asked,
): Effect.Effect<View, Told> =>
  Effect.gen(function* () {
    const start = yield* now
    while (true) {
      const view = yield* repository(here, name)
      if (isHandled(view, asked)) return view
      const elapsed = (yield* now) - start
      if (elapsed >= timeout) return yield* Effect.fail(late(view, timeout))
      const phase = view.status.phase === "Syncing" ? "a sync runs" : "waiting for the controller"
      yield* progress(`${target(view)}: ${phase}, ${span(elapsed)}`)
      yield* Effect.sleep(Math.min(LOOK_EVERY, timeout - elapsed))
    }
  }).pipe(Effect.ensuring(progress("")))

const late = (view: View, timeout: number): Told => ({
  message: `${target(view)}: the sync did not end within ${span(timeout)}`,
  fix: `see nopea status ${view.name} -n ${view.namespace}, and whether the controller runs: kubectl get pods -n nopea-system`,
  exit: EXIT.late,
})

const suspended = (view: View): Told => ({
  message: `${target(view)} is suspended: it does not sync`,
  fix: `nopea resume ${view.name} -n ${view.namespace}`,
  exit: EXIT.no,
})

export const isReady = ({ status }: View): boolean =>
  conditionOf(status, "Ready")?.status === "True"

/** `nopea sync NAME`: fails where the sync did, after telling why. */
export const sync = (here: Here, options: SyncOptions): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const before = yield* repository(here, options.name)
    if (isSuspended(before)) return yield* Effect.fail(suspended(before))
    const token = new Date(yield* now).toISOString()
    const annotations = { [ANNOTATION_RECONCILE]: token }
    yield* change(here, options.name, { metadata: { annotations } })
    if (!options.wait) return `${target(before)}: a sync is asked for`
    const view = yield* awaitSync(here, options, {
      token,
      before: before.status.lastHandledReconcileAt,
    })
    if (isReady(view)) return syncedText(view, token)
    const text = statusText(view, { now: yield* now, paint: paintFor(process.stderr) })
    return yield* Effect.fail({ message: `${unready(view)}\n\n${text}`, exit: EXIT.no })
  })

/** `nopea suspend NAME`, `nopea resume NAME`. */
export const setSuspended = (
  here: Here,
  name: string,
  suspend: boolean,
): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const before = yield* repository(here, name)
    if (isSuspended(before) === suspend)
      return `${target(before)} is ${suspend ? "suspended already" : "not suspended"}`
    yield* change(here, name, { spec: { suspend } })
    return suspend
      ? `${target(before)} suspended: nothing is synced or healed until nopea resume`
      : `${target(before)} resumed: it syncs now`
  })

/** `nopea approve-prune NAME`: for the commit whose deletes are held now, and no other. */
export const approvePrune = (here: Here, name: string): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const view = yield* repository(here, name)
    const commit = heldPrune(view)
    if (commit === undefined)
      return yield* Effect.fail({
        message: `${target(view)}: no deletes are held`,
        fix: `see nopea status ${view.name} -n ${view.namespace}`,
        exit: EXIT.no,
      })
    const annotations = { [ANNOTATION_APPROVE_PRUNE]: commit }
    yield* change(here, name, { metadata: { annotations } })
    return `${target(view)}: approved, ${short(commit)} may delete what left Git`
  })
