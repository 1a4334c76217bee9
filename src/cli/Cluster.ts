/** The cluster as commands use it: a connection, one GitRepository or all, and failures in words. */
import { Clock, Effect, Option, type Scope } from "effect"
import type { ConfigError, KubeError } from "../domain/errors.ts"
import { formatApiVersion } from "../domain/object.ts"
import { GIT_REPOSITORIES, GROUP, KIND } from "../domain/repository.ts"
import type { Caller, Kube, Preview } from "../kube/Kube.ts"
import { noRepository, notInstalled, type Told, toldOf } from "./told.ts"
import { inOrder, type View, viewOf } from "./view.ts"
import { nearNames, type Paint, painted, unpainted } from "./words.ts"

export interface Connection {
  readonly kube: Kube["Service"]
  readonly preview: Preview
  readonly server: string
  /** Of the kubeconfig's context. */
  readonly namespace?: string
}

export interface AccessFlags {
  readonly kubeconfig: Option.Option<string>
  readonly context: Option.Option<string>
  readonly namespace: Option.Option<string>
}

/** How the live world connects; set in `App.ts`. */
export type Connect = (access: {
  readonly kubeconfig?: string
  readonly context?: string
}) => Effect.Effect<Connection, ConfigError, Scope.Scope>

export interface Here {
  readonly kube: Kube["Service"]
  readonly preview: Preview
  readonly server: string
  /** The one that is meant where none is said. */
  readonly namespace: string
}

export const CALLER: Caller = { budget: "command line" }

/** With the namespace of the flag, else of the context, else `default`: as kubectl. */
export const reach = (
  connect: Connect,
  flags: AccessFlags,
): Effect.Effect<Here, Told, Scope.Scope> =>
  connect({
    kubeconfig: Option.getOrElse(flags.kubeconfig, () => process.env["KUBECONFIG"] ?? ""),
    ...(Option.isSome(flags.context) ? { context: flags.context.value } : {}),
  }).pipe(
    Effect.map(({ namespace = "default", ...connection }) => ({
      ...connection,
      namespace: Option.getOrElse(flags.namespace, () => namespace),
    })),
    Effect.mapError(toldOf),
  )

/** A kind that is not served is a matter of installation. */
export const inWords = (here: Here, error: KubeError): Effect.Effect<never, Told> => {
  if (error.code !== "NOPEA-A015") return Effect.fail(toldOf(error))
  return here.kube.discovery().pipe(
    Effect.mapError(toldOf),
    Effect.flatMap(({ types }) =>
      Effect.fail(
        notInstalled(
          here.server,
          types.filter(({ group, kind }) => group === GROUP && kind === KIND).map(formatApiVersion),
        ),
      ),
    ),
  )
}

/** Those of one namespace, or (`undefined`) of all. */
export const repositories = (
  here: Here,
  namespace: string | undefined,
): Effect.Effect<ReadonlyArray<View>, Told> =>
  here.kube.list(CALLER, GIT_REPOSITORIES, namespace === undefined ? {} : { namespace }).pipe(
    Effect.map(({ items }) => inOrder(items.map(viewOf))),
    Effect.catch((error) => inWords(here, error)),
  )

const missing = (here: Here, name: string): Effect.Effect<never, Told> =>
  Effect.gen(function* () {
    const { namespace } = here
    const none = () => Effect.succeed<ReadonlyArray<View>>([])
    const all = yield* repositories(here, undefined).pipe(
      Effect.catch(() => repositories(here, namespace)),
      Effect.catch(none),
    )
    const others = all.filter((view) => view.name === name).map((view) => view.namespace)
    const names = all.filter((view) => view.namespace === namespace).map((view) => view.name)
    const near = nearNames(name, names)
    return yield* Effect.fail(noRepository({ name, namespace, near, elsewhere: others }))
  })

/** The one of this name, or a failure that names what may have been meant. */
export const repository = (here: Here, name: string): Effect.Effect<View, Told> =>
  here.kube.get(CALLER, GIT_REPOSITORIES, { namespace: here.namespace, name }).pipe(
    Effect.map(viewOf),
    Effect.catch(
      (error): Effect.Effect<View, Told> =>
        error.code === "NOPEA-A003" ? missing(here, name) : inWords(here, error),
    ),
  )

/** Merges into the GitRepository. */
export const change = (here: Here, name: string, patch: unknown): Effect.Effect<View, Told> =>
  here.kube.mergePatch(CALLER, GIT_REPOSITORIES, { namespace: here.namespace, name }, patch).pipe(
    Effect.map(viewOf),
    Effect.catch((error) => inWords(here, error)),
  )

/** Colours where a person looks, and does not object: https://no-color.org */
export const paintFor = (stream: { readonly isTTY?: boolean }): Paint => {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR) return unpainted
  return FORCE_COLOR || (stream.isTTY === true && TERM !== "dumb") ? painted : unpainted
}

export const now: Effect.Effect<number> = Clock.currentTimeMillis
