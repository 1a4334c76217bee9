/** Every failure and note that planning and applying can put on an object, by code. */
import type { Drift } from "../domain/drift.ts"
import type { Disposition, Failure, KubeError } from "../domain/errors.ts"
import {
  type DesiredObject,
  formatApiVersion,
  formatRef,
  type ObjectRef,
  type SourcePosition,
} from "../domain/object.ts"
import { timeText } from "../domain/status.ts"
import type { Owner } from "./live.ts"

/** The object a failure is about, and where Git says it. */
export interface Subject {
  readonly ref: ObjectRef
  readonly source?: SourcePosition
}

/** A failure with this code and disposition. */
export const build =
  (
    code: string,
    disposition: Disposition,
  ): ((subject: Subject, reason: string, fix: string) => Failure) =>
  (subject, reason, fix) => ({
    code,
    reason,
    fix,
    disposition,
    object: formatRef(subject.ref),
    ...subject.source,
  })

export const position = ({ file, document, line }: SourcePosition): string =>
  `${file} (document ${document}, line ${line})`

export const kindNotServed = (
  subject: Subject,
  served: string | undefined,
  unreadable: boolean,
): Failure => {
  const { ref } = subject
  const reason = `the API server does not serve ${ref.kind} in ${formatApiVersion(ref)}`
  if (served !== undefined) {
    const fix = `use apiVersion ${formatApiVersion({ group: ref.group, version: served })}, or install what serves this version`
    return build("NOPEA-A040", "wait")(subject, reason, fix)
  }
  return build("NOPEA-A040", "wait")(
    subject,
    unreadable ? `${reason} as far as can be seen: its group cannot be read now` : reason,
    "install its CustomResourceDefinition (or the operator that brings it), or correct apiVersion and kind; it is tried again by itself",
  )
}

export const claimedTwice = (desired: ReadonlyArray<DesiredObject>, ref: ObjectRef): Failure =>
  build("NOPEA-A041", "stall")(
    { ref, ...(desired[0] === undefined ? {} : { source: desired[0].source }) },
    `${formatRef(ref)} is defined more than once: ${desired.map((d) => position(d.source)).join(" and ")}`,
    "keep one of them, or give one another name or namespace",
  )

/** Of an object that another GitRepository has. */
export const CODE_OWNED = "NOPEA-A042"

export const ownedByRepository = (subject: Subject, owner: Owner, us: Owner): Failure =>
  build(CODE_OWNED, "wait")(
    subject,
    `it belongs to GitRepository ${owner.namespace}/${owner.name}; ${us.namespace}/${us.name} may not take it`,
    "remove it from one of the two repositories: once the other one does not have it in Git, it is taken over without being deleted",
  )

export const handedOver = (subject: Subject, to: string): Failure =>
  build("NOPEA-A047", "wait")(
    subject,
    `it left Git and is not deleted: GitRepository ${to} has it in Git and takes it over`,
    "nothing; if it is to be deleted, remove it there too",
  )

export const notAnswered = (subject: Subject): Failure =>
  build("NOPEA-A048", "wait")(
    subject,
    "it left Git and is not deleted yet: other GitRepositories that may want it are still looking into their Git",
    "nothing: it is tried again by itself; if it lasts, see which GitRepository is slow to sync",
  )

export const ownedByTool = (subject: Subject, tool: string): Failure =>
  build("NOPEA-A043", "stall")(
    subject,
    `it exists already and belongs to ${tool}`,
    "stop the other tool from managing it and remove its labels, or set spec.adopt: Always",
  )

export const ownedByController = (subject: Subject): Failure =>
  build("NOPEA-A044", "stall")(
    subject,
    "it exists already as the child of another object (a controller ownerReference)",
    "give the object in Git another name, or remove it from Git",
  )

export const mayNotAdopt = (subject: Subject): Failure =>
  build("NOPEA-A045", "stall")(
    subject,
    "it exists already and spec.adopt is Never",
    "set spec.adopt: Plain, or delete the live object",
  )

export const beingDeleted = (subject: Subject): Failure =>
  build("NOPEA-A046", "wait")(
    subject,
    "the live object is being deleted; it is created again once it is gone",
    "if it stays, look at its metadata.finalizers",
  )

export const definitionNotReady = (subject: Subject, definition: string): Failure =>
  build("NOPEA-A049", "wait")(
    subject,
    `CustomResourceDefinition ${definition} of this commit is not established`,
    "see that object's own failure or conditions; this one follows by itself",
  )

