// What a cluster test starts from: an admin client, a namespace of its own, and the audit log.
import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, inject } from "vitest"
import { Api } from "./Api.ts"
import { type AuditEntry, type AuditFilter, type AuditMark, auditMark, readAudit } from "./audit.ts"
import type { ClusterInfo } from "./ControlPlane.ts"
import { issueCertificate, type KeyPair } from "./certificates.ts"
import type {} from "./globalSetup.ts"

/** The control plane of this test run. */
export const cluster = (): ClusterInfo => inject("cluster")

/** A client of the admin, closed after the test file. */
export const connect = (options: { readonly userAgent?: string } = {}): Api => {
  const { server, ca, tokens } = cluster()
  const api = new Api({ server, ca, token: tokens.admin, ...options })
  afterAll(() => api.close())
  return api
}

/** Makes a namespace for this test file (or describe block) and deletes it afterwards; answers its name. */
export const freshNamespace = (api: Api, prefix = "test"): string => {
  const name = `${prefix}-${randomBytes(4).toString("hex")}`
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } }
  beforeAll(async () => void (await api.create(namespace)))
  afterAll(() => api.delete(namespace))
  return name
}

const auditLog = (): string => {
  const log = cluster().auditLog
  if (log === undefined)
    throw new Error("this cluster has no audit log: skip by cluster().hasAudit")
  return log
}

export const audit = (filter?: AuditFilter): Promise<AuditEntry[]> => readAudit(auditLog(), filter)
export const markAudit = (): Promise<AuditMark> => auditMark(auditLog())
export const auditCount = async (filter?: AuditFilter): Promise<number> =>
  (await audit(filter)).length

/** A client certificate of this test run's authority. */
export const clientCertificate = (
  user: string,
  groups: readonly string[] = [],
): Promise<KeyPair> => {
  const folder = cluster().authority
  if (folder === undefined) throw new Error("this cluster's authority is not ours")
  const file = `client-${randomBytes(6).toString("hex")}`
  return issueCertificate(folder, {
    file,
    commonName: user,
    organizations: groups,
    usage: "clientAuth",
  })
}
