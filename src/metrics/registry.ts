/**
 * The series of every metric, at most so many; those of a repository go with it. Pure but for the maps that it keeps.
 * Every call is synchronous and cheap, so that whoever has a number can leave it here.
 */
import { headOf, histogramOf, labelText, sampleOf } from "./exposition.ts"
import { FAMILIES, type Family, type Labels, type MetricName } from "./families.ts"

interface Series {
  /** Labels as they are printed. */
  readonly labels: string
  value: number
  /** Of a histogram, whose `value` is the sum. */
  readonly counts: Array<number>
}

/** Repositories with series of their own. */
export const MAX_REPOSITORIES = 2_000
/** Series of one metric: by repository, or of one that has no such label. */
export const MAX_SERIES = 200

const REPOSITORY = "repository"
const SEPARATOR = "\n"

const tableOf = (name: MetricName): Family => FAMILIES[name]

const printed = (name: string, family: Family, { labels, value, counts }: Series): string =>
  family.buckets === undefined
    ? sampleOf(name, labels, value)
    : histogramOf(name, labels, family.buckets, counts, value)

export class Registry {
  /** By metric, then by repository (empty: none), then by all labels. */
  readonly #families = new Map<MetricName, Map<string, Map<string, Series>>>()
  readonly #repositories = new Set<string>()
  readonly #collectors = new Set<() => void>()
  readonly #most: number

  constructor(mostRepositories = MAX_REPOSITORIES) {
    this.#most = mostRepositories
  }

  /** Adds to a counter. */
  count<Name extends MetricName>(name: Name, labels: Labels<Name>, by = 1): void {
    const series = this.#series(name, labels)
    if (series !== undefined) series.value += by
  }

  /** A gauge, or a counter that somebody else counts. */
  set<Name extends MetricName>(name: Name, labels: Labels<Name>, value: number): void {
    const series = this.#series(name, labels)
    if (series !== undefined) series.value = value
  }

  /** Into a histogram. */
  observe<Name extends MetricName>(name: Name, labels: Labels<Name>, value: number): void {
    const series = this.#series(name, labels)
    const { buckets } = tableOf(name)
    if (series === undefined || buckets === undefined) return
    const found = buckets.findIndex((bound) => value <= bound)
    const at = found < 0 ? buckets.length : found
    series.counts[at] = (series.counts[at] ?? 0) + 1
    series.value += value
  }

  /** The repository is gone, and so are its series. */
  forget(repository: string): void {
    this.#repositories.delete(repository)
    for (const byRepository of this.#families.values()) byRepository.delete(repository)
  }

  /** Of every repository: another process serves them now. */
  forgetAll(): void {
    for (const repository of [...this.#repositories]) this.forget(repository)
  }

  /** Of a metric whose labels change, what is not set any more. */
  clear(name: MetricName): void {
    this.#families.delete(name)
  }

  /** `read` sets what is only known by asking, each time that somebody reads; answers how to take it back. */
  collect(read: () => void): () => void {
    this.#collectors.add(read)
    return () => this.#collectors.delete(read)
  }

  text(): string {
    for (const read of this.#collectors) read()
    const parts: Array<string> = []
    for (const name of Object.keys(FAMILIES) as ReadonlyArray<MetricName>) {
      const rows = [...(this.#families.get(name)?.values() ?? [])]
      if (rows.length === 0) continue
      const family = tableOf(name)
      parts.push(headOf(name, family))
      for (const row of rows) for (const one of row.values()) parts.push(printed(name, family, one))
    }
    return parts.join("")
  }

  #isAdmitted(repository: string): boolean {
    if (repository === "" || this.#repositories.has(repository)) return true
    if (this.#repositories.size >= this.#most) return false
    this.#repositories.add(repository)
    return true
  }

  #refuse(): undefined {
    this.count("nopea_metrics_series_refused_total", {})
  }

  #series(name: MetricName, labels: Readonly<Record<string, string>>): Series | undefined {
    const { labels: names, buckets } = tableOf(name)
    const repository = labels[REPOSITORY] ?? ""
    if (!this.#isAdmitted(repository)) return this.#refuse()
    const byRepository = this.#families.get(name) ?? new Map<string, Map<string, Series>>()
    this.#families.set(name, byRepository)
    const rows = byRepository.get(repository) ?? new Map<string, Series>()
    byRepository.set(repository, rows)
    const values = names.map((one) => labels[one] ?? "")
    const key = values.join(SEPARATOR)
    const known = rows.get(key)
    if (known !== undefined) return known
    if (rows.size >= MAX_SERIES) return this.#refuse()
    const counts = buckets === undefined ? [] : new Array<number>(buckets.length + 1).fill(0)
    const fresh: Series = { labels: labelText(names, values), value: 0, counts }
    rows.set(key, fresh)
    return fresh
  }
}
