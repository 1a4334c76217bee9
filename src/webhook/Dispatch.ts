/** From what a push tells to the workers it concerns: one trigger each, once for a delivery. */
import { Effect } from "effect"
import { type GitRepository, keyOf } from "../domain/repository.ts"
import { traceOf } from "../domain/trace.ts"
import type { Supervisor } from "../supervisor/Supervisor.ts"
import { type Answer, ignored, queued, REFUSALS } from "./answer.ts"
import { cloneKey } from "./cloneKey.ts"
import type { Delivery, Told } from "./delivery.ts"
import { type Concerned, matchPush, type Places, placesOf } from "./match.ts"
import { makeMemory } from "./memory.ts"
import type { Route } from "./route.ts"

/** `repository`: whose own route this is. */
export type Dispatch = (
  delivery: Delivery,
  told: Told,
  repository: GitRepository | undefined,
) => Effect.Effect<Answer>

/** One of its kind among all routes. */
const textOf = (route: Route): string =>
  route.kind === "provider" ? route.provider : `${route.namespace ?? ""}/${route.name}`

/** Clone URLs that are kept with their keys: of specs, and of proven senders. */
const MAX_KEYS = { specs: 20_000, told: 1000 }

/** What names no place is not kept: it may be of any length. */
const makeKeys = (most: number): typeof cloneKey => {
  const keys = new Map<string, string>()
  return (url) => {
    const known = keys.get(url)
    if (known !== undefined) return known
    const key = cloneKey(url)
    if (keys.size >= most) keys.clear()
    if (key !== undefined) keys.set(url, key)
    return key
  }
}

/** Remembers for as long as it lives. */
export const makeDispatch = (supervisor: Supervisor["Service"]): Dispatch => {
  const memory = makeMemory()
  const keyOfSpec = makeKeys(MAX_KEYS.specs)
  const keyOfUrl = makeKeys(MAX_KEYS.told)
  /** The last commit that the log told of, as long as the spec is the same. */
  const told = new WeakMap<GitRepository, string>()
  const known: { all: ReadonlyArray<GitRepository>; places: Places } = {
    all: [],
    places: new Map(),
  }

  const placesIn = (all: ReadonlyArray<GitRepository>): Places => {
    if (known.all !== all) Object.assign(known, { all, places: placesOf(all, keyOfSpec) })
    return known.places
  }

  /** Told in the log once for a commit, however often it is delivered. */
  const tell = (repository: GitRepository, provider: string, commit: string | undefined) => {
    const isNews = commit === undefined || told.get(repository) !== commit
    if (!isNews) return Effect.void
    told.set(repository, commit ?? "")
    const fields = { repository: keyOf(repository), provider, ...(commit ? { commit } : {}) }
    return Effect.logInfo("webhook: sync asked for").pipe(Effect.annotateLogs(fields))
  }

  /** How many of them took it. */
  const wake = (
    { headers, name }: Delivery,
    concerned: ReadonlyArray<Concerned>,
  ): Effect.Effect<number> => {
    const trace = traceOf(headers)
    const traces = trace === undefined ? {} : { traces: [trace] }
    const one = ({ repository, commit }: Concerned): Effect.Effect<number> => {
      const hint = commit === undefined ? {} : { commit }
      const sent = supervisor.send(keyOf(repository), { kind: "webhook", ...hint, ...traces })
      return Effect.flatMap(sent, (isTaken) =>
        isTaken ? Effect.as(tell(repository, name, commit), 1) : Effect.succeed(0),
      )
    }
    const [first, ...others] = concerned
    if (first === undefined) return Effect.succeed(0)
    if (others.length === 0) return one(first)
    return Effect.map(Effect.forEach(concerned, one), (all) => all.reduce((sum, n) => sum + n, 0))
  }

  return (delivery, { push, id }, repository) => {
    const places =
      repository === undefined
        ? Effect.map(supervisor.list, placesIn)
        : Effect.succeed(placesOf([repository], keyOfSpec))
    return Effect.flatMap(places, (there) => {
      const { known, concerned } = matchPush(push, there, keyOfUrl)
      if (known === 0) return Effect.succeed(REFUSALS.unmatched)
      if (concerned.length === 0) return Effect.succeed(ignored("no followed branch or tag moved"))
      const mark = `${textOf(delivery.route)} ${id}`
      if (id !== undefined && !memory.add(mark))
        return Effect.succeed(ignored("this delivery came before"))
      return Effect.map(wake(delivery, concerned), (taken) => {
        if (taken === 0) memory.forget(mark)
        return taken === 0 ? REFUSALS.notReady : queued(taken)
      })
    })
  }
}
