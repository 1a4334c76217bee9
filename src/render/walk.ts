/** From one kustomization to everything that it needs, through the tree of a commit; refuses what kustomize must not meet. */
import type { Failure } from "../domain/errors.ts"
import type { TreeEntry } from "../domain/source.ts"
import { FAULTS, MAX_HEIGHT, type Why } from "./faults.ts"
import { type Format, type Parsed, type Reference, stalled, type Warning } from "./parsed.ts"
import { isWithin, resolve, shown } from "./reference.ts"
import { isFolder, obstacleOn, type RepositoryTree } from "./repositoryTree.ts"

export interface Known {
  /** The folder whose kustomization is built, relative to the repository's root. */
  readonly root: string
  readonly tree: RepositoryTree
  /** `undefined`: not read yet. */
  readonly scan: (entry: TreeEntry, format: Format) => Parsed | undefined
}

/** A file that kustomize gets; `text` in place of the blob's content where it was scanned. */
export interface Needed {
  readonly entry: TreeEntry
  readonly as: "blob" | "kustomization" | "plugin"
  readonly text?: string
  /** A Secret is made of it. */
  readonly isSecret: boolean
}

export interface Walk {
  /** By path. Whole only where nothing below is asked for. */
  readonly needed: ReadonlyMap<string, Needed>
  /** To be scanned before the next walk. */
  readonly unread: ReadonlyArray<{ readonly entry: TreeEntry; readonly format: Format }>
  /** A path leads out of what is known of the tree. */
  readonly leavesTree: boolean
  /** A kustomization names a file outside its own folder, which kustomize by itself refuses. */
  readonly sharesFiles: boolean
  readonly failures: ReadonlyArray<Failure>
  readonly warnings: ReadonlyArray<Warning & { readonly file: string }>
}

export { MAX_HEIGHT }
/** How often kustomize loads a kustomization, one that is named twice twice. */
export const MAX_LOADS = 5_000
export const MAX_FILES = 10_000
/** References that one walk follows: a kustomization that many folders share is walked in each. */
export const MAX_FOLLOWS = 100_000
const MAX_FAILURES = 100
const MAX_WARNINGS = 100

/** Of a folder: how deep what it names goes, and how much of it there is. */
interface Size {
  readonly height: number
  readonly loads: number
}
const NOTHING: Size = { height: 0, loads: 0 }

interface State {
  readonly known: Known
  readonly sizes: Map<string, Size>
  readonly needed: Map<string, Needed>
  readonly unread: Map<string, Walk["unread"][number]>
  readonly failures: Array<Failure>
  readonly warnings: Array<Warning & { readonly file: string }>
  /** Warnings beyond those. */
  unsaid: number
  leavesTree: boolean
  sharesFiles: boolean
  follows: number
  /** Why the walk ended before it was through. */
  excess: string | undefined
}

/** Where a reference stands. */
interface From {
  readonly file: string
  readonly folder: string
  /** The folders that are being walked, this one last. */
  readonly trail: ReadonlyArray<string>
}

const complain = (state: State, { file }: From, { field, to, line }: Reference, why: Why): Size => {
  const [code, reason, fix] = why
  state.failures.push(stalled(code, `${field}: ${shown(to)} ${reason}`, fix, { file, line }))
  return NOTHING
}

const warn = (state: State, warning: State["warnings"][number]): void => {
  if (state.warnings.length < MAX_WARNINGS) state.warnings.push(warning)
  else state.unsaid++
}

const KINDS = { blob: "plain file", kustomization: "kustomization", plugin: "plugin" } as const

/** One file has one text: kustomize must not read as one kind what was looked at as another. */
const need = (state: State, needed: Needed): void => {
  const { path } = needed.entry
  const before = state.needed.get(path)
  if (before !== undefined && before.as !== needed.as) {
    const reason = `it is named as a ${KINDS[before.as]} and as a ${KINDS[needed.as]}`
    const fix = "give each use a file of its own"
    state.failures.push(stalled("NOPEA-R028", reason, fix, { file: path }))
    return
  }
  const isSecret = before?.isSecret === true || needed.isSecret
  state.needed.set(path, { ...needed, isSecret })
}

const take = (state: State, from: From, reference: Reference, entry: TreeEntry): Size => {
  if (!isWithin(entry.path, from.folder)) state.sharesFiles = true
  const isSecret = reference.field.startsWith("secretGenerator")
  if (reference.wants !== "plugin") {
    need(state, { entry, as: "blob", isSecret })
    return NOTHING
  }
  const parsed = state.known.scan(entry, "plugin")
  if (parsed === undefined) {
    state.unread.set(`plugin:${entry.path}`, { entry, format: "plugin" })
    return NOTHING
  }
  const isNew = !state.needed.has(entry.path)
  need(state, { entry, as: "plugin", text: parsed.scanned?.text ?? "", isSecret })
  const failures = isNew ? parsed.failures : []
  for (const failure of failures) state.failures.push({ ...failure, file: entry.path })
  return NOTHING
}

