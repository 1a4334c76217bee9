import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Supervisor } from "../../src/supervisor/Supervisor.ts"
import { REFUSALS } from "../../src/webhook/answer.ts"
import { makeDispatch } from "../../src/webhook/Dispatch.ts"
import { deliveryOf } from "../../src/webhook/delivery.ts"
import { routeOf } from "../../src/webhook/route.ts"
import { build, SAMPLES } from "./deliveries.ts"

const MIB = 2 ** 20

const collect = (): number => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
  return process.memoryUsage().heapUsed
}

describe("clone URLs of deliveries", () => {
  it.effect("of any length and number are not kept", () =>
    Effect.gen(function* () {
      const nobody = { list: Effect.succeed([]) } as unknown as Supervisor["Service"]
      const dispatch = makeDispatch(nobody)
      const route = routeOf("/webhook/github")
      assert.isDefined(route)
      const delivery = Result.getOrThrow(deliveryOf(route, build(SAMPLES.github).headers))
      const before = collect()
      for (let at = 0; at < 64; at++) {
        const url: string = JSON.parse(`"https://github.com/${at}/${"x".repeat(MIB)}"`)
        const answer = yield* dispatch(
          delivery,
          { push: { urls: [url], refs: [] }, id: undefined },
          undefined,
        )
        assert.strictEqual(answer, REFUSALS.unmatched)
      }
      assert.isBelow(collect() - before, 8 * MIB)
    }),
  )
})
