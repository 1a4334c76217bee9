// Memory, time to all Synced, and how soon a probe is answered meanwhile, by number of repositories and objects.
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { sumOf } from "../test/metrics/parse.ts"
import { Bare, bareMirror } from "./Bare.ts"
import { compare, type Figure, measured } from "./figure.ts"
import type { Ground, Running } from "./Ground.ts"
import { deployments } from "./objects.ts"
import { idleMinute, lsRemoteCpu, residentOf, restingOf } from "./Process.ts"
import { allSynced, applications, declare, four, inLanes } from "./repositories.ts"

const MEBI = 2 ** 20

/** Asks for /health every 5 ms until told to stop; answers the 99th percentile in milliseconds. */
const probe = (controller: Running): (() => Promise<number>) => {
  const took: number[] = []
  let isOn = true
  const loop = (async () => {
    while (isOn) {
      const start = performance.now()
      await fetch(controller.health).catch(() => undefined)
      took.push(performance.now() - start)
      await pause(5)
    }
  })()
  return async () => {
    isOn = false
    await loop
    return took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? Number.NaN
  }
}

/** What the controller itself says of its event loop since it was last asked, in milliseconds. */
const loopDelay = async ({ health }: Running): Promise<number> => {
  const text = await (await fetch(new URL("/metrics", health))).text()
  return (sumOf(text, "nodejs_eventloop_lag_p99_seconds") ?? Number.NaN) * 1000
}

/** A Git repository each, and the same work bare: one clone per repository and four applies. */
const hundred = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const count = 100
  const namespace = await ground.namespace("scale-100")
  const bareNamespace = await ground.namespace("bare-scale-100")
  const names = Array.from({ length: count }, (_, i) => `one-${i}`)
  const repos = await applications(
    ground,
    names.map((name) => `scale/${name}`),
  )

  const bare = new Bare(ground.plane)
  const start = performance.now()
  await inLanes(8, [...repos.keys()], async (i) => {
    const name = names[i] ?? ""
    await bareMirror(join(ground.folder, `scale-${name}.git`), repos[i]?.url ?? "")
    await Promise.all(Object.values(four(name)).map((yaml) => bare.apply(bareNamespace, yaml)))
  })
  const bareTook = performance.now() - start
  await bare.close()

  for (const [i, repo] of repos.entries()) {
    await declare(ground, namespace, names[i] ?? "", { url: repo.url })
  }
  const before = performance.now()
  const controller = await ground.controller([namespace])
  await allSynced(ground, namespace, count)
  const took = performance.now() - before
  const resident = await restingOf(controller)
  const { cpu, polls } = await idleMinute(ground, controller)
  await controller.stop()
  const asking = await lsRemoteCpu(repos.map(({ url }) => url))
  return [
    compare({
      name: "100 repositories × 4 objects: process start → all Synced",
      baseline: "one clone each and 400 applies, 8 at a time",
      unit: "ms",
      goal: 2,
      pairs: [{ nopea: took, bare: bareTook }],
    }),
    measured({
      name: "memory, 100 repositories × 4 objects",
      unit: "MiB",
      goal: 140,
      value: resident,
    }),
    compare({
      name: "CPU of the controller and its git processes, per idle hour, 100 repositories polled each minute",
      baseline: "CPU of one `git ls-remote` for each of its polls",
      unit: "s",
      goal: 2,
      pairs: [{ nopea: (cpu * 60) / 1000, bare: (asking * polls * 60) / 1000 }],
    }),
  ]
}

