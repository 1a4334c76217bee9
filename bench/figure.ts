// A figure: what was measured, against what, and whether the goal is reached. Nothing fails on it.
import { BARE, bar, INK, number, OURS, picture, rule, text } from "./svg.ts"

export interface Pair {
  readonly nopea: number
  readonly bare: number
}

export interface Figure {
  readonly name: string
  readonly baseline: string
  readonly unit: string
  readonly goal: number
  /** Median ratio, or the exact value where there is no baseline. */
  readonly value: number
  readonly nopea?: Spread
  readonly bare?: Spread
  readonly pairs: ReadonlyArray<Pair>
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

const spread = (values: ReadonlyArray<number>): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  return { min: at(0), median: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) }
}

export const median = (values: ReadonlyArray<number>): number => spread(values).median

/** A ratio, pair by pair; the median counts. */
export const compare = (input: {
  readonly name: string
  readonly baseline: string
  readonly unit: string
  readonly goal: number
  readonly pairs: ReadonlyArray<Pair>
}): Figure => ({
  ...input,
  value: spread(input.pairs.map(({ nopea, bare }) => nopea / bare)).median,
  nopea: spread(input.pairs.map(({ nopea }) => nopea)),
  bare: spread(input.pairs.map(({ bare }) => bare)),
})

/** A count, such as requests in the audit log. */
export const exact = (input: {
  readonly name: string
  readonly goal: number
  readonly value: number
}): Figure => ({ ...input, baseline: "audit log", unit: "", pairs: [] })

/** A plain measurement; without a goal it is only told. */
export const measured = (input: {
  readonly name: string
  readonly unit: string
  readonly goal: number
  readonly value: number
}): Figure => ({ ...input, baseline: "", pairs: [] })

const range = (of: Spread | undefined, unit: string): string =>
  of === undefined ? "" : `${number(of.median)} ${unit} (${number(of.min)}–${number(of.max)})`

/** One Markdown table. */
export const formatTable = (figures: ReadonlyArray<Figure>): string => {
  const rows = figures.map((figure) => {
    const { name, baseline, unit, goal, value, nopea, bare } = figure
    const plain = `${number(value)} ${unit}`.trim()
    const ratio = nopea === undefined ? plain : `${value.toPrecision(3)} ×`
    const limit = nopea === undefined ? `≤ ${goal} ${unit}`.trim() : `≤ ${goal} ×`
    const against = bare === undefined ? baseline : `${baseline}: ${range(bare, unit)}`
    const ends = Number.isNaN(goal) ? ["", ""] : [limit, value <= goal ? "yes" : "no"]
    return `| ${[name, range(nopea, unit), against, ratio, ...ends].join(" | ")} |`
  })
  const head =
    "| figure | NOPEA: median (min–max) | against, in the same run | value | goal | reached |"
  return [head, "|---|---|---|---|---|---|", ...rows].join("\n")
}

/** Each round of a comparison as two bars. */
export const plot = ({ name, unit, pairs }: Figure): string => {
  const [width, height] = [640, 240]
  const top = Math.max(...pairs.flatMap(({ nopea, bare }) => [nopea, bare]), Number.MIN_VALUE)
  const slot = (width - 60) / Math.max(pairs.length, 1)
  const column = (value: number, x: number, colour: string): string => {
    const size = (value / top) * (height - 90)
    return bar(x, height - 20 - size, slot * 0.38, size, colour)
  }
  return picture(width, height, [
    text(10, 18, name, { size: 13 }),
    text(10, 38, "NOPEA", { fill: OURS }),
    text(70, 38, "bare", { fill: INK }),
    text(4, 62, `${number(top)} ${unit}`),
    rule(45, height - 20, width - 5, height - 20),
    ...pairs.flatMap(({ nopea, bare }, i) => [
      column(bare, 50 + i * slot, BARE),
      column(nopea, 50 + i * slot + slot * 0.4, OURS),
    ]),
  ])
}
