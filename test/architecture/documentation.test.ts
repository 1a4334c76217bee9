// The pages keep to the code: what they name exists, and what is promised to be listed is listed.
import { readFile } from "node:fs/promises"
import { describe, expect, it } from "vitest"
import { CODES } from "../../src/cli/codes.ts"
import { SETTINGS } from "../../src/config.ts"
import { RepositorySpec } from "../../src/domain/spec.ts"
import { RepositoryStatus } from "../../src/domain/status.ts"
import { FAMILIES } from "../../src/metrics/families.ts"
import { FILE, page } from "../../tools/docs.ts"
import { anchorsOf, askedFor, broken, codeIn, linksOf, unknownIn } from "./pages.ts"
import { files, read, src } from "./tree.ts"

const pages = files.filter((path) => path.endsWith(".md"))
/** What users read: records of decisions and the change log may name what is no more. */
const current = pages.filter((path) => !path.startsWith("docs/adr/") && path !== "CHANGELOG.md")
const wrongIn = (
  all: ReadonlyArray<string>,
  find: (text: string, path: string) => ReadonlyArray<string>,
) => all.flatMap((path) => find(read(path), path).map((wrong) => `${path}: ${wrong}`))

describe("every page", () => {
  it("links to files and headings that exist", () => {
    const sample =
      "[a](../LICENSE) [b](adr/) [c](nowhere.md) [d](https://example.com/x) [e](y.md#no) [f](#b-c)\n" +
      "## B: `c`\n```\n[g](h)\n```\n"
    const known = ["LICENSE", "docs/adr/1.md", "docs/x.md", "docs/y.md"]
    const texts: Record<string, string> = { "docs/x.md": sample, "docs/y.md": "# yes" }
    expect(broken("docs/x.md", sample, known, (path) => texts[path] ?? "")).toEqual([
      "docs/nowhere.md",
      "docs/y.md#no",
    ])
    expect([...anchorsOf("# A\n## A\n")]).toEqual(["a", "a-1"])
    expect(wrongIn(pages, (text, path) => broken(path, text, files, read))).toEqual([])
  })

  it("asks for scripts and targets that there are", () => {
    expect(askedFor("```\nmake demo KEEP=1\n```\n`npm run x:y` to make a cake")).toEqual({
      npm: new Set(["x:y"]),
      make: new Set(["demo"]),
    })
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> }
    const targets = new Set(
      [...read("Makefile").matchAll(/^([a-z-]+):/gmu)].map(([, name]) => name),
    )
    const missing = (text: string) => {
      const { npm, make } = askedFor(text)
      return [
        ...[...npm].filter((name) => !(name in scripts)),
        ...[...make].filter((name) => !targets.has(name)),
      ]
    }
    expect(missing("`npm run nothing`, `make nonsense`")).toEqual(["nothing", "nonsense"])
    expect(wrongIn(current, missing)).toEqual([])
  })

  const codes = new Set(CODES.map(({ code }) => code))
  const variables = new Set<string>(Object.values(SETTINGS).map(({ env }) => env))
  const machinery = files
    .filter((path) => /^(Makefile|Dockerfile|(test|tools|bench|demo)\/.*\.ts)$/u.test(path))
    .map(read)
    .join("\n")
  const marks = [...src.map(({ text }) => text), ...deployed()].join("\n")
  it.each([
    ["codes", /\b(NOPEA-[A-Z]\d{3})\b/gu, (name: string) => codes.has(name), "NOPEA-G999"],
    [
      "settings",
      /\b(NOPEA_[A-Z_]*[A-Z])\b/gu,
      (name: string) => variables.has(name) || machinery.includes(name),
      `NOPEA_${"NO"}WHERE`,
    ],
    [
      "metrics",
      /\b((?:nopea|nodejs|process)_[a-z_]*[a-z])\b/gu,
      (name: string) => name.replace(/_(bucket|sum|count)$/u, "") in FAMILIES || name in FAMILIES,
      "nopea_nothing_total",
    ],
    [
      "annotations, labels and finalizers",
      /(?<![.\w])(nopea(?:\.false\.systems|\.io)\/[a-z][a-z-]*[a-z])\b/gu,
      (name: string) => marks.includes(name) || name.endsWith("/v1alpha"),
      "nopea.io/nothing",
    ],
  ] as const)("names %s that there are", (_, pattern, isKnown, wrong) => {
    expect(unknownIn(wrong, pattern, isKnown)).toEqual([wrong])
    expect(wrongIn(current, (text) => unknownIn(text, pattern, isKnown))).toEqual([])
  })

  it("names fields of spec and status that there are, or those of other kinds", () => {
    const others = new Set(
      "replicas template metrics strategy containers selector type stringData ports".split(" "),
    )
    const known = { spec: RepositorySpec.fields, status: RepositoryStatus.fields }
    const isKnown = (name: string) => {
      const [root, field = ""] = name.split(".") as ["spec" | "status", string]
      return field in known[root] || others.has(field)
    }
    const unknown = (text: string) =>
      unknownIn(codeIn(text).join("\n"), /(?<![\w./-])((?:spec|status)\.[a-z]\w*)/gu, isKnown)
    expect(unknown("`spec.nothing`, `status.phase`, `spec.url`")).toEqual(["spec.nothing"])
    // these two speak of the fields of others
    const own = current.filter((path) => !/^docs\/from-\w+\.md$/u.test(path))
    expect(wrongIn(own, unknown)).toEqual([])
  })
})

