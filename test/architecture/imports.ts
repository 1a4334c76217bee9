// Who may import whom: ranks, ports, wiring, threads, cycles, packages.
import { posix } from "node:path"
import type { Code, Import } from "./code.ts"
import type { Rule } from "./rule.ts"
import { baseOf, folderOf, isPure } from "./tree.ts"

/** Imports go to a lower rank, or stay in their folder. The table of ARCHITECTURE.md. */
export const RANKS: Readonly<Record<string, number>> = {
  domain: 0,
  plan: 1,
  health: 1,
  git: 2,
  render: 2,
  kube: 2,
  cache: 2,
  metrics: 2,
  apply: 3,
  report: 3,
  worker: 4,
  events: 4,
  supervisor: 5,
  controller: 6,
  webhook: 6,
  cli: 7,
}

/** Files of `src` itself; its other lower-case files (`config.ts`) rank with `plan`. */
const ROOT_RANKS: Readonly<Record<string, number>> = { "App.ts": 8, "main.ts": 9 }

/** What a port shows to other folders beside its lower-case files. */
const PORTS: Readonly<Record<string, ReadonlyArray<string>>> = {
  git: ["Git.ts"],
  render: ["Render.ts"],
  kube: ["Kube.ts", "Informer.ts"],
}

const THREAD = "src/render/thread.ts"

const rankOf = (path: string): number => {
  if (!path.startsWith("src/")) return Number.NaN
  if (folderOf(path) !== "") return RANKS[folderOf(path)] ?? Number.NaN
  return ROOT_RANKS[baseOf(path)] ?? (isPure(path) ? 1 : Number.NaN)
}

const targetOf = (code: Code, found: Import): string | undefined =>
  found.from.startsWith(".") ? posix.join(posix.dirname(code.path), found.from) : undefined

interface Edge {
  readonly code: Code
  readonly found: Import
  readonly from: string
  readonly to: string
}

const edges = (codes: ReadonlyArray<Code>): ReadonlyArray<Edge> =>
  codes.flatMap((code) =>
    code.imports.flatMap((found) => {
      const to = targetOf(code, found)
      return to === undefined ? [] : [{ code, found, from: code.path, to }]
    }),
  )

const at = (edge: { readonly from: string; readonly found: Import }, what: string): string =>
  `${edge.from}:${edge.found.line}: ${what}`

const isLayer = (name: string): boolean => /^layer/.test(name)

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

/** Effect modules tagged unstable: they may break in a minor version. */
const UNSTABLE =
  /^effect\/(ai|cli|cluster|devtools|encoding|eventlog|graphql|http|http-api|net|observability|persistence|process|reactivity|rpc|socket|sql|testing|workers|workflow|FileSystem|LayerMap)(\/|$)|^@effect\/platform-node/

/** One file each, so that an upgrade is read in one place. */
const UNSTABLE_ALLOWED =
  /^src\/(App|main)\.ts$|^src\/cli\/|^src\/(git|render|kube)\/[A-Z]|^src\/metrics\/Otlp\.ts$/

const cyclesOf = (codes: ReadonlyArray<Code>): ReadonlyArray<string> => {
  const next = Map.groupBy(edges(codes), (edge) => edge.from)
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: ReadonlyArray<string>): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "))
    if (trail.includes(path) || done.has(path)) return
    for (const edge of next.get(path) ?? []) visit(edge.to, [...trail, path])
    done.add(path)
  }
  for (const code of codes) visit(code.path, [])
  return cycles
}

