/** How a sync gets at its commit and its view of the cluster, by what triggered it. */
import type { LiveQuery } from "../cache/Live.ts"
import type { Trigger } from "../domain/trigger.ts"

export interface Route {
  /**
   * - `fetch`: somebody says there is something new
   * - `ask`: `ls-remote` first, fetch only what is new
   * - `mirror`: what was fetched last; no network where there is something
   */
  readonly commit: "fetch" | "ask" | "mirror"
  /** How new the view of the cluster must be; see `cache/Live.ts`. */
  readonly freshness: LiveQuery["freshness"]
  /** A commit that is applied already ends the sync at once. */
  readonly mayEndEarly: boolean
  /** Read the credentials' Secret again. */
  readonly renewCredentials: boolean
}

export const isFromMirror = ({ commit }: Route): boolean => commit === "mirror"

/**
 * What the Git server said last about this spec: a commit; since then no answer; or nothing at all yet. Without an
 * answer the cluster is kept as the commit known before says.
 */
export const ANSWERS = ["commit", "silence", "nothing"] as const

export const routeOf = ({ kind }: Trigger, answer: (typeof ANSWERS)[number]): Route => {
  const stale = answer !== "commit"
  switch (kind) {
    case "webhook":
    case "claim":
      return { commit: "fetch", freshness: "known", mayEndEarly: true, renewCredentials: false }
    case "syncNow":
      return { commit: "fetch", freshness: "listed", mayEndEarly: false, renewCredentials: true }
    case "specChanged":
      return { commit: "fetch", freshness: "known", mayEndEarly: false, renewCredentials: true }
    case "startup":
      return { commit: "ask", freshness: "fresh", mayEndEarly: false, renewCredentials: true }
    case "poll":
      return { commit: "ask", freshness: "known", mayEndEarly: true, renewCredentials: stale }
    case "retry":
      return {
        commit: stale ? "ask" : "mirror",
        freshness: "known",
        mayEndEarly: false,
        renewCredentials: stale,
      }
    case "drift":
    case "reconcile":
      return {
        commit: answer === "nothing" ? "ask" : "mirror",
        freshness: kind === "reconcile" ? "fresh" : "known",
        mayEndEarly: false,
        renewCredentials: answer === "nothing",
      }
  }
}
