/** The git commands that are known to work on a partial clone: https://git-scm.com/docs/partial-clone */

export type Arguments = ReadonlyArray<string>
export type Settings = ReadonlyArray<readonly [string, string]>

const words = (text: string): Arguments => text.split(" ")

const fetch = words(
  "fetch -q --no-tags --no-write-fetch-head --no-auto-maintenance --recurse-submodules=no",
)

/**
 * A first fetch takes no blob; an update takes the small ones that changed, and so needs one request.
 * `everything` is for servers that give no object by its id.
 */
const FILTERS = {
  first: "--filter=blob:none",
  update: "--filter=blob:limit=1m",
  everything: "--no-filter --refetch",
} as const

export const fetchHeadOf = (
  ref: string,
  mirrorRef: string,
  kind: keyof typeof FILTERS,
): Arguments => [
  ...fetch,
  ...words(FILTERS[kind]),
  "--depth=1",
  "--",
  "origin",
  `+${ref}:${mirrorRef}`,
]

/** Ids on standard input. */
export const fetchIds: Arguments = [...fetch, ...words("--filter=blob:none --stdin -- origin")]

/** Otherwise git negotiates about commits, and fails: "did not send all necessary objects". */
export const fetchIdsSettings: Settings = [["fetch.negotiationAlgorithm", "noop"]]

export const askFor = (ref: string): Arguments => [...words("ls-remote -q -- origin"), ref]
export const askForBranches: Arguments = words("ls-remote -q --heads -- origin")

/** `path` is normal; "" lists everything. */
export const listTree = (treeish: string, path: string): Arguments => [
  ...words("ls-tree -r -z --full-tree"),
  treeish,
  "--",
  ...(path === "" ? [] : [`${path}/`]),
]

export const readObjects: Arguments = words("cat-file --batch --buffer")
export const checkObjects: Arguments = words("cat-file --batch-check --buffer")

export const repack: Arguments = words("repack -a -d -q")

/** A missing blob is no damage to a promisor's packs; readers are not told, so that they never ask for one. */
export const promisorSettings: Settings = [
  ["remote.origin.promisor", "true"],
  ["remote.origin.partialclonefilter", "blob:none"],
]

/** Standard input of the commands that take ids. */
export const lines = (ids: Iterable<string>): string => `${[...ids].join("\n")}\n`
