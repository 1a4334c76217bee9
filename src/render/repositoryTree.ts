/** The entries of a commit, arranged for questions about paths. */
import type { TreeEntry } from "../domain/source.ts"
import { folderOf, KUSTOMIZATION } from "./files.ts"

export interface RepositoryTree {
  readonly entries: ReadonlyMap<string, TreeEntry>
  /** By folder; more than one is a mistake. */
  readonly kustomizations: ReadonlyMap<string, ReadonlyArray<TreeEntry>>
  /** Only what lies in this folder is known; `""` is the whole repository. */
  readonly below: string
}

export const arrange = (all: ReadonlyArray<TreeEntry>, below: string): RepositoryTree => ({
  entries: new Map(all.map((entry) => [entry.path, entry])),
  kustomizations: Map.groupBy(
    all.filter(({ path }) => KUSTOMIZATION.test(path)),
    ({ path }) => folderOf(path),
  ),
  below,
})

/** What keeps a path from being followed, if anything on the way does. */
export const obstacleOn = (
  { entries }: RepositoryTree,
  path: string,
): "link" | "submodule" | undefined => {
  const parts = path.split("/")
  for (let length = 1; length <= parts.length; length++) {
    const mode = entries.get(parts.slice(0, length).join("/"))?.mode
    if (mode === "submodule") return mode
    if (mode === "symlink") return "link"
  }
  return undefined
}

export const isFolder = ({ entries }: RepositoryTree, path: string): boolean =>
  path === "" || entries.keys().some((each) => each.startsWith(`${path}/`))
