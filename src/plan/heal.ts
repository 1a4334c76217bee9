/** What the policy does about drift: put it back now, later, or never. Pure. */
import { Duration } from "effect"
import type { Drift } from "../domain/drift.ts"
import { formatRef, type ObjectKey } from "../domain/object.ts"
import type { Assessment, Lost } from "./drift.ts"
import { driftKey } from "./evidence.ts"
import { type FieldPath, formatPath, type Location } from "./fields.ts"
import { contested } from "./grace.ts"
import { type Rules, type Want, wasDisputed } from "./step.ts"

type Fate = Pick<Drift, "action" | "until" | "reason">

/** Break-glass: why nothing is touched, and when that ends by itself. */
export interface Glass {
  readonly reason: string
  readonly until?: number
}

export interface Governed {
  readonly drift: ReadonlyArray<Drift>
  /** Fields to leave out of the patch; `all`: the whole object. */
  readonly holds: ReadonlyArray<Location> | "all"
  /** Additions to remove. */
  readonly takes: ReadonlyArray<FieldPath>
}

const fateOf = (
  key: ObjectKey,
  type: Drift["type"],
  firstSeen: number,
  { policy, now, memory }: Rules,
): Fate => {
  if (type === "conflict") {
    return policy.conflictPolicy === "git"
      ? { action: "healed" }
      : { action: "left", reason: "spec.conflictPolicy is live" }
  }
  if (policy.healPolicy !== "auto")
    return { action: "left", reason: `spec.healPolicy is ${policy.healPolicy}` }
  const graceEnds = firstSeen + Duration.toMillis(policy.healGracePeriod)
  if (graceEnds > now) return { action: "held", until: graceEnds, reason: "spec.healGracePeriod" }
  const { until } = contested(memory.heals.get(key) ?? [], now)
  return until !== undefined && until > now
    ? { action: "held", until, reason: "somebody takes it back after every heal" }
    : { action: "healed" }
}

type Found = Pick<Drift, "type" | "path" | "author">

/** One row: by what is remembered of it, and by break-glass before any policy. */
const rowOf = (key: ObjectKey, found: Found, rules: Rules, glass?: Glass): Drift => {
  const firstSeen = rules.memory.firstSeen.get(driftKey(key, found)) ?? rules.now
  const { type, path, author } = found
  return {
    type,
    ...(path === undefined ? {} : { path }),
    ...(author === undefined ? {} : { author }),
    firstSeen,
    ...(glass === undefined ? fateOf(key, type, firstSeen, rules) : { action: "held", ...glass }),
  }
}

export const isLeft = ({ action }: Drift): boolean => action !== "healed"

const foundOf = ({ path, author, isConflict }: Lost): Found => ({
  type: isConflict ? "conflict" : "manual_drift",
  ...(path.length === 0 ? {} : { path: formatPath(path) }),
  ...(author === undefined ? {} : { author }),
})

export const govern = (
  want: Want,
  { lost, added }: Assessment,
  rules: Rules,
  glass?: Glass,
): Governed => {
  const key = formatRef(want.ref)
  const disputed = lost.filter(({ agrees }) => !agrees)
  const fields = disputed.map((field) => ({ field, row: rowOf(key, foundOf(field), rules, glass) }))
  const extras = added.map(({ path, author }) => {
    const found = { type: "added", path: formatPath(path), author } as const
    return { path, row: rowOf(key, found, rules, glass) }
  })
  const held = fields.filter(({ row }) => isLeft(row)).map(({ field }) => field)
  return {
    drift: [...fields, ...extras].map(({ row }) => row),
    holds: held.some(({ path }) => path.length === 0) ? "all" : held.map((field) => field.at),
    takes: extras.filter(({ row }) => !isLeft(row)).map(({ path }) => path),
  }
}

/** Git changed an object that is gone, since it was applied: where nothing tells, it did not. */
export const hasMovedOn = (want: Want, { evidence }: Rules): boolean => {
  const last = evidence.lastApplied.get(formatRef(want.ref))
  return want.wasOther || (!want.appliedBefore && last !== undefined && last !== want.desired.json)
}

/** The object itself is gone. */
export const governDeleted = (want: Want, rules: Rules): Drift => {
  const key = formatRef(want.ref)
  const isConflict = hasMovedOn(want, rules) || wasDisputed(rules, driftKey(key, {}))
  return rowOf(key, { type: isConflict ? "conflict" : "deleted" }, rules)
}

/** The earliest moment at which one of these rows is decided anew. */
export const nextLook = (rows: ReadonlyArray<Drift>): number | undefined => {
  const times = rows.flatMap(({ until }) => until ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

const deed = ({ type, path, author }: Drift): string => {
  const who = author === undefined ? "somebody" : author.manager
  const what = type === "added" ? "added" : "changed"
  return `${who} ${what} ${path ?? "it"}`
}

/** `kubectl-edit changed spec.replicas (and 2 more)`. */
export const told = (rows: ReadonlyArray<Drift>): string => {
  const [first] = rows.filter(isLeft)
  const more = rows.filter(isLeft).length - 1
  return `${first === undefined ? "nothing" : deed(first)}${more > 0 ? ` (and ${more} more)` : ""}`
}
