import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { Api } from "./Api.ts"
import { controlPlaneBinaries } from "./binaries.ts"
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./ControlPlane.ts"
import { noProcessesWith, processesWith, runScript } from "./children.ts"
import { cluster } from "./connect.ts"
import { connectExisting } from "./ExistingCluster.ts"

const isOurs = cluster().hasAudit
const timeout = 120_000

const own = async (options: ControlPlaneOptions = {}): Promise<ControlPlane> => {
  const plane = await startControlPlane({
    controllerManager: false,
    say: () => undefined,
    ...options,
  })
  onTestFinished(() => plane.stop())
  return plane
}

const admin = ({ server, ca, token }: ControlPlane): Api => {
  const api = new Api({ server, ca, token })
  onTestFinished(() => api.close())
  return api
}

const marker = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "marker", namespace: "default" },
}

describe.skipIf(!isOurs)("a control plane of one's own", { timeout }, () => {
  it("survives an outage of its API server, on the same address, with its objects and its audit log", async () => {
    const plane = await own({
      accounts: [{ token: "t-dave", user: "dave", groups: ["system:masters"] }],
      apiServerFlags: ["--max-requests-inflight=123"],
    })
    const api = admin(plane)
    await api.create(marker)
    await plane.stopApiServer()
    await expect(api.get(marker)).rejects.toThrow()
    await plane.startApiServer()
    expect(await api.get(marker)).toMatchObject(marker)
    await plane.restartApiServer()
    const dave = api.as({ token: "t-dave", userAgent: "dave/1" })
    onTestFinished(() => dave.close())
    expect(await dave.get(marker)).toMatchObject(marker)
    expect(await plane.auditCount({ verb: "get", name: "marker" })).toBe(2)
    expect(await plane.audit({ user: "dave", name: "marker" })).toMatchObject([
      { userAgent: "dave/1" },
    ])
    expect(plane.hasControllerManager).toBe(false)
    expect(await processesWith("--max-requests-inflight=123")).not.toEqual([])
  })

  it("runs on the programs of KUBEBUILDER_ASSETS, without a controller manager", async () => {
    const assets = await mkdtemp(join(tmpdir(), "nopea-assets-"))
    onTestFinished(() => rm(assets, { recursive: true, force: true }))
    const bin = await controlPlaneBinaries()
    for (const name of ["etcd", "kube-apiserver", "kubectl"] as const)
      await symlink(bin[name] ?? "", join(assets, name))
    vi.stubEnv("KUBEBUILDER_ASSETS", assets)
    onTestFinished(() => void vi.unstubAllEnvs())
    const plane = await own({ controllerManager: true })
    expect(plane.info).toMatchObject({
      hasControllerManager: false,
      bin: { kubectl: join(assets, "kubectl") },
    })
    expect(await admin(plane).get(marker)).toBeUndefined()
  })

  it("leaves nothing when it stops, and its logs when it is told that a test failed", async () => {
    const said: string[] = []
    const plane = await own({ say: (line) => void said.push(line) })
    const folder = dirname(plane.kubeconfig)
    await plane.stop({ keepLogs: true })
    await noProcessesWith(folder)
    expect(existsSync(folder)).toBe(false)
    const [, logs = ""] = /kept in (.+)$/.exec(said.join("\n")) ?? []
    onTestFinished(() => rm(logs, { recursive: true, force: true }))
    expect(await readFile(join(logs, "kube-apiserver.log"), "utf8")).toContain("127.0.0.1")
  })

  it("that does not start says why, keeps its logs and leaves no process", async () => {
    const failing = startControlPlane({ apiServerFlags: ["--authorization-mode=Nonsense"] })
    const message = await failing.then(String, (cause: Error) => cause.message)
    expect(message).toContain('authorization-mode \\"Nonsense\\" is not a valid mode')
    const [, logs = "", id = ""] = /kept in (\S+-logs-(\S+)):/.exec(message) ?? []
    expect(existsSync(join(logs, "kube-apiserver.log"))).toBe(true)
    await rm(logs, { recursive: true })
    await noProcessesWith(`nopea-cluster-${id}`)
  })

  it.each([
    ["SIGKILL", "SIGKILL"],
    ["SIGTERM", 0],
    ["SIGINT", 0],
  ] as const)("ends with a parent that gets %s, its folder too", async (signal, code) => {
    const script = runScript(`await import("./cli.ts")`)
    const [, kubeconfig = ""] = await script.says(/KUBECONFIG=(.+)/, 60_000)
    const folder = dirname(kubeconfig)
    expect((await processesWith(folder)).length).toBeGreaterThanOrEqual(3)
    script.child.kill(signal)
    expect(await script.ended).toBe(code)
    await noProcessesWith(folder)
    expect(existsSync(folder)).toBe(false)
  })

  it("ends with a parent that fails of an error nobody caught", async () => {
    const script = runScript(
      `import { startControlPlane } from "./ControlPlane.ts"
       const plane = await startControlPlane()
       console.log("KUBECONFIG=" + plane.kubeconfig)
       setTimeout(() => { throw new Error("nobody caught me") })`,
    )
    const [, kubeconfig = ""] = await script.says(/KUBECONFIG=(.+)/, 60_000)
    expect(await script.ended).toBe(1)
    await noProcessesWith(dirname(kubeconfig))
    expect(existsSync(dirname(kubeconfig))).toBe(false)
  })
})

describe.skipIf(!isOurs)("a cluster that is there already", { timeout }, () => {
  it("is used through service accounts, which go again at the end", async () => {
    const there = await own()
    const system = { apiVersion: "v1", kind: "Namespace", metadata: { name: "nopea-system" } }
    const isThere = async () => (await admin(there).get(system)) !== undefined
    expect(await isThere()).toBe(false)
    const plane = await connectExisting(there.kubeconfig)
    expect(await isThere()).toBe(true)
    const api = admin(plane)
    expect(plane).toMatchObject({
      hasAudit: false,
      hasControllerManager: true,
      server: there.server,
    })
    expect(await api.list({ apiVersion: "v1", kind: "Namespace" })).not.toEqual([])
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" }
    const userOf = async (token: string) => {
      const client = api.as({ token })
      onTestFinished(() => client.close())
      const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
      return (await client.call("POST", path, { body: review })).body.status.userInfo.username
    }
    expect(await userOf(plane.tokens.controller)).toBe("system:serviceaccount:nopea-system:nopea")
    expect(await userOf(plane.tokens.nobody)).toBe("system:serviceaccount:nopea-test-access:nobody")
    await expect(plane.auditCount()).rejects.toThrow("not possible")
    await plane.stop()
    expect((await api.call("GET", "/api/v1/namespaces")).status).not.toBe(200)
    expect(existsSync(plane.kubeconfig)).toBe(false)
    expect((await admin(there).get(system))?.metadata.deletionTimestamp).toBeDefined()
  })
})
