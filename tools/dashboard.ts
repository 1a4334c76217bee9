/** Draws docs/dashboard.svg: every panel of the dashboard, asked of a real Prometheus that watched a controller at work. */
import { readFile, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import { type Ground, prepareGround } from "../bench/Ground.ts"
import { allSynced, declare, four } from "../bench/repositories.ts"
import { escaped, INK, number, path, picture, rule, text } from "../bench/svg.ts"
import type { GitRepo } from "../test/gitserver/GitRepo.ts"
import { type Line, type Prometheus, startPrometheus } from "./Prometheus.ts"

const DASHBOARD = new URL("../deploy/monitoring/dashboard.json", import.meta.url)
const PICTURE = new URL("../docs/dashboard.svg", import.meta.url)

interface Panel {
  readonly type: string
  readonly title: string
  readonly gridPos: Readonly<Record<"x" | "y" | "w" | "h", number>>
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat?: string }>
}

const ROUNDS = 20
const COLOURS = ["#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d"]
const [UNIT, ROW] = [40, 26]

/** Pushes, edits that are healed or only told, break-glass, a file that is wrong. */
const work = async (ground: Ground, namespace: string, repos: ReadonlyArray<GitRepo>) => {
  const { api } = ground
  const config = (name: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
  })
  const edit = (name: string, mode: string) =>
    api.patch(config(name), { data: { mode } }, { type: "merge", fieldManager: "kubectl-edit" })
  for (let round = 0; round < ROUNDS; round++) {
    for (const [nth, repo] of repos.entries()) {
      const image = `image: registry.example/app:${round}`
      const files = four(repo.name)
      const next = files["deployment.yaml"]?.replace(/image: .*/u, image) ?? ""
      if (round % 3 === nth) await repo.commit({ "deployment.yaml": next })
    }
    if (round % 4 === 1) await edit("shop", `by-hand-${round}`)
    if (round === 8) await edit("told", "by-hand")
    if (round === 10) {
      const annotations = { "nopea.io/suspend-heal": "true" }
      await api.patch(config("web"), { metadata: { annotations } })
      await edit("web", "hotfix")
    }
    if (round === 12) await repos[0]?.commit({ "wrong.yaml": "kind: [" })
    await pause(3000)
  }
}

