import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { payloadOf } from "../../src/webhook/form.ts"

const headers = { "content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8" }
const read = (body: string): string => Buffer.from(payloadOf(headers, Buffer.from(body))).toString()

describe("the payload of a form", () => {
  it("is the text that was put in, whatever fields follow", () =>
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.webQueryParameters(), (payload, rest) => {
        const form = new URLSearchParams({ payload }).toString()
        assert.strictEqual(read(form), payload)
        assert.strictEqual(read(`${form}&${rest}`), payload)
        assert.strictEqual(read(`payload=${encodeURIComponent(payload)}`), payload)
      }),
    ))

  it.each([
    "",
    "payload",
    "payload=",
    "Payload=x",
    "payload[]=x",
    "a&payload=x",
    "&payload=x",
    "payload=%",
    "payload=%zz",
    "payload=%ff",
    "payload=x%e4",
  ])("%j has none", (body) => assert.strictEqual(read(body), ""))

  it("never throws, and leaves the body as it was", () =>
    fc.assert(
      fc.property(fc.uint8Array(), (tail) => {
        const body = Buffer.concat([Buffer.from("payload=+"), tail])
        const before = body.toString("hex")
        payloadOf(headers, body)
        assert.strictEqual(body.toString("hex"), before)
      }),
    ))

  it("is the body itself where that is no form", () => {
    const body = Buffer.from("payload=x")
    assert.strictEqual(payloadOf({ "content-type": "application/json" }, body), body)
    assert.strictEqual(payloadOf({}, body), body)
  })
})
