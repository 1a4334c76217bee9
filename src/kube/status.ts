/**
 * A `Status` answer of the API server as facts and safe words. Values never pass: of a field error its path
 * and rule are kept (the value may be a whole pod with its environment), of an answer about a Secret only paths.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
 */

/** What was asked, for the error's sentence. */
export interface Asked {
  /** The port's verb: `apply`, `watch`. */
  readonly operation: string
  /** `group/kind/namespace/name`, or `group/kind` of a collection. */
  readonly subject: string
  readonly kind: string
}

export interface Cause {
  readonly reason?: string
  readonly message?: string
  readonly field?: string
}

interface StatusBody {
  readonly kind?: string
  readonly message?: string
  readonly reason?: string
  readonly details?: {
    readonly name?: string
    readonly kind?: string
    readonly retryAfterSeconds?: number
    readonly causes?: ReadonlyArray<Cause> | null
  }
}

export interface Seen {
  readonly asked: Asked
  readonly status: number
  readonly message: string
  readonly reason: string
  /** What the answer is about: `""` where it does not say. */
  readonly name: string
  readonly kind: string
  readonly causes: ReadonlyArray<Cause>
  readonly retryAfter: number | undefined
  /** The answer may quote the values of a Secret. */
  readonly secret: boolean
}

/** One line, bounded, without control characters. */
export const oneLine = (text: string, longest = 1_000): string => {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim()
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`
}

const parseStatus = (body: string): StatusBody | undefined => {
  try {
    const parsed = JSON.parse(body) as StatusBody | null
    return parsed?.kind === "Status" ? parsed : undefined
  } catch {
    return undefined
  }
}

export const seenOf = (asked: Asked, status: number, body: string): Seen => {
  const said = parseStatus(body)
  const seconds = said?.details?.retryAfterSeconds
  return {
    asked,
    status,
    message: said?.message ?? (said === undefined ? oneLine(body, 200) : ""),
    reason: said?.reason ?? "",
    name: said?.details?.name ?? "",
    kind: said?.details?.kind ?? "",
    causes: said?.details?.causes ?? [],
    retryAfter: seconds === undefined || seconds <= 0 ? undefined : seconds * 1_000,
    secret: asked.kind === "Secret",
  }
}

const VALUED = /^(\w+ value): /u
const VALUE = /^\w+ value: (?:"(?:[^"\\]|\\.)*"|[-\w.]+|[^"]*[{[].*[}\]])(?:: |$)/su

/** `Invalid value: "x": must be y` -> `must be y`; a value of unknown form takes its rule along. */
const ruleOf = (message: string): string => {
  const [, form] = VALUED.exec(message) ?? []
  if (form === undefined) return message
  return (VALUE.test(message) ? message.replace(VALUE, "") : "") || form.toLowerCase()
}

const MOST_FIELDS = 10

const bounded = (texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const unique = [...new Set(texts)]
  const more = unique.length - MOST_FIELDS
  return more > 0 ? [...unique.slice(0, MOST_FIELDS), `and ${more} more`] : unique
}

export const fieldPaths = (seen: Seen): ReadonlyArray<string> =>
  bounded(seen.causes.map((cause) => cause.field ?? "?"))

/** The server's own words, unless they could quote a Secret. */
export const words = (seen: Seen): string => {
  const answered = `the API server answered ${seen.status} ${seen.reason}`.trim()
  if (seen.message === "") return answered
  return seen.secret
    ? `${answered} (its words may quote the Secret and are withheld)`
    : seen.message
}

/** Each field with its rule. */
export const fieldWords = (seen: Seen): string => {
  if (!seen.causes.some((cause) => cause.field !== undefined)) return words(seen)
  if (seen.secret) return `not valid at ${fieldPaths(seen).join(", ")}`
  const errors = seen.causes.map((c) => `${c.field ?? "?"}: ${ruleOf(c.message ?? "")}`)
  return bounded(errors).join("; ")
}

const GOT = /got &?value\.\w+\{Value:(.*)\}/gsu
const typeName = (value: string): string => {
  if (value.startsWith("map[")) return "a map"
  if (value.startsWith("[]")) return "a list"
  if (/^-?[0-9.]/u.test(value)) return "a number"
  return /^(?:true|false)$/u.test(value) ? "a boolean" : "another type"
}

/** Of `(namespace/name; v1, Kind=Secret): .data.x: not declared` what follows the brackets. */
const afterObject = (message: string): string =>
  message.replace(/^[^(]*\([^)]*\)[^:]*: (?:errors:)?/u, "")

const PATH = /(?:^|\s)(\.[^\s:[]+)[^\s:]*:/gu

export const isNotBase64 = (seen: Seen): boolean =>
  seen.secret && seen.message.includes("illegal base64 data")

/** What server-side apply says of a field that the schema does not know, or knows as another type. */
export const typedWords = (seen: Seen): string => {
  const text = afterObject(seen.message)
  if (!seen.secret) return text.replace(GOT, (_, value: string) => `got ${typeName(value)}`)
  if (isNotBase64(seen)) return "a value below data is not base64"
  const what = text.includes("not declared in schema") ? "unknown field" : "not as its schema says"
  const paths = bounded([...text.matchAll(PATH)].map((found) => found[1] ?? "?"))
  return paths.length === 0
    ? `${what} (the server's words are withheld)`
    : `${what}: ${paths.join(", ")}`
}

const CANNOT =
  /User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?/u

/** RBAC's refusal: the sentence, and who needs which verb on what. */
export const rbacRefusal = (
  seen: Seen,
): { readonly sentence: string; readonly grant: string } | undefined => {
  const found = CANNOT.exec(seen.message)
  if (found === null) return undefined
  const [sentence, user, verb = "", resource, group, namespace] = found
  if (verb.startsWith("impersonate"))
    return {
      sentence,
      grant: `grant ${user} the verb impersonate on the repository's service account`,
    }
  const what = group === "" ? resource : `${resource}.${group}`
  const where = namespace === undefined ? "cluster-wide" : `in namespace ${namespace}`
  return { sentence, grant: `grant ${user} the verb ${verb} on ${what} ${where}` }
}
