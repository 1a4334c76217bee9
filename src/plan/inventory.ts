/** What is ours in the cluster, what of it left Git, and what may be deleted of that. */
import type { Change } from "../domain/change.ts"
import { formatGroupKind, formatRef, type ObjectKey, parseGroupKind } from "../domain/object.ts"
import { pruneAllowanceOf } from "../domain/repository.ts"
import { leftAlone } from "./decide.ts"
import {
  handedOver,
  notAnswered,
  optedOut,
  pruneAfterFailure,
  pruneOverLimit,
  pruneProtected,
} from "./failures.ts"
import { isSameOwner, type LiveObject, type Owner } from "./live.ts"
import { pruneStages } from "./order.ts"
import type { Policy, Rules } from "./step.ts"

/** Their deletion takes other things with it, so they go only on request. */
const PROTECTED: ReadonlySet<string> = new Set([
  "/Namespace",
  "/PersistentVolume",
  "/PersistentVolumeClaim",
  "apiextensions.k8s.io/CustomResourceDefinition",
])

/** Labels alone prove nothing: operators copy them to children. */
export const isOurs = (live: LiveObject, owner: Owner): boolean =>
  live.owner !== undefined && isSameOwner(live.owner, owner) && live.proven && !live.controlled

const DISABLED = ["nopea.io/prune", "kustomize.toolkit.fluxcd.io/prune"] as const

const keepAnnotation = (marks: LiveObject["marks"]): string | undefined => {
  const found = DISABLED.find((key) => marks[key]?.trim().toLowerCase() === "disabled")
  if (found !== undefined) return `${found}: disabled`
  const options = (marks["argocd.argoproj.io/sync-options"] ?? "").split(",").map((o) => o.trim())
  const option = options.find((o) => /^Prune=(false|confirm)$/u.test(o))
  return option === undefined ? undefined : `argocd.argoproj.io/sync-options: ${option}`
}

/** Why an object of ours that left Git stays; `undefined`: it may be deleted. */
export const keptBack = (live: LiveObject, now: number): Change | undefined => {
  const subject = { ref: live.ref }
  const annotation = keepAnnotation(live.marks)
  if (annotation !== undefined) {
    return { ref: live.ref, action: "skipped", note: optedOut(subject, annotation) }
  }
  if (PROTECTED.has(formatGroupKind(live.ref)) && live.marks["nopea.io/prune"] !== "enabled") {
    return { ref: live.ref, action: "skipped", note: pruneProtected(subject) }
  }
  return leftAlone(live, subject, now)
}

/** An object of ours that left Git, while another GitRepository has it: it takes it over. */
export const passedOn = ({ ref }: LiveObject, { others }: Rules): Change | undefined => {
  const to = others.wantedBy(formatRef(ref))
  return to === undefined ? undefined : { ref, action: "skipped", note: handedOver({ ref }, to) }
}

/** Asked the safe way round: a limit that is not a number allows nothing. */
const isOver = (policy: Policy, prune: number, inventory: number): boolean => {
  const allowed = pruneAllowanceOf(policy)
  if ("count" in allowed) return !(prune <= allowed.count)
  return prune > 3 && !(prune <= (inventory * allowed.percent) / 100)
}

export interface PruneInput {
  readonly live: ReadonlyMap<ObjectKey, LiveObject>
  /** Kinds that were not listed whole. */
  readonly unknown: ReadonlySet<string>
  readonly desired: ReadonlySet<ObjectKey>
  readonly rules: Rules
  /** The full commit, and what `nopea.io/approve-prune` says. */
  readonly commit: string
  readonly approved: string | undefined
}

export interface PruneSet {
  /** Ready to delete, in order. */
  readonly stages: ReadonlyArray<ReadonlyArray<LiveObject>>
  /** What left Git and stays, each with its reason. */
  readonly kept: ReadonlyArray<Change>
  /** What would go, were there no limit. */
  readonly leaving: ReadonlyArray<LiveObject>
}

export const NO_PRUNE: PruneSet = { stages: [], kept: [], leaving: [] }

/** Everything of ours that left Git. Never what was not proven ours, never a kind that was not listed whole. */
const leftGit = ({ live, unknown, desired, rules }: PruneInput): ReadonlyArray<LiveObject> =>
  [...live.values()].filter(
    (o) =>
      isOurs(o, rules.owner) &&
      !o.terminating &&
      !desired.has(formatRef(o.ref)) &&
      !unknown.has(formatGroupKind(o.ref)),
  )

export const pruneSet = (input: PruneInput): PruneSet => {
  const { rules, live, commit } = input
  if (!rules.policy.prune) return NO_PRUNE
  const kept: Array<Change> = []
  const free: Array<LiveObject> = []
  for (const object of leftGit(input)) {
    const reason = passedOn(object, rules) ?? keptBack(object, rules.now)
    if (reason === undefined) free.push(object)
    else kept.push(reason)
  }
  const inventory = [...live.values()].filter((o) => isOurs(o, rules.owner)).length
  const { pruneLimit: limit } = rules.policy
  const isApproved = input.approved !== undefined && input.approved.trim() === commit
  if (isApproved || !isOver(rules.policy, free.length, inventory)) {
    return { stages: pruneStages(free), kept, leaving: free }
  }
  const over = { limit, prune: free.length, inventory }
  const held = free.map(({ ref }): Change => {
    const note = pruneOverLimit({ ref }, over, { owner: rules.owner, commit })
    return { ref, action: "held", note }
  })
  return { stages: [], kept: [...kept, ...held], leaving: free }
}

/** Deletions that wait until everything desired is as Git says. */
export const postponed = (stages: PruneSet["stages"]): ReadonlyArray<Change> =>
  stages.flat().map(({ ref }) => ({ ref, action: "held", note: pruneAfterFailure({ ref }) }))

/** Deletions that wait until others have said what they want. */
export const unanswered = (leaving: PruneSet["leaving"]): ReadonlyArray<Change> =>
  leaving.map(({ ref }) => ({ ref, action: "waiting", failure: notAnswered({ ref }) }))

export interface TrackInput {
  readonly owner: Owner
  /** `status.inventoryKinds`. */
  readonly previous: ReadonlyArray<string>
  readonly unknown: ReadonlySet<string>
  readonly live: ReadonlyMap<ObjectKey, LiveObject>
  readonly deleted: ReadonlySet<ObjectKey>
  /** Kinds of what this sync wrote, or tried to. */
  readonly written: Iterable<string>
}

/** The kinds to list from now on: one is dropped only where a whole list shows nothing of ours any more. */
export const trackedKinds = (input: TrackInput): ReadonlyArray<string> => {
  const held = [...input.live.entries()].filter(
    ([key, o]) => isOurs(o, input.owner) && !input.deleted.has(key),
  )
  return [
    ...new Set([
      ...input.previous.filter((kind) => input.unknown.has(formatGroupKind(parseGroupKind(kind)))),
      ...held.map(([, o]) => formatGroupKind(o.ref)),
      ...input.written,
    ]),
  ].sort()
}
