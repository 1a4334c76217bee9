/** Whose an existing object is, and whether it may be taken. */
import type { Failure } from "../domain/errors.ts"
import { formatRef } from "../domain/object.ts"
import type { RepositorySpec } from "../domain/spec.ts"
import type { Others } from "./claims.ts"
import {
  mayNotAdopt,
  ownedByController,
  ownedByRepository,
  ownedByTool,
  type Subject,
} from "./failures.ts"
import { isSameOwner, LABEL_MANAGED_BY, type LiveObject, type Owner } from "./live.ts"

export const FLUX = "kustomize.toolkit.fluxcd.io"
const TOOLS: ReadonlyArray<readonly [mark: string, tool: string]> = [
  [`${FLUX}/name`, "Flux Kustomization"],
  ["helm.toolkit.fluxcd.io/name", "Flux HelmRelease"],
  ["argocd.argoproj.io/instance", "Argo CD application"],
  ["argocd.argoproj.io/tracking-id", "Argo CD, tracked as"],
  ["meta.helm.sh/release-name", "Helm release"],
  [LABEL_MANAGED_BY, "the tool"],
]

/** The tool that marked an object as its own. */
const toolOf = (marks: LiveObject["marks"]): string | undefined => {
  const found = TOOLS.find(([mark]) => marks[mark] !== undefined)
  return found === undefined ? undefined : `${found[1]} ${marks[found[0]]}`
}

/**
 * - `ours`: this GitRepository applied it
 * - `free`: may be taken: nobody claims it, its owner let it go, or an earlier life of this GitRepository had it
 */
export type Claim = "ours" | "free" | Failure

/** What is asked for. */
export interface Claimed extends Subject {
  /** Value of `nopea.io/applied`. */
  readonly hash: string
}

export interface ClaimRules {
  readonly owner: Owner
  readonly adopt: RepositorySpec["adopt"]
  readonly others: Others
}

/** Nobody's of ours: by what other tools say of it. */
const adoptable = (subject: Claimed, live: LiveObject, { adopt }: ClaimRules): Claim => {
  const tool = toolOf(live.marks)
  if (tool !== undefined && adopt !== "Always") return ownedByTool(subject, tool)
  return adopt === "Never" ? mayNotAdopt(subject) : "free"
}

/**
 * Whose an existing object is. Labels that name another GitRepository are respected even where no field manager
 * proves them, until it lets the object go; only our own hash proves an object whose labels somebody removed.
 */
export const claimOf = (subject: Claimed, live: LiveObject, rules: ClaimRules): Claim => {
  const { owner, others } = rules
  if (live.controlled) return ownedByController(subject)
  if (live.owner === undefined) {
    return live.applied === subject.hash ? "ours" : adoptable(subject, live, rules)
  }
  if (isSameOwner(live.owner, owner)) return "ours"
  if (live.owner.name === owner.name && live.owner.namespace === owner.namespace) {
    return live.proven ? "free" : adoptable(subject, live, rules)
  }
  const stand = others.stand(live.owner, formatRef(subject.ref))
  if (stand === "released" && live.proven) return "free"
  return stand === "released" || stand === "gone"
    ? adoptable(subject, live, rules)
    : ownedByRepository(subject, live.owner, owner)
}
