import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { Json, JsonObject } from "../../src/domain/object.ts"
import { keysOf } from "../../src/plan/fieldpath.ts"
import { type FieldPath, formatPath, locate, valueAt } from "../../src/plan/fields.ts"
import { difference, missing, pathAt } from "../../src/plan/ownership.ts"
import { ownedTree, placesOf } from "./fieldTrees.ts"

const BUILT_IN = { custom: false }
const lines = (desired: JsonObject, set: JsonObject | undefined, options = BUILT_IN) => {
  const found = missing(desired, set, options)
  return [
    ...found.missing.map(({ path }) => formatPath(path)),
    ...found.unsure.map(({ path }) => `? ${formatPath(path)}`),
  ]
}
const item = (keys: object, fields: ReadonlyArray<string> = Object.keys(keys)) => ({
  [`k:${JSON.stringify(keys)}`]: {
    ".": {},
    ...Object.fromEntries(fields.map((name) => [`f:${name}`, {}])),
  },
})
const dns = [
  { port: 53, name: "dns-tcp" },
  { port: 53, name: "dns", protocol: "UDP" },
]
const TCP = item({ port: 53, protocol: "TCP" }, ["port", "name"])
const UDP = item({ port: 53, protocol: "UDP" }, ["port", "name", "protocol"])

type Row = readonly [
  title: string,
  desired: JsonObject,
  set: JsonObject | undefined,
  found: ReadonlyArray<string>,
]
const TABLE: ReadonlyArray<Row> = [
  ["a scalar that is there", { spec: { a: 1 } }, { "f:spec": { "f:a": {} } }, []],
  ["a scalar that is gone", { spec: { a: 1, b: 2 } }, { "f:spec": { "f:a": {} } }, ["spec.b"]],
  ["the topmost map that is gone", { spec: { a: { b: { c: 1 } } } }, {}, ["spec"]],
  ["an atomic map", { spec: { selector: { app: "x" } } }, { "f:spec": { "f:selector": {} } }, []],
  ["nothing at all for null", { spec: { a: null, b: { c: null } }, x: 1 }, { "f:x": {} }, []],
  [
    "an empty map by its node",
    { spec: { emptyDir: {} } },
    { "f:spec": { "f:x": {} } },
    ["spec.emptyDir"],
  ],
  [
    "an empty list only perhaps",
    { spec: { a: [], b: 1 } },
    { "f:spec": { "f:b": {} } },
    ["? spec.a"],
  ],
  ["a map of empty lists only perhaps", { spec: { a: [] } }, {}, ["? spec"]],
  ["an atomic list", { spec: { args: ["a"] } }, { "f:spec": { "f:args": {} } }, []],
  [
    "a set",
    { finalizers: ["a/b", "c"] },
    { "f:finalizers": { 'v:"c"': {} } },
    ["finalizers[=a/b]"],
  ],
  ["a set's members by type", { x: ["1"] }, { "f:x": { "v:1": {} } }, ['x[="1"]']],
  ["items with defaulted keys", { ports: dns }, { "f:ports": { ...TCP, ...UDP } }, []],
  ["the item that lost its place", { ports: dns }, { "f:ports": UDP }, ["ports[port=53]"]],
  [
    "the item whose key is stated",
    { ports: dns },
    { "f:ports": TCP },
    ["ports[port=53,protocol=UDP]"],
  ],
  [
    "a field of an item",
    { ports: dns },
    { "f:ports": { ...TCP, ...item({ port: 53, protocol: "UDP" }) } },
    ["ports[port=53,protocol=UDP].name"],
  ],
  ["keys by type", { env: [{ name: "1" }] }, { "f:env": item({ name: 1 }) }, ['env[name="1"]']],
  ["keys by value", { p: [{ port: 80n, x: 1 }] }, { "f:p": item({ port: 80 }, ["x", "port"]) }, []],
  ["the object as a whole", { spec: {} }, undefined, [""]],
  [
    "neither identity nor what the API server sets",
    {
      apiVersion: "v1",
      kind: "X",
      metadata: { name: "a", namespace: "b", uid: "c", resourceVersion: "1", labels: { a: "b" } },
      status: { replicas: 1 },
    },
    {},
    ["metadata.labels"],
  ],
]

