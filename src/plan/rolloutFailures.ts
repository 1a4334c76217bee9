/** The failures and notes of `spec.rolloutRef`. */
import type { Failure } from "../domain/errors.ts"
import { type DesiredObject, formatRef, type ObjectRef } from "../domain/object.ts"
import { build, position, type Subject } from "./failures.ts"
import type { Owner } from "./live.ts"

const named = ({ ref, source }: DesiredObject): string => `${ref.name} in ${position(source)}`

export const severalDeployments = (
  subject: Subject,
  deployments: ReadonlyArray<DesiredObject>,
): Failure =>
  build("NOPEA-A061", "stall")(
    subject,
    `spec.rolloutRef takes one Deployment, and Git has ${deployments.length}: ${deployments.map(named).join("; ")}`,
    "let each GitRepository with a rolloutRef have one Deployment: split its directory, or remove spec.rolloutRef",
  )

export const noDeployment = (subject: Subject): Failure =>
  build("NOPEA-A062", "stall")(
    subject,
    "spec.rolloutRef takes the pod template of a Deployment, and Git has none",
    "commit the Deployment, or remove spec.rolloutRef; the Rollout is left as it is meanwhile",
  )

export const noTemplate = (subject: Subject): Failure =>
  build("NOPEA-A062", "stall")(
    subject,
    "spec.rolloutRef takes the pod template of the Deployment, and it has no spec.template",
    "give the Deployment its spec.template; the Rollout is left as it is meanwhile",
  )

export const rolloutAbsent = (subject: Subject): Failure =>
  build("NOPEA-A063", "wait")(
    subject,
    "spec.rolloutRef names this Rollout: it is not in Git, and it does not exist in the cluster",
    "create it, or commit it beside the Deployment; it is tried again by itself",
  )

export const templateOfOther = (subject: Subject, owner: Owner | undefined): Failure =>
  build("NOPEA-A064", "wait")(
    subject,
    `the Git of ${owner === undefined ? "another GitRepository" : `GitRepository ${owner.namespace}/${owner.name}`} gives this Rollout its pod template`,
    "take spec.template out of the Rollout there, or remove spec.rolloutRef here",
  )

export const delegatedTo = (subject: Subject, rollout: ObjectRef): Failure =>
  build("NOPEA-A065", "stall")(
    subject,
    `it is delegated: its pod template goes into ${formatRef(rollout)}`,
    "nothing; to have it applied again, remove spec.rolloutRef",
  )
