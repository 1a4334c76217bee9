/** A kubeconfig as a source of credentials: tokens, client certificates, exec plugins, OIDC. Imported only when used. */
import { execFile } from "node:child_process"
import type { RequestOptions } from "node:https"
import { delimiter, dirname, resolve } from "node:path"
import { type Cluster, KubeConfig, type User } from "@kubernetes/client-node"
import { Clock, Effect, Redacted, Result } from "effect"
import { ConfigError, type KubeError } from "../domain/errors.ts"
import { parseProxy, proxyFor, type Variables } from "../domain/proxy.ts"
import { type Credential, FRESH, type Identity, type Source, type Tls } from "./credential.ts"
import { oneLine } from "./status.ts"
import { credentialsError } from "./unanswered.ts"

const NAMES_ALL =
  "give a kubeconfig (KUBECONFIG, --kubeconfig) whose context names a cluster and a user"

const unusable = (path: string, reason: string, fix = NAMES_ALL): ConfigError =>
  new ConfigError({
    code: "NOPEA-C031",
    operation: "read kubeconfig",
    subject: path,
    reason: oneLine(reason, 300),
    fix,
    disposition: "stall",
  })

const load = (path: string, context: string | undefined): KubeConfig => {
  const config = new KubeConfig()
  const [first = "", ...others] = path.split(delimiter).filter((file) => file !== "")
  config.loadFromFile(first)
  for (const file of others) {
    const more = new KubeConfig()
    more.loadFromFile(file)
    config.mergeConfig(more, true)
  }
  if (context !== undefined) config.setCurrentContext(context)
  return config
}

/** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins */
interface ExecPlugin {
  readonly command: string
  readonly args?: ReadonlyArray<string> | null
  readonly env?: ReadonlyArray<{ readonly name: string; readonly value: string }> | null
  readonly apiVersion?: string
}

interface ExecStatus {
  readonly token?: string
  readonly clientCertificateData?: string
  readonly clientKeyData?: string
  readonly expirationTimestamp?: string
}

const PLUGIN_LIMIT = 60_000

const pluginEnvironment = (plugin: ExecPlugin): NodeJS.ProcessEnv => ({
  ...process.env,
  KUBERNETES_EXEC_INFO: JSON.stringify({
    apiVersion: plugin.apiVersion ?? "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { interactive: false },
  }),
  ...Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value])),
})

/** Its standard output holds the token: no message of ours ever quotes it. */
const parseExec = (output: string): ExecStatus | undefined => {
  try {
    const { status } = JSON.parse(output) as { readonly status?: ExecStatus }
    return status?.token === undefined && status?.clientCertificateData === undefined
      ? undefined
      : status
  } catch {
    return undefined
  }
}

const runPlugin = (plugin: ExecPlugin, folder: string): Effect.Effect<ExecStatus, KubeError> =>
  Effect.callback<ExecStatus, KubeError>((resume, signal) => {
    const subject = `exec plugin ${plugin.command}`
    const command = plugin.command.includes("/") ? resolve(folder, plugin.command) : plugin.command
    const limits = { timeout: PLUGIN_LIMIT, killSignal: "SIGKILL", maxBuffer: 2 ** 20 } as const
    const options = { ...limits, signal, env: pluginEnvironment(plugin) }
    execFile(command, plugin.args ?? [], options, (failure, stdout, stderr) => {
      const status = failure === null ? parseExec(stdout) : undefined
      const why =
        failure === null ? "did not print an ExecCredential" : `failed: ${stderr || failure.code}`
      resume(
        status ? Effect.succeed(status) : Effect.fail(credentialsError(subject, oneLine(why, 300))),
      )
    }).stdin?.end()
  })

/** What a kubeconfig makes of TLS and headers; its PEM texts may be Buffers. */
const identityOf = (options: RequestOptions): Identity => {
  const { ca, cert, key, servername, rejectUnauthorized, auth } = options
  const headers = options.headers as Readonly<Record<string, string>> | undefined
  const authorization = auth
    ? `Basic ${Buffer.from(auth).toString("base64")}`
    : headers?.["Authorization"]
  const tls: Tls = {
    ...(ca && { ca: String(ca) }),
    ...(cert && { cert: String(cert) }),
    ...(key && { key: Redacted.make(String(key)) }),
    ...(servername && { servername }),
    ...(rejectUnauthorized === false && { rejectUnauthorized }),
  }
  return authorization ? { tls, authorization: Redacted.make(authorization) } : { tls }
}

