/** GitRepository as a value: names, key, defaults, and the one decoder of what the API server sends. */
import { Duration, Option, Predicate, Result, Schema, SchemaIssue } from "effect"
import { ConfigError } from "./errors.ts"
import { CheckedSpec, type RepositorySpec } from "./spec.ts"
import { RepositoryStatus } from "./status.ts"

export const GROUP = "nopea.false.systems"
export const VERSION = "v1alpha1"
export const PLURAL = "gitrepositories"
export const KIND = "GitRepository"
/** How the API server is asked for them. */
export const GIT_REPOSITORIES = {
  group: GROUP,
  version: VERSION,
  kind: KIND,
  resource: PLURAL,
  namespaced: true,
  verbs: ["get", "list", "watch", "patch"],
} as const

/** Ask for a sync now; the value is free and comes back in `status.lastHandledReconcileAt`. */
export const ANNOTATION_RECONCILE = "nopea.io/reconcile-requested-at"
export const ANNOTATION_RECONCILE_FLUX = "reconcile.fluxcd.io/requestedAt"
/** Releases a held prune; the value is the full commit. */
export const ANNOTATION_APPROVE_PRUNE = "nopea.io/approve-prune"

const { optionalKey, String: Text } = Schema
const Texts = Schema.Record(Text, Text)

/** A label's value has at most 63 characters, and every applied object carries the name. */
export const MAX_NAME = 63

export const GitRepository = Schema.Struct({
  apiVersion: Schema.Literal(`${GROUP}/${VERSION}`),
  kind: Schema.Literal(KIND),
  metadata: Schema.Struct({
    name: Text.check(Schema.isMaxLength(MAX_NAME)),
    namespace: Text,
    uid: Text,
    resourceVersion: optionalKey(Text),
    generation: optionalKey(Schema.Int),
    labels: optionalKey(Texts),
    annotations: optionalKey(Texts),
    finalizers: optionalKey(Schema.Array(Text)),
    creationTimestamp: optionalKey(Text),
    deletionTimestamp: optionalKey(Text),
  }),
  spec: CheckedSpec,
  status: optionalKey(RepositoryStatus),
})
export interface GitRepository extends Schema.Schema.Type<typeof GitRepository> {}

/** `namespace/name`: the key of workers, cache tables and request budgets. */
export const keyOf = (repository: {
  readonly metadata: { readonly namespace: string; readonly name: string }
}): string => `${repository.metadata.namespace}/${repository.metadata.name}`

/** `spec.reconcileInterval`, else twice the interval. */
export const reconcileIntervalOf = (
  spec: Pick<RepositorySpec, "interval" | "reconcileInterval">,
): Duration.Duration => spec.reconcileInterval ?? Duration.times(spec.interval, 2)

export type PruneAllowance = { readonly count: number } | { readonly percent: number }

/** `spec.pruneLimit` as a number of objects or a percentage of the inventory. */
export const pruneAllowanceOf = (spec: Pick<RepositorySpec, "pruneLimit">): PruneAllowance =>
  typeof spec.pruneLimit === "number"
    ? { count: spec.pruneLimit }
    : { percent: Number(spec.pruneLimit.slice(0, -1)) }

const timeOf = (value: string): number => {
  const time = Date.parse(value)
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time
}

/** What asks for a sync now; of two annotations the one with the later time, else NOPEA's own. */
export const reconcileRequestOf = (repository: {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
}): string | undefined => {
  const own = repository.metadata.annotations?.[ANNOTATION_RECONCILE]
  const flux = repository.metadata.annotations?.[ANNOTATION_RECONCILE_FLUX]
  if (own === undefined || flux === undefined) return own ?? flux
  return timeOf(flux) > timeOf(own) ? flux : own
}

const field = (value: unknown, name: string): unknown =>
  Predicate.isObject(value) ? (value as Record<string, unknown>)[name] : undefined

const nameIn = (input: unknown): string => {
  const metadata = field(input, "metadata")
  const part = (name: string) => {
    const value = field(metadata, name)
    return typeof value === "string" ? value.slice(0, 253) : "?"
  }
  return `${part("namespace")}/${part("name")}`
}

const formatPath = (path: ReadonlyArray<unknown>): string =>
  path
    .map((part) => (typeof part === "object" && part !== null && "key" in part ? part.key : part))
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./u, "")

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const problemsOf = (issue: SchemaIssue.Issue): string =>
  formatIssues(issue)
    .issues.map(({ path, message }) => `${formatPath(path ?? [])}: ${message}`)
    .join("; ")

/**
 * A status of another version must not stop a repository: what can be read of it is kept, field by field,
 * and the rest is written anew.
 */
export const readableStatus = (status: unknown): RepositoryStatus => {
  const kept = Object.entries(RepositoryStatus.fields).flatMap(([name, schema]) => {
    const found = Schema.decodeUnknownOption(schema as unknown as Schema.Codec<unknown>)(
      field(status, name),
    )
    return Option.isSome(found) ? [[name, found.value]] : []
  })
  return Object.fromEntries(kept) as RepositoryStatus
}

const decode = Schema.decodeUnknownResult(GitRepository, { errors: "all" })

/** Lists every problem with its path, and never a value: somebody may have put a secret there. */
export const decodeRepository = (input: unknown): Result.Result<GitRepository, ConfigError> => {
  const status = field(input, "status")
  const readable = Predicate.isObject(status)
    ? { ...(input as object), status: readableStatus(status) }
    : input
  return Result.mapError(
    decode(readable),
    (error) =>
      new ConfigError({
        code: "NOPEA-C001",
        operation: "read GitRepository",
        subject: nameIn(input),
        reason: problemsOf(error.issue),
        fix: "correct the fields that are named; `kubectl explain gitrepository.spec` tells what each one takes",
        disposition: "stall",
      }),
  )
}
