// The Git port in memory: repositories with commits and branches, mirrors that know only what they fetched,
// failures on demand and a log of calls. No process, no disk; time is the clock's.
import { createHash } from "node:crypto"
import { Clock, Duration, Effect, Layer } from "effect"
import type { GitError } from "../../src/domain/errors.ts"
import type { BlobId, Commit, CommitId, GitSource, TreeEntry } from "../../src/domain/source.ts"
import { type Fault, gitError, type Place } from "../../src/git/failure.ts"
import { Git } from "../../src/git/Git.ts"
import { labelOf, type Target, targetOf } from "../../src/git/target.ts"
import { mirrorKey, normalPath, parseRemote } from "../../src/git/url.ts"
import { highest } from "../../src/git/versions.ts"
import type { Content, Files } from "../gitserver/fastImport.ts"

export type Operation = "verify" | "lsRemote" | "sync" | "head" | "files" | "read"

export interface Call {
  readonly operation: Operation
  readonly url: string
  readonly branch: string
  /** Whether the server was asked. */
  asked: boolean
}

export interface MemoryCommitOptions {
  readonly message?: string
  readonly branch?: string
  readonly author?: { readonly name: string; readonly email: string }
  /** Seconds since 1970; default 0. */
  readonly time?: number
  readonly replace?: boolean
  /** The base64 of the key that signs it. */
  readonly signer?: string
}

interface Stored {
  readonly commit: Commit
  readonly signer: string | undefined
  readonly tree: ReadonlyMap<string, TreeEntry>
}

/** `error`: each question to the server fails so; `stall`: it never ends; `delay`: it is answered late. */
export type Failure =
  | { readonly kind: "error"; readonly fault: Fault; readonly retryAfter?: number }
  | { readonly kind: "stall" }
  | { readonly kind: "delay"; readonly by: Duration.Input }

const hashOf = (kind: string, bytes: Uint8Array): string =>
  createHash("sha1").update(`${kind} ${bytes.length}\0`).update(bytes).digest("hex")

const bytesOf = (content: Exclude<Content, null>): Buffer => {
  if (typeof content === "string") return Buffer.from(content)
  if (Buffer.isBuffer(content)) return content
  if ("executable" in content) return Buffer.from(content.executable as string)
  return Buffer.from("symlink" in content ? content.symlink : content.submodule)
}

const modeOf = (content: Exclude<Content, null>): TreeEntry["mode"] => {
  if (typeof content === "string" || Buffer.isBuffer(content)) return "file"
  if ("executable" in content) return "executable"
  return "symlink" in content ? "symlink" : "submodule"
}

/** One repository at the server. */
export class MemoryRepo {
  readonly url: string
  readonly branches = new Map<string, CommitId>()
  readonly tags = new Map<string, CommitId>()
  readonly commits = new Map<CommitId, Stored>()
  readonly blobs = new Map<BlobId, Uint8Array>()
  #failures: { failure: Failure; times: number }[] = []

  constructor(url: string) {
    this.url = url
  }

  commit(files: Files, options: MemoryCommitOptions = {}): CommitId {
    const parent = this.branches.get(options.branch ?? "main")
    return this.#add(files, options, parent === undefined ? undefined : this.commits.get(parent))
  }

  forcePush(files: Files, options: MemoryCommitOptions = {}): CommitId {
    return this.#add(files, options, undefined)
  }

  createBranch(branch: string, commit?: CommitId): void {
    this.branches.set(branch, commit ?? this.branches.get("main") ?? "")
  }

  deleteBranch(branch: string): void {
    this.branches.delete(branch)
  }

  /** Whether it is annotated shows nowhere: the tag's commit is all that is told. */
  tag(name: string, { commit }: { readonly commit?: CommitId } = {}): void {
    this.tags.set(name, commit ?? this.branches.get("main") ?? "")
  }

  deleteTag(name: string): void {
    this.tags.delete(name)
  }

  /** What is there for a target. */
  find(target: Target): CommitId | undefined {
    if (target.kind === "commit") return target.ref
    if (target.kind === "semver")
      return this.tags.get(highest(this.tags.keys(), target.range) ?? "")
    return (target.kind === "tag" ? this.tags : this.branches).get(target.name)
  }

  /** The newest failure goes first; without `times` until `recover`. */
  fail(failure: Failure, times = Number.POSITIVE_INFINITY): void {
    this.#failures.unshift({ failure, times })
  }

  recover(): void {
    this.#failures = []
  }

  nextFailure(): Failure | undefined {
    const [first] = this.#failures
    if (first === undefined) return undefined
    first.times -= 1
    if (first.times <= 0) this.#failures.shift()
    return first.failure
  }

