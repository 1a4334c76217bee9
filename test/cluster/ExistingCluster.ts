// The cluster of NOPEA_TEST_KUBECONFIG, used through a service account of its own.
import { execFile, spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { cachedBinary } from "./binaries.ts"
import type { ClusterInfo, ControlPlane } from "./ControlPlane.ts"
import { secret } from "./Folder.ts"
import { kubeconfigText, type Tokens } from "./users.ts"

const run = promisify(execFile)
const access = "nopea-test-access"
const limitMs = 60_000

type Kubectl = (args: readonly string[], input?: object) => Promise<string>

const kubectlWith = (path: string, kubeconfig: string): Kubectl => {
  return (args, input) =>
    new Promise((resolve, reject) => {
      const child = spawn(path, ["--kubeconfig", kubeconfig, ...args], { timeout: limitMs })
      const [out, err]: [string[], string[]] = [[], []]
      child.stdout.setEncoding("utf8").on("data", (text) => out.push(text))
      child.stderr.setEncoding("utf8").on("data", (text) => err.push(text))
      child.once("error", reject)
      child.once("close", (code) => {
        if (code === 0) resolve(out.join(""))
        else
          reject(new Error(`kubectl ${args[0]} on NOPEA_TEST_KUBECONFIG failed: ${err.join("")}`))
      })
      child.stdin.end(input === undefined ? "" : JSON.stringify(input))
    })
}

const serviceAccount = (namespace: string, name: string) => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { namespace, name },
})

const namespace = (name: string) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })

const adminBinding = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: access },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
  subjects: [{ kind: "ServiceAccount", name: "admin", namespace: access }],
}

const ours = [
  namespace(access),
  serviceAccount(access, "admin"),
  serviceAccount(access, "nobody"),
  adminBinding,
]

/** The controller's, which an installed one has already: then they stay as they are. */
const shared = [
  { item: namespace("nopea-system"), name: ["namespace", "nopea-system"] },
  {
    item: serviceAccount("nopea-system", "nopea"),
    name: ["serviceaccount", "nopea", "--namespace=nopea-system"],
  },
]

type Shared = (typeof shared)[number]

const missing = async (kubectl: Kubectl): Promise<Shared[]> => {
  const found = await Promise.all(
    shared.map(({ name }) => kubectl(["get", ...name, "--ignore-not-found", "--output=name"])),
  )
  return shared.filter((_, i) => found[i] === "")
}

const createTokens = async (kubectl: Kubectl, added: readonly Shared[]): Promise<Tokens> => {
  const items = [...ours, ...added.map(({ item }) => item)]
  await kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items })
  const token = async (where: string, name: string) =>
    (await kubectl(["create", "token", name, "-n", where, "--duration=12h"])).trim()
  const [admin, nobody, controller] = await Promise.all([
    token(access, "admin"),
    token(access, "nobody"),
    token("nopea-system", "nopea"),
  ])
  return { admin, nobody, controller }
}

const endpoint = async (kubectl: Kubectl): Promise<{ server: string; ca: string }> => {
  const text = await kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"])
  const cluster = JSON.parse(text).clusters[0].cluster as Record<string, string>
  const [server, ca] = [cluster["server"], cluster["certificate-authority-data"]]
  if (!server || !ca)
    throw new Error("NOPEA_TEST_KUBECONFIG must name a server and its certificate authority")
  return { server, ca: Buffer.from(ca, "base64").toString("utf8") }
}

const installedKubectl = (): Promise<string> =>
  run("kubectl", ["version", "--client"]).then(
    () => "kubectl",
    () => cachedBinary("kubectl"),
  )

const impossible = (what: string) => () =>
  Promise.reject(new Error(`${what} is not possible on the cluster of NOPEA_TEST_KUBECONFIG`))

/** Uses a cluster that is there; `stop` removes what was added for the tokens. */
export const connectExisting = async (kubeconfig: string): Promise<ControlPlane> => {
  const bin = { kubectl: await installedKubectl() }
  const kubectl = kubectlWith(bin.kubectl, kubeconfig)
  const { server, ca } = await endpoint(kubectl)
  const added = await missing(kubectl)
  const tokens = await createTokens(kubectl, added)
  const folder = await mkdtemp(join(tmpdir(), `nopea-cluster-${process.pid}-`))
  const path = join(folder, "kubeconfig")
  await writeFile(path, kubeconfigText(server, ca, { ...tokens }), secret)
  const found = { server, ca, tokens, kubeconfig: path, bin }
  const info: ClusterInfo = { ...found, hasControllerManager: true, hasAudit: false }
  return {
    ...info,
    token: tokens.admin,
    info,
    audit: impossible("reading the audit log"),
    auditMark: impossible("reading the audit log"),
    auditCount: impossible("reading the audit log"),
    clientCertificate: impossible("issuing client certificates"),
    stopApiServer: impossible("stopping the API server"),
    startApiServer: impossible("starting the API server"),
    restartApiServer: impossible("restarting the API server"),
    stop: async () => {
      await rm(folder, { recursive: true, force: true })
      await kubectl(["delete", "clusterrolebinding", access, "--ignore-not-found"])
      await kubectl(["delete", "namespace", access, "--ignore-not-found", "--wait=false"])
      for (const { name } of added.toReversed())
        await kubectl(["delete", ...name, "--ignore-not-found", "--wait=false"])
    },
  }
}
