// Custom resources: structural, with every kind of list and map, and schemas that know nothing.
import { type Made, make } from "./make.ts"

const text = { type: "string" }
const number = { type: "number" }
const object = (properties: object, more: object = {}) => ({ type: "object", properties, ...more })
const listOf = (items: object, more: object = {}) => ({ type: "array", items, ...more })
const mapOf = (additionalProperties: object, more: object = {}) => ({
  type: "object",
  additionalProperties,
  ...more,
})
const keyed = (...keys: ReadonlyArray<string>) => ({
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": keys,
})
const SET = { "x-kubernetes-list-type": "set" }
const OPEN = { "x-kubernetes-preserve-unknown-fields": true }
const ATOMIC = { "x-kubernetes-map-type": "atomic" }
const INT_OR_STRING = { "x-kubernetes-int-or-string": true }

const definition = (id: string, kind: string, schema: object, status: boolean): Made => {
  const plural = `${kind.toLowerCase()}s`
  const group = `${id}.example.com`
  return make(`apiextensions.k8s.io/v1 CustomResourceDefinition ${plural}.${group}`, {
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        shortNames: [],
        categories: ["all"],
      },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          additionalPrinterColumns: [
            { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
          ],
          ...(status ? { subresources: { status: {} } } : {}),
        },
      ],
    },
    status: { conditions: null, storedVersions: null, acceptedNames: { kind: "", plural: "" } },
  })
}

const PORT = object(
  { port: { type: "integer" }, protocol: { ...text, default: "TCP" }, name: text, weight: number },
  { required: ["port"] },
)
const ROUTE = object(
  {
    name: text,
    ports: listOf(PORT, keyed("port", "protocol")),
    tags: listOf(text, SET),
    hosts: listOf(text),
  },
  { required: ["name"] },
)
const STRUCTURAL = object({
  spec: object({
    replicas: { type: "integer", format: "int64", default: 1, minimum: 0 },
    ratio: number,
    routes: listOf(ROUTE, keyed("name")),
    tags: listOf(text, SET),
    numbers: listOf({ type: "integer" }, SET),
    steps: listOf(object({ run: text })),
    target: INT_OR_STRING,
    selector: mapOf(text, ATOMIC),
    labels: mapOf(text),
    images: mapOf(object({ tag: text, repository: text })),
    groups: mapOf(listOf(object({ id: number, note: text }, { required: ["id"] }), keyed("id"))),
    fixed: object({ a: text, b: object({ c: number }) }, ATOMIC),
    nullable: { ...text, nullable: true },
    items: listOf(object({ a: text, b: number }, { ...ATOMIC, required: ["a"] }), keyed("a")),
    raw: { type: "object", ...OPEN },
    embedded: { type: "object", "x-kubernetes-embedded-resource": true, ...OPEN },
  }),
  status: object({ ready: { type: "boolean" }, note: text }),
})
const UNKNOWN = { type: "object", ...OPEN }
const LOOSE = object({ spec: { type: "object", ...OPEN }, config: { ...OPEN } })

/** The definitions come first. */
export const definitions = (id: string): ReadonlyArray<Made> => [
  definition(id, "Structural", STRUCTURAL, true),
  definition(id, "Plain", STRUCTURAL, false),
  definition(id, "Unknown", UNKNOWN, false),
  definition(id, "Loose", LOOSE, true),
]

const SPECS: Readonly<Record<string, object>> = {
  routes: {
    routes: [
      {
        name: "a",
        ports: [
          { port: 53, name: "tcp" },
          { port: 53, protocol: "UDP", weight: 0.5 },
        ],
      },
      { name: "b", tags: ["x", "y"], hosts: ["h"], ports: [] },
    ],
  },
  sets: { tags: ["a", "a/b"], numbers: [1, 20], items: [{ a: "1" }, { a: "2", b: 3 }] },
  lists: { steps: [{ run: "a" }, { run: "b" }], routes: [], tags: [] },
  numbers: { replicas: 4, ratio: 1.0, target: "50%" },
  more: { replicas: 9007199254740991, ratio: 0.25, target: 8080, nullable: null },
  atomic: { selector: { app: "web" }, fixed: { a: "x", b: { c: 2 } } },
  maps: {
    labels: { a: "1", "b/c": "" },
    images: { web: { tag: "1" }, db: { tag: "2", repository: "r" } },
  },
  groups: { groups: { x: [{ id: 1, note: "n" }, { id: 2.5 }], y: [] } },
  open: { raw: { a: { b: [1, { c: null }], d: {} }, list: [{ name: "x" }], n: 1.5, t: true } },
  embedded: {
    embedded: {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "x", labels: { a: "b" } },
      data: { k: "v" },
    },
  },
  empties: { labels: {}, images: { web: {} }, raw: {}, fixed: {}, steps: [] },
}

export const resources = (id: string): ReadonlyArray<Made> => {
  const group = `${id}.example.com/v1`
  return [
    ...["Structural", "Plain", "Unknown", "Loose"].flatMap((kind) =>
      Object.entries(SPECS).map(([name, spec]) => make(`${group} ${kind} ${name}`, { spec })),
    ),
    make(`${group} Structural with-status`, { spec: { replicas: 1 }, status: { ready: true } }),
    make(`${group} Plain with-status`, {
      spec: { replicas: 1 },
      status: { ready: true, note: "x" },
    }),
    make(`${group} Unknown any`, {
      anything: { a: ["x", 1] },
      list: [1, 2],
      text: "t",
      yes: false,
    }),
    make(`${group} Loose config`, { spec: {}, config: "text" }),
    make(`${group} Loose config-map`, { config: { a: { b: 1 } } }),
  ]
}
