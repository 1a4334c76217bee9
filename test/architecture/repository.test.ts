import { describe, expect, it } from "vitest"
import { SETTINGS } from "../../src/config.ts"
import { VERSION } from "../../src/version.ts"
import { RANKS } from "./imports.ts"
import { installHosts, textRules } from "./text.ts"
import { files, folderOf, read, src } from "./tree.ts"

interface Package {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Package
const pins = Object.entries({ ...dependencies, ...devDependencies })

const BINARY = /\.(png|jpe?g|gif|ico|gz|tgz|zip|woff2?)$/
const texts = files.filter((path) => !BINARY.test(path))

describe.each(textRules(process.env).map((rule) => [rule.name, rule] as const))("%s", (_, rule) => {
  it("fails on an offence and on nothing else", () => {
    for (const text of rule.bad) expect(rule.offences("test/x.ts", text)).not.toEqual([])
    for (const text of rule.good) expect(rule.offences("test/x.ts", text)).toEqual([])
  })
  it("is kept", () => {
    expect(texts.flatMap((path) => rule.offences(path, read(path)))).toEqual([])
  })
})

describe("the hosts this machine installs from", () => {
  it("are taken from npm's and go's settings", () => {
    const env = {
      npm_config_registry: "http://npm.internal:81/x",
      GOPROXY: "https://go.internal,off",
    }
    expect(installHosts(env)).toEqual(["npm.internal:81", "go.internal"])
    expect(installHosts({})).toEqual([])
  })
})

const unpinned = (all: ReadonlyArray<readonly [string, string]>): ReadonlyArray<string> =>
  all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)).map(([name]) => name)

const undocumented = (
  all: ReadonlyArray<readonly [string, string]>,
  page: string,
): ReadonlyArray<string> =>
  all
    .filter(
      ([name, version]) =>
        !page.split("\n").some((line) => line.includes(`\`${name}\``) && line.includes(version)),
    )
    .map(([name, version]) => `${name} ${version}`)

describe("dependencies", () => {
  it("are pinned to one version each", () => {
    expect(
      unpinned([
        ["a", "^1.0.0"],
        ["b", "1.x"],
        ["c", "1.0.0"],
      ]),
    ).toEqual(["a", "b"])
    expect(unpinned(pins)).toEqual([])
  })
  it("are explained in docs/dependencies.md with the version that is pinned", () => {
    expect(undocumented([["a", "1.0.0"]], "| `a` | 1.0.1 |")).toEqual(["a 1.0.0"])
    expect(undocumented([["a", "1.0.0"]], "| `a` | 1.0.0 |")).toEqual([])
    expect(undocumented(pins, read("docs/dependencies.md"))).toEqual([])
  })
  it("are locked by content, not by the place they came from", () => {
    const resolved = /"resolved": "https?:/g
    expect('"resolved": "https://registry.example.com/a.tgz"'.match(resolved)).toHaveLength(1)
    expect(read("package-lock.json").match(resolved)).toBeNull()
  })
})

describe("the version", () => {
  const stated = (text: string): ReadonlyArray<string> =>
    [...text.matchAll(/\bnopea:(\d[\w.-]*)/g)].map((m) => m[1] ?? "")
  it.each(["Makefile", "README.md", "deploy/base/deployment.yaml", "docs/getting-started.md"])(
    "of the image in %s is the code's",
    (path) => {
      expect(stated("image: nopea:9.9.9")).toEqual(["9.9.9"])
      expect(new Set(stated(read(path)))).toEqual(new Set([VERSION]))
    },
  )
  it("of package.json is the code's", () => {
    expect((JSON.parse(read("package.json")) as { version: string }).version).toBe(VERSION)
  })
})

describe("ARCHITECTURE.md", () => {
  const page = read("ARCHITECTURE.md")
  const missing = (folders: ReadonlyArray<string>, text: string): ReadonlyArray<string> =>
    folders.filter((folder) => !text.includes(`\`${folder}\``))

  it("names every folder of src", () => {
    const folders = [...new Set(src.map(({ path }) => folderOf(path)))].filter((f) => f !== "")
    expect(missing(["git", "nowhere"], "`git`")).toEqual(["nowhere"])
    expect(missing(folders, page)).toEqual([])
  })
  it("gives every ranked folder the rank that the tests enforce", () => {
    const wrong = (text: string): ReadonlyArray<string> =>
      Object.entries(RANKS)
        .filter(([folder, rank]) => {
          const row = text.split("\n").find((line) => line.startsWith(`| ${rank} |`))
          return !row?.includes(`\`${folder}\``)
        })
        .map(([folder]) => folder)
    expect(wrong("| 0 | `domain` |")).toContain("plan")
    expect(wrong(page)).toEqual([])
  })
  it.each([
    ["ARCHITECTURE.md", 120],
    ["CONTRIBUTING.md", 60],
  ])("%s fits %i lines", (path, limit) => {
    expect(read(path).trimEnd().split("\n").length).toBeLessThanOrEqual(limit)
  })
})

describe("pages", () => {
  it("README.md has every setting with its default, and no other", () => {
    const rows = (text: string): ReadonlyArray<string> =>
      [...text.matchAll(/^\| `([A-Z_]+)` \| (?:`(.*)`)? ?\|/gm)].map((m) => `${m[1]}=${m[2] ?? ""}`)
    expect(rows("| `NOPEA_A` | `1` | x |\n| `B` |  | y |")).toEqual(["NOPEA_A=1", "B="])
    expect(rows(read("README.md"))).toEqual(
      Object.values(SETTINGS).map(({ env, fallback }) => `${env}=${fallback}`),
    )
  })
})

describe("decisions", () => {
  const records = files.filter((path) => path.startsWith("docs/adr/"))
  const gaps = (paths: ReadonlyArray<string>): ReadonlyArray<string> =>
    paths.filter((path, i) => !path.startsWith(`docs/adr/${String(i + 1).padStart(3, "0")}-`))
  it("are numbered without gaps", () => {
    expect(gaps(["docs/adr/001-a.md", "docs/adr/003-b.md"])).toEqual(["docs/adr/003-b.md"])
    expect(records.length).toBeGreaterThan(0)
    expect(gaps(records)).toEqual([])
  })
  it.each(["Context", "Decision", "Alternatives", "Consequences"])("each have: %s", (title) => {
    expect(records.filter((path) => !read(path).includes(`\n## ${title}\n`))).toEqual([])
  })
})
