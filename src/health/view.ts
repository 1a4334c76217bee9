/** The health of all objects of a repository together: who is awaited, and whether the time is up. Pure. */
import { HEALTHY, type Health } from "./facts.ts"

export interface Awaited extends Health {
  /** `apps/Deployment/shop/api` */
  readonly object: string
}

export interface View {
  /**
   * - `healthy`: all of them
   * - `progressing`: somebody is awaited, and the time is not up
   * - `degraded`: somebody does not come by waiting alone
   * - `late`: the time is up
   */
  readonly state: "healthy" | "progressing" | "degraded" | "late"
  readonly total: number
  /** Not healthy, what is wrong first. */
  readonly awaited: ReadonlyArray<Awaited>
}

export const UNREAD: Health = { state: "progressing", reason: "it is being looked at" }

const isBad = ({ state }: Health): boolean => state === "degraded"

/** `isLate`: what is awaited has been awaited for too long. */
export const viewOf = (
  rows: Iterable<readonly [object: string, health: Health | undefined]>,
  isLate: boolean,
): View => {
  const all = [...rows].map(([object, health = UNREAD]) => ({ object, ...health }))
  const awaited = all.filter(({ state }) => state !== HEALTHY.state)
  const sorted = awaited.toSorted((a, b) => Number(isBad(b)) - Number(isBad(a)))
  const waiting = isLate ? "late" : "progressing"
  const state = awaited.length === 0 ? "healthy" : awaited.some(isBad) ? "degraded" : waiting
  return { state, total: all.length, awaited: sorted }
}
