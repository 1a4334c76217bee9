// What the figures are measured on: one control plane, one Git server, and the built controller.
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load } from "js-yaml"
import { Api, eventually, type KubeObject } from "../test/cluster/Api.ts"
import { type ControlPlane, startControlPlane } from "../test/cluster/ControlPlane.ts"
import { freePort } from "../test/cluster/freePort.ts"
import { type Guarded, spawnGuarded } from "../test/cluster/Guarded.ts"
import { type GitServer, startGitServer } from "../test/gitserver/GitServer.ts"

const root = join(import.meta.dirname, "..")

export interface Running {
  /** URL of the liveness probe. */
  readonly health: string
  readonly pid: () => Promise<number>
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
  readonly controller: (namespaces: ReadonlyArray<string>) => Promise<Running>
  readonly stop: () => Promise<void>
}

const startBundle = async (
  plane: ControlPlane,
  folder: string,
  namespaces: ReadonlyArray<string>,
): Promise<Running> => {
  const port = await freePort()
  const log = join(folder, `controller-${port}.log`)
  const guarded: Guarded = spawnGuarded(
    process.execPath,
    [join(root, "dist/nopea.js"), "controller"],
    {
      log,
      env: {
        PATH: process.env["PATH"],
        KUBECONFIG: plane.kubeconfig,
        NOPEA_LISTEN: `127.0.0.1:${port}`,
        NOPEA_DATA_DIR: join(folder, `mirrors-${port}`),
        NOPEA_NAMESPACES: namespaces.join(","),
        NOPEA_NAMESPACE: namespaces[0],
        NOPEA_ALLOW_CONTROLLER_IDENTITY: "true",
        NOPEA_LOG_FORMAT: "json",
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
    stop: () => guarded.stop(30_000),
  }
}

/** Process id of whoever listens on a loopback port (Linux). */
const listenerOf = async (port: number): Promise<number> => {
  const { readdir, readlink } = await import("node:fs/promises")
  const hex = port.toString(16).toUpperCase().padStart(4, "0")
  const line = (await readFile("/proc/net/tcp", "utf8"))
    .split("\n")
    .find((text) => text.includes(`:${hex} 00000000:0000 0A`))
  const socket = `socket:[${line?.trim().split(/\s+/u)[9]}]`
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/u.test(name))) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")
      if (target === socket) return Number(pid)
    }
  }
  throw new Error(`nobody listens on ${port}`)
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
    controller: async (namespaces) => {
      const one = await startBundle(plane, folder, namespaces)
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
