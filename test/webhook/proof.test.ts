import { createHmac } from "node:crypto"
import { Redacted } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { offersOf, provesByBody, provesByToken } from "../../src/webhook/proof.ts"
import { PROVIDERS, type ProviderName } from "../../src/webhook/providers.ts"
import { build, type Headers, NAMES, SAMPLES, SECRET, SIGNING } from "./deliveries.ts"

const NOW = Date.UTC(2026, 10, 20)
const given = (...secrets: ReadonlyArray<string>) => secrets.map((one) => Redacted.make(one))

const proves = (name: ProviderName, headers: Headers, body: Uint8Array, ...secrets: string[]) => {
  const offers = offersOf(PROVIDERS[name], headers)
  const all = given(...secrets)
  return provesByToken(offers, all) || provesByBody(offers, all, body, NOW)
}

describe.each(NAMES)("%s", (name) => {
  const { headers, body } = build(SAMPLES[name])
  const proof = SAMPLES[name].sign(body)

  it("is proven by any of several secrets, and by no other", () => {
    assert.isTrue(proves(name, headers, body, SECRET))
    assert.isTrue(proves(name, headers, body, "other", SECRET, "third"))
    assert.isFalse(proves(name, headers, body, "other"))
    assert.isFalse(proves(name, headers, body))
  })

  it("is not proven by a proof that is missing, empty, short, long or of another form", () => {
    const bare = build(SAMPLES[name], { signed: false }).headers
    assert.isFalse(proves(name, bare, body, SECRET))
    const spoil = (change: (value: string) => string) => {
      const wrong = Object.fromEntries(Object.entries(proof).map(([k, v]) => [k, change(v)]))
      assert.isFalse(proves(name, { ...bare, ...wrong }, body, SECRET), JSON.stringify(wrong))
    }
    for (const text of [
      "",
      " ",
      "x",
      "sha256=",
      "sha1=",
      "Basic",
      "Basic !",
      "a".repeat(64),
      "é",
    ]) {
      spoil(() => text)
    }
    spoil((value) => value.slice(0, -9))
    spoil((value) => `${value}00`)
    spoil((value) => `g${value.slice(1)}`)
    spoil((value) => `${value}, ${value}`)
    spoil((value) => value.split("").toReversed().join(""))
  })

  it("is never proven by what somebody makes up", () => {
    const names = Object.keys(proof)
    void fc.assert(
      fc.property(fc.constantFrom(...names), fc.string({ unit: "binary" }), (header, value) => {
        const bare = build(SAMPLES[name], { signed: false }).headers
        assert.isFalse(proves(name, { ...bare, [header]: value }, body, SECRET))
      }),
    )
  })
})

const SIGNED = NAMES.filter((name) => PROVIDERS[name].proof === "digest")
describe.each(SIGNED)("%s signs the bytes", (name) => {
  it("a changed byte is not proven", () => {
    const { headers, body } = build(SAMPLES[name])
    for (const at of [0, body.length >> 1, body.length - 1]) {
      const changed = Buffer.from(body)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.isFalse(proves(name, headers, changed, SECRET))
    }
    assert.isFalse(proves(name, headers, body.subarray(1), SECRET))
  })
})

describe("test vectors", () => {
  const VECTORS = [
    [
      "github",
      "x-hub-signature-256",
      "Hello, World!",
      "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    ],
    [
      "bitbucket",
      "x-hub-signature",
      "Hello World!",
      "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
    ],
  ] as const
  it.each(VECTORS)("of %s", (name, header, text, hex) => {
    assert.isTrue(proves(name, { [header]: `sha256=${hex}` }, Buffer.from(text), SECRET))
  })
  it("SHA-1 proves nothing, under either header", () => {
    const body = Buffer.from("x")
    const sha1 = `sha1=${createHmac("sha1", SECRET).update(body).digest("hex")}`
    assert.isFalse(proves("github", { "x-hub-signature": sha1 }, body, SECRET))
    assert.isFalse(proves("bitbucket", { "x-hub-signature": sha1 }, body, SECRET))
  })
})

describe("GitLab's signing token", () => {
  const body = build(SAMPLES.gitlab).body
  const key = Buffer.alloc(32, 7)
  const signed = (over: { time?: number; key?: Buffer | string; more?: string } = {}): Headers => {
    const timestamp = String((over.time ?? NOW) / 1000)
    const mac = createHmac("sha256", over.key ?? key)
      .update(`id-1.${timestamp}.`)
      .update(body)
    const signature = `${over.more ?? ""}v1,${mac.digest("base64")}`
    return { "webhook-id": "id-1", "webhook-timestamp": timestamp, "webhook-signature": signature }
  }
  const ok = (headers: Headers, ...secrets: string[]) =>
    proves("gitlab", headers, body, ...(secrets.length > 0 ? secrets : [SIGNING]))

  it("proves, alone or among several signatures", () => {
    assert.isTrue(ok(signed()))
    assert.isTrue(ok(signed({ more: "v1,AAAA v2,x " })))
    assert.isTrue(ok(signed(), "other", SIGNING))
  })
  it("proves for five minutes either way", () => {
    assert.isTrue(ok(signed({ time: NOW - 299_000 })))
    assert.isFalse(ok(signed({ time: NOW - 301_000 })))
    assert.isFalse(ok(signed({ time: NOW + 301_000 })))
  })
  it("keys with its bytes, not with its text", () => {
    assert.isFalse(ok(signed({ key: SIGNING })))
    assert.isFalse(ok(signed(), SIGNING.slice(0, -1)))
    assert.isFalse(ok(signed(), "not-a-signing-token"))
  })
  it("covers id and time", () => {
    assert.isFalse(ok({ ...signed(), "webhook-id": "id-2" }))
    assert.isFalse(ok({ ...signed(), "webhook-timestamp": String(NOW / 1000 + 1) }))
    assert.isFalse(ok({ ...signed(), "webhook-timestamp": "x" }))
  })
})
