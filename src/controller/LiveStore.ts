/**
 * What is kept of live objects, by kind and repository, and whom a change of it wakes. Every method is
 * synchronous. Law: of two tellings of an object the higher resourceVersion wins, however they come in.
 */
import type { Settled } from "../cache/Live.ts"
import { formatGroupKind, formatRef, type ObjectKey } from "../domain/object.ts"
import type { Listed } from "../kube/Kube.ts"
import { inherited, type LiveObject, withBaseline } from "../plan/live.ts"
import { Interned } from "./Interned.ts"
import { isNewer, isNews, kindOf, type Seen } from "./liveRows.ts"

/** Deleted objects that are remembered, so that late news of them is known as such. */
const MOST_BURIED = 4_096

interface Rows {
  readonly objects: Map<string, Map<ObjectKey, LiveObject>>
  /** The repository under which an object is kept. */
  readonly holders: Map<ObjectKey, string>
}

/** Own writes of one object under way. */
interface Writing {
  depth: number
  /** As it was before, then what the writes themselves were answered; `undefined`: not there. */
  expected: LiveObject | undefined
}

/** `event`: tell what changed; `list`: the same, but what is new there is read anyway; `read`: its reader sees it. */
type How = "event" | "list" | "read"

export class LiveStore {
  readonly #kinds = new Map<string, Rows>()
  readonly #wakes = new Map<string, () => void>()
  readonly #writings = new Map<string, Writing>()
  /** uid -> version of its end; `""`: we deleted it, and it cannot come back. */
  readonly #buried = new Map<string, string>()
  readonly #interned = new Interned()
  /** Whom to wake once all that came together is kept: a worker may look while it is being woken. */
  readonly #due = new Set<string>()

  register(repository: string, wake: () => void): void {
    this.#wakes.set(repository, wake)
  }

  objects(repository: string, kinds: Iterable<string>): ReadonlyMap<ObjectKey, LiveObject> {
    const found = [...kinds].map((kind) => this.#kinds.get(kind)?.objects.get(repository))
    return new Map(found.flatMap((objects) => [...(objects ?? [])]))
  }

  namespaces(repository: string, kind: string): ReadonlySet<string> {
    const objects = this.#kinds.get(kind)?.objects.get(repository)?.values() ?? []
    return new Set([...objects].map(({ ref }) => ref.namespace))
  }

  /** A watch tells that it is there, or changed. */
  applied(seen: Seen): void {
    this.#take(seen, "event")
    this.#wakeUp()
  }

  /** A watch tells that it is deleted, or lost its label. */
  deleted({ live }: Seen): void {
    const key = formatRef(live.ref)
    const rows = this.#rowsOf(formatGroupKind(live.ref))
    const kept = this.#find(rows, key)
    const isOurDelete = this.#buried.get(live.uid) === ""
    if (!isOurDelete) this.#bury(live.uid, live.resourceVersion)
    if (kept?.uid !== live.uid || isNewer(kept.resourceVersion, live.resourceVersion)) return
    this.#lose(rows, key, !isOurDelete)
    this.#wakeUp()
  }

  /** The whole truth about a kind as of a version: what it does not name is gone. */
  synced(kind: string, { items, resourceVersion }: Listed<Seen>): void {
    const rows = this.#rowsOf(kind)
    const there = new Set(items.map(({ live }) => formatRef(live.ref)))
    for (const key of rows.holders.keys()) {
      const kept = this.#find(rows, key)
      if (kept === undefined || there.has(key) || isNewer(kept.resourceVersion, resourceVersion))
        continue
      this.#lose(rows, key, this.#buried.get(kept.uid) !== "")
    }
    for (const seen of items) this.#take(seen, "list")
    this.#wakeUp()
  }

  /** The same of one repository, for its own eyes; in one namespace only where that is given. */
  read(
    kind: string,
    repository: string,
    { items, resourceVersion }: Listed<Seen>,
    namespace?: string,
  ): void {
    const rows = this.#rowsOf(kind)
    const there = new Set(items.map(({ live }) => formatRef(live.ref)))
    for (const [key, { ref, resourceVersion: version }] of rows.objects.get(repository) ?? []) {
      const isMeant = namespace === undefined || namespace === ref.namespace
      if (isMeant && !there.has(key) && !isNewer(version, resourceVersion)) this.#remove(rows, key)
    }
    for (const seen of items) this.#take(seen, "read")
    this.#wakeUp()
  }

  /** The kind is not served any more. Whoever does not know it from its own look is told. */
  clear(kind: string, reader: string): void {
    const rows = this.#rowsOf(kind)
    for (const [key, holder] of rows.holders) this.#lose(rows, key, holder !== reader)
    this.#kinds.delete(kind)
    this.#wakeUp()
  }

  /** Nobody asks for the kind any more. */
  discard(kind: string): void {
    this.#kinds.delete(kind)
  }

  record(repository: string, live: LiveObject): void {
    const writing = this.#writings.get(`${repository} ${formatRef(live.ref)}`)
    if (writing !== undefined) writing.expected = live
    this.#take({ repository, live }, "read")
    this.#wakeUp()
  }

  forget(repository: string, key: ObjectKey): void {
    const rows = this.#rowsOf(kindOf(key))
    const kept = rows.objects.get(repository)?.get(key)
    if (kept !== undefined) {
      this.#bury(kept.uid, "")
      this.#remove(rows, key)
    }
    const writing = this.#writings.get(`${repository} ${key}`)
    if (writing !== undefined) writing.expected = undefined
  }

  settle(repository: string, settled: ReadonlyArray<Settled>): void {
    for (const { key, uid, ...baseline } of settled) {
      const objects = this.#rowsOf(kindOf(key)).objects.get(repository)
      const live = objects?.get(key)
      // One that was settled meanwhile has no fields left to judge anew.
      const isLate = baseline.ownership === "" && live?.fields === undefined
      if (live?.uid === uid && !isLate) objects?.set(key, withBaseline(live, baseline))
    }
  }

  beginWrite(repository: string, key: ObjectKey): void {
    const id = `${repository} ${key}`
    const expected = this.#rowsOf(kindOf(key)).objects.get(repository)?.get(key)
    const writing = this.#writings.get(id) ?? { depth: 0, expected }
    writing.depth += 1
    this.#writings.set(id, writing)
  }

  /** What others did meanwhile, and the write's answer does not show, is told now. */
  endWrite(repository: string, key: ObjectKey): void {
    const id = `${repository} ${key}`
    const writing = this.#writings.get(id)
    if (writing === undefined) return
    writing.depth -= 1
    if (writing.depth > 0) return
    this.#writings.delete(id)
    const now = this.#rowsOf(kindOf(key)).objects.get(repository)?.get(key)
    this.#tell(repository, key, writing.expected, now)
    this.#wakeUp()
  }

  drop(repository: string): void {
    this.#wakes.delete(repository)
    for (const rows of this.#kinds.values()) {
      for (const key of [...(rows.objects.get(repository)?.keys() ?? [])]) this.#remove(rows, key)
    }
  }

  #take({ repository, live }: Seen, how: How): void {
    const key = formatRef(live.ref)
    const rows = this.#rowsOf(formatGroupKind(live.ref))
    const holder = rows.holders.get(key)
    const kept = this.#find(rows, key)
    if (this.#isLate(live, kept)) return
    if (holder !== undefined && holder !== repository) this.#lose(rows, key, true)
    if (repository === undefined) return
    const before = holder === repository ? kept : undefined
    const after = inherited(live, before)
    this.#put(rows, repository, key, after)
    const isTold = how === "event" || (how === "list" && before !== undefined)
    if (isTold) this.#tell(repository, key, before, after)
  }

  /** An object that we deleted may still be there, with finalizers; nothing else of it is true any more. */
  #isLate(live: LiveObject, kept: LiveObject | undefined): boolean {
    if (kept !== undefined && isNewer(kept.resourceVersion, live.resourceVersion)) return true
    const end = this.#buried.get(live.uid)
    if (end === undefined) return false
    return end === "" ? !live.terminating : !isNewer(live.resourceVersion, end)
  }

