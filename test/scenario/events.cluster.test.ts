// What others are told while a controller works: numbers at /metrics, events at a sink.
import { assert, describe, it } from "vitest"
import { eventually } from "../cluster/Api.ts"
import { parse, sumOf } from "../metrics/parse.ts"
import {
  configMap,
  configMapKey,
  explainFailure,
  gitRepository,
  repositoryKey,
  synced,
  world,
} from "./world.ts"

const here = world()

const metrics = () => here.controller.says("/metrics")
const numberOf = (name: string, labels: Readonly<Record<string, string>>) =>
  eventually(`${name} is there`, async () => sumOf(await metrics(), name, labels))

describe("a repository that is pushed to, edited and deleted", () => {
  it("leaves its numbers, and takes them along", async () => {
    explainFailure(here)
    const { api, namespace, git } = here
    const repo = await git.createRepo("shop")
    const key = `${namespace}/shop`
    const labels = { repository: key }
    const first = await repo.commit({
      "a.yaml": configMap("a", "1"),
      "b.yaml": configMap("b", "1"),
    })
    await api.apply(gitRepository(here, "shop", repo.url))
    await synced(here, "shop", first)
    assert.strictEqual(await numberOf("nopea_objects_total", { ...labels, action: "created" }), 2)
    const edit = { fieldManager: "kubectl-edit" }
    await api.patch(configMapKey(namespace, "a"), { data: { value: "9" } }, edit)
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
    assert.isAbove(sumOf(text, "process_resident_memory_bytes") ?? 0, 2 ** 24)
    await api.delete(repositoryKey(namespace, "shop"))
    await eventually("its series are gone", async () => {
      const samples = [...parse(await metrics()).values()].flatMap((family) => family.samples)
      return samples.every((sample) => sample.labels["repository"] !== key) || undefined
    })
  })
})
