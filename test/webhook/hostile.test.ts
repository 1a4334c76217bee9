// What no client of good will sends, at the real listener: each ends in a refusal or a cut, and the next one is served.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as match from "../../src/webhook/match.ts"
import { deliveryId, PROVIDERS, readEvent } from "../../src/webhook/providers.ts"
import { repository } from "../layers/repositories.ts"
import { NAMES, NEW, replaced, SAMPLES } from "./deliveries.ts"
import { get, HEAD, world } from "./listening.ts"

const SHORT = {
  headersTimeout: 200,
  requestTimeout: 400,
  keepAliveTimeout: 100,
  connectionsCheckingInterval: 50,
}
const GOOD = `${HEAD}Connection: close\r\nContent-Length: 2\r\n\r\n{}`

/** Statuses of all answers on one connection. */
const statusesOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/gu)].map(([, status]) => status ?? "")

describe("a client that takes its time", () => {
  it.live("over its headers is cut", () =>
    world(
      ({ raw, bodies }) =>
        Effect.gen(function* () {
          for (const head of ["", "P", "POST /webhook/github HTTP/1.1\r\n", `${HEAD}X-A: b\r\n`]) {
            const answer = yield* raw(head).answer
            assert.include(["", "408"], statusesOf(answer).join(), head)
          }
          assert.deepStrictEqual(bodies, [])
        }),
      { bounds: SHORT },
    ),
  )

  it.live("and sends a byte now and then is cut all the same, in its headers and in its body", () =>
    world(
      ({ raw, port, bodies }) =>
        Effect.gen(function* () {
          for (const [head, status] of [
            [`${HEAD}X-Slow: `, "408"],
            [`${HEAD}Content-Length: 1000\r\n\r\n`, "408"],
          ] as const) {
            const slow = raw(head)
            const drip = Effect.sync(() => slow.socket.write("x"))
            const answer = yield* Effect.raceFirst(
              slow.answer,
              Effect.andThen(Effect.repeat(drip, Schedule.spaced("20 millis")), Effect.never),
            )
            assert.deepStrictEqual(statusesOf(answer), [status], head)
          }
          assert.strictEqual(yield* get(port, "/health"), "200 ok")
          assert.deepStrictEqual(bodies, [])
        }),
      { bounds: SHORT, bodyTimeout: 200 },
    ),
  )

  it.live("with nothing to say on an open connection is cut", () =>
    world(
      ({ raw }) =>
        Effect.gen(function* () {
          const idle = yield* raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").answer
          assert.deepStrictEqual(statusesOf(idle), ["200"])
        }),
      { bounds: SHORT },
    ),
  )
})

describe("a connection", () => {
  const small = `${HEAD}Content-Length: 2\r\n\r\n{}`

  it.live("that carries several requests at once has an answer to each, in their order", () =>
    world(({ raw, bodies }) =>
      Effect.gen(function* () {
        const health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        const answer = yield* raw(small + health + small + GOOD).answer
        assert.deepStrictEqual(statusesOf(answer), ["200", "200", "200", "200"])
        assert.deepStrictEqual(answer.match(/ok\n|2 bytes/gu), [
          "2 bytes",
          "ok\n",
          "2 bytes",
          "2 bytes",
        ])
        assert.strictEqual(bodies.length, 3)
      }),
    ),
  )

  it.live("ends with the first refusal: what follows on it is not served", () =>
    world(({ raw, bodies }) =>
      Effect.gen(function* () {
        const huge = `${HEAD}Content-Length: 99999999\r\n\r\n`
        assert.deepStrictEqual(statusesOf(yield* raw(huge + small + small).answer), ["413"])
        assert.deepStrictEqual(bodies, [])
      }),
    ),
  )
})

const request = (line: string, headers = ""): string => `${line}\r\n${headers}\r\n`
const lines = "Host: x\r\nConnection: close\r\n"
const body = (headers: string, text: string): string => `${HEAD}${headers}\r\n${text}`

