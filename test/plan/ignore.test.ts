import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { JsonObject, ObjectRef } from "../../src/domain/object.ts"
import { formatPath, locate } from "../../src/plan/fields.ts"
import { type IgnoreRule, ignoredIn, isIgnored } from "../../src/plan/ignore.ts"
import { pathAt } from "../../src/plan/ownership.ts"
import { ownedTree, placesOf } from "./fieldTrees.ts"

const REF: ObjectRef = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  namespace: "shop",
  name: "api",
}
const DEPLOYMENT: JsonObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    name: "api",
    labels: { app: "api", "nopea.io/repository": "shop" },
    annotations: { "a/b~c": "1", "nopea.io/applied": "v1:1" },
    finalizers: ["x/y", "z"],
  },
  spec: {
    replicas: 2,
    containers: [
      {
        name: "api",
        image: "api:1",
        ports: [{ containerPort: 53 }, { containerPort: 53, protocol: "UDP" }],
      },
      { name: "2", image: "two" },
    ],
  },
}
const paths = (...all: ReadonlyArray<string>): ReadonlyArray<IgnoreRule> => [{ paths: all }]
const found = (...all: ReadonlyArray<string>) =>
  ignoredIn(paths(...all), REF, DEPLOYMENT).map((at) => at.join(" "))

const TABLE: ReadonlyArray<readonly [pattern: string, places: ReadonlyArray<string>]> = [
  ["/spec/replicas", ["spec replicas"]],
  ["spec.replicas", ["spec replicas"]],
  [".spec.replicas", ["spec replicas"]],
  ["/spec/containers/0/image", ["spec containers 0 image"]],
  ["spec.containers[0].image", ["spec containers 0 image"]],
  ["spec.containers[name=api].image", ["spec containers 0 image"]],
  ["spec.containers[name=2].image", ["spec containers 1 image"]],
  ['spec.containers[name="2"]', ["spec containers 1"]],
  [
    "spec.containers[name=api].ports[containerPort=53]",
    ["spec containers 0 ports 0", "spec containers 0 ports 1"],
  ],
  ["spec.containers[name=api].ports[containerPort=53,protocol=UDP]", ["spec containers 0 ports 1"]],
  ['spec.containers[name=api].ports[containerPort="53"]', []],
  ["/metadata/annotations/a~1b~0c", ["metadata annotations a/b~c"]],
  ['metadata.annotations["a/b~c"]', ["metadata annotations a/b~c"]],
  ["metadata.finalizers[=x/y]", ["metadata finalizers 0"]],
  ["/metadata/finalizers/1", ["metadata finalizers 1"]],
  ["/spec/containers/01", []],
  ["/spec/containers/9", []],
  ["/spec/nothing", []],
  ["spec.replicas.more", []],
  ["spec..replicas", []],
  ["spec[", []],
  ["/constructor", []],
  ["/metadata/name", []],
  ["/kind", []],
  ["metadata.labels", ["metadata labels app"]],
  ["/metadata", ["metadata labels app", "metadata annotations a/b~c", "metadata finalizers"]],
]

describe("ignored places", () => {
  for (const [pattern, places] of TABLE)
    it(`of ${pattern} are ${places.length}`, () => assert.deepStrictEqual(found(pattern), places))

  it("are told once", () =>
    assert.deepStrictEqual(found("/spec/replicas", "spec.replicas"), ["spec replicas"]))

  const TARGETS: ReadonlyArray<readonly [target: IgnoreRule["target"], applies: boolean]> = [
    [undefined, true],
    [{}, true],
    [{ group: "apps", kind: "Deployment", name: "api", namespace: "shop" }, true],
    [{ group: "" }, false],
    [{ kind: "StatefulSet" }, false],
    [{ name: "web" }, false],
    [{ namespace: "web" }, false],
  ]
  for (const [target, applies] of TARGETS) {
    it(`of a rule for ${JSON.stringify(target)} ${applies ? "count" : "do not count"}`, () => {
      const rule = { paths: ["/spec/replicas"], ...(target === undefined ? {} : { target }) }
      assert.strictEqual(ignoredIn([rule], REF, DEPLOYMENT).length, applies ? 1 : 0)
      assert.strictEqual(isIgnored([rule], REF, ["f:spec", "f:replicas"], DEPLOYMENT), applies)
    })
  }

  it("are what the path as text names", () =>
    fc.assert(
      fc.property(ownedTree, ({ value, set }) => {
        for (const at of placesOf(value["spec"] ?? null, ["spec"])) {
          const path = pathAt(value, at, set)
          const text = formatPath(path)
          const rules = paths(text)
          assert.deepInclude(ignoredIn(rules, REF, value), locate(value, path), text)
          assert.isTrue(isIgnored(rules, REF, path, value), text)
          const pointer = at.map((s) => `/${String(s).replaceAll("~", "~0").replaceAll("/", "~1")}`)
          assert.deepStrictEqual(ignoredIn(paths(pointer.join("")), REF, value), [at])
        }
      }),
    ))
  it("are some for whatever a rule says", () =>
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (pattern, path) => {
        ignoredIn(paths(pattern), REF, DEPLOYMENT)
        isIgnored(paths(pattern), REF, path, DEPLOYMENT)
      }),
    ))
})

const SIDECAR = ["f:spec", "f:containers", 'k:{"name":"sidecar"}']
const UDP = [
  "f:spec",
  "f:containers",
  'k:{"name":"api"}',
  "f:ports",
  'k:{"containerPort":53,"protocol":"UDP"}',
]
const COVERED: ReadonlyArray<
  readonly [pattern: string, path: ReadonlyArray<string>, covered: boolean]
> = [
  ["/spec", SIDECAR, true],
  ["spec.containers", SIDECAR, true],
  ["spec.containers[name=sidecar]", SIDECAR, true],
  ["spec.containers[name=sidecar]", [...SIDECAR, "f:image"], true],
  ["spec.containers[name=sidecar].image", SIDECAR, false],
  ["spec.containers[name=api]", SIDECAR, false],
  ["/spec/containers/0", SIDECAR, false],
  ["/spec/containers/0", UDP, true],
  ["/spec/containers/1", UDP, false],
  ["/spec/containers/0/ports/1", UDP, true],
  ["/spec/containers/0/ports/0", UDP, false],
  ["spec.containers[name=api].ports[protocol=UDP]", UDP, true],
  ["metadata.finalizers[=new]", ["f:metadata", "f:finalizers", 'v:"new"'], true],
  ["metadata.finalizers[=z]", ["f:metadata", "f:finalizers", 'v:"new"'], false],
  ["spec.containers.image", SIDECAR, false],
  ["spec.containers[=sidecar]", SIDECAR, false],
  ["/spec/replicas", [], false],
]

describe("an ignored path", () => {
  for (const [pattern, path, covered] of COVERED) {
    it(`${pattern} ${covered ? "covers" : "does not cover"} ${formatPath(path)}`, () =>
      assert.strictEqual(isIgnored(paths(pattern), REF, path, DEPLOYMENT), covered))
  }
})