const credentialOf = (config: KubeConfig, until: number): Effect.Effect<Credential, KubeError> =>
  Effect.tryPromise({
    try: async () => {
      const options: RequestOptions = {}
      await config.applyToHTTPSOptions(options)
      return { identity: identityOf(options), until }
    },
    catch: (cause) =>
      credentialsError("kubeconfig", oneLine(cause instanceof Error ? cause.message : "", 300)),
  })

/** The user with what its plugin gave, in the plugin's place. */
const withExec = (config: KubeConfig, user: User, status: ExecStatus): KubeConfig => {
  const { exec: _, authProvider: __, ...plain } = user
  const { token, clientCertificateData, clientKeyData } = status
  const base64 = (text: string) => Buffer.from(text).toString("base64")
  const copy = new KubeConfig()
  copy.loadFromClusterAndUser(config.getCurrentCluster() as Cluster, {
    ...plain,
    ...(token && { token }),
    ...(clientCertificateData && { certData: base64(clientCertificateData) }),
    ...(clientKeyData && { keyData: base64(clientKeyData) }),
  })
  return copy
}

/** A plugin's answer holds until it expires; without an expiry until the server refuses it. */
const expiry = (status: ExecStatus): number =>
  status.expirationTimestamp === undefined
    ? Number.POSITIVE_INFINITY
    : Date.parse(status.expirationTimestamp) || 0

const readCredential = (path: string, context: string | undefined) =>
  Effect.gen(function* () {
    const config = yield* Effect.try({
      try: () => load(path, context),
      catch: () => credentialsError(path, "cannot be read"),
    })
    const user = config.getCurrentUser()
    const plugin: ExecPlugin | undefined = user?.exec ?? user?.authProvider?.config?.exec
    if (user === null || plugin === undefined)
      return yield* credentialOf(config, (yield* Clock.currentTimeMillis) + FRESH)
    const status = yield* runPlugin(plugin, dirname(path.split(delimiter)[0] ?? ""))
    return yield* credentialOf(withExec(config, user, status), expiry(status))
  })

const whyUnusable = (config: KubeConfig): string => {
  const name = config.getCurrentContext()
  const known = config.getContexts().map((context) => context.name)
  if (known.includes(name)) return `context ${name} names no cluster and user`
  const has = known.length === 0 ? "none" : known.slice(0, 10).join(", ")
  return name
    ? `has no context ${name} (it has: ${has})`
    : `has no current context (it has: ${has})`
}

/** As kubectl: the kubeconfig's own goes before those of the environment, and NO_PROXY is not for it. */
const proxyOf = ({ proxyUrl, server }: Cluster, variables: Variables) => {
  const url = URL.parse(server)
  if (url === null) return Result.succeed(undefined)
  return proxyUrl ? parseProxy("proxy-url", proxyUrl) : proxyFor(url, variables)
}

/** Parses the file once for the server's address; `read` reads it anew, so an edited file counts. */
export const openKubeconfig = (
  path: string,
  context: string | undefined,
  variables: Variables,
): Effect.Effect<Source, ConfigError> =>
  Effect.gen(function* () {
    const config = yield* Effect.try({
      try: () => load(path, context),
      catch: (cause) => {
        const { code } = cause as NodeJS.ErrnoException
        return unusable(path, code ? `cannot be read (${code})` : "is not a kubeconfig")
      },
    })
    const cluster = config.getCurrentCluster()
    const user = config.getCurrentUser()
    const chosen = config.getContextObject(config.getCurrentContext())
    if (cluster === null || !user) return yield* unusable(path, whyUnusable(config))
    if (user.impersonateUser)
      return yield* unusable(path, "its user impersonates another one (as), which is not supported")
    if (cluster.skipTLSVerify)
      yield* Effect.logWarning(
        "the kubeconfig switches TLS verification off: anybody between may read the token",
      )
    const proxy = proxyOf(cluster, variables)
    if (Result.isFailure(proxy))
      return yield* unusable(path, proxy.failure.reason, proxy.failure.fix)
    return {
      server: cluster.server.replace(/\/+$/u, ""),
      ...(proxy.success && { proxy: proxy.success }),
      read: readCredential(path, context),
      ...(chosen?.namespace && { namespace: chosen.namespace }),
    }
  })
