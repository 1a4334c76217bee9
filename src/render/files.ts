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
/** What a folder of these holds is not a folder of manifests. */
const BARRIER = /(?:^|\/)(?:Chart\.yaml|kustomization\.ya?ml|Kustomization)$/u
export const KUSTOMIZATION = /(?:^|\/)(?:kustomization\.ya?ml|Kustomization)$/u
/** What Flux leaves out of its artifacts by default: files of continuous integration. */
const CI = /(?:^|\/)(?:appveyor\.yml|cloudbuild\.yaml|codeship-(?:services|steps)\.yml)$/u
/** Down to the first name that begins with a dot. */
const HIDDEN = /^(?:[^./][^/]*\/)*\.[^/]*/u
/** Hidden names that are never meant as manifests; other hidden manifests get a warning. */
const TOOLING =
  /(?:^|\/)\.(?:git|circleci|travis|drone|goreleaser|sops|flux|pre-commit|vscode|idea|devcontainer|yamllint|helm)/u

/** `a/b/c.yaml` -> `a/b`; the root is `""`. */
export const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 0))

const notRendered = (file: string): Failure => {
  if (file.endsWith("Chart.yaml")) {
    const fix = "render the chart in CI and commit the result, or move it out of the path"
    return stalled("NOPEA-R002", "Helm charts are not rendered yet", fix, { file })
  }
  const fix =
    "let spec.path name this folder, or add a kustomization.yaml at the path that lists what it has"
  const reason = "a folder with a kustomization is not rendered below a path without one"
  return stalled("NOPEA-R001", reason, fix, { file })
}

const notFollowed = (file: string): Failure => {
  const fix = "commit the file itself, or remove the link"
  return stalled("NOPEA-R003", "a symbolic link is not followed", fix, { file })
}

/** `./deploy/` -> `deploy`; the root is `""`. */
export const normalPath = (path: string): string =>
  path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/")

export const hasKustomization = (path: string, entries: ReadonlyArray<TreeEntry>): boolean => {
  const root = normalPath(path)
  return entries.some((entry) => KUSTOMIZATION.test(entry.path) && folderOf(entry.path) === root)
}

/**
 * The manifests below `path`: `.yaml`, `.yml` and `.json`, in every folder whose name does not begin
 * with a dot. As with Flux, files of CI services are left out and symbolic links are not followed; a
 * link that looks like a manifest is a failure, so that nothing is pruned for it. A folder with a
 * chart or a kustomization is reported once and not looked into.
 */
export const select = (path: string, all: ReadonlyArray<TreeEntry>): Selection => {
  const root = normalPath(path)
  const prefix = root === "" ? "" : `${root}/`
  const entries = all
    .filter((entry) => entry.path === root || entry.path.startsWith(prefix))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const hiddenPart = (entry: TreeEntry) => HIDDEN.exec(entry.path.slice(prefix.length))?.[0]
  const visible = entries.filter((entry) => hiddenPart(entry) === undefined)
  const blobs = visible.filter(({ mode }) => mode !== "submodule")
  const barriers = blobs.map((entry) => entry.path).filter((each) => BARRIER.test(each))
  const folders = new Set(barriers.map(folderOf))
  const isShut = (folder: string): boolean =>
    folders.has(folder) || (folder !== "" && isShut(folderOf(folder)))
  const isOutermost = (folder: string) => folder === "" || !isShut(folderOf(folder))
  const manifests = blobs.filter(
    (entry) => MANIFEST.test(entry.path) && !CI.test(entry.path) && !isShut(folderOf(entry.path)),
  )
  const links = manifests.filter(({ mode }) => mode === "symlink")
  const hidden = entries
    .filter((entry) => MANIFEST.test(entry.path))
    .map(hiddenPart)
    .filter((part) => part !== undefined && !TOOLING.test(part))
  return {
    files: manifests
      .filter(({ mode }) => mode !== "symlink")
      .map((entry) => ({ entry, format: entry.path.endsWith(".json") ? "json" : "yaml" })),
    failures: [
      ...barriers.filter((file) => isOutermost(folderOf(file))).map(notRendered),
      ...links.map((entry) => notFollowed(entry.path)),
    ],
    warnings: [
      ...new Set(
        hidden.map((part) => `${prefix}${part}: not rendered, because its name begins with a dot`),
      ),
      ...blobs
        .filter(({ mode, path: link }) => mode === "symlink" && !MANIFEST.test(link))
        .map((entry) => `${entry.path}: a symbolic link is not followed`),
      ...visible
        .filter(({ mode }) => mode === "submodule")
        .map((entry) => `${entry.path}: a submodule is not followed`),
    ],
  }
}
