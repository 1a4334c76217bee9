// Helm's own renderer, without the rest of Helm: built once from a module of its own beside the control plane's programs.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdir, readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { cachedFrom, cacheFolder } from "./binaries.ts"

const folder = join(import.meta.dirname, "helm")

const cached = async (): Promise<string> => {
  const hash = createHash("sha256")
  for (const name of ["go.mod", "main.go"]) hash.update(await readFile(join(folder, name)))
  const place = dirname(dirname(await cacheFolder()))
  const bin = join(place, `helm-${hash.digest("hex").slice(0, 8)}`)
  await mkdir(bin, { recursive: true })
  return cachedFrom(bin, { name: "helm-template", module: folder, target: "." })
}

export interface Release {
  readonly chart: string
  readonly name: string
  readonly namespace: string
  readonly values?: object
}

/** What `helm template` prints; fails with Helm's words. */
export const helmTemplate = async (release: Release): Promise<string> => {
  const program = await cached()
  const child = spawn(program, [release.chart, release.name, release.namespace])
  const text = { out: "", err: "" }
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text.out += part))
  child.stderr.setEncoding("utf8").on("data", (part: string) => (text.err += part))
  child.stdin.end(JSON.stringify(release.values ?? {}))
  const code = await new Promise((resolve) => child.once("close", resolve))
  if (code !== 0) throw new Error(text.err)
  return text.out
}
