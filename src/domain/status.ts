/** What a GitRepository's status tells; written by the controller alone. */
import { Schema } from "effect"

/** Keeps arrays of the status within what etcd and `kubectl describe` can bear. */
export const MAX_LISTED = 50
export const MAX_PLANNED = 100
export const MAX_HISTORY = 10

const { optionalKey, String: Text, Int } = Schema

const text = (description: string) => optionalKey(Text.annotate({ description }))
const number = (description: string) => optionalKey(Int.annotate({ description }))
const time = (description: string) =>
  optionalKey(Text.annotate({ description, format: "date-time" }))
const list = <S extends Schema.Top>(description: string, row: S) =>
  optionalKey(Schema.Array(row).annotate({ description }))

const Phase = Schema.Literals(["Pending", "Syncing", "Synced", "Failed", "Drifted", "Suspended"])
export type Phase = typeof Phase.Type

/** In the order of `status.conditions`. */
const CONDITIONS = ["Ready", "Drifted", "Healthy", "Reconciling", "Stalled"] as const
export type ConditionType = (typeof CONDITIONS)[number]

const ConditionEntry = Schema.Struct({
  type: Schema.Literals(CONDITIONS).annotate({ description: "What it is about." }),
  status: Schema.Literals(["True", "False", "Unknown"]).annotate({
    description: "Whether it is so.",
  }),
  reason: Text.annotate({ description: "One word for machines, such as `Succeeded`." }),
  message: Text.annotate({ description: "A sentence for people." }),
  lastTransitionTime: Text.annotate({
    description: "When the status of the condition changed last.",
    format: "date-time",
  }),
  observedGeneration: number("The generation of the spec that it is about."),
})
export interface Condition extends Schema.Schema.Type<typeof ConditionEntry> {}

const CommitEntry = Schema.Struct({
  sha: Text.annotate({ description: "Full id." }),
  message: Text.annotate({ description: "First line of the commit message." }),
  author: Text.annotate({ description: "E-mail address of the author." }),
  time: Text.annotate({ description: "When it was committed.", format: "date-time" }),
})

const DriftEntry = Schema.Struct({
  object: Text.annotate({ description: "group/Kind/namespace/name" }),
  type: Schema.Literals(["manual_drift", "conflict", "added", "deleted"]).annotate({
    description:
      "`manual_drift`: a field of Git was changed; `conflict`: and Git changed it too; `added`: Git does not say it; `deleted`: the object is gone.",
  }),
  path: text("The field; absent where it is the object as a whole."),
  manager: text("Field manager that took the field: who changed it."),
  operation: text("`Update` or `Apply`."),
  subresource: text("Through which subresource it was changed."),
  time: time("When it was changed, as the cluster says."),
  firstSeen: Text.annotate({ description: "When it was noticed.", format: "date-time" }),
  action: Schema.Literals(["healed", "held", "left"]).annotate({
    description:
      "What becomes of it: `held` (grace period, break-glass, or healing failed), `left` (policy), `healed`.",
  }),
  until: time("When healing goes on."),
  reason: text("Why it is held or left."),
})
export interface DriftEntry extends Schema.Schema.Type<typeof DriftEntry> {}

const FailureEntry = Schema.Struct({
  code: Text.annotate({ description: "Stable code, such as NOPEA-A004." }),
  object: text("group/Kind/namespace/name"),
  file: text("File in the repository."),
  document: number("Which document of the file, from 1."),
  line: number("Line in the file, from 1."),
  reason: Text.annotate({ description: "What failed, and why." }),
  fix: Text.annotate({ description: "What to do about it." }),
})
export interface FailureEntry extends Schema.Schema.Type<typeof FailureEntry> {}

const DelegatedEntry = Schema.Struct({
  deployment: Text.annotate({ description: "group/Kind/namespace/name" }),
  rollout: Text.annotate({ description: "group/Kind/namespace/name" }),
  inGit: Schema.Boolean.annotate({
    description:
      "Whether the Rollout is in Git too; else field manager `nopea-rollout` patches it.",
  }),
})
/** By `spec.rolloutRef`: whose pod template goes into which Rollout. */
export interface Delegated extends Schema.Schema.Type<typeof DelegatedEntry> {}

const PlanEntry = Schema.Struct({
  object: Text.annotate({ description: "group/Kind/namespace/name" }),
  action: Text.annotate({
    description:
      "What would be done: `created`, `configured`, `healed`, `deleted`; or why nothing would be: `skipped`, `held`, `failed`, `waiting`.",
  }),
  paths: list("Not filled yet.", Text),
})

const RollbackEntry = Schema.Struct({
  from: Text.annotate({ description: "Full id of the commit that Git has, and that was left." }),
  to: Text.annotate({ description: "Full id of the commit that is applied instead." }),
})

