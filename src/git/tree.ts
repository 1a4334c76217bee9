/** Tree objects as git stores them, and the listing that they make: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects */
import { Result } from "effect"
import type { Parts } from "../domain/parts.ts"
import type { TreeEntry } from "../domain/source.ts"

export interface Item {
  readonly name: string
  readonly id: string
  readonly kind: TreeEntry["mode"] | "tree" | "unknown"
}

const ID_BYTES = 20
/** Entries between two rests. */
const PART = 1000
const TYPE = 0o170000

const kindOf = (mode: number): Item["kind"] => {
  switch (mode & TYPE) {
    case 0o040000:
      return "tree"
    case 0o100000:
      return (mode & 0o100) === 0 ? "file" : "executable"
    case 0o120000:
      return "symlink"
    case 0o160000:
      return "submodule"
    default:
      return "unknown"
  }
}

/** `<octal mode> <name>\0<20 bytes of id>`, again and again; `undefined` where it is not that. */
export const parseTree = function* (bytes: Uint8Array): Parts<ReadonlyArray<Item> | undefined> {
  const tree = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const items: Item[] = []
  for (let at = 0; at < tree.length; ) {
    if (items.length % PART === PART - 1) yield
    const space = tree.indexOf(0x20, at)
    const end = tree.indexOf(0, space)
    const next = end + 1 + ID_BYTES
    const mode = space < 0 ? "" : tree.toString("latin1", at, space)
    if (!/^[0-7]{1,7}$/u.test(mode) || end < 0 || next > tree.length) return undefined
    const name = tree.toString("utf8", space + 1, end)
    const id = tree.toString("hex", end + 1, next)
    items.push({ name, id, kind: kindOf(Number.parseInt(mode, 8)) })
    at = next
  }
  return items
}

/** A tree can be forged to name places outside it. */
const staysInside = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !name.includes("/") && !/^\.git$/iu.test(name)

/** What an entry weighs besides its path: its mode and id, as `ls-tree` writes them. */
const ENTRY_BYTES = 53

export type Refusal = { readonly fault: "pathRefused" | "pathTooLarge"; readonly reason: string }

const refuse = (fault: Refusal["fault"], reason: string) => Result.fail<Refusal>({ fault, reason })

/**
 * Everything below `root` in git's own order, the bytes of the path. `trees` has every tree below it. A few
 * trees that hold one another many times make a listing without end, or folders deeper than any stack: so it has a
 * limit, and a stack of its own.
 */
export const flatten = function* (
  trees: ReadonlyMap<string, ReadonlyArray<Item>>,
  root: string,
  path: string,
  maxBytes: number,
): Parts<Result.Result<ReadonlyArray<TreeEntry>, Refusal>> {
  const entries: TreeEntry[] = []
  /** Folders that are being listed: what is left of each, and the path of what it holds. */
  const open: Array<{ readonly items: Iterator<Item>; readonly before: string }> = []
  const enter = (id: string, before: string) =>
    open.push({ items: (trees.get(id) ?? []).values(), before })
  let left = maxBytes
  enter(root, path === "" ? "" : `${path}/`)
  for (let steps = 1; ; steps++) {
    const folder = open.at(-1)
    if (folder === undefined) return Result.succeed(entries)
    if (steps % PART === 0) yield
    const { done, value: item } = folder.items.next()
    if (done === true) {
      open.pop()
      continue
    }
    const { name, id, kind } = item
    const place = folder.before + name
    left -= place.length + ENTRY_BYTES
    if (left < 0) return refuse("pathTooLarge", `its listing is larger than ${maxBytes} bytes`)
    if (kind === "unknown" || !staysInside(name))
      return refuse("pathRefused", `the commit holds ${JSON.stringify(place.slice(0, 200))}`)
    if (kind === "tree") enter(id, `${place}/`)
    else entries.push({ path: place, blob: id, mode: kind })
  }
}
