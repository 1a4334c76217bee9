// One bare repository behind the test Git server; commits are made in it directly, without a checkout.
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Failure, FailureRule, Step } from "./failures.ts"
import { type Author, type Files, fastImport } from "./fastImport.ts"
import type { Serving } from "./GitServer.ts"
import { type GitRun, git } from "./RunGit.ts"

export interface CommitOptions {
  readonly message?: string
  /** Default `main`. */
  readonly branch?: string
  readonly author?: Author
  /** Seconds since 1970; default now. */
  readonly time?: number
  /** True: the tree holds nothing but the given files. */
  readonly replace?: boolean
}

export interface ForcePushOptions extends CommitOptions {
  /** The commit to build on; null (the default) starts a history without a parent. */
  readonly onto?: string | null
}

const someone: Author = { name: "Test Author", email: "author@example.com" }

const configText = `[core]
\trepositoryformatversion = 0
\tbare = true
[http]
\treceivepack = true
[receive]
\tdenyDeleteCurrent = ignore
[gc]
\tauto = 0
`

/** The layout of an empty bare repository, as `git init --bare` makes it, without a process. */
export const initBare = async (path: string): Promise<void> => {
  await mkdir(join(path, "objects", "info"), { recursive: true })
  await mkdir(join(path, "objects", "pack"))
  await mkdir(join(path, "refs", "heads"), { recursive: true })
  await mkdir(join(path, "refs", "tags"))
  await writeFile(join(path, "HEAD"), "ref: refs/heads/main\n")
  await writeFile(join(path, "config"), configText)
}

export class GitRepo {
  readonly name: string
  /** What a client clones. */
  readonly url: string
  /** The bare repository on disk. */
  readonly path: string
  #serving: Serving
  #failures: FailureRule[] = []
  #turn: Promise<unknown> = Promise.resolve()

  constructor(place: { name: string; url: string; path: string; serving: Serving }) {
    this.name = place.name
    this.url = place.url
    this.path = place.path
    this.#serving = place.serving
  }

  get serving(): Serving {
    return this.#serving
  }

  /** Changes how the server serves this repository from the next request on. */
  serve(change: Partial<Serving>): void {
    this.#serving = { ...this.#serving, ...change }
  }

  /** What `serving` means to git, as configuration for one process. */
  get config(): ReadonlyArray<readonly [string, string]> {
    const { filters, wants } = this.#serving
    return [
      ["uploadpack.allowFilter", String(filters)],
      ["uploadpack.allowAnySHA1InWant", String(wants === "any")],
      ["uploadpack.allowReachableSHA1InWant", String(wants !== "tips")],
    ]
  }

  /** From now on requests fail this way (the newest that matches wins) until `recover`. */
  fail(failure: Failure, where: Omit<FailureRule, "failure"> = {}): void {
    this.#failures.unshift({ failure, ...where })
  }

  /** The failure that meets a request now; a rule with `times` is used up by one. */
  nextFailure(step: Step | "other"): Failure | undefined {
    const index = this.#failures.findIndex((one) => one.step === undefined || one.step === step)
    const rule = this.#failures[index]
    if (rule?.times === 1) this.#failures.splice(index, 1)
    else if (rule?.times !== undefined) this.#failures[index] = { ...rule, times: rule.times - 1 }
    return rule?.failure
  }

  recover(): void {
    this.#failures = []
  }

  /** Any git command in this repository. */
  git(args: readonly string[], options: GitRun = {}): Promise<string> {
    return git(args, { ...options, cwd: this.path })
  }

  /** The branch's commit, or undefined when there is no such branch. */
  async head(branch = "main"): Promise<string | undefined> {
    const loose = await readFile(join(this.path, "refs", "heads", branch), "utf8").catch(() => "")
    if (loose !== "") return loose.trim()
    const found = await this.git(["for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`])
    return found === "" ? undefined : found
  }

  /** One commit on top of the branch (made if need be); a null content removes the path. */
  commit(files: Files, options: CommitOptions = {}): Promise<string> {
    return this.#queued(async () => {
      const parent = await this.head(options.branch)
      return this.#import(files, options, parent)
    })
  }

  /** Replaces the branch's history: the new head does not descend from the old one. */
  forcePush(files: Files, options: ForcePushOptions = {}): Promise<string> {
    return this.#queued(() => this.#import(files, options, options.onto ?? undefined))
  }

  /** Points the branch at a commit, wherever it was before. */
  async reset(commit: string, branch = "main"): Promise<void> {
    await this.#changed(["update-ref", `refs/heads/${branch}`, commit])
  }

  /** A new branch at a commit; default: the head of main. */
  async createBranch(branch: string, commit?: string): Promise<void> {
    const at = commit ?? (await this.git(["rev-parse", "refs/heads/main"]))
    await this.#changed(["update-ref", `refs/heads/${branch}`, at, ""])
  }

  async deleteBranch(branch: string): Promise<void> {
    await this.#changed(["update-ref", "-d", `refs/heads/${branch}`])
  }

  /** A tag at a commit (default: the head of main), annotated when it has a message; answers its object id. */
  async tag(
    name: string,
    options: { readonly commit?: string; readonly message?: string } = {},
  ): Promise<string> {
    const { commit = "refs/heads/main", message } = options
    const annotation = message === undefined ? [] : ["-a", "-m", message]
    await this.#changed(["tag", "-f", ...annotation, "--", name, commit])
    return this.git(["rev-parse", `refs/tags/${name}`])
  }

  async deleteTag(name: string): Promise<void> {
    await this.#changed(["update-ref", "-d", `refs/tags/${name}`])
  }

  async #import(files: Files, options: CommitOptions, parent?: string): Promise<string> {
    const input = fastImport({
      branch: options.branch ?? "main",
      message: options.message ?? `change ${Object.keys(files).slice(0, 3).join(", ")}`,
      author: options.author ?? someone,
      time: options.time ?? Math.floor(Date.now() / 1000),
      replace: options.replace ?? false,
      ...(parent === undefined ? {} : { parent }),
      files,
    })
    const commit = await this.git(["fast-import", "--quiet", "--force", "--date-format=raw"], {
      input,
    })
    await this.#announce()
    return commit
  }

  async #changed(args: readonly string[]): Promise<void> {
    await this.#queued(() => this.git(args))
    await this.#announce()
  }

  /** A server of plain files knows its refs only from a file. */
  async #announce(): Promise<void> {
    if (this.#serving.protocol === "dumb") await this.git(["update-server-info"])
  }

  #queued<A>(body: () => Promise<A>): Promise<A> {
    const next = this.#turn.then(body)
    this.#turn = next.catch(() => undefined)
    return next
  }
}
