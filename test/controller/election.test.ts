import { assert, describe, it } from "vitest"
import {
  abortAfter,
  attemptLimit,
  candidate,
  decide,
  forget,
  type Instant,
  isElected,
  mayWrite,
  ousted,
  resigned,
  saw,
  TIMING,
  timeLeft,
  whyNotLeading,
  wrote,
} from "../../src/controller/election.ts"
import type { Lease } from "../../src/controller/lease.ts"

const at = (seconds: number): Instant => ({
  monotonic: seconds * 1_000,
  wall: 1_800_000_000_000 + seconds * 1_000,
})
const me = candidate("me", TIMING)
const lease = (holder: string, renewTime = "1", duration = 15_000): Lease => ({
  holder,
  duration,
  acquireTime: "0",
  renewTime,
  transitions: 1,
  resourceVersion: renewTime,
})
const does = (...args: Parameters<typeof decide>) => decide(...args).do

describe("the constants", () => {
  it("leave a holder time to try twice, to stop, and to die before others may take over", () => {
    const { lease: duration, renew, retry } = TIMING
    assert.isAtMost(retry + 2 * attemptLimit(TIMING), renew)
    assert.isAbove(abortAfter(TIMING) - renew, 3_000)
    assert.isAtLeast(duration - abortAfter(TIMING), 1_000)
  })
})

describe("a candidate", () => {
  it("reads before it decides", () => {
    assert.strictEqual(does(me, at(0)), "read")
    assert.strictEqual(does(forget(saw(me, lease("other"), at(0))), at(1)), "read")
  })

  it("acquires a lease that does not exist or was released", () => {
    assert.strictEqual(does(saw(me, null, at(0)), at(0)), "acquire")
    assert.strictEqual(does(saw(me, lease(""), at(0)), at(0)), "acquire")
  })

  it("waits from the first sight, whatever the lease's timestamps say", () => {
    const view = saw(me, lease("other", "1999-01-01T00:00:00Z"), at(100))
    assert.deepEqual(decide(view, at(101)), { do: "wait", ms: 14_000, holder: "other" })
    assert.strictEqual(does(view, at(114.999)), "wait")
    assert.strictEqual(does(view, at(115)), "acquire")
  })

  it("waits as long as the holder's lease lasts, not as long as its own", () => {
    const view = saw(me, lease("other", "1", 60_000), at(0))
    assert.strictEqual(does(view, at(59)), "wait")
    assert.strictEqual(does(view, at(60)), "acquire")
  })

  it("starts over at each renewal, and at nothing else", () => {
    const first = saw(me, lease("other"), at(0))
    const touched = saw(first, { ...lease("other"), resourceVersion: "99" }, at(10))
    assert.strictEqual(does(touched, at(15)), "acquire")
    assert.strictEqual(does(saw(first, lease("other", "2"), at(10)), at(15)), "wait")
  })

  it("waits for the holder of a lease that vanished: it may not know yet", () => {
    const view = saw(saw(me, lease("other"), at(0)), null, at(1))
    assert.deepEqual(decide(view, at(1)), { do: "wait", ms: 14_000, holder: "other" })
    assert.strictEqual(does(view, at(15)), "acquire")
  })

  it("takes its own lease up again: an acquisition whose answer was lost", () => {
    assert.strictEqual(does(saw(me, lease("me"), at(0)), at(0)), "renew")
  })
})

describe("a holder", () => {
  const holder = wrote(me, lease("me"), at(10))

  it("may write until its last successful renewal, counted from its sending, is too old", () => {
    assert.isTrue(mayWrite(holder, at(19.9)))
    assert.isFalse(mayWrite(holder, at(20)))
    assert.isFalse(mayWrite(me, at(0)))
    assert.isFalse(mayWrite(resigned(holder), at(11)))
  })

  it("believes the clock that says more", () => {
    const { monotonic, wall } = at(10)
    assert.isFalse(mayWrite(holder, { monotonic: monotonic + 10_000, wall }))
    assert.isFalse(mayWrite(holder, { monotonic, wall: wall + 10_000 }))
    assert.isTrue(mayWrite(holder, { monotonic, wall: wall - 10_000 }))
  })

  it("renews, makes a deleted lease again, and has lost one that names another or nobody", () => {
    assert.strictEqual(does(holder, at(12)), "renew")
    assert.strictEqual(does(saw(holder, null, at(12)), at(12)), "acquire")
    assert.strictEqual(does(saw(holder, lease("other"), at(12)), at(12)), "lost")
    assert.strictEqual(does(saw(holder, lease(""), at(12)), at(12)), "lost")
  })

  it("that lost its lease to another stops writing at once, and has to end soon", () => {
    const view = ousted(holder, at(11))
    assert.isFalse(mayWrite(view, at(11)))
    assert.strictEqual(timeLeft(view, at(11)), 4_000)
    assert.strictEqual(timeLeft(ousted(holder, at(23)), at(23)), 1_000)
  })

  it("has no limit for its end while it renews, and what is left before the abort afterwards", () => {
    assert.strictEqual(timeLeft(holder, at(19)), Number.POSITIVE_INFINITY)
    assert.strictEqual(timeLeft(holder, at(21)), 3_000)
    assert.strictEqual(timeLeft(holder, at(99)), 0)
  })
})

describe("readiness", () => {
  it("is the leader's, or everybody's without election", () => {
    assert.isUndefined(whyNotLeading({ role: "leader" }))
    assert.isUndefined(whyNotLeading({ role: "off" }))
    assert.strictEqual(whyNotLeading({ role: "standby", holder: "x" }), "standby: x leads")
    assert.strictEqual(whyNotLeading({ role: "standby", holder: "" }), "standby: nobody leads")
    const problem = { role: "standby", holder: "", problem: "no right" } as const
    assert.strictEqual(whyNotLeading(problem), "standby: no right")
  })
})

describe("the setting", () => {
  it("auto is on in a pod and off with a kubeconfig", () => {
    const pod = { KUBERNETES_SERVICE_HOST: "10.0.0.1" }
    assert.isTrue(isElected("auto", "", pod))
    assert.isFalse(isElected("auto", "/kubeconfig", pod))
    assert.isFalse(isElected("auto", "", {}))
    assert.isTrue(isElected("true", "/kubeconfig", {}))
    assert.isFalse(isElected("false", "", pod))
  })
})
