import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { TreeEntry } from "../../src/domain/source.ts"
import { arrange, isFolder, obstacleOn } from "../../src/render/repositoryTree.ts"

const name = fc.constantFrom("a", "b", "ab", "a-b", "a.b", "ä", "𝒳", "z")
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"))
const mode = fc.constantFrom("file", "executable", "symlink", "submodule")

const parentsOf = (some: string): ReadonlyArray<string> =>
  some.split("/").map((_, at, parts) => parts.slice(0, at).join("/"))

/** As Git has trees: nothing is both a file and a folder. */
const tree = fc.array(fc.tuple(path, mode), { maxLength: 30 }).map((all) => {
  const entries = new Map<string, TreeEntry>()
  for (const [each, kind] of all) {
    const isTaken =
      parentsOf(each).some((parent) => entries.has(parent)) ||
      [...entries.keys()].some((other) => other.startsWith(`${each}/`))
    if (!isTaken) entries.set(each, { path: each, blob: "0", mode: kind })
  }
  return [...entries.values()]
})

describe("a tree", () => {
  it("knows folders and what is on the way as one who looks at every part would", () => {
    fc.assert(
      fc.property(tree, path, (all, asked) => {
        const arranged = arrange(all, "")
        const kinds = new Map(all.map((entry) => [entry.path, entry.mode]))
        const found = [...parentsOf(asked), asked]
          .map((part) => kinds.get(part))
          .find((kind) => kind === "symlink" || kind === "submodule")
        expect(obstacleOn(arranged, asked)).toBe(found === "symlink" ? "link" : found)
        const isOne = all.some((entry) => entry.path.startsWith(`${asked}/`))
        expect(isFolder(arranged, asked)).toBe(isOne)
      }),
      { numRuns: 2000 },
    )
  })

  it("has a root, also where it is empty", () => {
    const empty = arrange([], "")
    expect([isFolder(empty, ""), isFolder(empty, "a"), obstacleOn(empty, "")]).toEqual([
      true,
      false,
      undefined,
    ])
  })

  it("is asked about deep paths in no more steps than they are long", () => {
    const deep = "a/".repeat(2000)
    const arranged = arrange([{ path: `${deep}x`, blob: "0", mode: "symlink" }], "")
    let steps = 0
    class Counted extends Map<string, TreeEntry> {
      override get(path: string) {
        steps++
        return super.get(path)
      }
    }
    const counted = { ...arranged, entries: new Counted(arranged.entries) }
    expect(obstacleOn(counted, `${deep}x/y`)).toBe("link")
    expect(obstacleOn(counted, `${deep}b/c`)).toBeUndefined()
    expect(steps).toBe(2)
  })
})
