/** `nopea events`: what happened, and with --watch what happens. */
import { Console, Effect, Schedule, Stream } from "effect"
import type { KubeError } from "../domain/errors.ts"
import type { KubeObject } from "../domain/object.ts"
import type { Listed, ListOptions } from "../kube/Kube.ts"
import { CALLER, type Here, now, paintFor, repository } from "./Cluster.ts"
import { eventLine, eventsText, happeningOf, inTime, selectorOf } from "./happenings.ts"
import { unmanaged, written } from "./Reading.ts"
import { EXIT, type Told, toldOf } from "./told.ts"

const EVENTS = {
  group: "",
  version: "v1",
  kind: "Event",
  resource: "events",
  namespaced: true,
  verbs: ["list", "watch"],
} as const

export interface EventsOptions {
  /** Empty: of all GitRepositories. */
  readonly name: string
  readonly every: boolean
  readonly all: boolean
  readonly watch: boolean
  readonly output: "text" | "yaml" | "json"
}

/** Those that were told are remembered, so many of them. */
const MAX_TOLD = 10_000
const PAUSE = "1 second"
/** A server that is away for longer ends the watch. */
const MAX_TRIES = 120

const selection = (here: Here, { name, all }: EventsOptions): ListOptions => ({
  fieldSelector: selectorOf(name === "" ? undefined : name),
  ...(all ? {} : { namespace: here.namespace }),
})

const wrong = ({ name, every, all, watch, output }: EventsOptions): Told | undefined => {
  const usage = (message: string, fix: string): Told => ({ message, fix, exit: EXIT.usage })
  if (name === "" && !every && !all)
    return usage("whose events?", "name a GitRepository, or give --all (of the namespace) or -A")
  if (watch && output !== "text")
    return usage("--watch and --output do not go together", "leave one of them out")
  return name !== "" && (every || all)
    ? usage("a name, --all and -A do not go together", "give one of them")
    : undefined
}

/** Tells what is new until somebody stops it; a watch that ends or expires is begun again. */
const follow = (here: Here, chosen: ListOptions, first: Listed<KubeObject>) =>
  Effect.gen(function* () {
    const paint = paintFor(process.stdout)
    const told = new Set<string>()
    const tell = (object: KubeObject) => {
      const event = happeningOf(object)
      if (told.has(event.id)) return Effect.void
      const [oldest] = told
      if (told.size >= MAX_TOLD && oldest !== undefined) told.delete(oldest)
      told.add(event.id)
      return Console.log(eventLine(event, paint))
    }
    const tellAll = ({ items }: Listed<KubeObject>) => {
      const byId = new Map(items.map((object) => [happeningOf(object).id, object]))
      const order = inTime(items.map(happeningOf)).map(({ id }) => byId.get(id) as KubeObject)
      return Effect.forEach(order, tell, { discard: true })
    }
    const watch = ({ resourceVersion }: Listed<KubeObject>) =>
      here.kube
        .watch(CALLER, EVENTS, { ...chosen, resourceVersion })
        .pipe(
          Stream.runForEach((event) =>
            event.type === "ADDED" || event.type === "MODIFIED" ? tell(event.object) : Effect.void,
          ),
        )
    const again = (error: KubeError) =>
      error.disposition === "stall" ? Effect.fail(error) : Effect.sleep(PAUSE)
    let listed = first
    while (true) {
      yield* tellAll(listed)
      yield* Effect.catch(watch(listed), again)
      listed = yield* Effect.retry(here.kube.list(CALLER, EVENTS, chosen), {
        while: ({ disposition }) => disposition === "retry",
        schedule: Schedule.spaced(PAUSE),
        times: MAX_TRIES,
      })
    }
  })

export const events = (here: Here, options: EventsOptions): Effect.Effect<string, Told> =>
  Effect.gen(function* () {
    const mistake = wrong(options)
    if (mistake !== undefined) return yield* Effect.fail(mistake)
    if (options.name !== "") yield* repository(here, options.name)
    const chosen = selection(here, options)
    const listed = yield* Effect.mapError(here.kube.list(CALLER, EVENTS, chosen), toldOf)
    if (options.watch) return yield* Effect.mapError(follow(here, chosen, listed), toldOf)
    if (options.output !== "text")
      return yield* written(options.output, {
        apiVersion: "v1",
        kind: "List",
        items: listed.items.map(unmanaged),
      })
    if (listed.items.length === 0) return "No events: the API server keeps them for an hour."
    return eventsText(listed.items.map(happeningOf), yield* now)
  })
