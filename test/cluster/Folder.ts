// The folder of one control plane: keys, certificates, tokens, data and logs.
import { generateKeyPairSync } from "node:crypto"
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { createAuthority, issueCertificate, type KeyPair } from "./certificates.ts"
import { type Account, auditPolicy, tokenFile } from "./users.ts"

export interface Folder {
  readonly path: string
  readonly pki: string
  readonly logs: string
  readonly auditLog: string
  readonly kubeconfig: string
}

export const prepareFolder = async (): Promise<Folder> => {
  const path = await mkdtemp(join(tmpdir(), `nopea-cluster-${process.pid}-`))
  const at = (name: string) => join(path, name)
  await Promise.all([mkdir(at("pki")), mkdir(at("logs")), mkdir(at("etcd"), { mode: 0o700 })])
  return {
    path,
    pki: at("pki"),
    logs: at("logs"),
    auditLog: at("logs/audit.log"),
    kubeconfig: at("kubeconfig"),
  }
}

/** Only the owner may read it. */
export const secret = { mode: 0o600 } as const

export const prepareFiles = async (folder: Folder, list: readonly Account[]): Promise<KeyPair> => {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const at = (name: string) => join(folder.pki, name)
  await writeFile(at("sa.key"), keys.privateKey.export({ type: "pkcs8", format: "pem" }), secret)
  await writeFile(at("sa.pub"), keys.publicKey.export({ type: "spki", format: "pem" }))
  await writeFile(at("tokens.csv"), tokenFile(list), secret)
  await writeFile(at("audit-policy.json"), auditPolicy)
  const authority = await createAuthority(folder.pki, "nopea-test-ca")
  await issueCertificate(folder.pki, {
    file: "apiserver",
    commonName: "kube-apiserver",
    names: ["IP:127.0.0.1", "IP:10.0.0.1", "DNS:localhost", "DNS:kubernetes.default.svc"],
    usage: "serverAuth",
  })
  return authority
}

const options = { recursive: true, force: true, maxRetries: 5 } as const

export const removeFolder = (folder: Folder): Promise<void> => rm(folder.path, options)

/** Removes everything but the logs, which move to a name that no clean-up of ours touches; answers it. */
export const keepLogs = async (folder: Folder): Promise<string> => {
  const name = basename(folder.path).replace("nopea-cluster", "nopea-cluster-logs")
  const kept = join(tmpdir(), name)
  await rename(folder.logs, kept)
  await removeFolder(folder)
  return kept
}
