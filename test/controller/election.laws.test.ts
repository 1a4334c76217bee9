import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { abortAfter, TIMING } from "../../src/controller/election.ts"
import { Model, type Setting, type Step } from "./electionModel.ts"

const setting: fc.Arbitrary<Setting> = fc.record({
  rate: fc.double({ min: 0.97, max: 1.03, noNaN: true }),
  skew: fc.integer({ min: -3_600_000, max: 3_600_000 }),
  sleeps: fc.boolean(),
})

const who = fc.nat({ max: 1 })
const of = <D extends Step["do"]>(what: D) => fc.constant(what)

/** Whole exchanges are frequent, so that runs get somewhere; everything in between may happen too. */
const exchange = (i: number): ReadonlyArray<Step> => [
  { do: "send", who: i },
  { do: "serve", who: i },
  { do: "answer", who: i },
]
const acted = fc.record({
  do: fc.constantFrom<Extract<Step, { who: number }>["do"]>(
    "send",
    "serve",
    "answer",
    "giveUp",
    "pause",
    "stop",
    "crash",
  ),
  who,
}) as fc.Arbitrary<Step>

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: who.map(exchange) },
      {
        weight: 4,
        arbitrary: fc.record({ do: of("advance"), ms: fc.nat({ max: 5_000 }) }).map((s) => [s]),
      },
      {
        weight: 2,
        arbitrary: fc
          .record({ do: of("advance"), ms: fc.integer({ min: 13_000, max: 16_000 }) })
          .map((s) => [s]),
      },
      { weight: 6, arbitrary: acted.map((s) => [s]) },
      { weight: 2, arbitrary: fc.constant([{ do: "serveStray" } as const]) },
      {
        weight: 1,
        arbitrary: fc
          .record({ do: of("jump"), who, ms: fc.integer({ min: -60_000, max: 60_000 }) })
          .map((s) => [s]),
      },
    ),
    { minLength: 20, maxLength: 120 },
  )
  .map((groups) => groups.flat())

describe("two candidates for one lease", () => {
  it("never both lead at one moment, however clocks, pauses, crashes and the network behave", () => {
    let terms = 0
    fc.assert(
      fc.property(fc.tuple(setting, setting), steps, (settings, script) => {
        const model = new Model(settings)
        for (const [i, step] of script.entries()) {
          model.run(step)
          assert.isAtMost(model.leaders.length, 1, `after step ${i} at ${model.time}`)
        }
        terms += model.terms
      }),
      { numRuns: 3_000 },
    )
    assert.isAbove(terms, 3_000, "the runs are about leaders that follow each other")
  })

  it("replace a holder that died without a word within lease and retry period", () => {
    const fast = fc.integer({ min: 1, max: 200 })
    fc.assert(
      fc.property(fc.tuple(setting, setting), fast, fc.nat(2_000), (settings, latency, phase) => {
        const model = new Model(settings)
        const [, standby] = model.all
        const round = (i: number) => {
          for (const step of exchange(i)) {
            model.run(step)
            model.time += latency / 3
          }
        }
        round(0)
        round(0)
        const died = model.time
        assert.deepEqual(model.leaders, ["a1"])
        model.time += phase
        while (model.leaders[0] !== "b1" && model.time < died + 60_000) {
          round(1)
          if (model.all[1]?.view.known === undefined) model.time += TIMING.retry
        }
        assert.isDefined(standby)
        const bound = phase + (TIMING.lease + TIMING.retry) / 0.97 + 4 * latency
        assert.isAtMost(model.time - died, bound)
      }),
    )
  })

  it("leave a live holder in peace for as long as it renews in time", () => {
    fc.assert(
      fc.property(
        fc.tuple(setting, setting),
        fc.array(fc.nat({ max: abortAfter(TIMING) - 2_500 }), { maxLength: 40 }),
        (settings, gaps) => {
          const model = new Model(settings)
          const step = (i: number) => {
            for (const one of exchange(i)) model.run(one)
          }
          step(0)
          step(0)
          for (const gap of gaps) {
            model.time += gap
            step(1)
            step(1)
            step(0)
            assert.deepEqual(model.leaders, ["a1"])
          }
          assert.strictEqual(model.server.lease?.transitions, 0)
        },
      ),
    )
  })
})
