/** Which entries of a tree are rendered, and which ones say that a part of it cannot be. */
import type { Failure } from "../domain/errors.ts"
import type { TreeEntry } from "../domain/source.ts"
import { type Format, stalled } from "./parsed.ts"

export interface Selection {
  /** Sorted by path. */
  readonly files: ReadonlyArray<{ readonly entry: TreeEntry; readonly format: Format }>
  readonly failures: ReadonlyArray<Failure>
  readonly warnings: ReadonlyArray<string>
}

const MANIFEST = /\.(?:ya?ml|json)$/u
const KUSTOMIZATION = /^(?:kustomization\.ya?ml|Kustomization)$/u
const CHART = "Chart.yaml"
/** What Flux leaves out of its artifacts by default: files of continuous integration. */
const CI = /^(?:appveyor\.yml|cloudbuild\.yaml|codeship-(?:services|steps)\.yml)$/u
/** Hidden names that are never meant as manifests; other hidden manifests get a warning. */
const TOOLING =
  /^\.(?:git|circleci|travis|drone|goreleaser|sops|flux|pre-commit|vscode|idea|devcontainer|yamllint|helm)/u

/** `a/b/c.yaml` -> `a/b`; the root is `""`. */
const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 0))
const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)
const isBelow = (path: string, folder: string): boolean =>
  folder === "" || path === folder || path.startsWith(`${folder}/`)

const notRendered = (entry: TreeEntry, root: string): Failure => {
  const folder = folderOf(entry.path)
  if (baseOf(entry.path) === CHART) {
    const fix = "render the chart in CI and commit the result, or move it out of the path"
    return stalled("NOPEA-R002", "Helm charts are not rendered yet", fix, { file: entry.path })
  }
  const fix =
    folder === root
      ? "render it in CI and commit the result, or choose a path without a kustomization"
      : "choose a path without a kustomization in it"
  const reason = "Kustomize is not rendered by this version"
  return stalled("NOPEA-R001", reason, fix, { file: entry.path })
}

const notFollowed = (entry: TreeEntry): Failure =>
  stalled(
    "NOPEA-R003",
    "a symbolic link is not followed",
    "commit the file itself, or remove the link",
    { file: entry.path },
  )

/** The first hidden part below the root, as a path; `undefined`: all is visible. */
const hiddenPart = (path: string, root: string): string | undefined => {
  const parts = path.split("/")
  const start = root === "" ? 0 : root.split("/").length
  const at = parts.findIndex((part, index) => index >= start && part.startsWith("."))
  return at < 0 ? undefined : parts.slice(0, at + 1).join("/")
}

const asides = (entries: ReadonlyArray<TreeEntry>, root: string): ReadonlyArray<string> => {
  const hidden = entries
    .filter(({ path }) => MANIFEST.test(path))
    .map(({ path }) => hiddenPart(path, root))
    .filter((part) => part !== undefined && !TOOLING.test(baseOf(part)))
  const seen = entries.filter(({ path }) => hiddenPart(path, root) === undefined)
  const links = seen.filter(({ mode, path }) => mode === "symlink" && !MANIFEST.test(path))
  const modules = seen.filter(({ mode }) => mode === "submodule")
  return [
    ...new Set(hidden.map((part) => `${part}: not rendered, because its name begins with a dot`)),
    ...links.map(({ path }) => `${path}: a symbolic link is not followed`),
    ...modules.map(({ path }) => `${path}: a submodule is not followed`),
  ]
}

/** `./deploy/` -> `deploy`; the root is `""`. */
export const normalPath = (path: string): string =>
  path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/")

/**
 * The manifests below `path`: `.yaml`, `.yml` and `.json`, in every folder whose name does not begin
 * with a dot. As with Flux, files of CI services are left out and symbolic links are not followed; a
 * link that looks like a manifest is a failure, so that nothing is pruned for it. A folder with a
 * chart or a kustomization is reported once and not looked into.
 */
export const select = (path: string, all: ReadonlyArray<TreeEntry>): Selection => {
  const root = normalPath(path)
  const entries = all
    .filter((entry) => isBelow(entry.path, root))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const visible = entries.filter((entry) => hiddenPart(entry.path, root) === undefined)
  const barriers = visible.filter(({ path, mode }) => {
    const base = baseOf(path)
    return mode !== "submodule" && (base === CHART || KUSTOMIZATION.test(base))
  })
  const folders = new Set(barriers.map((entry) => folderOf(entry.path)))
  const isShut = (folder: string): boolean =>
    folders.has(folder) || (folder !== "" && isShut(folderOf(folder)))
  const outermost = barriers.filter(({ path }) => {
    const folder = folderOf(path)
    return folder === "" || !isShut(folderOf(folder))
  })
  const manifests = visible.filter(
    ({ path, mode }) =>
      mode !== "submodule" &&
      MANIFEST.test(path) &&
      !CI.test(baseOf(path)) &&
      !isShut(folderOf(path)),
  )
  const [links, files] = [true, false].map((isLink) =>
    manifests.filter(({ mode }) => (mode === "symlink") === isLink),
  ) as [Array<TreeEntry>, Array<TreeEntry>]
  return {
    files: files.map((entry) => ({
      entry,
      format: entry.path.endsWith(".json") ? "json" : "yaml",
    })),
    failures: [...outermost.map((entry) => notRendered(entry, root)), ...links.map(notFollowed)],
    warnings: asides(entries, root),
  }
}
