// The text that `git fast-import` reads to make one commit of any size in one process.

/** What a path holds; null removes it. Text and bytes are ordinary files. */
export type Content =
  | string
  | Buffer
  | null
  | { readonly executable: string | Buffer }
  | { readonly symlink: string }
  /** A submodule's commit. */
  | { readonly submodule: string }

export type Files = Readonly<Record<string, Content>>

export interface Author {
  readonly name: string
  readonly email: string
}

export interface CommitText {
  readonly branch: string
  readonly message: string
  readonly author: Author
  /** Seconds since 1970. */
  readonly time: number
  /** Absent: a commit without history. */
  readonly parent?: string
  /** True: the tree holds nothing but `files`. */
  readonly replace: boolean
  readonly files: Files
}

const quoted = (path: string): string =>
  `"${path.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`

const block = (content: string | Buffer): Buffer => {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([Buffer.from(`data ${bytes.length}\n`), bytes, Buffer.from("\n")])
}

const inline = (mode: string, path: string, content: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from(`M ${mode} inline ${quoted(path)}\n`), block(content)])

const change = (path: string, content: Content): Buffer => {
  if (content === null) return Buffer.from(`D ${quoted(path)}\n`)
  if (typeof content === "string" || Buffer.isBuffer(content))
    return inline("100644", path, content)
  if ("executable" in content) return inline("100755", path, content.executable)
  if ("symlink" in content) return inline("120000", path, content.symlink)
  return Buffer.from(`M 160000 ${content.submodule} ${quoted(path)}\n`)
}

/** One commit; fast-import prints its id. */
export const fastImport = (commit: CommitText): Buffer => {
  const who = `${commit.author.name} <${commit.author.email}> ${commit.time} +0000`
  const head = `commit refs/heads/${commit.branch}\nmark :1\nauthor ${who}\ncommitter ${who}\n`
  return Buffer.concat([
    Buffer.from(`feature done\n${head}`),
    block(commit.message),
    Buffer.from(commit.parent === undefined ? "" : `from ${commit.parent}\n`),
    Buffer.from(commit.replace ? "deleteall\n" : ""),
    ...Object.entries(commit.files).map(([path, content]) => change(path, content)),
    Buffer.from("\nget-mark :1\ndone\n"),
  ])
}
