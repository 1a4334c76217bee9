/** The command tree. What a command needs of the live world comes in as `Live`; its own code is loaded when it runs. */
import { Console, Effect, Layer, Option } from "effect"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { type Config, decodeConfig, FLAG_NAMES, flagName, SETTINGS } from "../config.ts"
import type { ConfigError } from "../domain/errors.ts"
import type { Render } from "../render/Render.ts"
import { VERSION } from "../version.ts"
import type { Connect } from "./Cluster.ts"
import { clusterCommands } from "./Commands.ts"
import { explain } from "./Explain.ts"
import { failed } from "./Failed.ts"
import type { Told } from "./told.ts"
import type { Tools } from "./Wanted.ts"

export interface Live<E> {
  /** Runs until interrupted. */
  readonly controller: (config: Config) => Effect.Effect<void, E>
  readonly render: (config: Config) => Layer.Layer<Render>
  readonly connect: Connect
  readonly tools: Tools
}

const settingFlags = Object.fromEntries(
  FLAG_NAMES.map((name) => {
    const { description, env, fallback } = SETTINGS[name]
    const help = `${description} [${env}${fallback === "" ? "" : `, default ${fallback}`}]`
    return [name, Flag.String(flagName(name)).pipe(Flag.withDescription(help), Flag.optional)]
  }),
)

type FlagValues = Readonly<Record<string, Option.Option<string>>>

const configFrom = (flags: FlagValues): Effect.Effect<Config, ConfigError> => {
  const given = Object.entries(flags).flatMap(([name, value]) =>
    Option.isSome(value) ? [[name, value.value] as const] : [],
  )
  return Effect.fromResult(decodeConfig(Object.fromEntries(given), process.env))
}

const controller = <E extends Told>(live: Live<E>) =>
  Command.make("controller", settingFlags, (flags) =>
    configFrom(flags as FlagValues).pipe(Effect.flatMap(live.controller), Effect.mapError(failed)),
  ).pipe(Command.withDescription("Run the controller"))

const render = <E>(live: Live<E>) =>
  Command.make(
    "render",
    {
      directory: Argument.String("directory").pipe(
        Argument.withDescription("the folder to render, as spec.path of a GitRepository names it"),
      ),
      output: Flag.Literals("output", ["yaml", "json"]).pipe(
        Flag.withAlias("o"),
        Flag.withDescription("yaml, or json: one List"),
        Flag.withDefault("yaml" as const),
      ),
    },
    ({ directory, output }) =>
      Effect.gen(function* () {
        const config = yield* configFrom({})
        const { renderDirectory } = yield* Effect.promise(() => import("./RenderDirectory.ts"))
        const result = yield* renderDirectory(directory, output).pipe(
          Effect.provide(live.render(config)),
        )
        if (result.text !== "") yield* Console.log(result.text)
        yield* Effect.forEach(result.messages, (line) => Console.error(line), { discard: true })
        if (result.failed > 0) {
          const files = result.failed === 1 ? "1 error" : `${result.failed} errors`
          return yield* Effect.fail({ message: files })
        }
      }).pipe(Effect.mapError(failed)),
  ).pipe(
    Command.withDescription(
      "Print the objects of a folder as they would be applied, in apply order; needs no cluster",
    ),
  )

const crd = Command.make("crd", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("./crdText.ts")),
    ({ crdText }) => Console.log(crdText().trimEnd()),
  ),
).pipe(Command.withDescription("Print the CustomResourceDefinition"))

/** `tree` is asked for late: it has this command in it. */
const completion = (tree: () => Command.Command.Any) =>
  Command.make("completion", { shell: Argument.Literals("shell", ["bash", "zsh", "fish"]) }, (to) =>
    Console.log(
      Completions.generate("nopea", to.shell, Completions.fromCommand(tree())).replace(
        /nopea --completions /gu,
        "nopea completion ",
      ),
    ),
  ).pipe(
    Command.withDescription(
      "Print the completion script of a shell: source <(nopea completion bash)",
    ),
  )

/** Effect's without its --log-level, which the controller has as a setting, its wizard, and --completions. */
const GLOBAL_FLAGS = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] })

const errorText = (message: string): string => `error: ${message.trim()}`

/** Failures in our own form, and on stderr alone: what is piped stays clean. */
const OUTPUT = Layer.mergeAll(
  CliOutput.layer({
    ...CliOutput.defaultFormatter(),
    formatError: ({ message }) => errorText(message),
  }),
  CliOutput.layerPresenter({
    present: (output) =>
      output._tag === "InvalidInvocation"
        ? Console.error(
            `${errorText(output.errors.map(({ message }) => message).join("\n"))}\n  fix: see ${output.commandPath.join(" ")} --help`,
          )
        : CliOutput.defaultPresenter.present(output),
  }),
)

/** The whole command line, ready to run with the arguments of `Stdio`. */
export const cli = <E extends Told>(
  live: Live<E>,
): Effect.Effect<void, CliError.CliError, Command.Environment> => {
  const tree: Command.Command<"nopea", object, object, CliError.CliError> = Command.make(
    "nopea",
  ).pipe(
    Command.withDescription(
      "GitOps for Kubernetes: follow Git repositories and keep a cluster as they say",
    ),
    Command.withSubcommands([
      ...clusterCommands(live.connect, live.tools),
      explain,
      render(live),
      controller(live),
      crd,
      completion(() => tree),
    ]),
  )
  return Command.run(tree, { version: VERSION }).pipe(Effect.provide([GLOBAL_FLAGS, OUTPUT]))
}
