import { describe, expect, it } from "vitest"
import {
  nearNames,
  painted,
  phaseIn,
  plain,
  since,
  span,
  table,
  when,
} from "../../src/cli/words.ts"
import { NOW } from "./views.ts"

const second = 1000
const minute = 60 * second
const hour = 60 * minute

describe("ages", () => {
  it.each([
    [0, "0s"],
    [-5 * second, "0s"],
    [119 * second, "119s"],
    [2 * minute, "2m"],
    [5 * minute + 3 * second, "5m3s"],
    [12 * minute + 3 * second, "12m"],
    [3 * hour + 12 * minute, "3h12m"],
    [30 * hour, "30h"],
    [75 * hour, "3d3h"],
    [24 * 12 * hour, "12d"],
  ])("%i ms are %s", (millis, text) => {
    expect(span(millis)).toBe(text)
  })
  it("are unknown where the time is", () => {
    expect([since(undefined, NOW), since("soon", NOW)]).toEqual(["-", "-"])
    expect(when(undefined, NOW)).toBe("at an unknown time")
    expect(when("2026-11-21T11:55:00Z", NOW)).toBe("5m ago")
    expect(when("2026-11-21T12:05:00Z", NOW)).toBe("in 5m")
  })
})

describe("text from elsewhere", () => {
  it("cannot steer a terminal, nor break a line", () => {
    expect(plain("a\u001B[2Jb\nc\u202Ed\r")).toBe("a [2Jb c d")
  })
  it("stands in columns, with a dash for nothing", () => {
    expect(
      table([
        ["NAME", "X"],
        ["shop", ""],
        ["a\tb", "y"],
      ]),
    ).toBe("NAME   X\nshop   -\na b    y")
  })
  it("is coloured by phase", () => {
    expect(phaseIn(painted, "Failed")).toBe("\u001B[31mFailed\u001B[0m")
  })
})

describe("a wrong name", () => {
  it.each([
    ["shpo", ["shop", "stock"], ["shop"]],
    ["sto", ["shop", "stock"], ["stock"]],
    ["sh", ["shop", "shelf", "x"], ["shelf", "shop"]],
    ["payments", ["shop"], []],
  ])("%s of %j may mean %j", (given, names, near) => {
    expect(nearNames(given, names)).toEqual(near)
  })
})
