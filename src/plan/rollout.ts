/** KULTA: `spec.rolloutRef` moves the pod template of the commit's Deployment into a Rollout. Pure. */
import { createHash } from "node:crypto"
import type { Change } from "../domain/change.ts"
import {
  canonical,
  type DesiredObject,
  formatApiVersion,
  formatRef,
  type GroupKind,
  type JsonObject,
  type ObjectRef,
  stringify,
} from "../domain/object.ts"
import type { Delegated } from "../domain/status.ts"
import type { FieldPath } from "./fields.ts"
import { isJsonObject, parseObject } from "./json.ts"
import { delegatedTo, noDeployment, noTemplate, severalDeployments } from "./rolloutFailures.ts"

const ROLLOUT = { group: "kulta.io", version: "v1alpha1", kind: "Rollout" } as const

/** What a Rollout has from a Deployment; in Git's own words only where Git's Rollout says it. */
export const LENT: ReadonlyArray<FieldPath> = ["template", "replicas", "selector"].map((field) => [
  "f:spec",
  `f:${field}`,
])

export const isRollout = ({ group, kind }: GroupKind): boolean =>
  group === ROLLOUT.group && kind === ROLLOUT.kind

export interface DelegateInput {
  readonly desired: ReadonlyArray<DesiredObject>
  /** `spec.rolloutRef.name`. */
  readonly name: string
  /** Of objects that name none. */
  readonly namespace: string
}

export interface Delegation {
  /** What is applied as any other object: without the Deployment, with Git's Rollout filled in. */
  readonly desired: ReadonlyArray<DesiredObject>
  /** For a Rollout that is not in Git: the fields it gets, and no others. */
  readonly lent?: DesiredObject
  /** What is delegated to whom. */
  readonly to?: Delegated
  /** The Deployment that is delegated; or all that cannot be, with the reason. */
  readonly changes: ReadonlyArray<Change>
  readonly warnings: ReadonlyArray<string>
}

const isDeployment = ({ ref }: DesiredObject): boolean =>
  ref.group === "apps" && ref.kind === "Deployment"

const specOf = (tree: JsonObject): JsonObject => (isJsonObject(tree["spec"]) ? tree["spec"] : {})

const rewritten = (desired: DesiredObject, tree: JsonObject): DesiredObject => ({
  ...desired,
  json: stringify(tree),
  digest: createHash("sha256").update(canonical(tree)).digest("hex"),
})

const pick = (spec: JsonObject, ...fields: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(
    fields.flatMap((field) => (spec[field] === undefined ? [] : [[field, spec[field]]])),
  )

/** The pod template is always the Deployment's; whatever else Git's Rollout says stays. */
const filled = (rollout: DesiredObject, from: JsonObject): DesiredObject => {
  const tree = parseObject(rollout.json)
  const spec = { ...pick(from, "replicas", "selector"), ...specOf(tree), ...pick(from, "template") }
  return rewritten(rollout, { ...tree, spec })
}

const isTemplateLost = (rollout: DesiredObject, from: JsonObject): boolean => {
  const own = specOf(parseObject(rollout.json))["template"]
  return own !== undefined && canonical(own) !== canonical(from["template"] ?? null)
}

const lentBy = (deployment: DesiredObject, ref: ObjectRef, from: JsonObject): DesiredObject => {
  const head = { apiVersion: formatApiVersion(ref), kind: ref.kind, metadata: { name: ref.name } }
  const tree: JsonObject = { ...head, spec: pick(from, "template", "replicas") }
  return rewritten({ ...deployment, ref, marks: {} }, tree)
}

interface Named extends DelegateInput {
  readonly deployments: ReadonlyArray<DesiredObject>
  /** In the place of the Deployment, or, where there is none, anywhere. */
  readonly isNamed: (desired: DesiredObject) => boolean
  readonly rollout: ObjectRef
}

/** Nothing of it is applied: a Rollout without its pod template would lose the one it has. */
const refused = (
  { desired, isNamed, namespace }: Named,
  parts: ReadonlyArray<DesiredObject>,
  failureOf: (ref: ObjectRef, source?: DesiredObject["source"]) => Change["failure"],
): Delegation => {
  const out = new Set([...parts, ...desired.filter(isNamed)])
  const changes = [...out].map(({ ref: written, source }): Change => {
    const ref = { ...written, namespace: written.namespace || namespace }
    const failure = failureOf(ref, source)
    return { ref, action: "failed", ...(failure === undefined ? {} : { failure }) }
  })
  return { desired: desired.filter((one) => !out.has(one)), changes, warnings: [] }
}

const given = (named: Named, deployment: DesiredObject): Delegation => {
  const { desired, isNamed, rollout, namespace } = named
  const from = specOf(parseObject(deployment.json))
  if (!isJsonObject(from["template"]))
    return refused(named, [deployment], (ref, source) => noTemplate({ ref, ...at(source) }))
  const ref = { ...deployment.ref, namespace: deployment.ref.namespace || namespace }
  const own = desired.filter(isNamed)
  const note = delegatedTo({ ref, source: deployment.source }, rollout)
  const lost = own.filter((one) => isTemplateLost(one, from))
  return {
    desired: desired
      .filter((one) => one !== deployment)
      .map((one) => (isNamed(one) ? filled(one, from) : one)),
    ...(own.length > 0 ? {} : { lent: lentBy(deployment, rollout, from) }),
    to: { deployment: formatRef(ref), rollout: formatRef(rollout), inGit: own.length > 0 },
    changes: [{ ref, action: "delegated", note }],
    warnings: lost.map(
      ({ source }) =>
        `${source.file}, document ${source.document}: spec.template of Rollout ${rollout.name} is left out: spec.rolloutRef puts that of Deployment ${ref.name} in its place`,
    ),
  }
}

const at = (source: DesiredObject["source"] | undefined) => (source === undefined ? {} : { source })

/** Everything but Deployments is as it was; what cannot be delegated fails, and the rest goes on. */
export const delegate = (input: DelegateInput): Delegation => {
  const { desired, name, namespace } = input
  const deployments = desired.filter(isDeployment)
  const [deployment, ...others] = deployments
  const isOne = deployment !== undefined && others.length === 0
  const place = deployment?.ref.namespace || namespace
  const rollout: ObjectRef = { ...ROLLOUT, namespace: place, name }
  const isNamed = ({ ref }: DesiredObject): boolean =>
    isRollout(ref) && ref.name === name && (!isOne || (ref.namespace || namespace) === place)
  const named: Named = { ...input, deployments, isNamed, rollout }
  if (isOne) return given(named, deployment)
  if (deployment !== undefined)
    return refused(named, deployments, (ref, source) =>
      severalDeployments({ ref, ...at(source) }, deployments),
    )
  const failed = refused(named, [], (ref, source) => noDeployment({ ref, ...at(source) }))
  if (failed.changes.length > 0) return failed
  const change = {
    ref: rollout,
    action: "failed",
    failure: noDeployment({ ref: rollout }),
  } as const
  return { ...failed, changes: [change] }
}

/** The Rollout of a status, as it is asked for. */
export const rolloutOf = ({ rollout }: Pick<Delegated, "rollout">): ObjectRef | undefined => {
  const [group = "", kind = "", namespace, name] = rollout.split("/")
  return !isRollout({ group, kind }) || !namespace || !name
    ? undefined
    : { ...ROLLOUT, namespace, name }
}
