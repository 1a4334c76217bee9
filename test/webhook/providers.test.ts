import * as fc from "fast-check"
import { assert, describe, expect, it } from "vitest"
import { deliveryId, detect, PROVIDERS, readEvent } from "../../src/webhook/providers.ts"
import { NAMES, NEW, OLD, replaced, SAMPLES, ZERO } from "./deliveries.ts"

const read = (name: (typeof NAMES)[number], body: unknown, headers = SAMPLES[name].headers) =>
  readEvent(PROVIDERS[name], headers, body)

const WRONG: ReadonlyArray<unknown> = [
  null,
  1,
  true,
  "x",
  "",
  [],
  {},
  [null],
  [[]],
  [{}],
  { toString: 1 },
]

describe.each(NAMES)("%s", (name) => {
  const { body, headers, fields, url } = SAMPLES[name]

  it("is told apart by its headers", () => assert.strictEqual(detect(headers), name))

  it("names its push: places, refs, commit, delivery", () => {
    const event = read(name, body)
    if (event.kind !== "push") return assert.fail(event.kind)
    assert.isAbove(event.push.urls.length, 0, url)
    expect(event.push.refs).toContainEqual({ ref: "refs/heads/main", commit: NEW })
    assert.isDefined(deliveryId(PROVIDERS[name], headers, body))
  })

  it("takes a value of any other type for none", () => {
    for (const field of fields) {
      for (const wrong of [...WRONG, undefined]) {
        const event = read(name, replaced(body, field, wrong))
        assert.include(["push", "other", "incomplete"], event.kind, field)
      }
    }
  })

  it("knows no commit of a ref that was deleted", () => {
    const text = JSON.stringify(body).replaceAll(NEW, ZERO)
    const event = read(name, JSON.parse(text))
    if (event.kind !== "push") return assert.fail(event.kind)
    expect(event.push.refs).toContainEqual({ ref: "refs/heads/main" })
  })
})

describe("any body", () => {
  it("is read without a crash, and only texts come out", () => {
    const json = fc.jsonValue({ maxDepth: 6 })
    void fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        fc.nat(10),
        fc.oneof(json, fc.constantFrom(...WRONG)),
        (name, nth, value) => {
          const { body, fields } = SAMPLES[name]
          const field = fields[nth % fields.length] ?? ""
          for (const input of [value, replaced(body, field, value)]) {
            const event = read(name, input)
            if (event.kind !== "push") continue
            assert.isTrue(event.push.urls.every((one) => typeof one === "string"))
            for (const { ref, commit } of event.push.refs) {
              assert.isString(ref)
              if (commit !== undefined) assert.match(commit, /^[0-9a-f]{40,64}$/u)
            }
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe("events", () => {
  const cases: ReadonlyArray<[(typeof NAMES)[number], Record<string, string>, unknown, string]> = [
    ["github", { "x-github-event": "ping" }, { zen: "z", hook_id: 1, organization: {} }, "other"],
    ["github", { "x-github-event": "create" }, SAMPLES.github.body, "other"],
    ["github", {}, SAMPLES.github.body, "other"],
    ["gitea", { "x-gitea-event": "delete" }, { ref: "main", ref_type: "branch" }, "other"],
    ["gitlab", { "x-gitlab-event": "System Hook" }, SAMPLES.gitlab.body, "push"],
    ["gitlab", { "x-gitlab-event": "System Hook" }, { object_kind: "project_create" }, "other"],
    ["gitlab", { "x-gitlab-event": "Tag Push Hook" }, SAMPLES.gitlab.body, "push"],
    ["gitlab", { "x-gitlab-event": "Push Hook" }, { text: "a template" }, "incomplete"],
    ["bitbucket", { "x-event-key": "repo:fork" }, SAMPLES.bitbucket.body, "other"],
    ["bitbucket-server", { "x-event-key": "diagnostics:ping" }, { test: true }, "other"],
    ["azure", {}, { eventType: "git.push", resource: {} }, "incomplete"],
    ["azure", {}, { eventType: "build.complete" }, "other"],
  ]
  it.each(cases)("%s %j", (name, headers, body, kind) => {
    assert.strictEqual(read(name, body, headers).kind, kind)
  })

  it("of Bitbucket tell a branch from a tag, and a deleted one by its old name", () => {
    const change = { new: null, old: { type: "branch", name: "gone", target: { hash: OLD } } }
    const event = read("bitbucket", replaced(SAMPLES.bitbucket.body, "push.changes.0", change))
    if (event.kind !== "push") return assert.fail(event.kind)
    expect(event.push.refs).toEqual([
      { ref: "refs/heads/gone" },
      { ref: "refs/heads/main", commit: NEW },
    ])
  })

  it("with ids that are no ids have none", () => {
    for (const id of ["", " ", "a b", "a\nb", "x".repeat(129), '{"a":1}']) {
      assert.isUndefined(deliveryId(PROVIDERS.github, { "x-github-delivery": id }, {}))
    }
  })
})
