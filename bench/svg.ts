/** The little SVG that the plots are drawn with. */

export const INK = "#6b7280"
export const OURS = "#2563eb"
export const BARE = "#b0b7c3"

export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Short enough for an axis or a cell. */
export const number = (value: number): string =>
  Number.isNaN(value)
    ? "–"
    : value < 10
      ? String(Number(value.toFixed(2)))
      : value.toLocaleString("en", { maximumFractionDigits: 0 })

export const picture = (
  width: number,
  height: number,
  parts: ReadonlyArray<string>,
  title = "",
): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="white"/>
${parts.join("\n")}
</svg>
`

const at = (value: number): string => value.toFixed(1)

export const text = (
  x: number,
  y: number,
  words: string,
  style: {
    readonly fill?: string
    readonly anchor?: "start" | "middle" | "end"
    readonly size?: number
  } = {},
): string => {
  const { fill = "black", anchor = "start", size = 12 } = style
  return `<text x="${at(x)}" y="${at(y)}" fill="${fill}" text-anchor="${anchor}" font-size="${size}">${escaped(words)}</text>`
}

export const bar = (x: number, y: number, width: number, height: number, fill: string): string =>
  `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${fill}"/>`

export const rule = (x1: number, y1: number, x2: number, y2: number, stroke = INK): string =>
  `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${stroke}"/>`

export const dot = (x: number, y: number, fill: string): string =>
  `<circle cx="${at(x)}" cy="${at(y)}" r="4" fill="${fill}"/>`

export const path = (
  points: ReadonlyArray<readonly [number, number]>,
  stroke: string,
  dashes = "",
): string =>
  `<polyline points="${points.map(([x, y]) => `${at(x)},${at(y)}`).join(" ")}" fill="none" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dashes}"/>`
