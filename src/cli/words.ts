/** How the command line writes: ages, tables, colours, and names that somebody may have meant. */

/** Two units at most, as kubectl writes ages: `42s`, `5m`, `3h12m`, `12d`. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10 && seconds % 60 > 0) return `${minutes}m${seconds % 60}s`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8 && minutes % 60 > 0) return `${hours}h${minutes % 60}m`
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  return days < 8 && hours % 24 > 0 ? `${days}d${hours % 24}h` : `${days}d`
}

/** How long ago; `-` where nothing is known. */
export const since = (time: string | undefined, now: number): string => {
  const at = Date.parse(time ?? "")
  return Number.isNaN(at) ? "-" : span(now - at)
}

/** `5m ago`, `in 5m`, or what stands for nothing. */
export const when = (time: string | undefined, now: number): string => {
  const at = Date.parse(time ?? "")
  if (Number.isNaN(at)) return "at an unknown time"
  return at > now ? `in ${span(at - now + 999)}` : `${span(now - at)} ago`
}

/** What came from elsewhere must not steer the terminal. */
export const plain = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim()

/** Columns as kubectl has them: three spaces between, no spaces at the end of a line. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const cells = rows.map((row) => row.map((cell) => plain(cell) || "-"))
  const widths = (cells[0] ?? []).map((_, at) =>
    Math.max(...cells.map((row) => row[at]?.length ?? 0)),
  )
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("   ")
        .trimEnd(),
    )
    .join("\n")
}

export type Colour = "red" | "green" | "yellow" | "bold" | "dim"

const CODES: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 }

/** Colours text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

export const unpainted: Paint = (_, text) => text
export const painted: Paint = (colour, text) => `\u001B[${CODES[colour]}m${text}\u001B[0m`

const COLOURS: Readonly<Record<string, Colour>> = {
  Synced: "green",
  Failed: "red",
  Drifted: "yellow",
  Suspended: "yellow",
}

/** A phase in its colour. */
export const phaseIn = (paint: Paint, phase: string): string =>
  paint(COLOURS[phase] ?? "bold", phase)

const distance = (a: string, b: string): number => {
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const changed = (above[j] ?? 0) + (letter === other ? 0 : 1)
      row.push(Math.min(changed, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1))
    }
    above = row
  }
  return above[b.length] ?? 0
}

/** Those of the names that are few typing errors away, or begin with what was given; the nearest three. */
export const nearNames = (given: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const far = (name: string) => (name.startsWith(given) ? 0 : distance(given, name))
  return [...new Set(names)]
    .filter((name) => far(name) <= Math.ceil(given.length / 3))
    .toSorted((a, b) => far(a) - far(b) || (a < b ? -1 : 1))
    .slice(0, 3)
}

export const plural = (amount: number, noun: string): string =>
  `${amount} ${noun}${amount === 1 ? "" : "s"}`
