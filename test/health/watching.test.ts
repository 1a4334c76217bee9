import { describe, expect, it } from "vitest"
import type { ObjectRef } from "../../src/domain/object.ts"
import { degraded, HEALTHY, progressing } from "../../src/health/facts.ts"
import {
  awaited,
  begin,
  isNews,
  looked,
  pause,
  type Reading,
  unread,
  untilLate,
  view,
  type Watching,
} from "../../src/health/watching.ts"

const NOW = 1_800_000_000_000
const MINUTE = 60_000
const TIMEOUT = 3 * MINUTE

const ref = (name: string): ObjectRef => ({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  namespace: "shop",
  name,
})
const key = (name: string) => `apps/Deployment/shop/${name}`
const reading = (health: Reading["health"], version = "1"): Reading => ({ health, version })
const GOOD = reading(HEALTHY)
const SLOW = reading(progressing("0 of 1 replicas are ready"))
const BAD = reading(degraded("gave up"))

const applied = (commit: string, names: string, written = "", now = NOW) => ({
  commit,
  refs: names.split(" ").map(ref),
  written: new Set(written.split(" ").filter(Boolean).map(key)),
  now,
})
const see = (watching: Watching, now: number, ...all: ReadonlyArray<[string, Reading]>) =>
  looked(watching, new Map(all.map(([name, one]) => [key(name), one])), now)

describe("health that is watched", () => {
  const first = begin(undefined, applied("c1", "a b", "a b"))
  const slow = see(first, NOW, ["a", GOOD], ["b", SLOW])
  const good = see(slow, NOW + MINUTE, ["b", GOOD])

  it("begins with everything to be read", () => {
    expect(unread(first)).toEqual([key("a"), key("b")])
    expect(view(first, NOW, TIMEOUT).state).toBe("progressing")
  })

  it("names who is awaited and why, and is late once the time is up", () => {
    const row = { object: key("b"), state: "progressing", reason: "0 of 1 replicas are ready" }
    expect(view(slow, NOW, TIMEOUT)).toEqual({ state: "progressing", total: 2, awaited: [row] })
    expect(view(slow, NOW + TIMEOUT, TIMEOUT).state).toBe("late")
    expect(untilLate(slow, NOW + MINUTE, TIMEOUT)).toBe(2 * MINUTE)
    expect(untilLate(slow, NOW + TIMEOUT, TIMEOUT)).toBeUndefined()
  })

  it("is bad before the time is up where waiting alone does not help, and names that first", () => {
    const bad = see(slow, NOW, ["a", SLOW], ["b", BAD])
    const { state, awaited: all } = view(bad, NOW, TIMEOUT)
    expect([state, all.map(({ object }) => object)]).toEqual(["degraded", [key("b"), key("a")]])
  })

  it("is good once everything is, also after the time was up", () => {
    expect(view(good, NOW + MINUTE, TIMEOUT).state).toBe("healthy")
    const late = see(slow, NOW + 2 * TIMEOUT, ["b", GOOD])
    expect(view(late, NOW + 2 * TIMEOUT, TIMEOUT).state).toBe("healthy")
    expect(untilLate(good, NOW, TIMEOUT)).toBeUndefined()
  })

  it("gives what falls ill later its own time", () => {
    const ill = see(good, NOW + 10 * TIMEOUT, ["a", SLOW])
    expect(view(ill, NOW + 10 * TIMEOUT, TIMEOUT).state).toBe("progressing")
    expect(view(ill, NOW + 11 * TIMEOUT, TIMEOUT).state).toBe("late")
  })

  it("keeps what is known of objects that a commit did not write, and begins the time anew", () => {
    const next = begin(good, applied("c2", "a b c", "c", NOW + TIMEOUT))
    expect(unread(next)).toEqual([key("c")])
    expect(next.since).toBe(NOW + TIMEOUT)
    expect(awaited(next).map(({ name }) => name)).toEqual(["c"])
  })

  it("forgets objects that left, and goes on with the time where nothing was written", () => {
    const again = begin(slow, applied("c1", "b", "", NOW + MINUTE))
    expect([...again.rows.keys()]).toEqual([key("b")])
    expect(again.since).toBe(NOW)
  })

  it("reads no version twice, and nothing that is not its own", () => {
    expect(isNews(good, key("a"), "1")).toBe(false)
    expect(isNews(good, key("a"), "2")).toBe(true)
    expect(isNews(good, key("a"), "")).toBe(true)
    expect(isNews(first, key("a"), "1")).toBe(true)
    expect(isNews(good, key("x"), "2")).toBe(false)
  })

  it("asks more and more seldom, and never stops", () => {
    expect([0, 1, 2, 3, 4, 5, 100].map((nth) => pause(nth) / 1000)).toEqual([
      2, 4, 8, 16, 32, 60, 60,
    ])
  })
})
