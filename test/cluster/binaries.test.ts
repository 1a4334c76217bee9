import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { cachedBinaries, controlPlaneBinaries } from "./binaries.ts"

let folder = ""
const said: string[] = []
const say = (line: string) => void said.push(line)
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nopea-binaries-test-"))
  said.length = 0
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"))
  vi.stubEnv("KUBEBUILDER_ASSETS", "")
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

const program = async (place: string, name: string, text = "#!/bin/sh\n") => {
  await mkdir(place, { recursive: true })
  await writeFile(join(place, name), text)
  await chmod(join(place, name), 0o755)
}

describe("without a cache", () => {
  it("says in one line that Go is missing and what else would do", async () => {
    vi.stubEnv("PATH", join(folder, "empty"))
    const failure = await cachedBinaries(["etcd"], say).catch((cause: Error) => cause.message)
    expect(failure).toMatch(/there is no "go" in PATH: install Go 1\.26\.0 or newer/)
    expect(failure).toContain("KUBEBUILDER_ASSETS")
    expect(failure).not.toContain("\n")
  })

  it.each([
    ["go1.25.9", true],
    ["go1.9", true],
    ["go1.26rc1", false],
    ["go1.26.0", false],
    ["go1.27.1", false],
    ["go2.0", false],
  ])("with Go %s, says that it is too old: %s", async (version, isOld) => {
    const bin = join(folder, "bin")
    await program(bin, "go", `#!/bin/sh\n[ "$1" = env ] && echo ${version} && exit 0\nexit 3\n`)
    vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`)
    const building = cachedBinaries(["etcd"], say)
    await expect(building).rejects.toThrow(isOld ? /is too old: install Go 1\.26\.0/ : /exit 3/)
  })

  it("shows the end of the build's log when the build fails, and leaves nothing half done", async () => {
    const bin = join(folder, "bin")
    const script = `#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 && exit 0\necho "no space left" >&2\nexit 1\n`
    await program(bin, "go", script)
    vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`)
    const building = cachedBinaries(["etcd"], say)
    await expect(building).rejects.toThrow(
      /building etcd failed \(exit 1\), log .*:\nno space left/,
    )
    await expect(cachedBinaries(["etcd"], say)).rejects.toThrow(/building etcd failed/)
  })
})

describe("KUBEBUILDER_ASSETS", () => {
  it("is taken as it is, with a word on the missing controller manager", async () => {
    const assets = join(folder, "assets")
    for (const name of ["etcd", "kube-apiserver", "kubectl"]) await program(assets, name)
    vi.stubEnv("KUBEBUILDER_ASSETS", assets)
    expect(await controlPlaneBinaries(say)).toEqual({
      etcd: join(assets, "etcd"),
      "kube-apiserver": join(assets, "kube-apiserver"),
      kubectl: join(assets, "kubectl"),
    })
    expect(said.join("\n")).toContain("no kube-controller-manager")
  })

  it("that lacks a program is refused by name", async () => {
    const assets = join(folder, "assets")
    await program(assets, "etcd")
    vi.stubEnv("KUBEBUILDER_ASSETS", assets)
    await expect(controlPlaneBinaries(say)).rejects.toThrow(/no executable kube-apiserver, kubectl/)
  })
})
