import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { highest, rangeOf } from "../../src/git/versions.ts"

const TAGS = [
  ..."v0.9.0 v1.0.0 1.2.0 v1.2.0 v1.2.1-rc.1 v1.10.0 v2.0.0-rc.1 v2.0.0-rc.2 v2.0.0 v2.1.0-alpha".split(
    " ",
  ),
  // No versions, whatever a lenient reader makes of them.
  ..."v3 4.0 latest release-9.0.0 =9.0.0 vv9.0.0 9.0.0.0 v09.0.0 9.0.0-01 api/v9.0.0".split(" "),
]

const found = (range: string, tags: Iterable<string> = TAGS): string | undefined => {
  const parsed = rangeOf(range)
  return parsed === undefined ? "no range" : highest(tags, parsed)
}

describe("the highest version in a range", () => {
  it.each([
    ["1.x", "v1.10.0"],
    ["^1.0.0", "v1.10.0"],
    ["~1.2", "1.2.0"],
    ["1.2.0", "1.2.0"],
    ["=v1.0.0", "v1.0.0"],
    [">=1.0.0 <1.5.0", "1.2.0"],
    [">=1.0.0, <1.5.0", "1.2.0"],
    ["1.0 - 1.2", "1.2.0"],
    ["0.x || 1.2.x", "1.2.0"],
    ["*", "v2.0.0"],
    [">2.0.0", undefined],
    ["3.x", undefined],
    // Pre-releases only for who names one, and then of every version.
    ["<2.0.0", "v1.10.0"],
    [">=1.0.0-0 <2.0.0", "v1.10.0"],
    [">=1.2.1-0 <1.3.0", "v1.2.1-rc.1"],
    [">=2.0.0-rc.1 <2.0.0-rc.2", "v2.0.0-rc.1"],
    ["2.0.0-rc.1", "v2.0.0-rc.1"],
    [">=1.0.0-0", "v2.1.0-alpha"],
    ["1.2.x || >=2.1.0-0", "v2.1.0-alpha"],
    ["banana", "no range"],
    ["!=1.2.0", "no range"],
    [">=1.0.0 <", "no range"],
    // As many conditions as a spec has room for, beside as many tags as a server likes to list.
    [Array(8).fill("1.x").join(" || "), "v1.10.0"],
    [Array(9).fill("1.x").join(" || "), "no range"],
    [Array.from({ length: 16 }, (_, i) => `>0.${i}`).join(" "), "v2.0.0"],
    [Array.from({ length: 17 }, (_, i) => `>0.${i}`).join(" "), "no range"],
  ])("%s: %s", (range, expected) => {
    expect(found(range)).toBe(expected)
  })

  it("does not depend on the order of the tags, whose builds and equal names count too", () => {
    const tags = [...TAGS, "v1.10.0+b1", "v1.10.0+b2", "1.10.0+b2"]
    const shuffled = fc.shuffledSubarray(tags, { minLength: tags.length })
    fc.assert(fc.property(shuffled, (some) => found("1.x", some) === "1.10.0+b2"))
  })

  it("is nothing but a tag of those given, and a larger choice is never lower", () => {
    const range = rangeOf("*") ?? []
    const version = fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20)).map((parts) => parts.join("."))
    fc.assert(
      fc.property(fc.array(version, { minLength: 1 }), version, (tags, more) => {
        const best = highest(tags, range) ?? ""
        const still = highest([...tags, more], range)
        return tags.includes(best) && (still === best || still === more)
      }),
    )
  })
})
