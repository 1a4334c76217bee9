/** Files of a commit -> what they hold: read once, parsed on threads, kept by blob. */
import { Effect } from "effect"
import { type Failure, RenderError } from "../domain/errors.ts"
import type { BlobId, TreeEntry } from "../domain/source.ts"
import { makeCache, type SizedCache } from "./cache.ts"
import { type Format, onlyFailures, type Parsed, stalled } from "./parsed.ts"
import type { RenderRequest } from "./Render.ts"
import { DIED, type Threads, TOO_SLOW } from "./Threads.ts"

export interface ParsingOptions {
  readonly maxFileBytes: number
  /** Of all files that one render has to read. */
  readonly maxBytes: number
  /** Of the results kept for later commits and other repositories, about. */
  readonly cacheBytes: number
}

export interface File {
  readonly entry: TreeEntry
  readonly format: Format
}

type Asked<E> = Pick<RenderRequest<E>, "subject" | "path" | "read">

export interface Parsing {
  /** One answer for each file, in their order. */
  readonly files: <E>(
    request: Asked<E>,
    files: ReadonlyArray<File>,
  ) => Effect.Effect<ReadonlyArray<Parsed>, RenderError | E>
  /** What comes from somewhere else than a blob; at most `maxFileBytes`. */
  readonly bytes: (bytes: Uint8Array) => Effect.Effect<Parsed>
  readonly cache: SizedCache<Parsed>
  readonly keep: (key: string, parsed: Parsed) => void
}

/** kustomize is not there, or no process is to be had. */
export const UNSTARTED = "NOPEA-R027"

const tooLarge = (size: number, most: number): Failure =>
  stalled(
    "NOPEA-R007",
    `the file has ${size} bytes, more than ${most}`,
    "split the file, or move it out of the path",
  )

const sizeOf = (parsed: Parsed): number =>
  parsed.objects.reduce((sum, { json }) => sum + json.length + 500, 500) +
  500 * (parsed.failures.length + parsed.warnings.length) +
  (parsed.scanned?.text.length ?? 0) +
  200 * (parsed.scanned?.references.length ?? 0)

const PASSING: ReadonlySet<string> = new Set([TOO_SLOW, DIED, UNSTARTED])
/** A slow or deadly file may fare better on another day. */
const isLasting = ({ failures }: Parsed): boolean =>
  failures.every(({ code }) => !PASSING.has(code))

/** One blob means the same wherever it lies, if it is read in the same format. */
const keyOf = ({ format, entry }: File): string => `${format}:${entry.blob}`

const unrendered = (
  subject: string,
  [code, reason, fix]: readonly [code: string, reason: string, fix: string],
): RenderError =>
  new RenderError({ code, operation: "render", subject, reason, fix, disposition: "stall" })

/** All files of one render together. */
export const tooMuch = (
  { subject, path }: Pick<Asked<never>, "subject" | "path">,
  total: number,
  most: number,
): RenderError => {
  const reason = `the files below ${path} have ${total} bytes, more than ${most}`
  const fix = "narrow spec.path, or split the directory over several GitRepositories"
  return unrendered(subject, ["NOPEA-R025", reason, fix])
}

/** The content of all of them, within bounds. */
export const readAll = <E>(
  request: Asked<E>,
  entries: ReadonlyArray<TreeEntry>,
  maxBytes: number,
): Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, RenderError | E> =>
  Effect.flatMap(request.read([...new Set(entries.map(({ blob }) => blob))]), (blobs) => {
    const lost = entries.find(({ blob }) => !blobs.has(blob))
    if (lost !== undefined) {
      const reason = `the content of ${lost.path} could not be read`
      const fix = "ask for a sync; if it stays, restart the controller with an empty data directory"
      return Effect.fail(unrendered(request.subject, ["NOPEA-R026", reason, fix]))
    }
    const total = blobs.values().reduce((sum, bytes) => sum + bytes.length, 0)
    if (total <= maxBytes) return Effect.succeed(blobs)
    return Effect.fail(tooMuch(request, total, maxBytes))
  })

/** Files that are learned between two turns of others. */
const PART = 500

export const makeParsing = (threads: Threads, options: ParsingOptions): Parsing => {
  const cache = makeCache<Parsed>(options.cacheBytes)
  const keep = (key: string, parsed: Parsed): void => {
    if (isLasting(parsed)) cache.set(key, parsed, sizeOf(parsed))
  }

  const parseFresh = Effect.fnUntraced(function* (
    files: ReadonlyArray<File>,
    blobs: ReadonlyMap<BlobId, Uint8Array>,
    known: Map<string, Parsed>,
  ) {
    const learn = (file: File, parsed: Parsed): void => {
      known.set(keyOf(file), parsed)
      keep(keyOf(file), parsed)
    }
    const bytesOf = (file: File) => blobs.get(file.entry.blob) as Uint8Array
    const isSmall = (file: File) => bytesOf(file).length <= options.maxFileBytes
    for (const file of files.filter((each) => !isSmall(each))) {
      learn(file, onlyFailures(tooLarge(bytesOf(file).length, options.maxFileBytes)))
    }
    const small = files.filter(isSmall)
    const jobs = small.map((file) => ({ bytes: bytesOf(file), format: file.format }))
    const results = yield* threads.parse(jobs)
    for (const [at, file] of small.entries()) {
      if (at % PART === PART - 1) yield* Effect.yieldNow
      learn(file, results[at] as Parsed)
    }
  })

  return {
    cache,
    keep,
    bytes: (bytes) =>
      Effect.map(threads.parse([{ bytes, format: "yaml" }]), ([parsed]) => parsed as Parsed),
    files: Effect.fnUntraced(function* <E>(request: Asked<E>, files: ReadonlyArray<File>) {
      const known = new Map<string, Parsed>()
      const fresh = new Map<string, File>()
      for (const file of files) {
        const parsed = cache.get(keyOf(file))
        if (parsed === undefined) fresh.set(keyOf(file), file)
        else known.set(keyOf(file), parsed)
      }
      if (fresh.size > 0) {
        const unread = [...fresh.values()]
        const entries = unread.map(({ entry }) => entry)
        const blobs = yield* readAll(request, entries, options.maxBytes)
        yield* parseFresh(unread, blobs, known)
      }
      return files.map((file) => known.get(keyOf(file)) as Parsed)
    }),
  }
}
