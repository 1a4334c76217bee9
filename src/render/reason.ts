/** kustomize's own words -> a reason that may be shown: no machine paths, no values of Secrets, not endless. */

/** Of a long text the beginning says where, the end says what. */
const HEAD = 250
const TAIL = 350
/** Shorter pieces say nothing, and stand everywhere. */
const LEAST = 4
/** What is kept of kustomize's words: of more the beginning is lost, and with it what the rest quotes. */
export const MOST_SAID = 65_536
const MOST_WORDS = 100_000
const WORD = /[^\s"'`{}[\],:=()]+/gu
/** What these keys of a manifest hold is what messages are about. */
const NAMES = /^[\s-]*["']?(?:apiVersion|kind|name|namespace|path|op|type)["']?\s*:/u
const MAY_HOLD_SECRETS = /\bSecret\b|\bsops\b/u

const ascii = (text: string): string => text.replace(/[^\x20-\x7e…]+/gu, " ")

/** The words of a file that must not be read in a message, one at a time: a file may be one long line of them. */
function* wordsOf(text: string): Generator<string> {
  for (const [line] of text.matchAll(/[^\n]+/gu)) {
    if (NAMES.test(line)) continue
    for (const [word] of line.replace(/^[\s-]*[\w.-]+\s*[:=]/u, "").matchAll(WORD)) {
      if (word.length >= LEAST) yield word
    }
  }
}

interface Generated {
  readonly secretGenerator?: ReadonlyArray<{ readonly literals?: ReadonlyArray<string> }>
  readonly patches?: ReadonlyArray<{ readonly patch?: string }>
}

/** What a kustomization itself holds: literals of Secrets, patches. `text` is canonical. */
export const embedded = (text: string): ReadonlyArray<Source> => {
  const { secretGenerator, patches }: Generated = JSON.parse(text)
  const literals = (secretGenerator ?? []).flatMap((each) => each.literals ?? [])
  return [
    { text: literals.join("\n"), isSecret: true },
    ...(patches ?? []).map(({ patch }) => ({ text: patch ?? "", isSecret: false })),
  ]
}

interface Source {
  readonly text: string
  readonly isSecret: boolean
}

/** Files that a Secret may be made of; every one of them counts where `isSecret` says so. `undefined`: too many words. */
export const secretWords = (texts: Iterable<Source>): ReadonlySet<string> | undefined => {
  const found = new Set<string>()
  for (const { text, isSecret } of texts) {
    if (!isSecret && !MAY_HOLD_SECRETS.test(text)) continue
    for (const word of wordsOf(text)) {
      found.add(word)
      if (found.size > MOST_WORDS) return undefined
    }
  }
  return found
}

const hide = (text: string, secrets: ReadonlySet<string>): string =>
  text
    .split(/([\s"'`{}[\],:=()]+)/u)
    .map((part) => (secrets.has(part) ? "…" : part))
    .join("")

const bound = (text: string): string =>
  text.length <= HEAD + TAIL ? text : `${text.slice(0, HEAD)} … ${text.slice(-TAIL)}`

/** `secrets`: the words to hide, `undefined` where they are not known. */
export const reasonOf = (
  said: string,
  folder: string,
  secrets: ReadonlySet<string> | undefined,
): string => {
  if (secrets === undefined) return "its reason may quote a Secret, and is not shown"
  if (said.length >= MOST_SAID) return "its reason is too long to be shown"
  const lines = said.split("\n").filter((line) => !line.startsWith("# Warning:"))
  const plain = lines
    .join("\n")
    .replaceAll(`${folder}/`, "")
    .replaceAll(folder, ".")
    .replace(/^Error: /u, "")
    // Whole patches are quoted, and whole configurations of their transformer.
    .replace(/\[patch: "(?:[^"\\]|\\.)*"\]/gsu, "[patch: …]")
    .replace(/(can't be set at the same time|must specify one of patch and path in).*$/su, "$1")
    // YAML's reader quotes the beginnings of values.
    .replace(/`[^`]*`/gu, "`…`")
    // Go prints the bytes of a line as numbers.
    .replace(/\[\d+(?: \d+)+\]/gu, "[…]")
  const text = ascii(hide(plain, secrets)).replace(/ {2,}/gu, " ").trim()
  return bound(text === "" ? "it gave no reason" : text)
}

/** kustomize's advice about old fields. */
export const warningsIn = (said: string): ReadonlyArray<string> => [
  ...new Set(
    said
      .split("\n")
      .filter((line) => line.startsWith("# Warning:"))
      .map((line) => ascii(line.slice("# Warning:".length)).trim().slice(0, 300)),
  ),
]
