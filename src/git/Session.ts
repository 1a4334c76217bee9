/** One source, opened: its mirror, its name in messages, and git commands that run for it alone. */
import { Clock, type Duration, Effect, Result, type Scope, Semaphore } from "effect"
import { GitError } from "../domain/errors.ts"
import { type NoProxyUrl, proxyFor, type Variables, type WebProxy } from "../domain/proxy.ts"
import type { GitSource } from "../domain/source.ts"
import type { Arguments, Settings } from "./commands.ts"
import * as environment from "./environment.ts"
import { DEFAULT_REST, type Fault, faultOf, gitError, type Place, reasonOf } from "./failure.ts"
import { type Finished, runGit } from "./GitProcess.ts"
import { makeHosts } from "./Hosts.ts"
import { explained, withKeys } from "./Keys.ts"
import { type Mirror, type OpenMirror, writeAuthority } from "./Mirrors.ts"
import { type Answered, hostAsked, parseTrace } from "./protocol.ts"
import { proxied } from "./proxied.ts"
import { makeReaders } from "./Reader.ts"
import { labelOf, type Target, targetOf } from "./target.ts"
import { mirrorKey, mirrorRef, parseRemote, type Remote, shown, whoAsks } from "./url.ts"

export interface Limits {
  /** One conversation with the server. */
  readonly fetchTimeout: Duration.Duration
  /** One look into the mirror. */
  readonly readTimeout: Duration.Duration
  readonly allowFileUrls: boolean
  /** Conversations that begin with one host in a second, in the long run. */
  readonly hostRate: number
  /** Of the controller: which proxies, and which authorities. */
  readonly parent: Variables
  /** Absolute: where a conversation's SSH key is for as long as it lasts. */
  readonly keys: string
}

export interface Command {
  readonly args: Arguments
  readonly stdin?: string
  readonly settings?: Settings
  /** Default 16 MiB. */
  readonly maxBytes?: number
  readonly limit?: Duration.Duration
}

export interface Session {
  readonly mirror: Mirror
  readonly target: Target
  readonly mirrorRef: string
  /** Asks the mirror's reader, which answers in bytes; the caller judges the exit code. */
  readonly look: (text: string, maxBytes: number) => Effect.Effect<Finished, GitError>
  /** A command of its own on the mirror; the caller judges the exit code. */
  readonly read: (command: Command) => Effect.Effect<Finished, GitError>
  /** Speaks to the server; anything but success is an error. */
  readonly ask: (command: Command) => Effect.Effect<Finished, GitError>
  /** Like `ask`, when the host's pace lets it: for questions that nobody's push made. */
  readonly askInTurn: (command: Command) => Effect.Effect<Finished, GitError>
  readonly fail: (fault: Fault, reason: string) => GitError
  readonly failOf: (finished: Finished) => GitError
  readonly received: Received
}

/** Told how many bytes of packs a fetch brought. */
export type Received = (bytes: number) => void

/** Looks into mirrors at a time: each keeps a process busy. */
const LOCAL = 8
const MAX_BYTES = 2 ** 24

/** What the source follows, where everything in it can be asked for. */
const aim = (source: GitSource, place: Place): Target | GitError => {
  const target = targetOf(source)
  if (!("key" in target)) return gitError(target[0], place, target[1])
  if (environment.isUsable(source.credentials)) return target
  return gitError("credentialsRefused", place, "the credentials hold spaces or line breaks")
}

const ENDED: Readonly<Record<Exclude<Finished["how"], "exited">, readonly [Fault, string]>> = {
  timedOut: ["timeout", "git did not end in time and was killed"],
  overflowed: ["pathTooLarge", "git's answer is larger than may be read"],
  unstarted: ["noProcess", "git could not be started"],
}

interface Failing {
  readonly place: Place
  readonly remote: Remote
  readonly secrets: ReadonlyArray<string>
  readonly proxy: WebProxy | undefined
}

/** Whether it was another host that spoke last, which has no say in how this one is treated. */
const isElsewhere = ({ scheme, url }: Remote, trace: string): boolean =>
  /^https?$/u.test(scheme) && hostAsked(trace) !== new URL(url).host

const errorOf = (finished: Finished, failing: Failing, now: number): GitError => {
  const answered = parseTrace(finished.trace, now)
  const { stderr } = finished
  const error = blamed(finished, answered, failing)
  return proxied(error, { ...answered, stderr }, failing.proxy)
}

const blamed = (
  finished: Finished,
  { status, retryAfter }: Answered,
  { place, remote, secrets }: Failing,
): GitError => {
  if (finished.how !== "exited") {
    const [fault, reason] = ENDED[finished.how]
    // What Node says of a process it could not start: EAGAIN, EMFILE, ENOENT.
    const why =
      finished.how === "unstarted" ? /\bE[A-Z]{3,}\b/u.exec(finished.stderr)?.[0] : undefined
    return gitError(fault, place, why === undefined ? reason : `${reason}: ${why}`)
  }
  if (finished.code < 0) return gitError("noProcess", place, "git was ended by a signal")
  const { far = "", stderr } = finished
  const fault = faultOf({ stderr, far, status, retryAfter })
  const asked = retryAfter ?? (fault === "rateLimited" ? DEFAULT_REST : undefined)
  const rest = isElsewhere(remote, finished.trace) ? undefined : asked
  const said = far.startsWith("fatal: ") ? far : `${stderr}\n${far}`
  return gitError(fault, place, reasonOf(said, secrets, status), rest)
}

