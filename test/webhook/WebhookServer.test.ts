import { createServer } from "node:net"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { Metrics } from "../../src/metrics/Metrics.ts"
import { Registry } from "../../src/metrics/registry.ts"
import { gently, ignored } from "../../src/webhook/answer.ts"
import { layer } from "../../src/webhook/WebhookServer.ts"
import { freePort } from "../cluster/freePort.ts"
import { recorded } from "../layers/Spans.ts"
import { basics, get, HEAD, MAX, world } from "./listening.ts"

describe("probes", () => {
  it.live("alive at once, ready when nothing is missing, and closed with the scope", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const state: { missing: string | undefined } = { missing: "standby: other leads" }
      const scope = yield* Scope.make()
      const notReady = Effect.sync(() => state.missing)
      yield* Layer.buildWithScope(layer({ ...basics, port, notReady }), scope)
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
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer({ ...basics, port }))))
      assert.strictEqual(error.code, "NOPEA-C011")
      assert.include(error.reason, "EADDRINUSE")
      assert.include(error.fix, "NOPEA_LISTEN")
      taken.close()
    }),
  )
})

describe("a number that cannot be read", () => {
  it.live("costs that answer, not the process", () => {
    const registry = new Registry(0)
    registry.collect(() => {
      throw new Error("no such file")
    })
    return world(({ port }) =>
      Effect.gen(function* () {
        assert.match(yield* get(port, "/metrics"), /^500/u)
        assert.strictEqual(yield* get(port, "/health"), "200 ok")
      }),
    ).pipe(Effect.provideService(Metrics, registry))
  })
})

describe("trace headers of a stranger", () => {
  it.live("are believed by nobody before the proof", () => {
    const { layer, spans } = recorded()
    const { traceparent, b3 } = {
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
      b3: `${"a".repeat(32)}-${"b".repeat(16)}-1`,
    }
    return world(({ post, door }) =>
      Effect.gen(function* () {
        door.receive = () => Effect.succeed(ignored("x")).pipe(Effect.withSpan("received"))
        assert.strictEqual(yield* post("x", { traceparent, b3 }), "200 ignored: x")
        assert.deepStrictEqual(
          spans.map((span) => [span.name, span.parent._tag]),
          [["received", "None"]],
        )
      }),
    ).pipe(Effect.provide(layer))
  })
})

