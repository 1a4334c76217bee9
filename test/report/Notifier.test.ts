import { it } from "@effect/vitest"
import { Effect, Layer, Logger, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { GitRepository } from "../../src/domain/repository.ts"
import { currentTrace } from "../../src/domain/Tracing.ts"
import { Kube } from "../../src/kube/Kube.ts"
import { layerOf, Notifier } from "../../src/report/Notifier.ts"
import { noAnswer, type Undelivered } from "../../src/report/notification.ts"
import type { Post } from "../../src/report/Posting.ts"
import { repository } from "../domain/repositories.ts"
import * as KubeMemory from "../layers/KubeMemory.ts"
import { recorded } from "../layers/Spans.ts"
import { sha } from "./reports.ts"

const text = (value: string) => Buffer.from(value).toString("base64")
const subject = (name = "web", uid = name): GitRepository =>
  repository({
    metadata: { namespace: "shop", name, uid },
    spec: { healPolicy: "notify", notifyRef: { name: "chat" } },
  })
const news = (letter: string) => ({
  commit: sha(letter),
  drift: [
    {
      object: "apps/Deployment/shop/api",
      type: "manual_drift",
      firstSeen: "2026-11-20T10:00:00Z",
      action: "left",
    } as const,
  ],
})
const busy = (retryAfter?: number): Undelivered => ({
  ...noAnswer(new URL("https://chat.example/x"), "busy"),
  ...(retryAfter === undefined ? {} : { retryAfter }),
})

interface World {
  readonly memory: KubeMemory.KubeMemory["Service"]
  readonly notifier: Notifier["Service"]
  /** `a 0`: the commit's letter, and the second it was posted in. */
  readonly posts: Array<string>
  readonly failed: Array<string>
  readonly logged: Array<string>
  readonly script: { post: Post }
  readonly send: (letter: string, of?: GitRepository) => Effect.Effect<void>
}

const world = (body: (w: World) => Effect.Effect<unknown, unknown>) => {
  const posts: Array<string> = []
  const failed: Array<string> = []
  const logged: Array<string> = []
  const script: World["script"] = { post: () => Effect.void }
  const recorded: Post = (to, body) =>
    Effect.clockWith((clock) => {
      const { commit, repository: about } = JSON.parse(body)
      const at = clock.currentTimeMillisUnsafe() / 1000
      posts.push(`${about.name === "web" ? "" : `${about.name} `}${commit[0]} ${at}`)
      return script.post(to, body)
    })
  const log = Logger.make(({ message }) => {
    logged.push(String(message))
  })
  const random = Layer.succeed(Random.Random, {
    nextIntUnsafe: () => 0,
    nextDoubleUnsafe: () => 0.5,
  })
  const layer = layerOf(recorded).pipe(
    Layer.provideMerge(KubeMemory.layer),
    Layer.provideMerge(Layer.mergeAll(Logger.layer([log]), random)),
  )
  return Effect.gen(function* () {
    const memory = yield* KubeMemory.KubeMemory
    const notifier = yield* Notifier
    memory.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } })
    memory.put({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "shop", name: "chat" },
      data: { address: text("https://chat.example/hook"), token: text("t") },
    })
    const send = (letter: string, of = subject()) =>
      notifier.send(of, news(letter), ({ code }) => Effect.sync(() => void failed.push(code)))
    yield* body({ memory, notifier, posts, failed, logged, script, send })
  }).pipe(Effect.provide(layer))
}

const secrets = KubeMemory.resourceType("v1", "Secret")