  #add(files: Files, options: MemoryCommitOptions, parent: Stored | undefined): CommitId {
    const tree = new Map(options.replace === true ? [] : parent?.tree)
    for (const [path, content] of Object.entries(files)) {
      if (content === null) tree.delete(path)
      else tree.set(path, this.#entry(path, content))
    }
    const { author = { name: "Test Author", email: "author@example.com" }, time = 0 } = options
    const message = options.message ?? `change ${Object.keys(files).slice(0, 3).join(", ")}`
    const text = JSON.stringify([[...tree.values()], parent?.commit.sha, author, time, message])
    const sha = hashOf("commit", Buffer.from(text))
    const commit: Commit = {
      sha,
      message: message.split("\n", 1)[0] ?? "",
      author: author.email,
      time: new Date(time * 1000).toISOString().replace(".000Z", "Z"),
    }
    this.commits.set(sha, { commit, tree, signer: options.signer })
    this.branches.set(options.branch ?? "main", sha)
    return sha
  }

  #entry(path: string, content: Exclude<Content, null>): TreeEntry {
    const mode = modeOf(content)
    const bytes = bytesOf(content)
    if (mode === "submodule") return { path, blob: bytes.toString(), mode }
    const blob = hashOf("blob", bytes)
    this.blobs.set(blob, bytes)
    return { path, blob, mode }
  }
}

/** What one mirror fetched; shared by sources with equal URL and credentials. */
interface MemoryMirror {
  readonly commits: Map<CommitId, Stored>
  readonly blobs: Map<BlobId, Uint8Array>
  readonly heads: Map<string, CommitId>
  readonly answers: Map<string, { readonly commit: CommitId; readonly at: number }>
}

interface Opened {
  readonly target: Target
  readonly place: Place
  readonly mirror: MemoryMirror
  readonly repo: MemoryRepo | undefined
  readonly call: Call
}

const MISSING = {
  branch: "branchMissing",
  tag: "tagMissing",
  semver: "versionMissing",
  commit: "commitMissing",
} as const

const below = (path: string, entry: TreeEntry): boolean =>
  path === "" || entry.path.startsWith(`${path}/`)

export class GitMemory {
  /** Every call, oldest first. */
  readonly calls: Call[] = []
  readonly #repos = new Map<string, MemoryRepo>()
  readonly #mirrors = new Map<string, MemoryMirror>()

  /** `name` becomes `https://git.test/<name>.git`. */
  createRepo(name: string): MemoryRepo {
    const repo = new MemoryRepo(`https://git.test/${name}.git`)
    this.#repos.set(repo.url, repo)
    return repo
  }

  callsOf(operation: Operation): ReadonlyArray<Call> {
    return this.calls.filter((call) => call.operation === operation)
  }

  /** Every mirror forgets everything, as after a lost disk. */
  loseMirrors(): void {
    this.#mirrors.clear()
  }

  get layer(): Layer.Layer<Git> {
    return Layer.succeed(Git, {
      lsRemote: (source, maxAge) =>
        Effect.flatMap(this.#open(source, "lsRemote"), (opened) => this.#tip(opened, maxAge)),
      sync: (source, path) =>
        Effect.flatMap(this.#open(source, "sync"), (opened) => this.#sync(opened, path)),
      head: (source) =>
        Effect.map(this.#open(source, "head"), ({ mirror, target }) => {
          const sha = mirror.heads.get(target.key)
          return sha === undefined ? undefined : mirror.commits.get(sha)?.commit
        }),
      verify: (source, commit, trusted) =>
        Effect.flatMap(this.#open(source, "verify"), ({ mirror, place }) => {
          const signer = mirror.commits.get(commit)?.signer
          if (signer === undefined) return gitError("unsigned", place, `${commit} is not signed`)
          return trusted.some(({ key }) => key === signer)
            ? Effect.void
            : gitError("untrusted", place, `${commit} is signed by somebody else`)
        }),
      files: (source, commit, path) =>
        Effect.flatMap(this.#open(source, "files"), (opened) => this.#files(opened, commit, path)),
      read: (source, _commit, blobs) =>
        Effect.flatMap(this.#open(source, "read"), (opened) => this.#read(opened, blobs)),
    })
  }

  #open(source: GitSource, operation: Operation): Effect.Effect<Opened, GitError> {
    return Effect.suspend(() => {
      const { url, branch, credentials } = source
      const call: Call = { operation, url, branch, asked: false }
      this.calls.push(call)
      const place = { operation, subject: `${url} ${labelOf(source)}` }
      const target = targetOf(source)
      if (!("key" in target)) return gitError(target[0], place, target[1])
      const remote = parseRemote(url, { allowFileUrls: true, credentials }, place)
      return Effect.map(Effect.fromResult(remote), (parsed) => {
        const mirror = this.#mirror(mirrorKey(parsed, credentials))
        return { target, place, mirror, repo: this.#repos.get(parsed.url), call }
      })
    })
  }

  #mirror(key: string): MemoryMirror {
    const known = this.#mirrors.get(key)
    if (known !== undefined) return known
    const fresh = { commits: new Map(), blobs: new Map(), heads: new Map(), answers: new Map() }
    this.#mirrors.set(key, fresh)
    return fresh
  }

  /** The repository, if its server answers. */
  #ask({ repo, place, call }: Opened): Effect.Effect<MemoryRepo, GitError> {
    return Effect.suspend(() => {
      call.asked = true
      if (repo === undefined) return gitError("repositoryMissing", place, "not found")
      const failure = repo.nextFailure()
      if (failure === undefined) return Effect.succeed(repo)
      if (failure.kind === "stall") return Effect.never
      if (failure.kind === "delay") return Effect.delay(Effect.succeed(repo), failure.by)
      return gitError(failure.fault, place, "failure on demand", failure.retryAfter)
    })
  }