export const importRules = (dependencies: ReadonlySet<string>): ReadonlyArray<Rule> => [
  {
    name: "every folder of src has a rank",
    offences: (codes) =>
      codes
        .filter((code) => Number.isNaN(rankOf(code.path)))
        .map((code) => `${code.path}:1: neither its folder nor the file has a rank`),
    bad: [
      [{ "src/tools/x.ts": "" }, /tools\/x\.ts.*rank/],
      [{ "src/Wiring.ts": "" }, /Wiring\.ts.*rank/],
    ],
    good: [{ "src/plan/x.ts": "", "src/App.ts": "" }],
  },
  {
    name: "imports go to a lower rank or stay in their folder",
    offences: (codes) =>
      edges(codes)
        .filter(({ from, to }) => folderOf(from) !== folderOf(to) || folderOf(from) === "")
        .filter(({ from, to }) => !(rankOf(to) < rankOf(from)))
        .map((edge) => at(edge, `imports ${edge.to}, which does not lie below it`)),
    bad: [
      [{ "src/plan/x.ts": 'import type { A } from "../worker/Worker.ts"' }, /x\.ts:1: imports/],
      [{ "src/git/GitCli.ts": 'import { A } from "../kube/Kube.ts"' }, /does not lie below/],
      [{ "src/kube/KubeHttp.ts": 'const a = await import("../App.ts")' }, /imports src\/App\.ts/],
      [{ "src/plan/x.ts": 'import { a } from "../../test/x.ts"' }, /does not lie below/],
    ],
    good: [
      { "src/worker/Sync.ts": 'import { Git } from "../git/Git.ts"\nimport "./Worker.ts"' },
      { "src/main.ts": 'import { live } from "./App.ts"\nimport "./cli/Cli.ts"' },
    ],
  },
  {
    name: "a port is imported by its interface or its pure files",
    offences: (codes) =>
      edges(codes)
        .filter(({ from, to }) => folderOf(from) !== folderOf(to) && from !== "src/App.ts")
        .filter(({ to }) => PORTS[folderOf(to)] !== undefined)
        .filter(({ to }) => !isPure(to) && !PORTS[folderOf(to)]?.includes(baseOf(to)))
        .map((edge) => at(edge, `imports ${edge.to} past its port's interface`)),
    bad: [
      [{ "src/worker/Sync.ts": 'import { a } from "../git/GitCli.ts"' }, /past its port/],
      [{ "src/cli/Cli.ts": 'import { a } from "../kube/KubeHttp.ts"' }, /past its port/],
    ],
    good: [
      { "src/worker/Sync.ts": 'import { Git } from "../git/Git.ts"' },
      { "src/webhook/WebhookServer.ts": 'import { same } from "../git/protocol.ts"' },
      { "src/App.ts": 'import { layer } from "./git/GitCli.ts"' },
    ],
  },
  {
    name: "layers of other folders are wired in App.ts alone",
    offences: (codes) =>
      codes
        .filter((code) => code.path !== "src/App.ts")
        .flatMap((code) => {
          const ours = edges([code]).filter((edge) => folderOf(edge.to) !== folderOf(edge.from))
          const named = ours.flatMap((edge) =>
            edge.found.bindings
              .filter((b) => isLayer(b.imported) && edge.to !== "src/App.ts")
              .map((b) => at(edge, `imports ${b.imported} of ${edge.to}`)),
          )
          const locals = ours.flatMap((edge) => edge.found.bindings.map((b) => b.local))
          const members = code.members
            .filter(({ name }) => {
              const [object = "", property = ""] = name.split(".")
              return isLayer(property) && locals.includes(object)
            })
            .map((m) => `${code.path}:${m.line}: uses ${m.name}`)
          return [...named, ...members]
        }),
    bad: [
      [{ "src/worker/Sync.ts": 'import { layer } from "../git/GitCli.ts"' }, /imports layer/],
      [
        {
          "src/worker/Sync.ts":
            'import { Live } from "../cache/Live.ts"\nexport const a = Live.layer',
        },
        /Sync\.ts:2: uses Live\.layer/,
      ],
    ],
    good: [
      { "src/App.ts": 'import { Live } from "./cache/Live.ts"\nexport const a = Live.layer' },
      { "src/report/ReporterLive.ts": 'import { layer } from "./Recorder.ts"' },
      { "src/worker/Sync.ts": 'import { Live } from "../cache/Live.ts"\nexport const a = Live' },
    ],
  },
  {
    name: "a thread is started by its path, never imported",
    offences: (codes) =>
      edges(codes)
        .filter(({ to, found }) => to === THREAD && !found.typeOnly)
        .map((edge) => at(edge, `imports ${THREAD}`)),
    bad: [[{ "src/render/RenderPool.ts": 'import "./thread.ts"' }, /imports src\/render\/thread/]],
    good: [
      { "src/render/RenderPool.ts": 'import type { Job } from "./thread.ts"' },
      { "src/render/RenderPool.ts": 'new URL("./thread.ts", import.meta.url)' },
    ],
  },
  {
    name: "imports form no cycle",
    offences: cyclesOf,
    bad: [
      [
        {
          "src/plan/a.ts": 'import "./b.ts"',
          "src/plan/b.ts": 'import type { C } from "./c.ts"',
          "src/plan/c.ts": 'import "./a.ts"',
        },
        /a\.ts -> src\/plan\/b\.ts -> src\/plan\/c\.ts -> src\/plan\/a\.ts/,
      ],
    ],
    good: [
      {
        "src/plan/a.ts": 'import "./b.ts"\nimport "./c.ts"',
        "src/plan/b.ts": 'import "./c.ts"',
        "src/plan/c.ts": "",
      },
    ],
  },
  {
    name: "no file only passes on what others export",
    offences: (codes) =>
      codes.flatMap((code) =>
        code.imports
          .filter((found) => found.kind === "reexport")
          .map((found) => at({ from: code.path, found }, `re-exports ${found.from}`)),
      ),
    bad: [
      [{ "src/git/index.ts": 'export * from "./Git.ts"' }, /re-exports/],
      [{ "src/git/x.ts": 'export { Git } from "./Git.ts"' }, /re-exports/],
    ],
    good: [{ "src/git/x.ts": "export const a = 1" }],
  },
  {
    name: "packages are declared dependencies; platform-node is imported module by module",
    offences: (codes) =>
      codes.flatMap((code) =>
        code.imports
          .filter(({ from }) => !from.startsWith(".") && !from.startsWith("node:"))
          .filter(
            ({ from }) => !dependencies.has(packageOf(from)) || from === "@effect/platform-node",
          )
          .map((found) => at({ from: code.path, found }, `imports "${found.from}"`)),
      ),
    bad: [
      [{ "src/plan/x.ts": 'import "left-pad"' }, /imports "left-pad"/],
      [{ "src/App.ts": 'import { NodeHttpServer } from "@effect/platform-node"' }, /platform-node/],
      [{ "src/git/GitCli.ts": 'import fs from "fs"' }, /imports "fs"/],
    ],
    good: [{ "src/App.ts": 'import "@effect/platform-node/NodeHttpServer"\nimport "node:fs"' }],
  },
  {
    name: "Effect's unstable modules stay at the edges",
    offences: (codes) =>
      codes
        .filter((code) => !UNSTABLE_ALLOWED.test(code.path))
        .flatMap((code) =>
          code.imports
            .filter((found) => UNSTABLE.test(found.from) && !found.typeOnly)
            .map((found) => at({ from: code.path, found }, `imports "${found.from}"`)),
        ),
    bad: [
      [{ "src/worker/Sync.ts": 'import { HttpClient } from "effect/http"' }, /effect\/http/],
      [{ "src/plan/x.ts": 'import * as Yaml from "effect/encoding/Yaml"' }, /encoding\/Yaml/],
    ],
    good: [
      { "src/worker/Sync.ts": 'import { Effect } from "effect"' },
      { "src/git/GitCli.ts": 'import { ChildProcess } from "effect/process"' },
    ],
  },
]
