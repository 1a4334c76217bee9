/** A commit that waits for others wants its objects all the same: who deletes asks it, and who takes what it left may. */
import { Clock, Effect } from "effect"
import { Claims } from "../cache/Claims.ts"
import { Kube } from "../kube/Kube.ts"
import { placeAll } from "../plan/placement.ts"
import { claimedKeys, idleKeys } from "../plan/plan.ts"
import type { Rendered } from "../render/Render.ts"
import { HashKey } from "./HashKey.ts"
import { type Journey, memoryFrom, rulesOf } from "./journey.ts"
import { isFromMirror } from "./route.ts"

/** Asks nothing of what is live: what would let it be read may be what the commit waits for. */
export const makeWaiting = Effect.gen(function* () {
  const kube = yield* Kube
  const claims = yield* Claims
  const hashKey = yield* HashKey

  /** `isAll`: nothing newer may say otherwise. */
  return Effect.fn("Sync.wait")(function* (journey: Journey, rendered: Rendered, isAll = true) {
    const { repository, key, startedAt, route } = journey
    const now = yield* Clock.currentTimeMillis
    const rules = rulesOf(repository, claims.others(key), now, memoryFrom(undefined))
    const placed = placeAll({
      rules,
      desired: rendered.objects,
      kinds: yield* kube.discovery(),
      applied: new Map(),
      settled: false,
      hashKey: yield* hashKey.get,
    })
    const said = { isWhole: isAll && rendered.failures.length === 0, startedAt }
    claims.declare(rules.owner, {
      ...said,
      isFromMirror: isFromMirror(route),
      wants: claimedKeys(placed, rules),
      idle: idleKeys(placed),
    })
  })
})
