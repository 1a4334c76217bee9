import { describe, expect, it } from "vitest"
import type { TreeEntry } from "../../src/domain/source.ts"
import { makeCache } from "../../src/render/cache.ts"
import { select } from "../../src/render/files.ts"

const entry = (path: string, mode: TreeEntry["mode"] = "file"): TreeEntry => ({
  path,
  mode,
  blob: path,
})
const paths = (path: string, ...names: ReadonlyArray<string>) =>
  select(
    path,
    names.map((name) => entry(name)),
  ).files.map((file) => `${file.entry.path} ${file.format}`)

describe("which files are rendered", () => {
  it("manifests are, in all folders, sorted by path; other files are not", () => {
    const names = [
      "z.yml",
      "a/b/c.json",
      "a/b.yaml",
      "README.md",
      "Makefile",
      "x.yaml.bak",
      "y.YAML",
    ]
    expect(paths(".", ...names)).toEqual(["a/b.yaml yaml", "a/b/c.json json", "z.yml yaml"])
  })

  it("those below the path are, and a path may be one file", () => {
    expect(paths("a/b", "a/b/x.yaml", "a/bc/x.yaml", "x.yaml")).toEqual(["a/b/x.yaml yaml"])
    expect(paths("./a/x.yaml", "a/x.yaml", "a/y.yaml")).toEqual(["a/x.yaml yaml"])
  })

  it("a path below a hidden folder is looked into; hidden names below it are not", () => {
    expect(paths(".deploy", ".deploy/a.yaml", ".deploy/.b.yaml")).toEqual([".deploy/a.yaml yaml"])
  })

  it("files of tools and CI services are left out in silence, other hidden ones with a warning", () => {
    const names = [".github/workflows/ci.yml", ".gitlab-ci.yml", ".sops.yaml", "appveyor.yml"]
    const hidden = [".old/a.yaml", ".old/b.yaml", "x/.c.yaml", ".old/d.txt"]
    const { files, warnings, failures } = select(
      ".",
      [...names, ...hidden].map((name) => entry(name)),
    )
    expect(files).toEqual([])
    expect(failures).toEqual([])
    expect(warnings).toEqual([
      ".old: not rendered, because its name begins with a dot",
      "x/.c.yaml: not rendered, because its name begins with a dot",
    ])
  })

  it("a link that looks like a manifest is a failure, other links and submodules are warnings", () => {
    const { files, failures, warnings } = select(".", [
      entry("a.yaml", "symlink"),
      entry("base", "symlink"),
      entry("lib", "submodule"),
      entry("b.yaml", "executable"),
    ])
    expect(files.map((file) => file.entry.path)).toEqual(["b.yaml"])
    expect(failures).toMatchObject([{ code: "NOPEA-R003", file: "a.yaml" }])
    expect(warnings).toEqual([
      "base: a symbolic link is not followed",
      "lib: a submodule is not followed",
    ])
  })

  it.each(["kustomization.yaml", "kustomization.yml", "Kustomization"])(
    "a folder with a %s is reported once and not looked into",
    (name) => {
      const names = [`app/${name}`, "app/a.yaml", `app/base/${name}`, "b.yaml"]
      const { files, failures } = select(
        ".",
        names.map((each) => entry(each)),
      )
      expect(files.map((file) => file.entry.path)).toEqual(["b.yaml"])
      expect(failures).toMatchObject([{ code: "NOPEA-R001", file: `app/${name}` }])
    },
  )

  it("a kustomization at the path shuts the whole of it, one above or beside it does not matter", () => {
    expect(paths("a", "a/kustomization.yaml", "a/b/x.yaml")).toEqual([])
    expect(paths("a", "kustomization.yaml", "b/kustomization.yaml", "a/x.yaml")).toEqual([
      "a/x.yaml yaml",
    ])
  })

  it("a chart is reported once, whatever its templates look like", () => {
    const names = ["charts/x/Chart.yaml", "charts/x/templates/a.yaml", "charts/x/values.yaml"]
    const { files, failures } = select(
      "charts",
      names.map((each) => entry(each)),
    )
    expect(files).toEqual([])
    expect(failures).toMatchObject([{ code: "NOPEA-R002", file: "charts/x/Chart.yaml" }])
  })
})

describe("the cache of results", () => {
  it("drops what was used least recently when it is full", () => {
    const cache = makeCache<number>(10)
    cache.set("a", 1, 4)
    cache.set("b", 2, 4)
    cache.get("a")
    cache.set("c", 3, 4)
    expect(["a", "b", "c"].map(cache.get)).toEqual([1, undefined, 3])
  })

  it("counts a key once and keeps nothing larger than itself", () => {
    const cache = makeCache<number>(10)
    cache.set("a", 1, 6)
    cache.set("a", 2, 6)
    cache.set("b", 3, 4)
    cache.set("c", 4, 11)
    expect(["a", "b", "c"].map(cache.get)).toEqual([2, 3, undefined])
  })
})
