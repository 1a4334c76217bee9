// Where the test control plane's programs come from: a folder the caller names, or one build into a cache.
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { access, constants, mkdir, readdir, readFile, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { isAlive, withLock } from "./BuildLock.ts"
import { spawnGuarded } from "./Guarded.ts"

const run = promisify(execFile)
const moduleFolder = join(import.meta.dirname, "go")

/** The Kubernetes release that the committed go.mod pins. */
export const kubernetesVersion = "v1.36.3"

const programs = {
  etcd: "go.etcd.io/etcd/server/v3",
  "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
  "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
  kubectl: "k8s.io/kubernetes/cmd/kubectl",
  kustomize: "sigs.k8s.io/kustomize/kustomize/v5",
} as const

export type Program = keyof typeof programs
export const allPrograms = Object.keys(programs) as readonly Program[]

/** Paths of the programs; those that the source does not have are absent. */
export type Binaries = Partial<Record<Program, string>>

// Without these stamps the server calls itself v0.0.0-master and kubectl stumbles over it.
const [major, minor] = kubernetesVersion.slice(1).split(".")
const ldflags = [
  "-s -w",
  ...["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((path) => [
    `-X ${path}.gitVersion=${kubernetesVersion}`,
    `-X ${path}.gitMajor=${major}`,
    `-X ${path}.gitMinor=${minor}`,
    `-X ${path}.gitTreeState=clean`,
  ]),
].join(" ")

const heartbeatMs = 15_000
const buildLimitMs = 60 * 60_000

/** Where a line about what takes long goes. */
export type Progress = (line: string) => void
export const toStderr: Progress = (line) => void process.stderr.write(`nopea tests: ${line}\n`)

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

/** The cache folder; its name holds a digest of go.mod, so another pin never meets old binaries. */
export const cacheFolder = async (): Promise<string> => {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache")
  const pins = await readFile(join(moduleFolder, "go.mod"))
  const digest = createHash("sha256").update(pins).update(ldflags).digest("hex").slice(0, 8)
  return join(cache, "nopea", `${kubernetesVersion}-${digest}`, "bin")
}

const presentIn = async (folder: string, wanted: readonly Program[]): Promise<Binaries> => {
  const found: Binaries = {}
  for (const name of wanted) {
    const path = join(folder, name)
    if (await isExecutable(path)) found[name] = path
  }
  return found
}

const seconds = (since: number): string => `${Math.round((Date.now() - since) / 1000)} s`

const requiredGo = async (): Promise<string> => {
  const text = await readFile(join(moduleFolder, "go.mod"), "utf8")
  return /^go (\d+\.\d+(?:\.\d+)?)$/m.exec(text)?.[1] ?? "1.26.0"
}

const isOlder = (have: string, want: string): boolean => {
  const parts = (version: string) => version.split(".").map((part) => Number.parseInt(part, 10))
  const [a, b] = [parts(have), parts(want)]
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

const instead =
  "or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl, or NOPEA_TEST_KUBECONFIG to a test cluster"

/** Fails with one line that says what to install; runs inside the module, where Go may switch its toolchain. */
const checkGo = async (): Promise<void> => {
  const want = await requiredGo()
  const install = `install Go ${want} or newer (https://go.dev/dl), ${instead}`
  const { stdout } = await run("go", ["env", "GOVERSION"], { cwd: moduleFolder }).catch((cause) => {
    if (cause.code === "ENOENT")
      throw new Error(
        `the test control plane is built with Go, and there is no "go" in PATH: ${install}`,
      )
    throw new Error(`"go env" failed (${String(cause.stderr || cause.message).trim()}): ${install}`)
  })
  const have = stdout.trim().replace(/^go/, "")
  if (isOlder(have, want)) throw new Error(`Go ${have} is too old: ${install}`)
}

const lastLines = async (path: string, count: number): Promise<string> =>
  (await readFile(path, "utf8")).trimEnd().split("\n").slice(-count).join("\n")

/** A program of a Go module. */
export interface Source {
  readonly name: string
  readonly module: string
  readonly target: string
}

const sourceOf = (name: Program): Source => ({ name, module: moduleFolder, target: programs[name] })

const buildOne = async (folder: string, source: Source, label: string, say: Progress) => {
  const { name } = source
  const target = join(folder, name)
  const unfinished = join(folder, `.${name}.${process.pid}`)
  const log = join(folder, `.${name}.log`)
  const started = Date.now()
  await rm(log, { force: true })
  say(`building ${name} ${label}, takes minutes…`)
  const args = ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ldflags]
  const build = spawnGuarded("go", [...args, "-o", unfinished, source.target], {
    cwd: source.module,
    env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off" },
    log,
    removeIfOrphaned: unfinished,
  })
  const heartbeat = setInterval(
    () => say(`building ${name} ${label}: ${seconds(started)}`),
    heartbeatMs,
  )
  const limit = setTimeout(() => void build.kill(), buildLimitMs)
  const code = await build.exited
  clearInterval(heartbeat)
  clearTimeout(limit)
  if (code !== 0) {
    await rm(unfinished, { force: true })
    throw new Error(
      `building ${name} failed (exit ${code}), log ${log}:\n${await lastLines(log, 20)}`,
    )
  }
  await rename(unfinished, target)
  await rm(log, { force: true })
  say(`built ${name} ${label} in ${seconds(started)}`)
}

