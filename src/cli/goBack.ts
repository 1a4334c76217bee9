/** Which commit to leave and which to go back to, from what a GitRepository's status tells. Pure. */
import { Result } from "effect"
import { ANNOTATION_ROLLBACK, parseRollback, type Rollback } from "../domain/rollback.ts"
import { conditionOf } from "../domain/status.ts"
import { EXIT, type Told } from "./told.ts"
import { following, isSuspended, short, type View } from "./view.ts"
import { plain, since } from "./words.ts"

const FULL = /^([0-9a-f]{40}|[0-9a-f]{64})$/u
const PART = /^[0-9a-f]{4,63}$/u

/** What the annotation says, in force or not; `undefined` also where it is not understood. */
export const askedOf = ({ annotations }: View): Rollback | undefined =>
  parseRollback(annotations[ANNOTATION_ROLLBACK] ?? "")

const nameOf = ({ namespace, name }: View): string => `${name} -n ${namespace}`

const refused = (view: View, why: string, fix: string, exit: number = EXIT.no) =>
  Result.fail({ message: `${view.namespace}/${view.name}: ${why}`, fix, exit } satisfies Told)

/** Commits that were applied whole, newest first. */
const wholeOnes = ({ status }: View): ReadonlyArray<string> => [
  ...new Set(
    [
      ...(status.history ?? [])
        .filter(({ phase, failed }) => (phase === "Synced" || phase === "Drifted") && failed === 0)
        .map(({ commit }) => commit),
      status.lastSyncedCommit,
    ].filter((commit) => commit !== undefined),
  ),
]

const knownOnes = ({ status }: View): ReadonlyArray<string> => [
  ...new Set((status.history ?? []).flatMap(({ commit }) => commit ?? [])),
]

const named = (view: View, text: string): Result.Result<string, Told> => {
  const id = text.toLowerCase()
  if (FULL.test(id)) return Result.succeed(id)
  const all = [...new Set([...wholeOnes(view), ...knownOnes(view)])]
  const found = PART.test(id) ? all.filter((commit) => commit.startsWith(id)) : []
  const [only] = found
  if (only !== undefined && found.length === 1) return Result.succeed(only)
  return refused(
    view,
    `--to ${plain(text).slice(0, 80)} is ${found.length > 1 ? "the beginning of several commits" : "no full commit id, and not the beginning of one in its history"}`,
    `nopea history ${nameOf(view)} lists what was synced; for another commit give the full id (git rev-parse)`,
    EXIT.usage,
  )
}

/** The newest commit that was applied whole, but for the one that is there and those that were left already. */
const before = (view: View, from: string): Result.Result<string, Told> => {
  const { lastAttemptedCommit: now, history = [] } = view.status
  const all = wholeOnes(view)
  const left = new Set([from, now, ...history.map(({ rolledBackFrom }) => rolledBackFrom)])
  const older = all.slice(now === undefined || !all.includes(now) ? 0 : all.indexOf(now) + 1)
  const found = older.find((commit) => !left.has(commit))
  return found === undefined
    ? refused(
        view,
        `its history has no commit before ${short(now)} that was applied whole`,
        `name one: nopea rollback ${nameOf(view)} --to COMMIT`,
      )
    : Result.succeed(found)
}

/** What to write for `nopea rollback NAME [--to COMMIT]`. */
export const chosen = (view: View, to: string | undefined): Result.Result<Rollback, Told> => {
  const { spec, status } = view
  const ref = spec["ref"] as Readonly<Record<string, unknown>> | undefined
  const from = status.rollback?.from ?? status.lastAttemptedCommit
  if (ref?.["commit"] !== undefined)
    return refused(
      view,
      "spec.ref.commit names its commit, so there is nothing to go back from",
      `change that instead: kubectl patch gitrepository ${nameOf(view)} --type merge -p '{"spec":{"ref":{"commit":"FULL ID"}}}'`,
    )
  if (from === undefined || !FULL.test(from))
    return refused(view, "no commit was tried yet", `see nopea status ${nameOf(view)}`)
  return Result.flatMap(to === undefined ? before(view, from) : named(view, to), (target) => {
    if (target === from)
      return refused(
        view,
        `${short(target)} is what Git has: there is nothing to go back from`,
        status.rollback === undefined
          ? `name another commit; nopea history ${nameOf(view)} lists them`
          : `to follow Git again: nopea rollback ${nameOf(view)} --clear`,
      )
    return Result.succeed({ from, to: target })
  })
}

const messageOf = ({ status }: View, sha: string): string =>
  status.commit?.sha === sha ? ` ${JSON.stringify(plain(status.commit.message))}` : ""

/** What will happen, before it is asked whether it may. */
export const announced = (view: View, { from, to }: Rollback, now: number): string => {
  const { lastAttemptedCommit, history = [] } = view.status
  const last = history.find(({ commit }) => commit === to)
  const when =
    last === undefined ? "not in its history" : `synced ${since(last.startedAt, now)} ago`
  const here = lastAttemptedCommit ?? from
  return [
    `${view.namespace}/${view.name} goes back from ${short(here)}${messageOf(view, here)} to ${short(to)} (${when})`,
    `  objects that ${short(to)} does not have are deleted, within spec.pruneLimit`,
    `  ${short(from)} is left until ${following(view)} has another commit; that one is followed again`,
  ].join("\n")
}

/** What will happen when it is followed again. */
export const cleared = (view: View): string => {
  const { rollback } = view.status
  const again =
    rollback === undefined ? "" : `: ${short(rollback.from)} is applied, unless it has moved on`
  return `${view.namespace}/${view.name} follows ${following(view)} again${again}`
}

/** Why it is not there although nothing failed. */
export const missed = (view: View, { from, to }: Rollback): Told | undefined => {
  const { lastAttemptedCommit: at } = view.status
  if (at === to) return undefined
  const name = `${view.namespace}/${view.name}`
  return at === from
    ? {
        message: `${name} is still at ${short(from)}: its controller does not know rollbacks`,
        fix: "nopea version tells how old it is",
        exit: EXIT.no,
      }
    : {
        message: `${name} is at ${short(at)}: Git has moved on from ${short(from)}, so there was nothing to go back from`,
        fix: `nopea rollback ${nameOf(view)} goes back from ${short(at)}`,
        exit: EXIT.no,
      }
}

const OF_COMMIT = new Set(["RenderFailed", "ApplyFailed", "HealthCheckFailed"])

/** Where to go back to from a commit that failed; `undefined`: it did not, or there is nothing. */
export const wayBack = (view: View): string | undefined => {
  const { status, reason = "" } = conditionOf(view.status, "Ready") ?? {}
  const isFailed = status === "False" && OF_COMMIT.has(reason)
  return isFailed ? Result.getOrUndefined(chosen(view, undefined))?.to : undefined
}

/** For `nopea status`. */
export const rollbackText = (view: View): string | undefined => {
  const asked = askedOf(view)
  const { rollback = asked } = view.status
  if (rollback === undefined) return undefined
  const [from, to] = [short(rollback.from), short(rollback.to)]
  if (view.status.rollback !== undefined)
    return `from ${from} to ${to}; the next commit other than ${from} is followed again`
  if (view.status.lastAttemptedCommit === rollback.to) return `to ${to}, while Git has ${from}`
  const isWaiting = isSuspended(view) || conditionOf(view.status, "Ready")?.status !== "True"
  return isWaiting && view.status.lastAttemptedCommit === rollback.from
    ? `asked for, from ${from} to ${to}`
    : `over; if ${from} comes again, ${to} is applied instead`
}
