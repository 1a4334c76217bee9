// What a scenario starts from: a namespace, a Git server, and a controller in a process of its own.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load } from "js-yaml"
import { afterAll, beforeAll, onTestFailed } from "vitest"
import { type Api, eventually, type Json, type KubeObject } from "../cluster/Api.ts"
import { cluster, connect, freshNamespace } from "../cluster/connect.ts"
import { freePort } from "../cluster/freePort.ts"
import { type Guarded, spawnGuarded } from "../cluster/Guarded.ts"
import { kubeconfigText } from "../cluster/users.ts"
import { type GitServer, type GitServerOptions, startGitServer } from "../gitserver/GitServer.ts"

const root = join(import.meta.dirname, "..", "..")

export interface ControllerOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Default: the admin. */
  readonly token?: string
  /** Default: the API server itself. */
  readonly api?: { readonly server: string; readonly ca: string }
  /** Its own namespace is the one that it serves; default: one that is not there. */
  readonly isAtHome?: boolean
  /** Default: `src/main.ts`. */
  readonly program?: string
}

/** A controller process that serves one namespace. */
export class Controller {
  readonly folder: string
  readonly namespace: string
  readonly options: ControllerOptions
  port = 0
  #process: Guarded | undefined

  constructor(folder: string, namespace: string, options: ControllerOptions) {
    this.folder = folder
    this.namespace = namespace
    this.options = options
  }

  get log(): string {
    return join(this.folder, "controller.log")
  }

  async start(): Promise<void> {
    await this.launch()
    await this.becomes(200)
  }

  /** Waits until `/ready` answers so. */
  becomes(status: number, deadlineMs?: number): Promise<true> {
    const look = async () => {
      if (this.hasEnded) throw new Error(`the controller ended:\n${await this.tail()}`)
      return (await this.probe("/ready")) === status || undefined
    }
    return eventually(`/ready answers ${status}`, look, deadlineMs)
  }

  get hasEnded(): boolean {
    return this.#process?.hasExited() ?? true
  }

  /** Starts the process, and waits for nothing. */
  async launch(): Promise<void> {
    const { tokens } = cluster()
    const { server, ca } = this.options.api ?? cluster()
    const kubeconfig = join(this.folder, "kubeconfig")
    await writeFile(
      kubeconfig,
      kubeconfigText(server, ca, { me: this.options.token ?? tokens.admin }),
    )
    this.port = await freePort()
    const program = this.options.program ?? join(root, "src/main.ts")
    this.#process = spawnGuarded(process.execPath, [program, "controller"], {
      log: this.log,
      cwd: this.folder,
      env: {
        PATH: process.env["PATH"],
        KUBECONFIG: kubeconfig,
        NOPEA_LISTEN: `127.0.0.1:${this.port}`,
        NOPEA_DATA_DIR: join(this.folder, "mirrors"),
        NOPEA_NAMESPACES: this.namespace,
        ...(this.options.isAtHome === true ? { NOPEA_NAMESPACE: this.namespace } : {}),
        NOPEA_ALLOW_CONTROLLER_IDENTITY: "true",
        NOPEA_LOG_FORMAT: "json",
        ...this.options.env,
      },
    })
  }

  /** HTTP status of a probe; 0 where nothing answers. */
  async probe(path: string): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`).catch(() => undefined)
    return answer?.status ?? 0
  }

  /** What a probe says. */
  async says(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.port}${path}`)).text()
  }

  /** The exit code, once it has ended. */
  get exited(): Promise<number> {
    return this.#process?.exited ?? Promise.resolve(0)
  }

  /** SIGTERM; answers the exit code. */
  async stop(): Promise<number> {
    const running = this.#process
    if (running === undefined) return 0
    await running.stop(30_000)
    return running.exited
  }

  /** Removes the data folder under a running controller. */
  loseMirrors(): Promise<void> {
    return rm(join(this.folder, "mirrors"), { recursive: true, force: true })
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  tail(): Promise<string> {
    return readFile(this.log, "utf8").then(
      (text) => text.slice(-6000),
      () => "(no log)",
    )
  }

  /** Every log line so far, decoded. */
  async lines(): Promise<ReadonlyArray<Json>> {
    const text = await readFile(this.log, "utf8").catch(() => "")
    return text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []))
  }
}

