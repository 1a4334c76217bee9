/** Whether the definition in a cluster is the one that this program knows. */

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
}

interface Definition {
  readonly spec?: {
    readonly versions?: ReadonlyArray<{
      readonly name?: string
      readonly schema?: { readonly openAPIV3Schema?: SchemaNode }
    }>
  }
}

const pathsBelow = (node: SchemaNode, path: string): ReadonlyArray<string> => [
  ...(path === "" ? [] : [path]),
  ...Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    pathsBelow(child, path === "" ? name : `${path}.${name}`),
  ),
  ...(node.items === undefined ? [] : pathsBelow(node.items, `${path}[]`)),
]

/** Every field of every version: `v1alpha1 spec.url`. */
export const schemaPaths = (definition: unknown): ReadonlySet<string> =>
  new Set(
    ((definition as Definition).spec?.versions ?? []).flatMap(({ name = "?", schema }) =>
      pathsBelow(schema?.openAPIV3Schema ?? {}, "").map((path) => `${name} ${path}`),
    ),
  )

const some = (paths: ReadonlyArray<string>): string => {
  // A field that is new brings all below it.
  const tops = paths.filter((path) => !paths.some((other) => path.startsWith(`${other}.`)))
  const more = tops.length - 5
  return `${tops.slice(0, 5).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

/** `ours` is this program's definition, `live` the cluster's. */
export const definitionText = (ours: ReadonlySet<string>, live: ReadonlySet<string>): string => {
  const lacking = [...ours].filter((path) => !live.has(path))
  const beyond = [...live].filter((path) => !ours.has(path))
  if (lacking.length > 0)
    return `older than this program: it lacks ${some(lacking)}; update it: nopea crd | kubectl apply --server-side --force-conflicts -f -`
  return beyond.length > 0
    ? `newer than this program: it has ${some(beyond)} besides`
    : "as this program knows it"
}
