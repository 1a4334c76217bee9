/** A document -> objects fit to apply: lists flattened, identity and metadata checked, leftovers dropped. */
import { createHash } from "node:crypto"
import type { Failure } from "../domain/errors.ts"
import {
  canonical,
  formatRef,
  type Json,
  type JsonObject,
  marksOf,
  parseApiVersion,
} from "../domain/object.ts"
import { dropLeftovers } from "./leftovers.ts"
import {
  type Document,
  isMapping,
  join,
  onlyFailures,
  type Parsed,
  showKey,
  stalled,
} from "./parsed.ts"

const MAX_NAME = 253
/** What would change the path of a request: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names */
const NO_SEGMENT = /^\.{1,2}$|[/%]/u

const typeName = (value: Json): string => {
  if (value === null) return "null"
  if (typeof value === "bigint") return "a number"
  if (typeof value !== "object") return `a ${typeof value}`
  return Array.isArray(value) ? "a list" : "a mapping"
}

/** Missing, null and "" all mean: not there. */
const isAbsent = (value: Json | undefined): boolean =>
  value === undefined || value === null || value === ""

/** One object of a document, on its way through the checks. */
interface Candidate {
  readonly object: JsonObject
  readonly line: number
  readonly document: Document
}

/** What to call an object that may have no name yet. */
const nameOf = ({ object }: Candidate): string => {
  const kind = typeof object["kind"] === "string" ? object["kind"] : "object"
  const name = isMapping(object["metadata"]) ? object["metadata"]["name"] : undefined
  return typeof name === "string" && name !== "" ? `${kind} ${showKey(name)}` : `the ${kind}`
}

const fault = (
  candidate: Candidate,
  [code, what, fix]: readonly [code: string, what: string, fix: string],
  line = candidate.line,
): Failure =>
  stalled(code, `${nameOf(candidate)} ${what}`, fix, {
    document: candidate.document.document,
    line,
  })

const missing = (candidate: Candidate, metadata: JsonObject): ReadonlyArray<Failure> => {
  if (isAbsent(metadata["name"]) && !isAbsent(metadata["generateName"])) {
    const fix = "give it a metadata.name: an object without one can be neither compared nor pruned"
    return [fault(candidate, ["NOPEA-R018", "has generateName and no name", fix])]
  }
  const lacking = ["apiVersion", "kind"].filter((field) => isAbsent(candidate.object[field]))
  if (isAbsent(metadata["name"])) lacking.push("metadata.name")
  if (lacking.length === 0) return []
  const fix = "add what is missing; a file that is no Kubernetes object belongs outside the path"
  return [fault(candidate, ["NOPEA-R017", `has no ${lacking.join(" and no ")}`, fix])]
}

/** A field of the wrong type: `holder[key]`, called `path`. */
const wrong = (candidate: Candidate, holder: JsonObject, key: string, path: string): Failure => {
  const type = typeName(holder[key] as Json)
  const isRecord = /^metadata(?:\.labels|\.annotations)?$/u.test(path)
  const what = `has ${type} as ${path}, ${isRecord ? "not a mapping" : "not text"}`
  const fix = isRecord ? "write it as key: value lines" : "quote the value"
  return fault(candidate, ["NOPEA-R019", what, fix], candidate.document.lineOf(holder, key))
}

const wrongTexts = (candidate: Candidate, metadata: JsonObject): ReadonlyArray<Failure> =>
  [
    [candidate.object, "apiVersion", "apiVersion"] as const,
    [candidate.object, "kind", "kind"] as const,
    [metadata, "name", "metadata.name"] as const,
    [metadata, "namespace", "metadata.namespace"] as const,
  ]
    .filter(([holder, key]) => !isAbsent(holder[key]) && typeof holder[key] !== "string")
    .map(([holder, key, path]) => wrong(candidate, holder, key, path))

const wrongRecord = (candidate: Candidate, metadata: JsonObject, field: string) => {
  const record = metadata[field] ?? {}
  if (!isMapping(record)) return [wrong(candidate, metadata, field, `metadata.${field}`)]
  return Object.keys(record)
    .filter((key) => record[key] !== null && typeof record[key] !== "string")
    .map((key) => wrong(candidate, record, key, `metadata.${field}[${showKey(key)}]`))
}