/** A thousand directories of one repository: one mirror, one question per poll. */
const thousand = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const count = 1000
  const namespace = await ground.namespace("scale-1000")
  const repo = await ground.git.createRepo("scale-mono")
  const files = Array.from({ length: count }, (_, i) =>
    Object.entries(four(`app-${i}`)).map(([file, text]) => [`app-${i}/${file}`, text] as const),
  )
  await repo.commit(Object.fromEntries(files.flat()))
  for (let i = 0; i < count; i++) {
    await declare(ground, namespace, `app-${i}`, { url: repo.url, path: `app-${i}` })
  }
  const start = performance.now()
  const controller = await ground.controller([namespace])
  await allSynced(ground, namespace, count)
  const took = performance.now() - start
  const resident = await restingOf(controller)
  await controller.stop()
  return [
    measured({
      name: "1,000 directories of one repository × 4 objects: process start → all Synced",
      unit: "s",
      goal: Number.NaN,
      value: took / 1000,
    }),
    measured({
      name: "memory, 1,000 repositories × 4 objects",
      unit: "MiB",
      goal: 350,
      value: resident,
    }),
  ]
}

const tenThousand = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace("scale-large")
  const repo = await ground.git.createRepo("scale-large")
  await repo.commit(deployments(10_000, "1"))
  const controller = await ground.controller([namespace])
  const empty = await residentOf(controller)
  const start = performance.now()
  await loopDelay(controller)
  const slowest = probe(controller)
  await declare(ground, namespace, "large", { url: repo.url, path: "apps", timeout: "10m" })
  await allSynced(ground, namespace, 1)
  const took = performance.now() - start
  const delay = await loopDelay(controller)
  const health = await slowest()
  const resident = await restingOf(controller)
  await controller.stop()
  return [
    measured({ name: "memory, no repository", unit: "MiB", goal: 110, value: empty }),
    measured({
      name: "one repository of 10,000 Deployments: created → Synced",
      unit: "s",
      goal: Number.NaN,
      value: took / 1000,
    }),
    measured({
      name: "memory, one repository of 10,000 objects",
      unit: "MiB",
      goal: 250,
      value: resident,
    }),
    measured({
      name: "p99 of the event loop's delay while 10,000 objects are applied, as /metrics tells it",
      unit: "ms",
      goal: 20,
      value: delay,
    }),
    measured({
      name: "p99 of /health while 10,000 objects are applied (event loop and request)",
      unit: "ms",
      goal: 20,
      value: health,
    }),
  ]
}

/** 60 MB beside a directory of 20 files: what comes over the wire. */
const monorepo = async (ground: Ground): Promise<ReadonlyArray<Figure>> => {
  const namespace = await ground.namespace("scale-mono-bytes")
  const repo = await ground.git.createRepo("scale-mono-bytes")
  const filler = Array.from({ length: 60 }, (_, i) => {
    const bytes = Buffer.alloc(MEBI)
    for (let at = 0; at < bytes.length; at += 4) {
      bytes.writeUInt32LE(Math.imul(at + i * MEBI, 2654435761) >>> 0, at)
    }
    return [`assets/${i}.bin`, bytes] as const
  })
  const own = Array.from({ length: 20 }, (_, i) => [
    `deploy/c${i}.yaml`,
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mono-${i}}\ndata: {a: b}\n`,
  ])
  await repo.commit(Object.fromEntries([...filler, ...own]))
  const bytes = () =>
    ground.git.log
      .filter((one) => one.repo === "scale-mono-bytes")
      .reduce((sum, one) => sum + one.bytesSent, 0)
  await bareMirror(join(ground.folder, "mono-bytes.git"), repo.url)
  const bare = bytes()
  const controller = await ground.controller([namespace])
  await declare(ground, namespace, "mono", { url: repo.url, path: "deploy" })
  await allSynced(ground, namespace, 1)
  await controller.stop()
  return [
    compare({
      name: "monorepo of 60 MB, 20 files below path: bytes from the server",
      baseline: "git fetch --depth=1",
      unit: "B",
      goal: 0.02,
      pairs: [{ nopea: bytes() - bare, bare }],
    }),
  ]
}

export const scale = async (ground: Ground): Promise<ReadonlyArray<Figure>> => [
  ...(await monorepo(ground)),
  ...(await hundred(ground)),
  ...(await tenThousand(ground)),
  ...(await thousand(ground)),
]
