/** Writes docs/spec.md, every field of a GitRepository, from the schemas in src/domain. */
import { writeFile } from "node:fs/promises"
import { crd } from "../src/domain/crd.ts"
import { VERSION } from "../src/version.ts"

export const FILE = new URL("../docs/spec.md", import.meta.url)

interface Node {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: ReadonlyArray<string>
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly required?: ReadonlyArray<string>
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly "x-kubernetes-int-or-string"?: boolean
  readonly "x-kubernetes-list-type"?: string
  readonly "x-kubernetes-validations"?: ReadonlyArray<{ readonly message: string }>
}

interface Column {
  readonly name: string
  readonly jsonPath: string
  readonly priority: number
}

interface Definition {
  readonly spec: {
    readonly versions: ReadonlyArray<{
      readonly name: string
      readonly additionalPrinterColumns: ReadonlyArray<Column>
      readonly schema: { readonly openAPIV3Schema: Node }
    }>
  }
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")
/** Code inside a table: a bar would end the cell, also between backticks. */
const code = (text: string): string => (text === "" ? "" : `\`${text.replaceAll("|", "\\|")}\``)

const typeOf = (node: Node): string => {
  if (node["x-kubernetes-int-or-string"] === true) return "integer or string"
  if (node.items !== undefined) return `list of ${typeOf(node.items)}s`
  return node.format === "date-time" ? "time" : (node.type ?? "")
}

const bounds = (least: number | undefined, most: number | undefined, what: string): string => {
  if (least !== undefined && least > 0 && most !== undefined) return `${least} to ${most} ${what}`
  if (most !== undefined) return `at most ${most} ${what}`
  return least === undefined || least === 0 ? "" : `at least ${least} ${what}`
}

const rulesOf = (node: Node): ReadonlyArray<string> =>
  [
    node.enum === undefined ? "" : `one of ${node.enum.map(code).join(", ")}`,
    ...(node["x-kubernetes-validations"] ?? []).map(({ message }) => cell(message)),
    node.pattern === undefined ? "" : `matches ${code(node.pattern)}`,
    bounds(node.minLength, node.maxLength, "characters"),
    bounds(node.minItems, node.maxItems, "entries"),
    node["x-kubernetes-list-type"] === "set" ? "each once" : "",
    ...(node.items === undefined || node.items.properties !== undefined
      ? []
      : rulesOf(node.items).map((rule) => `each: ${rule}`)),
  ].filter((rule) => rule !== "")

interface Field {
  readonly path: string
  readonly node: Node
  readonly isRequired: boolean
}

const fieldsOf = (node: Node, path: string): ReadonlyArray<Field> => {
  const { properties = {}, required = [] } = node.items ?? node
  return Object.entries(properties).flatMap(([name, child]) => {
    const own = `${path}${path === "" ? "" : "."}${name}`
    const field = { path: own, node: child, isRequired: required.includes(name) }
    return [field, ...fieldsOf(child, child.items === undefined ? own : `${own}[]`)]
  })
}

const fallback = ({ node, isRequired }: Field): string => {
  if (isRequired) return "required"
  return node.default === undefined ? "" : code(String(node.default))
}

const specRow = (field: Field): string => {
  const { path, node } = field
  const text = cell(node.description ?? "")
  return `| ${code(path)} | ${typeOf(node)} | ${fallback(field)} | ${text} | ${rulesOf(node).join("; ")} |`
}

const statusRow = ({ path, node }: Field): string => {
  const values = node.enum === undefined ? "" : `one of ${node.enum.map(code).join(", ")}`
  const text = [cell(node.description ?? ""), values].filter((part) => part !== "").join(" ")
  return `| ${code(path)} | ${typeOf(node)} | ${text} |`
}

const columnRow = ({ name, jsonPath, priority }: Column): string =>
  `| ${name.toUpperCase()} | ${code(jsonPath)} | ${priority === 0 ? "always" : "`-o wide`"} |`

const messages = (node: Node | undefined): ReadonlyArray<string> =>
  (node?.["x-kubernetes-validations"] ?? []).map(({ message }) => `- ${message}`)

/** The whole page. */
export const page = (): string => {
  const [version] = (crd() as unknown as Definition).spec.versions
  if (version === undefined) throw new Error("the definition has no version")
  const whole = version.schema.openAPIV3Schema
  const { spec, status } = whole.properties ?? {}
  return `# GitRepository: every field

API version \`nopea.false.systems/${version.name}\`, as NOPEA ${VERSION} has it. This page is made from [src/domain](../src/domain/spec.ts) by \`npm run docs\`. \`kubectl explain gitrepository.spec\` says the same of the cluster in hand. What the conditions mean, and every annotation and label: [reference.md](reference.md).

The API server refuses a value that breaks a rule, with the sentence in the last column.

## spec

| field | type | default | meaning | rules |
|---|---|---|---|---|
${fieldsOf(spec ?? {}, "")
  .map(specRow)
  .join("\n")}

Rules over several fields:

${[...messages(whole), ...messages(spec)].join("\n")}

## status

Written by the controller alone. Lists are bounded.

| field | type | meaning |
|---|---|---|
${fieldsOf(status ?? {}, "")
  .map(statusRow)
  .join("\n")}

## Columns of \`kubectl get\`

| column | shows | when |
|---|---|---|
${version.additionalPrinterColumns.map(columnRow).join("\n")}
`
}

if (import.meta.main) await writeFile(FILE, page())
