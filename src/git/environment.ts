/** What a git process is told: its environment and configuration, with nothing of the machine's own. */
import { Redacted } from "effect"
import type { Variables, WebProxy } from "../domain/proxy.ts"
import type { GitCredentials } from "../domain/source.ts"
import { promisorSettings, type Settings } from "./commands.ts"
import { sshEnvironment } from "./ssh.ts"
import type { Remote } from "./url.ts"

export type Environment = Readonly<Record<string, string>>

const PASSED = /^(PATH|LD_LIBRARY_PATH|TMPDIR)$/iu

/** The only configuration file: no system's, no user's. */
export const globalConfig = (allowFileUrls: boolean): string =>
  [
    "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\taskPass =\n\tlogAllRefUpdates = false",
    "[credential]\n\thelper =",
    "[protocol]\n\tversion = 2",
    "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false",
    "[fetch]\n\twriteCommitGraph = false\n\trecurseSubmodules = false",
    "[pack]\n\tthreads = 1",
    "[http]\n\tlowSpeedLimit = 1\n\tlowSpeedTime = 30",
    ...(allowFileUrls
      ? ["[safe]\n\tdirectory = *\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true"]
      : []),
    "",
  ].join("\n")

export interface Places {
  readonly home: string
  readonly configFile: string
}

/** Every git process: it reads, and may speak to nobody. */
export const localEnvironment = (
  parent: Readonly<Record<string, string | undefined>>,
  places: Places,
): Environment => ({
  ...Object.fromEntries(
    Object.entries(parent).flatMap(([name, value]) =>
      PASSED.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  ),
  HOME: places.home,
  LC_ALL: "C",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: places.configFile,
  GIT_CEILING_DIRECTORIES: places.home,
  GIT_TERMINAL_PROMPT: "0",
  GIT_NO_LAZY_FETCH: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_LITERAL_PATHSPECS: "1",
  GIT_ALLOW_PROTOCOL: "",
})

/** The `Authorization` header's value, or `undefined` for anonymous reading. Beside a key `password` is its passphrase. */
export const authorization = (credentials: GitCredentials): string | undefined => {
  if (credentials.bearerToken !== undefined) {
    return `Bearer ${Redacted.value(credentials.bearerToken)}`
  }
  const { identity, password, username } = credentials
  const isPassphrase = identity !== undefined && username === undefined
  if (password === undefined || isPassphrase) return undefined
  const pair = `${username ?? "git"}:${Redacted.value(password)}`
  return `Basic ${Buffer.from(pair).toString("base64")}`
}

/** Everything that must not be read in an error. */
export const secretsOf = (credentials: GitCredentials): ReadonlyArray<string> =>
  [
    credentials.password && Redacted.value(credentials.password),
    credentials.bearerToken && Redacted.value(credentials.bearerToken),
    credentials.identity && Redacted.value(credentials.identity),
    authorization(credentials)?.replace(/^\S+ /u, ""),
  ].filter((secret) => secret !== undefined)

/** A header's value is one line of visible characters. */
export const isUsable = (credentials: GitCredentials): boolean =>
  /^[\x21-\x7e]+ [\x21-\x7e]+$/u.test(authorization(credentials) ?? "none none") &&
  !/[\r\n\0]/u.test(
    `${credentials.username ?? ""}${credentials.password ? Redacted.value(credentials.password) : ""}`,
  )

/** `-c` without argv, so that no process list shows it. */
export const configured = (pairs: Settings): Environment => ({
  GIT_CONFIG_COUNT: String(pairs.length),
  ...Object.fromEntries(
    pairs.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ),
})

export interface Connection {
  readonly remote: Remote
  readonly credentials: GitCredentials
  /** File with `credentials.caCrt`. */
  readonly caFile: string | undefined
  /** Folder with the files of `ssh.ts`. */
  readonly keys?: string
  readonly proxy?: WebProxy | undefined
  /** Of the controller. */
  readonly parent: Variables
}

/**
 * The Secret's authority stands alone. Else those that the machine is told to trust: curl with GnuTLS, which Debian's git
 * has, does not look at SSL_CERT_FILE.
 */
const trusting = ({ caFile, parent }: Connection): Environment => {
  if (caFile !== undefined) return { GIT_SSL_CAINFO: caFile }
  const { GIT_SSL_CAINFO, GIT_SSL_CAPATH, SSL_CERT_FILE, SSL_CERT_DIR } = parent
  const all = {
    GIT_SSL_CAINFO: GIT_SSL_CAINFO || SSL_CERT_FILE,
    GIT_SSL_CAPATH,
    SSL_CERT_FILE,
    SSL_CERT_DIR,
  }
  return Object.fromEntries(Object.entries(all).filter((row): row is [string, string] => !!row[1]))
}

/** Which proxy, and whether one, was decided: curl must not think about it again. */
const proxying = ({ proxy }: Connection): Environment => {
  if (proxy === undefined) return {}
  const url = Redacted.value(proxy.url).href.replace(/\/$/u, "")
  return { http_proxy: url, https_proxy: url, no_proxy: "" }
}

const PROTOCOLS = { http: "http:https", https: "http:https", file: "file", ssh: "ssh" } as const

/**
 * Added to the local environment for the processes that speak to the server. Headers go to descriptor 3.
 * A pack may hold deltas against blobs that were never fetched: these it must be able to ask for.
 */
export const networkEnvironment = (connection: Connection, more: Settings): Environment => {
  const { remote, credentials, caFile, keys } = connection
  const header = remote.scheme === "ssh" ? undefined : authorization(credentials)
  return {
    ...(keys === undefined ? {} : sshEnvironment(keys)),
    ...trusting(connection),
    ...proxying(connection),
    GIT_ALLOW_PROTOCOL: PROTOCOLS[remote.scheme],
    GIT_NO_LAZY_FETCH: "0",
    GIT_TRACE_CURL: "3",
    GIT_TRACE_CURL_NO_DATA: "1",
    GIT_TRACE_REDACT: "1",
    ...configured([
      ["remote.origin.url", remote.url],
      ...promisorSettings,
      ["http.followRedirects", header === undefined ? "initial" : "false"],
      ...(header === undefined
        ? []
        : [[`http.${remote.origin}/.extraHeader`, `Authorization: ${header}`] as const]),
      ...(caFile === undefined ? [] : [["http.sslCAInfo", caFile] as const]),
      ...more,
    ]),
  }
}
