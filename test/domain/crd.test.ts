import { readFile } from "node:fs/promises"
import { expect, it } from "vitest"
import { crd } from "../../src/domain/crd.ts"
import { RepositorySpec } from "../../src/domain/spec.ts"
import { FILE, fileText } from "../../tools/crd.ts"

// biome-ignore lint/suspicious/noExplicitAny: an unstructured object has no narrower honest type here
type Tree = any

const version = (): Tree => (crd() as Tree).spec.versions[0]
const spec = (): Tree => version().schema.openAPIV3Schema.properties.spec

/** Every schema node below, with its path. */
const walk = function* (node: Tree, path: string): Generator<readonly [string, Tree]> {
  yield [path, node]
  for (const [key, child] of Object.entries(node.properties ?? {}))
    yield* walk(child, `${path}.${key}`)
  if (node.items !== undefined) yield* walk(node.items, `${path}[]`)
}

it("deploy/crd holds what the schemas say: run `npm run crd` after a change", async () => {
  expect(await readFile(FILE, "utf8")).toBe(fileText())
})

it("every field of spec and status is described for kubectl explain", () => {
  const bare = [...walk(spec(), "spec")].filter(([path, node]) => {
    return node.description === undefined && !path.endsWith("[]")
  })
  const status = version().schema.openAPIV3Schema.properties.status
  const silent = [...walk(status, "status")].filter(([path, node]) => {
    return node.description === undefined && !path.endsWith("[]")
  })
  expect([...bare, ...silent].map(([path]) => path)).toEqual([])
  expect(Object.keys(spec().properties)).toEqual(Object.keys(RepositorySpec.fields))
})

it("every node is structural: one type, or int-or-string", () => {
  for (const [path, node] of walk(version().schema.openAPIV3Schema, "")) {
    expect([path, typeof node.type, node["x-kubernetes-int-or-string"]]).toEqual(
      node.type === undefined ? [path, "undefined", true] : [path, "string", undefined],
    )
    expect(Object.keys(node)).not.toContain("additionalProperties")
    expect(Object.keys(node)).not.toContain("allOf")
  }
})

it("every pattern of the decoder reaches the API server", () => {
  const patterns = [...walk(spec(), "spec")].filter(([, node]) => node.pattern !== undefined)
  expect(patterns.map(([path]) => path)).toContain("spec.interval")
  expect(patterns.length).toBeGreaterThan(10)
})

it("the columns are the documented ones", () => {
  const columns = version().additionalPrinterColumns.map(
    (c: Tree) => `${c.name.toUpperCase()}${c.priority > 0 ? " (wide)" : ""}`,
  )
  expect(columns.join(", ")).toBe(
    "URL (wide), BRANCH (wide), PHASE, COMMIT, RESOURCES, DRIFT, LAST SYNC, AGE, MESSAGE (wide)",
  )
})
