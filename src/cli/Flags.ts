/** Flags and arguments that several commands take. */
import { Effect, type Option } from "effect"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { parseGoDuration } from "../domain/duration.ts"
import { EXIT, type Told } from "./told.ts"

export const optionalText = (name: string, help: string): Flag.Flag<Option.Option<string>> =>
  Flag.String(name).pipe(Flag.withDescription(help), Flag.optional)

/** Off unless it is given. */
export const switchOf = (name: string, help: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDescription(help), Flag.withDefault(false))

/** As kubectl names them. */
export const ACCESS = {
  kubeconfig: optionalText("kubeconfig", "kubeconfig file [KUBECONFIG, default ~/.kube/config]"),
  context: optionalText("context", "context of the kubeconfig; default: its current one"),
  namespace: optionalText("namespace", "namespace; default: that of the context").pipe(
    Flag.withAlias("n"),
  ),
}

export const ALL = switchOf("all-namespaces", "those of all namespaces").pipe(Flag.withAlias("A"))

export const NAME = Argument.String("name").pipe(
  Argument.withDescription("name of the GitRepository"),
)

export const outputOf = <const Forms extends ReadonlyArray<string>>(
  ...forms: Forms
): Flag.Flag<Forms[number] | "text"> =>
  Flag.Literals("output", forms).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("how to print it; default: for people"),
    Flag.withDefault("text" as const),
  )

export const TIMEOUT = Flag.String("timeout").pipe(
  Flag.withDescription("how long to wait, such as 30s or 5m"),
  Flag.withDefault("5m"),
)

export const WAIT = Flag.Boolean("wait").pipe(
  Flag.withDescription("wait until the sync has ended (--no-wait: only ask for it)"),
  Flag.withDefault(true),
)

export const millisOf = (text: string): Effect.Effect<number, Told> => {
  const millis = parseGoDuration(text)
  return millis === undefined
    ? Effect.fail({
        message: `--timeout ${text} is no duration`,
        fix: "write it as 30s, 5m or 1h30m",
        exit: EXIT.usage,
      })
    : Effect.succeed(millis)
}
