/** What can be wrong inside one document: a code, an offset (turned into a line later), a reason, a way out. */
import { showKey } from "./parsed.ts"

/** Collections inside one another, aliases followed. */
export const MAX_DEPTH = 500
/** Characters and nodes that the aliases of one document may add. */
export const MAX_ALIASED = 4_000_000

export interface Flaw {
  readonly code: string
  readonly offset: number
  readonly reason: string
  readonly fix: string
}

type At = (offset: number) => Flaw

const flaw =
  (code: string, reason: string, fix: string): At =>
  (offset) => ({ code, offset, reason, fix })

export const duplicateKey = (key: string, offset: number, firstLine: number): Flaw => ({
  code: "NOPEA-R011",
  offset,
  reason: `key ${showKey(key)} is written twice in one mapping, first in line ${firstLine}`,
  fix: "keep one of the two lines",
})
export const unknownAlias = flaw(
  "NOPEA-R012",
  "an alias (*) names no anchor (&) above it, or one that contains it",
  "define the anchor before its alias, or quote a text that begins with *",
)
export const aliasBomb = flaw(
  "NOPEA-R013",
  `aliases expand to more than ${MAX_ALIASED} characters`,
  "write the repeated parts out, or split the document",
)
export const tooDeep = flaw(
  "NOPEA-R014",
  `collections are nested deeper than ${MAX_DEPTH}`,
  "flatten the document",
)

const NO_JSON = "NOPEA-R015"
export const badKey = flaw(
  NO_JSON,
  "a key is empty, null, a collection or too large a number",
  "quote the key, or remove the entry",
)
export const badMerge = flaw(
  NO_JSON,
  "a merge key (<<) needs a mapping or a list of mappings",
  "let it name an anchored mapping, or quote the key",
)
export const badTag = flaw(
  NO_JSON,
  "a value does not fit its tag (!!)",
  "remove the tag, or write a value of its type",
)
export const badNumber = flaw(
  NO_JSON,
  "infinity and NaN have no JSON form",
  "quote the value if it is meant as text",
)

const CONFLICT = /^(?:<{7}|>{7}) /mu
const unmerged = flaw(
  "NOPEA-R009",
  "not valid YAML: it has the conflict markers of an unfinished merge",
  "finish the merge, and commit the file without its <<<<<<<, ======= and >>>>>>> lines",
)
const template = flaw(
  "NOPEA-R009",
  "not valid YAML: it is a template with {{ }}",
  "render it first, for example in CI by helm template, and commit the result; or quote the text",
)

/** The mistake behind a flaw, where the text gives it away: a parser sees only where it gave up. */
export const causeOf = (found: Flaw, text: string): Flaw => {
  if (found.code !== "NOPEA-R009" && found.code !== NO_JSON) return found
  const marker = text.search(CONFLICT)
  if (marker >= 0) return unmerged(marker)
  const start = text.lastIndexOf("\n", Math.max(text.lastIndexOf("\n", found.offset - 1) - 1, 0))
  const end = text.indexOf("\n", found.offset)
  const around = text.slice(start + 1, end < 0 ? text.length : end)
  return around.includes("{{") ? template(found.offset) : found
}
