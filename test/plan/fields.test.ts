import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { canonical, type Json, type JsonObject } from "../../src/domain/object.ts"
import { keyElement, memberElement, textOf } from "../../src/plan/fieldpath.ts"
import {
  type FieldPath,
  formatPath,
  type Location,
  locate,
  only,
  valueAt,
  without,
} from "../../src/plan/fields.ts"
import { pathAt } from "../../src/plan/ownership.ts"
import { ownedTree, placesOf } from "./fieldTrees.ts"

const PATHS: ReadonlyArray<readonly [path: FieldPath, text: string]> = [
  [[], ""],
  [["f:spec", "f:replicas"], "spec.replicas"],
  [
    ["f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"api"}', "f:image"],
    "spec.template.spec.containers[name=api].image",
  ],
  [["f:ports", 'k:{"protocol":"UDP","containerPort":53}'], "ports[containerPort=53,protocol=UDP]"],
  [["f:metadata", "f:finalizers", 'v:"a/b"'], "metadata.finalizers[=a/b]"],
  [["f:metadata", "f:annotations", "f:example.com/x"], 'metadata.annotations["example.com/x"]'],
  [["f:a.b", 'k:{"name":"1"}', "v:1", "i:0"], '["a.b"][name="1"][=1][0]'],
  [['k:{"na]me":"true"}', 'v:{"a":[1]}'], '["na]me"="true"][={"a":[1]}]'],
  [["x:?", "k:no", "i:x"], '[?"x:?"][?"k:no"][?"i:x"]'],
]

const TEXT = fc.oneof(
  fc.constantFrom("name", "a", "80", "true", "null", "a.b", "]", '"', "=", ",", "[0]", ""),
  fc.string({ maxLength: 3 }),
)
const SCALAR: fc.Arbitrary<Json> = fc.oneof(TEXT, fc.integer(), fc.boolean(), fc.constant(null))
const KEYS = fc.dictionary(TEXT, SCALAR, { minKeys: 1, maxKeys: 3, noNullPrototype: true })
const ELEMENT = fc.oneof(
  TEXT.map((name) => `f:${name}`),
  KEYS.map((keys) => keyElement(keys)),
  SCALAR.map((member) => memberElement(member)),
  fc.nat({ max: 9 }).map((index) => `i:${index}`),
)
const PATH = fc.array(ELEMENT, { maxLength: 4 })

const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}

describe("a path as text", () => {
  for (const [path, text] of PATHS)
    it(`reads ${text}`, () => assert.strictEqual(formatPath(path), text))

  it("differs between different paths", () =>
    fc.assert(
      fc.property(PATH, PATH, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b)
        assert.strictEqual(formatPath(a) === formatPath(b), same)
      }),
      { numRuns: 1_000 },
    ))
  it("is some text for whatever stands there", () =>
    fc.assert(fc.property(fc.array(fc.string()), (path) => void formatPath(path))))
})

describe("equal values", () => {
  it("are numbers of one value, however they are held", () => {
    assert.strictEqual(textOf(1), textOf(1n))
    assert.notStrictEqual(textOf(1), textOf("1"))
    assert.notStrictEqual(textOf(2n ** 62n), textOf(2n ** 62n + 1n))
    assert.strictEqual(textOf(1e30), textOf(10n ** 30n))
    assert.strictEqual(textOf({ a: [1] }), textOf({ a: [1n] }))
  })
})

const POD: JsonObject = {
  apiVersion: "v1",
  metadata: { labels: { a: "b" } },
  spec: {
    nodeSelector: { disk: "ssd" },
    containers: [
      { name: "api", image: "api:1", env: [{ name: "A", value: "1" }] },
      { name: "log", image: "log:1" },
      { name: "web", image: "web:1" },
    ],
  },
}
const containers = (tree: JsonObject) => valueAt(tree, ["spec", "containers"])

