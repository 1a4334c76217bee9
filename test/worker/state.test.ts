import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import {
  ANNOTATION_APPROVE_PRUNE,
  ANNOTATION_RECONCILE,
  ANNOTATION_RECONCILE_FLUX,
} from "../../src/domain/repository.ts"
import { ANNOTATION_ROLLBACK } from "../../src/domain/rollback.ts"
import { TRIGGER_KINDS, type TriggerKind } from "../../src/domain/trigger.ts"
import {
  changeOf,
  exponentialDelay,
  IDLE,
  isSuspended,
  linearDelay,
  type Step,
  step,
  type WorkerEvent,
  type WorkerState,
} from "../../src/worker/state.ts"
import { failure, gitError, kubeError, outcome } from "../layers/Actors.ts"
import { repository } from "../layers/repositories.ts"

type Finished = Extract<WorkerEvent, { type: "finished" }>

const GOOD = Result.succeed(outcome())
const NOTHING = Result.succeed(outcome({ result: "nothing" }))
const PARTLY = Result.succeed(outcome({ failures: [failure("stall"), failure("retry")] }))
const WAITING = Result.succeed(outcome({ failures: [failure("wait")] }))
const STALLED = Result.succeed(outcome({ failures: [failure("stall")] }))
const GIT_DOWN = Result.fail(gitError())
const API_DOWN = Result.fail(kubeError("retry"))
const REFUSED = Result.fail(kubeError("stall"))

const outcomes = fc.constantFrom<Finished["outcome"]>(
  GOOD,
  NOTHING,
  PARTLY,
  WAITING,
  STALLED,
  GIT_DOWN,
  API_DOWN,
  REFUSED,
)
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const finishedEvents: fc.Arbitrary<WorkerEvent> = fc.record({
  type: fc.constant("finished" as const),
  trigger: fc.constantFrom(...TRIGGER_KINDS),
  outcome: outcomes,
  now: fc.nat(1_000_000),
  random,
})
const takenEvents: fc.Arbitrary<WorkerEvent> = fc.record({
  type: fc.constant("taken" as const),
  suspended: fc.boolean(),
})
const histories = fc.array(fc.oneof(finishedEvents, takenEvents), { maxLength: 40 })
const following = (events: ReadonlyArray<WorkerEvent>): WorkerState =>
  events.reduce((state, event) => step(state, event).state, IDLE)

const finish = (
  state: WorkerState,
  result: Finished["outcome"],
  trigger: TriggerKind = "retry",
  now = 0,
): Step => step(state, { type: "finished", trigger, outcome: result, now, random: 0.5 })

const delays = (result: Finished["outcome"], times: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  let state = IDLE
  for (let i = 0; i < times; i++) {
    const next = finish(state, result)
    found.push((next.retryIn ?? -1) / 1000)
    state = next.state
  }
  return found
}

describe("retry", () => {
  it("is bounded after any history", () => {
    fc.assert(
      fc.property(histories, finishedEvents, (history, event) => {
        const { retryIn = 0 } = step(following(history), event)
        assert.isAtLeast(retryIn, 0)
        assert.isAtMost(retryIn, 1_000_000 + 66_000)
        if (following(history).phase === "idle") assert.isAtMost(retryIn, 66_000)
      }),
    )
  })

  it("delays grow until their cap, within ten percent", () => {
    for (const delay of [linearDelay, exponentialDelay])
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 10_000 }), random, (attempt, r) => {
          assert.isAtLeast(delay(attempt + 1, r), delay(attempt, r))
          assert.isAtLeast(delay(attempt, r), 900)
          assert.isAtMost(delay(attempt, r), 66_000)
        }),
      )
  })

  it("is forgotten by success, whatever was before", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const { state, retryIn } = finish(
          following([...history, { type: "taken", suspended: false }]),
          GOOD,
        )
        assert.deepStrictEqual([state, retryIn], [IDLE, undefined])
      }),
    )
  })

  it("of what failed in part comes after 1 s, 2 s, 3 s … 60 s", () => {
    assert.deepStrictEqual(delays(PARTLY, 5), [1, 2, 3, 4, 5])
    assert.deepStrictEqual(delays(WAITING, 3), [1, 2, 3])
    assert.deepStrictEqual(delays(API_DOWN, 3), [1, 2, 3])
    assert.deepStrictEqual(delays(PARTLY, 70).slice(58), Array(12).fill(60).with(0, 59))
  })

  it("of a Git server in trouble comes after 1 s, 2 s, 4 s … 60 s", () => {
    assert.deepStrictEqual(delays(GIT_DOWN, 8), [1, 2, 4, 8, 16, 32, 60, 60])
  })

  it("stays away as long as the server asks, an hour at most", () => {
    const asked = (retryAfter: number) => finish(IDLE, Result.fail(gitError(retryAfter))).retryIn
    assert.strictEqual(asked(90_000), 90_000)
    assert.strictEqual(asked(10), 1000)
    assert.strictEqual(asked(1e12), 3_600_000)
  })

  it("does not come where waiting does not help", () => {
    assert.deepStrictEqual(finish(IDLE, STALLED), { state: IDLE, action: "rest" })
    assert.deepStrictEqual(finish(IDLE, REFUSED), { state: IDLE, action: "rest" })
  })

  it("starts over when somebody asks anew", () => {
    const { state } = finish(finish(IDLE, PARTLY).state, PARTLY)
    for (const trigger of ["webhook", "syncNow", "specChanged"] as const)
      assert.strictEqual(finish(state, PARTLY, trigger).retryIn, 1000)
    assert.strictEqual(finish(state, PARTLY, "poll").retryIn, 3000)
  })

  it("stays due when a poll ended before it looked at what had failed", () => {
    const { state } = finish(IDLE, PARTLY, "syncNow", 5000)
    assert.deepStrictEqual(finish(state, NOTHING, "poll", 5400), {
      state: { phase: "retrying", attempt: 1, retryAt: 6000 },
      action: "rest",
      retryIn: 600,
    })
    assert.deepStrictEqual(finish(state, NOTHING, "reconcile").state, IDLE)
    assert.deepStrictEqual(finish(state, GOOD, "poll").state, IDLE)
  })
})

