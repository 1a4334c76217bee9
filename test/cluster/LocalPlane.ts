// Our own control plane on 127.0.0.1; its processes end with the process that started them.
import { randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Agent, request } from "undici"
import { auditMark, readAudit } from "./audit.ts"
import { type Binaries, controlPlaneBinaries, type Program, toStderr } from "./binaries.ts"
import type { ClusterInfo, ControlPlane, ControlPlaneOptions } from "./ControlPlane.ts"
import { issueCertificate, type KeyPair } from "./certificates.ts"
import {
  type Folder,
  keepLogs,
  prepareFiles,
  prepareFolder,
  removeFolder,
  secret,
} from "./Folder.ts"
import { apiServerFlags, controllerManagerFlags, etcdFlags, withReplaced } from "./flags.ts"
import { freePort } from "./freePort.ts"
import { type Guarded, spawnGuarded } from "./Guarded.ts"
import { accounts, kubeconfigText, newToken, newTokens, type Tokens } from "./users.ts"

/** A program that ended or was late; `said` is the end of its log. */
class StartFailure extends Error {
  readonly said: string
  constructor(message: string, said: string) {
    super(`${message}; the end of its log:\n${said}`)
    this.said = said
  }
}

const startFailure = async (message: string, log: string): Promise<StartFailure> => {
  const text = await readFile(log, "utf8").catch(() => "")
  return new StartFailure(message, text.trimEnd().split("\n").slice(-10).join("\n"))
}

const program = (bin: Binaries, name: Program): string => {
  const path = bin[name]
  if (path === undefined) throw new Error(`the control plane has no ${name}`)
  return path
}

const statusOf = (url: string, dispatcher: Agent): Promise<number | string> =>
  request(url, { dispatcher, signal: AbortSignal.timeout(5_000) }).then(
    async ({ statusCode, body }) => {
      await body.dump()
      return statusCode
    },
    (cause: Error) => cause.message,
  )

interface Probe {
  readonly url: string
  readonly ca?: string
  readonly limitMs: number
}

/** Starts a program and waits until its probe answers 200; a program that does not is killed. */
const startReady = async (
  folder: Folder,
  name: Program,
  start: (log: string) => Guarded,
  probe: Probe,
): Promise<Guarded> => {
  const log = join(folder.logs, `${name}.log`)
  const deadline = Date.now() + probe.limitMs
  const dispatcher = new Agent(probe.ca === undefined ? {} : { connect: { ca: probe.ca } })
  const started = start(log)
  try {
    while (true) {
      const status = await statusOf(probe.url, dispatcher)
      if (started.hasExited()) throw await startFailure(`${name} ended while it was starting`, log)
      if (status === 200) return started
      if (Date.now() > deadline)
        throw await startFailure(`${name} was not ready in time (last answer: ${status})`, log)
      await pause(50)
    }
  } catch (cause) {
    await started.kill()
    throw cause
  } finally {
    await dispatcher.destroy()
  }
}

interface Ports {
  readonly etcd: number
  readonly peer: number
  readonly api: number
}

/** The processes of one control plane, in the order of their start. */
class Processes {
  readonly bin: Binaries
  readonly folder: Folder
  readonly ports: Ports
  readonly ca: string
  readonly options: ControlPlaneOptions
  #etcd: Guarded | undefined
  #api: Guarded | undefined
  #controllers: Guarded | undefined

  constructor(setting: {
    readonly bin: Binaries
    readonly folder: Folder
    readonly ports: Ports
    readonly ca: string
    readonly options: ControlPlaneOptions
  }) {
    this.bin = setting.bin
    this.folder = setting.folder
    this.ports = setting.ports
    this.ca = setting.ca
    this.options = setting.options
  }

