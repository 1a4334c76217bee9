/** Which configurations of generators, transformers and validators kustomize may get: built in, and reading no files. */
import type { Failure } from "../domain/errors.ts"
import { canonical } from "../domain/object.ts"
import { isMapping, showKey, stalled } from "./parsed.ts"
import type { Document } from "./tree.ts"
import { readDocuments } from "./yaml.ts"

/** https://github.com/kubernetes-sigs/kustomize/tree/kustomize/v5.8.1/api/internal/builtins, those that load nothing. */
const HARMLESS = new Set([
  "AnnotationsTransformer",
  "HashTransformer",
  "IAMPolicyGenerator",
  "ImageTagTransformer",
  "LabelTransformer",
  "NamespaceTransformer",
  "PatchTransformer",
  "PrefixSuffixTransformer",
  "PrefixTransformer",
  "ReplicaCountTransformer",
  "SuffixTransformer",
])

/** Why this one is not run. */
const reasonAgainst = ({ value }: Document): string | undefined => {
  if (!isMapping(value)) return "is no mapping"
  const { apiVersion, kind, metadata } = value
  if (typeof kind !== "string") return "has no kind"
  if (apiVersion !== "builtin") {
    return `is a ${showKey(kind)} of ${showKey(String(apiVersion))}: programs, containers and Go plugins are not run`
  }
  if (!HARMLESS.has(kind)) return `is a ${showKey(kind)}, which is not run here`
  if (!isMapping(metadata) || typeof metadata["name"] !== "string") return "has no metadata.name"
  // Read without regard to case.
  const names = Object.keys(value).map((key) => key.toLowerCase())
  return names.includes("path") ? "reads a file: write the patch into it" : undefined
}

const refused = (field: string, why: string, line: number): Failure => {
  const fix = "use the fields of the kustomization itself, or render it in CI and commit the result"
  return stalled("NOPEA-R032", `${field}: its configuration ${why}`, fix, { line })
}

/** The configurations as kustomize gets them, or what is wrong with one. */
export const pluginText = (
  read: ReadonlyArray<Document | Failure>,
  field: string,
): string | Failure => {
  const texts: Array<string> = []
  for (const document of read) {
    if ("code" in document) return document
    const why = reasonAgainst(document)
    if (why !== undefined) return refused(field, why, document.line)
    texts.push(canonical(document.value))
  }
  return texts.join("\n---\n")
}

/** A configuration inside a kustomization. What does not parse there would be taken for a path. */
export const inlinePluginText = (source: string, field: string, line: number): string | Failure => {
  const text = pluginText(readDocuments(source, "yaml"), field)
  if (typeof text !== "string") return { ...text, line }
  const isPath = text === "" || text.includes("../")
  return isPath ? refused(field, "may be taken for a path", line) : text
}
