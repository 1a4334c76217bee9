// What a receiver sees of a notification, and what becomes of each answer, over real connections.
import { execFile } from "node:child_process"
import { lookup } from "node:dns"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:https"
import { type AddressInfo, isIP } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { Variables } from "../../src/domain/proxy.ts"
import { follow } from "../../src/domain/Tracing.ts"
import type { Undelivered } from "../../src/report/notification.ts"
import { post, postingBy } from "../../src/report/Posting.ts"
import { createAuthority, issueCertificate } from "../cluster/certificates.ts"
import { startConnectProxy } from "../gitserver/ConnectProxy.ts"
import { recorded } from "../layers/Spans.ts"
import { type Answer, receiver } from "./Receiver.ts"

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) => {
    response.writeHead(code, headers)
    response.end("hunter2 says the receiver")
  }

const failureOf = (url: URL): Effect.Effect<Undelivered | "delivered"> =>
  Effect.map(Effect.result(post({ url }, "{}")), (result) =>
    Result.isFailure(result) ? result.failure : "delivered",
  )

describe("a post", () => {
  it.live("brings the body as JSON to the whole address, with the token", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* receiver(status(202))
      const token = Redacted.make("hunter2")
      yield* post({ url: url("/hook/1?key=2"), token }, '{"text":"drift: ü"}')
      expect(seen).toMatchObject([
        {
          method: "POST",
          path: "/hook/1?key=2",
          body: '{"text":"drift: ü"}',
          headers: {
            "content-type": "application/json",
            authorization: "Bearer hunter2",
            "content-length": "20",
          },
        },
      ])
      expect(seen[0]?.headers["user-agent"]).toMatch(/^nopea\//)
    }),
  )

  it.live("without a token has no authorization", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* receiver(status(200))
      yield* post({ url: url("/") }, "{}")
      expect(seen[0]?.headers.authorization).toBeUndefined()
    }),
  )

  it.live("names the trace that it belongs to, where traces are on", () =>
    Effect.gen(function* () {
      const { layer, named } = recorded()
      const { seen, url } = yield* receiver(status(200))
      yield* post({ url: url("/") }, "{}")
      const theirs = {
        traceId: "a".repeat(32),
        spanId: "b".repeat(16),
        sampled: true,
        state: "k=v",
      }
      yield* follow(post({ url: url("/") }, "{}"), theirs).pipe(Effect.provide(layer))
      const [sent] = named("Sending.send")
      expect(seen.map(({ headers }) => [headers["traceparent"], headers["tracestate"]])).toEqual([
        [undefined, undefined],
        [`00-${theirs.traceId}-${sent?.spanId}-01`, "k=v"],
      ])
    }),
  )

  it.live("leaves no connection behind, also to a receiver that never ends its answer", () =>
    Effect.gen(function* () {
      const { url, closed } = yield* receiver((response) => {
        response.writeHead(200)
        response.write("and so on")
      })
      yield* post({ url: url("/") }, "{}")
      yield* closed
    }),
  )

  it.live("follows no redirect", () =>
    Effect.gen(function* () {
      const other = yield* receiver(status(200))
      const { url } = yield* receiver(status(307, { location: other.url("/").href }))
      expect(yield* failureOf(url("/"))).toMatchObject({
        code: "NOPEA-D025",
        disposition: "stall",
        reason: `${url("/").host} answered 307: redirects are not followed`,
      })
      expect(other.seen).toEqual([])
    }),
  )

  it.live("is refused with the status, and with no word of the answer or the address", () =>
    Effect.gen(function* () {
      const { url } = yield* receiver(status(503, { "retry-after": "7" }))
      const failure = yield* failureOf(url("/hunter2?key=hunter2"))
      expect(failure).toMatchObject({ disposition: "retry", retryAfter: 7000 })
      expect(JSON.stringify(failure)).not.toContain("hunter2")
    }),
  )

  it.live("says that nobody listens, or that the connection broke", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(
        Effect.map(receiver(status(200)), ({ url }) => url("/hunter2")),
      )
      const refused = yield* failureOf(gone)
      expect(refused).toMatchObject({ code: "NOPEA-D026", disposition: "retry" })
      expect(JSON.stringify(refused)).toContain("ECONNREFUSED")
      expect(JSON.stringify(refused)).not.toContain("hunter2")
      const { url } = yield* receiver((response) => response.destroy())
      expect(yield* failureOf(url("/"))).toMatchObject({ code: "NOPEA-D026" })
    }),
  )

  it.effect("is given up after ten seconds without an answer, and its connection closed", () =>
    Effect.gen(function* () {
      const { url, arrived, closed } = yield* receiver(() => {})
      const failing = yield* Effect.forkChild(failureOf(url("/")))
      yield* arrived
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(failing)).toMatchObject({
        code: "NOPEA-D026",
        reason: `${url("/").host} did not answer: it took longer than 10s`,
      })
      yield* closed
    }),
  )

  it.live("that is interrupted closes its connection", () =>
    Effect.gen(function* () {
      const { url, arrived, closed } = yield* receiver(() => {})
      const posting = yield* Effect.forkChild(failureOf(url("/")))
      yield* arrived
      yield* Fiber.interrupt(posting)
      yield* closed
    }),
  )
})

