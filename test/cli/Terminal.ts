// The built command line as a process of its own, against the cluster of the test run.
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { cluster } from "../cluster/connect.ts"
import { kubeconfigText } from "../cluster/users.ts"

export const program: string = join(import.meta.dirname, "..", "..", "dist/nopea.js")

export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

export type Nopea = (...args: ReadonlyArray<string>) => Promise<Ended>

/** Runs it with a kubeconfig and nothing else of this machine's environment but what `env` adds. */
export const runNopea = (
  kubeconfig: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> =>
  new Promise((resolve) => {
    const options = {
      env: { PATH: process.env["PATH"], HOME: "/nowhere", KUBECONFIG: kubeconfig, ...env },
      timeout: 60_000,
      maxBuffer: 2 ** 24,
    }
    const child = execFile(process.execPath, [program, ...args], options, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

/** A kubeconfig with the contexts `admin` (current), `controller` and `nobody`, and the program with it. */
export const terminal = (): { readonly nopea: Nopea; readonly kubeconfig: () => string } => {
  let folder = ""
  const kubeconfig = () => join(folder, "kubeconfig")
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "nopea-cli-"))
    const { server, ca, tokens } = cluster()
    await writeFile(kubeconfig(), kubeconfigText(server, ca, tokens))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  return { kubeconfig, nopea: (...args) => runNopea(kubeconfig(), args) }
}
