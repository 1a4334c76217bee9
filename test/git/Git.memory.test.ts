import { ManagedRuntime } from "effect"
import { describe } from "vitest"
import { gitContract } from "../contract/Git.contract.ts"
import { GitMemory, type MemoryRepo } from "../layers/GitMemory.ts"

describe("Git in memory", () => {
  gitContract(() => {
    const memory = new GitMemory()
    const runtime = ManagedRuntime.make(memory.layer)
    return {
      createRepo: (name) => memory.createRepo(name),
      breakServer: (repo) => (repo as MemoryRepo).fail({ kind: "error", fault: "serverError" }),
      mendServer: (repo) => (repo as MemoryRepo).recover(),
      run: (effect) => runtime.runPromise(effect),
      stop: () => runtime.dispose(),
    }
  })
})
