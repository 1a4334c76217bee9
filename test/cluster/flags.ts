// The command lines of the control plane's programs.
import { join } from "node:path"
import type { Folder } from "./Folder.ts"

export const etcdFlags = (folder: Folder, client: number, peer: number): string[] => [
  `--data-dir=${join(folder.path, "etcd")}`,
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-cluster=default=http://127.0.0.1:${peer}`,
  "--unsafe-no-fsync",
  "--log-level=warn",
]

export const apiServerFlags = (folder: Folder, etcd: number, port: number): string[] => {
  const pki = (name: string) => join(folder.pki, name)
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${folder.pki}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    `--client-ca-file=${pki("ca.crt")}`,
    `--token-auth-file=${pki("tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${pki("sa.pub")}`,
    `--service-account-signing-key-file=${pki("sa.key")}`,
    "--service-cluster-ip-range=10.0.0.0/24",
    "--disable-admission-plugins=ServiceAccount",
    "--allow-privileged=true",
    `--audit-policy-file=${pki("audit-policy.json")}`,
    `--audit-log-path=${folder.auditLog}`,
    "--audit-log-mode=blocking",
    "--audit-log-maxsize=10000",
    "--endpoint-reconciler-type=none",
  ]
}

const controllers = [
  "namespace-controller",
  "garbage-collector-controller",
  "serviceaccount-controller",
  "clusterrole-aggregation-controller",
  "deployment-controller",
  "replicaset-controller",
  "job-controller",
]

export const controllerManagerFlags = (kubeconfig: string): string[] => [
  `--kubeconfig=${kubeconfig}`,
  `--authentication-kubeconfig=${kubeconfig}`,
  `--authorization-kubeconfig=${kubeconfig}`,
  `--controllers=${controllers.join(",")}`,
  "--leader-elect=false",
  "--secure-port=0",
  // The default of 20 requests per second makes a test with many objects wait for the collector.
  "--kube-api-qps=200",
  "--kube-api-burst=400",
]

const flagName = (flag: string): string => flag.split("=", 1)[0] ?? flag

/** `own` replaces flags of the same name. */
export const withReplaced = (flags: readonly string[], own: readonly string[] = []): string[] => {
  const replaced = new Set(own.map(flagName))
  return [...flags.filter((flag) => !replaced.has(flagName(flag))), ...own]
}
