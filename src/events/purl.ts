/** A commit as a package-url, which is what CDEvents call an artifact. https://github.com/package-url/purl-spec Pure. */

const SCP = /^(?:[^@/\s]+@)?([^:/\s]+):(?!\/\/)(.+)$/u
const HOSTS: Readonly<Record<string, string>> = {
  "github.com": "github",
  "bitbucket.org": "bitbucket",
}

interface Place {
  readonly scheme: string
  /** With its port; empty for `file://`. */
  readonly host: string
  /** Without slashes around it. */
  readonly path: string
}

/** Without credentials; `undefined`: not an address that we know how to read. */
const placeOf = (address: string): Place | undefined => {
  const url = URL.parse(address)
  const [, scpHost, scpPath] = SCP.exec(address) ?? []
  const trim = (path: string) => path.replace(/^\/+|\/+$/gu, "")
  if (url !== null && /^(https?|ssh|git|file):$/u.test(url.protocol))
    return { scheme: url.protocol.slice(0, -1), host: url.host, path: trim(url.pathname) }
  if (scpHost === undefined || scpPath === undefined) return undefined
  return { scheme: "ssh", host: scpHost.toLowerCase(), path: trim(scpPath) }
}

const encoded = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/gu,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** In the value of a qualifier `:` and `/` stay as they are. */
const qualifier = (text: string): string =>
  encoded(text).replaceAll("%3A", ":").replaceAll("%2F", "/")

/** `pkg:github/org/repo@<sha>`, or `pkg:generic/repo@<sha>?vcs_url=git%2Bhttps://host/org/repo.git%40<sha>`. */
export const purlOf = (address: string, sha: string): string => {
  const place = placeOf(address)
  if (place === undefined) return `pkg:generic/repository@${sha}`
  const parts = place.path
    .replace(/\.git$/u, "")
    .split("/")
    .map(decoded)
  const type = HOSTS[place.host.replace(/:\d+$/u, "").toLowerCase()]
  const [owner, repository, ...more] = parts
  if (type !== undefined && owner && repository && more.length === 0)
    return `pkg:${type}/${encoded(owner.toLowerCase())}/${encoded(repository.toLowerCase())}@${sha}`
  const name = encoded(parts.at(-1) || "repository")
  const vcs = `git+${place.scheme}://${place.host}/${decoded(place.path)}@${sha}`
  return `pkg:generic/${name}@${sha}?vcs_url=${qualifier(vcs)}`
}
