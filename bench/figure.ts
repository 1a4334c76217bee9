// A figure: what was measured, against what, and whether the goal is reached. Nothing fails on it.

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

const number = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0))
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

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Each round of a comparison as two bars. */
export const plot = ({ name, unit, pairs }: Figure): string => {
  const width = 640
  const height = 240
  const top = Math.max(1, ...pairs.flatMap(({ nopea, bare }) => [nopea, bare]))
  const slot = (width - 60) / Math.max(pairs.length, 1)
  const bar = (value: number, x: number, colour: string): string => {
    const size = (value / top) * (height - 70)
    return `<rect x="${x.toFixed(1)}" y="${(height - 30 - size).toFixed(1)}" width="${(slot * 0.38).toFixed(1)}" height="${size.toFixed(1)}" fill="${colour}"/>`
  }
  const bars = pairs.map(({ nopea, bare }, i) => {
    const x = 50 + i * slot
    return bar(bare, x, "#b0b7c3") + bar(nopea, x + slot * 0.4, "#2563eb")
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="18" font-size="13">${escaped(name)}</text>
<text x="10" y="38" fill="#2563eb">NOPEA</text><text x="70" y="38" fill="#6b7280">bare</text>
<text x="4" y="56">${number(top)} ${unit}</text>
<line x1="45" y1="${height - 30}" x2="${width - 5}" y2="${height - 30}" stroke="#6b7280"/>
${bars.join("\n")}
</svg>
`
}
