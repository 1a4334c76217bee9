// Random objects together with the field set that the API server keeps for whoever applied them.
import fc from "fast-check"
import type { Json, JsonObject } from "../../src/domain/object.ts"
import { keyElement, memberElement } from "../../src/plan/fieldpath.ts"
import type { Location } from "../../src/plan/fields.ts"

export interface Owned {
  readonly value: Json
  readonly set: JsonObject
}

const NAME = fc.oneof(
  fc.constantFrom("image", "ports", "a", "b", "example.com/x", "constructor", "__proto__", ".", ""),
  fc.string({ maxLength: 4 }),
)
const SCALAR: fc.Arbitrary<Json> = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.integer(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt({ min: 2n ** 60n, max: 2n ** 62n }),
)
const record = (fields: ReadonlyArray<readonly [string, Json]>): JsonObject =>
  Object.fromEntries(fields)

const leaf = (value: fc.Arbitrary<Json>): fc.Arbitrary<Owned> =>
  value.map((v) => ({ value: v, set: {} }))

/** Own fields only; a map in `fieldsV1` is a member itself where its keys are not fixed. */
const fields = (
  below: fc.Arbitrary<Owned>,
  size: { readonly minLength: number },
): fc.Arbitrary<Owned> =>
  fc
    .uniqueArray(fc.tuple(NAME, below), { selector: ([name]) => name, maxLength: 4, ...size })
    .map((all) => ({
      value: record(all.map(([name, { value }]) => [name, value])),
      set: record(all.map(([name, { set }]) => [`f:${name}`, set])),
    }))

const members: fc.Arbitrary<Owned> = fc
  .uniqueArray(fc.oneof(fc.string({ maxLength: 3 }), fc.integer()), { minLength: 1, maxLength: 4 })
  .map((all) => ({
    value: all,
    set: record(all.map((member) => [memberElement(member), {}])),
  }))

const ITEM_KEY = fc.record({
  port: fc.integer({ min: 1, max: 4 }),
  protocol: fc.constantFrom("TCP", "UDP"),
})

/** Items that may leave out the protocol, which is TCP then. */
const items = (below: fc.Arbitrary<Owned>): fc.Arbitrary<Owned> =>
  fc
    .uniqueArray(fc.tuple(ITEM_KEY, fields(below, { minLength: 0 }), fc.boolean()), {
      selector: ([{ port, protocol }]) => `${port}/${protocol}`,
      minLength: 1,
      maxLength: 3,
    })
    .map((all) => {
      const built = all.map(([key, rest, short]) => {
        const said = short && key.protocol === "TCP" ? { port: key.port } : key
        const own = record(Object.keys(said).map((name) => [`f:${name}`, {}]))
        return {
          value: { ...(rest.value as JsonObject), ...said, ...(said === key ? {} : {}) },
          set: [keyElement(key), { ".": {}, ...rest.set, ...own }] as const,
        }
      })
      return { value: built.map((one) => one.value), set: record(built.map((one) => one.set)) }
    })

const { node } = fc.letrec<{ node: Owned }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf(SCALAR),
    leaf(fc.array(SCALAR, { minLength: 1, maxLength: 3 })),
    leaf(fc.constant({})),
    leaf(fc.constant(null)),
    members,
    fields(tie("node"), { minLength: 1 }),
    items(tie("node")),
  ),
}))

/** A whole object: everything applied is owned. */
export const ownedTree: fc.Arbitrary<{ readonly value: JsonObject; readonly set: JsonObject }> =
  fields(node, { minLength: 1 }).map(({ value, set }) => ({
    value: { apiVersion: "v1", kind: "X", metadata: { name: "x" }, spec: value },
    set: { "f:spec": set },
  }))

/** Every place of a tree, the root excluded. */
export const placesOf = (tree: Json, at: Location = []): ReadonlyArray<Location> => {
  if (tree === null || typeof tree !== "object") return []
  const inner: ReadonlyArray<readonly [string | number, Json]> = Array.isArray(tree)
    ? tree.map((item, index) => [index, item] as const)
    : Object.entries(tree)
  return inner.flatMap(([step, value]) => [[...at, step], ...placesOf(value, [...at, step])])
}
