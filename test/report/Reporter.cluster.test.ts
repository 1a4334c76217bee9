import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Effect, Layer, Logger, ManagedRuntime, Result } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { layer as cacheLayer } from "../../src/cache/Cache.ts"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"
import { layer as kubeLayer } from "../../src/kube/KubeHttp.ts"
import { Reporter } from "../../src/report/Reporter.ts"
import { layer as reporterLayer } from "../../src/report/ReporterLive.ts"
import { eventually } from "../cluster/Api.ts"
import { cluster, connect, freshNamespace } from "../cluster/connect.ts"
import { definition } from "../deploy/manifests.ts"
import { raw } from "../domain/repositories.ts"
import { receiver } from "./Receiver.ts"
import {
  deleted,
  drift,
  failure,
  gitError,
  heldDrift,
  outcome,
  outcomeOf,
  report,
  START,
  sha,
  type Told,
  untouched,
} from "./reports.ts"

const run = promisify(execFile)
const api = connect()
const namespace = freshNamespace(api)
const kubectl = async (...args: string[]) =>
  (
    await run(cluster().bin.kubectl, [
      "--kubeconfig",
      cluster().kubeconfig,
      "-n",
      namespace,
      ...args,
    ])
  ).stdout

const key = (name: string) => ({
  apiVersion: "nopea.false.systems/v1alpha1",
  kind: "GitRepository",
  metadata: { name, namespace },
})

/** A controller's reporter; a second one knows nothing of the first. */
const started = () =>
  ManagedRuntime.make(
    Layer.provideMerge(
      Layer.provide(
        reporterLayer,
        Layer.merge(cacheLayer(), Layer.orDie(kubeLayer({ kubeconfig: cluster().kubeconfig }))),
      ),
      Logger.layer([]),
    ),
  )

let runtime: ReturnType<typeof started>
beforeAll(async () => {
  await api.applyDefinition(await definition())
  runtime = started()
})
afterAll(() => runtime.dispose())

const read = async (name: string): Promise<GitRepository> =>
  Result.getOrThrow(decodeRepository(await api.get(key(name))))

const create = async (name: string): Promise<GitRepository> => {
  await api.create({ ...key(name), spec: raw().spec })
  return read(name)
}

const finish = async (name: string, result: Parameters<typeof report>[0], told: Told = {}) => {
  const repository = await read(name)
  await runtime.runPromise(
    Effect.flatMap(Reporter, (reporter) =>
      reporter.finished(report(result, { at: Date.now(), ...told, repository })),
    ),
  )
}

const versionOf = async (name: string) => (await read(name)).metadata.resourceVersion

