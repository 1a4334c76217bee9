// Who leaves numbers: the supervisor, and the transport to the API server.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { countAnswers } from "../../src/metrics/spans.ts"
import { Supervisor } from "../../src/supervisor/Supervisor.ts"
import { answer, fakeServer, kubeAt } from "../kube/FakeServer.ts"
import { actors } from "../layers/Actors.ts"
import { resourceType } from "../layers/KubeMemory.ts"
import { repository, SYNCED } from "../layers/repositories.ts"
import { sumOf } from "./parse.ts"

const settle = TestClock.adjust(0)
const quiet = (name: string) =>
  repository(name, { status: SYNCED, spec: { interval: "24h", reconcileInterval: "24h" } })

describe("the supervisor", () => {
  it.effect("counts workers and what waits in their mailboxes, and forgets who is deleted", () => {
    const world = actors(0)
    const registry = new Registry()
    const layer = world.layer.pipe(Layer.provide(Layer.succeed(Metrics, registry)))
    const read = (name: string, labels = {}) => sumOf(registry.text(), name, labels)
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer, scope)
      const supervisor = yield* Effect.provide(Supervisor, context)
      world.script.set("apps/a", () => Effect.never)
      yield* supervisor.start(quiet("a"))
      yield* supervisor.start(quiet("b"))
      yield* settle
      yield* supervisor.send("apps/a", { kind: "poll" })
      yield* supervisor.send("apps/a", { kind: "webhook" })
      assert.strictEqual(read("nopea_repositories"), 2)
      assert.strictEqual(read("nopea_mailbox_requests"), 2)
      assert.strictEqual(read("nopea_mailbox_requests", { trigger: "webhook" }), 1)
      for (const key of ["apps/a", "apps/b"])
        registry.set("nopea_repository_ready", { repository: key }, 1)
      yield* supervisor.stop("apps/a", "forget")
      assert.strictEqual(read("nopea_repositories"), 1)
      assert.isUndefined(read("nopea_repository_ready", { repository: "apps/a" }))
      assert.strictEqual(read("nopea_repository_ready", { repository: "apps/b" }), 1)
      yield* Scope.close(scope, Exit.void)
      assert.isUndefined(read("nopea_repository_ready"))
      assert.strictEqual(read("nopea_repositories"), 0)
    })
  })
})

describe("the transport", () => {
  it.live("counts every answer by verb and code, also one that is tried again, and silence", () =>
    Effect.gen(function* () {
      const registry = new Registry()
      const server = yield* fakeServer((_, response, count) => {
        if (count === 1) answer(response, 429, "", { "retry-after": "0" })
        else if (count === 2) answer(response, 200, { metadata: { name: "x" } })
        else response.destroy()
      })
      const kube = yield* kubeAt(server.url, { answered: countAnswers(registry) })
      const name = { namespace: "apps", name: "x" }
      const type = resourceType("v1", "ConfigMap")
      yield* kube.get({ budget: "apps/a" }, type, name)
      yield* Effect.exit(kube.mergePatch({ budget: "apps/a" }, type, name, {}))
      const code = (verb: string, code: string) =>
        sumOf(registry.text(), "nopea_kube_requests_total", { verb, code })
      assert.deepStrictEqual(
        [code("get", "429"), code("get", "200"), code("patch", "none")],
        [1, 1, 1],
      )
    }).pipe(Effect.scoped),
  )
})
