/** Where events go, and what an answer of there means. Pure. */
import { type Redacted, Result } from "effect"
import { ConfigError } from "../domain/errors.ts"

export interface Sink {
  /** For people and metrics: its host, never more of its address. */
  readonly name: string
  readonly url: URL
  readonly token?: Redacted.Redacted
}

const refused = (reason: string, fix: string): ConfigError =>
  new ConfigError({
    code: "NOPEA-E001",
    operation: "read setting",
    subject: "NOPEA_CDEVENTS_SINKS",
    reason,
    fix,
    disposition: "stall",
  })

/** Loopback, and names that only this cluster's DNS knows. */
const NEAR = /^(localhost|127\.[0-9.]+|\[::1\]|[^.]+\.[^.]+\.svc(\.cluster\.local)?)$/u

const nameOf = (url: URL, i: number, urls: ReadonlyArray<URL>): string => {
  const nth = urls.slice(0, i).filter((other) => other.host === url.host).length
  return nth === 0 ? url.host : `${url.host}#${nth + 1}`
}

/** The token is everybody's who is named, so it goes to nobody whom others could overhear. */
export const sinksOf = (
  urls: ReadonlyArray<URL>,
  token: Redacted.Redacted | undefined,
): Result.Result<ReadonlyArray<Sink>, ConfigError> => {
  const open = urls.find(({ protocol, hostname }) => protocol === "http:" && !NEAR.test(hostname))
  if (token !== undefined && open !== undefined)
    return Result.fail(
      refused(
        `the token would go over plain http to ${open.host}`,
        "use https://, or unset NOPEA_CDEVENTS_TOKEN",
      ),
    )
  const named = urls.map((url, i) => ({ name: nameOf(url, i, urls), url }))
  return Result.succeed(named.map((sink) => (token === undefined ? sink : { ...sink, token })))
}

/** - `gone`: the sink wants no events any more */
export type Verdict = "delivered" | "again" | "refused" | "gone"

/** Knative's list, since the specification names none. https://knative.dev/docs/eventing/event-delivery/ */
const AGAIN: ReadonlySet<number> = new Set([404, 408, 409, 425, 429])

export const verdictOf = (status: number): Verdict => {
  if (status >= 200 && status < 300) return "delivered"
  if (status === 410) return "gone"
  return AGAIN.has(status) || status >= 500 ? "again" : "refused"
}

const FIRST_PAUSE = 1_000
const LONGEST_PAUSE = 60_000
/** A sink that asks for more is asked again then. */
const LONGEST_REST = 3_600_000

/** Milliseconds before try `nth + 1`; `random` in [0, 1) spreads those who failed together. */
export const pauseOf = (nth: number, random: number, retryAfter = 0): number => {
  const pause = Math.min(FIRST_PAUSE * 2 ** (nth - 1), LONGEST_PAUSE) * (0.5 + random / 2)
  return Math.round(Math.max(pause, Math.min(retryAfter, LONGEST_REST)))
}
