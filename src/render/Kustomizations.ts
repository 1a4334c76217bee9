/** A kustomization -> desired objects: what it needs is found first, refused or run, and kept by all that it was made of. */
import { createHash } from "node:crypto"
import { Duration, Effect, Semaphore } from "effect"
import type { RenderError } from "../domain/errors.ts"
import type { TreeEntry } from "../domain/source.ts"
import { inTurns } from "../domain/Turns.ts"
import { assemble } from "./assemble.ts"
import { normalPath } from "./files.ts"
import { type Build, type Built, findProgram, runKustomize } from "./Kustomize.ts"
import {
  type File,
  type Parsing,
  type ParsingOptions,
  readAll,
  tooMuch,
  UNSTARTED,
} from "./Parsing.ts"
import { onlyFailures, type Parsed, stalled } from "./parsed.ts"
import { isPointer, POINTER } from "./pointer.ts"
import type { Rendered, RenderRequest } from "./Render.ts"
import { embedded, reasonOf, secretWords, warningsIn } from "./reason.ts"
import { arrange } from "./repositoryTree.ts"
import { DIED, type ThreadOptions, TOO_SLOW } from "./Threads.ts"
import { type Known, type Needed, type Walk, walk } from "./walk.ts"

export interface KustomizeOptions {
  /** A program's name, sought on PATH and beside this file, or a path with a `/`. */
  readonly program: string
  /** Where folders for single runs are made. */
  readonly folder: string
  /** Most processes at a time. */
  readonly processes: number
  readonly memoryMb: number
  /** Of one run; default: that of parsing. */
  readonly timeout?: Duration.Input
}

export interface Kustomizations {
  readonly render: <E>(request: RenderRequest<E>) => Effect.Effect<Rendered, RenderError | E>
}

type Options = ParsingOptions &
  Pick<ThreadOptions, "timeout"> & { readonly kustomize: KustomizeOptions }

const only = (code: string, reason: string, fix: string): Parsed =>
  onlyFailures(stalled(code, reason, fix))

const ABSENT = only(
  UNSTARTED,
  "there is no kustomize here to build it",
  "install kustomize beside the controller, or say where it is with NOPEA_KUSTOMIZE",
)

const SIMPLIFY = "simplify it, or split it over several GitRepositories"
/** How kustomize ends where it has a reason. The runtime of Go ends otherwise, without memory in many ways. */
const REFUSAL = 1

/** One at a time: together they may be 64 MiB, and twice that as text. */
function* textsOf(needed: Iterable<Needed>, { files }: Build) {
  for (const { entry, as, isSecret, text } of needed) {
    const bytes = files.get(entry.path) ?? new Uint8Array()
    const { buffer, byteOffset, byteLength } = bytes
    yield { text: Buffer.from(buffer, byteOffset, byteLength).toString("utf8"), isSecret }
    // What refuses a kustomization leaves it empty; plugins may be several documents.
    if (as === "kustomization" && text) yield* embedded(text)
  }
}

/** What an end without objects means. */
const failureOf = (
  built: Built,
  { maxFileBytes, timeout, kustomize }: Options,
  secrets: () => ReturnType<typeof secretWords>,
): Parsed => {
  const { how, code, stderr, folder } = built
  if (how === "late") {
    const limit = Duration.format(Duration.fromInputUnsafe(kustomize.timeout ?? timeout))
    const fix = `${SIMPLIFY}, or raise NOPEA_KUSTOMIZE_TIMEOUT`
    return only(TOO_SLOW, `kustomize takes longer than ${limit}`, fix)
  }
  if (how === "overflowed") {
    return only("NOPEA-R033", `kustomize makes more than ${maxFileBytes} bytes of it`, SIMPLIFY)
  }
  if (how === "unstarted" || code === 126 || code === 127) {
    const why = how === "unstarted" ? stderr : "it is no program for this machine"
    return only(
      UNSTARTED,
      `kustomize does not start: ${why}`,
      "see that it runs, and that the data directory can be written",
    )
  }
  if (code !== REFUSAL) {
    return only(DIED, `kustomize crashes, or needs more than ${kustomize.memoryMb} MiB`, SIMPLIFY)
  }
  const fix = "correct what it names; kustomize build shows the same"
  return only("NOPEA-R034", `kustomize refuses it: ${reasonOf(stderr, folder, secrets())}`, fix)
}

