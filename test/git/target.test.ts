import { describe, expect, it } from "vitest"
import type { GitSource } from "../../src/domain/source.ts"
import { labelOf, tagsOf, targetOf } from "../../src/git/target.ts"

const at = (ref?: GitSource["ref"]): GitSource => ({
  url: "https://git.test/app.git",
  branch: "main",
  credentials: {},
  ...(ref === undefined ? {} : { ref }),
})
const COMMIT = "4f1c".repeat(10)

describe("what is followed", () => {
  it.each([
    [undefined, "branch main", "refs/heads/main"],
    [{ tag: "v1" }, "tag v1", "refs/tags/v1"],
    [{ commit: COMMIT }, "commit 4f1c4f1c4f1c", COMMIT],
    [{ semver: "1.x" }, "version 1.x", undefined],
  ])("%j is %s", (ref, label, expected) => {
    const target = targetOf(at(ref))
    expect(target).toMatchObject({ label, ...(expected === undefined ? {} : { ref: expected }) })
    expect(labelOf(at(ref))).toBe(label)
  })

  it("shares nothing with what is named alike", () => {
    const refs = [undefined, { tag: "main" }, { semver: "1.x" }, { tag: "1.x" }, { commit: COMMIT }]
    const keys = refs.map((ref) => (targetOf(at(ref)) as { key: string }).key)
    expect(new Set(keys).size).toBe(refs.length)
  })

  it.each([
    [{ tag: "" }, "tagRefused"],
    [{ tag: "a b" }, "tagRefused"],
    [{ tag: "--upload-pack=x" }, "tagRefused"],
    [{ semver: "latest" }, "rangeRefused"],
    [{ commit: "main" }, "commitMissing"],
    [{ commit: COMMIT.toUpperCase() }, "commitMissing"],
    [{ commit: COMMIT.slice(1) }, "commitMissing"],
  ])("%j is refused: %s", (ref, fault) => {
    expect(targetOf(at(ref))).toEqual([fault, expect.any(String)])
  })
})

describe("tags of a server", () => {
  it("are at their commits, in whatever order they come", () => {
    const rows = [
      ["refs/heads/main", "1"],
      ["refs/tags/v1", "2"],
      ["refs/tags/v2", "3"],
      ["refs/tags/v2^{}", "4"],
    ] as const
    const expected = new Map([
      ["v1", "2"],
      ["v2", "4"],
    ])
    expect(tagsOf(new Map(rows))).toEqual(expected)
    expect(tagsOf(new Map([...rows].reverse()))).toEqual(expected)
  })
})
