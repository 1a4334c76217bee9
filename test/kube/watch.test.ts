import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { ObjectMetadata, WatchEvent } from "../../src/kube/Kube.ts"
import type { InformerEvent } from "../../src/kube/watch.ts"
import { decodeEvent, LISTING, splitLines, step } from "../../src/kube/watch.ts"

const asked = { operation: "watch", subject: "/ConfigMap", kind: "ConfigMap" }

const cut = (bytes: Uint8Array, at: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const places = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

/** Bytes as they come -> text -> lines, as the live watch does it. */
const feed = (chunks: ReadonlyArray<Uint8Array>) => {
  const decoder = new TextDecoder()
  const lines: Array<string> = []
  let pending = ""
  for (const chunk of chunks) {
    const [rest, found] = splitLines(pending, decoder.decode(chunk, { stream: true }))
    pending = rest
    lines.push(...found)
  }
  return { lines, pending }
}

describe("lines of a watch", () => {
  it("are the same however the bytes are cut, also inside a character", () => {
    const line = fc
      .string({ unit: "grapheme", minLength: 1 })
      .filter((s) => !/[\n\r\ufeff]/.test(s) && s.trim() !== "")
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, at) => {
        const bytes = new TextEncoder().encode(lines.map((l) => `${l}\n`).join(""))
        expect(feed(cut(bytes, at))).toEqual({ lines, pending: "" })
      }),
    )
  })

  it("without an end are kept, so that they can be bounded", () => {
    const { lines, pending } = feed([Buffer.from('a\n{"b'), Buffer.from("c")])
    expect(lines).toEqual(["a"])
    expect(pending).toBe('{"bc')
  })

  it("that are empty are skipped", () => {
    expect(feed([Buffer.from("\n\r\na\n\n")]).lines).toEqual(["a"])
  })
})

describe("a line of a watch", () => {
  const object = { metadata: { name: "a", resourceVersion: "7" } }

  it.each(["ADDED", "MODIFIED", "DELETED"] as const)("%s carries its object", (type) => {
    expect(decodeEvent(asked, JSON.stringify({ type, object }))).toEqual(
      Result.succeed({ type, object }),
    )
  })

  it("BOOKMARK carries a version", () => {
    const line = JSON.stringify({
      type: "BOOKMARK",
      object: { metadata: { resourceVersion: "9" } },
    })
    expect(decodeEvent(asked, line)).toEqual(
      Result.succeed({ type: "BOOKMARK", resourceVersion: "9" }),
    )
  })

  it.each([
    [410, "NOPEA-A007"],
    [500, "NOPEA-A017"],
    [undefined, "NOPEA-A017"],
  ])("ERROR with code %s is %s", (code, expected) => {
    const status = { kind: "Status", code, message: "too old resource version", reason: "Expired" }
    const decoded = decodeEvent(asked, JSON.stringify({ type: "ERROR", object: status }))
    expect(Result.isFailure(decoded) && decoded.failure.code).toBe(expected)
  })

  it.each([
    "",
    "null",
    "7",
    "{}",
    "<html>",
    '{"type":"ADDED"}',
    '{"type":"ADDED","object":{"metadata":{}}}',
    '{"type":"BOOKMARK","object":{}}',
    '{"type":"X","object":{"metadata":{"name":"a","resourceVersion":"1"}}}',
  ])("%s is garbage", (line) => {
    const decoded = decodeEvent(asked, line)
    expect(Result.isFailure(decoded) && decoded.failure.code).toBe("NOPEA-A020")
  })
})

const meta = (name: string, version: number): ObjectMetadata => ({
  metadata: { name, resourceVersion: String(version) },
})

interface Change {
  readonly version: number
  readonly event: WatchEvent<ObjectMetadata>
}

const eventOf = ({ event, version }: Change) =>
  ({ type: "event", event, at: String(version) }) as const

/** A server's side of the story: its store at each version, and the changes between. */
class History {
  readonly store = new Map<string, number>()
  readonly changes: Array<Change> = []
  version = 1

