/** Render's live side: parses on threads, keeps results by blob, assembles on the main thread. */
import { Effect, Layer } from "effect"
import { type Failure, RenderError } from "../domain/errors.ts"
import type { BlobId } from "../domain/source.ts"
import { assemble } from "./assemble.ts"
import { makeCache } from "./cache.ts"
import { type Selection, select } from "./files.ts"
import { onlyFailures, type Parsed, stalled } from "./parsed.ts"
import { Render, type RenderRequest } from "./Render.ts"
import { DIED, makeThreads, type ThreadOptions, TOO_SLOW } from "./Threads.ts"

export interface RenderPoolOptions extends ThreadOptions {
  readonly maxFileBytes: number
  /** Of all files that one render has to read. */
  readonly maxBytes: number
  /** Of the results kept for later commits and other repositories, about. */
  readonly cacheBytes: number
}

type Files = Selection["files"]

const tooLarge = (size: number, most: number): Failure =>
  stalled(
    "NOPEA-R007",
    `the file has ${size} bytes, more than ${most}`,
    "split the file, or move it out of the path",
  )

const sizeOf = (parsed: Parsed): number =>
  parsed.objects.reduce((sum, { json }) => sum + json.length + 500, 500) +
  500 * (parsed.failures.length + parsed.warnings.length)

/** A slow or deadly file may fare better on another day. */
const isLasting = ({ failures }: Parsed): boolean =>
  failures.every(({ code }) => code !== TOO_SLOW && code !== DIED)

/** One blob means the same wherever it lies, if it is read in the same format. */
const keyOf = ({ format, entry }: Files[number]): string => `${format}:${entry.blob}`

const unrendered = (
  subject: string,
  [code, reason, fix]: readonly [code: string, reason: string, fix: string],
): RenderError =>
  new RenderError({ code, operation: "render", subject, reason, fix, disposition: "stall" })

const readAll = <E>(
  request: RenderRequest<E>,
  files: Files,
  maxBytes: number,
): Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, RenderError | E> =>
  Effect.flatMap(request.read([...new Set(files.map(({ entry }) => entry.blob))]), (blobs) => {
    const lost = files.find(({ entry }) => !blobs.has(entry.blob))
    if (lost !== undefined) {
      const reason = `the content of ${lost.entry.path} could not be read`
      const fix = "ask for a sync; if it stays, restart the controller with an empty data directory"
      return Effect.fail(unrendered(request.subject, ["NOPEA-R026", reason, fix]))
    }
    const total = blobs.values().reduce((sum, bytes) => sum + bytes.length, 0)
    if (total <= maxBytes) return Effect.succeed(blobs)
    const reason = `the files below ${request.path} have ${total} bytes, more than ${maxBytes}`
    const fix = "narrow spec.path, or split the directory over several GitRepositories"
    return Effect.fail(unrendered(request.subject, ["NOPEA-R025", reason, fix]))
  })

const make = Effect.fnUntraced(function* (options: RenderPoolOptions) {
  const threads = yield* makeThreads(options)
  const cache = makeCache<Parsed>(options.cacheBytes)

  const parseFiles = Effect.fnUntraced(function* (
    files: Files,
    blobs: ReadonlyMap<BlobId, Uint8Array>,
    known: Map<string, Parsed>,
  ) {
    const learn = (file: Files[number], parsed: Parsed): void => {
      known.set(keyOf(file), parsed)
      if (isLasting(parsed)) cache.set(keyOf(file), parsed, sizeOf(parsed))
    }
    const bytesOf = (file: Files[number]) => blobs.get(file.entry.blob) as Uint8Array
    const isSmall = (file: Files[number]) => bytesOf(file).length <= options.maxFileBytes
    for (const file of files.filter((each) => !isSmall(each))) {
      learn(file, onlyFailures(tooLarge(bytesOf(file).length, options.maxFileBytes)))
    }
    const small = files.filter(isSmall)
    const jobs = small.map((file) => ({ bytes: bytesOf(file), format: file.format }))
    const results = yield* threads.parse(jobs)
    small.forEach((file, at) => {
      learn(file, results[at] as Parsed)
    })
  })

  return Render.of({
    render: Effect.fn("Render.render")(function* <E>(request: RenderRequest<E>) {
      const selection = select(request.path, request.entries)
      const known = new Map<string, Parsed>()
      const fresh = new Map<string, Files[number]>()
      for (const file of selection.files) {
        const parsed = cache.get(keyOf(file))
        if (parsed === undefined) fresh.set(keyOf(file), file)
        else known.set(keyOf(file), parsed)
      }
      if (fresh.size > 0) {
        const files = [...fresh.values()]
        const blobs = yield* readAll(request, files, options.maxBytes)
        yield* parseFiles(files, blobs, known)
      }
      const parsed = selection.files.map((file) => known.get(keyOf(file)) as Parsed)
      return assemble(selection, parsed)
    }),
  })
})

export const layer = (options: RenderPoolOptions): Layer.Layer<Render> =>
  Layer.effect(Render, make(options))
