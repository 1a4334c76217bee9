// The baselines: the same work on the same control plane with nothing in between.
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { load } from "js-yaml"
import { Pool } from "undici"
import type { ControlPlane } from "../test/cluster/ControlPlane.ts"

const run = promisify(execFile)

/** Transport of every bare figure: HTTP/1.1 with this many connections. */
export const CONNECTIONS = 32

export interface Applied {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
}

export class Bare {
  readonly #pool: Pool
  readonly #headers: Record<string, string>

  constructor(plane: ControlPlane) {
    this.#pool = new Pool(plane.server, {
      connections: CONNECTIONS,
      allowH2: false,
      connect: { ca: plane.ca },
    })
    this.#headers = {
      authorization: `Bearer ${plane.token}`,
      "user-agent": "bare/1",
      "content-type": "application/apply-patch+yaml",
    }
  }

  /** One server-side apply of a Deployment, or of a kind of the core group. */
  async apply(namespace: string, yaml: string): Promise<void> {
    return this.applyObject(namespace, load(yaml) as Applied)
  }

  async applyObject(namespace: string, object: Applied): Promise<void> {
    const group = object.kind === "Deployment" ? "apis/apps/v1" : "api/v1"
    const place = `${group}/namespaces/${namespace}/${object.kind.toLowerCase()}s`
    const path = `/${place}/${object.metadata.name}?fieldManager=bare&force=true`
    const answer = await this.#pool.request({
      method: "PATCH",
      path,
      headers: this.#headers,
      body: JSON.stringify(object),
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${answer.statusCode}: ${text}`)
  }

  /** Opens a watch on one Deployment; `seen` settles when its image ends with `image`. */
  async watch(namespace: string, name: string): Promise<Watch> {
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments?watch=true&fieldSelector=metadata.name%3D${name}`
    const answer = await this.#pool.request({ method: "GET", path, headers: this.#headers })
    return new Watch(answer.body)
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }
}

/** Milliseconds since 1970, finer than Date.now. */
export const epoch = (): number => performance.timeOrigin + performance.now()

/** Nobody waits longer for a change to be seen. */
const SIGHT = 60_000

type Body = AsyncIterable<Buffer> & { destroy(): unknown }

export class Watch {
  readonly #body: Body
  #text = ""
  readonly #wakes = new Set<() => void>()

  constructor(body: Body) {
    this.#body = body
    this.#read().catch(() => undefined)
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#body) {
      this.#text += chunk.toString("utf8")
      for (const wake of this.#wakes) wake()
    }
  }

  /** When the text first appeared in the stream, behind the last `after`. */
  async seen(text: string, after = ""): Promise<number> {
    const isThere = () => {
      const from = after === "" ? 0 : this.#text.lastIndexOf(after)
      return from >= 0 && this.#text.includes(text, from)
    }
    const late = AbortSignal.timeout(SIGHT)
    while (!isThere()) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const give = () => reject(new Error(`a watch did not see ${text} within ${SIGHT} ms`))
      this.#wakes.add(resolve)
      late.addEventListener("abort", give)
      await promise.finally(() => late.removeEventListener("abort", give))
      this.#wakes.delete(resolve)
    }
    return epoch()
  }

  close(): void {
    this.#body.destroy()
  }
}

/** Nothing of the user's own configuration. */
export const gitEnvironment = {
  PATH: process.env["PATH"],
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
}

/** A bare shallow blobless clone, updated with one fetch. */
export const bareMirror = async (
  folder: string,
  url: string,
): Promise<{ readonly ask: () => Promise<void>; readonly fetch: () => Promise<void> }> => {
  const git = (...args: ReadonlyArray<string>) =>
    run("git", ["-C", folder, ...args], { env: gitEnvironment })
  await run("git", ["init", "-q", "--bare", folder], { env: gitEnvironment })
  const fetch = async () => {
    await git("fetch", "-q", "--depth=1", "--no-tags", url, "+refs/heads/main:refs/heads/main")
  }
  const ask = async () => {
    await git("ls-remote", url, "refs/heads/main")
  }
  await fetch()
  return { ask, fetch }
}
