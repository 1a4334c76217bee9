import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Deletion } from "../../src/controller/Deletion.ts"
import { Finalizer, layer } from "../../src/controller/Finalizer.ts"
import { KubeError } from "../../src/domain/errors.ts"
import { GIT_REPOSITORIES } from "../../src/domain/repository.ts"
import { FINALIZER } from "../../src/plan/deletion.ts"
import * as Memory from "../layers/KubeMemory.ts"
import { repositoryObject } from "../layers/repositories.ts"

const conflict = new KubeError({
  code: "NOPEA-A007",
  operation: "patch",
  subject: "apps/a",
  reason: "the object has been modified",
  fix: "none is needed",
  disposition: "retry",
  status: 409,
  statusReason: "Conflict",
})

const deletion = Layer.succeed(Deletion, { run: () => Effect.die("nothing is deleted here") })
const live = layer.pipe(Layer.provide(deletion), Layer.provideMerge(Memory.layer))

describe("the finalizer", () => {
  it.effect("is there within a moment although somebody else writes the object meanwhile", () =>
    Effect.gen(function* () {
      const kube = yield* Memory.KubeMemory
      const finalizer = yield* Finalizer
      kube.serve(GIT_REPOSITORIES)
      const object = kube.put(repositoryObject("a", { spec: { deletionPolicy: "Delete" } }))
      let conflicts = 0
      kube.intercept(({ verb }) =>
        verb === "mergePatch" && conflicts++ < 4 ? Effect.fail(conflict) : Effect.void,
      )
      const serving = yield* Effect.forkChild(finalizer.serve(object))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(serving)
      const now = kube.find(GIT_REPOSITORIES, { namespace: "apps", name: "a" })
      assert.deepEqual(now?.metadata.finalizers, [FINALIZER])
      assert.strictEqual(conflicts, 5)
    }).pipe(Effect.provide(live)),
  )
})
