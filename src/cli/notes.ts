/** What is said below a diff: what failed, its sum, and what a sync knows and a dry run does not. Pure. */
import type { Failure, KubeError } from "../domain/errors.ts"
import { formatRef, type ObjectRef } from "../domain/object.ts"
import { objectText } from "./lists.ts"
import { short, type View } from "./view.ts"
import { plain, plural } from "./words.ts"

/** `owner`: the GitRepository whose objects were compared. */
export const notesOf = (owner: View | undefined): ReadonlyArray<string> => {
  if (owner === undefined) return []
  const { name, namespace, spec, status } = owner
  const { driftedCount = 0, suspendedCount = 0, rollback } = status
  return [
    ...(driftedCount > 0
      ? [
          `what drifted is among it, also where a policy leaves it: nopea drift ${name} -n ${namespace}`,
        ]
      : []),
    ...(suspendedCount > 0
      ? [`healing is suspended on ${plural(suspendedCount, "object")}: nothing is written there`]
      : []),
    ...(rollback === undefined
      ? []
      : [`it is rolled back from ${short(rollback.from)} to ${short(rollback.to)}`]),
    ...(spec["suspend"] === true ? ["it is suspended: nothing is applied until nopea resume"] : []),
    ...(spec["dryRun"] === true ? ["spec.dryRun is true: nothing is applied"] : []),
  ]
}

export type Verdict = "unchanged" | "created" | "changed" | "deleted" | "failed"

/** Of one object. */
export interface Finding {
  readonly verdict: Verdict
  readonly text: string
  readonly message?: string
}

/** What keeps one object from being compared, as text for stderr. */
export const failure = (place: string, code: string, reason: string, fix: string): Finding => ({
  verdict: "failed",
  text: "",
  message: `error: ${code} ${plain(place)}: ${plain(reason)}\n  fix: ${plain(fix)}`,
})

export const refusal = (ref: ObjectRef, { code, reason, fix }: KubeError): Finding =>
  failure(objectText(formatRef(ref)), code, reason, fix)

/** Of a file that cannot be read as objects. */
export const renderFailure = ({ code, file, line, object, reason, fix }: Failure): Finding => {
  const place = [object, file, line === undefined ? undefined : `line ${line}`]
  return failure(place.filter((part) => part !== undefined).join(", "), code, reason, fix)
}

export const summary = (findings: ReadonlyArray<{ readonly verdict: Verdict }>): string => {
  const count = (verdict: Verdict) => findings.filter((one) => one.verdict === verdict).length
  const told = (["created", "changed", "deleted", "failed", "unchanged"] as const)
    .filter((verdict) => count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`)
  return `${plural(findings.length, "object")}${told.length > 0 ? `: ${told.join(", ")}` : ""}`
}

/** Where objects that left Git were looked for, if not everywhere. */
export const listedIn = (where: {
  readonly namespace: string
  readonly partly: ReadonlySet<string>
}): ReadonlyArray<string> =>
  where.partly.size === 0
    ? []
    : [
        `${[...where.partly].join(", ")} that left Git were looked for in namespace ${where.namespace} only: you may not list those of all`,
      ]