  #found(opened: Opened): Effect.Effect<readonly [MemoryRepo, Stored], GitError> {
    return Effect.flatMap(this.#ask(opened), (repo) => {
      const { place, target } = opened
      const stored = repo.commits.get(repo.find(target) ?? "")
      if (stored !== undefined) return Effect.succeed([repo, stored] as const)
      return target.kind === "branch" && repo.branches.size === 0
        ? gitError("emptyRepository", place, "it has no commit yet")
        : gitError(MISSING[target.kind], place, `there is no ${target.label}`)
    })
  }

  #tip(opened: Opened, maxAge: Duration.Duration): Effect.Effect<CommitId, GitError> {
    return Effect.gen({ self: this }, function* () {
      const { mirror, target } = opened
      if (target.kind === "commit") return target.ref
      const now = yield* Clock.currentTimeMillis
      const last = mirror.answers.get(target.key)
      if (last !== undefined && now - last.at < Duration.toMillis(maxAge)) return last.commit
      const [, { commit }] = yield* this.#found(opened)
      mirror.answers.set(target.key, { commit: commit.sha, at: now })
      return commit.sha
    })
  }

  #sync(opened: Opened, path: string): Effect.Effect<Commit, GitError> {
    return Effect.gen({ self: this }, function* () {
      const { mirror, target } = opened
      const normal = yield* normalOr(opened, path)
      const known = mirror.commits.get(mirror.heads.get(target.key) ?? "")
      if (target.kind === "commit" && known !== undefined) return known.commit
      const [repo, stored] = yield* this.#found(opened)
      mirror.commits.set(stored.commit.sha, stored)
      mirror.heads.set(target.key, stored.commit.sha)
      for (const entry of stored.tree.values()) {
        const bytes = below(normal, entry) ? repo.blobs.get(entry.blob) : undefined
        if (bytes !== undefined) mirror.blobs.set(entry.blob, bytes)
      }
      return stored.commit
    })
  }

  #files(
    opened: Opened,
    commit: CommitId,
    path: string,
  ): Effect.Effect<ReadonlyArray<TreeEntry>, GitError> {
    return Effect.gen({ self: this }, function* () {
      const { mirror, place } = opened
      const normal = yield* normalOr(opened, path)
      if (!mirror.commits.has(commit)) yield* this.#sync(opened, path)
      const stored = mirror.commits.get(commit)
      if (stored === undefined) return yield* gitError("gone", place, `no commit ${commit}`)
      const entries = [...stored.tree.values()].filter((entry) => below(normal, entry))
      if (entries.length === 0 && normal !== "") {
        return yield* gitError("pathMissing", place, `no directory ${normal}`)
      }
      return entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
    })
  }

  #read(
    opened: Opened,
    blobs: ReadonlyArray<BlobId>,
  ): Effect.Effect<ReadonlyMap<BlobId, Uint8Array>, GitError> {
    return Effect.gen({ self: this }, function* () {
      const { mirror, place } = opened
      const missing = blobs.filter((blob) => !mirror.blobs.has(blob))
      const repo = missing.length === 0 ? undefined : yield* this.#ask(opened)
      for (const blob of missing) {
        const bytes = repo?.blobs.get(blob)
        if (bytes === undefined) return yield* gitError("gone", place, `no blob ${blob}`)
        mirror.blobs.set(blob, bytes)
      }
      return new Map(blobs.map((blob) => [blob, mirror.blobs.get(blob) ?? new Uint8Array()]))
    })
  }
}

const normalOr = ({ place }: Opened, path: string): Effect.Effect<string, GitError> => {
  const normal = normalPath(path)
  return normal === undefined
    ? gitError("pathRefused", place, `${path} leaves the repository`)
    : Effect.succeed(normal)
}