describe("a webhook's body", () => {
  it.live("arrives byte for byte", () =>
    world(({ post, bodies }) =>
      Effect.gen(function* () {
        const bytes = Buffer.from(Array.from({ length: 1000 }, (_, nth) => nth % 256))
        assert.strictEqual(yield* post(bytes), "200 ignored: 1000 bytes on /webhook/github")
        assert.deepStrictEqual(bodies, [bytes])
      }),
    ),
  )

  it.live("that is larger than allowed is refused by what it declares, unread", () =>
    world(({ post, raw, bodies }) =>
      Effect.gen(function* () {
        assert.match(yield* post("x".repeat(MAX + 1)), /^413 NOPEA-W005/u)
        assert.match(yield* post("x".repeat(MAX)), /^200/u)
        const huge = raw(`${HEAD}Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n`)
        const answer = yield* huge.answer
        assert.match(answer, /^HTTP\/1\.1 413/u)
        assert.strictEqual(bodies.length, 1)
      }),
    ),
  )

  it.live("that declares no length is counted as it comes", () =>
    world(({ raw, bodies }) =>
      Effect.gen(function* () {
        const chunked = raw(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`)
        const chunk = `3e8\r\n${"x".repeat(1000)}\r\n`
        for (let nth = 0; nth < 11; nth++) chunked.socket.write(chunk)
        assert.match(yield* chunked.answer, /^HTTP\/1\.1 413/u)
        const small = raw(
          `${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`,
        )
        assert.match(yield* small.answer, /^HTTP\/1\.1 200/u)
        assert.deepStrictEqual(
          bodies.map(({ length }) => length),
          [1000],
        )
      }),
    ),
  )

  it.live("in pieces of a byte takes more room than its bytes", () =>
    world(({ raw, post, bodies }) =>
      Effect.gen(function* () {
        const crumbs = `${"1\r\nx\r\n".repeat(300)}0\r\n\r\n`
        const crumbled = raw(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${crumbs}`)
        assert.match(yield* crumbled.answer, /^HTTP\/1\.1 503(?:.|\s)*NOPEA-W006/u)
        assert.match(yield* post("x".repeat(MAX)), /^200/u)
        assert.strictEqual(bodies.length, 1)
      }),
    ),
  )

  it.live("that does not come is waited for so long only; probes go on beside it", () =>
    world(
      ({ raw, port, bodies }) =>
        Effect.gen(function* () {
          const slow = [1, 2, 3].map(() => raw(`${HEAD}Content-Length: 100\r\n\r\nx`))
          assert.strictEqual(yield* get(port, "/health"), "200 ok")
          for (const { answer } of slow)
            assert.match(yield* answer, /^HTTP\/1\.1 408(?:.|\s)*NOPEA-W007/u)
          assert.deepStrictEqual(bodies, [])
        }),
      { bodyTimeout: 200 },
    ),
  )

  it.live("that breaks off does nothing", () =>
    world(({ raw, port, bodies }) =>
      Effect.gen(function* () {
        const cut = raw(`${HEAD}Content-Length: 100\r\n\r\nx`)
        cut.socket.end()
        yield* cut.answer
        assert.strictEqual(yield* get(port, "/health"), "200 ok")
        assert.deepStrictEqual(bodies, [])
      }),
    ),
  )

  it.live("that is compressed is refused, whatever it would be", () =>
    world(({ post, bodies }) =>
      Effect.gen(function* () {
        for (const encoding of ["gzip", "br", "deflate, gzip", "GZIP"]) {
          const answer = yield* post(gzipSync("{}"), { "content-encoding": encoding })
          assert.match(answer, /^400 NOPEA-W010/u)
        }
        assert.match(yield* post("{}", { "content-encoding": "identity" }), /^200/u)
        assert.strictEqual(bodies.length, 1)
      }),
    ),
  )
})

describe("a refusal", () => {
  it.live("that is told gently ends the connection as the others do, the body unread", () =>
    world(({ door, raw }) =>
      Effect.gen(function* () {
        door.receive = ({ body }) =>
          Effect.catch(Effect.as(body, ignored("read")), (answer) =>
            Effect.succeed(gently(answer, true)),
          )
        const huge = raw(`${HEAD}Content-Length: 99999999999\r\n\r\n`)
        assert.match(yield* huge.answer, /^HTTP\/1\.1 200(?:.|\s)*NOPEA-W005/u)
      }),
    ),
  )
})

describe("deliveries", () => {
  it.live("are refused while nobody leads", () =>
    world(({ door, post }) =>
      Effect.gen(function* () {
        door.receive = undefined
        assert.match(yield* post("{}"), /^503 NOPEA-W008/u)
      }),
    ),
  )

  it.live("beyond their places are refused at once; probes and the others go on", () =>
    world(({ door, port, post }) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const full = yield* Deferred.make<void>()
        let inside = 0
        door.receive = () =>
          Effect.suspend(() => {
            inside += 1
            if (inside === 64) Deferred.doneUnsafe(full, Effect.void)
            return Effect.as(Deferred.await(gate), ignored("done"))
          })
        const held = yield* Effect.forkChild(
          Effect.forEach([...Array(64).keys()], () => post("{}"), { concurrency: "unbounded" }),
        )
        yield* Deferred.await(full)
        assert.match(yield* post("{}"), /^503 NOPEA-W006/u)
        assert.strictEqual(yield* get(port, "/health"), "200 ok")
        assert.strictEqual(yield* get(port, "/ready"), "200 ok")
        yield* Deferred.succeed(gate, undefined)
        const answers = yield* Fiber.join(held)
        assert.isTrue(answers.every((one) => one.startsWith("200")))
        assert.match(yield* post("{}"), /^200/u)
      }),
    ),
  )

  it.live("are POSTs", () =>
    world(({ port }) =>
      Effect.gen(function* () {
        assert.match(yield* get(port, "/webhook/github?payload={}"), /^404/u)
      }),
    ),
  )
})
