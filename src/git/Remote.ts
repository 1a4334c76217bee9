/** One source, opened: its mirror, its place in messages, and git commands that run for it alone. */
import { Clock, type Duration, Effect, RcMap, Result, type Scope, Semaphore } from "effect"
import type { GitError } from "../domain/errors.ts"
import type { GitSource } from "../domain/source.ts"
import {
  configured,
  type Environment,
  isUsable,
  localEnvironment,
  networkEnvironment,
  type Places,
  secretsOf,
} from "./environment.ts"
import { DEFAULT_REST, type Fault, faultOf, gitError, type Place, reasonOf } from "./failure.ts"
import { type Finished, type GitCommand, runGit } from "./GitProcess.ts"
import { type Mirror, type Mirrors, trust } from "./Mirrors.ts"
import { parseTrace } from "./protocol.ts"
import { isBranchName, mirrorKey, mirrorRef, parseRemote, type Remote, shown } from "./url.ts"

export interface Limits {
  /** One conversation with the server. */
  readonly fetchTimeout: Duration.Duration
  /** One look into the mirror. */
  readonly readTimeout: Duration.Duration
  readonly allowFileUrls: boolean
}

/** An operation's view of its source; every command's errors already name both. */
export interface Session {
  readonly mirror: Mirror
  readonly place: Place
  readonly branch: string
  /** At the server: `refs/heads/<branch>`. */
  readonly ref: string
  /** In the mirror. */
  readonly mirrorRef: string
  /** Reads the mirror; the caller judges the exit code. */
  readonly read: (command: Command) => Effect.Effect<Finished, GitError>
  /** Speaks to the server; anything but success is an error. */
  readonly ask: (command: Command) => Effect.Effect<Finished, GitError>
  readonly fail: (fault: Fault, reason: string) => GitError
  readonly failOf: (finished: Finished) => GitError
}

export interface Command {
  readonly args: ReadonlyArray<string>
  readonly stdin?: string
  readonly config?: ReadonlyArray<readonly [string, string]>
  /** Default 16 MiB. */
  readonly maxBytes?: number
  readonly limit?: Duration.Duration
}

/** Conversations with one host at a time: a provider limits by host, and a stalled host stalls only its own. */
const PER_HOST = 8
/** Looks into mirrors at a time: each is a process. */
const LOCAL = 8
const MAX_BYTES = 16 * 2 ** 20

const checked = (
  source: GitSource,
  place: Place,
  limits: Limits,
): Result.Result<Remote, GitError> => {
  const { branch, credentials } = source
  if (!isBranchName(branch)) {
    const name = JSON.stringify(branch.slice(0, 100))
    return Result.fail(gitError("branchRefused", place, `${name} is not a valid branch name`))
  }
  if (!isUsable(credentials)) {
    const reason = "the credentials cannot be sent: empty, or with spaces or line breaks"
    return Result.fail(gitError("credentialsRefused", place, reason))
  }
  return parseRemote(source.url, { allowFileUrls: limits.allowFileUrls, credentials }, place)
}

const ENDED: Readonly<Record<Exclude<Finished["how"], "exited">, readonly [Fault, string]>> = {
  timedOut: ["timeout", "git did not end in time and was killed"],
  overflowed: ["tooLarge", "git's answer is larger than NOPEA reads"],
  unstarted: ["gitMissing", "git could not be started"],
}

interface Failing {
  readonly place: Place
  readonly secrets: ReadonlyArray<string>
}

const errorOf = (finished: Finished, { place, secrets }: Failing, now: number): GitError => {
  if (finished.how !== "exited") {
    const [fault, reason] = ENDED[finished.how]
    return gitError(fault, place, reason)
  }
  const { status, retryAfter } = parseTrace(finished.trace, now)
  const fault = faultOf({ stderr: finished.stderr, status, retryAfter })
  const rest = retryAfter ?? (fault === "rateLimited" ? DEFAULT_REST : undefined)
  return gitError(fault, place, reasonOf(finished.stderr, secrets), rest)
}

/** Keeps every source of this mirror away from a server that asked for rest. */
const respectRest = (mirror: Mirror, ask: Effect.Effect<Finished, GitError>) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (mirror.rest !== undefined && mirror.rest.until > now) {
      const { error, until } = mirror.rest
      return yield* gitError("rateLimited", error, error.reason, until - now)
    }
    return yield* ask.pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (error.retryAfter !== undefined) {
            mirror.rest = { until: now + error.retryAfter, error }
          }
        }),
      ),
    )
  })

export type OpenSession = (
  source: GitSource,
  operation: string,
) => Effect.Effect<Session, GitError, Scope.Scope>

export const makeSessions = Effect.fnUntraced(function* (
  mirrors: Mirrors,
  parent: Readonly<Record<string, string | undefined>>,
  places: Places & Limits,
): Effect.fn.Return<OpenSession, never, Scope.Scope> {
  const base: Environment = localEnvironment(parent, places)
  const local = yield* Semaphore.make(LOCAL)
  const hosts = yield* RcMap.make({ lookup: (_: string) => Semaphore.make(PER_HOST) })

  return Effect.fnUntraced(function* (source: GitSource, operation: string) {
    const place = { operation, subject: `${shown(source.url)} branch ${shown(source.branch)}` }
    const remote = yield* Effect.fromResult(checked(source, place, places))
    const { credentials } = source
    const mirror = yield* mirrors.open(mirrorKey(remote, credentials))
    const host = yield* RcMap.get(hosts, remote.origin)
    const failing = { place, secrets: secretsOf(credentials) }
    const caFile = credentials.caCrt === undefined ? undefined : mirror.caFile

    const commandOf = (command: Command, isLocal: boolean): GitCommand => ({
      args: command.args,
      cwd: places.home,
      env: {
        ...base,
        GIT_DIR: mirror.folder,
        ...(isLocal
          ? configured(command.config ?? [])
          : networkEnvironment({ remote, credentials, caFile }, command.config ?? [])),
      },
      maxBytes: command.maxBytes ?? MAX_BYTES,
      limit: command.limit ?? (isLocal ? places.readTimeout : places.fetchTimeout),
      ...(command.stdin === undefined ? {} : { stdin: command.stdin }),
    })
    const failOf = (finished: Finished, now: number) => errorOf(finished, failing, now)

    const read = (command: Command): Effect.Effect<Finished, GitError> =>
      runGit(commandOf(command, true)).pipe(
        Effect.filterOrFail(
          ({ how }) => how === "exited",
          (finished) => failOf(finished, 0),
        ),
        local.withPermit,
        mirror.readers.withPermit,
      )

    const talk = Effect.fnUntraced(function* (command: Command) {
      yield* trust(mirror, credentials.caCrt)
      const finished = yield* runGit(commandOf(command, false))
      if (finished.how === "exited" && finished.code === 0) return finished
      return yield* failOf(finished, yield* Clock.currentTimeMillis)
    })

    return {
      mirror,
      place,
      branch: source.branch,
      ref: `refs/heads/${source.branch}`,
      mirrorRef: mirrorRef(source.branch),
      read,
      ask: (command: Command) => respectRest(mirror, host.withPermit(talk(command))),
      fail: (fault: Fault, reason: string) => gitError(fault, place, reason),
      failOf: (finished: Finished) => failOf(finished, 0),
    }
  })
})
