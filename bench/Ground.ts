// What the figures are measured on: one control plane, one Git server, and the built controller.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load } from "js-yaml"
import { Api, eventually, type Json, type KubeObject } from "../test/cluster/Api.ts"
import { type ControlPlane, startControlPlane } from "../test/cluster/ControlPlane.ts"
import { freePort } from "../test/cluster/freePort.ts"
import { type Guarded, spawnGuarded } from "../test/cluster/Guarded.ts"
import { type GitServer, startGitServer } from "../test/gitserver/GitServer.ts"
import { listenerOf } from "./Process.ts"

const root = join(import.meta.dirname, "..")

export interface Running {
  /** URL of the liveness probe. */
  readonly health: string
  readonly pid: () => Promise<number>
  /** Its log lines so far, decoded. */
  readonly lines: () => Promise<ReadonlyArray<Json>>
  readonly stop: () => Promise<void>
}

export interface Ground {
  readonly plane: ControlPlane
  readonly api: Api
  readonly git: GitServer
  readonly folder: string
  /** A new, empty namespace. */
  readonly namespace: (name: string) => Promise<string>
  /** Starts the bundle for these namespaces; answers once it is ready. */
  readonly controller: (
    namespaces: ReadonlyArray<string>,
    env?: Readonly<Record<string, string>>,
  ) => Promise<Running>
  readonly stop: () => Promise<void>
}

const MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

/** What a pod has, in a folder of ours: a program of Node that looks for it where a pod has it. */
const asInPod = async (plane: ControlPlane, folder: string): Promise<string> => {
  await writeFile(join(folder, "token"), plane.token, { mode: 0o600 })
  await writeFile(join(folder, "ca.crt"), plane.ca)
  const [from, to] = [MOUNT, folder].map((path) => JSON.stringify(path))
  const program = `import fs from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"
const read = fs.readFile
const place = (path) => typeof path === "string" ? path.replace(${from}, ${to}) : path
fs.readFile = (path, options) => read(place(path), options)
syncBuiltinESMExports()`
  return `data:text/javascript,${encodeURIComponent(program)}`
}

/** What the image sets for Node and malloc, so that memory is measured as it ships. */
const imageEnv = async (): Promise<Readonly<Record<string, string>>> => {
  const dockerfile = await readFile(join(root, "Dockerfile"), "utf8")
  const found = dockerfile.matchAll(/\b(NODE_OPTIONS|MALLOC_ARENA_MAX)=(\S+)/gu)
  return Object.fromEntries([...found].map(([, name, value]) => [name, value]))
}

const startBundle = async (
  plane: ControlPlane,
  folder: string,
  namespaces: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
): Promise<Running> => {
  const port = await freePort()
  const { hostname, port: apiPort } = new URL(plane.server)
  const log = join(folder, `controller-${port}.log`)
  const guarded: Guarded = spawnGuarded(
    process.execPath,
    ["--import", await asInPod(plane, folder), join(root, "dist/nopea.js"), "controller"],
    {
      log,
      env: {
        PATH: process.env["PATH"],
        KUBERNETES_SERVICE_HOST: hostname,
        KUBERNETES_SERVICE_PORT: apiPort,
        NOPEA_LISTEN: `127.0.0.1:${port}`,
        NOPEA_DATA_DIR: join(folder, `mirrors-${port}`),
        NOPEA_NAMESPACES: namespaces.join(","),
        NOPEA_NAMESPACE: namespaces[0],
        NOPEA_ALLOW_CONTROLLER_IDENTITY: "true",
        NOPEA_LOG_FORMAT: "json",
        ...(await imageEnv()),
        ...env,
      },
    },
  )
  await eventually("the controller is ready", async () => {
    if (guarded.hasExited()) throw new Error(`the controller ended: ${await readFile(log, "utf8")}`)
    const ready = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined)
    return ready?.ok === true ? true : undefined
  })
  return {
    health: `http://127.0.0.1:${port}/health`,
    pid: () => listenerOf(port),
    lines: async () =>
      (await readFile(log, "utf8"))
        .split("\n")
        .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : [])),
    stop: () => guarded.stop(30_000),
  }
}

/** `controllers`: whether kube-controller-manager runs, as it does in every real cluster. */
export const prepareGround = async (controllers: boolean): Promise<Ground> => {
  const folder = await mkdtemp(join(tmpdir(), "nopea-bench-"))
  const plane = await startControlPlane({ controllerManager: controllers })
  const git = await startGitServer()
  const api = new Api({ server: plane.server, ca: plane.ca, token: plane.token })
  const crd = load(await readFile(join(root, "deploy/crd/gitrepositories.yaml"), "utf8"))
  await api.applyDefinition(crd as KubeObject)
  const running: Running[] = []
  return {
    plane,
    api,
    git,
    folder,
    namespace: async (name) => {
      await api.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } })
      return name
    },
    controller: async (namespaces, env) => {
      const one = await startBundle(plane, folder, namespaces, env)
      running.push(one)
      return one
    },
    stop: async () => {
      for (const one of running) await one.stop()
      await api.close()
      await git.stop()
      await plane.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
