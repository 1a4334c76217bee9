/** The CustomResourceDefinition, made from the schemas: what the decoder takes is what the API server takes. */
import { Schema } from "effect"
import { GROUP, KIND, MAX_NAME, PLURAL, VERSION } from "./repository.ts"
import { celOf } from "./rules.ts"
import { RepositorySpec } from "./spec.ts"
import { SPEC_RULES } from "./specRules.ts"
import { RepositoryStatus } from "./status.ts"

interface Node {
  readonly [key: string]: unknown
}

const RULES = "x-kubernetes-validations"

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const nodes = (value: unknown): ReadonlyArray<Node> =>
  Array.isArray(value) ? value.filter(isNode) : []

/** Later checks of one value come as `allOf`; a structural schema wants them in one place. */
const flatten = (node: Node): Node => {
  const { allOf, ...rest } = node
  const parts = [rest, ...nodes(allOf)]
  const rules = parts.flatMap((part) => nodes(part[RULES]))
  return { ...Object.assign({}, ...parts), ...(rules.length === 0 ? {} : { [RULES]: rules }) }
}

/** `null | A` is `A` with `nullable`; a number or text is `int-or-string`. No other union has a structural form. */
const unite = (node: Node): Node => {
  const { anyOf, ...rest } = node
  if (anyOf === undefined) return node
  const sides = nodes(anyOf).filter((side) => side["type"] !== "null")
  const types = sides.map((side) => side["type"]).toSorted()
  if (types.join() === "integer,string") return { ...rest, "x-kubernetes-int-or-string": true }
  return { ...sides[0], ...rest, nullable: true }
}

/** An integer is bounded by what a double holds: that says nothing. */
const isBound = (value: unknown): boolean => Math.abs(Number(value)) < Number.MAX_SAFE_INTEGER

const KEYWORDS: Readonly<Record<string, (value: unknown) => unknown>> = {
  properties: (value) =>
    Object.fromEntries(
      Object.entries(value as Node).map(([name, child]) => [name, toStructural(child as Node)]),
    ),
  items: (value) => toStructural(value as Node),
  minimum: (value) => (isBound(value) ? value : undefined),
  maximum: (value) => (isBound(value) ? value : undefined),
  additionalProperties: () => undefined,
}

/** JSON Schema as Effect emits it -> structural schema of Kubernetes. */
const toStructural = (source: Node): Node => {
  const entries = Object.entries(unite(flatten(source))).map(([key, value]) => [
    key,
    KEYWORDS[key] === undefined ? value : KEYWORDS[key](value),
  ])
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

const structural = (schema: Schema.Top): Node =>
  toStructural(
    Schema.toJsonSchemaDocument(schema, {
      includeAnnotationKey: (key) => key.startsWith("x-kubernetes-"),
    }).schema as Node,
  )

/** The defaults are whatever the decoder fills in: there is no second list of them. */
const specSchema = (): Node => {
  const spec = structural(RepositorySpec)
  const minimal = Schema.decodeSync(RepositorySpec)({ url: "https://git.example/repository.git" })
  const { url: _, ...filled }: Node = Schema.encodeSync(RepositorySpec)(minimal)
  const fields = Object.entries(spec["properties"] as Record<string, Node>).map(([key, node]) => [
    key,
    key in filled ? { ...node, default: filled[key] } : node,
  ])
  return {
    ...spec,
    description: "What to sync, how often, and by which rules.",
    properties: Object.fromEntries(fields),
    [RULES]: SPEC_RULES.map(celOf),
  }
}

const schema = (): Node => ({
  type: "object",
  description: "A path of a Git repository that is kept applied to the cluster.",
  required: ["spec"],
  properties: {
    apiVersion: { type: "string" },
    kind: { type: "string" },
    metadata: { type: "object" },
    spec: specSchema(),
    status: {
      ...structural(RepositoryStatus),
      description: "What the last sync came to. Written by the controller.",
      // Before the controller has seen the object, kstatus must not take it for ready.
      default: { observedGeneration: -1, phase: "Pending" },
    },
  },
  [RULES]: [
    {
      rule: `self.metadata.name.size() <= ${MAX_NAME}`,
      message: `metadata.name must have at most ${MAX_NAME} characters: every applied object carries it as a label`,
    },
    {
      rule: "!has(self.spec.dependsOn) || !(self.metadata.name in self.spec.dependsOn)",
      message: "spec.dependsOn must not name this GitRepository itself",
    },
  ],
})

type Column = readonly [name: string, type: string, jsonPath: string, priority: number]

/** Columns cannot cut or join text, so `status.summary` holds what COMMIT and RESOURCES show. */
const COLUMNS: ReadonlyArray<Column> = [
  ["URL", "string", ".spec.url", 1],
  ["Branch", "string", ".spec.branch", 1],
  ["Phase", "string", ".status.phase", 0],
  ["Commit", "string", ".status.summary.commit", 0],
  ["Resources", "string", ".status.summary.resources", 0],
  ["Drift", "integer", ".status.driftedCount", 0],
  ["Last Sync", "date", ".status.lastSyncTime", 0],
  ["Age", "date", ".metadata.creationTimestamp", 0],
  ["Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1],
]

const columnOf = ([name, type, jsonPath, priority]: Column): Node => ({
  name,
  type,
  jsonPath,
  priority,
})

const version = (): Node => ({
  name: VERSION,
  served: true,
  storage: true,
  subresources: { status: {} },
  additionalPrinterColumns: COLUMNS.map(columnOf),
  schema: { openAPIV3Schema: schema() },
})

/** The whole object, as `nopea crd` prints it and `deploy/crd` holds it. */
export const crd = (): Node => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: `${PLURAL}.${GROUP}`,
    labels: { "app.kubernetes.io/name": "nopea", "app.kubernetes.io/part-of": "nopea" },
  },
  spec: {
    group: GROUP,
    scope: "Namespaced",
    names: {
      kind: KIND,
      listKind: `${KIND}List`,
      plural: PLURAL,
      singular: "gitrepository",
      shortNames: ["nopea", "ngr"],
      categories: ["gitops"],
    },
    versions: [version()],
  },
})
