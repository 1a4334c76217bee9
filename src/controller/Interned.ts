/** Equal parts of live objects as one value: thousands of them have one of few owners, namespaces, repositories. */
import type { LiveObject } from "../plan/live.ts"

const MOST = 10_000

export class Interned {
  readonly #values = new Map<string, unknown>()

  #one<A>(key: string, value: A): A {
    const found = this.#values.get(key) as A | undefined
    if (found !== undefined) return found
    if (this.#values.size >= MOST) this.#values.clear()
    this.#values.set(key, value)
    return value
  }

  text(text: string): string {
    return this.#one(`text ${text}`, text)
  }

  live(live: LiveObject): LiveObject {
    const { owner } = live
    const ref = { ...live.ref, namespace: this.text(live.ref.namespace) }
    if (owner === undefined) return { ...live, ref }
    const id = `owner ${owner.namespace}/${owner.name}/${owner.uid}`
    return { ...live, ref, owner: this.#one(id, owner) }
  }
}