describe("while Git cannot be asked", () => {
  const UNASKED = Result.succeed(outcome({ unasked: gitError(), failures: [failure("retry")] }))
  const { state, retryIn } = finish(IDLE, GIT_DOWN, "poll")

  it("what was healed from the commit known before leaves the retry as it was", () => {
    const next = finish(state, UNASKED, "drift", 400)
    assert.deepStrictEqual(next, { state, action: "rest", retryIn: (retryIn ?? 0) - 400 })
    assert.deepStrictEqual(finish(IDLE, UNASKED, "drift"), { state: IDLE, action: "rest" })
  })

  it("who was to ask it is tried again as if it had failed, whatever it kept up", () => {
    assert.deepStrictEqual(finish(IDLE, UNASKED, "startup"), finish(IDLE, GIT_DOWN, "startup"))
  })

  it("what fails meanwhile does not bring the server a question earlier", () => {
    const away = finish(IDLE, Result.fail(gitError(90_000)), "poll").state
    const next = finish(away, API_DOWN, "drift", 1000)
    assert.strictEqual(next.retryIn, 89_000)
  })
})

describe("suspension", () => {
  it("never runs, is told once, and ends with the first trigger after it", () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 5 }), (history, times) => {
        let state = following([...history, { type: "taken", suspended: false }])
        const actions: Array<Step["action"]> = []
        for (let i = 0; i < times; i++) {
          const next = step(state, { type: "taken", suspended: true })
          actions.push(next.action)
          state = next.state
          assert.isUndefined(next.retryIn)
        }
        assert.deepStrictEqual(actions, ["tellSuspended", ...Array(times - 1).fill("refuse")])
        assert.strictEqual(step(state, { type: "taken", suspended: false }).action, "run")
      }),
    )
  })

  it("is what the spec says", () => {
    assert.isTrue(isSuspended(repository("a", { spec: { suspend: true } })))
    assert.isFalse(isSuspended(repository("a")))
  })
})

describe("changeOf", () => {
  const base = repository("a", { annotations: { team: "x" } })
  const request = (at: string, name = ANNOTATION_RECONCILE) => ({ [name]: at })

  it.each([
    ["nothing", base, undefined],
    ["a status of our own", repository("a", { status: { phase: "Synced" } }), undefined],
    ["another annotation", repository("a", { annotations: { team: "y" } }), undefined],
    ["finalizers", repository("a", { finalizers: ["nopea.false.systems/objects"] }), undefined],
    ["another resourceVersion", repository("a", { resourceVersion: "9" }), undefined],
    ["the spec", repository("a", { generation: 2 }), "specChanged"],
    ["its deletion", repository("a", { deletionTimestamp: "2026-11-20T10:00:00Z" }), "specChanged"],
    ["a request", repository("a", { annotations: request("t1") }), "syncNow"],
    [
      "a request of Flux's tools",
      repository("a", { annotations: request("t1", ANNOTATION_RECONCILE_FLUX) }),
      "syncNow",
    ],
    [
      "a request that was handled before",
      repository("a", { annotations: request("t1"), status: { lastHandledReconcileAt: "t1" } }),
      undefined,
    ],
    [
      "a rollback",
      repository("a", { annotations: { team: "x", [ANNOTATION_ROLLBACK]: "b..a" } }),
      "specChanged",
    ],
    [
      "a rollback with a request",
      repository("a", { annotations: { ...request("t1"), [ANNOTATION_ROLLBACK]: "b..a" } }),
      "syncNow",
    ],
    [
      "an approval",
      repository("a", { annotations: { [ANNOTATION_APPROVE_PRUNE]: "a".repeat(40) } }),
      "syncNow",
    ],
  ])("%s", (_, changed, kind) => assert.strictEqual(changeOf(base, changed), kind))

  it("the end of a rollback asks for a sync too", () => {
    const back = repository("a", { annotations: { [ANNOTATION_ROLLBACK]: "b..a" } })
    assert.strictEqual(changeOf(back, base), "specChanged")
    assert.isUndefined(changeOf(back, back))
  })

  it("a request asks once, and its removal asks for nothing", () => {
    const asked = repository("a", { annotations: request("t1") })
    assert.isUndefined(changeOf(asked, asked))
    assert.isUndefined(changeOf(asked, base))
    assert.strictEqual(changeOf(asked, repository("a", { annotations: request("t2") })), "syncNow")
  })
})