describe("an address of the node or its cloud", () => {
  it.live.each([
    "http://169.254.169.254/latest/meta-data",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://100.100.100.200/",
  ])("%s is refused and never connected to", (address) =>
    Effect.map(failureOf(new URL(address)), (failure) =>
      expect(failure).toMatchObject({ code: "NOPEA-D024", disposition: "stall" }),
    ),
  )

  const named = (url: URL, addresses: ReadonlyArray<string>) =>
    Effect.map(
      Effect.result(
        postingBy((_, options, callback) =>
          options.all
            ? callback(
                null,
                addresses.map((address) => ({ address, family: isIP(address) })),
              )
            : callback(null, addresses[0] ?? "", 4),
        )({ url }, "{}"),
      ),
      (result) => (Result.isFailure(result) ? result.failure.code : "delivered"),
    )

  it.live("a name is judged by what it means for the very connection", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* receiver(status(204))
      const chat = url("/", "chat.example")
      expect(yield* named(chat, ["127.0.0.1"])).toBe("delivered")
      expect(yield* named(chat, ["169.254.169.254"])).toBe("NOPEA-D024")
      expect(yield* named(chat, ["127.0.0.1", "fe80::1"])).toBe("NOPEA-D024")
      expect(seen).toHaveLength(1)
    }),
  )

  it.live("the system's own names are known", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* receiver(status(204))
      yield* post({ url: url("/", "localhost") }, "{}")
      expect(seen).toHaveLength(1)
    }),
  )
})

