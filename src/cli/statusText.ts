/** `nopea status NAME`: what, why, and how to mend it, on one screen. */
import type { Condition, DriftEntry, FailureEntry } from "../domain/status.ts"
import { rollbackText, wayBack } from "./goBack.ts"
import { countsOf, deedOf, fateOf, objectText, whoOf } from "./lists.ts"
import {
  following,
  heldPrune,
  isSuspended,
  isUnseen,
  messageOf,
  phaseOf,
  short,
  textOf,
  type View,
} from "./view.ts"
import { type Paint, phaseIn, plain, plural, since, table, when } from "./words.ts"

export interface Telling {
  readonly now: number
  readonly paint: Paint
}

const indented = (text: string, by = "  "): string =>
  text
    .split("\n")
    .map((line) => `${by}${line}`)
    .join("\n")

const section = (title: string, text: string, { paint }: Telling): string =>
  `${paint("bold", title)}\n${indented(text)}`

/** `Name   value` lines; those without a value are left out. */
const facts = (rows: ReadonlyArray<readonly [string, string | undefined]>): string =>
  rows
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => `${name.padEnd(9)} ${plain(value ?? "")}`)
    .join("\n")

const commitText = ({ status }: View, now: number): string | undefined => {
  const { commit, lastAttemptedCommit: tried } = status
  if (tried === undefined) return undefined
  if (commit?.sha !== tried) return short(tried)
  return `${short(tried)} "${commit.message}" by ${commit.author}, ${when(commit.time, now)}`
}

const syncedText = ({ status }: View, now: number): string => {
  const { lastSyncedCommit, lastSyncTime } = status
  if (lastSyncedCommit === undefined) return "never applied whole"
  const time = lastSyncTime === undefined ? "" : `, last change ${when(lastSyncTime, now)}`
  return `${short(lastSyncedCommit)}${time}`
}

const objectsText = ({ status }: View): string | undefined => {
  const { resourceCount, appliedCount = 0, driftedCount = 0, suspendedCount = 0 } = status
  if (resourceCount === undefined) return undefined
  const drifted = driftedCount > 0 ? `, ${driftedCount} drifted` : ""
  const suspended = suspendedCount > 0 ? `, ${suspendedCount} with healing suspended` : ""
  return `${appliedCount} of ${resourceCount} applied${drifted}${suspended}`
}

/** `apps/Deployment/shop/api to kulta.io/Rollout/shop/api`. */
const delegatedText = ({ status: { delegated } }: View): string | undefined =>
  delegated && `${objectText(delegated.deployment)} to ${objectText(delegated.rollout)}`

const lastText = ({ status }: View, now: number): string | undefined => {
  const [last] = status.history ?? []
  if (last === undefined) return undefined
  return `${when(last.startedAt, now)} (${last.trigger}): ${last.phase} in ${last.duration}, ${countsOf(last)}`
}

const policies = (view: View): string => {
  const { spec } = view
  const set = [
    `heal ${textOf(view, "healPolicy", "auto")}`,
    ...(textOf(view, "healGracePeriod", "0s") === "0s"
      ? []
      : [`grace ${textOf(view, "healGracePeriod")}`]),
    `conflicts to ${textOf(view, "conflictPolicy", "git")}`,
    spec["prune"] === false ? "no prune" : `prune up to ${textOf(view, "pruneLimit", "50%")}`,
    ...(spec["dryRun"] === true ? ["dry run: nothing is written"] : []),
  ]
  return set.join(", ")
}

const failureText = (failure: FailureEntry, { paint }: Telling): string => {
  const { code, object, file, document, line, reason, fix } = failure
  const place = [
    ...(file === undefined ? [] : [file]),
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(document === undefined ? [] : [`document ${document}`]),
  ].join(", ")
  const subject = [object && objectText(object), place]
    .filter((part) => part !== undefined && part !== "")
    .map((part) => plain(part ?? ""))
  const head = [paint("red", plain(code)), ...subject].join("  ")
  return `${head}\n  why  ${plain(reason)}\n  fix  ${plain(fix)}`
}

const driftText = (entry: DriftEntry, { now }: Telling): string => {
  const what = [objectText(entry.object), ...(entry.path === undefined ? [] : [entry.path])].join(
    "  ",
  )
  const at = when(entry.time ?? entry.firstSeen, now)
  return `${plain(what)}\n  ${plain(`${deedOf(entry)} by ${whoOf(entry)}, ${at}`)}\n  ${plain(fateOf(entry, now))}`
}