const enterFrom = (state: State, from: From, reference: Reference, path: string): Size => {
  // As kustomize: no base may hold the folder that names it, on whatever way.
  if (from.trail.some((each) => isWithin(each, path))) {
    return complain(state, from, reference, FAULTS.cycle)
  }
  if (from.trail.length >= MAX_HEIGHT) return complain(state, from, reference, FAULTS.deep)
  return enter(state, path, from.trail)
}

const follow = (state: State, from: From, reference: Reference): Size => {
  const target = resolve(from.folder, reference.to)
  if ("fault" in target) return complain(state, from, reference, FAULTS[target.fault])
  const { path } = target
  const { tree } = state.known
  if (!isWithin(path, tree.below)) {
    state.leavesTree = true
    return NOTHING
  }
  const found = obstacleOn(tree, path)
  if (found !== undefined) return complain(state, from, reference, FAULTS[found])
  const { wants } = reference
  const entry = tree.entries.get(path)
  const wantsFile = wants === "file" || wants === "plugin"
  if (entry !== undefined) {
    if (wants === "folder") return complain(state, from, reference, FAULTS.file)
    return take(state, from, reference, entry)
  }
  if (!wantsFile && tree.kustomizations.has(path)) return enterFrom(state, from, reference, path)
  const why = isFolder(tree, path) ? (wantsFile ? "folder" : "plain") : "missing"
  return complain(state, from, reference, FAULTS[why])
}

const excessOf = ({ follows, needed }: State, loads: number): string | undefined => {
  if (loads > MAX_LOADS) return `it makes kustomize load more than ${MAX_LOADS} kustomizations`
  if (needed.size > MAX_FILES) return `it needs more than ${MAX_FILES} files`
  return follows > MAX_FOLLOWS ? `it names more than ${MAX_FOLLOWS} paths` : undefined
}

const followAll = (state: State, from: From, references: ReadonlyArray<Reference>): Size => {
  let [height, loads] = [1, 1]
  for (const reference of references) {
    state.follows++
    state.excess ??= excessOf(state, loads)
    if (state.excess !== undefined || state.failures.length >= MAX_FAILURES) break
    const below = follow(state, from, reference)
    height = Math.max(height, below.height + 1)
    loads = Math.min(loads + below.loads, MAX_LOADS + 1)
  }
  state.excess ??= excessOf(state, loads)
  return { height, loads }
}

const twofold = (files: ReadonlyArray<TreeEntry>): Failure => {
  const names = files.map(({ path }) => path).join(" and ")
  return stalled("NOPEA-R028", `one folder has ${names}`, "keep one of them", {
    file: (files[0] as TreeEntry).path,
  })
}

const scanFolder = (state: State, folder: string, trail: ReadonlyArray<string>): Size => {
  const files = state.known.tree.kustomizations.get(folder) ?? []
  const [entry] = files
  if (entry === undefined) return NOTHING
  if (files.length > 1) state.failures.push(twofold(files))
  if (entry.mode === "symlink" || entry.mode === "submodule") {
    const [code, reason, fix] = FAULTS.link
    state.failures.push(stalled(code, `the kustomization ${reason}`, fix, { file: entry.path }))
    return NOTHING
  }
  const parsed = state.known.scan(entry, "kustomization")
  if (parsed === undefined) {
    state.unread.set(`kustomization:${entry.path}`, { entry, format: "kustomization" })
    return NOTHING
  }
  const file = entry.path
  const text = parsed.scanned?.text ?? ""
  need(state, { entry, as: "kustomization", text, isSecret: false })
  for (const failure of parsed.failures) state.failures.push({ ...failure, file })
  for (const warning of parsed.warnings) warn(state, { ...warning, file })
  const from = { file, folder, trail: [...trail, folder] }
  return followAll(state, from, parsed.scanned?.references ?? [])
}

const enter = (state: State, folder: string, trail: ReadonlyArray<string>): Size => {
  const size = state.sizes.get(folder) ?? scanFolder(state, folder, trail)
  state.sizes.set(folder, size)
  return size
}

/** One round: asks for what it could not see, until there is nothing more to ask for. */
export const walk = (known: Known): Walk => {
  const state: State = {
    known,
    sizes: new Map(),
    needed: new Map(),
    unread: new Map(),
    failures: [],
    warnings: [],
    unsaid: 0,
    leavesTree: false,
    sharesFiles: false,
    follows: 0,
    excess: undefined,
  }
  const { height } = enter(state, known.root, [])
  const deep =
    height > MAX_HEIGHT ? `its kustomizations are more than ${MAX_HEIGHT} deep` : undefined
  const reason = state.excess ?? deep
  const file = known.tree.kustomizations.get(known.root)?.[0]?.path ?? known.root
  if (state.unsaid > 0)
    state.warnings.push({ file, line: 1, text: `${state.unsaid} more warnings are not shown` })
  if (reason === undefined) return { ...state, unread: [...state.unread.values()] }
  const fix = "split it over several GitRepositories"
  state.failures.push(stalled("NOPEA-R033", reason, fix, { file }))
  // Nothing more is read for what is refused.
  return { ...state, leavesTree: false, unread: [] }
}
