/** How something grows with a size: one table and one picture for each curve, on logarithmic axes. */
import { dot, INK, number, OURS, path, picture, rule, text } from "./svg.ts"

export interface Series {
  readonly name: string
  readonly unit: string
  /** What growth is expected: with the size, or none. */
  readonly expected: "linear" | "flat"
}

/** One size of a curve; `values` in the order of the curve's series. */
export interface Point {
  readonly curve: string
  readonly size: number
  readonly values: ReadonlyArray<number>
}

export interface Curve {
  readonly name: string
  /** What is counted along the axis. */
  readonly sizes: string
  readonly series: ReadonlyArray<Series>
  readonly points: ReadonlyArray<Point>
}

const cells = (row: ReadonlyArray<string>): string => `| ${row.join(" | ")} |`

/** By how much a value grew between the last two sizes. */
const lastStep = ({ points }: Curve, index: number): string => {
  const [before, after] = points.slice(-2).map(({ values }) => values[index] ?? Number.NaN)
  return before === undefined || after === undefined ? "" : `× ${number(after / before)}`
}

/** One Markdown table: a row for each size, then what the last step cost. */
export const formatCurve = (curve: Curve): string => {
  const { name, sizes, series, points } = curve
  const head = [sizes, ...series.map((one) => `${one.name} (${one.expected})`)]
  const rows = points.map(({ size, values }) => [
    size.toLocaleString("en"),
    ...values.map((value, i) => `${number(value)} ${series[i]?.unit ?? ""}`.trim()),
  ])
  const [before, after] = points.slice(-2)
  const step =
    after === undefined || before === undefined
      ? []
      : [[`× ${number(after.size / before.size)}`, ...series.map((_, i) => lastStep(curve, i))]]
  const lines = [head, head.map(() => "---"), ...rows, ...step].map(cells)
  return `**${name}**\n\n${lines.join("\n")}`
}

const PANEL = { width: 300, height: 260, left: 52, right: 26, top: 64, bottom: 44 }

/** The powers of ten that hold every value: at least one decade. */
const decades = (values: ReadonlyArray<number>): readonly [number, number] => {
  const logs = values.filter((value) => value > 0).map(Math.log10)
  const low = Math.floor(Math.min(...logs) + 1e-9)
  const high = Math.ceil(Math.max(...logs) - 1e-9)
  return logs.length === 0 ? [0, 1] : [low, Math.max(high, low + 1)]
}

const scale = (
  [low, high]: readonly [number, number],
  from: number,
  to: number,
): ((value: number) => number) => {
  const lowest = 10 ** low
  return (value) =>
    from + ((Math.log10(Math.max(value, lowest)) - low) / (high - low)) * (to - from)
}

const powers = ([low, high]: readonly [number, number]): ReadonlyArray<number> =>
  Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))

/** One series; the dashed line is the growth that is expected, through its last point. */
const panel = ({ sizes, series, points }: Curve, index: number): ReadonlyArray<string> => {
  const { name, unit, expected } = series[index] as Series
  const left = index * PANEL.width + PANEL.left
  const right = (index + 1) * PANEL.width - PANEL.right
  const bottom = PANEL.height - PANEL.bottom
  const all = points.map(({ size, values }) => [size, values[index] ?? Number.NaN] as const)
  const known = all.filter(([, value]) => !Number.isNaN(value))
  const [firstSize] = known.at(0) ?? [1, 1]
  const [lastSize, lastValue] = known.at(-1) ?? [1, 1]
  const xs = decades(points.map(({ size }) => size))
  const ys = decades(known.map(([, value]) => value))
  const floor = 10 ** ys[0]
  const first =
    expected === "flat" ? firstSize : Math.max(firstSize, (floor / lastValue) * lastSize)
  const guide: ReadonlyArray<readonly [number, number]> = [
    [first, expected === "flat" ? lastValue : (lastValue / lastSize) * first],
    [lastSize, lastValue],
  ]
  const [x, y] = [scale(xs, left, right), scale(ys, bottom, PANEL.top)]
  const place = ([size, value]: readonly [number, number]) => [x(size), y(value)] as const
  return [
    text(left, PANEL.top - 14, `${name}${unit === "" ? "" : `, ${unit}`}`),
    ...powers(ys).map((value) => rule(left, y(value), right, y(value), "#e5e7eb")),
    ...powers(ys).map((value) =>
      text(left - 6, y(value) + 4, number(value), { fill: INK, anchor: "end" }),
    ),
    ...powers(xs).map((size) =>
      text(x(size), bottom + 17, number(size), { fill: INK, anchor: "middle" }),
    ),
    text((left + right) / 2, bottom + 35, sizes, { fill: INK, anchor: "middle" }),
    rule(left, bottom, right, bottom),
    path(guide.map(place), "#9ca3af", "4 4"),
    path(known.map(place), OURS),
    ...known.map((one) => dot(...place(one), OURS)),
    ...known.map((one) =>
      text(place(one)[0], place(one)[1] - 9, number(one[1]), {
        fill: OURS,
        anchor: "middle",
        size: 11,
      }),
    ),
  ]
}

/** A panel for each series, beside each other. */
export const plotCurve = (curve: Curve): string =>
  picture(PANEL.width * curve.series.length, PANEL.height, [
    text(10, 22, curve.name, { size: 14 }),
    ...curve.series.flatMap((_, index) => panel(curve, index)),
  ])
