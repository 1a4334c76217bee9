// A real Kubernetes control plane for tests, the demo and benchmarks: an existing cluster when
// NOPEA_TEST_KUBECONFIG names one, else our own etcd, kube-apiserver and kube-controller-manager.
import type { AuditEntry, AuditFilter, AuditMark } from "./audit.ts"
import type { Progress } from "./binaries.ts"
import type { KeyPair } from "./certificates.ts"
import { connectExisting } from "./ExistingCluster.ts"
import { startLocal } from "./LocalPlane.ts"
import type { Account, Tokens } from "./users.ts"

export interface ControlPlaneOptions {
  /** Further accounts with static tokens. */
  readonly accounts?: readonly Account[]
  /** Further flags of kube-apiserver; a flag given here replaces ours of the same name. */
  readonly apiServerFlags?: readonly string[]
  /** Default true; false saves about 100 MB where nothing is collected or rolled out. */
  readonly controllerManager?: boolean
  /** Default 60 s. */
  readonly startLimitMs?: number
  /** Where progress goes; default standard error. */
  readonly say?: Progress
}

/** What a test in another process needs to use the control plane; serialisable. */
export interface ClusterInfo {
  readonly server: string
  /** The authority's certificate, PEM. */
  readonly ca: string
  readonly tokens: Tokens
  /** Path of a kubeconfig whose current context is the admin; others: `controller`, `nobody`. */
  readonly kubeconfig: string
  readonly bin: { readonly kubectl: string; readonly kustomize?: string }
  readonly hasControllerManager: boolean
  readonly hasAudit: boolean
  /** Path of the audit log (see `audit.ts`). */
  readonly auditLog?: string
  /** Folder of the authority that client certificates are issued by. */
  readonly authority?: string
}

export interface ControlPlane extends ClusterInfo {
  /** The admin's bearer token. */
  readonly token: string
  readonly info: ClusterInfo
  readonly audit: (filter?: AuditFilter) => Promise<AuditEntry[]>
  readonly auditMark: () => Promise<AuditMark>
  readonly auditCount: (filter?: AuditFilter) => Promise<number>
  /** A client certificate whose user is `user`, in `groups`. */
  readonly clientCertificate: (user: string, groups?: readonly string[]) => Promise<KeyPair>
  /** Stops the API server; it answers again on the same port after `startApiServer`. */
  readonly stopApiServer: () => Promise<void>
  readonly startApiServer: () => Promise<void>
  readonly restartApiServer: () => Promise<void>
  /** Stops everything; the logs are kept, and their folder is named, when `keepLogs` is true. */
  readonly stop: (options?: { readonly keepLogs?: boolean }) => Promise<void>
}

/** Starts a control plane (about 4 s), or connects to the cluster of NOPEA_TEST_KUBECONFIG. */
export const startControlPlane = (options: ControlPlaneOptions = {}): Promise<ControlPlane> => {
  const existing = process.env["NOPEA_TEST_KUBECONFIG"]
  return existing === undefined || existing === "" ? startLocal(options) : connectExisting(existing)
}
