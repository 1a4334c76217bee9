import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  ANNOTATION_ROLLBACK,
  formatRollback,
  parseRollback,
  rollbackOf,
} from "../../src/domain/rollback.ts"
import { repository } from "./repositories.ts"

const [BAD, GOOD] = ["b".repeat(40), "a".repeat(40)]
const id = fc
  .constantFrom(40, 64)
  .chain((length) =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
      .map((digits) => digits.join("")),
  )

describe("the annotation of a rollback", () => {
  it("says what was written", () => {
    fc.assert(
      fc.property(id, id, (from, to) => {
        const expected = from === to ? undefined : { from, to }
        expect(parseRollback(formatRollback({ from, to }))).toEqual(expected)
      }),
    )
  })

  it("is never guessed at: whatever is understood is written the same", () => {
    const near = fc.oneof(
      fc.string(),
      fc.tuple(id, fc.constantFrom("..", "...", ".", " .. ", "->", ""), id).map((s) => s.join("")),
    )
    fc.assert(
      fc.property(near, (text) => {
        const rollback = parseRollback(text)
        if (rollback !== undefined) expect(formatRollback(rollback)).toBe(text)
      }),
    )
  })

  it.each([
    ["nothing", ""],
    ["one commit", GOOD],
    ["short ids", "4f1c2ab..9ab0c1d"],
    ["capitals", `${BAD.toUpperCase()}..${GOOD}`],
    ["one commit twice", `${GOOD}..${GOOD}`],
    ["a name", `main..${GOOD}`],
    ["three dots", `${BAD}...${GOOD}`],
    ["a line break", `${BAD}..${GOOD}\n`],
    ["something before", `x${BAD}..${GOOD}`],
  ])("that says %s stalls the sync with a code and the way out", (_, text) => {
    const asked = rollbackOf(
      repository({ metadata: { annotations: { [ANNOTATION_ROLLBACK]: text } } }),
    )
    expect(Result.isFailure(asked) && asked.failure).toMatchObject({
      code: "NOPEA-C008",
      disposition: "stall",
      fix: expect.stringContaining("nopea rollback web -n shop --clear"),
    })
  })

  it("that is not there asks for nothing", () => {
    expect(Result.getOrThrow(rollbackOf(repository()))).toBeUndefined()
  })
})