function deployed(): ReadonlyArray<string> {
  return files.filter((path) => path.startsWith("deploy/")).map(read)
}

describe("docs/spec.md", () => {
  it("is what the schemas say: run `npm run docs` after a change", async () => {
    expect(await readFile(FILE, "utf8")).toBe(page())
  })
})

describe("docs/reference.md", () => {
  const text = read("docs/reference.md")
  const told = new Set(codeIn(text))

  it("has every reason of conditions and Events", () => {
    const sources = src.filter(({ path }) =>
      /^src\/(report\/(verdict|health|status|events)|plan\/deletion)\.ts$/u.test(path),
    )
    expect(sources).toHaveLength(5)
    const words = sources.flatMap((file) => [
      ...[...file.text.matchAll(/reason(?::| =)\s*((?:"[A-Z]\w+"(?: \| )?)+)/gu)].flatMap(
        ([, found = ""]) => found.match(/[A-Z]\w+/gu) ?? [],
      ),
      ...[
        ...file.text.matchAll(
          /(?:failed\(|notice\(|return |^ {2}[A-Z]: |FAILED = |UNHEALTHY = )"([A-Z]\w+)"/gmu,
        ),
      ].map(([, word = ""]) => word),
    ])
    expect(new Set(words).size).toBeGreaterThan(20)
    expect([...new Set(words)].filter((word) => !told.has(word))).toEqual([])
  })

  it("has every field manager that NOPEA writes as", () => {
    const managers = src.flatMap(({ text: code }) =>
      [...code.matchAll(/(?:MANAGER = |fieldManager: )"([\w-]+)"/gu)].map(([, name = ""]) => name),
    )
    expect(new Set(managers).size).toBeGreaterThan(2)
    expect(managers.filter((name) => !told.has(name))).toEqual([])
  })

  it("has every annotation and label that the code knows", () => {
    const flux = "kustomize.toolkit.fluxcd.io"
    const known = src
      .filter(({ path }) => /^src\/(plan|domain|render)\//u.test(path))
      .flatMap((file) =>
        [
          ...file.text
            .replaceAll(/\$\{FLUX\}/gu, flux)
            .matchAll(
              /["`]((?:nopea\.io|nopea\.false\.systems|kustomize\.toolkit\.fluxcd\.io|argocd\.argoproj\.io|reconcile\.fluxcd\.io)\/[\w-]+)["`]/gu,
            ),
        ].map(([, name = ""]) => name),
      )
    /** How other tools mark what is theirs: read where objects are taken over, see take-over.md. */
    const tracking = /\/(name|instance|tracking-id|v1alpha1)$/u
    const missing = [...new Set(known)].filter((name) => !tracking.test(name) && !told.has(name))
    expect(new Set(known).size).toBeGreaterThan(10)
    expect(missing).toEqual([])
  })
})

describe("docs/operations.md", () => {
  it("says what to do about every alert, and about no other", () => {
    const alertsIn = (text: string) =>
      [...text.matchAll(/\b(Nopea[A-Z]\w+)/gu)].map(([, name]) => name).sort()
    expect(alertsIn(read("docs/operations.md"))).toEqual(
      alertsIn(read("deploy/monitoring/alerts.yaml")),
    )
  })
})

describe("README.md", () => {
  it("links to every page for users", () => {
    const linked = new Set(linksOf("README.md", read("README.md")).map(({ path }) => path))
    const wanted = files.filter((path) => /^(docs\/[^/]+|examples\/README)\.md$/u.test(path))
    expect(wanted.filter((path) => !linked.has(path))).toEqual([])
  })
})
