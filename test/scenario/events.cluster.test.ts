// What others are told while a controller works: numbers at /metrics, events at sinks, traces at a collector.
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { type Checked, checkDelivery } from "../events/schema.ts"
import { parse, sumOf } from "../metrics/parse.ts"
import { build, SAMPLES } from "../webhook/deliveries.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  synced,
  world,
} from "./world.ts"

interface Delivery {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Takes all that is posted; the first delivery to `/again` is refused for now. */
class Sinks {
  readonly deliveries: Array<Delivery> = []
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const { url: path = "", headers } = request
        this.deliveries.push({ path, headers, body: Buffer.concat(chunks).toString("utf8") })
        const isFirst = path === "/again" && this.at(path).length === 1
        response.writeHead(isFirst ? 503 : 202).end()
      })
    })
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", () => resolve()))
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  at(path: string): ReadonlyArray<Delivery> {
    return this.deliveries.filter((delivery) => delivery.path === path)
  }

  /** Each is held to the specification. */
  events(path: string, subject: string): ReadonlyArray<Checked> {
    const all = this.at(path).map(({ headers, body }) => checkDelivery(headers, body))
    return all.filter((event) => event.subject === subject)
  }
}

const sinks = new Sinks()
const env: Record<string, string> = { NOPEA_CLUSTER_NAME: "prod", NOPEA_CDEVENTS_TOKEN: "s3cret" }
const HOOK_SECRET = "in-the-environment"
env["NOPEA_WEBHOOK_SECRET"] = HOOK_SECRET
beforeAll(async () => {
  await sinks.start()
  env["NOPEA_CDEVENTS_SINKS"] = `${sinks.url("/events")},${sinks.url("/again")}`
  env["OTEL_EXPORTER_OTLP_ENDPOINT"] = sinks.url("")
})
const here = world({ env })
afterAll(() => sinks.stop())

const metrics = () => here.controller.says("/metrics")
const numberOf = (name: string, labels: Readonly<Record<string, string>>) =>
  eventually(`${name} is there`, async () => sumOf(await metrics(), name, labels))

const nameOf = ({ type }: Checked): string => type.split(".").slice(2, -3).join(".")
/** Waits until so many came; answers their short names. */
const told = async (subject: string, count: number, path = "/events") => {
  const come = async () => {
    const events = sinks.events(path, subject)
    return events.length >= count ? events : undefined
  }
  return eventually(`${count} events of ${subject} came`, come)
}

const given = async (name: string, spec: Readonly<Record<string, unknown>> = {}) => {
  explainFailure(here)
  const repo = await here.git.createRepo(name)
  const commit = await repo.commit({
    "a.yaml": configMap(`${name}-a`, "1"),
    "b.yaml": configMap(`${name}-b`, "1"),
  })
  await here.api.apply(gitRepository(here, name, repo.url, spec))
  await synced(here, name, commit)
  return { repo, commit, key: `${here.namespace}/${name}` }
}
const edit = (name: string) =>
  here.api.patch(
    configMapKey(here.namespace, name),
    { data: { value: "9" } },
    { fieldManager: "kubectl-edit" },
  )

describe("metrics", () => {
  it("count what a repository goes through, and go with it", async () => {
    const { key } = await given("counted")
    const labels = { repository: key }
    assert.strictEqual(await numberOf("nopea_objects_total", { ...labels, action: "created" }), 2)
    await edit("counted-a")
    assert.strictEqual(await numberOf("nopea_drift_total", { ...labels, type: "manual_drift" }), 1)
    assert.strictEqual(await numberOf("nopea_heals_total", labels), 1)
    const text = await metrics()
    assert.strictEqual(sumOf(text, "nopea_repository_desired_objects", labels), 2)
    assert.strictEqual(sumOf(text, "nopea_repository_ready", labels), 1)
    assert.strictEqual(sumOf(text, "nopea_leader"), 1)
    for (const stage of ["fetch", "render", "look", "plan", "apply", "status", "whole"])
      assert.isAbove(sumOf(text, "nopea_sync_stage_duration_seconds_count", { stage }) ?? 0, 0)
    assert.isAbove(sumOf(text, "nopea_kube_requests_total", { verb: "apply", code: "201" }) ?? 0, 1)
    assert.isAbove(sumOf(text, "nopea_git_operations_total", { operation: "sync" }) ?? 0, 0)
    assert.isAbove(sumOf(text, "nopea_git_fetched_bytes_total") ?? 0, 100)
    assert.isAbove(sumOf(text, "process_resident_memory_bytes") ?? 0, 2 ** 24)
    await here.api.delete(repositoryKey(here.namespace, "counted"))
    await eventually("its series are gone", async () => {
      const samples = [...parse(await metrics()).values()].flatMap((family) => family.samples)
      return samples.every((sample) => sample.labels["repository"] !== key) || undefined
    })
  })
})