describe("behind a proxy", () => {
  const WORD = "s3cret"
  const proxy = Effect.acquireRelease(
    Effect.promise(() => startConnectProxy({ login: `ann:${WORD}` })),
    ({ stop }) => Effect.promise(stop),
  )
  const by = (variables: Variables, url: URL) =>
    Effect.result(postingBy(lookup, variables)({ url }, "{}"))

  it.live("a post goes by it, with its user and password, and NO_PROXY is honoured", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* receiver(status(204))
      const { log, port } = yield* proxy
      const HTTP_PROXY = `http://ann:${WORD}@127.0.0.1:${port}`
      const address = url("/hook?key=1", "chat.nopea.test")
      expect(Result.isSuccess(yield* by({ HTTP_PROXY }, address))).toBe(true)
      expect(log.map(({ target }) => target)).toEqual([address.href])
      expect(seen[0]).toMatchObject({ method: "POST", path: "/hook?key=1", body: "{}" })
      const direct = yield* by({ HTTP_PROXY, NO_PROXY: ".nopea.test" }, address)
      expect(Result.isFailure(direct) && direct.failure.code).toBe("NOPEA-D026")
      expect(log).toHaveLength(1)
    }).pipe(Effect.scoped),
  )

  it.live.each([
    ["http", 407],
    ["https", 407],
    ["https", 403],
  ])("%s: one that answers %i is named, without its password", ([scheme, code]) =>
    Effect.gen(function* () {
      const { be, port } = yield* proxy
      be({ refuses: code as number })
      const name = scheme === "http" ? "HTTP_PROXY" : "HTTPS_PROXY"
      const variables = { [name]: `http://ann:${WORD}@127.0.0.1:${port}` }
      const failure = yield* Effect.flip(
        postingBy(lookup, variables)({ url: new URL(`${scheme}://chat.nopea.test/`) }, "{}"),
      )
      const told = JSON.stringify(failure)
      expect(failure).toMatchObject({ code: "NOPEA-D026", disposition: "retry" })
      expect(failure.reason).toContain(`the answer was ${code}, by the proxy http://127.0.0.1`)
      expect(failure.fix).toContain(`check the proxy http://127.0.0.1:${port} (${name})`)
      expect(told).not.toContain(WORD)
    }).pipe(Effect.scoped),
  )

  it.live("one that is not there, or no proxy at all, is told", () =>
    Effect.gen(function* () {
      const url = new URL("https://chat.nopea.test/")
      const absent = yield* by({ HTTPS_PROXY: `http://ann:${WORD}@127.0.0.1:1` }, url)
      const none = yield* by({ HTTPS_PROXY: `ftp://ann:${WORD}@x` }, url)
      expect(Result.isFailure(absent) && absent.failure.reason).toContain(
        "ECONNREFUSED, by the proxy http://127.0.0.1:1 (HTTPS_PROXY)",
      )
      expect(Result.isFailure(none) && none.failure.reason).toContain(
        "HTTPS_PROXY is no proxy's URL",
      )
      expect(JSON.stringify([absent, none])).not.toContain(WORD)
    }),
  )

  it.live("an address that is never a receiver's is refused before the proxy is asked", () =>
    Effect.gen(function* () {
      const { log, port } = yield* proxy
      const variables = { HTTP_PROXY: `http://ann:${WORD}@127.0.0.1:${port}` }
      const refused = yield* by(variables, new URL("http://169.254.169.254/"))
      expect(Result.isFailure(refused) && refused.failure.code).toBe("NOPEA-D024")
      expect(log).toEqual([])
    }).pipe(Effect.scoped),
  )
})

describe("an authority of one's own", () => {
  const script = `
    import { Effect } from "effect"
    import { post } from ${JSON.stringify(new URL("../../src/report/Posting.ts", import.meta.url).href)}
    const told = await Effect.runPromise(Effect.result(post({ url: new URL(process.argv[1]) }, "{}")))
    console.log(told._tag === "Success" ? "delivered" : told.failure.reason)
  `
  it.live("is trusted where NODE_EXTRA_CA_CERTS names it, and else not", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "nopea-post-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true })),
      )
      const authority = yield* Effect.promise(() => createAuthority(folder, "nopea-test-post-ca"))
      const pair = yield* Effect.promise(() =>
        issueCertificate(folder, {
          file: "chat",
          commonName: "chat",
          names: ["DNS:localhost"],
          usage: "serverAuth",
        }),
      )
      const server = createServer({ cert: pair.cert, key: pair.key }, (_, response) => {
        response.writeHead(204).end()
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((done) => server.listen(0, () => done()))),
        () => Effect.sync(() => server.closeAllConnections() ?? server.close()),
      )
      const url = `https://localhost:${(server.address() as AddressInfo).port}/`
      const posted = (env: NodeJS.ProcessEnv) =>
        Effect.promise(async () => {
          const args = ["--input-type=module-typescript", "-e", script, url]
          const { stdout } = await promisify(execFile)(process.execPath, args, { env })
          return stdout.trim()
        })
      const own = { NODE_EXTRA_CA_CERTS: authority.certFile }
      expect(yield* posted(own)).toBe("delivered")
      expect(yield* posted({})).toMatch(/did not answer: (UNABLE|SELF_SIGNED)/u)
    }).pipe(Effect.scoped),
  )
})