export const pruneOverLimit = (
  subject: Subject,
  over: { readonly limit: number | string; readonly prune: number; readonly inventory: number },
  approve: { readonly owner: Owner; readonly commit: string },
): Failure =>
  build("NOPEA-A050", "wait")(
    subject,
    `${over.prune} of ${over.inventory} objects left Git, more than spec.pruneLimit ${over.limit} allows: nothing is deleted`,
    `bring them back to Git, or approve: kubectl annotate gitrepositories.nopea.false.systems -n ${approve.owner.namespace} ${approve.owner.name} --overwrite nopea.io/approve-prune=${approve.commit}`,
  )

export const pruneAfterFailure = (subject: Subject): Failure =>
  build("NOPEA-A051", "wait")(
    subject,
    "it left Git and is not deleted while other objects fail or wait",
    "see the other failures; it is deleted once everything else is applied",
  )

export const pruneProtected = (subject: Subject): Failure =>
  build("NOPEA-A052", "stall")(
    subject,
    `it left Git and is kept: a ${subject.ref.kind} is deleted only on request`,
    "annotate the live object with nopea.io/prune: enabled, or delete it yourself",
  )

export const BREAK_GLASS = "NOPEA-A053"
export const brokenGlass = (subject: Subject, until: string, reason: string | undefined): Failure =>
  build(BREAK_GLASS, "wait")(
    subject,
    `nopea.io/suspend-heal (${until}) is set on the live object${reason === undefined ? "" : `: ${reason}`}`,
    "remove the annotation from the live object when the work is done",
  )

export const optedOut = (subject: Subject, annotation: string): Failure =>
  build("NOPEA-A054", "stall")(
    subject,
    `it is left alone because of ${annotation}`,
    "remove the annotation to have it managed again",
  )

export const notHealed = (subject: Subject, what: string, drift: ReadonlyArray<Drift>): Failure => {
  const left = drift.find(({ action }) => action !== "healed")
  const { reason = "it is left so", until } = left ?? {}
  const fix =
    until === undefined
      ? "put it back yourself, take it into Git, or set spec.healPolicy: auto and spec.conflictPolicy: git"
      : `it is put back after ${timeText(until)}; take it into Git before that to keep it`
  return build("NOPEA-A055", "stall")(subject, `${what}; ${reason}`, fix)
}

export const notTold = (subject: Subject, failure: Failure): Failure =>
  build("NOPEA-D001", "stall")(
    subject,
    `something of it may have changed, and a dry-run apply that would tell was refused: ${failure.reason}`,
    `nothing is healed on a guess: compare the object with Git yourself, or let dry runs pass; ${failure.fix}`,
  )

export const keepsChanging = (subject: Subject, last: string): Failure =>
  build("NOPEA-A056", "retry")(
    subject,
    `it changed under every attempt to write it: ${last}`,
    "find out who else writes it; it is tried again by itself",
  )

export const notAppliable = (subject: Subject): Failure =>
  build("NOPEA-A057", "stall")(
    subject,
    `${subject.ref.kind} is a request, not an object that is kept: it cannot be applied`,
    "remove it from Git",
  )

export const noLongerOurs = (subject: Subject): Failure =>
  build("NOPEA-A058", "stall")(
    subject,
    "it left Git, and since the plan was made it is no longer ours",
    "nothing, if somebody took it over on purpose",
  )

/** Kinds whose deletion takes data or other objects along. */
export const neverRecreated = (subject: Subject, error: KubeError): Failure =>
  build(error.code, error.disposition)(
    subject,
    `${error.reason}; spec.force does not recreate a ${subject.ref.kind}`,
    "rename the object, or delete it yourself when what it holds may go",
  )

export const keptFromRecreation = (subject: Subject, error: KubeError, why: string): Failure =>
  build(error.code, error.disposition)(
    subject,
    `${error.reason}; spec.force does not recreate it: ${why}`,
    "remove what keeps it, or rename the object",
  )

/** The worst that `spec.force` can do: the old object is gone, the new one is not there. */
export const notCreatedAgain = (subject: Subject, reason: string, fix: string): Failure =>
  build("NOPEA-A059", "retry")(
    subject,
    `DELETED by spec.force and not created again yet: ${reason}`,
    `it is tried again by itself; ${fix}`,
  )

/** What the API server said about one object, with its place in Git. */
export const refusedBy = (subject: Subject, error: KubeError): Failure =>
  build(error.code, error.disposition)(subject, error.reason, error.fix)