  #tell(
    repository: string,
    key: ObjectKey,
    before: LiveObject | undefined,
    after: LiveObject | undefined,
  ): void {
    if (this.#writings.has(`${repository} ${key}`)) return
    if (isNews(before, after)) this.#due.add(repository)
  }

  #wakeUp(): void {
    const due = [...this.#due]
    this.#due.clear()
    for (const repository of due) this.#wakes.get(repository)?.()
  }

  #lose(rows: Rows, key: ObjectKey, isTold: boolean): void {
    const holder = rows.holders.get(key)
    const kept = this.#find(rows, key)
    this.#remove(rows, key)
    if (isTold && holder !== undefined) this.#tell(holder, key, kept, undefined)
  }

  #bury(uid: string, version: string): void {
    this.#buried.set(uid, version)
    const [oldest] = this.#buried.keys()
    if (this.#buried.size > MOST_BURIED && oldest !== undefined) this.#buried.delete(oldest)
  }

  #rowsOf(kind: string): Rows {
    const rows = this.#kinds.get(kind) ?? { objects: new Map(), holders: new Map() }
    this.#kinds.set(kind, rows)
    return rows
  }

  #find(rows: Rows, key: ObjectKey): LiveObject | undefined {
    return rows.objects.get(rows.holders.get(key) ?? "")?.get(key)
  }

  #put(rows: Rows, repository: string, key: ObjectKey, live: LiveObject): void {
    const objects = rows.objects.get(repository) ?? new Map<ObjectKey, LiveObject>()
    rows.objects.set(repository, objects)
    rows.holders.set(key, this.#interned.text(repository))
    objects.set(key, this.#interned.live(live))
  }

  #remove(rows: Rows, key: ObjectKey): void {
    const holder = rows.holders.get(key) ?? ""
    const objects = rows.objects.get(holder)
    rows.holders.delete(key)
    objects?.delete(key)
    if (objects?.size === 0) rows.objects.delete(holder)
  }
}
