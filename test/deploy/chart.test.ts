import { readFileSync } from "node:fs"
import { load } from "js-yaml"
import { assert, describe, it } from "vitest"
import { SETTINGS } from "../../src/config.ts"
import { VERSION } from "../../src/version.ts"
import { chartFiles } from "../../tools/chart.ts"

const read = (path: string): string => readFileSync(`deploy/chart/${path}`, "utf8")

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

/** Values that the schema does not describe, or that have no words. */
const strangers = (schema: Schema, values: unknown, at = ""): ReadonlyArray<string> => {
  const { properties, description } = schema
  if (properties === undefined) return description === undefined ? [at] : []
  return Object.entries(values as Record<string, unknown>).flatMap(([name, value]) => {
    const inner = properties[name]
    return inner === undefined ? [`${at}.${name}`] : strangers(inner, value, `${at}.${name}`)
  })
}

describe("the Helm chart's files", () => {
  it.each(Object.entries(chartFiles()))("%s is as npm run chart writes it", (path, text) => {
    assert.strictEqual(read(path), text)
  })

  it("the versions are the code's", () => {
    const { version, appVersion } = load(read("Chart.yaml")) as Record<string, string>
    assert.deepEqual([version, appVersion], [VERSION, VERSION])
  })

  it("every value is described", () => {
    const schema = JSON.parse(read("values.schema.json")) as Schema
    assert.deepEqual(strangers(schema, { nobody: 1 }), [".nobody"])
    assert.deepEqual(strangers(schema, load(read("values.yaml"))), [])
  })

  it("takes every setting that is neither secret nor the chart's own", () => {
    const { propertyNames } = JSON.parse(read("values.schema.json")).properties.settings
    const own = ["KUBECONFIG", ...propertyNames.not.enum, "NOPEA_CDEVENTS_SINKS"]
    const open = Object.values(SETTINGS).filter((row) => !own.includes(row.env))
    for (const row of open) assert.match(row.env, new RegExp(propertyNames.pattern, "u"))
    const secret = Object.values(SETTINGS).filter((row) => "isSecret" in row && row.isSecret)
    assert.isTrue(secret.every((row) => own.includes(row.env)))
  })
})
