/** Environment and flags, decoded once into one immutable Config. Every setting is a row of one table. */
import { Result } from "effect"
import { ConfigError } from "./domain/errors.ts"
import {
  address,
  bytes,
  clusterName,
  count,
  duration,
  flag,
  namespaces,
  oneOf,
  optionalUrl,
  type Parsed,
  secrets,
  text,
  token,
  urls,
} from "./domain/settingValues.ts"

interface Setting<A> {
  /** `NOPEA_DATA_DIR` is also `--data-dir`; only `KUBECONFIG` has no prefix. */
  readonly env: string
  /** As a user would write it; shown in the help. */
  readonly fallback: string
  readonly description: string
  readonly parse: (text: string) => Parsed<A>
  /** No flag, because arguments of processes can be seen; never repeated in a message. */
  readonly isSecret?: boolean
}

const setting = <A>(row: Setting<A>): Setting<A> => row

/** The table: names, defaults, meaning. Sizes in bytes, durations in milliseconds once decoded. */
export const SETTINGS = {
  kubeconfig: setting({
    env: "KUBECONFIG",
    fallback: "",
    description: "kubeconfig file; empty: the pod's service account, else ~/.kube/config",
    parse: text,
  }),
  listen: setting({
    env: "NOPEA_LISTEN",
    fallback: "0.0.0.0:8080",
    description: "address of webhooks and probes",
    parse: address,
  }),
  webhookSecret: setting({
    env: "NOPEA_WEBHOOK_SECRET",
    fallback: "",
    description:
      "secrets of the providers' webhook routes, comma-separated, each one valid; no flag; empty: these routes refuse everything",
    parse: secrets,
    isSecret: true,
  }),
  webhookMaxBytes: setting({
    env: "NOPEA_WEBHOOK_MAX_BYTES",
    fallback: "5Mi",
    description: "largest webhook body",
    parse: bytes,
  }),
  dataDir: setting({
    env: "NOPEA_DATA_DIR",
    fallback: "",
    description:
      "Git mirrors; may be lost at any time; empty: a folder below the temporary directory",
    parse: text,
  }),
  namespaces: setting({
    env: "NOPEA_NAMESPACES",
    fallback: "",
    description: "namespaces whose GitRepositories are served; empty: all",
    parse: namespaces,
  }),
  namespace: setting({
    env: "NOPEA_NAMESPACE",
    fallback: "nopea-system",
    description: "the controller's own namespace",
    parse: text,
  }),
  allowFileUrls: setting({
    env: "NOPEA_ALLOW_FILE_URLS",
    fallback: "false",
    description: "accept file:// URLs",
    parse: flag,
  }),
  defaultServiceAccount: setting({
    env: "NOPEA_DEFAULT_SERVICE_ACCOUNT",
    fallback: "",
    description: "impersonated where spec.serviceAccountName is not set",
    parse: text,
  }),
  allowControllerIdentity: setting({
    env: "NOPEA_ALLOW_CONTROLLER_IDENTITY",
    fallback: "false",
    description: "let GitRepositories outside the controller's namespace use its own rights",
    parse: flag,
  }),
  leaderElection: setting({
    env: "NOPEA_LEADER_ELECTION",
    fallback: "auto",
    description: "true, false, or auto: on in a pod, off with a kubeconfig",
    parse: oneOf("auto", "true", "false"),
  }),
  drainTimeout: setting({
    env: "NOPEA_DRAIN_TIMEOUT",
    fallback: "20s",
    description: "how long running syncs may finish at shutdown",
    parse: duration,
  }),
  renderTimeout: setting({
    env: "NOPEA_RENDER_TIMEOUT",
    fallback: "10s",
    description: "bound of parsing one batch of files",
    parse: duration,
  }),
  renderMaxBytes: setting({
    env: "NOPEA_RENDER_MAX_BYTES",
    fallback: "10Mi",
    description: "largest file that is rendered, and the most that kustomize may make",
    parse: bytes,
  }),
  kustomize: setting({
    env: "NOPEA_KUSTOMIZE",
    fallback: "kustomize",
    description: "the kustomize program: a name on PATH or beside nopea itself, or a path",
    parse: text,
  }),
  kustomizeTimeout: setting({
    env: "NOPEA_KUSTOMIZE_TIMEOUT",
    fallback: "30s",
    description: "bound of one run of kustomize, which grows with the square of its objects",
    parse: duration,
  }),
  mirrorMaxBytes: setting({
    env: "NOPEA_MIRROR_MAX_BYTES",
    fallback: "2Gi",
    description: "a mirror larger than this is fetched anew; if it still is, the sync fails",
    parse: bytes,
  }),
  gitHostRate: setting({
    env: "NOPEA_GIT_HOST_RATE",
    fallback: "20",
    description: "polls and first fetches that begin in a second, of one Git server",
    parse: count,
  }),
  watchSecrets: setting({
    env: "NOPEA_WATCH_SECRETS",
    fallback: "false",
    description:
      "notice edits of Secrets at once (needs list and watch of Secrets everywhere), not only when reconciling",
    parse: flag,
  }),
  clusterName: setting({
    env: "NOPEA_CLUSTER_NAME",
    fallback: "kubernetes",
    description: "how events name this cluster",
    parse: clusterName,
  }),
  cdeventsSinks: setting({
    env: "NOPEA_CDEVENTS_SINKS",
    fallback: "",
    description: "URLs that CDEvents are posted to, comma-separated; no flag",
    parse: urls,
    isSecret: true,
  }),
  cdeventsToken: setting({
    env: "NOPEA_CDEVENTS_TOKEN",
    fallback: "",
    description: "sent to every sink as `Authorization: Bearer …`; no flag",
    parse: token,
    isSecret: true,
  }),
  cdeventsMode: setting({
    env: "NOPEA_CDEVENTS_MODE",
    fallback: "binary",
    description: "binary or structured: how CloudEvents travel",
    parse: oneOf("binary", "structured"),
  }),
  otlpEndpoint: setting({
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    fallback: "",
    description: "OpenTelemetry collector that takes traces (OTLP over HTTP, JSON); empty: none",
    parse: optionalUrl,
  }),
  logLevel: setting({
    env: "NOPEA_LOG_LEVEL",
    fallback: "info",
    description: "trace, debug, info, warn or error",
    parse: oneOf("trace", "debug", "info", "warn", "error"),
  }),
  logFormat: setting({
    env: "NOPEA_LOG_FORMAT",
    fallback: "auto",
    description: "json, console, or auto: console on a terminal",
    parse: oneOf("json", "console", "auto"),
  }),
} as const

