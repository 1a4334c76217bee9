/** What a live object says, read so that no shape of it can hurt: whatever is not as expected is absent. */

/** - `progressing`: something is awaited · `degraded`: it does not come by waiting alone · `terminating`: it goes */
export type State = "healthy" | "progressing" | "degraded" | "terminating"

export interface Health {
  readonly state: State
  /** What is awaited, or what is wrong; empty where it is healthy. */
  readonly reason: string
}

export const HEALTHY: Health = { state: "healthy", reason: "" }
export const progressing = (reason: string): Health => ({ state: "progressing", reason })
export const degraded = (reason: string): Health => ({ state: "degraded", reason })

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  /** It is about an older generation than the object has. */
  readonly isStale: boolean
}

/** The value below a path; absent where something on the way is no object. */
export const at = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (node, name) =>
      typeof node === "object" && node !== null && Object.hasOwn(node, name)
        ? (node as Record<string, unknown>)[name]
        : undefined,
    value,
  )

export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const text = (value: unknown): string => (typeof value === "string" ? value : "")

export const whole = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined

export const count = (value: unknown, fallback = 0): number => whole(value) ?? fallback

/** Some controllers write it as text. */
const generationIn = (value: unknown): number | undefined =>
  typeof value === "string" && /^\d+$/u.test(value) ? Number(value) : whole(value)

export const observedGeneration = (object: unknown): number | undefined =>
  generationIn(at(object, "status", "observedGeneration"))

export const generation = (object: unknown): number | undefined =>
  whole(at(object, "metadata", "generation"))

/** The conditions in `list`, of an object with this generation. */
export const conditionsIn = (value: unknown, now: number | undefined): ReadonlyArray<Condition> =>
  list(value).map((row) => {
    const seen = generationIn(at(row, "observedGeneration"))
    return {
      type: text(at(row, "type")),
      status: text(at(row, "status")),
      reason: text(at(row, "reason")),
      message: text(at(row, "message")),
      isStale: now !== undefined && seen !== undefined && seen < now,
    }
  })

export const conditionsOf = (object: unknown): ReadonlyArray<Condition> =>
  conditionsIn(at(object, "status", "conditions"), generation(object))

export const find = (conditions: ReadonlyArray<Condition>, type: string): Condition | undefined =>
  conditions.find((condition) => condition.type === type)

const MAX_SAID = 200

/** `Ready is False: the certificate is not issued yet`. */
export const said = ({ type, status, reason, message, isStale }: Condition): string => {
  if (isStale) return `${type} is of an older generation`
  const why = message === "" ? reason : message
  return `${type} is ${status || "not set"}${why === "" ? "" : `: ${why.slice(0, MAX_SAID).toWellFormed()}`}`
}

/** True, and about the object as it is now. */
export const holds = (condition: Condition | undefined): boolean =>
  condition?.status === "True" && !condition.isStale

/** False, and about the object as it is now. */
export const fails = (condition: Condition | undefined): boolean =>
  condition?.status === "False" && !condition.isStale

/** The first answer that is not healthy. */
export const firstOf = (...answers: ReadonlyArray<Health | undefined>): Health =>
  answers.find((answer) => answer !== undefined && answer.state !== "healthy") ?? HEALTHY
