// Sizes, names and forms that keep the code readable in one sitting.
import type { Code } from "./code.ts"
import type { Rule } from "./rule.ts"
import { baseOf, folderOf } from "./tree.ts"

const FILE_LINES = 250
const FUNCTION_LINES = 60
const NESTING = 3
/** Where each folder stands, see docs/adr/012-size.md: lower a number that is not needed any more. */
const FOLDER_LINES: Readonly<Record<string, number>> = {
  "": 540,
  apply: 960,
  cache: 650,
  cli: 3300,
  controller: 2050,
  domain: 1850,
  events: 1000,
  git: 3300,
  health: 750,
  kube: 2320,
  metrics: 700,
  plan: 4050,
  render: 2900,
  report: 2340,
  supervisor: 400,
  webhook: 1480,
  worker: 2650,
}

const BAD_FOLDER = /^(utils?|helpers?|common|shared|types|lib|misc)$/
const BAD_NAME = /(?<!field)(manager|handler|helper|util|info)s?$/i

const linesOf = (codes: ReadonlyArray<Code>): number => codes.reduce((sum, c) => sum + c.lines, 0)

const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0

const repeated = (line: string, times: number): string => `${line}\n`.repeat(times)
const longFunction = (lines: number): string =>
  `const f = () => {\n${repeated("a()", lines - 2)}}\n`

export const shapeRules: ReadonlyArray<Rule> = [
  {
    name: `a file has at most ${FILE_LINES} lines`,
    offences: (codes) =>
      codes.filter((c) => c.lines > FILE_LINES).map((c) => `${c.path}: ${c.lines} lines`),
    bad: [[{ "src/plan/x.ts": repeated("//", FILE_LINES + 1) }, /251 lines/]],
    good: [{ "src/plan/x.ts": repeated("//", FILE_LINES) }],
  },
  {
    name: "no folder outgrows its limit",
    offences: (codes) =>
      Object.entries(Object.groupBy(codes, (c) => folderOf(c.path))).flatMap(([folder, all]) => {
        const lines = linesOf(all ?? [])
        const limit = FOLDER_LINES[folder] ?? 0
        return lines <= limit ? [] : [`src/${folder}: ${lines} lines, more than ${limit}`]
      }),
    bad: [
      [{ "src/webhook/x.ts": repeated("//", 1481) }, /src\/webhook: 1481 lines, more than 1480/],
      [{ "src/novel/x.ts": "//" }, /src\/novel: 1 lines, more than 0/],
    ],
    good: [{ "src/webhook/x.ts": repeated("//", 1350), "src/cli/x.ts": "//" }],
  },
  {
    name: `a function has at most ${FUNCTION_LINES} lines of its own`,
    offences: (codes) =>
      codes.flatMap((c) =>
        c.functions
          .filter((f) => f.lines > FUNCTION_LINES)
          .map((f) => `${c.path}:${f.line}: ${f.name || "function"} of ${f.lines} lines`),
      ),
    bad: [
      [{ "src/plan/x.ts": longFunction(FUNCTION_LINES + 1) }, /of 61 lines/],
      [
        { "src/plan/x.ts": `const g = () => {\n${longFunction(FUNCTION_LINES + 1)}}` },
        /:2: .*61 lines/,
      ],
    ],
    good: [
      { "src/plan/x.ts": longFunction(FUNCTION_LINES) },
      { "src/plan/x.ts": `const g = () => {\n${longFunction(40)}${longFunction(40)}}` },
    ],
  },
  {
    name: "half of the functions have at most 8 lines, nine in ten at most 30",
    offences: (codes) => {
      const sizes = codes.flatMap((c) => c.functions.map((f) => f.lines)).sort((a, b) => a - b)
      return [
        ...(quantile(sizes, 0.5) <= 8 ? [] : [`median ${quantile(sizes, 0.5)}`]),
        ...(quantile(sizes, 0.9) <= 30 ? [] : [`nine in ten ${quantile(sizes, 0.9)}`]),
      ]
    },
    bad: [[{ "src/plan/x.ts": longFunction(31) }, /median 31\nnine in ten 31/]],
    good: [{ "src/plan/x.ts": longFunction(8) }],
  },
  {
    name: `statements are nested at most ${NESTING} deep`,
    offences: (codes) =>
      codes.flatMap((c) =>
        c.functions
          .filter((f) => f.nesting > NESTING)
          .map((f) => `${c.path}:${f.line}: nested ${f.nesting} deep`),
      ),
    bad: [
      [
        {
          "src/plan/x.ts":
            "const f = () => { if (a) for (;;) while (b) { try { c() } finally {} } }",
        },
        /nested 4 deep/,
      ],
    ],
    good: [
      {
        "src/plan/x.ts":
          "const f = () => { if (a) b(); else if (c) d(); else if (e) f(); else if (g) h() }",
      },
    ],
  },
  {
    name: "exported functions say what they answer",
    offences: (codes) =>
      codes.flatMap((c) =>
        c.untypedExports.map((e) => `${c.path}:${e.line}: ${e.name} has no written result type`),
      ),
    bad: [
      [{ "src/plan/x.ts": "export const f = (a: number) => a" }, /f has no written/],
      [{ "src/plan/x.ts": "export function f(a: number) { return a }" }, /f has no written/],
      [{ "src/git/X.ts": 'export const f = Effect.fn("X.f")(function* (a: A) {})' }, /f has no/],
    ],
    good: [
      { "src/plan/x.ts": "export const f = (a: number): number => a\nexport const n = 1" },
      { "src/plan/x.ts": "export const f: F = (a) => a\nconst g = () => 1" },
      { "src/git/X.ts": 'export const f: F = Effect.fn("X.f")(function* (a) {})' },
    ],
  },
  {
    name: "a file opens with a sentence on what it answers for",
    offences: (codes) =>
      codes
        .filter((c) => !/^(#!.*\n)?\/\*\*/.test(c.text))
        .map((c) => `${c.path}:1: no header sentence`),
    bad: [[{ "src/plan/x.ts": 'import "./y.ts"\n/** Late. */' }, /no header/]],
    good: [{ "src/plan/x.ts": "/** Pairs objects. */" }, { "src/main.ts": "#!x\n/** Runs. */" }],
  },
  {
    name: "folders and files are named by what they hold",
    offences: (codes) =>
      codes
        .filter(
          (c) =>
            c.path.split("/").some((part) => BAD_FOLDER.test(part)) ||
            BAD_NAME.test(baseOf(c.path).replace(/\.ts$/, "")) ||
            baseOf(c.path) === "index.ts",
        )
        .map((c) => `${c.path}: a name that says nothing`),
    bad: [
      [{ "src/utils/x.ts": "" }, /says nothing/],
      [{ "src/git/GitHelper.ts": "" }, /says nothing/],
      [{ "src/git/index.ts": "" }, /says nothing/],
    ],
    good: [{ "src/plan/ownership.ts": "", "src/kube/fieldManager.ts": "" }],
  },
]
