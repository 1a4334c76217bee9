// A strict reader of Prometheus' text format: whatever the format does not allow is an error.

export interface Sample {
  /** As it stands on the line: `x_bucket` of a histogram `x`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/u
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/u
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/uy
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|Inf)|NaN)$/u

const labelsOf = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const at = LABEL.lastIndex
    const [, name = "", value = ""] = LABEL.exec(text) ?? []
    if (name === "" || name in labels) throw new Error(`labels: ${text} at ${at}`)
    labels[name] = value.replace(/\\(.)/gu, (_, sign) => (sign === "n" ? "\n" : sign))
  }
  return labels
}

const belongs = (sample: string, { name, type }: { name: string; type: string }): boolean =>
  type === "histogram"
    ? [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample)
    : sample === name

const sampleOf = (line: string): Sample => {
  const [, name = "", labels, value = ""] = SAMPLE.exec(line) ?? []
  if (name === "" || labels === "" || !NUMBER.test(value)) throw new Error(`sample: ${line}`)
  return { name, labels: labelsOf(labels ?? ""), value: Number(value.replace("Inf", "Infinity")) }
}

/** One group of lines per metric, with HELP and TYPE before its samples, no series twice. */
export const parse = (text: string): ReadonlyMap<string, Family> => {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end")
  const families = new Map<string, { -readonly [K in keyof Family]: Family[K] }>()
  let current: { name: string; type: string; help: string; samples: Array<Sample> } | undefined
  for (const line of text.split("\n").slice(0, -1)) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/u.exec(line) ?? []
    if (word === "HELP") {
      if (!NAME.test(name) || families.has(name)) throw new Error(`twice or wrong: ${line}`)
      current = { name, type: "", help: rest, samples: [] }
      families.set(name, current)
    } else if (word === "TYPE") {
      if (current?.name !== name || current.type !== "") throw new Error(`misplaced: ${line}`)
      if (!/^(counter|gauge|histogram)$/u.test(rest)) throw new Error(`type: ${line}`)
      current.type = rest
    } else {
      const sample = sampleOf(line)
      if (current === undefined || !belongs(sample.name, current)) throw new Error(`stray: ${line}`)
      const same = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
      if (
        current.samples.some(
          (s) => JSON.stringify([s.name, Object.entries(s.labels).sort()]) === same,
        )
      )
        throw new Error(`series twice: ${line}`)
      current.samples.push(sample)
    }
  }
  return families
}

const fits = (sample: Sample, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(([name, value]) => sample.labels[name] === value)

/** The sum of all samples of this name that have these labels; `undefined`: there are none. */
export const sumOf = (
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined => {
  const all = [...parse(text).values()].flatMap(({ samples }) => samples)
  const found = all.filter((sample) => sample.name === name && fits(sample, labels))
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}
