import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { staleMs, withLock } from "./BuildLock.ts"
import { runScript } from "./children.ts"

let folder = ""
let file = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nopea-lock-test-"))
  file = join(folder, "build.lock")
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const lines: string[] = []
const lock = (limitMs = 10_000) => ({ file, limitMs, say: (line: string) => lines.push(line) })
const deadPid = (): number => spawnSync(process.execPath, ["-e", ""]).pid

describe("the build lock", () => {
  it("is held during the body and gone afterwards, also when the body fails", async () => {
    expect(await withLock(lock(), () => readFile(file, "utf8"))).toBe(String(process.pid))
    expect(existsSync(file)).toBe(false)
    const failing = withLock(lock(), () => Promise.reject(new Error("no")))
    await expect(failing).rejects.toThrow("no")
    expect(existsSync(file)).toBe(false)
  })

  it("of a dead process is replaced", async () => {
    await writeFile(file, String(deadPid()))
    expect(await withLock(lock(), async () => "built")).toBe("built")
  })

  it("that nobody touches any more is replaced, whoever has the process id now", async () => {
    await writeFile(file, String(process.pid))
    const old = new Date(Date.now() - staleMs - 1_000)
    await utimes(file, old, old)
    expect(await withLock(lock(), async () => "built")).toBe("built")
  })

  it("of a living process is waited for, with a bound and a word on who holds it", async () => {
    await writeFile(file, String(process.pid))
    await expect(withLock(lock(50), async () => "built")).rejects.toThrow(
      `process ${process.pid} holds ${file} for too long`,
    )
    expect(lines.join("\n")).toContain(`waiting for process ${process.pid}`)
    expect(existsSync(file)).toBe(true)
  })

  it("lets processes in one after the other", async () => {
    const text = `
      import { appendFile } from "node:fs/promises"
      import { withLock } from "./BuildLock.ts"
      const [, file, log] = process.argv
      for (let turn = 0; turn < 5; turn++)
        await withLock({ file, limitMs: 30_000, say: () => {} }, async () => {
          await appendFile(log, "in " + process.pid + "\\n")
          await new Promise((resolve) => setImmediate(resolve))
          await appendFile(log, "out " + process.pid + "\\n")
        })`
    const log = join(folder, "log")
    const scripts = [1, 2, 3].map(() => runScript(text, [file, log]))
    for (const script of scripts) expect([await script.ended, script.output()]).toEqual([0, ""])
    const entries = (await readFile(log, "utf8")).trimEnd().split("\n")
    expect(entries).toHaveLength(30)
    for (let index = 0; index < entries.length; index += 2)
      expect(entries[index + 1]).toBe(entries[index]?.replace("in", "out"))
  }, 30_000)
})
