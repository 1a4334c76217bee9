/** The commands that speak to a cluster: their flags and arguments. */
import { Console, Effect, Option, type Scope } from "effect"
import * as Argument from "effect/cli/Argument"
import type * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { VERSION } from "../version.ts"
import { type AccessFlags, type Connect, type Here, reach } from "./Cluster.ts"
import { failed, silently } from "./Failed.ts"
import {
  ACCESS,
  ALL,
  millisOf,
  NAME,
  optionalText,
  outputOf,
  switchOf,
  TIMEOUT,
  WAIT,
} from "./Flags.ts"
import { EXIT, type Told } from "./told.ts"
import type { Tools } from "./Wanted.ts"

const reading = Effect.promise(() => import("./Reading.ts"))
const acting = Effect.promise(() => import("./Acting.ts"))

type Run = (
  flags: AccessFlags,
  use: (here: Here) => Effect.Effect<string, Told, Scope.Scope>,
) => Effect.Effect<void, CliError.UserError>

/** Connects, does it, prints what it answers. */
const runner =
  (connect: Connect): Run =>
  (flags, use) =>
    Effect.flatMap(reach(connect, flags), use).pipe(
      Effect.scoped,
      Effect.flatMap((text) => Console.log(text)),
      Effect.mapError(failed),
    )

const get = (run: Run) =>
  Command.make(
    "get",
    {
      names: Argument.String("name").pipe(
        Argument.withDescription("names of GitRepositories; default: all of the namespace"),
        Argument.variadic(),
      ),
      ...ACCESS,
      all: ALL,
      output: outputOf("wide", "yaml", "json", "name"),
    },
    (options) => run(options, (here) => Effect.flatMap(reading, (r) => r.get(here, options))),
  ).pipe(Command.withDescription("List GitRepositories: phase, commit, objects, drift"))

const looks = (run: Run) => [
  Command.make("status", { name: NAME, ...ACCESS, output: outputOf("yaml", "json", "name") }, (o) =>
    run(o, (here) => Effect.flatMap(reading, (r) => r.status(here, o))),
  ).pipe(Command.withDescription("Say how a GitRepository is, why, and what to do about it")),
  Command.make("drift", { name: NAME, ...ACCESS, output: outputOf("wide", "yaml", "json") }, (o) =>
    run(o, (here) => Effect.flatMap(reading, (r) => r.drift(here, o))),
  ).pipe(Command.withDescription("List what somebody changed in the cluster: field, author, time")),
  Command.make(
    "history",
    { name: NAME, ...ACCESS, output: outputOf("wide", "yaml", "json") },
    (o) => run(o, (here) => Effect.flatMap(reading, (r) => r.history(here, o))),
  ).pipe(Command.withDescription("List the last ten syncs")),
]

const sync = (run: Run) =>
  Command.make(
    "sync",
    {
      name: NAME,
      ...ACCESS,
      timeout: TIMEOUT,
      wait: WAIT,
    },
    (options) =>
      run(options, (here) =>
        Effect.gen(function* () {
          const timeout = yield* millisOf(options.timeout)
          return yield* (yield* acting).sync(here, { ...options, timeout })
        }),
      ),
  ).pipe(Command.withDescription("Sync now, and wait for how it ends"))

const acts = (run: Run) => [
  Command.make("suspend", { name: NAME, ...ACCESS }, (o) =>
    run(o, (here) => Effect.flatMap(acting, (a) => a.setSuspended(here, o.name, true))),
  ).pipe(Command.withDescription("Stop syncing and healing")),
  Command.make("resume", { name: NAME, ...ACCESS }, (o) =>
    run(o, (here) => Effect.flatMap(acting, (a) => a.setSuspended(here, o.name, false))),
  ).pipe(Command.withDescription("Go on with syncing and healing")),
  Command.make("approve-prune", { name: NAME, ...ACCESS }, (o) =>
    run(o, (here) => Effect.flatMap(acting, (a) => a.approvePrune(here, o.name))),
  ).pipe(Command.withDescription("Let the held deletes of the present commit go on")),
]

const rollback = (run: Run) =>
  Command.make(
    "rollback",
    {
      name: NAME,
      ...ACCESS,
      to: optionalText(
        "to",
        "commit to go back to: a full id, or the beginning of one in the history; default: the newest before the present one that was applied whole",
      ),
      clear: switchOf("clear", "forget the rollback, and follow Git again"),
      yes: switchOf("yes", "do not ask").pipe(Flag.withAlias("y")),
      timeout: TIMEOUT,
      wait: WAIT,
    },
    (options) =>
      run(options, (here) =>
        Effect.gen(function* () {
          const timeout = yield* millisOf(options.timeout)
          const to = Option.getOrUndefined(options.to)
          const { rollback: goBack } = yield* Effect.promise(() => import("./Rollback.ts"))
          return yield* goBack(here, { ...options, to, timeout })
        }),
      ),
  ).pipe(
    Command.withDescription("Go back to an earlier commit, until Git has another than the present"),
    Command.withExamples([
      { command: "nopea rollback shop -n shop", description: "to the commit before" },
      { command: "nopea rollback shop --to 3e2d1cc", description: "to one of nopea history shop" },
      { command: "nopea rollback shop --clear", description: "forget it, and follow Git again" },
    ]),
  )

