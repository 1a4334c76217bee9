// The examples as they are in the folder: each is taken by the API server, and each GitRepository does what it shows.
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { loadAll } from "js-yaml"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import type { Json, KubeObject } from "../cluster/Api.ts"
import { cluster } from "../cluster/connect.ts"
import { built, find } from "../deploy/manifests.ts"
import { type SshServer, startSshServer } from "../gitserver/SshServer.ts"
import { signHead } from "../gitserver/signing.ts"
import { sshKey } from "../gitserver/sshKeys.ts"
import { deployment } from "./drifting.ts"
import { configMap, configMapKey, explainFailure, statusOf, world } from "./world.ts"

const run = promisify(execFile)
const { kustomize = "" } = cluster().bin
const here = world({
  env: {
    NOPEA_ALLOW_CONTROLLER_IDENTITY: "false",
    ...(kustomize === "" ? {} : { NOPEA_KUSTOMIZE: kustomize }),
  },
})
const folder = join(import.meta.dirname, "../../examples")
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"))

/** In the namespace of the test in the place of `shop`. */
const objectsIn = (text: string): ReadonlyArray<KubeObject> => {
  const moved = text.replaceAll(/namespace: shop\b/gu, `namespace: ${here.namespace}`)
  return loadAll(moved) as KubeObject[]
}
const read = (name: string) => objectsIn(readFileSync(join(folder, name), "utf8"))

const strictly = async (one: KubeObject): Promise<string> => {
  const answer = await here.api.call("PATCH", await here.api.path(one), {
    query: { fieldManager: "test", fieldValidation: "Strict", dryRun: "All", force: "true" },
    contentType: "application/apply-patch+yaml",
    body: one,
  })
  return answer.status >= 400 ? `${one.kind} ${one.metadata.name}: ${answer.body.message}` : ""
}

const key = sshKey()
let ssh: SshServer
beforeAll(async () => {
  ssh = await startSshServer({ hostKey: sshKey(), allowed: [key.public] })
})
afterAll(() => ssh.stop())

/** What the examples ask the reader to put in. */
const filled = (one: KubeObject): KubeObject => {
  const real: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "deploy-key": { identity: key.private, known_hosts: ssh.knownHosts },
    signers: { ann: key.public },
  }
  const stringData = real[one.metadata.name]
  return one.kind === "Secret" && stringData !== undefined ? { ...one, stringData } : one
}

/** The repository that an example follows: one object, in the path and in the way that its spec asks for. */
const follow = async (one: KubeObject): Promise<KubeObject> => {
  const { name } = one.metadata
  const { url, path, branch = "main", ref, verify } = one["spec"]
  const title = /([^/]+)\.git$/u.exec(url)?.[1] ?? name
  const repo = await here.git.createRepo(`${title}-${name}`)
  const object = configMap(`of-${name}`, "x")
  const isOverlay = kustomize !== "" && path?.startsWith("overlays/") === true
  const files = isOverlay
    ? {
        "base/kustomization.yaml": "resources: [a.yaml]",
        "base/a.yaml": object,
        [`${path}/kustomization.yaml`]: "resources: [../../base]",
      }
    : { [`${path === undefined ? "" : `${path}/`}a.yaml`]: object }
  const more = one["spec"].rolloutRef === undefined ? {} : { "app.yaml": deployment("api") }
  await repo.commit({ ...files, ...more }, { branch })
  if (ref !== undefined) await repo.tag("v1.2.3")
  if (verify !== undefined) await signHead(repo, name, key)
  const served = url.startsWith("ssh:") ? ssh.serve(repo) : repo.url
  return { ...one, spec: { ...one["spec"], url: served } }
}

/** What each GitRepository of the examples comes to. */
const ENDS: Readonly<Record<string, "applied" | "planned" | "suspended" | "awaiting">> = {
  shop: "applied",
  private: "applied",
  frontend: "applied",
  backend: "applied",
  released: "applied",
  strict: "applied",
  patient: "applied",
  lenient: "applied",
  told: "applied",
  scaled: "applied",
  taken: "planned",
  beside: "planned",
  preview: "applied",
  hooked: "applied",
  stopped: "suspended",
  database: "applied",
  webshop: "applied",
  keyed: "applied",
  signed: "applied",
  overlay: "applied",
  rolled: "awaiting",
}

const HOLDS: Readonly<Record<string, (status: Json) => boolean>> = {
  applied: ({ phase }) => phase === "Synced",
  planned: ({ plan }) => plan?.[0]?.action === "created",
  suspended: ({ phase }) => phase === "Suspended",
  // Of KULTA nothing is here: its kind, or the Rollout, is waited for.
  awaiting: ({ failures }) => /^NOPEA-A0(40|63)$/u.test(failures?.[0]?.code),
}