describe("a tree without places", () => {
  it("loses what is named, and the maps and lists that this leaves empty", () => {
    const left = without(POD, [
      ["metadata", "labels", "a"],
      ["spec", "nodeSelector", "disk"],
      ["spec", "containers", 0, "env", 0],
      ["spec", "containers", 2],
      ["spec", "containers", 1, "image"],
    ])
    assert.deepStrictEqual(left, {
      apiVersion: "v1",
      metadata: {},
      spec: { containers: [{ name: "api", image: "api:1" }, { name: "log" }] },
    })
  })
  it("takes indices as they were", () =>
    assert.deepStrictEqual(
      containers(
        without(POD, [
          ["spec", "containers", 0],
          ["spec", "containers", 2],
        ]),
      ),
      [{ name: "log", image: "log:1" }],
    ))
  it("keeps what was empty before, and all where a place is not there", () => {
    const tree = { spec: { emptyDir: {}, args: [], x: 1 } }
    const places: ReadonlyArray<Location> = [
      [],
      ["spec", "emptyDir", "x"],
      ["spec", "args", 0],
      ["spec", "x", "y"],
      ["status"],
    ]
    assert.deepStrictEqual(without(tree, places), tree)
  })
  it("has none of them, has all the others, and leaves the tree as it was", () =>
    fc.assert(
      fc.property(ownedTree, fc.array(fc.nat(), { maxLength: 4 }), ({ value }, picks) => {
        const all = placesOf(value).filter((at) => at[0] === "spec")
        const places = picks.flatMap((n) => (all.length === 0 ? [] : [all[n % all.length] ?? []]))
        const before = canonical(value)
        const left = without(value, places)
        assert.strictEqual(canonical(value), before)
        const size = (tree: JsonObject): number => placesOf(tree).length
        assert.isTrue(places.length === 0 ? size(left) === size(value) : size(left) < size(value))
        assert.deepStrictEqual(without(value, []), value)
      }),
    ))
})

describe("a tree of places only", () => {
  const image: Location = ["spec", "containers", 1, "image"]
  it("has these places, and the keys of the items on the way", () => {
    const path = ["f:spec", "f:containers", 'k:{"name":"log"}', "f:image"]
    assert.deepStrictEqual(only(POD, [image], [path]), {
      spec: { containers: [{ name: "log", image: "log:1" }] },
    })
    assert.deepStrictEqual(only(POD, [image]), { spec: { containers: [{ image: "log:1" }] } })
  })
  it("takes default keys from the path", () => {
    const tree = { ports: [{ port: 53, name: "dns" }] }
    const path = ["f:ports", 'k:{"port":53,"protocol":"TCP"}', "f:name"]
    assert.deepStrictEqual(only(tree, [["ports", 0, "name"]], [path]), {
      ports: [{ port: 53, protocol: "TCP", name: "dns" }],
    })
  })
  it("is empty where there are none", () => {
    assert.deepStrictEqual(
      only(POD, [
        ["spec", "no"],
        ["spec", "containers", 9, "image"],
      ]),
      {},
    )
    assert.deepStrictEqual(only(POD, []), {})
  })
  it("holds the value of each place where its path leads", () =>
    fc.assert(
      fc.property(ownedTree, fc.nat(), ({ value, set }, pick) => {
        const all = placesOf(value["spec"] ?? null, ["spec"])
        fc.pre(all.length > 0)
        const at = all[pick % all.length] ?? []
        const path = pathAt(value, at, set)
        fc.pre(!path.some((element) => element.startsWith("i:")))
        const tree = only(value, [at], [path])
        const found = locate(tree, path)
        assert.isDefined(found)
        const [kept, wanted] = [valueAt(tree, found ?? []), valueAt(value, at)]
        // An item gets the key fields that the API server had filled in.
        if (path.at(-1)?.startsWith("k:"))
          assert.deepStrictEqual({ ...object(kept), ...object(wanted) }, kept)
        else assert.deepStrictEqual(kept, wanted)
      }),
    ))
})