describe("CDEvents", () => {
  it("tell a deployment, an upgrade, a failure, drift, and the end of all objects", async () => {
    const { repo, commit, key } = await given("told", { deletionPolicy: "Delete", interval: "1s" })
    const first = await told(key, 4)
    assert.sameMembers(first.map(nameOf), [
      "nopea-repository.fetched",
      "nopea-deployment.started",
      "nopea-deployment.finished",
      "service.deployed",
    ])
    assert.strictEqual(new Set(first.map(({ chainId }) => chainId)).size, 1)
    const { content } = first.at(-1) as Checked
    assert.deepInclude(content, { environment: { id: `prod/${here.namespace}` } })
    assert.include(String(content["artifactId"]), `@${commit}?vcs_url=git%2Bhttp`)

    await repo.commit({ "a.yaml": configMap("told-a", "2") })
    const second = (await told(key, 8)).slice(4)
    assert.deepStrictEqual(second.map(nameOf).slice(-2), [
      "nopea-deployment.finished",
      "service.upgraded",
    ])

    await edit("told-b")
    const drift = (await told(key, 9))[8] as Checked
    assert.strictEqual(nameOf(drift), "nopea-drift.detected")
    const [row] = drift.customData["drift"] as ReadonlyArray<Json>
    assert.deepInclude(row, { manager: "kubectl-edit", type: "manual_drift", action: "healed" })

    await repo.commit({ "a.yaml": "kind: [" })
    const failed = (await told(key, 12)).at(-1) as Checked
    assert.strictEqual(nameOf(failed), "nopea-deployment.failed")
    assert.match(String(failed.content["errors"]), /NOPEA-R/u)

    await here.api.delete(repositoryKey(here.namespace, "told"))
    const removed = (await told(key, 13)).at(-1) as Checked
    assert.strictEqual(nameOf(removed), "service.removed")
    assert.deepStrictEqual(removed.customData["deleted"], 2)

    const all = sinks.events("/events", key)
    assert.deepStrictEqual(
      all.map(({ id }) => id),
      all.map(({ id }) => id).toSorted(),
    )
    const again = await told(key, 13, "/again")
    assert.sameMembers(
      [...new Set(again.map(({ id }) => id))],
      all.map(({ id }) => id),
    )
    for (const { headers } of [...sinks.at("/events"), ...sinks.at("/again")])
      assert.strictEqual(headers["authorization"], "Bearer s3cret")
    assert.notInclude(JSON.stringify(await here.controller.lines()), "s3cret")
  })
})

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Json }>
}
const spans = (): ReadonlyArray<Span> =>
  sinks
    .at("/v1/traces")
    .flatMap(({ body }) =>
      JSON.parse(body).resourceSpans.flatMap((r: Json) =>
        r.scopeSpans.flatMap((s: Json) => s.spans),
      ),
    )

describe("traces", () => {
  it("have one trace for a sync, with a span for each stage and the sync's id", async () => {
    const { key } = await given("traced")
    const { status } = await here.api.get(repositoryKey(here.namespace, "traced"))
    const { syncId } = status.history[0]
    const root = await eventually("the sync's span came", async () =>
      spans().find(
        ({ name, attributes }) =>
          name === "Worker.sync" &&
          attributes.some(({ key, value }) => key === "syncId" && value.stringValue === syncId),
      ),
    )
    assert.isTrue(
      root.attributes.some((a) => a.key === "repository" && a.value.stringValue === key),
    )
    const names = spans()
      .filter(({ traceId }) => traceId === root.traceId)
      .map(({ name }) => name)
    for (const name of [
      "Sync.run",
      "Sync.commit",
      "Git.sync",
      "Sync.render",
      "Look.look",
      "Sync.plan",
      "Sync.apply",
      "Kube.apply",
      "Reporter.finished",
    ])
      assert.include(names, name)
  })

  it("go on with the trace that a proven webhook names, as far as the sinks and who is notified", async () => {
    const notify = { healPolicy: "notify", notifyRef: { name: "traced" } }
    await here.api.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "traced", namespace: here.namespace },
      stringData: { address: sinks.url("/notified") },
    })
    const { repo, key } = await given("followed", notify)
    const before = (await told(key, 4)).length
    const commit = await repo.commit({ "a.yaml": configMap("followed-a", "2") })
    const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"]
    const { github } = SAMPLES
    const body = { ...github.body, after: commit, repository: { clone_url: repo.url } }
    const push = (secret: string, trace: string) => {
      const built = build({ ...github, body }, { secret })
      const more = { traceparent: `00-${trace}-${spanId}-01`, tracestate: "ci=run-7" }
      return fetch(`http://127.0.0.1:${here.controller.port}/webhook/github`, {
        method: "POST",
        body: new Uint8Array(built.body),
        headers: { ...built.headers, ...more },
      })
    }
    const forged = "f".repeat(32)
    assert.strictEqual((await push("wrong", forged)).status, 401)
    assert.strictEqual((await push(HOOK_SECRET, traceId)).status, 202)
    await synced(here, "followed", commit)
    const upgraded = (await told(key, before + 4)).slice(before)
    const root = await eventually("the sync's span came", async () =>
      spans().find((span) => span.name === "Worker.sync" && span.traceId === traceId),
    )
    assert.strictEqual(root.parentSpanId, spanId)
    assert.isTrue(root.attributes.some(({ value }) => value.stringValue === "webhook"))

    const posts = sinks
      .at("/events")
      .filter(({ headers }) => String(headers["traceparent"]).includes(traceId))
    assert.sameMembers(
      posts.map(({ headers, body }) => checkDelivery(headers, body).id),
      upgraded.map(({ id }) => id),
    )
    for (const { headers } of posts) {
      assert.strictEqual(headers["tracestate"], "ci=run-7")
      const sent = String(headers["traceparent"]).split("-")[2]
      const span = await eventually("the span of the request came", async () =>
        spans().find((one) => one.spanId === sent),
      )
      assert.deepInclude(span, { name: "Sending.send", traceId })
    }

    await edit("followed-b")
    const [notified] = await eventually("the notification came", async () => {
      const all = sinks.at("/notified")
      return all.length > 0 ? all : undefined
    })
    const theirs = String(notified?.headers["traceparent"]).split("-")[1]
    const found = await eventually("the sync that found the drift is of that trace", async () =>
      spans().find((span) => span.name === "Worker.sync" && span.traceId === theirs),
    )
    assert.isTrue(found.attributes.some(({ value }) => value.stringValue === "drift"))
    assert.isFalse(spans().some((span) => span.traceId === forged))
    assert.notInclude(JSON.stringify(await here.controller.lines()), traceId)
  })
})
