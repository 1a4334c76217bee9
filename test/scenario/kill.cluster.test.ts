// The controller is killed before each request and after each answer of a repository's life.
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { load } from "js-yaml"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { KubeObject } from "../cluster/Api.ts"
import { cluster, connect, freshNamespace } from "../cluster/connect.ts"
import { type GitServer, startGitServer } from "../gitserver/GitServer.ts"
import { ApiProxy, type Passing, type Point } from "./ApiProxy.ts"
import { describeRequest, Killing, type Lane } from "./Killing.ts"
import { Controller, configMapKey } from "./world.ts"

const LANES = 3
const root = join(import.meta.dirname, "..", "..")
const api = connect()
const namespaces = Array.from({ length: LANES }, () => freshNamespace(api, "kill"))
const lanes: Lane[] = []
let git: GitServer
let dist: string

beforeAll(async () => {
  const crd = load(await readFile(join(root, "deploy/crd/gitrepositories.yaml"), "utf8"))
  await api.applyDefinition(crd as KubeObject)
  git = await startGitServer()
  // The bundle starts in half the time, and is what people run.
  dist = await mkdtemp(join(tmpdir(), "nopea-dist-"))
  const rolldown = join(root, "node_modules/rolldown/bin/cli.mjs")
  const args = [rolldown, "-c", "rolldown.config.ts", "--configLoader", "native", "-d", dist]
  await promisify(execFile)(process.execPath, args, { cwd: root })
  for (const namespace of namespaces) {
    const proxy = await ApiProxy.open(cluster())
    const controller = new Controller(await mkdtemp(join(tmpdir(), "nopea-kill-")), namespace, {
      api: proxy,
      program: join(dist, "nopea.js"),
      isAtHome: true,
    })
    lanes.push({ api, namespace, git, proxy, controller })
    await controller.start()
  }
})

afterAll(async () => {
  for (const { controller, proxy } of lanes) {
    await controller.stop()
    await proxy.close()
    await rm(controller.folder, { recursive: true, force: true })
  }
  await git?.stop()
  if (dist) await rm(dist, { recursive: true, force: true })
})

const wholeLife = async (killing: Killing): Promise<void> => {
  for (const phase of killing.life.phases) await killing.live(phase)
}

const isWrite = ({ method }: Passing): boolean => method !== "GET"

/** Every request from outside, and every answer that came of a write: between two reads nothing changes. */
const pointsOf = (passed: ReadonlyArray<Passing>): ReadonlyArray<Point> =>
  passed.flatMap((one, index): Point[] => [
    { at: index + 1, when: "before" },
    ...(isWrite(one) ? [{ at: index + 1, when: "after" } as const] : []),
  ])

type Story = (killing: Killing, point: Point) => Promise<void>

const byLife: Story = async (killing, point) => {
  killing.arm(point)
  await wholeLife(killing)
}

const byStart: Story = async (killing, point) => {
  const [first, , last] = killing.life.phases
  await killing.live(first)
  await killing.liveThroughStart(last, point)
}

let rehearsals = 0
const NEVER: Point = { at: Number.POSITIVE_INFINITY, when: "before" }

/** The story without a kill: the requests that it takes. */
const rehearse = async (lane: Lane, story: Story): Promise<ReadonlyArray<Passing>> => {
  const killing = await Killing.begin(lane, `rehearsal-${++rehearsals}`)
  killing.lane.proxy.arm(NEVER, async () => undefined)
  await story(killing, NEVER)
  const passed = [...lane.proxy.passed]
  await killing.end()
  return passed
}

interface Result {
  readonly point: Point
  readonly hit: boolean
  /** How many requests there were in all. */
  readonly ended: number
  readonly at: string
}

const inLanes = async <A>(
  work: ReadonlyArray<A>,
  run: (lane: Lane, item: A) => Promise<Result>,
) => {
  const queue = [...work]
  const results: Result[] = []
  await Promise.all(
    lanes.map(async (lane) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift())
        results.push(await run(lane, item))
    }),
  )
  return results
}

const explain = async (lane: Lane, cause: unknown, what: string): Promise<never> => {
  const log = await lane.controller.tail()
  throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}\n${log}`, { cause })
}

const tell = (what: string, results: ReadonlyArray<Result>, startedAt: number): void => {
  const hit = results.filter((one) => one.hit).length
  const took = ((Date.now() - startedAt) / 1000).toFixed(1)
  process.stderr.write(
    `${what}: killed at ${hit} of ${results.length} points, all converged, ${took} s\n`,
  )
}

/** Every point of the story, each with a repository of its own. */
const killEverywhere = async (story: Story, prefix: string): Promise<ReadonlyArray<Result>> => {
  const startedAt = Date.now()
  const [passed = []] = await Promise.all(lanes.map((lane) => rehearse(lane, story)))
  const results = await inLanes(pointsOf(passed), async (lane, point) => {
    const name = `${prefix}${point.when[0]}${point.at}`
    const killing = await Killing.begin(lane, name)
    await story(killing, point).catch((cause) => explain(lane, cause, name))
    const { length: ended } = lane.proxy.passed
    const last = lane.proxy.passed[point.at - 1]
    await killing.end()
    return { point, hit: killing.hasRestarted, ended, at: last ? describeRequest(last) : "" }
  })
  tell(prefix, results, startedAt)
  return results
}

/**
 * Whatever came was met; what did not come was after the end. That is little: the number of requests may differ by one
 * where two answers come in another order.
 */
const assertReached = (results: ReadonlyArray<Result>): void => {
  const wrong = results.filter(({ hit, ended, point }) => !hit && ended >= point.at)
  assert.deepEqual(wrong, [])
  const missed = results.filter(({ hit }) => !hit).map(({ point }) => `${point.when} ${point.at}`)
  assert.isAtMost(missed.length, 2, `not reached: ${missed.join(", ")}`)
}

const bystander = (namespace: string) => configMapKey(namespace, "bystander")

describe("a controller that is killed before any request, or after the answer to any write", () => {
  beforeAll(async () => {
    for (const namespace of namespaces) {
      await api.create({ ...bystander(namespace), data: { value: "x" } })
    }
    // What a process keeps for good (the hash key) is there before anything is counted.
    await Promise.all(lanes.map((lane) => rehearse(lane, byLife)))
  })

  it("of a first sync, a change and a prune leaves what the next one completes", async () => {
    const before = await Promise.all(namespaces.map((one) => api.get(bystander(one))))
    assertReached(await killEverywhere(byLife, "life-"))
    const after = await Promise.all(namespaces.map((one) => api.get(bystander(one))))
    assert.deepEqual(after, before)
  }, 600_000)

  it("of a start with changes and a prune to catch up with leaves what the next start completes", async () => {
    assertReached(await killEverywhere(byStart, "start-"))
  }, 600_000)
})