const HistoryEntry = Schema.Struct({
  commit: text("Full id; absent where Git could not be asked."),
  rolledBackFrom: text("The commit that Git had, where it was rolled back."),
  trigger: Text.annotate({ description: "Why the sync ran." }),
  phase: Phase.annotate({ description: "What it came to." }),
  startedAt: Text.annotate({ description: "When it began.", format: "date-time" }),
  duration: Text.annotate({ description: "Such as 0.21s." }),
  created: Int.annotate({ description: "Objects that were created." }),
  configured: Int.annotate({ description: "Objects that were changed." }),
  pruned: Int.annotate({ description: "Objects that were deleted." }),
  healed: Int.annotate({ description: "Objects that were put back." }),
  failed: Int.annotate({ description: "Objects and files that failed." }),
  syncId: Text.annotate({ description: "Also in logs and events." }),
})
export interface HistoryEntry extends Schema.Schema.Type<typeof HistoryEntry> {}

export const RepositoryStatus = Schema.Struct({
  phase: optionalKey(
    Phase.annotate({
      description:
        "In one word: Pending (nothing synced yet, waits for dependsOn, or a dry run would write), Syncing (also while wait awaits health), Synced, Failed (all or a part), Drifted (somebody changed the cluster), Suspended.",
    }),
  ),
  observedGeneration: number("The generation of the spec that this status is about."),
  lastSyncedCommit: text("The last commit that was applied whole."),
  lastSyncedGeneration: number("The generation of the spec that it was applied under."),
  lastAttemptedCommit: text("The last commit that a sync tried."),
  lastSyncTime: time("When a sync last did something."),
  commit: optionalKey(CommitEntry.annotate({ description: "The commit last tried." })),
  rollback: optionalKey(
    RollbackEntry.annotate({
      description: "In force: the next commit other than `from` is followed again.",
    }),
  ),
  inventoryKinds: list("Kinds of objects held, as group/Kind.", Text),
  resourceCount: number("Objects in Git."),
  appliedCount: number("Those of them that are in the cluster as Git says."),
  driftedCount: number("Objects that somebody changed in the cluster."),
  suspendedCount: number("Objects whose healing is suspended by annotation."),
  delegated: optionalKey(
    DelegatedEntry.annotate({
      description:
        "With rolloutRef: the Deployment that is left to KULTA, and the Rollout that has its pod template.",
    }),
  ),
  drift: list("Who changed what; the first 50.", DriftEntry),
  failures: list("What failed, and the fix; the first 50.", FailureEntry),
  plan: list("With dryRun: what would be done.", PlanEntry),
  history: list("The last 10 syncs, newest first.", HistoryEntry),
  lastHandledReconcileAt: text("Value of the last request annotation that was answered."),
  summary: optionalKey(
    Schema.Struct({
      commit: text("First characters of the commit last synced, else of the one last tried."),
      resources: text("appliedCount/resourceCount"),
    }).annotate({ description: "What the columns of `kubectl get` show." }),
  ),
  conditions: optionalKey(
    Schema.Array(ConditionEntry).annotate({
      description: "Ready, Reconciling, Stalled, Drifted and Healthy, as kstatus reads them.",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
    }),
  ),
})
export interface RepositoryStatus extends Schema.Schema.Type<typeof RepositoryStatus> {}

export const conditionOf = (
  { conditions }: RepositoryStatus,
  type: ConditionType,
): Condition | undefined => conditions?.find((condition) => condition.type === type)

/** Conditions to set, and (`undefined`) to remove: kstatus wants `Reconciling` and `Stalled` absent, not `False`. */
export type ConditionNews = Readonly<
  Partial<Record<ConditionType, Pick<Condition, "status" | "reason" | "message"> | undefined>>
>

/** The generation of the spec that the news are about, and when they came: milliseconds since the epoch. */
export interface Moment {
  readonly generation: number
  readonly now: number
}

/** RFC 3339, in seconds. */
export const timeText = (millis: number): string =>
  new Date(millis).toISOString().replace(/\.\d{3}Z$/u, "Z")

/** The other conditions stay as they are; the transition time moves only with the condition's status. */
export const withConditions = (
  status: RepositoryStatus,
  news: ConditionNews,
  { generation: observedGeneration, now }: Moment,
): RepositoryStatus => {
  const conditions = CONDITIONS.flatMap((type): ReadonlyArray<Condition> => {
    const before = conditionOf(status, type)
    if (!(type in news)) return before === undefined ? [] : [before]
    const told = news[type]
    if (told === undefined) return []
    const isSame = before?.status === told.status
    const lastTransitionTime = isSame ? before.lastTransitionTime : timeText(now)
    return [{ type, ...told, lastTransitionTime, observedGeneration }]
  })
  return { ...status, conditions }
}