/** What controllers work on. */
export interface Stage {
  readonly api: Api
  readonly namespace: string
  readonly git: GitServer
}

export interface World extends Stage {
  readonly controller: Controller
}

export interface WorldOptions extends ControllerOptions {
  readonly git?: GitServerOptions
}

const the = <A>(thing: A | undefined): A => {
  if (thing === undefined) throw new Error("the world is not there yet: use it inside a test")
  return thing
}

/** A namespace, the CRD and a Git server, without a controller. */
export const stage = (options: GitServerOptions = {}): Stage => {
  const api = connect()
  const namespace = freshNamespace(api, "scenario")
  let git: GitServer | undefined
  beforeAll(async () => {
    const crd = load(await readFile(join(root, "deploy/crd/gitrepositories.yaml"), "utf8"))
    await api.applyDefinition(crd as KubeObject)
    git = await startGitServer(options)
  })
  afterAll(() => git?.stop())
  return {
    api,
    namespace,
    get git() {
      return the(git)
    },
  }
}

/** Called once per file: everything is there before the first test and gone after the last. */
export const world = (options: WorldOptions = {}): World => {
  const here = stage(options.git)
  const { api, namespace } = here
  let controller: Controller | undefined
  beforeAll(async () => {
    controller = new Controller(
      await mkdtemp(join(tmpdir(), "nopea-scenario-")),
      namespace,
      options,
    )
    await controller.start()
  })
  afterAll(async () => {
    await controller?.stop()
    if (controller) await rm(controller.folder, { recursive: true, force: true })
  })
  return {
    api,
    namespace,
    get git() {
      return here.git
    },
    get controller() {
      return the(controller)
    },
  }
}

/** Prints the controller's last log lines where the test fails. */
export const explainFailure = ({ controller }: World): void =>
  onTestFailed(async () => {
    process.stderr.write(`--- controller log ---\n${await controller.tail()}\n`)
  })

export const repositoryKey = (namespace: string, name: string) => ({
  apiVersion: "nopea.false.systems/v1alpha1",
  kind: "GitRepository",
  metadata: { name, namespace },
})

/** A GitRepository with a long interval, so that nothing but what the test does triggers a sync. */
export const gitRepository = (
  { namespace }: Stage,
  name: string,
  url: string,
  spec: Readonly<Record<string, unknown>> = {},
): KubeObject => ({ ...repositoryKey(namespace, name), spec: { url, interval: "1h", ...spec } })

/** Waits until the status is as `holds` says. */
export const statusOf = async (
  { api, namespace }: Stage,
  name: string,
  until: string,
  holds: (status: Json) => boolean,
): Promise<Json> => {
  const live = await api.waitFor(
    repositoryKey(namespace, name),
    (found) => found?.status !== undefined && holds(found.status),
    { until, deadlineMs: 40_000 },
  )
  return live.status
}

export const synced = (here: Stage, name: string, commit: string): Promise<Json> =>
  statusOf(
    here,
    name,
    `is Synced at ${commit.slice(0, 7)}`,
    (status) => status.phase === "Synced" && status.lastSyncedCommit === commit,
  )

/** Ahead of the clock by as many seconds as there were requests: no two are alike, each is later. */
let requests = 0

/** Asks for a sync now, as `kubectl annotate` would. */
export const requestSync = async (
  { api, namespace }: Stage,
  name: string,
  annotation = "nopea.io/reconcile-requested-at",
): Promise<string> => {
  const token = new Date(Date.now() + ++requests * 1000).toISOString()
  await api.patch(repositoryKey(namespace, name), {
    metadata: { annotations: { [annotation]: token } },
  })
  return token
}

export const configMap = (name: string, value: string, extra = ""): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n${extra}data:\n  value: ${JSON.stringify(value)}\n`

/** The live object of `configMap`. */
export const configMapKey = (namespace: string, name: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
})
