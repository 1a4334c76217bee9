/** Drops what an export, a generator or a copy of a live object left in a manifest, and says so. */
import type { Json, JsonObject } from "../domain/object.ts"
import { isMapping } from "./parsed.ts"

const SERVER_FIELDS =
  /^(?:uid|resourceVersion|generation|selfLink|creationTimestamp|deletionTimestamp|deletionGracePeriodSeconds|managedFields)$/u
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

const WHY = {
  exported: "a leftover of an export, the API server writes it",
  own: "NOPEA writes it itself",
  glass: "it counts on the live object only, not in Git",
}
type Why = keyof typeof WHY
type Rule = (key: string) => Why | undefined

const ofObject: Rule = (key) => (key === "status" ? "exported" : undefined)
const ofMetadata: Rule = (key) => (SERVER_FIELDS.test(key) ? "exported" : undefined)
const ofRecord: Rule = (key) => {
  if (key === LAST_APPLIED) return "exported"
  if (key.startsWith("nopea.io/suspend-heal")) return "glass"
  return /^nopea\.io\/(?:repository|applied$)/u.test(key) ? "own" : undefined
}

/** Generators write `status: {}` and `creationTimestamp: null`: dropping those needs no word. */
const isEmpty = (value: Json): boolean =>
  value === null || (isMapping(value) && Object.keys(value).length === 0)

/** The object without leftovers, and what was dropped. */
export const dropLeftovers = (
  object: JsonObject,
): { readonly object: JsonObject; readonly warnings: ReadonlyArray<string> } => {
  const dropped: Record<Why, Array<string>> = { exported: [], own: [], glass: [] }
  const sift = (record: JsonObject, rule: Rule, prefix = ""): JsonObject => {
    const kept = Object.entries(record).filter(([key, value]) => {
      const why = rule(key)
      if (why !== undefined && !isEmpty(value)) dropped[why].push(`${prefix}${key}`)
      return why === undefined
    })
    return kept.length === Object.keys(record).length ? record : Object.fromEntries(kept)
  }
  const top = sift(object, ofObject)
  const metadata: Record<string, Json> = {
    ...sift(object["metadata"] as JsonObject, ofMetadata, "metadata."),
  }
  for (const field of ["labels", "annotations"]) {
    const record = metadata[field]
    if (!isMapping(record)) continue
    const kept = sift(record, ofRecord)
    if (kept !== record && Object.keys(kept).length === 0) delete metadata[field]
    else metadata[field] = kept
  }
  const warnings = (Object.keys(WHY) as Array<Why>)
    .filter((why) => dropped[why].length > 0)
    .map((why) => `dropped ${dropped[why].join(", ")}: ${WHY[why]}`)
  return { object: { ...top, metadata }, warnings }
}
