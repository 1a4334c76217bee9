/** Where each desired object belongs: its kind's scope, its namespace, its hash; and what has no place yet. Pure. */
import type { Redacted } from "effect"
import type { Change } from "../domain/change.ts"
import {
  type DesiredObject,
  formatGroupKind,
  formatRef,
  type ObjectKey,
  type ObjectRef,
} from "../domain/object.ts"
import { atOnce, type Parts } from "../domain/parts.ts"
import type { Delegated } from "../domain/status.ts"
import { driftKey } from "./evidence.ts"
import { kindNotServed, notAppliable } from "./failures.ts"
import type { Location } from "./fields.ts"
import { ignoredIn } from "./ignore.ts"
import { parseObject } from "./json.ts"
import { type Definition, definitionsOf, isUnreadable, type ServedKinds } from "./kinds.ts"
import { type Delegation, delegate } from "./rollout.ts"
import { hashOf, stampWarnings } from "./stamp.ts"
import type { Rules, Want } from "./step.ts"

export interface PlaceInput {
  readonly rules: Rules
  readonly desired: ReadonlyArray<DesiredObject>
  readonly kinds: ServedKinds
  /** What was applied last, by object: value of `nopea.io/applied`. */
  readonly applied: ReadonlyMap<ObjectKey, string>
  /** This commit was applied whole before, under this very spec: whatever is absent was deleted. */
  readonly settled: boolean
  /** What was delegated until now, as the status says. */
  readonly formerly?: Delegated | undefined
  readonly hashKey: Redacted.Redacted<Uint8Array>
}

interface Placement {
  readonly namespaced: boolean
  readonly definedBy?: string
}

const waiting = (desired: DesiredObject, kinds: ServedKinds): Change => {
  const { ref, source } = desired
  const other = kinds.find(ref)?.version
  const unreadable = isUnreadable(kinds.incomplete, ref.group)
  return {
    ref,
    action: "waiting",
    failure: kindNotServed({ ref, source }, other, unreadable),
  }
}

const place = (
  desired: DesiredObject,
  kinds: ServedKinds,
  definitions: ReadonlyMap<string, Definition>,
): Placement | Change => {
  const { ref, source } = desired
  const served = kinds.find(ref, ref.version)
  if (served?.verbs.includes("patch") === false) {
    return { ref, action: "failed", failure: notAppliable({ ref, source }) }
  }
  if (served !== undefined) return served
  const definition = definitions.get(formatGroupKind(ref))
  return definition?.versions.includes(ref.version)
    ? { namespaced: definition.namespaced, definedBy: definition.name }
    : waiting(desired, kinds)
}

const NONE: ReadonlyArray<Location> = []

const wantOf = (desired: DesiredObject, placement: Placement, input: PlaceInput): Want => {
  const { owner, policy } = input.rules
  const fallback = policy.targetNamespace ?? owner.namespace
  const namespace = placement.namespaced ? desired.ref.namespace || fallback : ""
  const ref: ObjectRef = { ...desired.ref, namespace }
  const rules = policy.ignore ?? []
  const ignored = rules.length === 0 ? NONE : ignoredIn(rules, ref, parseObject(desired.json))
  const hash = hashOf({ desired, namespace, owner, hashKey: input.hashKey, ignored })
  const key = formatRef(ref)
  const applied = input.applied.get(key)
  const appliedBefore = input.settled || applied === hash
  const isMissed = input.rules.memory.firstSeen.has(driftKey(key, {}))
  const { definedBy } = placement
  return {
    ref,
    marks: desired.marks,
    desired,
    hash,
    appliedBefore,
    isKnown: appliedBefore || applied !== undefined || isMissed,
    wasOther: !appliedBefore && applied !== undefined,
    ignored,
    ...(definedBy === undefined ? {} : { definedBy }),
  }
}

export interface Placed {
  /** With what goes into a Rollout that is not in Git. */
  readonly wants: ReadonlyMap<ObjectKey, ReadonlyArray<Want>>
  /** What `spec.rolloutRef` delegates. */
  readonly delegated?: Delegated
  /** What is delegated, or fails to be. */
  readonly delegations: ReadonlyArray<Change>
  readonly unplaced: ReadonlyArray<Change>
  readonly warnings: ReadonlyArray<string>
}

const NO_ROLLOUT = { changes: [], warnings: [] } as const

const delegationIn = ({ desired, rules: { owner, policy } }: PlaceInput): Delegation => {
  const { rolloutRef, targetNamespace } = policy
  if (rolloutRef === undefined) return { ...NO_ROLLOUT, desired }
  const namespace = targetNamespace ?? owner.namespace
  return delegate({ desired, name: rolloutRef.name, namespace })
}

/** No longer delegated, or no longer filled: it is applied once as Git writes it, and then as any other object. */
const isBack = (
  { ref, hash }: Want,
  { formerly: before, applied }: PlaceInput,
  now: Delegated | undefined,
): boolean => {
  const key = formatRef(ref)
  const isOut = key === before?.deployment || (key === before?.rollout && key !== now?.rollout)
  return isOut && applied.get(key) !== hash
}

const unservedGroups = ({ desired, kinds }: PlaceInput): ReadonlySet<string> =>
  new Set(desired.filter((d) => !kinds.find(d.ref, d.ref.version)).map((d) => d.ref.group))

/** Objects between two rests: each is hashed. */
const PART = 200

/** Fills in or takes away each namespace; objects that name the same place stand together. */
export const placing = function* (input: PlaceInput): Parts<Placed> {
  const { desired: applied, lent, to, changes, ...delegation } = delegationIn(input)
  const all = lent === undefined ? applied : [...applied, lent]
  const definitions = definitionsOf(all, unservedGroups({ ...input, desired: all }))
  const wants = new Map<ObjectKey, Array<Want>>()
  const unplaced: Array<Change> = []
  const warnings: Array<string> = [...delegation.warnings]
  for (const [at, desired] of all.entries()) {
    if (at % PART === PART - 1) yield
    const placement = place(desired, input.kinds, definitions)
    if ("action" in placement) {
      unplaced.push(placement)
      continue
    }
    warnings.push(...stampWarnings(desired, placement.namespaced))
    const plain = wantOf(desired, placement, input)
    const key = formatRef(plain.ref)
    const want: Want = {
      ...plain,
      ...(desired === lent ? { lent: true } : {}),
      ...(desired !== lent && isBack(plain, input, to) ? { returns: true } : {}),
    }
    const same = wants.get(key)
    if (same === undefined) wants.set(key, [want])
    else same.push(want)
  }
  const delegated = to === undefined ? {} : { delegated: to }
  return { wants, unplaced, warnings, delegations: changes, ...delegated }
}

export const placeAll = (input: PlaceInput): Placed => atOnce(placing(input))
