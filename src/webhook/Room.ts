/** How much of the process deliveries may take: places and bytes, in all and for one client. Nobody waits for them. */

export interface Limits {
  readonly places: number
  readonly placesEach: number
  readonly bytes: number
  readonly bytesEach: number
}

interface Taken {
  places: number
  bytes: number
}

/** One delivery's part of the room; `leave` gives all of it back. */
export interface Visit {
  /** Whether there is room for so many bytes more; takes it. */
  readonly grow: (bytes: number) => boolean
  readonly leave: () => void
}

/** Every method is synchronous. */
export class Room {
  readonly #limits: Limits
  readonly #all: Taken = { places: 0, bytes: 0 }
  readonly #clients = new Map<string, Taken>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** `undefined`: full. */
  enter(client: string): Visit | undefined {
    const limits = this.#limits
    const all = this.#all
    const own = this.#clients.get(client) ?? { places: 0, bytes: 0 }
    if (all.places >= limits.places || own.places >= limits.placesEach) return undefined
    this.#clients.set(client, own)
    const move = (places: number, bytes: number): void => {
      for (const taken of [all, own]) {
        taken.places += places
        taken.bytes += bytes
      }
    }
    let held = 0
    move(1, 0)
    return {
      grow: (bytes) => {
        if (all.bytes + bytes > limits.bytes || own.bytes + bytes > limits.bytesEach) return false
        held += bytes
        move(0, bytes)
        return true
      },
      leave: () => {
        move(-1, -held)
        held = 0
        if (own.places === 0) this.#clients.delete(client)
      },
    }
  }
}
