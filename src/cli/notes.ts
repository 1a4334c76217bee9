/** What a dry run does not know, and a sync would: said below a diff. Pure. */
import { short, type View } from "./view.ts"
import { plural } from "./words.ts"

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
