/** What the API server serves of a desired object's kind, or will once this commit's definitions are applied. */
import { type DesiredObject, formatGroupKind, type GroupKind, type Json } from "../domain/object.ts"
import { isJsonObject, parseJson } from "./json.ts"

/** What planning needs of discovery. */
export interface ServedKinds {
  /** Group versions that could not be read. */
  readonly incomplete: ReadonlyArray<string>
  readonly find: (
    kind: GroupKind,
    version?: string,
  ) =>
    | {
        readonly version: string
        readonly namespaced: boolean
        readonly verbs: ReadonlyArray<string>
      }
    | undefined
}

/** Whether a group, or all of discovery, could not be read whole. */
export const isUnreadable = (incomplete: ReadonlyArray<string>, group: string): boolean =>
  incomplete.some(
    (gv) => gv === group || gv.startsWith(`${group}/`) || (group === "" && gv === "v1"),
  )

/** A kind that a CustomResourceDefinition of the commit brings. */
export interface Definition {
  /** Of the CustomResourceDefinition. */
  readonly name: string
  readonly namespaced: boolean
  readonly versions: ReadonlyArray<string>
}

const CRD = "apiextensions.k8s.io/CustomResourceDefinition"

const at = (tree: Json | undefined, ...path: ReadonlyArray<string>): Json | undefined =>
  path.reduce<Json | undefined>((node, key) => (isJsonObject(node) ? node[key] : undefined), tree)

const definitionOf = (name: string, json: string): readonly [string, Definition] | undefined => {
  const spec = at(parseJson(json), "spec")
  const group = at(spec, "group")
  const kind = at(spec, "names", "kind")
  const versions = at(spec, "versions")
  if (typeof group !== "string" || typeof kind !== "string" || !Array.isArray(versions)) {
    return undefined
  }
  const served = (versions as ReadonlyArray<Json>)
    .filter((v) => at(v, "served") === true)
    .map((v) => at(v, "name"))
    .filter((v) => typeof v === "string")
  const namespaced = at(spec, "scope") === "Namespaced"
  return [formatGroupKind({ group, kind }), { name, namespaced, versions: served }]
}

/** The definitions in a commit of kinds in these groups; only those are parsed (they can be large). */
export const definitionsOf = (
  desired: ReadonlyArray<DesiredObject>,
  groups: ReadonlySet<string>,
): ReadonlyMap<string, Definition> =>
  new Map(
    desired
      .filter(({ ref }) => formatGroupKind(ref) === CRD)
      .filter(({ ref }) => groups.has(ref.name.slice(ref.name.indexOf(".") + 1)))
      .map(({ ref, json }) => definitionOf(ref.name, json))
      .filter((definition) => definition !== undefined),
  )

/** Groups that Kubernetes itself serves. */
const BUILT_IN = new Set([
  "",
  "apps",
  "autoscaling",
  "batch",
  "policy",
  ...[
    "admissionregistration",
    "apiextensions",
    "apiregistration",
    "certificates",
    "coordination",
    "discovery",
    "events",
    "flowcontrol.apiserver",
    "networking",
    "node",
    "rbac.authorization",
    "resource",
    "scheduling",
    "storage",
    "storagemigration",
  ].map((group) => `${group}.k8s.io`),
])

/** A CustomResourceDefinition defines it, as far as its group tells. */
export const isCustom = (group: string): boolean => !BUILT_IN.has(group)
