/** A Git LFS pointer where a file should be: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
import { stalled } from "./parsed.ts"

const LFS = "version https://git-lfs.github.com/spec/"

export const isPointer = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, LFS.length)).toString("latin1") === LFS

export const POINTER = stalled(
  "NOPEA-R005",
  "the file is a Git LFS pointer, and LFS is not fetched",
  "keep manifests out of LFS (git lfs untrack, then commit the file itself)",
  { line: 1 },
)