describe("the examples", () => {
  it.each(files)("%s is taken by the API server, strictly", async (name) => {
    explainFailure(here)
    for (const one of read(name)) assert.strictEqual(await strictly(one), "")
  })

  it("every file is in the README, and every GitRepository is tried below", () => {
    const page = readFileSync(join(folder, "README.md"), "utf8")
    for (const name of files) assert.include(page, `](${name})`)
    const names = files
      .flatMap(read)
      .flatMap(({ kind, metadata }) => (kind === "GitRepository" ? [metadata.name] : []))
    assert.sameMembers(names, Object.keys(ENDS))
  })

  it("the installation and the tenant build, and the tenant's is a GitRepository", async () => {
    const objects = await built("examples/install")
    assert.strictEqual(
      find(objects, "Deployment")["spec"].template.spec.containers[0].image.split(":")[0],
      "registry.example.com/nopea",
    )
    const text = JSON.stringify(await built("examples/tenants"))
    const tenant = JSON.parse(text.replaceAll('"shop"', JSON.stringify(here.namespace)))
    for (const one of tenant as KubeObject[]) assert.strictEqual(await strictly(one), "")
  })

  it("each follows its repository as it says", async () => {
    explainFailure(here)
    for (const one of read("minimal.yaml").slice(0, 2)) await here.api.apply(one)
    for (const one of files.flatMap(read)) {
      if (one.kind === "Secret") await here.api.apply(filled(one))
      if (one.kind === "GitRepository") await here.api.apply(await follow(one))
    }
    for (const [name, end] of Object.entries(ENDS)) {
      await statusOf(here, name, `is ${end}`, (status) => HOLDS[end]?.(status) === true)
      const live = await here.api.get(configMapKey(here.namespace, `of-${name}`))
      assert.strictEqual(live !== undefined, end === "applied" || end === "awaiting", name)
    }
  })

  it("what the pages ask kubectl about a GitRepository, it answers", async () => {
    explainFailure(here)
    const pages = ["getting-started.md", "operations.md"].map((name) =>
      readFileSync(join(folder, "../docs", name), "utf8"),
    )
    const lines = pages.join("\n").split("\n")
    // what has a <place> to fill in is for the reader
    const commands = lines.filter((line) =>
      /^kubectl [^<]*gitrepositor[^<]* -n shop[^<]*$/u.test(line),
    )
    assert.isAtLeast(commands.length, 5)
    const { kubeconfig, bin } = cluster()
    for (const command of commands) {
      const moved = command
        .replace(/^kubectl/u, `"${bin.kubectl}"`)
        .replaceAll("-n shop", `-n ${here.namespace}`)
      await run("sh", ["-c", moved], { env: { ...process.env, KUBECONFIG: kubeconfig } })
    }
  })

  it("every GitRepository that a page shows is taken by the API server, strictly", async () => {
    const pages = readdirSync(join(folder, "../docs")).filter((name) => name.endsWith(".md"))
    const texts = ["README.md", ...pages.map((name) => `docs/${name}`)].map((name) =>
      readFileSync(join(folder, "..", name), "utf8"),
    )
    const blocks = texts.flatMap((text) => [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gmu)])
    const shown = blocks
      .flatMap(([, block = ""]) => objectsIn(block))
      .filter(({ apiVersion }) => apiVersion?.startsWith("nopea."))
    assert.isAtLeast(shown.length, 3)
    for (const one of shown) assert.strictEqual(await strictly(one), "")
  })

  it("the break-glass command is one that kubectl takes", async () => {
    const text = readFileSync(join(folder, "break-glass.yaml"), "utf8")
    const said = /kubectl (annotate deployment .*)$/mu.exec(text)?.[1] ?? ""
    const words = [...said.matchAll(/(?:[^\s"]|"[^"]*")+/gu)].map(([word]) =>
      word.replaceAll('"', ""),
    )
    await here.api.apply({
      ...{ apiVersion: "apps/v1", kind: "Deployment" },
      metadata: { name: "api", namespace: here.namespace },
      spec: {
        selector: { matchLabels: { app: "api" } },
        template: {
          metadata: { labels: { app: "api" } },
          spec: { containers: [{ name: "main", image: "x" }] },
        },
      },
    })
    const args = words.map((word) => (word === "shop" ? here.namespace : word))
    const { stdout } = await run(cluster().bin.kubectl, [
      ...["--kubeconfig", cluster().kubeconfig],
      ...args,
    ])
    assert.include(stdout, "annotated")
  })
})