describe("a request", () => {
  const cases: ReadonlyArray<[string, string | Uint8Array, RegExp]> = [
    ["of bytes", Uint8Array.from({ length: 512 }, (_, nth) => (nth * 37) % 256), /^400$/u],
    ["of TLS", Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3), /^400$/u],
    ["without a host", request("POST /webhook/github HTTP/1.1", "Content-Length: 0\r\n"), /^400$/u],
    ["with a null byte in its path", request("POST /webhook/\0 HTTP/1.1", lines), /^400$/u],
    ["with an escaped null byte", request("POST /webhook/%00 HTTP/1.1", lines), /^200$/u],
    ["with a null byte in a header", body("X-A: a\0b\r\n", ""), /^400$/u],
    ["of 20 KB of headers", body(`X-A: ${"a".repeat(20_000)}\r\n`, ""), /^431$/u],
    ["of 5,000 headers", body("A: b\r\n".repeat(5000), ""), /^431$/u],
    ["of two lengths", body("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), /^400$/u],
    ["of a negative length", body("Content-Length: -1\r\n", "{}"), /^400$/u],
    ["of a length that is none", body("Content-Length: 0x2\r\n", "{}"), /^400$/u],
    [
      "of a length and in chunks",
      body("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      /^400$/u,
    ],
    ["in another coding", body("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), /^400$/u],
    ["in chunks of no size", body("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n"), /^400$/u],
    [
      "in chunks of every size",
      body("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}"),
      /^400$/u,
    ],
    ["for a proxy", request("POST http://evil/webhook/github HTTP/1.1", lines), /^404$/u],
    ["for a tunnel", request("CONNECT evil:443 HTTP/1.1", lines), /^$/u],
    ["for everything", request("OPTIONS * HTTP/1.1", lines), /^404$/u],
    ["that climbs", request("POST /webhook/../health HTTP/1.1", lines), /^200$/u],
    ["of two slashes", request("POST //webhook/github HTTP/1.1", lines), /^404$/u],
    ...["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "HEAD", "GET"].map(
      (method): [string, string, RegExp] => [
        `by ${method}`,
        request(`${method} /webhook/github HTTP/1.1`, lines),
        /^404$/u,
      ],
    ),
    ["by a method that is none", request("BREW /webhook/github HTTP/1.1", lines), /^400$/u],
  ]
  it.live.each(cases)("%s is told apart, and no body of it is taken", ([, sent, expected]) =>
    world(
      ({ raw, port, bodies }) =>
        Effect.gen(function* () {
          assert.match(statusesOf(yield* raw(sent).answer).join(), expected)
          assert.isTrue(bodies.every(({ length }) => length === 0))
          assert.deepStrictEqual(statusesOf(yield* raw(GOOD).answer), ["200"])
          assert.strictEqual(yield* get(port, "/health"), "200 ok")
        }),
      { bounds: SHORT },
    ),
  )
})

/** Every place in a value, as `a.b.0`. */
const placesOf = (value: unknown, path = ""): ReadonlyArray<string> =>
  value === null || typeof value !== "object"
    ? []
    : Object.entries(value).flatMap(([key, inner]) => {
        const place = path === "" ? key : `${path}.${key}`
        return [place, ...placesOf(inner, place)]
      })

const STRANGE: ReadonlyArray<unknown> = [
  undefined,
  null,
  0,
  -1,
  1e308,
  true,
  "",
  [],
  {},
  [[]],
  [null],
  { length: 3 },
  { toString: null, valueOf: 1 },
  "__proto__",
  "x".repeat(100_000),
]

/** Patterns, paths, URLs that almost are, log lines, and what a terminal or a shell would take for its own. */
const TEXTS = [
  ".*",
  "https://.*/.*/.*",
  "(a+)+$",
  "refs/heads/*",
  "refs/heads/../heads/main",
  "refs/heads/main\n",
  "../../etc/passwd",
  "file:///etc/passwd",
  "--upload-pack=touch /tmp/x",
  "$(reboot)",
  '{"level":"error","message":"forged"}',
  "\u001b[2J",
  "\u202e",
  "\ud800",
  "acme/shop",
  "https://github.com/acme/shop/..",
  "https://github.com/acme/shop?x",
  "https://github.com.evil/acme/shop",
  "https://github.com@evil/acme/shop",
]

describe.each(NAMES)("every field of %s", (name) => {
  const { headers, body, url } = SAMPLES[name]
  const provider = PROVIDERS[name]
  const candidates = [repository("shop", { spec: { url, secretRef: { name: "git" } } })]
  const places = match.placesOf(candidates)
  const read = (input: unknown) => {
    const event = readEvent(provider, headers, input)
    const id = deliveryId(provider, headers, input)
    if (id !== undefined) assert.match(id, /^[\w{}:.-]{1,128}$/u)
    return event.kind === "push" ? match.matchPush(event.push, places) : undefined
  }

  it("may be of any type", () => {
    for (const path of placesOf(body)) {
      for (const value of STRANGE) {
        const found = read(replaced(body, path, value))
        for (const { commit } of found?.concerned ?? []) assert.match(commit ?? NEW, /^[0-9a-f]+$/u)
      }
    }
  })

  it("is text that is compared, and nothing else", () => {
    const urls = placesOf(body).filter((path) =>
      /url$|Url$|href$|full_name$|^resource\.repository/u.test(path),
    )
    for (const text of TEXTS) {
      const forged = urls
        .filter((path) => placesOf(body).every((other) => !other.startsWith(`${path}.`)))
        .reduce<unknown>((input, path) => replaced(input, path, text), body)
      assert.isTrue((read(forged)?.known ?? 0) === 0 || text === "acme/shop", text)
      for (const path of placesOf(body)) read(replaced(body, path, text))
    }
  })
})