const conditionsText = (conditions: ReadonlyArray<Condition>, now: number): string =>
  table(
    conditions.map(({ type, status, reason, lastTransitionTime }) => [
      type,
      status,
      reason,
      since(lastTransitionTime, now),
    ]),
  )

/** What to do next: commands, and what each one does. */
const advice = (view: View): ReadonlyArray<readonly [string, string]> => {
  const { namespace, name, status } = view
  const target = `${name} -n ${namespace}`
  const held = heldPrune(view)
  const back = wayBack(view)
  const codes = new Set((status.failures ?? []).map(({ code }) => code))
  return [
    ...(isSuspended(view)
      ? ([[`nopea resume ${target}`, "goes on syncing and healing"]] as const)
      : []),
    ...(held === undefined
      ? []
      : ([
          [`nopea diff ${target}`, "shows what would be deleted"],
          [`nopea approve-prune ${target}`, `lets ${short(held)} delete what left Git`],
        ] as const)),
    ...(back === undefined
      ? []
      : ([[`nopea rollback ${target}`, `goes back to ${short(back)}`]] as const)),
    ...(status.rollback === undefined
      ? []
      : ([
          [`nopea rollback ${target} --clear`, `takes ${short(status.rollback.from)} after all`],
        ] as const)),
    ...[...codes]
      .slice(0, 3)
      .map((code) => [`nopea explain ${code}`, "says more about it"] as const),
    ...(status.driftedCount ? ([[`nopea drift ${target}`, "lists every field"]] as const) : []),
  ]
}

const listOf = <A>(all: ReadonlyArray<A>, most: number, text: (one: A) => string): string => {
  const more = all.length - most
  return [...all.slice(0, most).map(text), ...(more > 0 ? [`and ${more} more`] : [])].join("\n")
}

const MOST = 10

/** The Ready condition's sentence, without what stands below in full. */
const saidOf = (view: View): string => {
  const message = messageOf(view)
  if (heldPrune(view) !== undefined) return message.split(". Fix: ")[0] ?? ""
  if ((view.status.failures ?? []).length === 0) return message
  const [first = ""] = message.split(". ")
  return first.includes("[NOPEA-") ? "" : first.replace(/ \(and \d+ more failures?\)$/u, "")
}

/** Everything that one asks first, as one text. */
export const statusText = (view: View, telling: Telling): string => {
  const { now, paint } = telling
  const { namespace, name, status } = view
  const { failures = [], drift = [], plan = [], conditions = [] } = status
  const headline = `${paint("bold", `${namespace}/${name}`)}  ${phaseIn(paint, phaseOf(view))}`
  const said = saidOf(view)
  const parts = [
    `${headline}${said ? `\n${indented(plain(said))}` : ""}`,
    facts([
      ["Follows", `${textOf(view, "url")} (${following(view)}, path ${textOf(view, "path", ".")})`],
      ["Commit", commitText(view, now)],
      ["Synced", syncedText(view, now)],
      ["Rollback", rollbackText(view)],
      ["Objects", objectsText(view)],
      ["Delegated", delegatedText(view)],
      ["Last sync", lastText(view, now)],
      ["Policy", policies(view)],
      ["Note", isUnseen(view) ? "the controller has not looked at the newest spec yet" : undefined],
    ]),
    ...(failures.length === 0
      ? []
      : [
          section(
            plural(failures.length, "failure"),
            listOf(failures, MOST, (one) => failureText(one, telling)),
            telling,
          ),
        ]),
    ...(drift.length === 0
      ? []
      : [
          section(
            "Drift",
            listOf(drift, MOST, (one) => driftText(one, telling)),
            telling,
          ),
        ]),
    ...(plan.length === 0
      ? []
      : [
          section(
            "A sync would write",
            listOf(plan, MOST, ({ object, action }) => plain(`${action}  ${objectText(object)}`)),
            telling,
          ),
        ]),
    section(
      "Conditions",
      conditionsText(conditions, now) || "none yet: is the controller running?",
      telling,
    ),
  ]
  const next = advice(view)
  return [...parts, ...(next.length === 0 ? [] : [section("Next", table(next), telling)])].join(
    "\n\n",
  )
}
