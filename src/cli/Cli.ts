/** The command tree. What a command needs of the live world comes in as `Live`. */
import { Console, Effect, type Layer, Option } from "effect"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { type Config, decodeConfig, FLAG_NAMES, flagName, SETTINGS } from "../config.ts"
import type { ConfigError } from "../domain/errors.ts"
import type { Render } from "../render/Render.ts"
import { VERSION } from "../version.ts"
import { crdText } from "./crdText.ts"
import { renderDirectory } from "./RenderDirectory.ts"

export interface Live<E> {
  /** Runs until interrupted. */
  readonly controller: (config: Config) => Effect.Effect<void, E>
  readonly render: (config: Config) => Layer.Layer<Render>
}

/** What any of our errors looks like here. */
interface Told {
  readonly message: string
  readonly fix?: string
}

const told = (error: Told): CliError.UserError =>
  new CliError.UserError({
    cause: error,
    userMessage: error.fix === undefined ? error.message : `${error.message}\n  fix: ${error.fix}`,
  })

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
    configFrom(flags as FlagValues).pipe(
      Effect.flatMap(live.controller),
      Effect.mapError((error) => told(error)),
    ),
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
        const result = yield* renderDirectory(directory, output).pipe(
          Effect.provide(live.render(config)),
        )
        if (result.text !== "") yield* Console.log(result.text)
        yield* Effect.forEach(result.messages, (line) => Console.error(line), { discard: true })
        if (result.failed > 0) {
          const files = result.failed === 1 ? "1 error" : `${result.failed} errors`
          return yield* Effect.fail({ message: files })
        }
      }).pipe(Effect.mapError((error: Told) => told(error))),
  ).pipe(
    Command.withDescription(
      "Print the objects of a folder as they would be applied, in apply order; needs no cluster",
    ),
  )

const crd = Command.make("crd", {}, () => Console.log(crdText().trimEnd())).pipe(
  Command.withDescription("Print the CustomResourceDefinition"),
)

/** Effect's without its --log-level, which the controller has as a setting, and its wizard. */
const GLOBAL_FLAGS = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions],
})

/** The whole command line, ready to run with the arguments of `Stdio`. */
export const cli = <E extends Told>(
  live: Live<E>,
): Effect.Effect<void, CliError.CliError, Command.Environment> =>
  Command.make("nopea").pipe(
    Command.withDescription("GitOps controller: Git repository to server-side apply to cluster"),
    Command.withSubcommands([controller(live), render(live), crd]),
    Command.run({ version: VERSION }),
    Effect.provide(GLOBAL_FLAGS),
  )
