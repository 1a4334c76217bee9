import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ManagedRuntime } from "effect"
import { describe, vi } from "vitest"
import { layer } from "../../src/git/GitCli.ts"
import { gitContract } from "../contract/Git.contract.ts"
import { status } from "../gitserver/failures.ts"
import type { GitRepo } from "../gitserver/GitRepo.ts"
import { startGitServer } from "../gitserver/GitServer.ts"

/** Real processes on a busy machine; the claims have no clock in them. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describe("Git by its command line", () => {
  gitContract(async () => {
    const server = await startGitServer()
    const dataDir = await mkdtemp(join(tmpdir(), "nopea-git-contract-"))
    const runtime = ManagedRuntime.make(
      layer({ dataDir, allowFileUrls: false, mirrorMaxBytes: 2 ** 30 }),
    )
    return {
      createRepo: (name) => server.createRepo(name),
      breakServer: (repo) => (repo as unknown as GitRepo).fail(status(503)),
      mendServer: (repo) => (repo as unknown as GitRepo).recover(),
      run: (effect) => runtime.runPromise(effect),
      stop: async () => {
        await runtime.dispose()
        await server.stop()
        await rm(dataDir, { recursive: true, force: true })
      },
    }
  })
})
