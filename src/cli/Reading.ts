/** Commands that only look: get, status, drift, history. Each answers its text. */
import { Effect } from "effect"
import type { KubeObject } from "../domain/object.ts"
import { type Here, now, paintFor, repositories, repository } from "./Cluster.ts"
import { driftText, getText, historyText } from "./lists.ts"
import { statusText } from "./statusText.ts"
import { EXIT, type Told } from "./told.ts"
import type { View } from "./view.ts"

export type Output = "text" | "wide" | "yaml" | "json" | "name"

/** What a machine reads: the value as it is. */
export const written = (output: "yaml" | "json", value: unknown): Effect.Effect<string> =>
  output === "json"
    ? Effect.succeed(JSON.stringify(value, null, 2))
    : Effect.map(
        Effect.promise(() => import("./yaml.ts")),
        ({ yamlOf }) => yamlOf(value),
      )

/** As kubectl: who owns which field is left out. */
export const unmanaged = (object: KubeObject): KubeObject => {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

const shown = ({ object }: View): KubeObject => unmanaged(object)

const nameOf = ({ name }: View): string => `gitrepository.nopea.false.systems/${name}`

interface GetOptions {
  readonly names: ReadonlyArray<string>
  readonly all: boolean
  readonly output: Output
}

const chosen = (
  here: Here,
  { names, all }: GetOptions,
): Effect.Effect<ReadonlyArray<View>, Told> => {
  if (names.length === 0) return repositories(here, all ? undefined : here.namespace)
  return all
    ? Effect.fail({
        message: "a name and --all-namespaces do not go together",
        fix: "leave one of them out",
        exit: EXIT.usage,
      })
    : Effect.forEach(names, (name) => repository(here, name))
}

const found = (here: Here, views: ReadonlyArray<View>, options: GetOptions) =>
  Effect.gen(function* () {
    const { output, names, all } = options
    if (output === "name") return views.map(nameOf).join("\n")
    if (output === "yaml" || output === "json") {
      const items = views.map(shown)
      const list = { apiVersion: "v1", kind: "List", items }
      return yield* written(output, names.length === 1 ? items[0] : list)
    }
    if (views.length === 0)
      return `No GitRepositories found${all ? "" : ` in namespace ${here.namespace} (-A looks in all)`}.`
    return getText(views, { now: yield* now, wide: output === "wide", namespaced: all })
  })

/** `nopea get [NAME…]`. */
export const get = (here: Here, options: GetOptions): Effect.Effect<string, Told> =>
  Effect.flatMap(chosen(here, options), (views) => found(here, views, options))

interface Asked {
  readonly name: string
  readonly output: Output
}

/** `nopea status NAME`. */
export const status = (here: Here, { name, output }: Asked): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const view = yield* repository(here, name)
    if (output === "yaml" || output === "json") return yield* written(output, shown(view))
    if (output === "name") return nameOf(view)
    return statusText(view, { now: yield* now, paint: paintFor(process.stdout) })
  })

type Rows<A> = (view: View) => ReadonlyArray<A>
type Text<A> = (
  rows: ReadonlyArray<A>,
  how: { readonly now: number; readonly wide: boolean },
) => string

/** A list in the status, as a table or as it is. */
const listed =
  <A>(rowsOf: Rows<A>, textOf: Text<A>, nothing: (view: View) => string) =>
  (here: Here, { name, output }: Asked): Effect.Effect<string, Told> =>
    Effect.gen(function* () {
      const view = yield* repository(here, name)
      const rows = rowsOf(view)
      if (output === "yaml" || output === "json") return yield* written(output, rows)
      if (rows.length === 0) return nothing(view)
      return textOf(rows, { now: yield* now, wide: output === "wide" })
    })

/** `nopea drift NAME`. */
export const drift = listed(
  ({ status: { drift: rows = [] } }) => rows,
  driftText,
  ({ namespace, name, status: { lastSyncedCommit } }) =>
    lastSyncedCommit === undefined
      ? `${namespace}/${name}: nothing is known yet, no commit was applied whole.`
      : `${namespace}/${name}: no drift, the cluster is as Git says.`,
)

/** `nopea history NAME`. */
export const history = listed(
  ({ status: { history: rows = [] } }) => rows,
  historyText,
  ({ namespace, name }) => `${namespace}/${name}: no sync yet.`,
)
