// npm run bench: every part, or those that are named; prints tables and keeps the numbers and their pictures.
import { mkdir, writeFile } from "node:fs/promises"
import { arch, cpus, platform } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Curve, formatCurve, type Point, plotCurve } from "./curve.ts"
import { heal, thousand } from "./drift.ts"
import { type Figure, formatTable, plot } from "./figure.ts"
import { firstApply } from "./first-apply.ts"
import { type Ground, prepareGround } from "./Ground.ts"
import {
  CURVES,
  growObjects,
  growRepositories,
  growthFigures,
  OBJECTS,
  REPOSITORIES,
} from "./growth.ts"
import { oneChange } from "./one-change.ts"
import { scale } from "./scale.ts"
import { beside, live, rate } from "./webhooks.ts"

/** One measurement on a ground of its own: what one leaves behind must not slow the next. */
interface Step {
  readonly name: string
  /** Ten thousand Deployments would keep kube-controller-manager busy for longer than the figure takes. */
  readonly controllers: boolean
  /** It fails when it takes longer. */
  readonly minutes: number
  readonly run: (ground: Ground) => Promise<ReadonlyArray<Figure | Point>>
}

const { values: flags, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { "up-to": { type: "string", default: "10000" } },
})
const upTo = Number(flags["up-to"])

const grown = (
  what: string,
  sizes: ReadonlyArray<number>,
  run: (ground: Ground, size: number) => Promise<ReadonlyArray<Figure | Point>>,
): ReadonlyArray<Step> =>
  sizes
    .filter((size) => size <= upTo)
    .map((size) => ({
      name: `${size} ${what}`,
      controllers: false,
      minutes: 20,
      run: (ground) => run(ground, size),
    }))

const parts: Readonly<Record<string, ReadonlyArray<Step>>> = {
  "first-apply": [{ name: "first apply", controllers: true, minutes: 10, run: firstApply }],
  "one-change": [{ name: "one change", controllers: true, minutes: 10, run: oneChange }],
  drift: [
    { name: "healing", controllers: true, minutes: 10, run: heal },
    { name: "1,000 objects", controllers: false, minutes: 15, run: thousand },
  ],
  webhooks: [
    { name: "accepted", controllers: false, minutes: 10, run: rate },
    { name: "beside 10,000 objects", controllers: false, minutes: 15, run: beside },
    { name: "webhook → live", controllers: true, minutes: 10, run: live },
  ],
  scale: [{ name: "scale", controllers: false, minutes: 30, run: scale }],
  growth: [
    ...grown("repositories", REPOSITORIES, growRepositories),
    ...grown("objects", OBJECTS, growObjects),
  ],
}

const unknown = asked.filter((name) => !(name in parts))
if (unknown.length > 0 || !(upTo > 0)) {
  const names = Object.keys(parts).join(", ")
  process.stderr.write(`no such part: ${unknown.join(", ")}; there are ${names}; --up-to SIZE\n`)
  process.exit(1)
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

const within = async <A>(minutes: number, work: Promise<A>): Promise<A> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const late = () => reject(new Error(`it took longer than ${minutes} minutes`))
  const limit = setTimeout(late, minutes * 60_000)
  return Promise.race([work, promise]).finally(() => clearTimeout(limit))
}

const measureOn = async ({ controllers, minutes, run }: Step) => {
  const ground = await prepareGround(controllers)
  try {
    return await within(minutes, run(ground))
  } finally {
    await ground.stop()
  }
}

const found: Array<Figure | Point> = []
const failed: string[] = []
for (const [part, steps] of Object.entries(parts)) {
  if (asked.length > 0 && !asked.includes(part)) continue
  for (const step of steps) {
    const start = performance.now()
    say(`${part}: ${step.name} …`)
    try {
      found.push(...(await measureOn(step)))
    } catch (cause) {
      failed.push(`${part}: ${step.name}: ${cause instanceof Error ? cause.message : cause}`)
      say(failed.at(-1) ?? "")
    }
    say(`${part}: ${step.name}: ${Math.round((performance.now() - start) / 1000)} s`)
  }
}

const isPoint = (one: Figure | Point): one is Point => "curve" in one
const curves: Record<string, Curve> = {}
for (const [id, curve] of Object.entries(CURVES)) {
  const points = found.filter(isPoint).filter((point) => point.curve === id)
  if (points.length > 0) curves[id] = { ...curve, points }
}
const figures = [...found.filter((one): one is Figure => !isPoint(one)), ...growthFigures(curves)]
const machine = `${platform()} ${arch()}, ${cpus().length} cores, Node ${process.version}`
const tables = [
  ...(figures.length > 0 ? [formatTable(figures)] : []),
  ...Object.values(curves).map(formatCurve),
]
process.stdout.write(`${[machine, ...tables].join("\n\n")}\n`)

const results = join(import.meta.dirname, "results")
const slug = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .slice(0, 60)
const write = async (name: string, numbers: object, svg: string | undefined): Promise<void> => {
  const file = join(results, slug(name))
  await writeFile(`${file}.json`, `${JSON.stringify({ machine, ...numbers }, null, 2)}\n`)
  if (svg !== undefined) await writeFile(`${file}.svg`, svg)
}
await mkdir(results, { recursive: true })
for (const one of figures) await write(one.name, one, one.pairs.length > 0 ? plot(one) : undefined)
for (const curve of Object.values(curves)) await write(curve.name, curve, plotCurve(curve))
if (failed.length > 0) {
  say(`failed:\n  ${failed.join("\n  ")}`)
  process.exit(1)
}
