import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { eventually } from "./Api.ts"
import { noProcessesWith, processesWith, runScript } from "./children.ts"
import { spawnGuarded } from "./Guarded.ts"

let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nopea-guarded-test-"))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const sh = (script: string, options = {}) =>
  spawnGuarded("/bin/sh", ["-c", script, folder], { log: join(folder, "log"), ...options })
const log = () => readFile(join(folder, "log"), "utf8").catch(() => "")
const logged = (text: string) =>
  eventually(`the log has ${text}`, async () => ((await log()).includes(text) ? true : undefined))

describe("a guarded program", () => {
  it("hands on its exit code and its output", async () => {
    const program = sh("echo out; echo err >&2; exit 7")
    expect(await program.exited).toBe(7)
    expect(program.hasExited()).toBe(true)
    expect(await log()).toBe("out\nerr\n")
    await noProcessesWith(folder)
  })

  it("that is not there ends with 127", async () => {
    const log = join(folder, "log")
    expect(await spawnGuarded(join(folder, "none"), [], { log }).exited).toBe(127)
  })

  it("may end in order when it is stopped", async () => {
    const program = sh("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    await logged("up")
    await program.stop()
    expect(await log()).toBe("up\nbye\n")
    expect(existsSync(folder)).toBe(true)
    await noProcessesWith(folder)
  })

  it("is killed when it ignores the request to stop", async () => {
    const program = sh("trap '' TERM; echo up; while :; do sleep 0.05; done")
    await logged("up")
    await program.stop(100)
    expect(program.hasExited()).toBe(true)
    await noProcessesWith(folder)
  })

  it("ends with a parent that was killed without a chance to clean up, and so does its folder", async () => {
    const script = runScript(
      `import { spawnGuarded } from "./Guarded.ts"
       const folder = process.argv[1]
       for (const name of ["one", "two"])
         spawnGuarded("/bin/sh", ["-c", "trap '' TERM HUP INT; while :; do sleep 0.05; done", folder + name], {
           removeIfOrphaned: folder,
         })
       console.log("up")
       setInterval(() => {}, 1000)`,
      [folder],
    )
    await script.says(/up/)
    expect((await processesWith(`${folder}one`)).length).toBeGreaterThan(0)
    script.child.kill("SIGKILL")
    await script.ended
    await noProcessesWith(folder)
    expect(existsSync(folder)).toBe(false)
  })
})
