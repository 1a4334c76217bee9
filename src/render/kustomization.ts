/** A kustomization's fields -> what it refers to, and the canonical text that kustomize gets in its place. */
import type { Failure } from "../domain/errors.ts"
import { canonical, type Json, type JsonObject } from "../domain/object.ts"
import { isMapping, onlyFailures, type Parsed, type Reference, showKey, stalled } from "./parsed.ts"
import { inlinePluginText, pluginText } from "./plugin.ts"
import type { Document } from "./tree.ts"
import { readBytes } from "./yaml.ts"

/** More in one file is no kustomization that anybody wrote. */
const MAX_REFERENCES = 10_000

interface Scan {
  readonly document: Document
  readonly references: Array<Reference>
  readonly failures: Array<Failure>
}

/** A value and where it stands. */
interface At {
  readonly field: string
  readonly line: number
}

type Reader = (scan: Scan, at: At, value: Json) => void

const malformed = (scan: Scan, { field, line }: At, what: string): void => {
  const fix = "see https://kubectl.docs.kubernetes.io/references/kustomize/kustomization"
  scan.failures.push(stalled("NOPEA-R028", `${field} ${what}`, fix, { line }))
}

const refer = (scan: Scan, at: At, to: Json, wants: Reference["wants"]): void => {
  if (typeof to !== "string") malformed(scan, at, "is not text: a path is")
  else scan.references.push({ ...at, to, wants })
}

const items = (scan: Scan, at: At, value: Json): ReadonlyArray<Json> => {
  if (Array.isArray(value)) return value
  if (value !== null) malformed(scan, at, "is not a list")
  return []
}

const paths =
  (wants: Reference["wants"]): Reader =>
  (scan, at, value) => {
    for (const to of items(scan, at, value)) refer(scan, at, to, wants)
  }

/** kustomize reads keys without regard to case, so only those that are known exactly may stand. */
const record =
  (known: ReadonlyArray<string>, readers: Readonly<Record<string, Reader>>): Reader =>
  (scan, at, value) => {
    if (!isMapping(value)) return malformed(scan, at, "has an entry that is no mapping")
    for (const [key, child] of Object.entries(value)) {
      const place = { field: `${at.field}.${key}`, line: scan.document.lineOf(value, key) }
      const reader = Object.hasOwn(readers, key) ? readers[key] : undefined
      if (reader !== undefined) reader(scan, place, child)
      else if (!known.includes(key)) malformed(scan, at, `has the unknown field ${showKey(key)}`)
    }
  }

const each =
  (reader: Reader): Reader =>
  (scan, at, value) => {
    for (const item of items(scan, at, value)) reader(scan, at, item)
  }

const file: Reader = (scan, at, to) => {
  if (to !== null && to !== "") refer(scan, at, to, "file")
}

/** `path` or `key=path` */
const sources: Reader = (scan, at, value) => {
  for (const source of items(scan, at, value)) {
    const to = typeof source === "string" ? source.replace(/^[^=]+=/u, "") : source
    refer(scan, at, to, "file")
  }
}

const patch = each(record(["patch", "target", "options"], { path: file }))
const generator = each(
  record(["namespace", "name", "behavior", "literals", "options", "type"], {
    files: sources,
    envs: paths("file"),
    env: file,
  }),
)

