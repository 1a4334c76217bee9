/** Which proxy stands before a URL, by the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. Pure. */
import { Redacted, Result } from "effect"

export type Variables = Readonly<Record<string, string | undefined>>

export interface WebProxy {
  /** With user and password: for connections only. */
  readonly url: Redacted.Redacted<URL>
  /** `the proxy http://proxy:3128 (HTTPS_PROXY)`: as messages name it. */
  readonly shown: string
  readonly hostname: string
  /** What must not be read in a message. */
  readonly secrets: ReadonlyArray<string>
}

/** No proxy's URL; names the variable, and never its value. */
export interface NoProxyUrl {
  readonly reason: string
  readonly fix: string
}

/** In lower case goes before upper case, as curl and Go have it. */
const variable = (variables: Variables, name: string): readonly [string, string] | undefined => {
  for (const each of [name.toLowerCase(), name]) {
    const value = variables[each]
    if (value !== undefined) return [each, value.trim()]
  }
  return undefined
}

const SCHEME = /^(https?|socks5h?):$/u

/** `undefined`: a % begins no escape, which curl lets pass and undici throws at. */
const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Behind the host stands nothing, or a password that was not escaped, whose beginning is taken for host and port. */
const isProxyUrl = ({ protocol, hostname, pathname, search, hash }: URL): boolean =>
  SCHEME.test(protocol) && hostname !== "" && /^\/?$/u.test(`${pathname}${search}${hash}`)

/** `name`: where it was written. */
export const parseProxy = (name: string, value: string): Result.Result<WebProxy, NoProxyUrl> => {
  const url = URL.parse(/^[a-z0-9+.-]+:\/\//iu.test(value) ? value : `http://${value}`)
  const [user, word] = [decoded(url?.username ?? ""), decoded(url?.password ?? "")]
  if (url === null || !isProxyUrl(url) || user === undefined || word === undefined) {
    const fix = `set ${name} to http://host:port, a user and password before it with their signs as %XX, or remove it, and start anew`
    return Result.fail({ reason: `${name} is no proxy's URL`, fix })
  }
  const { username, password, host, hostname, protocol } = url
  const pair = `${user}:${word}`
  const secrets = [
    password,
    word,
    ...(username === "" ? [] : [pair, Buffer.from(pair).toString("base64")]),
  ]
  return Result.succeed({
    url: Redacted.make(url),
    shown: `the proxy ${protocol}//${host} (${name})`,
    hostname,
    secrets: secrets.filter((secret) => secret !== ""),
  })
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/u

/** An address bit by bit, as text; `undefined`: it is a name. */
const bitsOf = (address: string): string | undefined => {
  const isSix = address.includes(":")
  if (!isSix && !/^\d+(\.\d+){3}$/u.test(address)) return undefined
  const host = URL.parse(`http://${isSix ? `[${address}]` : address}`)?.hostname
  if (host === undefined) return undefined
  const binary = (text: string, base: number, width: number) =>
    Number.parseInt(text, base).toString(2).padStart(width, "0")
  if (!isSix)
    return host
      .split(".")
      .map((part) => binary(part, 10, 8))
      .join("")
  const [head = [], tail = []] = host
    .slice(1, -1)
    .split("::")
    .map((half) => half.split(":").filter((group) => group !== ""))
  const zeros = new Array<string>(8 - head.length - tail.length).fill("0")
  return [...head, ...zeros, ...tail].map((group) => binary(group, 16, 16)).join("")
}

const isAddress = (host: string): boolean => bitsOf(host) !== undefined

const inSubnet = (host: string, entry: string): boolean => {
  const [address = "", length = ""] = entry.split("/")
  const [ours, theirs] = [bitsOf(host), bitsOf(address)]
  if (ours === undefined || ours.length !== theirs?.length || !/^\d{1,3}$/u.test(length))
    return false
  return (
    Number(length) <= ours.length &&
    theirs.slice(0, Number(length)) === ours.slice(0, Number(length))
  )
}

/** `example.com` and `.example.com` mean the domain and what is below it; a port limits an entry to that port. */
const isNamed = (entry: string, host: string, port: string): boolean => {
  if (entry === "*") return true
  if (entry.includes("/")) return inSubnet(host, entry)
  const text = entry.includes(":") && isAddress(entry) ? `[${entry}]` : entry
  const [, name = "", only] = /^(.*?|\[.*\])(?::(\d+))?$/u.exec(text) ?? []
  if (only !== undefined && only !== port) return false
  const domain = name
    .replace(/^\*?\./u, "")
    .replace(/\.$/u, "")
    .replace(/^\[(.*)\]$/u, "$1")
  return domain !== "" && (host === domain || (!isAddress(host) && host.endsWith(`.${domain}`)))
}

const PORTS: Readonly<Record<string, string>> = { "https:": "443", "http:": "80" }

/** Loopback is never asked by a proxy: it would be another's. */
const isDirect = ({ hostname, port, protocol }: URL, variables: Variables): boolean => {
  if (LOOPBACK.test(hostname)) return true
  const host = hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/u, "$1")
    .replace(/\.$/u, "")
  const [, list = ""] = variable(variables, "NO_PROXY") ?? []
  const entries = list.toLowerCase().split(/[\s,]+/u)
  return entries.some((entry) => isNamed(entry, host, port === "" ? (PORTS[protocol] ?? "") : port))
}

/** For undici, which knows one kind of SOCKS, in which the proxy resolves names. */
export const undiciUrl = ({ url }: WebProxy): string =>
  Redacted.value(url).href.replace(/^socks5h:/u, "socks5:")

/** `undefined`: the URL is asked without one. */
export const proxyFor = (
  url: URL,
  variables: Variables,
): Result.Result<WebProxy | undefined, NoProxyUrl> => {
  const own = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY"
  const [name = "", value = ""] = variable(variables, own) ?? variable(variables, "ALL_PROXY") ?? []
  const isSet = /^https?:$/u.test(url.protocol) && value !== ""
  return isSet && !isDirect(url, variables) ? parseProxy(name, value) : Result.succeed(undefined)
}
