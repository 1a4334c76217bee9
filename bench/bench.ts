// npm run bench: every figure, or those whose file name is given; prints one table and keeps the numbers.
import { mkdir, writeFile } from "node:fs/promises"
import { arch, cpus, platform } from "node:os"
import { join } from "node:path"
import { type Figure, formatTable, plot } from "./figure.ts"
import { firstApply } from "./first-apply.ts"
import { type Ground, prepareGround } from "./Ground.ts"
import { oneChange } from "./one-change.ts"
import { scale } from "./scale.ts"

interface Measure {
  /** Ten thousand Deployments would keep kube-controller-manager busy for longer than the figure takes. */
  readonly controllers: boolean
  readonly run: (ground: Ground) => Promise<ReadonlyArray<Figure>>
}

const figures: Readonly<Record<string, Measure>> = {
  "first-apply": { controllers: true, run: firstApply },
  "one-change": { controllers: true, run: oneChange },
  scale: { controllers: false, run: scale },
}

const results = join(import.meta.dirname, "results")
const slug = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .slice(0, 60)

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in figures))
if (unknown.length > 0) {
  process.stderr.write(
    `no such figure: ${unknown.join(", ")}; there are ${Object.keys(figures).join(", ")}\n`,
  )
  process.exit(1)
}

/** A ground of its own for each: what one leaves behind must not slow the next. */
const measureOn = async ({ controllers, run }: Measure): Promise<ReadonlyArray<Figure>> => {
  const ground = await prepareGround(controllers)
  try {
    return await run(ground)
  } finally {
    await ground.stop()
  }
}

const measured: Figure[] = []
for (const [name, measure] of Object.entries(figures)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  process.stderr.write(`measuring ${name} …\n`)
  measured.push(...(await measureOn(measure)))
}
const machine = `${platform()} ${arch()}, ${cpus().length} cores, Node ${process.version}`
process.stdout.write(`${machine}\n\n${formatTable(measured)}\n`)
await mkdir(results, { recursive: true })
for (const figure of measured) {
  const file = join(results, slug(figure.name))
  await writeFile(`${file}.json`, `${JSON.stringify({ machine, ...figure }, null, 2)}\n`)
  if (figure.pairs.length > 0) await writeFile(`${file}.svg`, plot(figure))
}
