import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { announced, chosen, cleared, missed, rollbackText } from "../../src/cli/goBack.ts"
import { historyText } from "../../src/cli/lists.ts"
import { statusText } from "../../src/cli/statusText.ts"
import { type View, viewOf } from "../../src/cli/view.ts"
import { unpainted } from "../../src/cli/words.ts"
import type { HistoryEntry } from "../../src/domain/status.ts"
import { failed, NOW, object, synced } from "./views.ts"

const id = (letter: string): string => letter.repeat(40)

/** `b`: synced. `c!`: failed. `a<b`: went back from b to a. Newest first. */
const rows = (...told: ReadonlyArray<string>): ReadonlyArray<HistoryEntry> =>
  told.map((text, i) => ({
    ...(synced.history[0] as HistoryEntry),
    startedAt: new Date(NOW - i * 3_600_000).toISOString(),
    commit: id(text.charAt(0)),
    ...(text.includes("!") ? { phase: "Failed" as const, failed: 1 } : {}),
    ...(text.includes("<") ? { rolledBackFrom: id(text.charAt(2)) } : {}),
  }))

const view = (
  [now, ...told]: readonly [string, ...ReadonlyArray<string>],
  status: object = {},
  { annotation, ...spec }: { readonly annotation?: string; readonly [key: string]: unknown } = {},
): View => {
  const made = object(
    "api",
    { ...synced, lastAttemptedCommit: id(now), history: rows(...told), ...status },
    spec,
  )
  const annotations = annotation === undefined ? {} : { "nopea.io/rollback": annotation }
  return viewOf({ ...made, metadata: { ...made.metadata, annotations } })
}

const told = (seen: View, to?: string): string =>
  Result.match(chosen(seen, to), {
    onSuccess: (rollback) => `${rollback.from.charAt(0)}..${rollback.to.charAt(0)}`,
    onFailure: ({ message, fix = "", exit }) => `${exit} ${message} | ${fix}`,
  })

describe("nopea rollback goes back", () => {
  const back = { rollback: { from: id("b"), to: id("a") } }
  it.each<[string, View, string | undefined, string]>([
    ["to the commit before", view(["b", "b", "a"]), undefined, "b..a"],
    ["over failed ones", view(["c", "c!", "b!", "a"]), undefined, "c..a"],
    [
      "from one that was applied in part, to the one that was applied whole",
      view(["b", "b!"], { lastSyncedCommit: id("a") }),
      undefined,
      "b..a",
    ],
    ["one more, from the same commit", view(["a", "a<b", "b", "a", "9"], back), undefined, "b..9"],
    ["from the commit after", view(["c", "c", "a<b", "b", "a"]), undefined, "c..a"],
    [
      "never to one that was left",
      view(["a", "a<c", "c", "a<b", "b", "9"], { rollback: { from: id("c"), to: id("a") } }),
      undefined,
      "c..9",
    ],
    ["to one by its full id", view(["b", "b"]), id("d"), "b..d"],
    ["to one in capitals", view(["b", "b"]), id("D"), "b..d"],
    ["to one by its beginning", view(["b", "b", "a"]), "aaaaaaa", "b..a"],
    ["to one that failed, by name", view(["b", "b", "a!"]), "aaaa", "b..a"],
  ])("%s", (_, seen, to, said) => expect(told(seen, to)).toBe(said))

  it.each<[string, View, string | undefined, RegExp]>([
    [
      "without a commit before",
      view(["b", "b", "b!"], { lastSyncedCommit: id("b") }),
      undefined,
      /^1 .* no commit before bbbbbbb .*--to COMMIT$/,
    ],
    [
      "before the first sync",
      view(["b"], { lastAttemptedCommit: undefined }),
      undefined,
      /no commit was tried/,
    ],
    ["to the same commit", view(["b", "b", "a"]), id("b"), /there is nothing to go back from/],
    ["to what was left", view(["a", "a<b", "b"], back), id("b"), /--clear$/],
    ["to a short id of nobody", view(["b", "b", "a"]), "ccccccc", /^2 .* no full commit id/],
    ["to a name", view(["b", "b", "a"]), "main", /^2 .* no full commit id/],
    ["to what steers a terminal", view(["b", "b"]), "\u001B[2J", /^2 [ -~]*$/],
    [
      "to the beginning of several",
      view(["b", "b", "a"], { lastSyncedCommit: `aaaa${"f".repeat(36)}` }),
      "aaaa",
      /^2 .* beginning of several/,
    ],
    [
      "where the spec names a commit",
      view(["b", "b", "a"], {}, { ref: { commit: id("b") } }),
      undefined,
      /^1 .*spec\.ref\.commit.*kubectl patch/,
    ],
  ])("not %s", (_, seen, to, said) => expect(told(seen, to)).toMatch(said))

  it("says what will happen before it does", () => {
    const seen = view(["b", "b", "a"], { commit: { ...synced.commit, sha: id("b") } })
    expect(announced(seen, { from: id("b"), to: id("a") }, NOW)).toBe(
      `shop/api goes back from bbbbbbb "api: 3 replicas" to aaaaaaa (synced 60m ago)
  objects that aaaaaaa does not have are deleted, within spec.pruneLimit
  bbbbbbb is left until branch main has another commit; that one is followed again`,
    )
    expect(cleared(view(["a", "a"], back))).toBe(
      "shop/api follows branch main again: bbbbbbb is applied, unless it has moved on",
    )
  })

  it("says why the commit is not there although nothing failed", () => {
    const wanted = { from: id("b"), to: id("a") }
    expect(missed(view(["a", "a"]), wanted)).toBeUndefined()
    expect(missed(view(["b", "b"]), wanted)?.message).toContain("does not know rollbacks")
    expect(missed(view(["c", "c"]), wanted)?.message).toContain("Git has moved on from bbbbbbb")
  })
})