const wrongForm = (candidate: Candidate, metadata: JsonObject): ReadonlyArray<Failure> => {
  const { object, document } = candidate
  const { apiVersion } = object
  const found: Array<Failure> = []
  if (typeof apiVersion === "string" && !/^[^/]+(?:\/[^/]+)?$/u.test(apiVersion)) {
    const texts = ["NOPEA-R019", "has no valid apiVersion", "write it as v1 or apps/v1"] as const
    found.push(fault(candidate, texts, document.lineOf(object, "apiVersion")))
  }
  if (String(metadata["name"]).length > MAX_NAME) {
    const what = `has a metadata.name of more than ${MAX_NAME} characters`
    const texts = ["NOPEA-R019", what, "shorten it"] as const
    found.push(fault(candidate, texts, document.lineOf(metadata, "name")))
  }
  for (const field of ["name", "namespace"]) {
    if (!NO_SEGMENT.test(String(metadata[field] ?? ""))) continue
    const what = `has a metadata.${field} that is . or .., or holds / or %`
    const texts = ["NOPEA-R019", what, "write a name, without a path"] as const
    found.push(fault(candidate, texts, document.lineOf(metadata, field)))
  }
  return found
}

/** Everything that is wrong with an object. */
const faults = (candidate: Candidate): ReadonlyArray<Failure> => {
  const { object } = candidate
  if (isMapping(object["sops"])) {
    const fix =
      "keep it out of the path, or use an operator such as External Secrets or Sealed Secrets"
    return [
      fault(candidate, ["NOPEA-R021", "is encrypted with SOPS, which is not decrypted yet", fix]),
    ]
  }
  const metadata = object["metadata"] ?? {}
  if (!isMapping(metadata)) return [wrong(candidate, object, "metadata", "metadata")]
  const absent = missing(candidate, metadata)
  if (absent.length > 0) return absent
  return [
    ...wrongTexts(candidate, metadata),
    ...wrongForm(candidate, metadata),
    ...wrongRecord(candidate, metadata, "labels"),
    ...wrongRecord(candidate, metadata, "annotations"),
  ]
}

const texts = (record: Json | undefined): Record<string, string> =>
  isMapping(record)
    ? Object.fromEntries(Object.entries(record).map(([key, value]) => [key, String(value ?? "")]))
    : {}

const accept = ({ object: source, document, line }: Candidate): Parsed => {
  const { object, warnings } = dropLeftovers(source)
  const metadata = object["metadata"] as JsonObject
  const ref = {
    ...parseApiVersion(object["apiVersion"] as string),
    kind: object["kind"] as string,
    namespace: (metadata["namespace"] ?? "") as string,
    name: metadata["name"] as string,
  }
  const json = canonical(object)
  const digest = createHash("sha256").update(json).digest("hex")
  const marks = marksOf(texts(metadata["annotations"]))
  return {
    objects: [{ ref, json, digest, marks, document: document.document, line }],
    failures: [],
    warnings: warnings.map((text) => ({ line, text: `${formatRef(ref)}: ${text}` })),
  }
}

const isList = ({ kind, apiVersion, metadata, items }: JsonObject): boolean => {
  if (typeof kind !== "string" || !kind.endsWith("List")) return false
  if (kind === "List") return apiVersion === "v1"
  return Array.isArray(items) && !(isMapping(metadata) && !isAbsent(metadata["name"]))
}

/** As kubectl: the items of a `PodList` need not say that they are Pods. */
const inherit = (list: JsonObject, item: Json): Json => {
  if (!isMapping(item) || list["kind"] === "List") return item
  if (!isAbsent(item["apiVersion"]) || !isAbsent(item["kind"])) return item
  const kind = (list["kind"] as string).slice(0, -"List".length)
  return { ...item, apiVersion: list["apiVersion"] ?? "", kind }
}

const checkList = (candidate: Candidate): Parsed => {
  const { object: list, document } = candidate
  const items = list["items"] ?? []
  if (!Array.isArray(items)) {
    const texts = [
      "NOPEA-R020",
      "has items that are no list",
      "begin each item with a dash",
    ] as const
    return onlyFailures(fault(candidate, texts, document.lineOf(list, "items")))
  }
  return join(
    items.map((item: Json) => {
      const first = isMapping(item) ? (Object.keys(item)[0] ?? "") : ""
      return checkValue(inherit(list, item), document, document.lineOf(item, first))
    }),
  )
}

const checkValue = (value: Json, document: Document, line: number): Parsed => {
  if (!isMapping(value)) {
    const reason = `the document is ${typeName(value)}, not a Kubernetes object`
    const fix =
      "write a mapping with apiVersion, kind and metadata, or move the file out of the path"
    return onlyFailures(stalled("NOPEA-R016", reason, fix, { document: document.document, line }))
  }
  const candidate = { object: value, document, line }
  if (isList(value)) return checkList(candidate)
  const found = faults(candidate)
  return found.length > 0 ? onlyFailures(...found) : accept(candidate)
}

/** The objects of one document, or what is wrong with them. */
export const checkDocument = (document: Document): Parsed => {
  const parsed = checkValue(document.value, document, document.line)
  return { ...parsed, warnings: [...document.warnings, ...parsed.warnings] }
}
