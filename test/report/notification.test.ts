import { Redacted, Result } from "effect"
import { describe, expect, it } from "vitest"
import type { DriftEntry } from "../../src/domain/status.ts"
import {
  bodyOf,
  noAnswer,
  receiverOf,
  refusedWith,
  type Undelivered,
} from "../../src/report/notification.ts"
import { sha } from "./reports.ts"

const row = (over: Partial<DriftEntry> = {}): DriftEntry => ({
  object: "apps/Deployment/shop/api",
  type: "manual_drift",
  path: "spec.replicas",
  manager: "kubectl-edit",
  operation: "Update",
  firstSeen: "2026-11-20T10:00:00Z",
  action: "left",
  reason: "spec.healPolicy is notify",
  ...over,
})
const about = { namespace: "shop", name: "web", url: "https://git.example/web.git" }
const parsed = (drift: ReadonlyArray<DriftEntry>, url = about.url) =>
  JSON.parse(bodyOf({ repository: { ...about, url }, commit: sha("a"), drift }))

describe("the body", () => {
  it("has one line for people and everything for programs", () => {
    expect(parsed([row()])).toEqual({
      text: "GitRepository shop/web at aaaaaaa: kubectl-edit changed spec.replicas of apps/Deployment/shop/api; it is left (spec.healPolicy is notify)",
      type: "systems.false.nopea.drift.v1",
      repository: about,
      commit: sha("a"),
      driftCount: 1,
      drift: [row()],
    })
  })

  it("is bounded, and says how much there is", () => {
    const many = Array.from({ length: 500 }, (_, at) => row({ object: `a/B/c/${at}` }))
    const { drift, driftCount, text } = parsed(many)
    expect([drift.length, driftCount]).toEqual([50, 500])
    expect(text).toMatch(/ 495 more$/)
    expect(text.length).toBeLessThan(2100)
  })

  it("calls nobody in a chat, whatever a field manager is called", () => {
    expect(parsed([row({ manager: "<!channel> & co" })]).text).toContain(
      "&lt;!channel&gt; &amp; co changed",
    )
  })

  it("has no credentials of the repository's URL", () => {
    const body = JSON.stringify(parsed([row()], "ssh://me:hunter2@git.example/web.git"))
    expect(body).not.toContain("hunter2")
  })
})

const encoded = (keys: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(keys).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  )
const read = (keys: Readonly<Record<string, string>>) => receiverOf("shop/chat", encoded(keys))
const wrong = (keys: Readonly<Record<string, string>>): Undelivered => {
  const result = read(keys)
  return Result.isFailure(result) ? result.failure : expect.fail("it was accepted")
}

describe("the Secret", () => {
  it.each<[Readonly<Record<string, string>>, string, string | undefined]>([
    [
      { address: "https://chat.example/hook/1?a=b\n" },
      "https://chat.example/hook/1?a=b",
      undefined,
    ],
    [{ address: "http://chat.example" }, "http://chat.example/", undefined],
    [{ address: "https://chat.example", token: "t\n" }, "https://chat.example/", "t"],
    [{ address: "https://chat.example", token: "" }, "https://chat.example/", undefined],
    [{ address: "http://bot.tools.svc:8080/x", token: "t" }, "http://bot.tools.svc:8080/x", "t"],
    [{ address: "http://127.0.0.1:1/", token: "t" }, "http://127.0.0.1:1/", "t"],
  ])("%j is a receiver", (keys, url, token) => {
    const receiver = Result.getOrThrow(read(keys))
    expect(receiver.url.href).toBe(url)
    expect(receiver.token && Redacted.value(receiver.token)).toBe(token)
  })

  it.each<[Readonly<Record<string, string>>, RegExp]>([
    [{}, /no key address/],
    [{ address: " " }, /no key address/],
    [{ address: "chat.example/hunter2" }, /no http\(s\) URL/],
    [{ address: "ftp://chat.example/hunter2" }, /no http\(s\) URL/],
    [{ address: "file:///etc/hunter2" }, /no http\(s\) URL/],
    [{ address: "https://me:hunter2@chat.example" }, /credentials in it/],
    [{ address: "https://chat.example", token: "hunter2\r\nX: y" }, /spaces or control/],
    [{ address: "http://chat.example", token: "hunter2" }, /plain http/],
    [{ address: "http://chat.svc.evil.example", token: "hunter2" }, /plain http/],
  ])("%j is refused, with the way out and without its values", (keys, reason) => {
    const failure = wrong(keys)
    expect(failure).toMatchObject({ code: "NOPEA-D021", disposition: "stall" })
    expect(failure.reason).toMatch(reason)
    expect(failure.reason).toContain("Secret shop/chat")
    expect(failure.fix).not.toBe("")
    expect(JSON.stringify(failure)).not.toContain("hunter2")
  })
})

describe("what may go wrong", () => {
  const url = new URL("https://chat.example:8443/hook/hunter2?key=hunter2")

  it.each([
    [301, "stall"],
    [400, "stall"],
    [401, "stall"],
    [404, "stall"],
    [408, "retry"],
    [429, "retry"],
    [500, "retry"],
    [503, "retry"],
  ])("a %i is a %s", (status, disposition) => {
    expect(refusedWith(url, status, 5000)).toMatchObject({ disposition, retryAfter: 5000 })
  })

  it("names the host and nothing else of the address", () => {
    const all = JSON.stringify([refusedWith(url, 500, undefined), noAnswer(url, "ECONNREFUSED")])
    expect(all).toContain("chat.example:8443 answered 500")
    expect(all).toContain("ECONNREFUSED")
    expect(all).not.toContain("hunter2")
  })
})
