/** Two texts as the hunks of a unified diff. */
import type { Paint } from "./words.ts"

interface Line {
  readonly sign: " " | "-" | "+"
  readonly text: string
}

/** Beyond so many comparisons a changed block is shown as a whole. */
const MOST_WORK = 4_000_000

/** What stands between the equal first and last lines. */
const changedLines = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const gone = (text: string): Line => ({ sign: "-", text })
  const come = (text: string): Line => ({ sign: "+", text })
  if (a.length * b.length > MOST_WORK) return [...a.map(gone), ...b.map(come)]
  const width = b.length + 1
  const longest = new Uint32Array((a.length + 1) * width)
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const lines: Array<Line> = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]]
    if (x !== undefined && x === y) {
      lines.push({ sign: " ", text: x })
      i += 1
      j += 1
    } else if (x !== undefined && (y === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(gone(x))
      i += 1
    } else {
      lines.push(come(y ?? ""))
      j += 1
    }
  }
  return lines
}

const linesOf = (text: string): ReadonlyArray<string> => (text === "" ? [] : text.split("\n"))

const allLines = (before: string, after: string): ReadonlyArray<Line> => {
  const [a, b] = [linesOf(before), linesOf(after)]
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail += 1
  const same = (text: string): Line => ({ sign: " ", text })
  return [
    ...a.slice(0, head).map(same),
    ...changedLines(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ]
}

const CONTEXT = 3
const COLOUR = { "-": "red", "+": "green" } as const

/** Where changes stand, with the lines around them, as [from, to). */
const hunksOf = (lines: ReadonlyArray<Line>): ReadonlyArray<readonly [number, number]> => {
  const hunks: Array<[number, number]> = []
  lines.forEach(({ sign }, at) => {
    if (sign === " ") return
    const [from, to] = [Math.max(0, at - CONTEXT), Math.min(lines.length, at + CONTEXT + 1)]
    const last = hunks.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = to
    else hunks.push([from, to])
  })
  return hunks
}

/** The hunks of a unified diff; empty where the texts are equal. */
export const unified = (before: string, after: string, paint: Paint): string => {
  const lines = allLines(before, after)
  const count = (from: number, to: number, skip: "-" | "+") =>
    lines.slice(from, to).filter(({ sign }) => sign !== skip).length
  return hunksOf(lines)
    .flatMap(([from, to]) => {
      const [a, b] = [count(from, to, "+"), count(from, to, "-")]
      const start = (skip: "-" | "+", length: number) =>
        count(0, from, skip) + (length === 0 ? 0 : 1)
      const head = `@@ -${start("+", a)},${a} +${start("-", b)},${b} @@`
      const body = lines
        .slice(from, to)
        .map(({ sign, text }) => (sign === " " ? ` ${text}` : paint(COLOUR[sign], sign + text)))
      return [paint("dim", head), ...body]
    })
    .join("\n")
}
