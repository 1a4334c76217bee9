// Trees of kustomizations from texts, and the walk through them without threads.
import { createHash } from "node:crypto"
import type { TreeEntry } from "../../src/domain/source.ts"
import { scanFile } from "../../src/render/kustomization.ts"
import { arrange } from "../../src/render/repositoryTree.ts"
import { type Walk, walk } from "../../src/render/walk.ts"

export type Texts = Readonly<Record<string, string>>
export type Modes = Readonly<Record<string, TreeEntry["mode"]>>

export const entriesOf = (files: Texts, modes: Modes = {}): ReadonlyArray<TreeEntry> =>
  Object.entries(files).map(([path, text]) => ({
    path,
    blob: createHash("sha1").update(text).digest("hex"),
    mode: modes[path] ?? "file",
  }))

/** Round after round, as the live side does it. */
export const survey = (files: Texts, root = "app", modes: Modes = {}): Walk => {
  const entries = entriesOf(files, modes)
  const known = new Set<string>()
  let below = root
  while (true) {
    const inside = entries.filter(
      ({ path }) => below === "" || path.startsWith(`${below}/`) || path === below,
    )
    const round = walk({
      root,
      tree: arrange(inside, below),
      scan: ({ path }, format) =>
        known.has(`${format}:${path}`)
          ? scanFile(Buffer.from(files[path] ?? ""), format as "plugin")
          : undefined,
    })
    if (!round.leavesTree && round.unread.length === 0) return round
    if (round.leavesTree) below = ""
    for (const { entry, format } of round.unread) known.add(`${format}:${entry.path}`)
  }
}
