// What the tour plays on: a cluster, a Git server and the built controller, each released at the end.
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline/promises"
import { promisify } from "node:util"
import { load } from "js-yaml"
import { Api, eventually, type KubeObject } from "../test/cluster/Api.ts"
import { type ControlPlane, startControlPlane } from "../test/cluster/ControlPlane.ts"
import { type Guarded, spawnGuarded } from "../test/cluster/Guarded.ts"
import { type GitServer, startGitServer } from "../test/gitserver/GitServer.ts"
import { Debugger, inspectorOf } from "../test/scenario/Debugger.ts"

const run = promisify(execFile)
const root = join(import.meta.dirname, "..")
export const NAMESPACE = "nopea-demo"
export const usesCurrentCluster = process.env["CLUSTER"] === "current"
/** What `make build` made. */
export const program = join(root, "dist/nopea.js")
const CRD = "gitrepositories.nopea.false.systems"

export interface Stage {
  readonly api: Api
  readonly plane: ControlPlane
  readonly git: GitServer
  readonly controllerLog: string
  /** Opens the inspector of the running controller on 127.0.0.1. */
  readonly debug: () => Promise<Debugger>
  /** Runs kubectl in the demo's namespace and answers what it prints. */
  readonly kubectl: (...args: ReadonlyArray<string>) => Promise<string>
  readonly stop: () => Promise<void>
}

type Release = () => Promise<unknown>

/** The last one in is the first one out; one that fails does not keep the others from being released. */
const releaseAll = async (releases: Release[]): Promise<void> => {
  for (const release of releases.reverse()) {
    await release().catch((cause) => process.stderr.write(`cleaning up: ${cause}\n`))
  }
  releases.length = 0
}

/** With `CLUSTER=current`: the kubeconfig's cluster, after saying which one that is, and asking. */
export const chooseCluster = async (): Promise<void> => {
  if (!usesCurrentCluster) return
  const kubeconfig = process.env["KUBECONFIG"] ?? join(process.env["HOME"] ?? "", ".kube", "config")
  const { stdout } = await run("kubectl", [
    "config",
    "view",
    "--minify",
    "-o",
    "jsonpath={.current-context} at {.clusters[0].cluster.server}",
  ]).catch((cause: { readonly stderr?: string; readonly message: string }) => {
    const said = (cause.stderr || cause.message).trim()
    throw new Error(`no cluster to play on ("kubectl config use-context" chooses one): ${said}`)
  })
  process.stdout.write(
    `This demo will use the cluster ${stdout}.
It adds the namespace ${NAMESPACE}, the namespace nopea-test-access with ServiceAccounts for this run, one of them
with cluster-admin, and, where absent, the namespace nopea-system and the definition of GitRepositories.
It removes what it added.
`,
  )
  if (process.env["YES"] !== "1") {
    if (!process.stdin.isTTY) throw new Error("set YES=1 to go on without being asked")
    const prompt = createInterface({ input: process.stdin, output: process.stdout })
    prompt.once("SIGINT", () => prompt.close())
    const closed = new Promise<string>((resolve) => prompt.once("close", () => resolve("n")))
    const answer = await Promise.race([prompt.question("Go on? [y/N] "), closed])
    prompt.close()
    if (answer.trim().toLowerCase() !== "y") throw new Error("stopped: nothing was changed")
  }
  process.env["NOPEA_TEST_KUBECONFIG"] = kubeconfig
}

/** Two controllers would both follow the demo's repositories. */
const refuseNeighbour = async (api: Api): Promise<void> => {
  const metadata = { name: "nopea", namespace: "nopea-system" }
  const running = await api.get({ apiVersion: "apps/v1", kind: "Deployment", metadata })
  if (running === undefined || running.spec.replicas === 0) return
  throw new Error(
    'NOPEA runs in this cluster already, and would follow the demo\'s repositories too: choose another cluster, or stop it first with "kubectl scale deployment/nopea -n nopea-system --replicas 0"',
  )
}

/** A definition that is there already is left as it is. */
const installDefinition = async (api: Api, releases: Release[]): Promise<void> => {
  const crd = load(await readFile(join(root, "deploy/crd/gitrepositories.yaml"), "utf8"))
  const { status } = await api.call(
    "GET",
    `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${CRD}`,
  )
  if (status === 200) return
  releases.push(() => api.delete(crd as KubeObject))
  await api.applyDefinition(crd as KubeObject)
}

const makeNamespace = async (api: Api, releases: Release[]): Promise<void> => {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } }
  if ((await api.get(namespace)) !== undefined) {
    throw new Error(
      `the namespace ${NAMESPACE} exists already: another demo uses it; if none does, remove it with "kubectl delete namespace ${NAMESPACE}"`,
    )
  }
  await api.create(namespace)
  releases.push(async () => {
    await api.delete(namespace)
    await api.waitForGone(namespace)
  })
}

const startController = async (
  plane: ControlPlane,
  folder: string,
  port: number,
): Promise<Guarded> => {
  const log = join(folder, "controller.log")
  // The port that SIGUSR1 opens an inspector on, if it ever comes: any that is free.
  const words = ["--inspect-port=127.0.0.1:0", program, "controller"]
  const controller = spawnGuarded(process.execPath, words, {
    log,
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      KUBECONFIG: plane.kubeconfig,
      NOPEA_LISTEN: `127.0.0.1:${port}`,
      NOPEA_DATA_DIR: join(folder, "mirrors"),
      NOPEA_NAMESPACES: NAMESPACE,
      NOPEA_NAMESPACE: NAMESPACE,
    },
  })
  await eventually("the controller is ready", async () => {
    if (controller.hasExited()) {
      throw new Error(`the controller ended:\n${await readFile(log, "utf8")}`)
    }
    const ready = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined)
    return ready?.ok === true ? true : undefined
  })
  return controller
}

/** Brings everything up; on a failure what is there already is released again. */
export const setStage = async (say: (line: string) => void, port: number): Promise<Stage> => {
  const releases: Release[] = []
  const stop = () => releaseAll(releases)
  try {
    const plane = await startControlPlane({ say: (line) => say(`  ${line}`) })
    releases.push(() => plane.stop())
    const api = new Api({ server: plane.server, ca: plane.ca, token: plane.token })
    releases.push(() => api.close())
    const folder = await mkdtemp(join(tmpdir(), "nopea-demo-"))
    releases.push(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, "controller.log"), "")
    await refuseNeighbour(api)
    await installDefinition(api, releases)
    await makeNamespace(api, releases)
    const git = await startGitServer()
    releases.push(() => git.stop())
    const controller = await startController(plane, folder, port)
    releases.push(() => controller.stop(10_000))
    const kubectl = async (...args: ReadonlyArray<string>): Promise<string> => {
      const full = ["--kubeconfig", plane.kubeconfig, "-n", NAMESPACE, ...args]
      return (await run(plane.bin.kubectl, full)).stdout.trimEnd()
    }
    const controllerLog = join(folder, "controller.log")
    const debug = async (): Promise<Debugger> => {
      controller.signal("USR1")
      return Debugger.attach(await inspectorOf(controllerLog))
    }
    return { api, plane, git, kubectl, stop, debug, controllerLog }
  } catch (cause) {
    await stop()
    throw cause
  }
}
