/** Waits until the kinds that a commit defines can be used. */
import { Effect } from "effect"
import type { KubeError } from "../domain/errors.ts"
import { formatGroupKind, type KubeObject } from "../domain/object.ts"
import type { Discovery } from "../kube/Kube.ts"
import type { Step } from "../plan/step.ts"
import { LOOK, type Run } from "./Requests.ts"

export const DEFINITION = {
  group: "apiextensions.k8s.io",
  kind: "CustomResourceDefinition",
} as const
const AT_MOST = "10 seconds"

export const isDefinition = (step: Step): boolean =>
  formatGroupKind(step.ref) === formatGroupKind(DEFINITION)

type Fate = "ready" | "refused" | "open"

/** `refused`: another definition holds its names; it will not be served. */
const fateOf = (object: KubeObject): Fate => {
  const status = object["status"] as
    | { conditions?: ReadonlyArray<{ type?: string; status?: string }> }
    | undefined
  const has = (type: string, value: string): boolean =>
    (status?.conditions ?? []).some((c) => c.type === type && c.status === value)
  if (has("Established", "True")) return "ready"
  return has("NamesAccepted", "False") ? "refused" : "open"
}

/** An account that may not look leaves it to discovery; a definition that is not there brings nothing. */
const fateAfter = (error: KubeError): Fate =>
  error.status === 403 ? "ready" : error.status === 404 ? "refused" : "open"

const ask = ({ kube, caller }: Run, name: string): Effect.Effect<Fate> =>
  kube.discovery().pipe(
    Effect.flatMap((discovery) => {
      const type = discovery.find(DEFINITION)
      return type === undefined
        ? Effect.succeed<Fate>("refused")
        : Effect.map(kube.get(caller, type, { namespace: "", name }), fateOf)
    }),
    Effect.catch((error) => Effect.succeed(fateAfter(error))),
  )

const serves = (discovery: Discovery, steps: ReadonlyArray<Step>): boolean =>
  steps.every(({ ref }) => discovery.find(ref, ref.version) !== undefined)

/**
 * Waits for these definitions, and until discovery shows what `steps` need of them; ten seconds at most.
 * What is not ready then is found so, object by object, when it is applied.
 */
export const definitionsReady = (
  run: Run,
  names: ReadonlySet<string>,
  steps: ReadonlyArray<Step>,
): Effect.Effect<void> => {
  const settle = (name: string) =>
    Effect.map(
      Effect.repeat(ask(run, name), { schedule: LOOK, until: (fate) => fate !== "open" }),
      (fate) => ({ name, fate }),
    )
  const serving = (ready: ReadonlySet<string>) => {
    const needing = steps.filter(({ definedBy }) => ready.has(definedBy ?? ""))
    return run.kube.discovery("refresh").pipe(
      Effect.map((discovery) => serves(discovery, needing)),
      Effect.orElseSucceed(() => false),
      Effect.repeat({ schedule: LOOK, until: (yes) => yes }),
    )
  }
  return Effect.forEach(names, settle, { concurrency: 8 }).pipe(
    Effect.map((all) => new Set(all.filter((d) => d.fate === "ready").map((d) => d.name))),
    Effect.flatMap(serving),
    Effect.timeoutOption(AT_MOST),
    Effect.asVoid,
  )
}
