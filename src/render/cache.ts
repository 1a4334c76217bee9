/** Least recently used entries, bounded by their sizes. */

export interface SizedCache<A> {
  readonly get: (key: string) => A | undefined
  readonly set: (key: string, value: A, size: number) => void
}

export const makeCache = <A>(maxSize: number): SizedCache<A> => {
  const entries = new Map<string, { readonly value: A; readonly size: number }>()
  let total = 0
  const remove = (key: string): void => {
    total -= entries.get(key)?.size ?? 0
    entries.delete(key)
  }
  return {
    get: (key) => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    set: (key, value, size) => {
      remove(key)
      if (size > maxSize) return
      entries.set(key, { value, size })
      total += size
      for (const oldest of entries.keys()) {
        if (total <= maxSize) break
        remove(oldest)
      }
    },
  }
}
