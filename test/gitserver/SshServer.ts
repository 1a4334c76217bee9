// A real SSH server for tests: it lets keys in and runs `git upload-pack` on the repositories of a Git server.
import { type ChildProcess, spawn } from "node:child_process"
import { createRequire } from "node:module"
import type { AddressInfo, Server, Socket } from "node:net"
import { createServer } from "node:net"
import type { Duplex } from "node:stream"
import { gitEnvironment } from "./RunGit.ts"

/** Of ssh2, which has no types of its own, what is used here. */
interface Channel extends Duplex {
  readonly stderr: NodeJS.WritableStream
  exit(code: number): void
}
interface PublicKey {
  readonly type: string
  verify(data: Buffer, signature: Buffer, algorithm?: string): boolean
  getPublicSSH(): Buffer
}
interface AuthContext {
  readonly method: string
  readonly username: string
  readonly key: { readonly algo: string; readonly data: Buffer }
  readonly signature?: Buffer
  readonly blob?: Buffer
  readonly hashAlgo?: string
  accept(): void
  reject(methods?: ReadonlyArray<string>): void
}
interface SshSession {
  on(
    event: "env",
    seen: (
      accept: (() => void) | undefined,
      reject: unknown,
      info: { key: string; val: string },
    ) => void,
  ): this
  on(
    event: "exec",
    seen: (accept: () => Channel, reject: () => void, info: { command: string }) => void,
  ): this
}
interface SshConnection {
  on(event: "authentication", seen: (context: AuthContext) => void): this
  on(event: "session", seen: (accept: () => SshSession) => void): this
  on(event: "error" | "close" | "ready", seen: () => void): this
}
interface Ssh2 {
  readonly Server: new (
    options: { readonly hostKeys: ReadonlyArray<string> },
    connected: (connection: SshConnection) => void,
  ) => { injectSocket(socket: Socket): void }
  readonly utils: { parseKey(text: string): PublicKey }
}
const ssh2 = createRequire(import.meta.url)("ssh2") as Ssh2

/** How the server treats who connects: it says nothing at all, or nothing after its greeting. */
export type Hanging = "silent" | "afterGreeting"

export interface SshCommand {
  readonly user: string
  readonly command: string
  /** The client's GIT_PROTOCOL. */
  readonly protocol: string
}

interface Repository {
  readonly name: string
  readonly path: string
  readonly config: ReadonlyArray<readonly [string, string]>
}

export interface SshServer {
  readonly port: number
  /** The line that its clients have to know. */
  readonly knownHosts: string
  /** Commands so far, oldest first. */
  readonly log: ReadonlyArray<SshCommand>
  /** Offers a repository; answers its URL. */
  readonly serve: (repository: Repository) => string
  /** From now on; undefined: it behaves. */
  readonly hang: (how: Hanging | undefined) => void
  /** From now on it says so on standard error instead of serving; undefined: it behaves. */
  readonly complain: (words: string | undefined) => void
  /** Sockets that are open. */
  readonly connections: () => number
  readonly stop: () => Promise<void>
}

export interface SshServerOptions {
  /** Private key of the host, as ssh-keygen writes it, and its public key. */
  readonly hostKey: { readonly private: string; readonly public: string }
  /** Public keys that are let in. */
  readonly allowed: ReadonlyArray<string>
}

const uploadPack = (repository: Repository, protocol: string): ChildProcess =>
  spawn("git", ["upload-pack", "--strict", repository.path], {
    env: gitEnvironment({
      ...(protocol === "" ? {} : { GIT_PROTOCOL: protocol }),
      GIT_CONFIG_COUNT: String(repository.config.length),
      ...Object.fromEntries(
        repository.config.flatMap(([key, value], index) => [
          [`GIT_CONFIG_KEY_${index}`, key],
          [`GIT_CONFIG_VALUE_${index}`, value],
        ]),
      ),
    }),
    stdio: "pipe",
  })

/** By default says no as GitHub does. */
const refuse = (channel: Channel, words = "ERROR: Repository not found.\n"): void => {
  channel.stderr.write(words)
  channel.exit(1)
  channel.end()
}

const run = (channel: Channel, child: ChildProcess): void => {
  channel.pipe(child.stdin as NodeJS.WritableStream)
  child.stdin?.on("error", () => undefined)
  child.stdout?.pipe(channel, { end: false })
  child.stderr?.pipe(channel.stderr, { end: false })
  channel.on("close", () => child.kill())
  child.once("close", (code) => {
    channel.exit(code ?? 1)
    channel.end()
  })
}

const mayEnter = (context: AuthContext, allowed: ReadonlyArray<PublicKey>): boolean => {
  if (context.method !== "publickey" || context.username !== "git") return false
  const key = allowed.find((one) => one.getPublicSSH().equals(context.key.data))
  if (key === undefined) return false
  const { signature, blob, hashAlgo } = context
  return signature === undefined || (blob !== undefined && key.verify(blob, signature, hashAlgo))
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  })

/** Starts a server with no repositories on 127.0.0.1. */
export const startSshServer = async (options: SshServerOptions): Promise<SshServer> => {
  const allowed = options.allowed.map((text) => ssh2.utils.parseKey(text))
  const repositories = new Map<string, Repository>()
  const sockets = new Set<Socket>()
  const log: SshCommand[] = []
  let hanging: Hanging | undefined
  let complaint: string | undefined

  const inner = new ssh2.Server({ hostKeys: [options.hostKey.private] }, (connection) => {
    let user = ""
    connection.on("error", () => undefined)
    connection.on("authentication", (context) => {
      user = context.username
      if (mayEnter(context, allowed)) context.accept()
      else context.reject(["publickey"])
    })
    connection.on("session", (accept) => {
      let protocol = ""
      accept()
        .on("env", (accepted, _, { key, val }) => {
          if (key === "GIT_PROTOCOL") protocol = val
          accepted?.()
        })
        .on("exec", (accepted, _, { command }) => {
          log.push({ user, command, protocol })
          const [, place = ""] = /^git-upload-pack '(.*)'$/u.exec(command) ?? []
          const repository = repositories.get(place)
          const channel = accepted()
          if (repository === undefined) refuse(channel)
          else if (complaint !== undefined) refuse(channel, complaint)
          else run(channel, uploadPack(repository, protocol))
        })
    })
  })
  const server = createServer((socket) => {
    sockets.add(socket)
    if (hanging !== undefined) socket.resume()
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket))
    if (hanging === undefined) inner.injectSocket(socket)
    else if (hanging === "afterGreeting") socket.write("SSH-2.0-Silence\r\n")
  })
  const port = await listen(server)
  const [type, key] = options.hostKey.public.split(" ")

  return {
    port,
    knownHosts: `[127.0.0.1]:${port} ${type} ${key}\n`,
    log,
    serve: (repository) => {
      repositories.set(`/${repository.name}.git`, repository)
      return `ssh://git@127.0.0.1:${port}/${repository.name}.git`
    },
    hang: (how) => {
      hanging = how
    },
    complain: (words) => {
      complaint = words
    },
    connections: () => sockets.size,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
