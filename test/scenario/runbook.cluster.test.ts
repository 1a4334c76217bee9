// The emergency steps of docs/drift.md, run as they are written: only names that a shared cluster needs are put in.
import { execFile } from "node:child_process"
import { chmod, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { assert, beforeAll, describe, it } from "vitest"
import { eventually, type Json } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"
import {
  explainFailure,
  gitRepository,
  repositoryKey,
  requestSync,
  statusOf,
  synced,
  world,
} from "./world.ts"

const here = world()
const run = promisify(execFile)
const root = join(import.meta.dirname, "../..")

/** A Deployment of nobody's pods. */
const deployment = (name: string, image: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: 0
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: main, image: "registry.example/${name}:${image}"}]}
`
const key = (name: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace: here.namespace },
})

/** The shell block of this name. */
const step = async (name: string): Promise<string> => {
  const page = await readFile(join(root, "docs/drift.md"), "utf8")
  const [, block] = new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``, "u").exec(page) ?? []
  if (block === undefined) throw new Error(`docs/drift.md has no step ${name}`)
  const script = block.replaceAll(/-n (shop|nopea-system)\b/gu, `-n ${here.namespace}`)
  const { bin, kubeconfig } = cluster()
  const { folder } = here.controller
  const path = `${folder}:${dirname(bin.kubectl)}:${process.env["PATH"]}`
  const env = { PATH: path, KUBECONFIG: kubeconfig, HOME: folder }
  return (await run("bash", ["-euo", "pipefail", "-c", script], { env })).stdout
}

beforeAll(async () => {
  const program = join(here.controller.folder, "nopea")
  const words = [process.execPath, join(root, "src/main.ts")].map((word) => `'${word}'`)
  await writeFile(program, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`)
  await chmod(program, 0o755)
})

const imageOf = (live: Json): string => live.spec.template.spec.containers[0].image.split(":")[1]
const edit = (image: string) =>
  here.api.patch(
    key("api"),
    { spec: { template: { spec: { containers: [{ name: "main", image: `x:${image}` }] } } } },
    { fieldManager: "kubectl-edit", type: "strategic" },
  )

describe("docs/drift.md, in an emergency", () => {
  it("each step does what it says", async () => {
    explainFailure(here)
    const repo = await here.git.createRepo("shop")
    const first = await repo.commit({ "api.yaml": deployment("api", "1") })
    await here.api.apply(gitRepository(here, "shop", repo.url))
    await synced(here, "shop", first)
    assert.include(await step("look"), `${here.namespace}/shop  Synced`)

    await step("brake")
    await edit("pinned")
    await statusOf(here, "shop", "counts the brake", ({ suspendedCount }) => suspendedCount === 1)
    await repo.commit({
      "api.yaml": deployment("api", "2"),
      "web.yaml": deployment("web", "2"),
    })
    await requestSync(here, "shop")
    await eventually("the second commit is applied", () => here.api.get(key("web")))
    await step("rollback")
    await here.api.waitForGone(key("web"))
    assert.strictEqual(imageOf(await here.api.get(key("api"))), "pinned")
    assert.strictEqual(await step("brakes"), `true Deployment ${here.namespace}/api\n`)

    await step("stop")
    await statusOf(here, "shop", "is Suspended", ({ phase }) => phase === "Suspended")
    const { spec } = await here.api.get(repositoryKey(here.namespace, "shop"))
    assert.strictEqual(spec.suspend, true)

    const repair = await repo.commit({ "api.yaml": deployment("api", "3") })
    await step("resume")
    await synced(here, "shop", repair)
    assert.strictEqual(imageOf(await here.api.get(key("api"))), "3")
  })

  it("stopping NOPEA leaves its Deployment without pods", async () => {
    explainFailure(here)
    await here.api.apply({
      ...key("nopea"),
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: "nopea" } },
        template: {
          metadata: { labels: { app: "nopea" } },
          spec: { containers: [{ name: "main", image: "x" }] },
        },
      },
    })
    await step("stop-all")
    assert.strictEqual((await here.api.get(key("nopea"))).spec.replicas, 0)
  })
})