type Table = typeof SETTINGS
export type SettingName = keyof Table
export type Config = {
  readonly [Name in SettingName]: Table[Name] extends Setting<infer A> ? A : never
}

export const SETTING_NAMES = Object.keys(SETTINGS) as ReadonlyArray<SettingName>
/** Those that are flags too. */
export const FLAG_NAMES: ReadonlyArray<SettingName> = SETTING_NAMES.filter((name) => {
  const row: Setting<unknown> = SETTINGS[name]
  return row.isSecret !== true
})

/** `NOPEA_DATA_DIR` -> `data-dir`. */
export const flagName = (name: SettingName): string =>
  SETTINGS[name].env
    .replace(/^NOPEA_/u, "")
    .toLowerCase()
    .replaceAll("_", "-")

/** What stands before `@` may be a password, however the URL is misspelt. */
const shown = (value: string): string => JSON.stringify(value.replace(/^.*@/su, "…@").slice(0, 100))

const wrong = (name: SettingName, value: string, expected: string): ConfigError =>
  new ConfigError({
    code: "NOPEA-C010",
    operation: "read setting",
    subject: FLAG_NAMES.includes(name)
      ? `${SETTINGS[name].env} / --${flagName(name)}`
      : SETTINGS[name].env,
    reason: `${FLAG_NAMES.includes(name) ? shown(value) : "its value"} is not ${expected}`,
    fix: `set ${SETTINGS[name].env} to ${expected}`,
    disposition: "stall",
  })

/** A flag goes before the environment, the environment before the default; the first wrong value is the answer. */
export const decodeConfig = (
  flags: Readonly<Partial<Record<SettingName, string>>>,
  environment: Readonly<Record<string, string | undefined>>,
): Result.Result<Config, ConfigError> => {
  const config: Partial<Record<SettingName, unknown>> = {}
  for (const name of SETTING_NAMES) {
    const row: Setting<unknown> = SETTINGS[name]
    const value = flags[name] ?? environment[row.env] ?? row.fallback
    const parsed = row.parse(value)
    if ("expected" in parsed) return Result.fail(wrong(name, value, parsed.expected))
    config[name] = parsed.ok
  }
  return Result.succeed(config as Config)
}
