/** The bytes of a file -> its objects, as kubectl understands them; a bad document does not hide the others. */
import { EVENT_ID, type Event, parseEvents, YAMLException } from "js-yaml"
import type { Failure } from "../domain/errors.ts"
import { checkDocument } from "./check.ts"
import { lineIndex, type Piece, splitDocuments } from "./documents.ts"
import { causeOf, type Flaw, MAX_DEPTH, tooDeep } from "./flaws.ts"
import { newGrowth } from "./growth.ts"
import { jsonFlaw } from "./json.ts"
import { type Document, type Format, join, onlyFailures, type Parsed, stalled } from "./parsed.ts"
import { grow } from "./tree.ts"

const MAX_DOCUMENTS = 10_000
const MAX_MENDED = 100
const DEFICIENT = "deficient indentation"
const LFS = "version https://git-lfs.github.com/spec/"

const advice = (reason: string): string => {
  if (reason.includes("tab")) return "indent with spaces"
  if (reason.includes("indentation")) return "align the line with its siblings"
  if (reason.includes("quoted scalar")) return "close the quote"
  if (reason.includes("flow collection")) return "close the bracket, or add the comma"
  return "correct the line; a text with : # { [ * & ! | > % @ or ` in it may need quotes"
}

const notYaml = (reason: string, offset: number, fix = advice(reason)): Flaw => ({
  code: "NOPEA-R009",
  offset,
  reason: `not valid YAML: ${reason}`,
  fix,
})

/** js-yaml's reasons, without the words of the file that some of them quote. */
const syntaxFlaw = (error: unknown): Flaw => {
  if (!(error instanceof YAMLException)) return tooDeep(0)
  const offset = error.mark?.position ?? 0
  if (error.reason.includes("maxDepth")) return tooDeep(offset)
  return notYaml(error.reason.replace(/(?:: | ").*$/su, ""), offset)
}

interface Outline {
  readonly text: string
  readonly events: ReadonlyArray<Event>
  readonly flaw: Flaw | undefined
}

const outline = (text: string): Outline => {
  try {
    const events = parseEvents(text, { maxDepth: MAX_DEPTH })
    const isSecond = events.some((event, at) => at > 0 && event.type === EVENT_ID.DOCUMENT)
    const flaw = notYaml("two documents without a --- line between them", 0, "add the --- line")
    return { text, events, flaw: isSecond ? flaw : undefined }
  } catch (error) {
    return { text, events: [], flaw: syntaxFlaw(error) }
  }
}

const deepestIndent = (text: string): number =>
  (text.match(/(?<![^\n\r]) +/gu) ?? []).reduce(
    (deepest, each) => Math.max(deepest, each.length),
    0,
  )

/**
 * kubectl takes brackets and quotes that go on in a line with too little indentation, js-yaml refuses
 * them. Inside brackets and quotes leading spaces mean nothing, so such lines get some, one by one.
 */
const lenientOutline = (text: string): Outline => {
  let found = outline(text)
  const indent = found.flaw === undefined ? "" : " ".repeat(deepestIndent(text) + 1)
  for (let left = MAX_MENDED; left > 0 && found.flaw?.reason.endsWith(DEFICIENT); left--) {
    const last = found.flaw.offset - 1
    const start =
      Math.max(found.text.lastIndexOf("\n", last), found.text.lastIndexOf("\r", last)) + 1
    found = outline(found.text.slice(0, start) + indent + found.text.slice(start))
  }
  return found
}

const readPiece = ({ text: source, line, document }: Piece, format: Format): Document | Failure => {
  const { text, events, flaw } = lenientOutline(source)
  const lineAt = lineIndex(text, line)
  const growth = newGrowth({ text, format, lineAt, events, flaw })
  const grown = grow(growth)
  if (grown === undefined) {
    const { code, reason, fix, offset } = causeOf(growth.flaw as Flaw, text)
    return stalled(code, reason, fix, { document, line: lineAt(offset) })
  }
  return {
    value: grown.value,
    document,
    line: lineAt(grown.offset),
    lineOf: (mapping, key) => lineAt(growth.keys.get(mapping as object)?.get(key) ?? grown.offset),
    warnings: growth.notes.map((note) => ({ line: lineAt(note.offset), text: note.text })),
  }
}

const readJson = (text: string): Document | Failure => {
  const flaw = jsonFlaw(text)
  if (flaw === undefined) return readPiece({ text, line: 1, document: 1 }, "json")
  const fix = "correct the line; several objects in one file go into a List"
  const at = { document: 1, line: lineIndex(text, 1)(flaw.offset) }
  return stalled("NOPEA-R010", `not valid JSON: ${flaw.reason}`, fix, at)
}

/** The documents of a text, good and bad; empty ones are left out. */
export const readDocuments = (text: string, format: Format): ReadonlyArray<Document | Failure> => {
  if (format === "json") return text.trim() === "" ? [] : [readJson(text)]
  const pieces = splitDocuments(text)
  if (pieces.length > MAX_DOCUMENTS) {
    const reason = `the file has ${pieces.length} documents, more than ${MAX_DOCUMENTS}`
    return [stalled("NOPEA-R008", reason, "split the file", { line: 1 })]
  }
  return pieces
    .map((piece) => readPiece(piece, "yaml"))
    .filter((read) => "code" in read || read.value !== null)
}

const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Line feeds are never part of another character in UTF-8, so each line can be tried alone. */
const firstBadLine = (bytes: Uint8Array): number => {
  for (let line = 1, start = 0; ; line++) {
    const end = bytes.indexOf(10, start)
    const part = bytes.subarray(start, end < 0 ? bytes.length : end)
    if (end < 0 || part.includes(0) || decode(part) === undefined) return line
    start = end + 1
  }
}

/** Why bytes are no UTF-8; UTF-16 begins with a byte order mark. */
const encodingOf = (bytes: Uint8Array): string => {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return "is UTF-16"
  return bytes.includes(0) ? "is not text: it has NUL bytes" : "is not UTF-8"
}

const notText = (bytes: Uint8Array): Failure =>
  stalled(
    "NOPEA-R006",
    `the file ${encodingOf(bytes)}`,
    "save the file as UTF-8, or move it out of the path",
    { line: firstBadLine(bytes) },
  )

const pointer = stalled(
  "NOPEA-R005",
  "the file is a Git LFS pointer, and LFS is not fetched",
  "keep manifests out of LFS (git lfs untrack, then commit the file itself)",
  { line: 1 },
)

/** Everything that one file holds. */
export const parseFile = (bytes: Uint8Array, format: Format): Parsed => {
  const text = bytes.includes(0) ? undefined : decode(bytes)
  if (text === undefined) return onlyFailures(notText(bytes))
  if (text.startsWith(LFS)) return onlyFailures(pointer)
  return join(
    readDocuments(text, format).map((read) =>
      "code" in read ? onlyFailures(read) : checkDocument(read),
    ),
  )
}
