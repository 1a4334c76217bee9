/** The arguments of the git commands that are known to work: https://git-scm.com/docs/partial-clone */

const COMMON = [
  "fetch",
  "-q",
  "--no-tags",
  "--no-write-fetch-head",
  "--no-auto-maintenance",
  "--recurse-submodules=no",
] as const

/**
 * A first fetch takes no blob; an update takes the small ones that changed, and so needs one request.
 * `everything` is for servers that give no object by its id.
 */
const FILTERS = {
  first: ["--filter=blob:none"],
  update: ["--filter=blob:limit=1m"],
  everything: ["--no-filter", "--refetch"],
} as const

export const headArguments = (
  ref: string,
  mirrorRef: string,
  kind: keyof typeof FILTERS,
): ReadonlyArray<string> => [
  ...COMMON,
  "--depth=1",
  ...FILTERS[kind],
  "--",
  "origin",
  `+${ref}:${mirrorRef}`,
]

/** Ids on standard input. */
export const blobArguments: ReadonlyArray<string> = [
  ...COMMON,
  "--filter=blob:none",
  "--stdin",
  "--",
  "origin",
]

/** Otherwise git negotiates about commits, and fails: "did not send all necessary objects". */
export const blobConfig: ReadonlyArray<readonly [string, string]> = [
  ["fetch.negotiationAlgorithm", "noop"],
]

/** `path` is normal; "" lists everything. */
export const treeArguments = (treeish: string, path: string): ReadonlyArray<string> => [
  "ls-tree",
  "-r",
  "-z",
  "--full-tree",
  treeish,
  "--",
  ...(path === "" ? [] : [`${path}/`]),
]

export const askArguments = (ref: string): ReadonlyArray<string> => [
  "ls-remote",
  "-q",
  "--",
  "origin",
  ref,
]

export const branchesArguments: ReadonlyArray<string> = [
  "ls-remote",
  "-q",
  "--heads",
  "--",
  "origin",
]

export const batchArguments: ReadonlyArray<string> = ["cat-file", "--batch", "--buffer"]
export const presenceArguments: ReadonlyArray<string> = ["cat-file", "--batch-check", "--buffer"]

/** Only to a promisor's packs is a missing blob no damage. */
export const promisorConfig: ReadonlyArray<readonly [string, string]> = [
  ["remote.origin.promisor", "true"],
  ["remote.origin.partialclonefilter", "blob:none"],
]

export const repackArguments: ReadonlyArray<string> = ["repack", "-a", "-d", "-q"]

export const lines = (ids: Iterable<string>): string => `${[...ids].join("\n")}\n`