  get #limitMs(): number {
    return this.options.startLimitMs ?? 60_000
  }

  async startEtcd(): Promise<void> {
    const flags = etcdFlags(this.folder, this.ports.etcd, this.ports.peer)
    const start = (log: string) =>
      spawnGuarded(program(this.bin, "etcd"), flags, { log, removeIfOrphaned: this.folder.path })
    const url = `http://127.0.0.1:${this.ports.etcd}/health`
    this.#etcd = await startReady(this.folder, "etcd", start, { url, limitMs: this.#limitMs })
  }

  async startApiServer(): Promise<void> {
    if (this.#api?.hasExited() === false) return
    const ours = apiServerFlags(this.folder, this.ports.etcd, this.ports.api)
    const flags = withReplaced(ours, this.options.apiServerFlags)
    const start = (log: string) => spawnGuarded(program(this.bin, "kube-apiserver"), flags, { log })
    const url = `https://127.0.0.1:${this.ports.api}/readyz`
    const probe = { url, ca: this.ca, limitMs: this.#limitMs }
    this.#api = await startReady(this.folder, "kube-apiserver", start, probe)
  }

  startControllers(kubeconfig: string): void {
    const path = this.bin["kube-controller-manager"]
    if (path === undefined || this.options.controllerManager === false) return
    const log = join(this.folder.logs, "kube-controller-manager.log")
    this.#controllers = spawnGuarded(path, controllerManagerFlags(kubeconfig), { log })
  }

  get hasControllers(): boolean {
    return this.#controllers !== undefined
  }

  async stopApiServer(): Promise<void> {
    await this.#api?.stop()
  }

  async stop(): Promise<void> {
    await this.#controllers?.stop()
    await this.#api?.stop()
    await this.#etcd?.stop()
  }
}

const clientCertificate = (
  authority: string,
  user: string,
  groups: readonly string[] = [],
): Promise<KeyPair> =>
  issueCertificate(authority, {
    file: `client-${randomBytes(6).toString("hex")}`,
    commonName: user,
    organizations: groups,
    usage: "clientAuth",
  })

const describe = (processes: Processes, server: string, tokens: Tokens): ClusterInfo => {
  const { bin, folder, ca } = processes
  const { kustomize } = bin
  return {
    server,
    ca,
    tokens,
    kubeconfig: folder.kubeconfig,
    bin: { kubectl: program(bin, "kubectl"), ...(kustomize === undefined ? {} : { kustomize }) },
    hasControllerManager: processes.hasControllers,
    hasAudit: true,
    auditLog: folder.auditLog,
    authority: folder.pki,
  }
}

const controlPlane = (processes: Processes, info: ClusterInfo): ControlPlane => {
  const { folder, options } = processes
  return {
    ...info,
    token: info.tokens.admin,
    info,
    audit: (filter) => readAudit(folder.auditLog, filter),
    auditMark: () => auditMark(folder.auditLog),
    auditCount: async (filter) => (await readAudit(folder.auditLog, filter)).length,
    clientCertificate: (user, groups) => clientCertificate(folder.pki, user, groups),
    stopApiServer: () => processes.stopApiServer(),
    startApiServer: () => processes.startApiServer(),
    restartApiServer: async () => {
      await processes.stopApiServer()
      await processes.startApiServer()
    },
    stop: async (how) => {
      await processes.stop()
      if (how?.keepLogs !== true) return removeFolder(folder)
      const say = options.say ?? toStderr
      say(`logs of the control plane are kept in ${await keepLogs(folder)}`)
    },
  }
}

const launch = async (bin: Binaries, folder: Folder, options: ControlPlaneOptions) => {
  const [tokens, machine] = [newTokens(), newToken()]
  const authority = await prepareFiles(folder, accounts(tokens, machine, options.accounts))
  const [etcd, peer, api] = await Promise.all([freePort(), freePort(), freePort()])
  const ca = authority.cert
  const processes = new Processes({ bin, folder, ports: { etcd, peer, api }, ca, options })
  const server = `https://127.0.0.1:${api}`
  const machineConfig = join(folder.path, "kubeconfig-controllers")
  await writeFile(folder.kubeconfig, kubeconfigText(server, ca, { ...tokens }), secret)
  await writeFile(machineConfig, kubeconfigText(server, ca, { machine }), secret)
  try {
    await processes.startEtcd()
    await processes.startApiServer()
    processes.startControllers(machineConfig)
    return controlPlane(processes, describe(processes, server, tokens))
  } catch (cause) {
    await processes.stop()
    throw cause
  }
}

/** Somebody took a port between our asking for it and its use. */
const lostPort = (cause: unknown): boolean =>
  cause instanceof StartFailure && cause.said.includes("address already in use")

/** Starts our own control plane; a start that fails leaves its logs and says where. */
export const startLocal = async (options: ControlPlaneOptions): Promise<ControlPlane> => {
  const bin = await controlPlaneBinaries(options.say)
  for (let attempt = 1; ; attempt++) {
    const folder = await prepareFolder()
    try {
      return await launch(bin, folder, options)
    } catch (cause) {
      if (attempt < 3 && lostPort(cause)) {
        await removeFolder(folder)
        continue
      }
      const kept = await keepLogs(folder)
      const said = cause instanceof Error ? cause.message : String(cause)
      throw new Error(
        `the test control plane did not start, its logs are kept in ${kept}: ${said}`,
        { cause },
      )
    }
  }
}
