/** The entries of a commit, arranged for questions about paths. */
import type { TreeEntry } from "../domain/source.ts"
import { folderOf, KUSTOMIZATION } from "./files.ts"

export interface RepositoryTree {
  readonly entries: ReadonlyMap<string, TreeEntry>
  /** By folder; more than one is a mistake. */
  readonly kustomizations: ReadonlyMap<string, ReadonlyArray<TreeEntry>>
  /** The paths in order: what lies in one folder stands together. */
  readonly paths: ReadonlyArray<string>
  /** Only what lies in this folder is known; `""` is the whole repository. */
  readonly below: string
}

export const arrange = (all: ReadonlyArray<TreeEntry>, below: string): RepositoryTree => ({
  entries: new Map(all.map((entry) => [entry.path, entry])),
  kustomizations: Map.groupBy(
    all.filter(({ path }) => KUSTOMIZATION.test(path)),
    ({ path }) => folderOf(path),
  ),
  paths: all.map(({ path }) => path).sort(),
  below,
})

/** Where `path` stands among them, or would. */
const placeOf = (paths: ReadonlyArray<string>, path: string): number => {
  let [low, high] = [0, paths.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((paths[middle] as string) < path) low = middle + 1
    else high = middle
  }
  return low
}

/** Up to and with the last slash that both have. */
const sharedFolder = (path: string, other = ""): number => {
  let [at, slash] = [0, 0]
  while (at < path.length && path[at] === other[at]) {
    at++
    if (path[at - 1] === "/") slash = at
  }
  return slash
}

/** The first part of a path that is no folder: of all paths its neighbours share the most folders with it. */
const firstNonFolder = (paths: ReadonlyArray<string>, path: string): string => {
  const at = placeOf(paths, path)
  const known = Math.max(...[paths[at - 1], paths[at]].map((other) => sharedFolder(path, other)))
  const end = path.indexOf("/", known)
  return end < 0 ? path : path.slice(0, end)
}

/** What keeps a path from being followed, if anything on the way does: nothing lies below a link or a submodule. */
export const obstacleOn = (
  { entries, paths }: RepositoryTree,
  path: string,
): "link" | "submodule" | undefined => {
  const mode = entries.get(firstNonFolder(paths, path))?.mode
  if (mode === "symlink") return "link"
  return mode === "submodule" ? mode : undefined
}

export const isFolder = ({ paths }: RepositoryTree, path: string): boolean =>
  path === "" || paths[placeOf(paths, `${path}/`)]?.startsWith(`${path}/`) === true
