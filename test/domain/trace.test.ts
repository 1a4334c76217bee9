import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type TraceContext, traceHeaders, traceOf } from "../../src/domain/trace.ts"

const T = "4bf92f3577b34da6a3ce929d0e0e4736"
const S = "00f067aa0ba902b7"
const GOOD = `00-${T}-${S}-01`

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join(""))
    .filter((id) => /[^0]/u.test(id))
const member = fc
  .tuple(
    fc.stringMatching(/^[a-z][a-z0-9_*/-]{0,20}$/u),
    fc.stringMatching(/^[!-+\--<>-~]{1,20}$/u),
  )
  .map(([key, value]) => `${key}=${value}`)
const state = fc
  .uniqueArray(member, { minLength: 1, maxLength: 10, selector: (one) => one.split("=")[0] })
  .map((all) => all.join(","))
const traces: fc.Arbitrary<TraceContext> = fc.record(
  { traceId: hex(32), spanId: hex(16), sampled: fc.boolean(), state },
  { requiredKeys: ["traceId", "spanId", "sampled"] },
)

describe("a traceparent", () => {
  it.each([
    [GOOD, true],
    [`00-${T}-${S}-00`, false],
    [`00-${T}-${S}-03`, true],
    [`00-${T}-${S}-fe`, false],
    [`01-${T}-${S}-01`, true],
    [`cc-${T}-${S}-01-what-comes-later`, true],
  ])("%s is taken, sampled: %s", (traceparent, sampled) => {
    assert.deepStrictEqual(traceOf({ traceparent }), { traceId: T, spanId: S, sampled })
  })

  it.each([
    undefined,
    "",
    `${GOOD}-more`,
    `${GOOD}-`,
    `${GOOD} `,
    ` ${GOOD}`,
    `${GOOD}\n`,
    `${GOOD}, ${GOOD}`,
    `ff-${T}-${S}-01`,
    `0-${T}-${S}-01`,
    `00-${"0".repeat(32)}-${S}-01`,
    `00-${T}-${"0".repeat(16)}-01`,
    `00-${T.toUpperCase()}-${S}-01`,
    `00-${T.slice(1)}-${S}-01`,
    `00-${T}0-${S}-01`,
    `00-${T}-${S}-1`,
    `00-${T}-${S}-0x`,
    `00-${T}-${S}`,
    `00_${T}_${S}_01`,
    `01-${T}-${S}-01.more`,
    `01-${T}-${S}-01-${"x".repeat(300)}`,
    "${jndi:ldap://x}",
    "00-".repeat(5000),
  ])("%j is not there", (traceparent) => {
    assert.isUndefined(traceOf({ traceparent, tracestate: "a=1" }))
  })

  it("never throws, and lets nothing through that is not itself again", () => {
    const near = fc.tuple(fc.string(), fc.constantFrom(GOOD, `01-${T}-${S}-01`), fc.string())
    const text = fc.oneof(
      fc.string({ maxLength: 100 }),
      near.map((all) => all.join("")),
    )
    fc.assert(
      fc.property(text, text, (traceparent, tracestate) => {
        const found = traceOf({ traceparent, tracestate })
        if (found !== undefined) assert.deepStrictEqual(traceOf(traceHeaders(found)), found)
      }),
    )
  })

  it("is read as it is written", () => {
    fc.assert(fc.property(traces, (one) => assert.deepStrictEqual(traceOf(traceHeaders(one)), one)))
    assert.deepStrictEqual(traceHeaders(undefined), {})
  })
})

describe("a tracestate", () => {
  const list = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=v`).join(",")
  it.each([
    ["rojo=00f067aa0ba902b7", undefined],
    ["a=1,b=2", undefined],
    ["fw529a3039@dt=FfAAAA", undefined],
    [" a=1 ,\tb=2,", "a=1,b=2"],
    ["a=x y", undefined],
    [list(32), undefined],
  ])("%j is handed on", (tracestate, as = tracestate) => {
    assert.strictEqual(traceOf({ traceparent: GOOD, tracestate })?.state, as)
  })

  it.each([
    "",
    ",",
    "a",
    "a=",
    "=1",
    "A=1",
    "1=1",
    "a=1,a=2",
    "a=b=c",
    "a=ü",
    "a=1\r\nx: y",
    "a=1;b=2 ,c",
    `a=${"x".repeat(257)}`,
    list(33),
    `${"k".repeat(250)}=${"v".repeat(250)},z=${"v".repeat(20)}`,
    `a=1${",".repeat(5000)}`,
  ])("%j is left out, and the parent stays", (tracestate) => {
    assert.deepStrictEqual(traceOf({ traceparent: GOOD, tracestate }), {
      ...{ traceId: T, spanId: S, sampled: true },
    })
  })
})
