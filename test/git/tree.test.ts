import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { atOnce } from "../../src/domain/parts.ts"
import { flatten, type Item, parseTree } from "../../src/git/tree.ts"

const idOf = (index: number): string => String(index).padStart(40, "0")

const itemsIn = (bytes: Uint8Array) => atOnce(parseTree(bytes))

const object = (entries: ReadonlyArray<readonly [mode: string, name: string]>): Uint8Array =>
  Buffer.concat(
    entries.map(([mode, name], index) =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(idOf(index), "hex")]),
    ),
  )

const item = (name: string, kind: Item["kind"], id = idOf(7)): Item => ({ name, id, kind })

const list = (trees: Record<string, ReadonlyArray<Item>>, path = "", maxBytes = 10_000) =>
  atOnce(flatten(new Map(Object.entries(trees)), "root", path, maxBytes))

describe("a tree object", () => {
  it.each([
    ["100644", "file"],
    ["100664", "file"],
    ["100755", "executable"],
    ["120000", "symlink"],
    ["160000", "submodule"],
    ["40000", "tree"],
    ["040000", "tree"],
    ["10644", "unknown"],
    ["0", "unknown"],
  ])("mode %s is a %s", (mode, kind) => {
    expect(itemsIn(object([[mode, "a"]]))).toEqual([{ name: "a", id: idOf(0), kind }])
  })

  it("gives any name and id back, whatever bytes the ids hold", () => {
    const name = fc
      .string({ unit: "grapheme", minLength: 1 })
      .filter((text) => !text.includes("\0"))
    const id = fc.uint8Array({ minLength: 20, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(fc.tuple(name, id), { maxLength: 8 }), (pairs) => {
        const bytes = pairs.flatMap(([text, raw]) => [Buffer.from(`100644 ${text}\0`), raw])
        expect(itemsIn(Buffer.concat(bytes))).toEqual(
          pairs.map(([text, raw]) => item(text, "file", Buffer.from(raw).toString("hex"))),
        )
      }),
    )
  })

  it("that breaks off inside an entry, or is something else, is none", () => {
    const one = object([["100644", "a"]])
    const whole = object([
      ["100644", "a"],
      ["40000", "b c"],
    ])
    for (let end = 0; end <= whole.length; end += 1) {
      const isEdge = end === 0 || end === one.length || end === whole.length
      expect(itemsIn(whole.subarray(0, end)) !== undefined).toBe(isEdge)
    }
    expect(itemsIn(Buffer.from("tree of lies\0and twenty bytes more.."))).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        itemsIn(bytes)
      }),
    )
  })
})

describe("a listing", () => {
  it("has everything below the path, in the trees' order, and no tree", () => {
    const found = list(
      {
        root: [item("a.yaml", "file"), item("a", "tree", "below"), item("b", "submodule")],
        below: [item("x", "executable"), item("y", "symlink")],
      },
      "deploy/app",
    )
    expect(found).toEqual(
      Result.succeed([
        { path: "deploy/app/a.yaml", blob: idOf(7), mode: "file" },
        { path: "deploy/app/a/x", blob: idOf(7), mode: "executable" },
        { path: "deploy/app/a/y", blob: idOf(7), mode: "symlink" },
        { path: "deploy/app/b", blob: idOf(7), mode: "submodule" },
      ]),
    )
  })

  it.each(["..", ".", "", "a/b", "../x", "/etc", ".git", ".GIT"])(
    "of a tree that names %j is refused",
    (name) => {
      const refused = Result.fail(expect.objectContaining({ fault: "pathRefused" }))
      expect(list({ root: [item(name, "file")] })).toEqual(refused)
      expect(list({ root: [item(name, "tree", "below")], below: [] })).toEqual(refused)
    },
  )

  it("of an unknown kind of entry is refused, and only where it is listed", () => {
    const trees = { root: [item("ok", "file")], beside: [item("odd", "unknown")] }
    expect(Result.isSuccess(list(trees))).toBe(true)
    const refused = Result.fail({ fault: "pathRefused", reason: 'the commit holds "odd"' })
    expect(list({ root: trees.beside })).toEqual(refused)
  })

  it("that a few trees multiply without end ends at its limit", () => {
    const depth = 40
    const trees = Object.fromEntries(
      Array.from({ length: depth }, (_, level) => [
        level === 0 ? "root" : `t${level}`,
        Array.from({ length: 10 }, (_, i) => item(`d${i}`, "tree", `t${level + 1}`)),
      ]),
    )
    const leaf = { [`t${depth}`]: [item("file", "file")] }
    expect(list({ ...trees, ...leaf })).toEqual(
      Result.fail(expect.objectContaining({ fault: "pathTooLarge" })),
    )
  })

  it("of trees that hold one another deeper than any stack is made, or ends at its limit", () => {
    const depth = 5000
    const chain = Array.from({ length: depth }, (_, level): [string, ReadonlyArray<Item>] => [
      `t${level}`,
      [item("d", "tree", `t${level + 1}`)],
    ])
    const trees = Object.fromEntries([...chain, [`t${depth}`, [item("file", "file")]]])
    const all = { ...trees, root: chain.map(([id]) => item(id, "tree", id)) }
    expect(list(all, "", 2 ** 24)).toEqual(
      Result.fail(expect.objectContaining({ fault: "pathTooLarge" })),
    )
    expect(
      Result.getOrThrow(list({ ...trees, root: [item("d", "tree", "t0")] }, "", 2 ** 26)),
    ).toHaveLength(1)
  })

  it("of names as deep as git goes is made", () => {
    const trees = Object.fromEntries(
      Array.from({ length: 2048 }, (_, level) => [
        level === 0 ? "root" : `t${level}`,
        [item("d", "tree", `t${level + 1}`)],
      ]),
    )
    const found = list({ ...trees, t2048: [item("file", "file")] }, "", 10_000_000)
    expect(Result.getOrThrow(found)[0]?.path).toHaveLength(2048 * 2 + 4)
  })
})
