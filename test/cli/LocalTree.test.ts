import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readLocalTree } from "../../src/cli/LocalTree.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nopea-tree-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
)

describe("a local directory", () => {
  it.live("looks like a commit of it: sorted entries with Git's own blob ids", () =>
    Effect.gen(function* () {
      const root = yield* folder
      mkdirSync(join(root, "a/.git"), { recursive: true })
      mkdirSync(join(root, ".git"))
      mkdirSync(join(root, "b"))
      writeFileSync(join(root, ".git/x.yaml"), "")
      writeFileSync(join(root, "a/x.yaml"), "")
      writeFileSync(join(root, "b/x.yaml"), "hello\n")
      writeFileSync(join(root, "b/picture.png"), "")
      symlinkSync("/", join(root, "c"))
      symlinkSync(".", join(root, "loop.yaml"))
      const { entries, read } = yield* readLocalTree(root)
      const blob = "ce013625030ba8dba906f756967f9e9ca394464a" // git hash-object
      expect(entries).toEqual([
        { path: "a", mode: "submodule", blob: "" },
        { path: "b/x.yaml", mode: "file", blob },
        { path: "c", mode: "symlink", blob: "" },
        { path: "loop.yaml", mode: "symlink", blob: "" },
      ])
      const bytes = (yield* read([blob])).get(blob)
      expect(new TextDecoder().decode(bytes)).toBe("hello\n")
    }),
  )

  it.live("with a kustomization is seen with the work tree around it, and read as needed", () =>
    Effect.gen(function* () {
      const root = yield* folder
      for (const each of [".git", "base", "app/sub"])
        mkdirSync(join(root, each), { recursive: true })
      writeFileSync(join(root, ".git/config"), "")
      writeFileSync(join(root, "base/x.txt"), "hello\n")
      writeFileSync(join(root, "app/kustomization.yaml"), "resources: []\n")
      writeFileSync(join(root, "app/sub/picture.png"), "")
      symlinkSync("/", join(root, "app/root"))
      const { path, entries, everything, read } = yield* readLocalTree(join(root, "app"))
      const names = ["app/kustomization.yaml", "app/root", "app/sub/picture.png"]
      expect(path).toBe("app")
      expect(entries.map((entry) => entry.path)).toEqual(names)
      expect(entries.map(({ mode }) => mode)).toEqual(["file", "symlink", "file"])
      const all = yield* everything
      expect(all.map((entry) => entry.path)).toEqual([...names, "base/x.txt"])
      const blob = all.at(-1)?.blob ?? ""
      expect(new TextDecoder().decode((yield* read([blob])).get(blob))).toBe("hello\n")
    }),
  )

  it.live("with a kustomization and without a work tree ends at itself", () =>
    Effect.gen(function* () {
      const root = yield* folder
      writeFileSync(join(root, "kustomization.yaml"), "resources: [../x]\n")
      const { path, everything } = yield* readLocalTree(root)
      expect(path).toBe(".")
      expect((yield* everything).map((entry) => entry.path)).toEqual(["kustomization.yaml"])
    }),
  )

  it.live("that does not exist, or is a file, is a clear error", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(readLocalTree("/does/not/exist"))
      expect(missing).toMatchObject({ code: "NOPEA-C040", reason: "there is no such directory" })
      const file = yield* Effect.flip(readLocalTree(import.meta.filename))
      expect(file).toMatchObject({ code: "NOPEA-C040", reason: "it is not a directory" })
    }),
  )
})
