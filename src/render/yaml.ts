/** The bytes of a file -> its objects, as kubectl understands them; a bad document does not hide the others. */
import { EVENT_ID, type Event, parseEvents, YAMLException } from "js-yaml"
import type { Failure } from "../domain/errors.ts"
import { checkDocument } from "./check.ts"
import { lineIndex, type Piece, splitDocuments } from "./documents.ts"
import { causeOf, Flaw, MAX_DEPTH, type Texts, TOO_DEEP } from "./flaws.ts"
import { jsonFlaw } from "./json.ts"
import { type Format, join, onlyFailures, type Parsed, stalled } from "./parsed.ts"
import { isPointer, POINTER } from "./pointer.ts"
import { type Document, grow } from "./tree.ts"

const MAX_DOCUMENTS = 10_000
const MAX_MENDED = 100

const advice = (reason: string): string => {
  if (reason.includes("tab")) return "indent with spaces"
  if (reason.includes("indentation")) return "align the line with its siblings"
  if (reason.includes("quoted scalar")) return "close the quote"
  if (reason.includes("flow collection")) return "close the bracket, or add the comma"
  return "correct the line; a text with : # { [ * & ! | > % @ or ` in it may need quotes"
}

const notYaml = (reason: string, fix = advice(reason)): Texts => [
  "NOPEA-R009",
  `not valid YAML: ${reason}`,
  fix,
]

/** js-yaml's reasons, without the words of the file that some of them quote. */
const syntaxFlaw = (error: unknown, first: number): Flaw => {
  if (!(error instanceof YAMLException)) return new Flaw(TOO_DEEP, first)
  const line = first + (error.mark?.line ?? 0)
  const isDeep = error.reason.includes("maxDepth")
  return new Flaw(isDeep ? TOO_DEEP : notYaml(error.reason.replace(/(?:: | ").*$/su, "")), line)
}

const deepestIndent = (text: string): number =>
  text.matchAll(/(?<![^\n\r]) +/gu).reduce((most, [spaces]) => Math.max(most, spaces.length), 0)

/** Where a line stands that js-yaml finds too little indented. */
const shallowAt = (error: unknown): number | undefined =>
  error instanceof YAMLException && error.reason === "deficient indentation"
    ? error.mark?.position
    : undefined

/**
 * The text's events. kubectl takes brackets and quotes that go on in a line with too little indentation,
 * js-yaml refuses them. Inside brackets and quotes leading spaces mean nothing, so such lines get some,
 * one by one; the events point into the text that is answered.
 */
const parseText = ({
  text: source,
  line,
}: Piece): { readonly text: string; readonly events: ReadonlyArray<Event> } => {
  let text = source
  for (let mended = 0; ; mended++) {
    try {
      return { text, events: parseEvents(text, { maxDepth: MAX_DEPTH }) }
    } catch (error) {
      const at = shallowAt(error)
      if (at === undefined || mended === MAX_MENDED) throw syntaxFlaw(error, line)
      const start = Math.max(text.lastIndexOf("\n", at - 1), text.lastIndexOf("\r", at - 1)) + 1
      text = `${text.slice(0, start)}${" ".repeat(deepestIndent(source) + 1)}${text.slice(start)}`
    }
  }
}

const readPiece = (piece: Piece, format: Format): Document | Failure => {
  try {
    const { text, events } = parseText(piece)
    if (events.findLastIndex(({ type }) => type === EVENT_ID.DOCUMENT) > 0) {
      const texts = notYaml("two documents without a --- line between them", "add the --- line")
      throw new Flaw(texts, piece.line)
    }
    return grow({ ...piece, text }, format, events)
  } catch (error) {
    if (error instanceof Flaw) return { ...causeOf(error, piece), document: piece.document }
    throw error
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

/** The documents of a file, good and bad. */
export const readBytes = (bytes: Uint8Array, format: Format): ReadonlyArray<Document | Failure> => {
  const text = bytes.includes(0) ? undefined : decode(bytes)
  if (text === undefined) return [notText(bytes)]
  if (isPointer(bytes)) return [POINTER]
  return readDocuments(text, format)
}

/** Everything that one file holds. */
export const parseFile = (bytes: Uint8Array, format: Format): Parsed => {
  return join(
    readBytes(bytes, format).map((read) =>
      "code" in read ? onlyFailures(read) : checkDocument(read),
    ),
  )
}
