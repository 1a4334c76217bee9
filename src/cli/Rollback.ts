/** `nopea rollback NAME`: goes back to a commit by an annotation, and waits until it is applied. */
import { createInterface } from "node:readline"
import { Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { ANNOTATION_RECONCILE, GIT_REPOSITORIES } from "../domain/repository.ts"
import {
  ANNOTATION_ROLLBACK,
  formatRollback,
  isSameRollback,
  type Rollback,
} from "../domain/rollback.ts"
import { awaitSync, isReady, unready } from "./Acting.ts"
import { CALLER, type Here, inWords, now, paintFor, repository } from "./Cluster.ts"
import { announced, chosen, cleared, missed } from "./goBack.ts"
import { syncedText } from "./lists.ts"
import { statusText } from "./statusText.ts"
import { EXIT, type Told } from "./told.ts"
import { isSuspended, short, type View } from "./view.ts"

export interface RollbackOptions {
  readonly name: string
  readonly to: string | undefined
  readonly clear: boolean
  readonly yes: boolean
  readonly wait: boolean
  /** Milliseconds. */
  readonly timeout: number
}

/** What to write: another rollback, or (`undefined`) none. */
type Wanted = Rollback | undefined

/** On stderr, so that what is piped stays clean. Ctrl-C and the end of the input mean no. */
const confirmed = (question: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr })
    lines.once("close", () => {
      process.stderr.write("\n")
      resume(Effect.succeed(false))
    })
    lines.question(question, (answer) => {
      resume(Effect.succeed(/^y(es)?$/iu.test(answer.trim())))
      lines.removeAllListeners("close").close()
    })
    return Effect.sync(() => lines.removeAllListeners("close").close())
  })

const agree = (text: string, { yes }: RollbackOptions): Effect.Effect<void, Told> =>
  Effect.gen(function* () {
    if (yes || !process.stdin.isTTY) return
    if (yield* confirmed(`${text}\nGo on? [y/N] `)) return
    return yield* Effect.fail({ message: "nothing was changed", exit: EXIT.no })
  })

/** The status moves the version too: what was decided is looked at again, this often. */
const TRIES = 5

interface Written {
  readonly view: View
  readonly token: string
}

/** On the object as it was seen, or not at all: one that was made anew has another version too. */
const write = (
  here: Here,
  view: View,
  annotations: Readonly<Record<string, string | null>>,
): Effect.Effect<unknown, KubeError> => {
  const { resourceVersion } = view.object.metadata
  const metadata = { resourceVersion, annotations }
  const name = { namespace: here.namespace, name: view.name }
  return here.kube.mergePatch(CALLER, GIT_REPOSITORIES, name, { metadata })
}

const writeSteadily = (
  here: Here,
  first: View,
  wanted: Wanted,
  decide: (view: View) => Effect.Effect<Wanted, Told>,
): Effect.Effect<Written, Told> =>
  Effect.gen(function* () {
    let view = first
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const token = new Date(yield* now).toISOString()
      const value = wanted === undefined ? null : formatRollback(wanted)
      const annotations = { [ANNOTATION_ROLLBACK]: value, [ANNOTATION_RECONCILE]: token }
      const isWritten = yield* write(here, view, annotations).pipe(
        Effect.as(true),
        Effect.catch((error) =>
          error.status === 409 ? Effect.succeed(false) : inWords(here, error),
        ),
      )
      if (isWritten) return { view, token }
      view = yield* repository(here, first.name)
      const isOther = view.object.metadata.uid !== first.object.metadata.uid
      if (isOther || !isSameRollback(yield* decide(view), wanted)) break
    }
    return yield* Effect.fail({
      message: `${here.namespace}/${first.name} changed meanwhile: nothing was written`,
      fix: `see nopea status ${first.name} -n ${here.namespace}, and ask again`,
      exit: EXIT.no,
    })
  })

const finish = (
  here: Here,
  options: RollbackOptions,
  { view: before, token }: Written,
  wanted: Wanted,
): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const before_ = before.status.lastHandledReconcileAt
    const view = yield* awaitSync(here, options, { token, before: before_ })
    if (!isReady(view)) {
      const text = statusText(view, { now: yield* now, paint: paintFor(process.stderr) })
      return yield* Effect.fail({ message: `${unready(view)}\n\n${text}`, exit: EXIT.no })
    }
    const failure = wanted === undefined ? undefined : missed(view, wanted)
    if (failure !== undefined) return yield* Effect.fail(failure)
    const left =
      wanted === undefined
        ? []
        : [
            `rolled back from ${short(wanted.from)}: the next commit other than that is followed again`,
          ]
    return [syncedText(view, token), ...left].join("\n")
  })

/** `nopea rollback NAME [--to COMMIT]`, `nopea rollback NAME --clear`. */
export const rollback = (here: Here, options: RollbackOptions): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const { name, to, clear } = options
    if (clear && to !== undefined)
      return yield* Effect.fail({
        message: "--clear and --to do not go together",
        fix: "leave one of them out",
        exit: EXIT.usage,
      })
    const view = yield* repository(here, name)
    const target = `${view.namespace}/${view.name}`
    if (clear && view.annotations[ANNOTATION_ROLLBACK] === undefined)
      return `${target} is not rolled back`
    const decide = (seen: View): Effect.Effect<Wanted, Told> =>
      clear ? Effect.undefined : Effect.fromResult(chosen(seen, to))
    const wanted = yield* decide(view)
    yield* agree(
      wanted === undefined ? cleared(view) : announced(view, wanted, yield* now),
      options,
    )
    const written = yield* writeSteadily(here, view, wanted, decide)
    if (isSuspended(view))
      return `${target}: written, and carried out when it is resumed (nopea resume ${name} -n ${view.namespace})`
    if (!options.wait)
      return `${target}: ${wanted === undefined ? "a sync" : "the rollback"} is asked for`
    return yield* finish(here, options, written, wanted)
  })
