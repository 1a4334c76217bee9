/** Long pure work in parts, so that whoever does it can let others have their turn between two of them. */

/** Yields where it may rest: some milliseconds of work apart, at most. */
export type Parts<A> = Generator<undefined, A, undefined>

/** Without a rest. */
export const atOnce = <A>(parts: Parts<A>): A => {
  for (;;) {
    const next = parts.next()
    if (next.done === true) return next.value
  }
}
