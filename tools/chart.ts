/** Writes what the Helm chart has from elsewhere: copies of deploy/'s files, and the table of values in its README. */
import { readFileSync, writeFileSync } from "node:fs"
import { load } from "js-yaml"
import { fileText } from "./crd.ts"

const deploy = new URL("../deploy/", import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, deploy), "utf8")

const COPIES: Readonly<Record<string, string>> = {
  "rbac-controller.yaml": "base/rbac-controller.yaml",
  "rbac-anything.yaml": "rbac-anything.yaml",
  "rbac-watch.yaml": "restricted/rbac-watch.yaml",
  "rbac-tenant.yaml": "restricted/rbac-tenant.yaml",
  "rbac-deployer.yaml": "restricted/rbac-deployer.yaml",
  "pod-monitor.yaml": "monitoring/pod-monitor.yaml",
  "alerts.yaml": "monitoring/alerts.yaml",
}

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

type Values = Readonly<Record<string, unknown>>

const rows = (schema: Schema, values: Values, prefix = ""): ReadonlyArray<string> =>
  Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const value = values[name]
    const path = `${prefix}${name}`
    if (one.properties !== undefined) return rows(one, (value ?? {}) as Values, `${path}.`)
    if (value === undefined) return []
    return [`| \`${path}\` | \`${JSON.stringify(value)}\` | ${one.description} |`]
  })

/** The table of values: names and defaults from values.yaml, words from the schema. */
export const valuesTable = (): string =>
  [
    "| value | default | meaning |",
    "|---|---|---|",
    ...rows(
      JSON.parse(read("chart/values.schema.json")) as Schema,
      load(read("chart/values.yaml")) as Values,
    ),
  ].join("\n")

const withTable = (page: string): string =>
  page.replace(/\| value \| default[\s\S]*?(?=\n\n|$)/u, () => valuesTable())

/** Every file that is written, by its path below deploy/chart. */
export const chartFiles = (): Readonly<Record<string, string>> => ({
  "files/gitrepositories.yaml": fileText(),
  ...Object.fromEntries(
    Object.entries(COPIES).map(([copy, source]) => [`files/${copy}`, read(source)]),
  ),
  "README.md": withTable(read("chart/README.md")),
})

if (import.meta.main) {
  for (const [path, text] of Object.entries(chartFiles())) {
    writeFileSync(new URL(`chart/${path}`, deploy), text)
  }
}
