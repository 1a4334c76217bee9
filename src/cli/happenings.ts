/** Kubernetes Events of GitRepositories, as lines and as a table. */
import type { KubeObject } from "../domain/object.ts"
import { KIND } from "../domain/repository.ts"
import { type Paint, plain, since, table } from "./words.ts"

export interface Happening {
  /** Of this state of the Event: a repeat is told again. */
  readonly id: string
  readonly time: string
  readonly type: string
  readonly reason: string
  readonly repository: string
  readonly message: string
  readonly count: number
}

interface EventFields {
  readonly type?: string
  readonly reason?: string
  readonly message?: string
  readonly count?: number
  readonly lastTimestamp?: string | null
  readonly eventTime?: string | null
  readonly involvedObject?: { readonly namespace?: string; readonly name?: string }
}

export const happeningOf = (object: KubeObject): Happening => {
  const { uid = "", resourceVersion = "", creationTimestamp = "" } = object.metadata
  const { type, reason, message, count, lastTimestamp, eventTime, involvedObject } =
    object as unknown as EventFields
  return {
    id: `${uid} ${resourceVersion}`,
    time: lastTimestamp ?? eventTime ?? creationTimestamp,
    type: type ?? "Normal",
    reason: reason ?? "",
    repository: `${involvedObject?.namespace ?? ""}/${involvedObject?.name ?? ""}`,
    message: message ?? "",
    count: count ?? 1,
  }
}

/** What the API server is asked for. */
export const selectorOf = (name: string | undefined): string =>
  `involvedObject.kind=${KIND}${name === undefined ? "" : `,involvedObject.name=${name}`}`

/** Oldest first. */
export const inTime = (all: ReadonlyArray<Happening>): ReadonlyArray<Happening> =>
  all.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.id < b.id ? -1 : 1))

export const eventsText = (all: ReadonlyArray<Happening>, now: number): string =>
  table([
    ["LAST SEEN", "TYPE", "REASON", "REPOSITORY", "COUNT", "MESSAGE"],
    ...inTime(all).map(({ time, type, reason, repository, count, message }) => [
      since(time, now),
      type,
      reason,
      repository,
      String(count),
      message,
    ]),
  ])

/** One line, as it is watched. */
export const eventLine = (event: Happening, paint: Paint): string => {
  const { time, type, reason, repository, message, count } = event
  const times = count > 1 ? ` (${count} times)` : ""
  const word = type === "Warning" ? paint("yellow", plain(reason)) : plain(reason)
  return `${plain(time)}  ${plain(repository)}  ${word}  ${plain(message)}${times}`
}