/** A mapping and no path. kustomize itself tries a text as the one, then as the other. */
const isInline = (value: Json): value is string =>
  typeof value === "string" && /\n|^\s*\{|:\s/u.test(value)

const strategic = each((scan, at, value) => {
  if (!isInline(value)) refer(scan, at, value, "file")
})

const plugins = each((scan, at, value) => {
  if (!isInline(value)) return refer(scan, at, value, "plugin")
  const text = inlinePluginText(value, at.field, at.line)
  if (typeof text !== "string") scan.failures.push(text)
})

const ignore: Reader = () => {}

const refused =
  (what: string, fix: string): Reader =>
  (scan, { field, line }) => {
    scan.failures.push(stalled("NOPEA-R032", `${field}: ${what}`, fix, { line }))
  }
const helm = refused("charts are not rendered", "render the chart in CI and commit the result")

const PLAIN =
  "apiVersion kind metadata namePrefix nameSuffix namespace commonLabels labels commonAnnotations images imageTags replicas vars sortOptions generatorOptions buildMetadata"
const FIELDS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ...PLAIN.split(" ").map((name) => [name, ignore] as const),
  ["resources", paths("either")],
  ["bases", paths("either")],
  ["components", paths("folder")],
  ["crds", paths("file")],
  ["configurations", paths("file")],
  ["openapi", record(["version"], { path: file })],
  ["patches", patch],
  ["patchesJson6902", patch],
  ["patchesStrategicMerge", strategic],
  ["replacements", each(record(["source", "targets"], { path: file }))],
  ["configMapGenerator", generator],
  ["secretGenerator", generator],
  ["generators", plugins],
  ["transformers", plugins],
  ["validators", plugins],
  ["helmCharts", helm],
  ["helmGlobals", helm],
  ["helmChartInflationGenerator", helm],
])

/** As `kustomize edit fix`: an entry of `patches` says whether it is a path or a patch. */
const entryOf = (old: Json): Json => (isInline(old) ? { patch: old } : { path: old })

/** Nothing is left that kustomize would try as a text first and as a path then. Only of what has no failures. */
const withoutGuesses = ({ patchesStrategicMerge, ...rest }: JsonObject): JsonObject => {
  const listOf = (value: Json | undefined) => (value ?? []) as ReadonlyArray<Json>
  const fields = Object.entries(rest).map(([key, value]) => {
    if (FIELDS.get(key) !== plugins) return [key, value] as const
    const text = (entry: Json) => (isInline(entry) ? inlinePluginText(entry, key, 0) : entry)
    return [key, listOf(value).map((entry) => text(entry) as string)] as const
  })
  const old = listOf(patchesStrategicMerge).map(entryOf)
  const patches = [...old, ...listOf(rest["patches"])]
  return { ...Object.fromEntries(fields), ...(patches.length > 0 ? { patches } : {}) }
}

const unknown: Reader = (scan, at) => malformed(scan, at, "is not a field of a kustomization")

const scanKustomization = (document: Document): Parsed => {
  const { value, line } = document
  const scan: Scan = { document, references: [], failures: [] }
  if (!isMapping(value)) malformed(scan, { field: "the file", line }, "is not a mapping")
  else {
    for (const [field, child] of Object.entries(value)) {
      const at = { field, line: document.lineOf(value, field) }
      const read = FIELDS.get(field) ?? unknown
      read(scan, at, child)
    }
  }
  const { references, failures } = scan
  if (references.length > MAX_REFERENCES) {
    const reason = `the kustomization names ${references.length} paths, more than ${MAX_REFERENCES}`
    failures.push(stalled("NOPEA-R033", reason, "split it", { line }))
  }
  if (failures.length > 0 || !isMapping(value)) return onlyFailures(...failures.slice(0, 100))
  const text = canonical(withoutGuesses(value))
  return { ...onlyFailures(), warnings: document.warnings, scanned: { text, references } }
}

/** A kustomization has one document, a file of plugins as many as it likes. */
export const scanFile = (bytes: Uint8Array, format: "kustomization" | "plugin"): Parsed => {
  const read = readBytes(bytes, "yaml")
  if (format === "plugin") {
    const text = pluginText(read, "the file")
    if (typeof text !== "string") return onlyFailures(text)
    return { ...onlyFailures(), scanned: { text, references: [] } }
  }
  const failures = read.filter((each) => "code" in each)
  if (failures.length > 0) return onlyFailures(...failures)
  const [document] = read as ReadonlyArray<Document>
  if (document !== undefined && read.length === 1) return scanKustomization(document)
  const reason = `the file has ${read.length} documents: a kustomization is one`
  return onlyFailures(stalled("NOPEA-R028", reason, "write one document", { line: 1 }))
}
