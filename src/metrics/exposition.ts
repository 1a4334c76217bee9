/** Prometheus' text format, version 0.0.4. https://prometheus.io/docs/instrumenting/exposition_formats/ Pure. */
import type { Family } from "./families.ts"

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

/** `a="x",b="y"`: labels without their braces. */
export const labelText = (names: ReadonlyArray<string>, values: ReadonlyArray<string>): string =>
  names.map((name, i) => `${name}="${escaped(values[i] ?? "").replaceAll('"', '\\"')}"`).join(",")

const braced = (labels: string): string => (labels === "" ? "" : `{${labels}}`)

export const headOf = (name: string, { help, type }: Family): string =>
  `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`

export const sampleOf = (name: string, labels: string, value: number): string =>
  `${name}${braced(labels)} ${value}\n`

/** `counts` has one more than `buckets`: what is above the last of them. */
export const histogramOf = (
  name: string,
  labels: string,
  buckets: ReadonlyArray<number>,
  counts: ReadonlyArray<number>,
  sum: number,
): string => {
  const prefix = labels === "" ? "" : `${labels},`
  let all = 0
  const lines = counts.map((count, i) => {
    all += count
    return sampleOf(`${name}_bucket`, `${prefix}le="${buckets[i] ?? "+Inf"}"`, all)
  })
  return `${lines.join("")}${sampleOf(`${name}_sum`, labels, sum)}${sampleOf(`${name}_count`, labels, all)}`
}
