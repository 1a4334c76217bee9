/** A document -> objects fit to apply: lists flattened, identity and metadata checked, leftovers dropped. */
import { createHash } from "node:crypto"
import {
  canonical,
  formatRef,
  type Json,
  type JsonObject,
  marksOf,
  parseApiVersion,
} from "../domain/object.ts"
import { dropLeftovers } from "./leftovers.ts"
import { isMapping, join, onlyFailures, type Parsed, showKey, stalled } from "./parsed.ts"
import { withoutStringData } from "./secret.ts"
import type { Document } from "./tree.ts"

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
const isAbsent = (value: Json | undefined): boolean => (value ?? "") === ""

/** What to call an object that may have no name yet. */
const nameOf = (object: JsonObject): string => {
  const kind = typeof object["kind"] === "string" ? object["kind"] : "object"
  const name = isMapping(object["metadata"]) ? object["metadata"]["name"] : undefined
  return typeof name === "string" && name !== "" ? `${kind} ${showKey(name)}` : `the ${kind}`
}

/** What an object is or has that it must not; `key` of `holder` is where, the object itself if there is none. */
interface Fault {
  readonly code: string
  readonly what: string
  readonly fix: string
  readonly holder?: JsonObject
  readonly key?: string
}

const missing = (object: JsonObject, metadata: JsonObject): Fault | undefined => {
  if (isAbsent(metadata["name"]) && !isAbsent(metadata["generateName"])) {
    const fix = "give it a metadata.name: an object without one can be neither compared nor pruned"
    return { code: "NOPEA-R018", what: "has generateName and no name", fix }
  }
  const lacking = ["apiVersion", "kind"].filter((field) => isAbsent(object[field]))
  if (isAbsent(metadata["name"])) lacking.push("metadata.name")
  if (lacking.length === 0) return undefined
  const fix = "add what is missing; a file that is no Kubernetes object belongs outside the path"
  return { code: "NOPEA-R017", what: `has no ${lacking.join(" and no ")}`, fix }
}

const malformed = (holder: JsonObject, key: string, what: string, fix: string): Fault => ({
  code: "NOPEA-R019",
  what: `has ${what}`,
  fix,
  holder,
  key,
})

const notMapping = (holder: JsonObject, key: string, path: string): Fault => {
  const what = `${typeName(holder[key] as Json)} as ${path}, not a mapping`
  return malformed(holder, key, what, "write it as key: value lines")
}

/** The fields that are there and are no text. */
const notTexts = (
  holder: JsonObject,
  keys: ReadonlyArray<string>,
  pathOf: (key: string) => string,
): ReadonlyArray<Fault> =>
  keys
    .filter((key) => typeof (holder[key] ?? "") !== "string")
    .map((key) => {
      const what = `${typeName(holder[key] as Json)} as ${pathOf(key)}, not text`
      return malformed(holder, key, what, "quote the value")
    })

const wrongRecord = (metadata: JsonObject, field: string): ReadonlyArray<Fault> => {
  const record = metadata[field] ?? {}
  return isMapping(record)
    ? notTexts(record, Object.keys(record), (key) => `metadata.${field}[${showKey(key)}]`)
    : [notMapping(metadata, field, `metadata.${field}`)]
}

const wrongForm = (object: JsonObject, metadata: JsonObject): ReadonlyArray<Fault> => {
  const { apiVersion } = object
  const found: Array<Fault> = []
  if (typeof apiVersion === "string" && !/^[^/]+(?:\/[^/]+)?$/u.test(apiVersion)) {
    const fix = "write it as v1 or apps/v1"
    found.push(malformed(object, "apiVersion", "no valid apiVersion", fix))
  }
  if (String(metadata["name"]).length > MAX_NAME) {
    const what = `a metadata.name of more than ${MAX_NAME} characters`
    found.push(malformed(metadata, "name", what, "shorten it"))
  }
  for (const field of ["name", "namespace"]) {
    if (!NO_SEGMENT.test(String(metadata[field] ?? ""))) continue
    const what = `a metadata.${field} that is . or .., or holds / or %`
    found.push(malformed(metadata, field, what, "write a name, without a path"))
  }
  return found
}

/** Everything that is wrong with an object. */
const faultsOf = (object: JsonObject): ReadonlyArray<Fault> => {
  if (isMapping(object["sops"])) {
    const what = "is encrypted with SOPS, which is not decrypted yet"
    const fix =
      "keep it out of the path, or use an operator such as External Secrets or Sealed Secrets"
    return [{ code: "NOPEA-R021", what, fix }]
  }
  const metadata = object["metadata"] ?? {}
  if (!isMapping(metadata)) return [notMapping(object, "metadata", "metadata")]
  const absent = missing(object, metadata)
  if (absent !== undefined) return [absent]
  return [
    ...notTexts(object, ["apiVersion", "kind"], (key) => key),
    ...notTexts(metadata, ["name", "namespace"], (key) => `metadata.${key}`),
    ...wrongForm(object, metadata),
    ...wrongRecord(metadata, "labels"),
    ...wrongRecord(metadata, "annotations"),
  ]
}

const accept = (source: JsonObject, document: number, line: number): Parsed => {
  const { object, warnings } = dropLeftovers(withoutStringData(source))
  const metadata = object["metadata"] as JsonObject
  const ref = {
    ...parseApiVersion(object["apiVersion"] as string),
    kind: object["kind"] as string,
    namespace: (metadata["namespace"] ?? "") as string,
    name: metadata["name"] as string,
  }
  const json = canonical(object)
  const digest = createHash("sha256").update(json).digest("hex")
  const annotations = Object.entries(metadata["annotations"] ?? {})
  const marks = marksOf(Object.fromEntries(annotations.map(([key, text]) => [key, text ?? ""])))
  return {
    objects: [{ ref, json, digest, marks, document, line }],
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

const notList = (list: JsonObject): Fault => ({
  code: "NOPEA-R020",
  what: "has items that are no list",
  fix: "begin each item with a dash",
  holder: list,
  key: "items",
})

const checkValue = (value: Json, document: Document, line: number): Parsed => {
  const at = { document: document.document, line }
  if (!isMapping(value)) {
    const reason = `the document is ${typeName(value)}, not a Kubernetes object`
    const fix =
      "write a mapping with apiVersion, kind and metadata, or move the file out of the path"
    return onlyFailures(stalled("NOPEA-R016", reason, fix, at))
  }
  const items = isList(value) ? (value["items"] ?? []) : undefined
  if (Array.isArray(items)) {
    return join(
      items.map((item: Json) => {
        const first = isMapping(item) ? (Object.keys(item)[0] ?? "") : ""
        return checkValue(inherit(value, item), document, document.lineOf(item, first))
      }),
    )
  }
  const faults = items === undefined ? faultsOf(value) : [notList(value)]
  if (faults.length === 0) return accept(value, at.document, line)
  return onlyFailures(
    ...faults.map(({ code, what, fix, holder, key = "" }) => {
      const place = holder === undefined ? at : { ...at, line: document.lineOf(holder, key) }
      return stalled(code, `${nameOf(value)} ${what}`, fix, place)
    }),
  )
}

/** The objects of one document, or what is wrong with them. */
export const checkDocument = (document: Document): Parsed => {
  const parsed = checkValue(document.value, document, document.line)
  return { ...parsed, warnings: [...document.warnings, ...parsed.warnings] }
}