describe("a notification", () => {
  it.effect("goes to the address and with the token of the Secret, as they are now", () =>
    world(({ send, script, memory, posts }) =>
      Effect.gen(function* () {
        const seen: Array<readonly [string, string | undefined]> = []
        script.post = ({ url, token }) =>
          Effect.sync(() => void seen.push([url.href, token && Redacted.value(token)]))
        yield* send("a")
        yield* TestClock.adjust(0)
        memory.edit(secrets, { namespace: "shop", name: "chat" }, (o) => ({
          ...o,
          data: { address: text("https://other.example/") },
        }))
        yield* send("b")
        yield* TestClock.adjust(0)
        expect(seen).toEqual([
          ["https://chat.example/hook", "t"],
          ["https://other.example/", undefined],
        ])
        expect(posts).toEqual(["a 0", "b 0"])
      }),
    ),
  )

  it.effect("belongs to the trace of the sync that it comes of", () => {
    const { layer, named } = recorded()
    return world(({ send, script }) =>
      Effect.gen(function* () {
        const traces: Array<string | undefined> = []
        script.post = () => Effect.map(currentTrace, (trace) => void traces.push(trace?.traceId))
        yield* send("a").pipe(Effect.withSpan("a"))
        yield* send("b").pipe(Effect.withSpan("b"))
        yield* TestClock.adjust(0)
        expect(traces).toEqual(["a", "b"].map((name) => named(name)[0]?.traceId))
        expect(new Set(traces).size).toBe(2)
      }),
    ).pipe(Effect.provide(layer))
  })

  it.effect("is tried five times, more and more seldom, and then given up", () =>
    world(({ send, script, posts, failed, logged }) =>
      Effect.gen(function* () {
        script.post = () => Effect.fail(busy())
        yield* send("a")
        yield* TestClock.adjust("10 minutes")
        expect(posts).toEqual(["a 0", "a 1", "a 3", "a 7", "a 15"])
        expect(failed).toEqual(["NOPEA-D026"])
        expect(logged).toEqual(["notification not delivered"])
      }),
    ),
  )

  it.effect("waits as long as the receiver asks, and no try follows a success", () =>
    world(({ send, script, posts, failed }) =>
      Effect.gen(function* () {
        script.post = () => (posts.length === 1 ? Effect.fail(busy(90_000)) : Effect.void)
        yield* send("a")
        yield* TestClock.adjust("10 minutes")
        expect([posts, failed]).toEqual([["a 0", "a 90"], []])
      }),
    ),
  )

  it.effect("is not tried again where that cannot help", () =>
    world(({ send, script, posts, failed }) =>
      Effect.gen(function* () {
        script.post = () => Effect.fail({ ...busy(), disposition: "stall" })
        yield* send("a")
        yield* TestClock.adjust("10 minutes")
        expect([posts, failed]).toEqual([["a 0"], ["NOPEA-D026"]])
      }),
    ),
  )

  it.effect("without a Secret, an address or a reference says so by its own code", () =>
    world(({ notifier, memory, send, posts, failed }) =>
      Effect.gen(function* () {
        memory.edit(secrets, { namespace: "shop", name: "chat" }, (o) => ({ ...o, data: {} }))
        yield* send("a")
        yield* TestClock.adjust(0)
        memory.remove(secrets, { namespace: "shop", name: "chat" })
        yield* send("b")
        yield* TestClock.adjust(0)
        const none = repository({ spec: {} })
        yield* notifier.send(none, news("c"), ({ code }) =>
          Effect.sync(() => void failed.push(code)),
        )
        yield* TestClock.adjust(0)
        expect([posts, failed]).toEqual([[], ["NOPEA-D021", "NOPEA-D020", "NOPEA-D023"]])
      }),
    ),
  )

  it.effect("waits for the one before it; another repository's does not", () =>
    world(({ send, script, posts }) =>
      Effect.gen(function* () {
        script.post = (_, body) =>
          body.includes('"name":"web"') ? Effect.sleep("5 seconds") : Effect.void
        for (const letter of ["a", "b", "c"]) yield* send(letter)
        yield* TestClock.adjust("1 second")
        yield* send("d", subject("other"))
        yield* TestClock.adjust("1 minute")
        expect(posts).toEqual(["a 0", "other d 1", "b 5", "c 10"])
      }),
    ),
  )

  it.effect("is dropped and said where too many wait, and nobody waits for that", () =>
    world(({ send, script, posts, logged }) =>
      Effect.gen(function* () {
        script.post = () => Effect.never
        for (let turn = 0; turn < 30; turn++) {
          yield* send("a")
          yield* TestClock.adjust(0)
        }
        expect(posts).toEqual(["a 0"])
        expect(logged).toHaveLength(19)
      }),
    ),
  )

  it.effect("after a quiet time goes out like the first", () =>
    world(({ send, posts }) =>
      Effect.gen(function* () {
        for (const letter of ["a", "b", "c"]) {
          yield* send(letter)
          yield* TestClock.adjust("1 hour")
        }
        expect(posts).toEqual(["a 0", "b 3600", "c 7200"])
      }),
    ),
  )
})

it.effect("what is under way ends with the layer", () =>
  Effect.gen(function* () {
    const ended: Array<string> = []
    const hanging: Post = () =>
      Effect.onInterrupt(Effect.never, () => Effect.sync(() => void ended.push("post")))
    const kube = yield* Kube
    const live = Layer.provide(layerOf(hanging), Layer.succeed(Kube, kube))
    yield* Effect.flatMap(Notifier, (notifier) =>
      Effect.andThen(
        notifier.send(subject(), news("a"), () => Effect.void),
        TestClock.adjust(0),
      ),
    ).pipe(Effect.provide(live))
    expect(ended).toEqual(["post"])
  }).pipe(Effect.provide(Layer.merge(withSecret, Logger.layer([])))),
)

const withSecret = Layer.effectDiscard(
  Effect.map(KubeMemory.KubeMemory, (memory) => {
    memory.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } })
    memory.put({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "shop", name: "chat" },
      data: { address: text("https://chat.example/hook") },
    })
  }),
).pipe(Layer.provideMerge(KubeMemory.layer))
