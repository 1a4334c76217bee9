/** Where a path in a kustomization leads: into the repository, or nowhere that kustomize may go. */

export type Target =
  | { readonly path: string }
  | { readonly fault: "remote" | "absolute" | "outside" | "unclear" }

/**
 * Every form that kustomize takes for a URL or a repository to clone, and some that look like it:
 * https://github.com/kubernetes-sigs/kustomize/blob/kustomize/v5.8.1/api/internal/git/repospec.go
 */
const REMOTE = /[:?]|^[a-z][a-z0-9-]*@|^github\.com\//iu
/** Control characters, and what is a separator elsewhere. */
const UNCLEAR = /[\p{Cc}\\]|^$/u
/** PATH_MAX: no system opens a longer one. */
const LONGEST = 4_096

/** `to`, as a kustomization in `folder` names it, relative to the repository's root; the root is `""`. */
export const resolve = (folder: string, to: string): Target => {
  if (REMOTE.test(to)) return { fault: "remote" }
  if (to.length > LONGEST || UNCLEAR.test(to)) return { fault: "unclear" }
  if (to.startsWith("/")) return { fault: "absolute" }
  const parts = folder === "" ? [] : folder.split("/")
  for (const part of to.split("/")) {
    if (part === "" || part === ".") continue
    if (part !== "..") parts.push(part)
    else if (parts.pop() === undefined) return { fault: "outside" }
  }
  return { path: parts.join("/") }
}

/** Whether `path` is `folder` or lies below it. */
export const isWithin = (path: string, folder: string): boolean =>
  folder === "" || path === folder || path.startsWith(`${folder}/`)

/** As messages show it: without what may be a password, or a query that may hold one. */
export const shown = (to: string): string => {
  const text = JSON.stringify(to.replace(/^.*@/su, "…@").replace(/\?.*$/su, "?…"))
  return text.length > 150 ? `${text.slice(0, 146)}…"` : text
}
