/** What somebody changed in the cluster: one row per field, as plans decide it and people read it. */

/** Which field manager wrote, how and when, as `managedFields` says it. */
export interface Author {
  readonly manager: string
  readonly operation: "Apply" | "Update"
  /** `scale`, `status`; absent: the object itself. */
  readonly subresource?: string
  /** RFC 3339. */
  readonly time?: string
}

/**
 * - `manual_drift`: a field that Git says was changed or removed
 * - `conflict`: and Git has changed it too since it was applied
 * - `added`: a person put something into the object that Git does not say
 * - `deleted`: the object is gone
 */
export type DriftType = "manual_drift" | "conflict" | "added" | "deleted"

export interface Drift {
  readonly type: DriftType
  /** `spec.template.spec.containers[name=api].image`; absent: the object as a whole. */
  readonly path?: string
  /** Absent where the cluster does not tell. */
  readonly author?: Author
  /** Milliseconds since the epoch: when it was first noticed. */
  readonly firstSeen: number
  /**
   * - `healed`: Git's state is put back now
   * - `held`: it is left for a time: the grace period, break-glass, or an opponent that takes it back each time
   * - `left`: the policy leaves it
   */
  readonly action: "healed" | "held" | "left"
  /** Milliseconds since the epoch: when healing goes on; absent: not by itself. */
  readonly until?: number
  /** Why it is held or left, in a few words. */
  readonly reason?: string
}
