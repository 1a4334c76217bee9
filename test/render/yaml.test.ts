import fc from "fast-check"
import { dump } from "js-yaml"
import { describe, expect, it } from "vitest"
import { canonical, type Json } from "../../src/domain/object.ts"
import { splitDocuments } from "../../src/render/documents.ts"
import type { Format } from "../../src/render/parsed.ts"
import { parseFile, readDocuments } from "../../src/render/yaml.ts"

const parse = (text: string | Uint8Array, format: Format = "yaml") =>
  parseFile(typeof text === "string" ? new TextEncoder().encode(text) : text, format)

const head = (kind: string) => `apiVersion: v1\nkind: ${kind}\n`
const meta = (extra = "") => `metadata:\n  name: a\n${extra}`
const good = `${head("ConfigMap")}${meta()}`
/** Stands for a password: no message may contain it. */
const secret = "hunter2"

type Bad = readonly [
  what: string,
  text: string | Uint8Array,
  code: string,
  place: readonly [document: number | undefined, line: number],
  reason: string,
  format?: Format,
]

const bad: ReadonlyArray<Bad> = [
  [
    "an LFS pointer",
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "R005",
    [undefined, 1],
    "Git LFS pointer",
  ],
  ["Latin-1", Buffer.from("a: 1\nb: \xe4\n", "latin1"), "R006", [undefined, 2], "not UTF-8"],
  ["UTF-16", Buffer.from("\ufeffa: 1\n", "utf16le"), "R006", [undefined, 1], "is UTF-16"],
  [
    "a binary file",
    new Uint8Array([80, 75, 3, 4, 10, 0, 0, 0]),
    "R006",
    [undefined, 2],
    "NUL bytes",
  ],
  ["too many documents", "---\na: 1\n".repeat(10_001), "R008", [undefined, 1], "10001 documents"],
  ["a tab as indentation", `a:\n\tb: ${secret}\n`, "R009", [1, 2], "tab"],
  ["bad indentation", `${good}---\na:\n    b: 1\n  c: ${secret}\n`, "R009", [2, 8], "indentation"],
  ["an open quote", `a: "${secret}\n`, "R009", [1, 2], "double quoted scalar"],
  ["an open bracket", `a: [${secret}\n`, "R009", [1, 2], "flow collection"],
  ["an unquoted colon", `a: ${secret}: x\n`, "R009", [1, 1], "not valid YAML"],
  ["a wrong tag", `a: !${secret}^x{} 1\n`, "R009", [1, 1], "tag"],
  ["an unknown tag handle", `a: !${secret}!x 1\n`, "R009", [1, 1], "undeclared tag handle"],
  ["a control character", `a: \u0001${secret}\n`, "R009", [1, 1], "non-printable"],
  ["a Go template", `a: {{ .Values.${secret} }}\n`, "R009", [1, 1], "a template"],
  [
    "a conditional template",
    `a: 1\n{{- if .Values.${secret} }}\nb: 2\n{{- end }}\n`,
    "R009",
    [1, 2],
    "a template",
  ],
  [
    "a flaw far from a text with braces",
    `a: "{{ x }}"\nb: 1\nc: 1\nd: [${secret}\n`,
    "R009",
    [1, 5],
    "flow collection",
  ],
  [
    "conflict markers",
    `a: 1\n<<<<<<< HEAD\nb: ${secret}\n=======\nb: 2\n>>>>>>> feature\n`,
    "R009",
    [1, 2],
    "unfinished merge",
  ],
  ["no JSON at all", `{"a": ${secret}}`, "R010", [1, 1], "unexpected token", "json"],
  ["a comma too many", `{\n"a": [1,\n2,]}`, "R010", [1, 3], "unexpected token", "json"],
  ["JSON that ends early", `{"a": "${secret}",\n"b":`, "R010", [1, 2], "unexpected end", "json"],
  ["two JSON values", `{"a": 1}\n{"b": 2}`, "R010", [1, 2], "unexpected non-whitespace", "json"],
  ["JSON with a comment", `{\n// ${secret}\n}`, "R010", [1, 2], "expected property name", "json"],
  [
    "a duplicate key",
    `${good}data:\n  k: ${secret}\n  l: 1\n  k: 2\n`,
    "R011",
    [1, 8],
    'key "k" is written twice in one mapping, first in line 6',
  ],
  [
    "a duplicate key in JSON",
    `{"a": 1,\n"b": 2,\n"a": 3}`,
    "R011",
    [1, 3],
    "first in line 1",
    "json",
  ],
  ["keys that become equal", "true: 1\nyes: 2\n", "R011", [1, 2], 'key "true"'],
  ["an unknown alias", `password: *${secret}\n`, "R012", [1, 1], "names no anchor"],
  ["an alias in itself", "a: &a\n  b: *a\n", "R012", [1, 2], "contains it"],
  [
    "an alias bomb",
    `a0: &a0 [x]\n${Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]\n`).join("")}`,
    "R013",
    [1, 8],
    "aliases expand",
  ],
  [
    "a merge bomb",
    `a: &a {x: ${"y".repeat(100_000)}}\n${Array.from({ length: 50 }, (_, i) => `b${i}: {<<: *a}\n`).join("")}`,
    "R013",
    [1, 41],
    "aliases expand",
  ],
  ["too deep nesting", "[".repeat(5_000), "R014", [1, 1], "nested deeper than 500"],
  [
    "too deep nesting by aliases",
    `a0: &a0 [x]\n${Array.from({ length: 501 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}]\n`).join("")}`,
    "R014",
    [1, 499],
    "nested deeper",
  ],
  [
    "too deep JSON",
    `${"[".repeat(600)}${"]".repeat(600)}`,
    "R014",
    [1, 1],
    "nested deeper",
    "json",
  ],
  ["a null key", `~: ${secret}\n`, "R015", [1, 1], "a key is empty"],
  ["a collection as key", `? [${secret}]\n: b\n`, "R015", [1, 1], "a collection"],
  ["a merge of text", `a: 1\n<<: ${secret}\n`, "R015", [1, 2], "merge key"],
  ["infinity", "a: .inf\n", "R015", [1, 1], "infinity"],
  ["a number JSON cannot hold", '{"a":\n1e999}', "R015", [1, 2], "infinity", "json"],
  ["a value that denies its tag", `a: !!int ${secret}\n`, "R015", [1, 1], "does not fit its tag"],
  ["text", `${secret}\n`, "R016", [1, 1], "a string, not a Kubernetes object"],
  ["a list", "- a\n", "R016", [1, 1], "a list, not a Kubernetes object"],
  ["no apiVersion", `kind: Pod\n${meta()}`, "R017", [1, 1], 'Pod "a" has no apiVersion'],
  ["no kind and name", "\n\napiVersion: v1\n", "R017", [1, 3], "has no kind and no metadata.name"],
  [
    "an empty name",
    `${head("Pod")}metadata:\n  name: ""\n`,
    "R017",
    [1, 1],
    "the Pod has no metadata.name",
  ],
  ["generateName", `${head("Job")}metadata:\n  generateName: x-\n`, "R018", [1, 1], "generateName"],
  [
    "a number as name",
    `${head("Pod")}metadata:\n  name: 12\n`,
    "R019",
    [1, 4],
    "a number as metadata.name, not text",
  ],
  [
    "a boolean as name",
    `${head("Pod")}metadata:\n  name: on\n`,
    "R019",
    [1, 4],
    "a boolean as metadata.name",
  ],
  [
    "a number as namespace",
    `${head("Pod")}${meta("  namespace: 1\n")}`,
    "R019",
    [1, 5],
    "metadata.namespace",
  ],
  ["a number as kind", `apiVersion: v1\nkind: 5\n${meta()}`, "R019", [1, 2], "a number as kind"],
  [
    "a strange apiVersion",
    `apiVersion: a/b/c\nkind: X\n${meta()}`,
    "R019",
    [1, 1],
    "no valid apiVersion",
  ],
  [
    "a long name",
    `${head("Pod")}metadata:\n  name: ${"x".repeat(254)}\n`,
    "R019",
    [1, 4],
    "more than 253",
  ],
  ["a name with slashes", `${head("Pod")}metadata:\n  name: a/b\n`, "R019", [1, 4], "holds / or %"],
  ["two dots as name", `${head("Pod")}metadata:\n  name: ..\n`, "R019", [1, 4], ". or .."],
  [
    "two dots as namespace",
    `${head("Pod")}${meta("  namespace: ..\n")}`,
    "R019",
    [1, 5],
    "metadata.namespace that is . or ..",
  ],
  [
    "a label that is true",
    `${head("Pod")}${meta("  labels:\n    a: b\n    on-call: yes\n")}`,
    "R019",
    [1, 7],
    'a boolean as metadata.labels["on-call"], not text',
  ],
  [
    "an annotation that is a number",
    `${head("Pod")}${meta(`  annotations: {port: 8080}\n`)}`,
    "R019",
    [1, 5],
    'metadata.annotations["port"]',
  ],
  [
    "labels as a list",
    `${head("Pod")}${meta("  labels: [a]\n")}`,
    "R019",
    [1, 5],
    "a list as metadata.labels, not a mapping",
  ],
  [
    "metadata as text",
    `${head("Pod")}metadata: ${secret}\n`,
    "R019",
    [1, 3],
    "a string as metadata",
  ],
  [
    "a List without a list",
    `${head("List")}items: ${secret}\n`,
    "R020",
    [1, 3],
    "items that are no list",
  ],
  ["a bad item", `${head("List")}items:\n- ${secret}\n`, "R016", [1, 1], "a string, not"],
  [
    "an unnamed item",
    `${head("List")}items:\n- apiVersion: v1\n  kind: Pod\n`,
    "R017",
    [1, 4],
    "no metadata.name",
  ],
  [
    "a SOPS file",
    `${head("Secret")}${meta()}data: {x: ENC}\nsops:\n  mac: x\n`,
    "R021",
    [1, 1],
    "SOPS",
  ],
]

