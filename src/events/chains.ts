/** The place of each event among others: its id, its chain, and which event it follows. Pure but for what it keeps. */
import { ulidAfter } from "../domain/ulid.ts"
import {
  type CDEvent,
  chainIdOf,
  type Draft,
  type EventKind,
  eventOf,
  type Link,
} from "./cdevents.ts"

/** Of a sync that was told to have begun and not yet to have ended. */
interface Open {
  readonly syncId: string
  readonly last: string
}

const MAX_OPEN = 10_000
const FIRST_ID = "0".repeat(26)

/** Which event of the same chain made this one happen. */
const CAUSES: Readonly<Partial<Record<EventKind, EventKind>>> = {
  fetched: "started",
  deployed: "finished",
  upgraded: "finished",
  rolledback: "finished",
  removed: "finished",
}

export interface Batch {
  /** By uid of the GitRepository. */
  readonly uid: string
  /** Absent: what happened belongs to no sync. */
  readonly syncId?: string | undefined
  readonly drafts: ReadonlyArray<Draft>
  /** Nothing more comes of this sync. */
  readonly isLast: boolean
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly source: string
  /** Each call two new numbers in [0, 1). */
  readonly random: () => readonly [number, number]
}

export class Chains {
  #last = FIRST_ID
  readonly #open = new Map<string, Open>()

  /** That the sync under way was told to have begun. */
  openOf(uid: string, syncId?: string): Open | undefined {
    const open = this.#open.get(uid)
    return syncId === undefined || open?.syncId === syncId ? open : undefined
  }

  add(batch: Batch): ReadonlyArray<CDEvent> {
    const { uid, drafts, isLast, now, source, random } = batch
    const open = this.openOf(uid, batch.syncId)
    const ids = drafts.map(() => {
      this.#last = ulidAfter(this.#last, now, random())
      return this.#last
    })
    const syncId = batch.syncId ?? open?.syncId ?? ids[0] ?? ""
    const chainId = chainIdOf(syncId)
    const events = drafts.map((draft, i) => {
      const before = ids[i - 1] ?? open?.last
      const cause = drafts.findIndex(({ kind }) => kind === CAUSES[draft.kind])
      const trigger = cause >= 0 && cause < i ? ids[cause] : undefined
      const isEnd = isLast && i === drafts.length - 1
      const links = linksOf({ before, trigger, isEnd })
      return eventOf(draft, { id: ids[i] ?? "", source, chainId, links })
    })
    this.#keep(uid, syncId, ids.at(-1), isLast)
    return events
  }

  #keep(uid: string, syncId: string, last: string | undefined, isLast: boolean): void {
    this.#open.delete(uid)
    if (isLast || last === undefined) return
    this.#open.set(uid, { syncId, last })
    for (const oldest of this.#open.keys())
      if (this.#open.size > MAX_OPEN) this.#open.delete(oldest)
  }
}

const linksOf = (found: {
  readonly before: string | undefined
  readonly trigger: string | undefined
  readonly isEnd: boolean
}): ReadonlyArray<Link> => {
  const { before, trigger, isEnd } = found
  const from = before === undefined ? undefined : { contextId: before }
  return [
    ...(from === undefined ? [] : [{ linkType: "PATH", from } as const]),
    ...(trigger === undefined
      ? []
      : [{ linkType: "RELATION", linkKind: "TRIGGER", target: { contextId: trigger } } as const]),
    ...(isEnd && from !== undefined ? [{ linkType: "END", from } as const] : []),
  ]
}
