/** kstatus-compatible conditions: set and merge; the transition time moves only with the status. */

export type ConditionType = "Ready" | "Reconciling" | "Stalled" | "Drifted" | "Healthy"
export type ConditionStatus = "True" | "False" | "Unknown"

export interface Condition {
  readonly type: ConditionType
  readonly status: ConditionStatus
  /** CamelCase word, such as `Succeeded`, `RenderFailed`. */
  readonly reason: string
  readonly message: string
  /** RFC 3339. */
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

export type ConditionUpdate = Omit<Condition, "lastTransitionTime">

/** Replaces or adds one condition. */
export const setCondition = (
  conditions: ReadonlyArray<Condition>,
  update: ConditionUpdate,
  now: string,
): ReadonlyArray<Condition> => {
  const old = conditions.find((c) => c.type === update.type)
  const lastTransitionTime = old?.status === update.status ? old.lastTransitionTime : now
  const next: Condition = { ...update, lastTransitionTime }
  return old === undefined
    ? [...conditions, next]
    : conditions.map((c) => (c.type === update.type ? next : c))
}

/** kstatus wants `Reconciling` and `Stalled` absent, not `False`. */
export const removeCondition = (
  conditions: ReadonlyArray<Condition>,
  type: ConditionType,
): ReadonlyArray<Condition> => conditions.filter((c) => c.type !== type)

export const findCondition = (
  conditions: ReadonlyArray<Condition>,
  type: ConditionType,
): Condition | undefined => conditions.find((c) => c.type === type)