describe("a rollback is told", () => {
  const annotation = `${id("b")}..${id("a")}`
  const back = { rollback: { from: id("b"), to: id("a") } }
  it.each<[string, View, string | undefined]>([
    [
      "in force",
      view(["a", "a<b"], back, { annotation }),
      "from bbbbbbb to aaaaaaa; the next commit other than bbbbbbb is followed again",
    ],
    [
      "over",
      view(["c", "c"], {}, { annotation }),
      "over; if bbbbbbb comes again, aaaaaaa is applied instead",
    ],
    [
      "asked for",
      view(["b", "b"], {}, { annotation, suspend: true }),
      "asked for, from bbbbbbb to aaaaaaa",
    ],
    [
      "as far as a definition without status.rollback lets one see",
      view(["a", "a", "b"], {}, { annotation }),
      "to aaaaaaa, while Git has bbbbbbb",
    ],
    ["not at all", view(["b", "b"]), undefined],
    ["not where it is not understood", view(["b", "b"], {}, { annotation: "b..a" }), undefined],
  ])("%s", (_, seen, said) => expect(rollbackText(seen)).toBe(said))

  it("as the way out where a commit failed, and nowhere else", () => {
    const text = (seen: View) => statusText(seen, { now: NOW, paint: unpainted })
    const advice = /nopea rollback api -n shop {3,}goes back to 3e2d1cc/
    expect(text(viewOf(object("api", failed)))).toMatch(advice)
    const [ready] = failed.conditions
    for (const reason of ["GitFailed", "PruneHeld", "DependencyNotReady", "ConfigInvalid"])
      expect(
        text(viewOf(object("api", { ...failed, conditions: [{ ...ready, reason }] }))),
      ).not.toMatch(advice)
    expect(text(viewOf(object("api", synced)))).not.toContain("rollback")
  })

  it("by status with the way out, and by history", () => {
    const seen = view(["a", "a<b", "b"], back, { annotation })
    const text = statusText(seen, { now: NOW, paint: unpainted })
    expect(text).toContain("\nRollback  from bbbbbbb to aaaaaaa; ")
    expect(text).toContain("nopea rollback api -n shop --clear   takes bbbbbbb after all")
    const table = historyText(seen.status.history ?? [], { now: NOW, wide: false })
    expect(table.split("\n")[1]).toMatch(/1 configured, rolled back from bbbbbbb$/)
    expect(table.split("\n")[2]).toMatch(/1 configured$/)
  })
})