describe("bad input", () => {
  it.each(bad.map((row) => [row[0], row] as const))(
    "%s is refused with its place and a way out",
    (_, row) => {
      const [, text, code, place, reason, format] = row
      const { objects, failures } = parse(text, format)
      const [failure] = failures
      expect(failures).toHaveLength(1)
      expect(objects.length).toBe(typeof text === "string" && text.startsWith(`${good}---`) ? 1 : 0)
      expect(failure).toMatchObject({ code: `NOPEA-${code}`, disposition: "stall" })
      expect([failure?.document, failure?.line]).toEqual(place)
      expect(failure?.reason).toContain(reason)
      expect(failure?.fix).not.toBe("")
      expect(JSON.stringify(failure)).not.toContain(secret)
    },
  )

  it("several faults of one object are reported together", () => {
    const labels = "  labels: {a: 1, b: 2}\n  annotations: {c: true}\n"
    expect(parse(`${head("Pod")}${meta(labels)}`).failures).toHaveLength(3)
  })
})

describe("good input", () => {
  it.each([
    ["comments only", "# a\n\n# b\n", 0],
    ["nothing", "", 0],
    ["separators only", "---\n---\n# x\n---\n", 0],
    ["null documents", "--- ~\n---\nnull\n", 0],
    ["an empty list", `${head("List")}items: []\n`, 0],
    ["a byte order mark", `\ufeff${good}`, 1],
    ["Windows line ends", good.replaceAll("\n", "\r\n"), 1],
    ["a comment after the separator", `--- # one\n${good}--- # two\n`, 1],
    ["a directive", `%YAML 1.1\n# x\n---\n${good}...\n`, 1],
    ["text on the separator's line", `--- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n`, 1],
    [
      "JSON in a YAML file",
      `{\n\t"apiVersion": "v1",\n\t"kind": "Pod", "metadata": {"name": "a"}\n}`,
      1,
    ],
    ["separators inside block scalars", `${good}data:\n  x: |\n    ---\n    ...\n`, 1],
    ["a null label", `${head("Pod")}${meta("  labels: {a: }\n")}`, 1],
  ])("%s holds %j objects", (_, text, count) => {
    const { objects, failures } = parse(text as string)
    expect(failures).toEqual([])
    expect(objects).toHaveLength(count as number)
  })

  it("lists are flattened, also nested ones, and their items have lines of their own", () => {
    const item = (name: string) => `- apiVersion: v1\n  kind: Pod\n  metadata: {name: ${name}}\n`
    const inner = `- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - metadata: {name: c}\n`
    const { objects, failures } = parse(`${head("List")}items:\n${item("a")}${item("b")}${inner}`)
    expect(failures).toEqual([])
    expect(objects.map(({ ref, line }) => `${ref.kind} ${ref.name} ${line}`)).toEqual([
      "Pod a 4",
      "Pod b 7",
      "ConfigMap c 13",
    ])
  })

  it("a kind that only sounds like a list is an object", () => {
    const text = `apiVersion: x.io/v1\nkind: AllowList\n${meta()}items: [1]\n`
    expect(parse(text).objects.map(({ ref }) => ref.kind)).toEqual(["AllowList"])
  })

  it("large integers keep every digit", () => {
    const { objects } = parse(`${good}a: 9007199254740993\nb: 12345678901234567890123\n`)
    expect(objects[0]?.json).toContain('"a":9007199254740993,')
    expect(objects[0]?.json).toContain('"b":12345678901234567890123')
    const json = '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"x":9007199254740993}'
    expect(parse(json, "json").objects[0]?.json).toBe(json)
  })

  it("marks are the annotations that planning looks at", () => {
    const annotations = "  annotations:\n    nopea.io/prune: disabled\n    other: x\n"
    const marks = { "nopea.io/prune": "disabled" }
    expect(parse(`${head("Pod")}${meta(annotations)}`).objects[0]?.marks).toEqual(marks)
  })

  it("leftovers of an export are dropped with a warning that has no values in it", () => {
    const leftovers = `  uid: ${secret}\n  resourceVersion: "1"\n  creationTimestamp: null\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: ${secret}\n    nopea.io/suspend-heal: "true"\n    nopea.io/applied: x\n  labels: {nopea.io/repository: x, app: web}\n`
    const { objects, warnings } = parse(
      `${head("Pod")}${meta(leftovers)}status: {phase: ${secret}}\n`,
    )
    expect(objects[0]?.json).toBe(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web"},"name":"a"}}',
    )
    expect(warnings.map(({ text }) => text)).toEqual([
      "/Pod/a: dropped status, metadata.uid, metadata.resourceVersion, kubectl.kubernetes.io/last-applied-configuration: a leftover of an export, the API server writes it",
      "/Pod/a: dropped nopea.io/repository, nopea.io/applied: NOPEA writes it itself",
      "/Pod/a: dropped nopea.io/suspend-heal: it counts on the live object only, not in Git",
    ])
    expect(JSON.stringify(warnings)).not.toContain(secret)
  })

  it("what generators leave empty is dropped without a word", () => {
    const text = `${head("Pod")}${meta("  creationTimestamp: null\n")}status: {}\n`
    expect(parse(text)).toMatchObject({
      warnings: [],
      objects: [{ json: expect.not.stringContaining("status") }],
    })
  })

  it("keys and merges that mean something else than they look get a warning", () => {
    const text = `${good}x: &x {k: 1}\ndata:\n  on: a\n  k: 2\n  <<: *x\n`
    expect(parse(text).warnings).toEqual([
      { line: 7, text: 'key "on" means "true": quote it' },
      { line: 9, text: 'the merge key (<<) overrides "k", which stands above it: write << first' },
    ])
  })
})

