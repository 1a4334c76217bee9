import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { sbom, sbomOf } from "../../tools/sbom.ts"

describe("the bill of materials", () => {
  it("follows dependencies as Node finds them, and leaves out what nothing shipped needs", () => {
    const lock = {
      "": { version: "1.0.0", dependencies: { a: "1", "@s/b": "1" } },
      "node_modules/a": { version: "1.0.0", dependencies: { c: "2" }, integrity: "sha512-AAE=" },
      "node_modules/a/node_modules/c": { version: "2.0.0", dependencies: { a: "1" } },
      "node_modules/c": { version: "1.0.0" },
      "node_modules/@s/b": {
        version: "3.0.0",
        license: "MIT",
        optionalDependencies: { gone: "1" },
      },
    }
    const { components, dependencies } = sbomOf(lock)
    assert.deepEqual(
      components.map((one) => (one as { purl: string }).purl),
      ["pkg:npm/%40s/b@3.0.0", "pkg:npm/a@1.0.0", "pkg:npm/c@2.0.0"],
    )
    assert.deepInclude(components[0], { licenses: [{ expression: "MIT" }], hashes: [] })
    assert.deepInclude(components[1], { hashes: [{ alg: "SHA-512", content: "0001" }] })
    assert.deepEqual((dependencies as unknown[])[0], {
      ref: "nopea",
      dependsOn: ["node_modules/a", "node_modules/@s/b"],
    })
  })

  it("of this project has every dependency with its pin, licence and digest, and no tool", async () => {
    const components = (await sbom()).components as ReadonlyArray<Record<string, unknown>>
    const listed = components.map(({ name, version }) => `${name}@${version}`)
    const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"))
    for (const [name, version] of Object.entries(dependencies)) {
      assert.include(listed, `${name}@${version}`)
    }
    const names = components.map(({ name }) => name)
    for (const name of Object.keys(devDependencies)) {
      if (name !== "@types/node") assert.notInclude(names, name)
    }
    for (const one of components) {
      assert.isNotEmpty(one["licenses"], `${one["purl"]} has no licence`)
      assert.isNotEmpty(one["hashes"], `${one["purl"]} has no digest`)
    }
  })
})
