/** What can be wrong inside one document: a code, a reason, a way out, and a line. */
import type { Failure } from "../domain/errors.ts"
import { BREAK, type Piece } from "./documents.ts"
import { showKey, stalled } from "./parsed.ts"

/** Collections inside one another, aliases followed. */
export const MAX_DEPTH = 500
/** Characters and nodes that the aliases of one document may add. */
export const MAX_ALIASED = 4_000_000

/** Thrown: what makes the document unreadable. */
export class Flaw extends Error {
  readonly failure: Failure
  readonly line: number
  constructor([code, reason, fix]: Texts, line: number) {
    super(reason)
    this.line = line
    this.failure = stalled(code, reason, fix, { line })
  }
}

export type Texts = readonly [code: string, reason: string, fix: string]

export const TOO_DEEP: Texts = [
  "NOPEA-R014",
  `collections are nested deeper than ${MAX_DEPTH}`,
  "flatten the document",
]
export const UNKNOWN_ALIAS: Texts = [
  "NOPEA-R012",
  "an alias (*) names no anchor (&) above it, or one that contains it",
  "define the anchor before its alias, or quote a text that begins with *",
]
export const ALIAS_BOMB: Texts = [
  "NOPEA-R013",
  `aliases expand to more than ${MAX_ALIASED} characters`,
  "write the repeated parts out, or split the document",
]
export const BAD_KEY: Texts = [
  "NOPEA-R015",
  "a key is empty, null, a collection or too large a number",
  "quote the key, or remove the entry",
]
export const BAD_MERGE: Texts = [
  "NOPEA-R015",
  "a merge key (<<) needs a mapping or a list of mappings",
  "let it name an anchored mapping, or quote the key",
]
export const BAD_TAG: Texts = [
  "NOPEA-R015",
  "a value does not fit its tag (!!)",
  "remove the tag, or write a value of its type",
]
export const BAD_NUMBER: Texts = [
  "NOPEA-R015",
  "infinity and NaN have no JSON form",
  "quote the value if it is meant as text",
]

export const duplicateKey = (key: string, firstLine: number): Texts => [
  "NOPEA-R011",
  `key ${showKey(key)} is written twice in one mapping, first in line ${firstLine}`,
  "keep one of the two lines",
]

const UNMERGED: Texts = [
  "NOPEA-R009",
  "not valid YAML: it has the conflict markers of an unfinished merge",
  "finish the merge, and commit the file without its <<<<<<<, ======= and >>>>>>> lines",
]
const TEMPLATE: Texts = [
  "NOPEA-R009",
  "not valid YAML: it is a template with {{ }}",
  "render it first, for example in CI by helm template, and commit the result; or quote the text",
]

/** The mistake behind a flaw, where the text gives it away: a parser sees only where it gave up. */
export const causeOf = ({ failure, line }: Flaw, piece: Piece): Failure => {
  if (failure.code !== "NOPEA-R009" && failure.code !== "NOPEA-R015") return failure
  const lines = piece.text.split(BREAK)
  const marker = lines.findIndex((each) => /^(?:<{7}|>{7}) /u.test(each))
  if (marker >= 0) return new Flaw(UNMERGED, piece.line + marker).failure
  const at = line - piece.line
  const isTemplate = lines.slice(Math.max(at - 1, 0), at + 1).some((each) => each.includes("{{"))
  return isTemplate ? new Flaw(TEMPLATE, line).failure : failure
}
