/** Deliveries that came before. */

/** Deliveries that are known when they come again. */
const MAX_REMEMBERED = 10_000

export interface Memory {
  /** Whether it is new; it no longer is. */
  readonly add: (id: string) => boolean
  readonly forget: (id: string) => void
}

/** The newest of them at least, twice as many at most: forgetting half at a time costs nothing for each. */
export const makeMemory = (): Memory => {
  let recent = new Set<string>()
  let earlier = new Set<string>()
  return {
    add: (id) => {
      if (recent.has(id) || earlier.has(id)) return false
      if (recent.size >= MAX_REMEMBERED) {
        earlier = recent
        recent = new Set()
      }
      recent.add(id)
      return true
    },
    forget: (id) => {
      recent.delete(id)
      earlier.delete(id)
    },
  }
}
