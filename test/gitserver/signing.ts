// Commits that somebody signed.
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { GitRepo } from "./GitRepo.ts"
import type { SshKey } from "./sshKeys.ts"

/** Puts a commit with the tree of main at main, signed as git does it; answers its id. */
export const signHead = async (repo: GitRepo, message: string, key: SshKey): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "nopea-signing-"))
  try {
    await writeFile(join(folder, "key"), key.private, { mode: 0o600 })
    const by = ["-c", "gpg.format=ssh", "-c", `user.signingkey=${join(folder, "key")}`]
    const sha = await repo.git([...by, "commit-tree", "-S", "-m", message, "main^{tree}"])
    await repo.reset(sha)
    return sha
  } finally {
    await rm(folder, { recursive: true })
  }
}
