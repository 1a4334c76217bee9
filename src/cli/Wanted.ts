/** What `nopea diff` compares with the cluster: a folder here, or what Git says now. */
import { stat } from "node:fs/promises"
import { Effect, type Layer, Result, type Scope } from "effect"
import type { ConfigError, SyncError } from "../domain/errors.ts"
import { decodeRepository, type GitRepository } from "../domain/repository.ts"
import { rollbackOf } from "../domain/rollback.ts"
import type { GitSource } from "../domain/source.ts"
import { Git } from "../git/Git.ts"
import type { Kube } from "../kube/Kube.ts"
import { Render } from "../render/Render.ts"
import { Credentials } from "../worker/Credentials.ts"
import type { Here } from "./Cluster.ts"
import { repository } from "./Cluster.ts"
import { type Compared, compare, type Wanted } from "./Diff.ts"
import { readLocalTree } from "./LocalTree.ts"
import { EXIT, failureLines, type Told, toldOf } from "./told.ts"
import { short, type View } from "./view.ts"

/** What it takes to read Git as the controller does, with the rights of who asks. */
export type Tools = (
  kube: Kube["Service"],
) => Layer.Layer<Git | Render | Credentials, ConfigError | SyncError>

/** A folder is named as shells name them: by a path, or as what stands here under a name that no repository has. */
const looksLikeFolder = (text: string): boolean => /^\.{1,2}$|\//u.test(text)

const isFolder = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    ),
  )

const fromFolder = Effect.fnUntraced(function* (directory: string) {
  const render = yield* Render
  const tree = yield* readLocalTree(directory)
  const rendered = yield* render.render({ subject: directory, ...tree })
  return { ...rendered, origin: directory } satisfies Wanted
})

const wordsOf = (error: ConfigError | SyncError): Told =>
  error._tag === "KubeError" || error._tag === "ConfigError"
    ? toldOf(error)
    : { message: error.message, fix: error.fix, exit: EXIT.usage }

/** Why the controller would not apply this commit, although the diff shows what it would change. */
const refusal = Effect.fnUntraced(function* (asked: GitRepository, source: GitSource, sha: string) {
  if (asked.spec.verify === undefined) return []
  const trusted = yield* (yield* Credentials).trusted(asked)
  const checked = yield* Effect.result((yield* Git).verify(source, sha, trusted))
  return Result.isSuccess(checked) ? [] : [failureLines(wordsOf(checked.failure))]
})

/** What the next sync is of: what Git says now, or what is rolled back to meanwhile. */
const newest = Effect.fnUntraced(function* (asked: GitRepository) {
  const git = yield* Git
  const followed = yield* (yield* Credentials).source(asked, false)
  const rollback = yield* Effect.fromResult(rollbackOf(asked))
  const { sha } = yield* git.sync(followed, asked.spec.path)
  if (rollback?.from !== sha) return { source: followed, sha }
  const source: GitSource = { ...followed, ref: { commit: rollback.to } }
  return { source, sha: (yield* git.sync(source, asked.spec.path)).sha }
})

const fromGit = Effect.fnUntraced(function* (asked: GitRepository) {
  const git = yield* Git
  const render = yield* Render
  const { path } = asked.spec
  const { source, sha } = yield* newest(asked)
  const entries = yield* git.files(source, sha, path)
  const read = (blobs: ReadonlyArray<string>) => git.read(source, sha, blobs)
  const subject = `${asked.metadata.namespace}/${asked.metadata.name}`
  const everything = git.files(source, sha, ".")
  const rendered = yield* render.render({ subject, path, entries, everything, read })
  const problems = yield* refusal(asked, source, sha)
  return { ...rendered, origin: short(sha), problems } satisfies Wanted
})

interface Target {
  readonly owner?: View
  readonly folder?: string
}

const targetOf = (here: Here, what: string, directory: string): Effect.Effect<Target, Told> =>
  Effect.gen(function* () {
    if (directory !== "") return { owner: yield* repository(here, what), folder: directory }
    if (looksLikeFolder(what)) return { folder: what }
    const owner = repository(here, what)
    const orFolder = (told: Told): Effect.Effect<Target, Told> =>
      Effect.flatMap(isFolder(what), (is) =>
        is ? Effect.succeed({ folder: what }) : Effect.fail(told),
      )
    return yield* Effect.catch(
      Effect.map(owner, (found): Target => ({ owner: found })),
      orFolder,
    )
  })

/** `nopea diff NAME`, `nopea diff DIR`, `nopea diff NAME DIR`. */
export const diff = (
  here: Here,
  tools: Tools,
  { what, directory }: { readonly what: string; readonly directory: string },
): Effect.Effect<Compared, Told, Scope.Scope> =>
  Effect.gen(function* () {
    const { owner, folder } = yield* targetOf(here, what, directory)
    const asked =
      folder === undefined && owner ? Effect.fromResult(decodeRepository(owner.object)) : undefined
    const wanted = asked === undefined ? fromFolder(folder ?? what) : Effect.flatMap(asked, fromGit)
    const found = yield* wanted.pipe(Effect.provide(tools(here.kube)), Effect.mapError(wordsOf))
    return yield* compare(here, found, owner)
  })