const proxyOf = ({ scheme, url }: Remote, parent: Variables, place: Place) => {
  const refuse = ({ fix, reason }: NoProxyUrl) =>
    new GitError({ ...gitError("proxy", place, reason), fix })
  return scheme === "ssh" || scheme === "file"
    ? Result.succeed(undefined)
    : Result.mapError(proxyFor(new URL(url), parent), refuse)
}

export type OpenSession = (
  source: GitSource,
  operation: string,
) => Effect.Effect<Session, GitError, Scope.Scope>

export const makeSessions = Effect.fnUntraced(function* (
  openMirror: OpenMirror,
  base: environment.Environment,
  limits: Limits,
  received: Received = () => {},
): Effect.fn.Return<OpenSession, never, Scope.Scope> {
  const local = yield* Semaphore.make(LOCAL)
  const lookInto = yield* makeReaders(limits.readTimeout)
  const hosts = yield* makeHosts(limits.hostRate)

  const connect = (
    { remote, proxy }: { readonly remote: Remote; readonly proxy: WebProxy | undefined },
    mirror: Mirror,
    { credentials }: GitSource,
  ) => {
    const caFile = credentials.caCrt === undefined ? undefined : mirror.caFile
    const env = { ...base, GIT_DIR: mirror.folder }
    const run = (command: Command, more: environment.Environment, limit: Duration.Duration) =>
      runGit({
        args: command.args,
        env: { ...env, ...more },
        stdin: command.stdin ?? "",
        maxBytes: command.maxBytes ?? MAX_BYTES,
        limit: command.limit ?? limit,
      })
    const locally = (running: Effect.Effect<Finished>) =>
      mirror.readers.withPermit(local.withPermit(running))
    return {
      look: (text: string, maxBytes: number) =>
        mirror.turn.withPermit(locally(lookInto(mirror, env, { text, maxBytes }))),
      local: (command: Command) =>
        locally(run(command, environment.configured(command.settings ?? []), limits.readTimeout)),
      distant: (command: Command) => {
        const connection = { remote, credentials, caFile, proxy, parent: limits.parent }
        const speak = (more: environment.Connection) =>
          run(
            command,
            environment.networkEnvironment(more, command.settings ?? []),
            limits.fetchTimeout,
          )
        if (remote.scheme === "ssh") {
          return withKeys(limits.keys, credentials, (keys) =>
            explained(speak({ ...connection, keys }), { env: base, credentials, keys }),
          )
        }
        const running = speak(connection)
        const { caCrt } = credentials
        if (caCrt === undefined) return running
        return Effect.andThen(writeAuthority(mirror.caFile, caCrt), running)
      },
    }
  }

  return Effect.fnUntraced(function* (source: GitSource, operation: string) {
    const { url, credentials } = source
    const place = { operation, subject: `${shown(url)} ${shown(labelOf(source))}` }
    const target = aim(source, place)
    if (target instanceof GitError) return yield* target
    const rules = { allowFileUrls: limits.allowFileUrls, credentials }
    const remote = yield* Effect.fromResult(parseRemote(url, rules, place))
    const mirror = yield* openMirror(mirrorKey(remote, credentials))
    const { origin } = remote
    const converse = yield* hosts.open({ origin, who: whoAsks(credentials), place })
    const proxy = yield* Effect.fromResult(proxyOf(remote, limits.parent, place))
    const run = connect({ remote, proxy }, mirror, source)
    const secrets = [...environment.secretsOf(credentials), ...(proxy?.secrets ?? [])]
    const failing = { place, remote, secrets, proxy }

    const exited = (running: Effect.Effect<Finished>) =>
      Effect.filterOrFail(
        running,
        ({ how }) => how === "exited",
        (finished) => errorOf(finished, failing, 0),
      )
    const talk = Effect.fnUntraced(function* (command: Command) {
      const finished = yield* run.distant(command)
      if (finished.how === "exited" && finished.code === 0) return finished
      return yield* errorOf(finished, failing, yield* Clock.currentTimeMillis)
    })
    return {
      mirror,
      target,
      mirrorRef: mirrorRef(target.key),
      look: (text: string, maxBytes: number) => exited(run.look(text, maxBytes)),
      read: (command: Command) => exited(run.local(command)),
      ask: (command: Command) => converse(talk(command), "atOnce"),
      askInTurn: (command: Command) => converse(talk(command), "inTurn"),
      fail: (fault: Fault, reason: string) => gitError(fault, place, reason),
      failOf: (finished: Finished) => errorOf(finished, failing, 0),
      received,
    }
  })
})
