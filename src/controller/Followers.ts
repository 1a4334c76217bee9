/** Who wants to hear of every new version of a repository's objects, also where only the status changed. */

import type { Changed } from "../cache/Live.ts"
import { formatRef } from "../domain/object.ts"
import type { Seen } from "./liveRows.ts"

export class Followers {
  readonly #changed = new Map<string, Changed>()

  follow(repository: string, changed: Changed | undefined): void {
    if (changed === undefined) this.#changed.delete(repository)
    else this.#changed.set(repository, changed)
  }

  /** It is there, or changed. */
  applied({ repository, live }: Seen): void {
    this.#changed.get(repository ?? "")?.(formatRef(live.ref), live.resourceVersion)
  }

  /** It is gone, or not the repository's any longer. */
  deleted({ repository, live }: Seen): void {
    this.#changed.get(repository ?? "")?.(formatRef(live.ref), "")
  }
}
