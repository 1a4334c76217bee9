import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { layer } from "../../src/webhook/WebhookServer.ts"
import { freePort } from "../cluster/freePort.ts"

const get = (port: number, path: string) =>
  Effect.promise(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    return `${answer.status} ${(await answer.text()).trim()}`
  })

describe("probes", () => {
  it.live("alive at once, ready when nothing is missing, and closed with the scope", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const state: { missing: string | undefined } = { missing: "standby: other leads" }
      const scope = yield* Scope.make()
      const notReady = Effect.sync(() => state.missing)
      yield* Layer.buildWithScope(layer({ host: "127.0.0.1", port, notReady }), scope)
      assert.strictEqual(yield* get(port, "/health"), "200 ok")
      assert.strictEqual(yield* get(port, "/ready"), "503 not ready: standby: other leads")
      state.missing = undefined
      assert.strictEqual(yield* get(port, "/ready"), "200 ok")
      assert.match(yield* get(port, "/other"), /^404/u)
      yield* Scope.close(scope, Exit.void)
      const refused = yield* Effect.exit(get(port, "/health"))
      assert.isTrue(Exit.isFailure(refused))
    }),
  )

  it.live("a taken port is one clear error that names the setting", () =>
    Effect.gen(function* () {
      const taken = createServer()
      const port = yield* Effect.promise(
        () =>
          new Promise<number>((resolve) => {
            taken.listen(0, "127.0.0.1", () => {
              const address = taken.address()
              resolve(typeof address === "object" && address ? address.port : 0)
            })
          }),
      )
      const options = { host: "127.0.0.1", port, notReady: Effect.succeed(undefined) }
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer(options))))
      assert.strictEqual(error.code, "NOPEA-C011")
      assert.include(error.reason, "EADDRINUSE")
      assert.include(error.fix, "NOPEA_LISTEN")
      taken.close()
    }),
  )
})
