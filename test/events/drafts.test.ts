import { assert, describe, it } from "vitest"
import type { RepositoryStatus } from "../../src/domain/status.ts"
import { messageOf } from "../../src/events/cdevents.ts"
import { Chains } from "../../src/events/chains.ts"
import { draftsOf } from "../../src/events/drafts.ts"
import type { HeardOf as Heard } from "../../src/report/Audience.ts"
import { NO_NEWS } from "../../src/report/news.ts"
import { afterSync } from "../../src/report/status.ts"
import { repository } from "../domain/repositories.ts"
import { failure, gitError, outcome, report, START, sha, untouched } from "../report/reports.ts"
import { type Checked, checkDelivery } from "./schema.ts"

const place = { cluster: "prod" }
type Result = Parameters<typeof report>[0]

/** Syncs of one repository, one after the other, each with the status that the one before left. */
const history = (...results: ReadonlyArray<Result>) => {
  let status: RepositoryStatus = {}
  return results.map((result, i): Heard => {
    const told = report(result, { at: START + i * 60_000 })
    const before = status
    status = afterSync(before, told, { generation: 1, now: told.startedAt + 500 })
    const news = "changes" in result ? { news: NO_NEWS } : {}
    return { what: "finished", ...told, before, after: status, ...news, at: told.startedAt + 500 }
  })
}
const kinds = (heard: Heard, isStarted = false) =>
  draftsOf(place, heard, isStarted).map(({ kind }) => kind)
const last = (...results: ReadonlyArray<Result>) => kinds(history(...results).at(-1) as Heard)

const gone = outcome("c", "deleted web", { resourceCount: 0, inventoryKinds: [] })
const waiting = outcome("b", "created web", {
  failures: [failure({ disposition: "wait" })],
})
const older = outcome("b", "configured web", {
  commit: { sha: sha("b"), message: "m", author: "a", time: "2026-11-01T00:00:00Z" },
})

describe("what a sync is worth", () => {
  const first = outcome("a", "created web")
  it.each<[string, ReadonlyArray<Result>, ReadonlyArray<string>]>([
    ["a first sync deploys", [first], ["started", "fetched", "finished", "deployed"]],
    ["a poll that finds nothing is silent", [first, untouched("a")], []],
    [
      "a new commit upgrades",
      [first, outcome("b", "configured web")],
      ["started", "fetched", "finished", "upgraded"],
    ],
    [
      "a commit that was synced before rolls back",
      [first, outcome("b", "configured web"), first],
      ["started", "fetched", "finished", "rolledback"],
    ],
    [
      "a commit that somebody went back to rolls back, however new it is",
      [first, outcome("b", "configured web", { rollback: { from: sha("a"), to: sha("b") } })],
      ["started", "fetched", "finished", "rolledback"],
    ],
    [
      "the commit that was left upgrades when it is followed again",
      [
        first,
        outcome("b", "configured web"),
        outcome("a", "configured web", { rollback: { from: sha("b"), to: sha("a") } }),
        outcome("b", "configured web"),
      ],
      ["started", "fetched", "finished", "upgraded"],
    ],
    [
      "an older commit rolls back",
      [first, older],
      ["started", "fetched", "finished", "rolledback"],
    ],
    [
      "a commit that empties the folder removes",
      [first, gone],
      ["started", "fetched", "finished", "removed"],
    ],
    [
      "what comes back after that is deployed",
      [first, gone, outcome("d", "created web")],
      ["started", "fetched", "finished", "deployed"],
    ],
    [
      "a first failure is told",
      [first, outcome("b", "failed job")],
      ["started", "fetched", "failed"],
    ],
    ["Git's failure is told without a commit", [first, gitError()], ["started", "failed"]],
    ["the same failure is not told again", [first, gitError(), gitError()], []],
    [
      "another failure is",
      [first, gitError(), gitError({ reason: "no such host" })],
      ["started", "failed"],
    ],
    [
      "a success after a failure upgrades",
      [first, gitError(), outcome("b", "configured web")],
      ["started", "fetched", "finished", "upgraded"],
    ],
    ["what only waits is no failure", [first, waiting], ["fetched"]],
    ["a heal is no deployment", [first, outcome("a", "healed web")], []],
    [
      "the same commit written anew is a deployment of the same service",
      [first, outcome("a", "created web")],
      ["started", "finished"],
    ],
  ])("%s", (_, results, expected) => assert.deepStrictEqual(last(...results), expected))

  it("whose beginning was told has an end, whatever it comes to", () => {
    const [done, nothing] = history(first, untouched("a")) as [Heard, Heard]
    assert.deepStrictEqual(kinds(done, true), ["fetched", "finished", "deployed"])
    assert.deepStrictEqual(kinds(nothing, true), ["finished"])
    const again = history(first, gitError(), gitError()).at(-1) as Heard
    assert.deepStrictEqual(kinds(again, true), ["failed"])
  })

  it("is nothing in a dry run", () => {
    const [heard] = history(first) as [Heard]
    const dry = repository({ spec: { dryRun: true } })
    assert.deepStrictEqual(kinds({ ...heard, repository: dry } as Heard), [])
  })

  it("is a beginning where somebody waits to see it, once", () => {
    const [{ repository: subject }] = history(first) as [Heard]
    const trigger = { kind: "webhook" } as const
    const heard = {
      what: "syncing",
      repository: subject,
      trigger,
      syncId: "s",
      before: {},
      at: START,
    }
    const told = (phase: RepositoryStatus["phase"]) => ({ ...heard, after: { phase } }) as Heard
    assert.deepStrictEqual(kinds(told("Syncing")), ["started"])
    assert.deepStrictEqual(kinds(told("Syncing"), true), [])
    assert.deepStrictEqual(kinds(told("Synced")), [])
  })
})

