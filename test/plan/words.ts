// A small language for planning tests: objects as lines of text, a plan as lines of text.
import { createHash } from "node:crypto"
import { Duration, Redacted } from "effect"
import {
  canonical,
  type DesiredObject,
  formatApiVersion,
  formatRef,
  type Json,
  type KubeObject,
  marksOf,
  type ObjectRef,
  parseApiVersion,
  stringify,
} from "../../src/domain/object.ts"
import { NO_OTHERS, type Others } from "../../src/plan/claims.ts"
import { NO_EVIDENCE, NO_MEMORY } from "../../src/plan/evidence.ts"
import type { ServedKinds } from "../../src/plan/kinds.ts"
import type { LiveObject, Owner } from "../../src/plan/live.ts"
import { makePlan, type Plan, type PlanInput } from "../../src/plan/plan.ts"
import { hashOf } from "../../src/plan/stamp.ts"
import type { Policy, Rules } from "../../src/plan/step.ts"

export const US: Owner = { namespace: "team", name: "shop", uid: "uid-shop" }
export const OTHER: Owner = { namespace: "other", name: "web", uid: "uid-web" }
export const KEY: Redacted.Redacted<Uint8Array> = Redacted.make(new Uint8Array(32).fill(7))
export const NOW: number = Date.parse("2026-11-20T10:00:00Z")
export const COMMIT = "4f1c0000000000000000000000000000deadbeef"

const KINDS: Readonly<Record<string, readonly [apiVersion: string, namespaced: boolean]>> = {
  Namespace: ["v1", false],
  ConfigMap: ["v1", true],
  Secret: ["v1", true],
  Service: ["v1", true],
  ServiceAccount: ["v1", true],
  PersistentVolume: ["v1", false],
  PersistentVolumeClaim: ["v1", true],
  Deployment: ["apps/v1", true],
  Job: ["batch/v1", true],
  Ingress: ["networking.k8s.io/v1", true],
  HorizontalPodAutoscaler: ["autoscaling/v2", true],
  ClusterRole: ["rbac.authorization.k8s.io/v1", false],
  ClusterRoleBinding: ["rbac.authorization.k8s.io/v1", false],
  Role: ["rbac.authorization.k8s.io/v1", true],
  RoleBinding: ["rbac.authorization.k8s.io/v1", true],
  CustomResourceDefinition: ["apiextensions.k8s.io/v1", false],
  ValidatingWebhookConfiguration: ["admissionregistration.k8s.io/v1", false],
  SubjectAccessReview: ["authorization.k8s.io/v1", false],
  Widget: ["example.com/v1", true],
  Rollout: ["kulta.io/v1alpha1", true],
}
const UNSERVED = new Set(["Widget"])

const split = (apiVersion: string): { group: string; version: string } => {
  const [group = "", version] = apiVersion.split("/")
  return version === undefined ? { group: "", version: group } : { group, version }
}

/** What a cluster without custom resources serves. */
export const SERVED: ServedKinds = {
  incomplete: [],
  find: ({ group, kind }, version) => {
    const row = KINDS[kind]
    if (row === undefined || UNSERVED.has(kind)) return undefined
    const served = split(row[0])
    if (served.group !== group || (version ?? served.version) !== served.version) return undefined
    const verbs =
      kind === "SubjectAccessReview" ? ["create"] : ["create", "patch", "list", "delete"]
    return { version: served.version, namespaced: row[1], verbs }
  },
}

/** `ConfigMap shop/a`, `Namespace shop`, `extensions/v1beta1:Ingress shop/a`. */
export const ref = (text: string): ObjectRef => {
  const [typed = "", path = ""] = text.split(" ")
  const [apiVersion, kind] = typed.includes(":") ? typed.split(":") : [KINDS[typed]?.[0], typed]
  const [first = "", name] = path.split("/")
  const place = name === undefined ? { namespace: "", name: first } : { namespace: first, name }
  return { ...split(apiVersion ?? "v1"), kind: kind ?? "", ...place }
}

