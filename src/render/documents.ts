/** Cuts a YAML stream into documents, so that a bad one does not hide the others. */

export interface Piece {
  readonly text: string
  /** Line of the piece's first character, from 1. */
  readonly line: number
  /** From 1; empty documents count too. */
  readonly document: number
}

/** YAML ends a document at such a line wherever it stands, also inside quotes: https://yaml.org/spec/1.2.2/#rule-c-forbidden */
const MARKER = /(?<![^\n\r])(?:---|\.\.\.)(?![^ \t\r\n])/gu
export const BREAK = /\r\n|\r|\n/gu

const countLines = (text: string): number => text.match(BREAK)?.length ?? 0

const hasOnly = (text: string, line: RegExp): boolean =>
  text.split(BREAK).every((each) => line.test(each))

const isBlank = (text: string): boolean => hasOnly(text, /^[ \t\ufeff]*(?:#|$)/u)
/** Directives and comments belong to the document that follows. */
const isPreamble = (text: string): boolean => hasOnly(text, /^(?:[ \t\ufeff]*(?:#|$)|%)/u)

/** The documents of a stream. Markers and directives stay in their document's text. */
export const splitDocuments = (text: string): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  let start = 0
  let line = 1
  let explicit = false
  const cut = (end: number): void => {
    const piece = text.slice(start, end)
    if (explicit || !isBlank(piece)) pieces.push({ text: piece, line, document: pieces.length + 1 })
    line += countLines(piece)
    start = end
  }
  for (const { 0: marker, index } of text.matchAll(MARKER)) {
    if (marker === "...") {
      cut(index)
      start += marker.length
      explicit = false
    } else {
      if (explicit || !isPreamble(text.slice(start, index))) cut(index)
      explicit = true
    }
  }
  cut(text.length)
  return pieces
}

/** Lines of a text's offsets. */
export const lineIndex = (text: string, first: number): ((offset: number) => number) => {
  let starts: ReadonlyArray<number> | undefined
  return (offset) => {
    starts ??= [...text.matchAll(BREAK)].map((found) => found.index + found[0].length)
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((starts[middle] as number) <= offset) low = middle + 1
      else high = middle
    }
    return first + low
  }
}
