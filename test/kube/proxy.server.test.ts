// The API server behind a proxy, by a kubeconfig: over real connections, as kubectl would.
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { describe, expect } from "vitest"
import type { Variables } from "../../src/domain/proxy.ts"
import { openAccess } from "../../src/kube/KubeAuth.ts"
import { makeTransport } from "../../src/kube/Transport.ts"
import { createAuthority, issueCertificate } from "../cluster/certificates.ts"
import { startConnectProxy } from "../gitserver/ConnectProxy.ts"

const NAME = "kube.nopea.test"

const held = <A>(make: () => Promise<A>, end: (a: A) => Promise<unknown>) =>
  Effect.acquireRelease(Effect.promise(make), (a) => Effect.promise(() => end(a)))

/** A TLS server that answers everything with JSON, and a folder with its kubeconfig. */
const world = Effect.gen(function* () {
  const folder = yield* held(
    () => mkdtemp(join(tmpdir(), "nopea-kube-proxy-")),
    (path) => rm(path, { recursive: true }),
  )
  const authority = yield* Effect.promise(() => createAuthority(folder, "nopea-test-kube-ca"))
  const pair = yield* Effect.promise(() =>
    issueCertificate(folder, {
      file: "server",
      commonName: "kube",
      names: [`DNS:${NAME}`],
      usage: "serverAuth",
    }),
  )
  const asked: Array<string> = []
  const server = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    response.writeHead(200, { "content-type": "application/json" }).end('{"major":"1"}')
  })
  yield* held(
    () => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve())),
    async () => server.closeAllConnections(),
  )
  const { port } = server.address() as AddressInfo
  const proxy = yield* held(
    () => startConnectProxy({ login: "ann:s3cret" }),
    ({ stop }) => stop(),
  )
  const login = `http://ann:s3cret@127.0.0.1:${proxy.port}`
  const target = `${NAME}:${port}`

  const ask = (
    more: object,
    environment: Variables,
  ): Effect.Effect<unknown, unknown, Scope.Scope> =>
    Effect.gen(function* () {
      const file = join(folder, "config")
      const ca = Buffer.from(authority.cert).toString("base64")
      const cluster = { server: `https://${target}`, "certificate-authority-data": ca, ...more }
      const config = {
        clusters: [{ name: "x", cluster }],
        users: [{ name: "x", user: { token: "token" } }],
        contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
        "current-context": "x",
      }
      yield* Effect.promise(() => writeFile(file, JSON.stringify(config)))
      const access = yield* openAccess({ kubeconfig: file, environment })
      const transport = yield* makeTransport(access, { userAgent: "test", deadline: 5000 })
      const { json } = yield* transport.send({
        asked: { operation: "get", subject: "version", kind: "" },
        caller: { budget: "a" },
        method: "GET",
        path: "/version",
      })
      return json
    })
  return { ask, asked, proxy, login, target }
})

describe("an API server behind a proxy", () => {
  it.live.each(["HTTPS_PROXY", "proxy-url"])("is reached as %s says, with its password", (how) =>
    Effect.gen(function* () {
      const { ask, asked, proxy, login, target } = yield* world
      const isOwn = how === "proxy-url"
      const more = isOwn ? { "proxy-url": login } : {}
      const environment = isOwn
        ? { HTTPS_PROXY: "http://127.0.0.1:1", NO_PROXY: "*" }
        : { [how]: login }
      expect(yield* ask(more, environment)).toEqual({ major: "1" })
      expect(asked).toEqual(["GET /version Bearer token"])
      expect(proxy.log.map(({ method, target: to }) => `${method} ${to}`)).toEqual([
        `CONNECT ${target}`,
      ])
    }).pipe(Effect.scoped),
  )

  it.live("is asked without one where NO_PROXY names it", () =>
    Effect.gen(function* () {
      const { ask, proxy, login } = yield* world
      const error = yield* Effect.flip(ask({}, { HTTPS_PROXY: login, NO_PROXY: ".nopea.test" }))
      expect(error).toMatchObject({ code: "NOPEA-A018" })
      expect(JSON.stringify(error)).not.toContain("proxy")
      expect(proxy.log).toEqual([])
    }).pipe(Effect.scoped),
  )

  it.live.each([407, 403, 502])(
    "that answers %i is told by its name, without its password",
    (refuses) =>
      Effect.gen(function* () {
        const { ask, asked, proxy, login } = yield* world
        proxy.be({ refuses })
        const error = yield* Effect.flip(ask({}, { HTTPS_PROXY: login }))
        const told = JSON.stringify(error)
        expect(error).toMatchObject({ code: "NOPEA-A018", disposition: "retry" })
        expect(told).toContain(`the proxy http://127.0.0.1:${proxy.port} (HTTPS_PROXY)`)
        expect(told).toContain(String(refuses))
        expect(told).not.toContain("s3cret")
        expect(asked).toEqual([])
      }).pipe(Effect.scoped),
  )

  it.live("that is no proxy's URL ends the start", () =>
    Effect.gen(function* () {
      const { ask } = yield* world
      const error = yield* Effect.flip(ask({ "proxy-url": "ftp://ann:s3cret@proxy" }, {}))
      expect(error).toMatchObject({ code: "NOPEA-C031", reason: "proxy-url is no proxy's URL" })
      expect(error).toMatchObject({ fix: expect.stringContaining("set proxy-url to http://") })
    }).pipe(Effect.scoped),
  )
})
