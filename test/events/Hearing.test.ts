import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Message } from "../../src/events/cdevents.ts"
import { Delivery } from "../../src/events/Delivery.ts"
import * as Hearing from "../../src/events/Hearing.ts"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { Audience, type Heard } from "../../src/report/Audience.ts"
import { repository } from "../domain/repositories.ts"
import { sumOf } from "../metrics/parse.ts"
import { outcome, report, START } from "../report/reports.ts"
import { checkDelivery } from "./schema.ts"

const given = (hasSinks: boolean) => {
  const registry = new Registry()
  const sent: Array<Message> = []
  const delivery = Layer.succeed(Delivery, {
    hasSinks,
    offer: (message) => Effect.sync(() => void sent.push(message)),
  })
  const layer = Hearing.layer({ clusterName: "prod", cdeventsMode: "binary" }).pipe(
    Layer.provide(Layer.merge(delivery, Layer.succeed(Metrics, registry))),
  )
  const tell = (...all: ReadonlyArray<Heard>) =>
    Effect.flatMap(Audience, (hear) => Effect.forEach(all, hear)).pipe(Effect.provide(layer))
  const types = () =>
    sent.map(({ headers, body }) => checkDelivery(headers, body).type.split(".").at(-4))
  return { registry, sent, tell, types }
}

const subject = repository()
const shared = { repository: subject, before: {}, at: START }
const syncing: Heard = {
  ...shared,
  what: "syncing",
  trigger: { kind: "webhook" },
  syncId: "01J00000000000000000000000",
  after: { phase: "Syncing" },
}
const finished: Heard = {
  ...report(outcome("a", "created web")),
  ...shared,
  what: "finished",
  after: { phase: "Synced", lastSyncedCommit: "a".repeat(40), resourceCount: 1 },
}
const crashed: Heard = { ...shared, what: "crashed", cause: "TypeError at x.ts", after: {} }

describe("what is heard", () => {
  it.effect("is one chain: the beginning that was told, and the end", () => {
    const world = given(true)
    return Effect.gen(function* () {
      yield* world.tell(syncing, finished)
      assert.deepStrictEqual(world.types(), ["started", "finished", "deployed"])
      const chains = world.sent.map(({ headers, body }) => checkDelivery(headers, body).chainId)
      assert.strictEqual(new Set(chains).size, 1)
    })
  })

  it.effect("of a crash ends what had begun, in its chain, and is counted", () => {
    const world = given(true)
    return Effect.gen(function* () {
      yield* world.tell(syncing, crashed)
      assert.deepStrictEqual(world.types(), ["started", "failed"])
      assert.strictEqual(sumOf(world.registry.text(), "nopea_worker_crashes_total"), 1)
    })
  })

  it.effect("makes no events where nobody wants them, and numbers all the same", () => {
    const world = given(false)
    return Effect.gen(function* () {
      yield* world.tell(syncing, finished)
      assert.deepStrictEqual(world.sent, [])
      assert.strictEqual(sumOf(world.registry.text(), "nopea_syncs_total"), 1)
    })
  })

  it.effect("of a GitRepository that cannot be read is a repository that is not ready", () => {
    const world = given(true)
    return Effect.gen(function* () {
      yield* world.tell({ what: "rejected", key: "shop/web" })
      const labels = { repository: "shop/web" }
      assert.strictEqual(sumOf(world.registry.text(), "nopea_repository_ready", labels), 0)
      assert.deepStrictEqual(world.sent, [])
    })
  })
})
