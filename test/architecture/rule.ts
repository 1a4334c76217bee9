// A rule finds offences; its table row carries the proof that it can fail.
import { describe, expect, it } from "vitest"
import { type Code, codeOf } from "./code.ts"

/** A small made-up source tree: path to text. */
export type Sample = Readonly<Record<string, string>>

export interface Rule {
  /** A sentence about the code. */
  readonly name: string
  /** One line per offence, `path:line: what`. */
  readonly offences: (code: ReadonlyArray<Code>) => ReadonlyArray<string>
  /** Each must give at least one offence that matches. */
  readonly bad: ReadonlyArray<readonly [sample: Sample, offence: RegExp]>
  /** None may give an offence. */
  readonly good: ReadonlyArray<Sample>
}

const parsed = (sample: Sample): ReadonlyArray<Code> =>
  Object.entries(sample).map(([path, text]) => codeOf(path, text))

/** Proves that each rule fails on its bad samples only, then holds it against `code`. */
export const enforce = (rules: ReadonlyArray<Rule>, code: ReadonlyArray<Code>): void => {
  describe.each(rules.map((rule) => [rule.name, rule] as const))("%s", (_name, rule) => {
    it("fails on an offence and on nothing else", () => {
      expect(rule.bad.length).toBeGreaterThan(0)
      for (const [sample, offence] of rule.bad) {
        expect(rule.offences(parsed(sample)).join("\n")).toMatch(offence)
      }
      for (const sample of rule.good) expect(rule.offences(parsed(sample))).toEqual([])
    })
    it("is kept", () => {
      expect(code.length).toBeGreaterThan(0)
      expect(rule.offences(code)).toEqual([])
    })
  })
}