const removeUnfinished = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    const pid = /^\.[a-z-]+\.(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { force: true })
  }
}

const buildMissing = async (folder: string, wanted: readonly Program[], say: Progress) => {
  const present = await presentIn(folder, wanted)
  const missing = wanted.filter((name) => present[name] === undefined)
  if (missing.length === 0) return
  await checkGo()
  await removeUnfinished(folder)
  for (const [index, name] of missing.entries())
    await buildOne(folder, sourceOf(name), `(${index + 1}/${missing.length})`, say)
}

/** The wanted programs from the cache; those that are not there yet are built, once for all runs. */
export const cachedBinaries = async (
  wanted: readonly Program[] = allPrograms,
  say: Progress = toStderr,
): Promise<Record<Program, string>> => {
  const folder = await cacheFolder()
  const present = async () => (await presentIn(folder, wanted)) as Record<Program, string>
  if (Object.keys(await present()).length === wanted.length) return present()
  await mkdir(folder, { recursive: true })
  const lock = { file: join(folder, "build.lock"), limitMs: buildLimitMs, say }
  await withLock(lock, () => buildMissing(folder, wanted, say))
  return present()
}

/** A program that is no part of the control plane; `folder` is its own place in the cache. */
export const cachedFrom = async (
  folder: string,
  source: Source,
  say: Progress = toStderr,
): Promise<string> => {
  const path = join(folder, source.name)
  const lock = { file: join(folder, "build.lock"), limitMs: buildLimitMs, say }
  const build = async () => {
    if (await isExecutable(path)) return
    await checkGo()
    await buildOne(folder, source, "(1/1)", say)
  }
  if (!(await isExecutable(path))) await withLock(lock, build)
  return path
}

/** One program from the cache, built if need be. */
export const cachedBinary = async (name: Program): Promise<string> =>
  (await cachedBinaries([name]))[name]

/** kustomize: from KUBEBUILDER_ASSETS where it has one, else from the cache. */
export const kustomizeBinary = async (): Promise<string> => {
  const assets = process.env["KUBEBUILDER_ASSETS"]
  const found = assets ? await presentIn(assets, ["kustomize"]) : {}
  return found.kustomize ?? cachedBinary("kustomize")
}

/** The programs of the control plane: from KUBEBUILDER_ASSETS when set, else from the cache. */
export const controlPlaneBinaries = async (say: Progress = toStderr): Promise<Binaries> => {
  const assets = process.env["KUBEBUILDER_ASSETS"]
  if (assets === undefined || assets === "") return cachedBinaries(allPrograms, say)
  const found = await presentIn(assets, allPrograms)
  const absent = (["etcd", "kube-apiserver", "kubectl"] as const).filter((name) => !found[name])
  if (absent.length > 0)
    throw new Error(`KUBEBUILDER_ASSETS=${assets} has no executable ${absent.join(", ")}`)
  if (found["kube-controller-manager"] === undefined)
    say("KUBEBUILDER_ASSETS has no kube-controller-manager: tests that need one are skipped")
  return found
}
