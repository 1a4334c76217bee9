// The repository's files as the rules see them: everything git tracks or would track.
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { type Code, codeOf } from "./code.ts"

export const root: string = join(import.meta.dirname, "../..")

export const files: ReadonlyArray<string> = execFileSync(
  "git",
  ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
  { cwd: root, encoding: "utf8" },
)
  .split("\0")
  .filter((path) => path !== "" && existsSync(join(root, path)))
  .filter((path) => statSync(join(root, path)).isFile())
  .sort()

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** Every TypeScript file below `src`. */
export const src: ReadonlyArray<Code> = files
  .filter((path) => /^src\/.*\.ts$/.test(path))
  .map((path) => codeOf(path, read(path)))

export const folderOf = (path: string): string => path.split("/").slice(1, -1)[0] ?? ""
export const baseOf = (path: string): string => path.split("/").at(-1) ?? ""

/** Lower case: values in, values out. `main.ts` starts things and is neither. */
export const isPure = (path: string): boolean =>
  /^[a-z]/.test(baseOf(path)) && path !== "src/main.ts"
