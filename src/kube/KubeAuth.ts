/** Who we are to the API server, and how we know it: the pod's service account, or a kubeconfig. */
import { readFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { Clock, Effect, Redacted, Semaphore } from "effect"
import { ConfigError, type KubeError } from "../domain/errors.ts"
import type { WebProxy } from "../domain/proxy.ts"
import { type Credential, FRESH, type Identity, type Source, type Tls } from "./credential.ts"
import { credentialsError } from "./unanswered.ts"

const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"

export interface Access {
  readonly server: string
  readonly proxy?: WebProxy
  /** Of the kubeconfig's context. */
  readonly namespace?: string
  /** The identity in force. `refused` is one that the server did not accept: it is read again. */
  readonly identity: (refused?: Identity) => Effect.Effect<Identity, KubeError>
}

/** Equal TLS settings stay one object: connections are kept as long as it is the same. */
const keepTls = (before: Identity | undefined, after: Identity): Identity => {
  const text = ({ key, ...tls }: Tls) => JSON.stringify({ ...tls, key: key && Redacted.value(key) })
  const isSame = before !== undefined && text(before.tls) === text(after.tls)
  return isSame ? { ...after, tls: before.tls } : after
}

/** Reads a source once at a time and keeps what it gave. */
export const makeAccess = ({ read, ...source }: Source): Effect.Effect<Access> =>
  Effect.gen(function* () {
    const one = yield* Semaphore.make(1)
    let kept: Credential | undefined

    const keptOr = (
      refused: Identity | undefined,
      renew: Effect.Effect<Identity, KubeError>,
    ): Effect.Effect<Identity, KubeError> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        kept !== undefined && kept.until > now && kept.identity !== refused
          ? Effect.succeed(kept.identity)
          : renew,
      )

    const renewed = Effect.map(read, ({ identity, until }) => {
      kept = { identity: keepTls(kept?.identity, identity), until }
      return kept.identity
    })
    return {
      ...source,
      identity: (refused) => keptOr(refused, one.withPermits(1)(keptOr(refused, renewed))),
    }
  })

const readText = (path: string): Effect.Effect<string, KubeError> =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) =>
      credentialsError(path, `cannot be read (${(cause as { code?: string }).code})`),
  })

/** The token is rotated by the kubelet: both files are read again at least every minute. */
const readFolder = (folder: string): Effect.Effect<Credential, KubeError> =>
  Effect.gen(function* () {
    const token = (yield* readText(join(folder, "token"))).trim()
    const ca = yield* readText(join(folder, "ca.crt"))
    if (token === "") return yield* credentialsError(join(folder, "token"), "is empty")
    const now = yield* Clock.currentTimeMillis
    return {
      identity: { authorization: Redacted.make(`Bearer ${token}`), tls: { ca } },
      until: now + FRESH,
    }
  })

export interface AccessOptions {
  /** A kubeconfig file (or several, as in KUBECONFIG); empty: the pod's service account, else `~/.kube/config`. */
  readonly kubeconfig?: string
  readonly context?: string
  /** Default: where the kubelet mounts it. */
  readonly serviceAccountFolder?: string
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const inCluster = ({
  environment = process.env,
  serviceAccountFolder = SERVICE_ACCOUNT_FOLDER,
}: AccessOptions): Source | undefined => {
  const host = environment["KUBERNETES_SERVICE_HOST"]
  const port = environment["KUBERNETES_SERVICE_PORT"]
  if (!host || !port) return undefined
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`
  return { server, read: readFolder(serviceAccountFolder) }
}

/** The file is loaded only here: its YAML and authentication code weigh 40 MB that a pod never needs. */
const fromKubeconfig = (path: string, { context, environment = process.env }: AccessOptions) =>
  Effect.promise(() => import("./KubeConfigFile.ts")).pipe(
    Effect.flatMap(({ openKubeconfig }) => openKubeconfig(path, context, environment)),
  )

const noAccess = (cause: KubeError): ConfigError =>
  new ConfigError({
    code: "NOPEA-C030",
    operation: "connect to",
    subject: "the cluster",
    reason: `${cause.subject}: ${cause.reason}`,
    fix: `${cause.fix}; or run in a pod with a service account, or set KUBECONFIG`,
    disposition: "stall",
  })

/** Chooses the source and reads it once, so that a wrong setting ends the start. */
export const openAccess = (options: AccessOptions = {}): Effect.Effect<Access, ConfigError> =>
  Effect.gen(function* () {
    const pod = options.kubeconfig ? undefined : inCluster(options)
    const path = options.kubeconfig || join(homedir(), ".kube", "config")
    const source = pod ?? (yield* fromKubeconfig(path, options))
    const access = yield* makeAccess(source)
    yield* Effect.mapError(access.identity(), noAccess)
    return access
  })