/** All that is sent of these, in both modes, each held to the schema. */
const sent = (all: ReadonlyArray<Heard>): ReadonlyArray<Checked> => {
  const chains = new Chains()
  return all.flatMap((heard) => {
    const syncId = "syncId" in heard ? `${heard.syncId}${heard.at}` : undefined
    const { uid } = heard.repository.metadata
    const drafts = draftsOf(place, heard, chains.openOf(uid, syncId) !== undefined)
    const source = "/clusters/prod/nopea"
    const isLast = heard.what !== "syncing"
    const random = () => [0, 0] as const
    const events = chains.add({ uid, syncId, drafts, isLast, now: heard.at, source, random })
    return events.map((event) => {
      const [binary, structured] = (["binary", "structured"] as const).map((mode) => {
        const { headers, body } = messageOf(event, mode)
        return checkDelivery(headers, body)
      })
      assert.deepStrictEqual(binary, structured)
      return binary as Checked
    })
  })
}

describe("events on the wire", () => {
  it("keep every rule of the specification, in both modes", () => {
    const events = sent(
      history(
        outcome("a", "created web"),
        outcome("b", "failed job"),
        gitError(),
        outcome("c", "configured web"),
        outcome("a", "configured web"),
        outcome("d", "deleted web", { resourceCount: 0, inventoryKinds: [] }),
      ),
    )
    assert.strictEqual(new Set(events.map(({ type }) => type)).size, 8)
    assert.strictEqual(new Set(events.map(({ id }) => id)).size, events.length)
    assert.deepStrictEqual(
      events.map(({ id }) => id),
      events.map(({ id }) => id).toSorted(),
    )
  })

  it("of one sync are one chain: each follows the one before, the last one ends it", () => {
    const events = sent(history(outcome("a", "created web")))
    const [started, fetched, finished, deployed] = events as [Checked, Checked, Checked, Checked]
    assert.strictEqual(new Set(events.map(({ chainId }) => chainId)).size, 1)
    const path = ({ id }: Checked) => ({ linkType: "PATH", from: { contextId: id } })
    const trigger = ({ id }: Checked) => ({
      linkType: "RELATION",
      linkKind: "TRIGGER",
      target: { contextId: id },
    })
    assert.deepStrictEqual(
      events.map(({ links }) => links),
      [
        [],
        [path(started), trigger(started)],
        [path(fetched)],
        [path(finished), trigger(finished), { linkType: "END", from: { contextId: finished.id } }],
      ],
    )
    assert.deepStrictEqual(deployed.content["environment"], { id: "prod/shop" })
  })

  it("of different syncs are different chains", () => {
    const events = sent(history(outcome("a", "created web"), outcome("b", "configured web")))
    assert.strictEqual(new Set(events.map(({ chainId }) => chainId)).size, 2)
  })

  it("tell who changed what, and fit into 64 KiB however much there is to tell", () => {
    const long = "語".repeat(3000)
    const row = {
      object: long,
      type: "manual_drift",
      path: long,
      manager: long,
      operation: long,
      subresource: long,
      time: long,
      firstSeen: long,
      action: "left",
      until: long,
      reason: long,
    } as const
    const [heard] = history(outcome("a", "created web")) as [Extract<Heard, { what: "finished" }>]
    const many = Array.from({ length: 200 }, () => row)
    const failures = many.map(() => failure({ object: long, file: long, reason: long, fix: long }))
    const failed = history(outcome("a", "failed job", { failures })) as [Heard]
    const drift = sent([{ ...heard, news: { ...NO_NEWS, appeared: many } }]).at(-1)
    assert.strictEqual(drift?.type, "dev.cdeventsx.nopea-drift.detected.0.1.0")
    assert.strictEqual(drift?.customData["driftCount"], 200)
    assert.isAbove(sent(failed).length, 1)
  })

  it("never have what stands where credentials stand", () => {
    const url = "https://user:s3cret@git.example/web.git"
    const [heard] = history(gitError({ reason: `fetch ${url} failed`, subject: url })) as [Heard]
    const { spec, ...rest } = repository()
    const subject = { ...rest, spec: { ...spec, url } }
    const text = JSON.stringify(sent([{ ...heard, repository: subject } as Heard]))
    assert.notInclude(text, "s3cret")
  })
})