const events = (run: Run) =>
  Command.make(
    "events",
    {
      name: NAME.pipe(Argument.withDefault("")),
      ...ACCESS,
      every: switchOf("all", "of all GitRepositories of the namespace"),
      all: ALL,
      output: outputOf("yaml", "json"),
      watch: switchOf("watch", "go on telling until Ctrl-C").pipe(Flag.withAlias("w")),
    },
    (options) =>
      run(options, (here) =>
        Effect.flatMap(
          Effect.promise(() => import("./Events.ts")),
          (e) => e.events(here, options),
        ),
      ),
  ).pipe(Command.withDescription("Print the Events of a GitRepository, or of all"))

/** As kubectl: 0 nothing, 1 differences, more than 1 an error. */
const diff = (connect: Connect, tools: Tools) =>
  Command.make(
    "diff",
    {
      what: Argument.String("what").pipe(
        Argument.withDescription("a GitRepository: what its Git says now; or a folder (./deploy)"),
      ),
      directory: Argument.String("directory").pipe(
        Argument.withDescription("the folder to compare instead of what its Git says"),
        Argument.withDefault(""),
      ),
      ...ACCESS,
    },
    (options) =>
      Effect.gen(function* () {
        const here = yield* reach(connect, options)
        const wanted = yield* Effect.promise(() => import("./Wanted.ts"))
        const compared = yield* wanted.diff(here, tools, options)
        if (compared.text !== "") yield* Console.log(compared.text)
        yield* Effect.forEach(compared.messages, (line) => Console.error(line), { discard: true })
        if (compared.failed) return yield* Effect.fail(silently(EXIT.usage))
        if (compared.differs) return yield* Effect.fail(silently(EXIT.no))
      }).pipe(
        Effect.scoped,
        Effect.mapError((told) => ("_tag" in told ? told : failed(told))),
      ),
  ).pipe(
    Command.withDescription("Compare the cluster with Git or a folder by server-side dry runs"),
    Command.withExamples([
      { command: "nopea diff shop -n shop", description: "with what its Git says now" },
      { command: "nopea diff shop ./deploy", description: "with a folder, by the rules of shop" },
      { command: "nopea diff ./deploy -n shop", description: "with a folder of nobody" },
    ]),
  )

const version = (connect: Connect) =>
  Command.make(
    "version",
    {
      ...ACCESS,
      client: switchOf("client", "of this program only: asks no cluster"),
      controllerNamespace: Flag.String("controller-namespace").pipe(
        Flag.withDescription("where the controller runs"),
        Flag.withDefault("nopea-system"),
      ),
      output: outputOf("yaml", "json"),
    },
    ({ output, ...options }) =>
      Effect.gen(function* () {
        const { clusterVersions, versionsText } = yield* Effect.promise(
          () => import("./Version.ts"),
        )
        const ours = { client: VERSION }
        const print = (versions: Readonly<Record<string, string>>) =>
          output === "text"
            ? Effect.succeed(versionsText(versions))
            : Effect.flatMap(reading, ({ written }) => written(output, versions))
        if (options.client) return yield* Console.log(yield* print(ours))
        const here = reach(connect, options)
        const theirs = Effect.flatMap(here, (at) =>
          clusterVersions(at, options.controllerNamespace),
        ).pipe(
          // Of a cluster that cannot be reached, its own version is the answer all the same.
          Effect.tapError(() =>
            output === "text" ? Console.log(versionsText(ours)) : Effect.void,
          ),
        )
        yield* Console.log(yield* print({ ...ours, ...(yield* theirs) }))
      }).pipe(Effect.scoped, Effect.mapError(failed)),
  ).pipe(Command.withDescription("Print the versions of this program and of what the cluster has"))

/** What each one takes is its own matter. */
type AnyCommand = Command.Command<string, object, object, CliError.UserError>

/** In the order of the help. */
export const clusterCommands = (connect: Connect, tools: Tools): ReadonlyArray<AnyCommand> => {
  const run = runner(connect)
  const all = [
    get(run),
    ...looks(run),
    events(run),
    sync(run),
    diff(connect, tools),
    rollback(run),
    ...acts(run),
    version(connect),
  ]
  return all as ReadonlyArray<unknown> as ReadonlyArray<AnyCommand>
}
