import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { runScript } from "./children.ts"

const limitMs = 20 * 60_000
/** Go's own cache stays where it is, so that only the link is done again; undefined without Go. */
const goCache = (() => {
  try {
    return execFileSync("go", ["env", "GOCACHE"]).toString().trim()
  } catch {
    return undefined
  }
})()

let cache = ""
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "nopea-build-test-"))
})
afterEach(() => rm(cache, { recursive: true, force: true }))

const building = () =>
  runScript(
    `import { cachedBinary } from "./binaries.ts"
     console.log("path=" + (await cachedBinary("kustomize")))`,
    [],
    { XDG_CACHE_HOME: cache, GOCACHE: goCache },
  )

const built = async (script: ReturnType<typeof building>): Promise<string> => {
  const [, path = ""] = await script.says(/path=(.+)/, limitMs)
  return path
}

describe.skipIf(goCache === undefined)("building into an empty cache", () => {
  it("is done by one of two runs that start together, and a third finds it done", {
    timeout: limitMs,
  }, async () => {
    const scripts = [building(), building()]
    const paths = await Promise.all(scripts.map(built))
    expect(paths[0]).toBe(paths[1])
    const output = scripts.map((one) => one.output()).join("")
    expect(output.match(/built kustomize/g)).toHaveLength(1)
    expect(execFileSync(paths[0] ?? "", ["version"]).toString()).toBe("v5.8.1\n")
    const third = building()
    await built(third)
    expect(third.output()).not.toContain("building")
    expect(await readdir(join(paths[0] ?? "", ".."))).toEqual(["kustomize"])
  })

  it("is taken up again after the builder was killed", { timeout: limitMs }, async () => {
    const killed = building()
    await killed.says(/building kustomize/)
    killed.child.kill("SIGKILL")
    await killed.ended
    const path = await built(building())
    expect(existsSync(path)).toBe(true)
    expect(await readdir(join(path, ".."))).toEqual(["kustomize"])
  })
})
