// Every code that the source tells is in the one table, and the other way round.
import { describe, expect, it } from "vitest"
import { CODES, codesPage } from "../../src/cli/codes.ts"
import { read, src } from "./tree.ts"

const QUOTED = /["'`](?:NOPEA-)?([GRADWEC]\d{3})["'`]/g

const toldBy = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(QUOTED)].map(([, code]) => `NOPEA-${code}`)

/** The command line speaks of the codes of others; its own failure comes from reading a folder. */
const raises = (path: string): boolean =>
  !path.startsWith("src/cli/") || path === "src/cli/LocalTree.ts"

/** What the table lacks, and what it has without need. */
const differences = (told: Iterable<string>, listed: ReadonlyArray<string>) => {
  const known = new Set(told)
  return {
    missing: [...known].filter((code) => !listed.includes(code)).sort(),
    stale: listed.filter((code) => !known.has(code)),
  }
}

describe("src/cli/codes.ts", () => {
  const listed = CODES.map(({ code }) => code)
  it("has a row for every code of src, and no other: add it there, then run `npm run errors`", () => {
    const told = toldBy('row("G001", R) const A = "NOPEA-A002" // such as NOPEA-D009')
    expect(differences(told, ["NOPEA-G001", "NOPEA-C001"])).toEqual({
      missing: ["NOPEA-A002"],
      stale: ["NOPEA-C001"],
    })
    const all = src.filter(({ path }) => raises(path)).map(({ text }) => text)
    expect(differences(all.flatMap(toldBy), listed)).toEqual({ missing: [], stale: [] })
  })
  it("has each code once, with all its texts", () => {
    expect(new Set(listed).size).toBe(listed.length)
    expect(CODES.filter((row) => Object.values(row).includes(""))).toEqual([])
    expect(CODES.filter((row) => Object.values(row).some((text) => text.includes("|")))).toEqual([])
  })
  it("is what docs/errors.md says: run `npm run errors`", () => {
    expect(read("docs/errors.md")).toBe(codesPage())
  })
})