  put(name: string): void {
    const type = this.store.has(name) ? "MODIFIED" : "ADDED"
    this.version += 1
    this.store.set(name, this.version)
    this.changes.push({ version: this.version, event: { type, object: meta(name, this.version) } })
  }

  remove(name: string): void {
    if (!this.store.delete(name)) return
    this.version += 1
    this.changes.push({
      version: this.version,
      event: { type: "DELETED", object: meta(name, this.version) },
    })
  }

  list() {
    const items = [...this.store].map(([name, version]) => meta(name, version))
    return { items, resourceVersion: String(this.version) }
  }

  after(version: string): Change | undefined {
    return this.changes.find((change) => change.version > Number(version))
  }
}

const fold = (
  store: ReadonlyMap<string, number>,
  event: InformerEvent<ObjectMetadata>,
): ReadonlyMap<string, number> => {
  if (event.type === "synced")
    return new Map(event.objects.map((o) => [o.metadata.name, Number(o.metadata.resourceVersion)]))
  if (event.type !== "applied" && event.type !== "deleted") return store
  const { name, resourceVersion } = event.object.metadata
  const next = new Map(store)
  if (event.type === "deleted") next.delete(name)
  else next.set(name, Number(resourceVersion))
  return next
}

/** The client's side. */
class Client {
  readonly server: History
  state = LISTING
  store: ReadonlyMap<string, number> = new Map()

  constructor(server: History) {
    this.server = server
  }

  take(input: Parameters<typeof step<ObjectMetadata>>[1]): void {
    const { state, events } = step<ObjectMetadata>(this.state, input)
    this.state = state
    for (const event of events) this.store = fold(this.store, event)
  }

  /** What the connection does next: the list, or the next event in order. */
  advance(): boolean {
    if (this.state.at === "listing") {
      this.take({ type: "listed", list: this.server.list() })
      return true
    }
    const change = this.server.after(this.state.resourceVersion)
    if (change !== undefined) this.take(eventOf(change))
    return change !== undefined
  }

  /** A bookmark comes when every event before it has been sent. */
  bookmark(): void {
    if (this.state.at !== "watching" || this.server.after(this.state.resourceVersion)) return
    this.take({
      type: "event",
      event: { type: "BOOKMARK", resourceVersion: String(this.server.version) },
      at: String(this.server.version),
    })
  }
}

type Move = readonly ["put" | "remove" | "advance" | "bookmark" | "expire" | "late", string]

describe("the informer's states", () => {
  it("end with the server's store, whatever watch, expiry and relist do in between", () => {
    const name = fc.constantFrom("a", "b", "c", "d")
    const verb = fc.constantFrom("put", "remove", "advance", "bookmark", "expire", "late")
    fc.assert(
      fc.property(
        fc.array(fc.tuple(verb, name) as fc.Arbitrary<Move>, { maxLength: 60 }),
        (moves) => {
          const server = new History()
          const client = new Client(server)
          for (const [what, which] of moves) {
            if (what === "put") server.put(which)
            else if (what === "remove") server.remove(which)
            else if (what === "advance") client.advance()
            else if (what === "bookmark") client.bookmark()
            else if (what === "expire") client.take({ type: "expired" })
            else if (client.state.at === "listing" && server.changes[0])
              client.take(eventOf(server.changes[0]))
          }
          while (client.advance());
          expect(client.store).toEqual(server.store)
        },
      ),
      { numRuns: 500 },
    )
  })

  it("tell a bookmark as a sign of life, and move on from there", () => {
    const listed = step(LISTING, { type: "listed", list: { items: [], resourceVersion: "5" } })
    const after = step(listed.state, {
      type: "event",
      event: { type: "BOOKMARK", resourceVersion: "8" },
      at: "8",
    })
    expect(after).toEqual({
      state: { at: "watching", resourceVersion: "8" },
      events: [{ type: "current", resourceVersion: "8" }],
    })
  })
})
