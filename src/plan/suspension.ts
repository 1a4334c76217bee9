/** Break-glass: the annotation on a live object that stops every write to it. Pure. */
import type { LiveObject } from "./live.ts"

export interface Suspension {
  /** What to say of its end. */
  readonly text: string
  /** Milliseconds since the epoch; absent: until somebody removes it. */
  readonly until?: number
}

/** `undefined` where none holds. A value nobody can read still holds. */
export const suspension = (marks: LiveObject["marks"], now: number): Suspension | undefined => {
  const value = marks["nopea.io/suspend-heal"]?.trim() ?? ""
  if (value === "" || value.toLowerCase() === "false") return undefined
  if (value.toLowerCase() === "true") return { text: "until it is removed" }
  const time = /^\d{4}-\d\d-\d\dT/u.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(time))
    return { text: `"${value}" is neither true nor an RFC 3339 time: until it is removed` }
  return time > now ? { text: `until ${value}`, until: time } : undefined
}