const observe = async <A>(
  body: (prometheus: Prometheus, from: number) => Promise<A>,
): Promise<A> => {
  const sink = createServer((request, response) => {
    request.resume()
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", () => resolve()))
  const { port } = sink.address() as AddressInfo
  const ground = await prepareGround(true)
  try {
    const namespace = await ground.namespace("dashboard")
    const env = { NOPEA_CDEVENTS_SINKS: `http://127.0.0.1:${port}/events` }
    const controller = await ground.controller([namespace], env)
    const prometheus = await startPrometheus(ground.folder, new URL(controller.health).host)
    const from = Date.now() / 1000
    const policies = { web: "auto", shop: "auto", told: "manual" }
    const repos: GitRepo[] = []
    for (const [name, healPolicy] of Object.entries(policies)) {
      const repo = await ground.git.createRepo(name)
      await repo.commit(four(name))
      await declare(ground, namespace, name, { url: repo.url, interval: "5s", healPolicy })
      repos.push(repo)
    }
    await allSynced(ground, namespace, repos.length)
    await work(ground, namespace, repos)
    try {
      return await body(prometheus, from)
    } finally {
      await prometheus.stop()
    }
  } finally {
    await ground.stop()
    sink.close()
  }
}

const legend = (format: string, { labels }: Line): string =>
  format === "" || format === "__auto"
    ? ""
    : format.replaceAll(/\{\{(\w+)\}\}/gu, (_, name: string) =>
        name === "instance" ? "" : (labels[name] ?? ""),
      )

/** The series that are ever more than nothing, where there are too many to name. */
const named = <A extends Line>(lines: ReadonlyArray<A>): ReadonlyArray<A> =>
  lines.length < 8 ? lines : lines.filter(({ points }) => points.some(([, value]) => value > 0))

interface Found {
  readonly panel: Panel
  readonly lines: ReadonlyArray<Line & { readonly name: string }>
}

/** What Grafana puts in for its variables. */
const filled = (expression: string): string =>
  expression.replaceAll("$__rate_interval", "20s").replaceAll("$repository", ".*")

const ask = async (prometheus: Prometheus, panel: Panel, from: number): Promise<Found> => {
  const lines: Array<Line & { readonly name: string }> = []
  for (const { expr, legendFormat = "" } of panel.targets ?? []) {
    const found = await prometheus.range(filled(expr), from, Date.now() / 1000)
    lines.push(...found.map((line) => ({ ...line, name: legend(legendFormat, line) })))
  }
  return { panel, lines: named(lines) }
}

const MEBI = 2 ** 20
const most = (panel: Panel, value: number): string =>
  panel.fieldConfig?.defaults.unit === "bytes" ? `${number(value / MEBI)} Mi` : number(value)

const chart = ({ panel, lines }: Found): ReadonlyArray<string> => {
  const { x, y, w, h } = panel.gridPos
  const box = { left: x * UNIT + 44, right: (x + w) * UNIT - 12, top: y * ROW + 30 }
  const bottom = (y + h) * ROW - 34
  const points = lines.flatMap((line) => line.points).filter(([, value]) => Number.isFinite(value))
  const times = points.map(([at]) => at)
  const [first, last] = [Math.min(...times), Math.max(...times)]
  const top = Math.max(...points.map(([, value]) => value), Number.MIN_VALUE)
  const place = ([at, value]: readonly [number, number]) =>
    [
      box.left + ((at - first) / Math.max(last - first, 1)) * (box.right - box.left),
      bottom - (value / top) * (bottom - box.top),
    ] as const
  const small = { size: 10, fill: INK }
  return [
    rule(box.left, bottom, box.right, bottom),
    text(box.left - 4, box.top + 8, most(panel, top), { ...small, anchor: "end" }),
    text(box.left - 4, bottom, "0", { ...small, anchor: "end" }),
    ...lines.flatMap((line, nth) => {
      const colour = COLOURS[nth % COLOURS.length] ?? INK
      const known = line.points.filter(([, value]) => Number.isFinite(value))
      return known.length === 0 ? [] : [path(known.map(place), colour)]
    }),
    `<text x="${box.left}" y="${bottom + 15}" font-size="10">${lines
      .map(({ name }, nth) => {
        const colour = COLOURS[nth % COLOURS.length] ?? INK
        return `<tspan fill="${colour}" dx="${nth === 0 ? 0 : 7}">${escaped(name)}</tspan>`
      })
      .join("")}</text>`,
  ]
}

const draw = (found: Found): ReadonlyArray<string> => {
  const { panel, lines } = found
  const { x, y, w, h } = panel.gridPos
  const title = text(x * UNIT + 8, y * ROW + 18, panel.title, { size: w < 6 ? 11 : 13 })
  if (panel.type === "row") return [rule(0, y * ROW, 24 * UNIT, y * ROW, "#e5e7eb"), title]
  const middle = { x: (x + w / 2) * UNIT, y: (y + h / 2) * ROW }
  if (lines.length === 0)
    return [title, text(middle.x, middle.y, "nothing happened", { fill: INK, anchor: "middle" })]
  if (panel.type !== "stat") return [title, ...chart(found)]
  const value = lines[0]?.points.at(-1)?.[1] ?? Number.NaN
  return [title, text(middle.x, middle.y, number(value), { size: 36, anchor: "middle" })]
}

const { panels } = JSON.parse(await readFile(DASHBOARD, "utf8")) as { panels: ReadonlyArray<Panel> }
const found = await observe(async (prometheus, from) => {
  const all: Found[] = []
  for (const panel of panels) all.push(await ask(prometheus, panel, from))
  return all
})
for (const { panel, lines } of found) {
  if (panel.type === "row") continue
  process.stdout.write(`${panel.title}: ${lines.length} series\n`)
}
const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * ROW
await writeFile(
  PICTURE,
  picture(24 * UNIT, height, found.flatMap(draw), "NOPEA's dashboard, a minute of it"),
)
