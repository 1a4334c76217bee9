/** Rows that outlive one call, at most so many. Pure but for the map that it keeps. */

/** Puts a row last; of more than `most` the least recently put go. */
export const keep = <K, V>(rows: Map<K, V>, key: K, row: V, most: number): V => {
  rows.delete(key)
  rows.set(key, row)
  for (const oldest of rows.keys()) if (rows.size > most) rows.delete(oldest)
  return row
}