/** Equal keys: kustomize would be given the same. */
const keyOf = (root: string, { needed, sharesFiles }: Walk): string => {
  const files = [...needed.values()].map(({ entry, text }) => [
    entry.path,
    entry.blob,
    text === undefined,
  ])
  const all = JSON.stringify([root, sharesFiles, files.toSorted()])
  return `kustomize:${createHash("sha256").update(all).digest("hex")}`
}

export const makeKustomizations = Effect.fnUntraced(function* (
  parsing: Parsing,
  options: Options,
): Effect.fn.Return<Kustomizations> {
  const { kustomize } = options
  const program = yield* Effect.promise(() => findProgram(kustomize.program))
  const turns = Semaphore.makeUnsafe(kustomize.processes)
  const limits = {
    timeout: options.timeout,
    ...kustomize,
    maxOutputBytes: options.maxFileBytes,
  }

  const survey = Effect.fnUntraced(function* <E>(request: RenderRequest<E>, root: string) {
    const scans = new Map<string, Parsed>()
    const nameOf = ({ entry, format }: File) => `${format}:${entry.path}`
    const scan: Known["scan"] = (entry, format) => scans.get(nameOf({ entry, format }))
    let tree = arrange(request.entries, root)
    while (true) {
      const round = walk({ root, tree, scan })
      if (round.leavesTree) tree = arrange(yield* request.everything, "")
      if (!round.leavesTree && round.unread.length === 0) return { round, tree }
      const parsed = yield* parsing.files(request, round.unread)
      for (const [at, file] of round.unread.entries()) scans.set(nameOf(file), parsed[at] as Parsed)
      // A round may take long, and all of them come out of a cache.
      yield* Effect.yieldNow
    }
  })

  const collect = Effect.fnUntraced(function* <E>(
    request: RenderRequest<E>,
    root: string,
    { needed, sharesFiles }: Walk,
  ) {
    const raw = [...needed.values()].filter(({ text }) => text === undefined)
    const entries = raw.map(({ entry }) => entry)
    const blobs =
      entries.length === 0 ? undefined : yield* readAll(request, entries, options.maxBytes)
    const files = new Map<string, Uint8Array>()
    let total = 0
    for (const { entry, text } of needed.values()) {
      const bytes = text === undefined ? (blobs?.get(entry.blob) as Uint8Array) : Buffer.from(text)
      total += bytes.length
      files.set(entry.path, bytes)
    }
    // One blob may lie in many places, and is written to each.
    if (total > options.maxBytes) return yield* tooMuch(request, total, options.maxBytes)
    return { files, root, sharesFiles } satisfies Build
  })

  const run = Effect.fnUntraced(function* (build: Build, { needed }: Walk) {
    const pointers = [...build.files].filter(([, bytes]) => isPointer(bytes))
    if (pointers.length > 0)
      return onlyFailures(...pointers.map(([file]) => ({ ...POINTER, file })))
    if (program === undefined) return ABSENT
    const built = yield* turns.withPermits(1)(runKustomize(program, limits, build))
    if (built.how !== "exited" || built.code !== 0) {
      return failureOf(built, options, () => secretWords(textsOf(needed.values(), build)))
    }
    const parsed = yield* parsing.bytes(built.stdout)
    const said = warningsIn(built.stderr).map((text) => ({ line: 1, text }))
    return { ...parsed, warnings: [...said, ...parsed.warnings] }
  })

  const answer = Effect.fnUntraced(function* <E>(
    request: RenderRequest<E>,
    root: string,
    round: Walk,
  ) {
    if (round.failures.length > 0) return onlyFailures()
    const key = keyOf(root, round)
    const known = parsing.cache.get(key)
    if (known !== undefined) return known
    const parsed = yield* run(yield* collect(request, root, round), round)
    parsing.keep(key, parsed)
    return parsed
  })

  return {
    render: Effect.fnUntraced(function* <E>(
      request: RenderRequest<E>,
    ): Effect.fn.Return<Rendered, RenderError | E> {
      const root = normalPath(request.path)
      const { round, tree } = yield* survey(request, root)
      const parsed = yield* answer(request, root, round)
      const entry = tree.kustomizations.get(root)?.[0] as TreeEntry
      const selection = {
        files: [{ entry, format: "yaml" as const }],
        failures: round.failures,
        warnings: round.warnings.map(({ file, line, text }) => `${file}:${line}: ${text}`),
      }
      return yield* inTurns(assemble(selection, [parsed]))
    }),
  }
})
