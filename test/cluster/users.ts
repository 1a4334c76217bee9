// Who may speak to the test control plane: its static tokens, kubeconfig text and audit policy.
import { randomBytes } from "node:crypto"

/** `admin` may do everything, `controller` is NOPEA's service account without any grant, `nobody` has no grant. */
export type UserName = "admin" | "controller" | "nobody"

/** Bearer tokens by user. */
export type Tokens = Readonly<Record<UserName, string>>

export interface Account {
  readonly token: string
  readonly user: string
  readonly groups: readonly string[]
}

const token = (): string => randomBytes(24).toString("hex")

/** The accounts that the server is started with; `extra` are further ones of the caller. */
export const accounts = (
  tokens: Tokens,
  machine: string,
  extra: readonly Account[] = [],
): readonly Account[] => [
  { token: tokens.admin, user: "admin", groups: ["system:masters"] },
  { token: machine, user: "system:kube-controller-manager", groups: ["system:masters"] },
  {
    token: tokens.controller,
    user: "system:serviceaccount:nopea-system:nopea",
    groups: ["system:serviceaccounts", "system:serviceaccounts:nopea-system"],
  },
  { token: tokens.nobody, user: "nobody", groups: [] },
  ...extra,
]

export const newTokens = (): Tokens => ({ admin: token(), controller: token(), nobody: token() })
export const newToken = token

/** The text for --token-auth-file. */
export const tokenFile = (list: readonly Account[]): string =>
  list
    .map(
      ({ token, user, groups }, index) => `${token},${user},uid-${index},"${groups.join(",")}"\n`,
    )
    .join("")

/** A kubeconfig with one context per user; the current one is the first. */
export const kubeconfigText = (
  server: string,
  ca: string,
  tokens: Readonly<Record<string, string>>,
): string => {
  const names = Object.keys(tokens)
  return JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "nopea-test",
          cluster: { server, "certificate-authority-data": Buffer.from(ca).toString("base64") },
        },
      ],
      users: names.map((name) => ({ name, user: { token: tokens[name] } })),
      contexts: names.map((name) => ({ name, context: { cluster: "nopea-test", user: name } })),
      "current-context": names[0],
    },
    null,
    2,
  )
}

/** Every request is logged once (watches also as they end), save the server's own and the probes. */
export const auditPolicy: string = JSON.stringify({
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    { level: "None", users: ["system:apiserver"] },
    { level: "None", nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"] },
    { level: "Metadata" },
  ],
})
