/** A real Prometheus beside a controller, for as long as it is asked something. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { eventually, type Json } from "../test/cluster/Api.ts"
import { freePort } from "../test/cluster/freePort.ts"
import { spawnGuarded } from "../test/cluster/Guarded.ts"

export interface Line {
  readonly labels: Readonly<Record<string, string>>
  /** Seconds since the epoch, and the value then. */
  readonly points: ReadonlyArray<readonly [number, number]>
}

export interface Prometheus {
  /** Every series of the expression between two times, in seconds since the epoch. */
  readonly range: (expression: string, from: number, to: number) => Promise<ReadonlyArray<Line>>
  readonly stop: () => Promise<void>
}

const STEP = 2

const configOf = (target: string): string => `global: {scrape_interval: ${STEP}s}
scrape_configs:
- job_name: nopea
  static_configs: [{targets: ["${target}"]}]
`

/** Its program is `$PROMETHEUS`, or `prometheus` on the path. */
export const startPrometheus = async (folder: string, target: string): Promise<Prometheus> => {
  const port = await freePort()
  const config = join(folder, "prometheus.yaml")
  await writeFile(config, configOf(target))
  const guarded = spawnGuarded(
    process.env["PROMETHEUS"] ?? "prometheus",
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "prometheus")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { log: join(folder, "prometheus.log") },
  )
  const url = `http://127.0.0.1:${port}`
  await eventually("Prometheus is ready", async () => {
    if (guarded.hasExited()) throw new Error("Prometheus ended: set PROMETHEUS to its program")
    const ready = await fetch(`${url}/-/ready`).catch(() => undefined)
    return ready?.ok === true || undefined
  })
  return {
    range: async (query, from, to) => {
      const body = new URLSearchParams({
        query,
        start: String(from),
        end: String(to),
        step: String(STEP),
      })
      const answer = await fetch(`${url}/api/v1/query_range`, { method: "POST", body })
      const { status, error, data } = (await answer.json()) as Json
      if (status !== "success") throw new Error(`${query}: ${error}`)
      return data.result.map(({ metric, values }: Json) => ({
        labels: metric,
        points: values.map(([at, value]: [number, string]) => [at, Number(value)]),
      }))
    },
    stop: () => guarded.stop(10_000),
  }
}
