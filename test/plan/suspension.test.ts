import { assert, describe, it } from "@effect/vitest"
import { type Suspension, suspension } from "../../src/plan/suspension.ts"
import { NOW } from "./words.ts"

const LATER = "2026-11-20T10:00:01Z"
const at = (text: string) => ({ text: `until ${text}`, until: Date.parse(text) })
const odd = (value: string) => ({
  text: `"${value}" is neither true nor an RFC 3339 time: until it is removed`,
})
const removed = { text: "until it is removed" }

const table: ReadonlyArray<readonly [value: string | undefined, expected: Suspension | undefined]> =
  [
    [undefined, undefined],
    ["", undefined],
    ["   ", undefined],
    ["false", undefined],
    ["False ", undefined],
    ["true", removed],
    [" TRUE", removed],
    [LATER, at(LATER)],
    ["2026-11-20T12:00:00.5+02:00", undefined],
    ["2026-11-20T13:00:00+02:00", at("2026-11-20T13:00:00+02:00")],
    ["2026-11-20T10:00:00Z", undefined],
    ["2020-01-01T00:00:00Z", undefined],
    ["yes", odd("yes")],
    ["2026-11-21", odd("2026-11-21")],
    ["2026-13-45T99:00:00Z", odd("2026-13-45T99:00:00Z")],
    ["1800000000", odd("1800000000")],
    ["Fri, 20 Nov 2026 11:00:00 GMT", odd("Fri, 20 Nov 2026 11:00:00 GMT")],
  ]

describe("nopea.io/suspend-heal", () => {
  for (const [value, expected] of table)
    it(`${value === undefined ? "absent" : JSON.stringify(value)}`, () => {
      const now = value?.startsWith("2026-11-20T12") ? NOW + 500 : NOW
      const marks = value === undefined ? {} : { "nopea.io/suspend-heal": value }
      assert.deepStrictEqual(suspension(marks, now), expected)
    })
})
