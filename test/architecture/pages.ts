// What a page says: its links, headings and code, and which names in it exist nowhere.
import { posix } from "node:path"

const FENCE = /^( *)```[^\n]*\n([\s\S]*?)^\1```/gmu

const blocksOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(FENCE)].map(([, , block = ""]) => block)

/** Without fenced blocks, in which `#` and `[a](b)` mean something else. */
const prose = (text: string): string => text.replace(FENCE, "")

/** As GitHub makes them: https://docs.github.com/get-started/writing-on-github */
const slug = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/gu, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-")

/** Headings as what follows `#` in a link; of two that are alike the second ends in `-1`. */
export const anchorsOf = (text: string): ReadonlySet<string> => {
  const seen = new Map<string, number>()
  const headings = [...prose(text).matchAll(/^#{1,6} +(.+)$/gmu)]
  return new Set(
    headings.map(([, heading = ""]) => {
      const name = slug(heading)
      const nth = seen.get(name) ?? 0
      seen.set(name, nth + 1)
      return nth === 0 ? name : `${name}-${nth}`
    }),
  )
}

export interface Link {
  /** From the root of the repository. */
  readonly path: string
  readonly anchor: string
}

/** Relative links of a page, images among them. */
export const linksOf = (page: string, text: string): ReadonlyArray<Link> =>
  [
    ...prose(text)
      .replace(/`[^`\n]*`/gu, "code")
      .matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/gu),
  ].map(([, target = "", anchor = ""]) => ({
    path: target === "" ? page : posix.join(posix.dirname(page), target).replace(/\/$/u, "") || ".",
    anchor,
  }))

/** Links that lead nowhere. */
export const broken = (
  page: string,
  text: string,
  files: ReadonlyArray<string>,
  read: (path: string) => string,
): ReadonlyArray<string> =>
  linksOf(page, text).flatMap(({ path, anchor }) => {
    if (!files.some((file) => file === path || file.startsWith(`${path}/`))) return [path]
    const isThere = anchor === "" || !path.endsWith(".md") || anchorsOf(read(path)).has(anchor)
    return isThere ? [] : [`${path}#${anchor}`]
  })

/** Everything that is code: blocks line by line, and what stands between backticks. */
export const codeIn = (text: string): ReadonlyArray<string> => [
  ...blocksOf(text).flatMap((block) => block.split("\n")),
  ...[...prose(text).matchAll(/`([^`\n]+)`/gu)].map(([, code = ""]) => code),
]

/** Scripts of npm and targets of make that a page asks for. */
export const askedFor = (
  text: string,
): { readonly npm: Set<string>; readonly make: Set<string> } => {
  const code = codeIn(text)
  const found = (pattern: RegExp) =>
    new Set(code.flatMap((line) => [...line.matchAll(pattern)].map(([, name = ""]) => name)))
  return {
    npm: found(/\bnpm run (?:--silent )?([a-z][a-z:-]*)/gu),
    make: found(/^\s*(?:\$ )?make ([a-z][a-z-]*)/gu),
  }
}

/** Every match of `pattern` (its first group) in a page that is not known. */
export const unknownIn = (
  text: string,
  pattern: RegExp,
  isKnown: (name: string) => boolean,
): ReadonlyArray<string> => [
  ...new Set(
    [...text.matchAll(pattern)].map(([, name = ""]) => name).filter((name) => !isKnown(name)),
  ),
]