describe("what is missing from our field set", () => {
  for (const [title, desired, set, found] of TABLE) {
    it(`knows ${title}`, () => assert.deepStrictEqual(lines(desired, set), found))
  }

  it("cannot tell an emptied map of a custom resource from an atomic one", () => {
    const desired = { spec: { image: { tag: "1" }, none: {} }, status: { a: 1 } }
    const set = { "f:spec": { "f:image": {}, "f:none": {} } }
    assert.deepStrictEqual(lines(desired, set, { custom: true }), ["? spec.image", "? status"])
    assert.deepStrictEqual(lines(desired, set), [])
    const definition = { kind: "CustomResourceDefinition", ...desired }
    assert.deepStrictEqual(lines(definition, set), ["? spec.image"])
  })

  it("is nothing of what was applied", () =>
    fc.assert(
      fc.property(ownedTree, ({ value, set }) => {
        assert.deepStrictEqual(lines(value, set), [])
      }),
    ))

  it("is exactly what is taken out, by its topmost path", () =>
    fc.assert(
      fc.property(ownedTree, fc.nat(), ({ value, set }, seed) => {
        const leaves = leavesOf(set).filter((path) => asked(value, path))
        fc.pre(leaves.length > 0)
        const path = leaves[seed % leaves.length] ?? []
        const { left, cutAt } = drop(set, path)
        const found = missing(value, left, BUILT_IN)
        const all = found.missing.map((field) => field.path)
        assert.strictEqual(all.length, 1)
        const [only = []] = all
        const at = found.missing[0]?.at ?? []
        assert.strictEqual(at.length, only.length)
        assert.deepStrictEqual(locate(value, cutAt), at)
        assert.notStrictEqual(valueAt(value, at), undefined)
        assert.include(difference(set, left).map(formatPath), formatPath(cutAt))
      }),
    ))

  it("is some answer, whatever is asked", () =>
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (desired, set) => {
        missing(desired as JsonObject, set as JsonObject, { custom: true })
        difference(set as JsonObject, desired as JsonObject)
      }),
    ))
})

describe("the path of a place", () => {
  it("leads back to it", () =>
    fc.assert(
      fc.property(ownedTree, ({ value, set }) => {
        for (const at of placesOf(value["spec"] ?? null, ["spec"])) {
          const path = pathAt(value, at, set)
          assert.strictEqual(path.length, at.length)
          assert.deepStrictEqual(locate(value, path), at)
        }
      }),
    ))
})

describe("the difference of two field sets", () => {
  it("is the topmost paths of the first that the second lacks", () => {
    const a = {
      "f:spec": { "f:a": {}, "f:b": { ".": {}, "f:c": {}, "f:d": {} }, ...TCP },
      "f:x": {},
    }
    const b = { "f:spec": { "f:b": { "f:c": {} } } }
    assert.deepStrictEqual(difference(a, b).map(formatPath), [
      "spec.a",
      "spec.b.d",
      "spec[port=53,protocol=TCP]",
      "x",
    ])
    assert.deepStrictEqual(difference(a, a), [])
  })
})

const leavesOf = (set: JsonObject, path: FieldPath = []): ReadonlyArray<FieldPath> => {
  const inner = Object.entries(set).filter(([element]) => element !== ".")
  if (inner.length === 0) return path.length > 1 ? [path] : []
  return inner.flatMap(([element, node]) => leavesOf(node as JsonObject, [...path, element]))
}

/** Not null, and no key: whoever changes that changes which item it is. */
const asked = (value: Json, path: FieldPath): boolean => {
  const at = locate(value, path)
  const keys = keysOf(path.at(-2) ?? "") ?? {}
  const isKey = Object.hasOwn(keys, path.at(-1)?.slice(2) ?? "")
  return at !== undefined && !isKey && valueAt(value, at) !== null
}

/** What stays when somebody takes the leaf: the nodes that it leaves empty go with it. */
const drop = (set: JsonObject, path: FieldPath): { left: JsonObject; cutAt: FieldPath } => {
  const [first = "", ...rest] = path
  const { [first]: node, ...others } = set
  if (rest.length === 0) return { left: others, cutAt: [first] }
  const inner = drop(node as JsonObject, rest)
  return Object.keys(inner.left).length === 0
    ? { left: others, cutAt: [first] }
    : { left: { ...others, [first]: inner.left }, cutAt: [first, ...inner.cutAt] }
}