const SHORT: Readonly<Record<string, string>> = {
  ssa: "kustomize.toolkit.fluxcd.io/ssa",
  reconcile: "kustomize.toolkit.fluxcd.io/reconcile",
  fluxPrune: "kustomize.toolkit.fluxcd.io/prune",
  flux: "kustomize.toolkit.fluxcd.io/name",
  argo: "argocd.argoproj.io/tracking-id",
  options: "argocd.argoproj.io/sync-options",
  wave: "argocd.argoproj.io/sync-wave",
  helm: "meta.helm.sh/release-name",
  managedBy: "app.kubernetes.io/managed-by",
  prune: "nopea.io/prune",
  suspend: "nopea.io/suspend-heal",
}
const pairs = (tokens: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries(
    tokens
      .filter((t) => t.includes("="))
      .map((t) => [SHORT[t.slice(0, t.indexOf("="))] ?? t, t.slice(t.indexOf("=") + 1)]),
  )

const digest = (text: string): string => createHash("sha256").update(text).digest("hex")

/** A whole manifest, as Git holds it. */
export const manifest = (object: KubeObject, line = 1): DesiredObject => {
  const json = canonical(object as unknown as Json)
  const marks = marksOf(object.metadata.annotations)
  const source = { file: "deploy/all.yaml", document: 1, line }
  const { kind, metadata } = object
  const identity = { kind, namespace: metadata.namespace ?? "", name: metadata.name }
  const ref = { ...parseApiVersion(object.apiVersion), ...identity }
  return { ref, json, digest: digest(json), marks, source }
}

/** `ConfigMap shop/a ssa=Ignore`; `more` is merged into the object. */
export const desired = (text: string, more: object = {}, line = 1): DesiredObject => {
  const [kind, path, ...tokens] = text.split(" ")
  const r = ref(`${kind} ${path}`)
  const annotations = pairs(tokens)
  const json = stringify({
    apiVersion: formatApiVersion(r),
    kind: r.kind,
    metadata: {
      name: r.name,
      ...(r.namespace === "" ? {} : { namespace: r.namespace }),
      ...(tokens.length === 0 ? {} : { annotations }),
    },
    ...more,
  })
  const source = { file: "deploy/all.yaml", document: 1, line }
  return { ref: r, json, digest: digest(json), marks: marksOf(annotations), source }
}

export const hash = (d: DesiredObject, namespace = d.ref.namespace, owner = US): string =>
  hashOf({ desired: d, namespace, owner, hashKey: KEY })

/**
 * `ConfigMap shop/a ours`, and any of: `old` (another hash), `unproven`, `child`, `dying`, `other`
 * (another repository's), `earlier` (an earlier uid's), `flux=apps`.
 */
export const live = (text: string, applied?: string): LiveObject => {
  const [kind, path, ...tokens] = text.split(" ")
  const has = (token: string): boolean => tokens.includes(token)
  const owner = has("ours")
    ? US
    : has("other")
      ? OTHER
      : has("earlier")
        ? { ...US, uid: "uid-before" }
        : undefined
  return {
    ref: ref(`${kind} ${path}`),
    uid: `uid-${path}`,
    resourceVersion: "10",
    owner,
    proven: owner !== undefined && !has("unproven"),
    controlled: has("child"),
    terminating: has("dying"),
    applied: has("old") ? "v1:old" : applied,
    marks: pairs(tokens),
    ...(has("unproven") || owner === undefined
      ? { ownership: "lost", fields: "[]" }
      : { ownership: "own", baseline: { ownership: "own", whole: true } }),
  }
}

export const POLICY: Policy = {
  prune: true,
  pruneLimit: "100%",
  healPolicy: "auto",
  healGracePeriod: Duration.zero,
  conflictPolicy: "git",
  adopt: "Plain",
  force: false,
}
export const rules = (policy: Partial<Policy> = {}, others: Others = NO_OTHERS): Rules => ({
  owner: US,
  policy: { ...POLICY, ...policy },
  others,
  now: NOW,
  memory: NO_MEMORY,
  evidence: NO_EVIDENCE,
})

export const snapshot = (
  objects: ReadonlyArray<LiveObject>,
  unknown: ReadonlyArray<string> = [],
): PlanInput["live"] => ({
  objects: new Map(objects.map((o) => [formatRef(o.ref), o])),
  unknown: new Set(unknown),
})

export const input = (
  wanted: ReadonlyArray<DesiredObject>,
  observed: ReadonlyArray<LiveObject> = [],
  more: Partial<PlanInput> = {},
): PlanInput => ({
  rules: rules(),
  commit: COMMIT,
  desired: wanted,
  complete: true,
  live: snapshot(observed),
  kinds: SERVED,
  applied: new Map(),
  settled: false,
  hashKey: KEY,
  ...more,
})

const short = (r: ObjectRef): string =>
  `${r.kind} ${r.namespace === "" ? "" : `${r.namespace}/`}${r.name}`

/** `create ConfigMap shop/a`, `failed A042 ConfigMap shop/a`, `delete …`: in the order of the plan. */
export const lines = (plan: Plan): ReadonlyArray<string> => [
  ...plan.stages.flat().map((step) => {
    const verb = step.guard.on === "absent" ? "create" : step.adopts ? "adopt" : "patch"
    return `${step.heals ? "heal by " : ""}${verb} ${short(step.ref)}`
  }),
  ...plan.prune.flat().map((o) => `delete ${short(o.ref)}`),
  ...plan.settled.map(({ action, ref: r, failure, note }) => {
    const code = (failure ?? note)?.code.replace("NOPEA-", "")
    return `${action}${code === undefined ? "" : ` ${code}`} ${short(r)}`
  }),
]

/** Lines of observed and of desired objects; `ours` alone means: as desired. */
export const planLines = (
  observed: ReadonlyArray<string>,
  wanted: ReadonlyArray<string>,
  more: Partial<PlanInput> & {
    readonly policy?: Partial<Policy>
    readonly others?: Partial<Others>
  } = {},
): ReadonlyArray<string> => {
  const objects = wanted.map((text, i) => desired(text, {}, i + 1))
  const hashes = new Map(objects.map((d) => [formatRef(d.ref), hash(d)]))
  const { policy, others, ...rest } = more
  const asked = rules(policy, { ...NO_OTHERS, ...others })
  const seen = observed.map((text) => live(text, hashes.get(formatRef(live(text).ref))))
  const plan = makePlan(
    input(objects, seen, { rules: asked, ...rest, live: rest.live ?? snapshot(seen) }),
  )
  return lines(plan)
}
