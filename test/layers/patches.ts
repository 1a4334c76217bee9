// Merge patch (RFC 7386), JSON patch (RFC 6902) and the part of server-side apply that a double needs.

export type Tree = { readonly [key: string]: unknown }

const isMap = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const mergePatch = (target: unknown, patch: unknown): unknown => {
  if (!isMap(patch)) return patch
  const result: Record<string, unknown> = isMap(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

interface Operation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

const segments = (path: string): ReadonlyArray<string> =>
  path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** `undefined` where an operation does not fit. */
const change = (tree: unknown, path: ReadonlyArray<string>, operation: Operation): unknown => {
  const [key, ...rest] = path
  if (key === undefined) {
    if (operation.op === "test") return equal(tree, operation.value) ? tree : undefined
    return operation.op === "replace" || operation.op === "add" ? operation.value : undefined
  }
  if (Array.isArray(tree)) {
    const at = key === "-" ? tree.length : Number(key)
    if (rest.length === 0 && operation.op === "add") return tree.toSpliced(at, 0, operation.value)
    if (at >= tree.length) return undefined
    if (rest.length === 0 && operation.op === "remove") return tree.toSpliced(at, 1)
    const inner = change(tree[at], rest, operation)
    return inner === undefined ? undefined : tree.with(at, inner)
  }
  if (!isMap(tree)) return undefined
  if (rest.length === 0 && operation.op === "add") return { ...tree, [key]: operation.value }
  if (!(key in tree)) return undefined
  if (rest.length === 0 && operation.op === "remove") {
    const { [key]: _, ...others } = tree
    return others
  }
  const inner = change(tree[key], rest, operation)
  return inner === undefined ? undefined : { ...tree, [key]: inner }
}

export const jsonPatch = (target: unknown, patch: ReadonlyArray<unknown>): unknown =>
  (patch as ReadonlyArray<Operation>).reduce<unknown>(
    (tree, operation) =>
      tree === undefined ? undefined : change(tree, segments(operation.path), operation),
    target,
  )

/** What this manager applied before and does not now goes; what it applies now is set; lists are atomic. */
export const applied = (live: unknown, before: unknown, now: unknown): unknown => {
  if (!isMap(now)) return now
  const result: Record<string, unknown> = isMap(live) ? { ...live } : {}
  for (const [key, value] of Object.entries(isMap(before) ? before : {})) {
    if (key in now) continue
    if (isMap(value)) result[key] = applied(result[key], value, {})
    if (!isMap(value) || Object.keys(result[key] as Tree).length === 0) delete result[key]
  }
  for (const [key, value] of Object.entries(now))
    result[key] = applied(result[key], isMap(before) ? before[key] : undefined, value)
  return result
}
