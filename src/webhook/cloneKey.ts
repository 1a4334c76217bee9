/** A clone URL in the one form that all spellings of its place share. Only ever compared: nothing is asked by it. */

const MAX_LENGTH = 2048
const HOST = String.raw`(\[[^\]/@]+\]|[^/:@?#[\]]+)`
const WITH_SCHEME = new RegExp(
  String.raw`^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?${HOST}(?::\d{0,5})?/(.+)$`,
  "u",
)
/** `git@host:path`: https://git-scm.com/docs/git-clone#_git_urls */
const SCP_LIKE = new RegExp(`^(?:[^/:@]+@)?${HOST}:(?!//)(.+)$`, "u")
/** Hosts that serve SSH under another name or port, such as `ssh.github.com:443`. */
const SSH_HOST = /^(?:(?:alt)?ssh\.)+(?=[^.]+\.)/u
const AZURE = "dev.azure.com"
const OLD_AZURE = /^([^.]+)\.visualstudio\.com$/u

/** Azure's spellings of a place, as organisation, project, repository; a project may share its name with the latter. */
const azurePath = (parts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const names = parts.filter((part) => part !== "_git")
  const [first, second = ""] = names
  if (names.length === 4 && first === "v3") return names.slice(1)
  return names.length === 2 && parts.length === 3 ? [...names, second] : names
}

const placeOf = (host: string, parts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const organisation = OLD_AZURE.exec(host)?.[1]
  if (organisation === undefined) return [host, ...(host === AZURE ? azurePath(parts) : parts)]
  const path = parts[0] === "defaultcollection" ? parts.slice(1) : parts
  return [AZURE, ...azurePath(path[0] === "v3" ? path : [organisation, ...path])]
}

/**
 * Lower case; without scheme, user, port, doubled slashes and `.git`. Of its own answer it is the answer. `undefined`:
 * this names no place at a host.
 */
export const cloneKey = (url: string): string | undefined => {
  if (url.length > MAX_LENGTH || /[^\P{C}]|\s/u.test(url)) return undefined
  const text = url.toLowerCase()
  const [, host = "", path = ""] = WITH_SCHEME.exec(text) ?? SCP_LIKE.exec(text) ?? []
  const bare = path.split("/").map((part) => part.replace(/(?:\.git)+$/u, ""))
  const parts = bare.filter((part) => part !== "")
  const [server, ...names] = placeOf(host.replace(SSH_HOST, ""), parts)
  const key = `https://${server}/${names.join("/")}`
  return host === "" || names.length === 0 || key.length > MAX_LENGTH ? undefined : key
}