describe("on a real API server", () => {
  it("a GitRepository goes from Pending over Syncing to Synced, and kubectl waits for it and shows it", async () => {
    const repository = await create("first")
    expect(repository.status).toMatchObject({ phase: "Pending", observedGeneration: -1 })
    await runtime.runPromise(
      Effect.flatMap(Reporter, (r) => r.syncing(repository, { kind: "startup" }, "01J")),
    )
    expect((await read("first")).status?.phase).toBe("Syncing")
    await finish("first", outcome("a", "created web, created api"))
    await kubectl("wait", "ngr/first", "--for=condition=Ready", "--timeout=5s")
    expect((await read("first")).status).toMatchObject({
      phase: "Synced",
      observedGeneration: 1,
      lastSyncedCommit: sha("a"),
    })
    expect(await kubectl("get", "ngr", "first")).toMatch(/first\s+Synced\s+aaaaaaa\s+2\/2\s+0\s/)
  })

  it("kubectl describe shows what failed, the fix and the event", async () => {
    await create("broken")
    await finish("broken", outcome("b", "created web, failed job"))
    const text = await kubectl("describe", "ngr", "broken")
    expect(text).toContain("NOPEA-A004")
    expect(text).toContain("set spec.force, or rename the Job")
    expect(text).toMatch(/Events:[\s\S]*Warning\s+ApplyFailed\s+\S+\s+nopea\s/)
  })

  it("nothing is written when nothing changed, also by a controller that was restarted", async () => {
    await create("quiet")
    await finish("quiet", outcome("a", "created web, drifted api, failed job"), { retryIn: 5 })
    await finish("quiet", outcome("a", "unchanged web, drifted api, failed job"), { retryIn: 5 })
    const before = await versionOf("quiet")
    await finish("quiet", outcome("a", "unchanged web, drifted api, failed job"), { retryIn: 5 })
    await runtime.dispose()
    runtime = started()
    await finish("quiet", outcome("a", "unchanged web, drifted api, failed job"), { retryIn: 5 })
    expect(await versionOf("quiet")).toBe(before)
  })

  it("a field that is gone is gone from the cluster too", async () => {
    await create("dry")
    await api.patch(key("dry"), { spec: { dryRun: true } })
    const plan = [{ object: "apps/Deployment/shop/web", action: "create" }]
    await finish("dry", outcome("a", "", { plan }))
    expect((await read("dry")).status?.plan).toEqual(plan)
    await api.patch(key("dry"), { spec: { dryRun: false } })
    await finish("dry", outcome("a", "created web"))
    expect((await read("dry")).status).not.toHaveProperty("plan")
  })

  it("repeats of an event are counted on it", async () => {
    await create("flaky")
    for (let turn = 0; turn < 3; turn++) {
      await finish("flaky", gitError(), { retryIn: 5 })
      await finish("flaky", outcome("a", "unchanged web"))
    }
    const events = await api.list({ apiVersion: "v1", kind: "Event", namespace })
    const mine = events.filter((one) => one.involvedObject.name === "flaky")
    expect(mine.map((one) => [one.type, one.reason, one.count]).toSorted()).toEqual([
      ["Normal", "Succeeded", 3],
      ["Warning", "GitFailed", 3],
    ])
  })

  it("a status never reaches a successor of the same name", async () => {
    const old = await create("again")
    await finish("again", outcome("a", "created web"))
    await api.delete(key("again"))
    await api.waitForGone(key("again"))
    await create("again")
    await runtime.runPromise(
      Effect.flatMap(Reporter, (r) =>
        r.finished(report(outcome("b", "created web"), { repository: old })),
      ),
    )
    expect((await read("again")).status).toEqual({ phase: "Pending", observedGeneration: -1 })
    await finish("again", untouched("c"))
    expect((await read("again")).status?.lastAttemptedCommit).toBe(sha("c"))
  })

  it("a GitRepository that is gone disturbs nobody", async () => {
    const old = await create("gone")
    await api.delete(key("gone"))
    await api.waitForGone(key("gone"))
    await runtime.runPromise(
      Effect.flatMap(Reporter, (r) =>
        r.finished(report(gitError(), { repository: old, retryIn: 1 })),
      ),
    )
    expect(await api.get(key("gone"))).toBeUndefined()
  })

  it("drift shows with its author in kubectl, and as an event", async () => {
    await create("drifted")
    await finish("drifted", outcome("a", "created api"))
    const held = drift({ action: "held", until: START + 300_000, reason: "spec.healGracePeriod" })
    const rows = [held, deleted, drift({ type: "added", path: "spec.x" })]
    await finish("drifted", outcomeOf("a", [heldDrift("api", rows)]))
    const text = await kubectl("describe", "ngr", "drifted")
    expect(text).toMatch(/Manager:\s+kubectl-edit/)
    expect(text).toMatch(/Type:\s+deleted/)
    expect(text).toMatch(/Events:[\s\S]*Warning\s+DriftDetected\s[\s\S]*kubectl-edit changed spec/)
    expect(await kubectl("get", "ngr", "drifted")).toMatch(
      /drifted\s+Drifted\s+aaaaaaa\s+\S+\s+1\s/,
    )
  })

  it("new drift is posted as the Secret of its namespace says; what the receiver refuses is an event", async () => {
    const notified = Effect.gen(function* () {
      const { seen, url, arrived } = yield* receiver((response) => {
        response.writeHead(seen.length === 1 ? 204 : 410).end()
      })
      const data = (text: string) => Buffer.from(text).toString("base64")
      const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "chat", namespace } }
      const spec = { ...raw().spec, healPolicy: "notify", notifyRef: { name: "chat" } }
      yield* Effect.promise(async () => {
        await api.create({
          ...secret,
          data: { address: data(url("/hook?key=hunter2").href), token: data("t0ken") },
        })
        await api.create({ ...key("notify"), spec })
        await finish("notify", outcomeOf("a", [heldDrift("api", [drift()])]))
      })
      yield* arrived
      yield* Effect.promise(() =>
        finish("notify", outcomeOf("b", [heldDrift("web", [drift({ path: "spec.paused" })])])),
      )
      const failed = yield* Effect.promise(() =>
        eventually("an event NotifyFailed", async () => {
          const events = await api.list({ apiVersion: "v1", kind: "Event", namespace })
          return events.find(({ reason }) => reason === "NotifyFailed")
        }),
      )
      return { seen, failed }
    })
    const { seen, failed } = await Effect.runPromise(Effect.scoped(notified))
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer t0ken",
      "Bearer t0ken",
    ])
    expect(seen.map(({ body }) => JSON.parse(body).drift[0].path)).toEqual([
      "spec.replicas",
      "spec.paused",
    ])
    expect(failed.message).toMatch(/127\.0\.0\.1:\d+ answered 410 \[NOPEA-D025\]/)
    expect(JSON.stringify(failed)).not.toMatch(/hunter2|t0ken/)
  })

  it("the largest status there can be is taken", async () => {
    await create("large")
    const long = "x".repeat(5_000)
    const failures = Array.from({ length: 500 }, () =>
      failure({ object: long, file: long, reason: long, fix: long }),
    )
    const author = { manager: long, operation: "Update", subresource: long } as const
    const held = Array.from({ length: 500 }, (_, at) =>
      heldDrift(`api-${at}`, [drift({ path: long, author, reason: long })]),
    )
    await finish("large", outcomeOf("a", held, { failures }))
    const { status } = await read("large")
    expect([status?.failures?.length, status?.drift?.length]).toEqual([50, 50])
    expect(status?.driftedCount).toBe(500)
  })
})
