/** The git commands that are known to work on a partial clone: https://git-scm.com/docs/partial-clone */

export type Arguments = ReadonlyArray<string>
export type Settings = ReadonlyArray<readonly [string, string]>

const words = (text: string): Arguments => text.split(" ")

const fetch = words(
  "fetch -q --no-tags --no-write-fetch-head --no-auto-maintenance --recurse-submodules=no",
)

/**
 * A first fetch takes no blob, unless all are wanted; then, and in an update, which holds what changed, the small
 * ones come along, and one request is enough.
 * `everything` is for servers that give no object by its id.
 */
const FILTERS = {
  trees: "--filter=blob:none",
  small: "--filter=blob:limit=1m",
  everything: "--no-filter --refetch",
} as const

export type HowMuch = keyof typeof FILTERS

export const fetchHeadOf = (ref: string, mirrorRef: string, howMuch: HowMuch): Arguments => [
  ...fetch,
  ...words(FILTERS[howMuch]),
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
/** With the commit of an annotated tag. */
export const askForTag = (ref: string): Arguments => [...askFor(ref), `${ref}^{}`]
export const askForTags: Arguments = words("ls-remote -q --tags -- origin")
export const askForBranches: Arguments = words("ls-remote -q --heads -- origin")

/** `contents` and `info` lines on standard input; `flush` has them answered. */
export const readObjects: Arguments = words("cat-file --batch-command --buffer")

/** What a reader is asked: objects with their bytes, or only whether they are there. */
export const questions = (kind: "contents" | "info", names: Iterable<string>): string =>
  [...names].map((name) => `${kind} ${name}\n`).join("")

export const repack: Arguments = words("repack -a -d -q")

/** A missing blob is no damage to a promisor's packs; readers are not told, so that they never ask for one. */
export const promisorSettings: Settings = [
  ["remote.origin.promisor", "true"],
  ["remote.origin.partialclonefilter", "blob:none"],
]

/** Standard input of the commands that take ids. */
export const lines = (ids: Iterable<string>): string => `${[...ids].join("\n")}\n`