describe("laws", () => {
  const json = fc.jsonValue() as fc.Arbitrary<Json>
  const read = (text: string, format: Format): Json | undefined => {
    const [first] = readDocuments(text, format)
    return first === undefined || "code" in first ? undefined : first.value
  }

  it("reading what was written gives the same tree, as JSON and as YAML", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2, "\t"), (tree, indent) => {
        const text = JSON.stringify(tree, undefined, indent)
        const value = JSON.parse(text) as Json
        expect(canonical(read(text, "json") as Json)).toBe(canonical(value))
        if (value !== null) expect(canonical(read(text, "yaml") as Json)).toBe(canonical(value))
      }),
    )
  })

  it("reading what a YAML writer wrote gives the same tree", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), (tree) => {
        const plain = JSON.parse(JSON.stringify(tree)) as Json
        expect(canonical(read(dump(plain), "yaml") as Json)).toBe(canonical(plain))
      }),
    )
  })

  it("cutting loses no text and merges no documents", () => {
    const line = fc.constantFrom(
      "a: 1",
      "# x",
      "",
      "  - b",
      "---",
      "--- # c",
      "...",
      "----",
      "x---",
      " ---",
    )
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom("\n", "\r\n"), (lines, end) => {
        const pieces = splitDocuments(lines.join(end))
        const starts = lines.filter((each) => /^---( |$)/u.test(each)).length
        expect(pieces.length).toBeGreaterThanOrEqual(starts)
        const content = (text: string) => text.split(/\r?\n/u).filter((each) => /[ab]/u.test(each))
        expect(pieces.flatMap(({ text }) => content(text))).toEqual(
          lines.filter((each) => /[ab]/u.test(each)),
        )
        for (const { text, line: first } of pieces) {
          expect(
            text.split(/\r?\n/u).filter((each) => /^---( |$)/u.test(each)).length,
          ).toBeLessThan(2)
          expect(lines[first - 1] ?? "").toContain(text.split(/\r?\n/u)[0] ?? "")
        }
      }),
    )
  })

  it("the digest does not depend on the order of keys, and changes with any value", () => {
    const object = (data: ReadonlyArray<readonly [string, Json]>) =>
      JSON.stringify({
        data: Object.fromEntries(data),
        metadata: { name: "a" },
        kind: "ConfigMap",
        apiVersion: "v1",
      })
    const digest = (text: string) => parse(text, "json").objects[0]?.digest
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.string(), json), { selector: ([key]) => key }),
        (data) => {
          const text = object(data)
          expect(digest(object(data.toReversed()))).toBe(digest(text))
          expect(digest(object([...data, ["\u0001new", 1]]))).not.toBe(digest(text))
        },
      ),
    )
  })

  it("no text makes the reader throw", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(..."ab:-#{}[],&*!|>'\"% \n\t?<~0x.\\".split("")),
          maxLength: 60,
        }),
        fc.constantFrom<Format>("yaml", "json"),
        (text, format) => {
          for (const { reason, fix, line } of parse(text, format).failures) {
            expect(reason === "" || fix === "" || line === undefined).toBe(false)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
