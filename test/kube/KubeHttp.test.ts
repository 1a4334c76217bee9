import { it } from "@effect/vitest"
import { Effect, Fiber, Result, Stream } from "effect"
import { describe, expect } from "vitest"
import type { ResourceType } from "../../src/kube/Kube.ts"
import { VERSION } from "../../src/version.ts"
import { answer, fakeServer, kubeAt } from "./FakeServer.ts"

const me = { budget: "shop/web" }
const configMaps: ResourceType = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  resource: "configmaps",
  namespaced: true,
  verbs: ["get", "list", "watch", "patch", "create", "delete"],
}
const name = { namespace: "shop", name: "a" }
const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "shop" } }

const get = (url: string, options: Parameters<typeof kubeAt>[1] = {}) =>
  Effect.flatMap(kubeAt(url, options), (kube) => kube.get(me, configMaps, name))

const line = (type: string, version: string): string =>
  `${JSON.stringify({ type, object: { metadata: { name: "a", resourceVersion: version } } })}\n`

describe("a request", () => {
  it.live("says who asks, on whose behalf, and for what", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => answer(response, 201, object))
      const kube = yield* kubeAt(`${url}/proxy/`)
      const caller = { ...me, impersonate: "system:serviceaccount:shop:deployer" }
      const body = '{"n":9007199254740993}'
      const options = { fieldManager: "nopea", force: true, dryRun: true }
      const applied = yield* kube.apply(caller, configMaps, name, body, options)
      expect(applied).toEqual({ metadata: object.metadata, created: true })
      expect(seen[0]).toMatchObject({
        method: "PATCH",
        url: "/proxy/api/v1/namespaces/shop/configmaps/a?fieldManager=nopea&force=true&dryRun=All",
        body,
        headers: {
          authorization: "Bearer t",
          "impersonate-user": "system:serviceaccount:shop:deployer",
          "user-agent": `nopea/${VERSION}`,
          "content-type": "application/apply-patch+yaml",
          accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
        },
      })
    }).pipe(Effect.scoped),
  )

  it.live("that writes is not sent where the lease is lost, nor where nobody waits any more", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => answer(response, 200, object))
      let isLeading = true
      const kube = yield* kubeAt(url, { mayWrite: () => isLeading })
      const write = kube.mergePatch(me, configMaps, name, {})
      yield* Fiber.interrupt(yield* Effect.forkChild(write, { startImmediately: true }))
      yield* write
      isLeading = false
      expect(yield* Effect.flip(write)).toMatchObject({ code: "NOPEA-A030", disposition: "retry" })
      yield* kube.get(me, configMaps, name)
      expect(seen.map(({ method }) => method)).toEqual(["PATCH", "GET"])
    }).pipe(Effect.scoped),
  )

  it.live("deletes with preconditions, in the background", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => answer(response, 200, object))
      const kube = yield* kubeAt(url)
      yield* kube.delete(me, configMaps, name, { uid: "u", resourceVersion: "7" })
      expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
        kind: "DeleteOptions",
        apiVersion: "v1",
        propagationPolicy: "Background",
        preconditions: { uid: "u", resourceVersion: "7" },
      })
    }).pipe(Effect.scoped),
  )

  it.live("asks for a dry run of a deletion in the body: beside one the query is ignored", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => answer(response, 200, object))
      const kube = yield* kubeAt(url)
      yield* kube.delete(me, configMaps, name, { uid: "u", dryRun: true })
      expect(JSON.parse(seen[0]?.body ?? "")).toMatchObject({ dryRun: ["All"] })
    }).pipe(Effect.scoped),
  )

  it.live.each([
    { namespace: "shop", name: "" },
    { namespace: "shop", name: ".." },
    { namespace: "shop", name: "." },
    { namespace: "", name: "a" },
  ])("never reaches a collection or another object by a name such as %j", (bad) =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => answer(response, 200, object))
      const kube = yield* kubeAt(url)
      const error = yield* Effect.flip(kube.delete(me, configMaps, bad, { uid: "u" }))
      expect(error).toMatchObject({ code: "NOPEA-A029", disposition: "stall" })
      expect(seen).toEqual([])
    }).pipe(Effect.scoped),
  )

  it.live(
    "counts a deletion of what is gone as done, but not one of a kind that is not served",
    () =>
      Effect.gen(function* () {
        const gone = {
          kind: "Status",
          message: "not found",
          reason: "NotFound",
          details: { name: "a", kind: "configmaps" },
        }
        const { url } = yield* fakeServer((_, response, count) =>
          count === 1 ? answer(response, 404, gone) : answer(response, 404, "404 page not found"),
        )
        const kube = yield* kubeAt(url)
        yield* kube.delete(me, configMaps, name, { uid: "u" })
        const error = yield* Effect.flip(kube.delete(me, configMaps, name, { uid: "u" }))
        expect(error.code).toBe("NOPEA-A015")
      }).pipe(Effect.scoped),
  )
})

describe("credentials that the server refuses", () => {
  it.live("are read again, and the request is sent once more", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((one, response) =>
        answer(response, one.headers.authorization === "Bearer new" ? 200 : 401, object),
      )
      yield* get(url, { tokens: ["old", "new"] })
      expect(seen.map((one) => one.headers.authorization)).toEqual(["Bearer old", "Bearer new"])
    }).pipe(Effect.scoped),
  )

  it.live("twice are a typed failure", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => answer(response, 401, ""))
      expect(yield* Effect.flip(get(url))).toMatchObject({ code: "NOPEA-A001", status: 401 })
      expect(seen.length).toBe(2)
    }).pipe(Effect.scoped),
  )
})

describe("a server under load", () => {
  it.live("is left alone as long as it asks, then asked again", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const { url } = yield* fakeServer((_, response, count) => {
        at.push(performance.now())
        if (count === 1) answer(response, 429, "", { "retry-after": "1" })
        else answer(response, 200, object)
      })
      const kube = yield* kubeAt(url)
      yield* Effect.all(
        [kube.get(me, configMaps, name), Effect.delay(kube.get(me, configMaps, name), 200)],
        { concurrency: 2 },
      )
      expect(at.length).toBe(3)
      expect(Math.min(...at.slice(1)) - (at[0] ?? 0)).toBeGreaterThan(950)
    }).pipe(Effect.scoped),
  )

  it.live("that asks for minutes is a typed failure which says when to come back", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) =>
        answer(response, 429, "", { "retry-after": "120" }),
      )
      const error = yield* Effect.flip(get(url))
      expect(error).toMatchObject({ code: "NOPEA-A016", status: 429, retryAfter: 120_000 })
      expect(seen.length).toBe(1)
    }).pipe(Effect.scoped),
  )

  it.live("that keeps refusing is given up after four tries", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) =>
        answer(response, 429, "", { "retry-after": "0" }),
      )
      expect((yield* Effect.flip(get(url))).code).toBe("NOPEA-A016")
      expect(seen.length).toBe(4)
    }).pipe(Effect.scoped),
  )

  it.live("gets no more requests at once than the budget", () =>
    Effect.gen(function* () {
      let flying = 0
      let most = 0
      const { url } = yield* fakeServer(async (_, response) => {
        flying += 1
        most = Math.max(most, flying)
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        flying -= 1
        answer(response, 200, object)
      })
      const kube = yield* kubeAt(url, { requests: 5 })
      const one = kube.get(me, configMaps, name)
      yield* Effect.all(
        Array.from({ length: 60 }, () => one),
        { concurrency: "unbounded" },
      )
      expect(most).toBeLessThanOrEqual(5)
      expect(most).toBeGreaterThan(1)
    }).pipe(Effect.scoped),
  )
})

describe("a connection that breaks", () => {
  it.live("lets a read be sent again, and a write be told", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response, count) =>
        count === 3 ? answer(response, 200, object) : void response.destroy(),
      )
      yield* get(url)
      expect(seen.length).toBe(3)
      const kube = yield* kubeAt(url)
      const error = yield* Effect.flip(kube.mergePatch(me, configMaps, name, {}))
      expect(error).toMatchObject({ code: "NOPEA-A018", disposition: "retry", status: 0 })
      expect(seen.length).toBe(4)
    }).pipe(Effect.scoped),
  )

  it.live("for ever is given up after four tries", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => void response.destroy())
      expect((yield* Effect.flip(get(url))).code).toBe("NOPEA-A018")
      expect(seen.length).toBe(4)
    }).pipe(Effect.scoped),
  )

  it.live("because nobody listens is a typed failure", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(fakeServer(() => {}))
      const error = yield* Effect.flip(get(url))
      expect(error.code).toBe("NOPEA-A018")
      expect(error.reason).toMatch(/ECONNREFUSED/)
    }).pipe(Effect.scoped),
  )
})

describe("an answer", () => {
  it.live("that does not come ends at the deadline, and so does one that stops in the middle", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((one, response) => {
        if (one.url.includes("/a")) return
        response.writeHead(200)
        response.write('{"kind":')
      })
      const kube = yield* kubeAt(url, { deadline: 100 })
      for (const which of ["a", "b"]) {
        const error = yield* Effect.flip(kube.get(me, configMaps, { ...name, name: which }))
        expect(error).toMatchObject({
          code: "NOPEA-A019",
          disposition: "retry",
          reason: "no answer from the API server within 0.1 s",
        })
      }
      yield* Effect.promise(() => Promise.all(seen.map((one) => one.closed)))
    }).pipe(Effect.scoped),
  )

  it.live("is no longer read when nobody waits for it", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer(() => {})
      const kube = yield* kubeAt(url)
      const waiting = yield* Effect.forkChild(kube.get(me, configMaps, name))
      while (seen.length === 0) yield* Effect.sleep(1)
      yield* Fiber.interrupt(waiting)
      yield* Effect.promise(() => seen[0]?.closed ?? Promise.reject())
    }).pipe(Effect.scoped),
  )

  it.live("that is too large, or no JSON, is refused", () =>
    Effect.gen(function* () {
      const { url } = yield* fakeServer((_, response, count) =>
        answer(response, 200, count === 1 ? { x: "y".repeat(10_000) } : "<html>login</html>"),
      )
      const kube = yield* kubeAt(url, { maxResponseBytes: 5_000 })
      const large = yield* Effect.flip(kube.get(me, configMaps, name))
      expect(large).toMatchObject({ code: "NOPEA-A020", reason: expect.stringContaining("larger") })
      const html = yield* Effect.flip(kube.get(me, configMaps, name))
      expect(html).toMatchObject({
        code: "NOPEA-A020",
        reason: expect.stringContaining("not JSON"),
      })
    }).pipe(Effect.scoped),
  )

  it.live("that is no HTTP is refused", () =>
    Effect.gen(function* () {
      const { url } = yield* fakeServer((_, response) => {
        response.socket?.end("SSH-2.0-OpenSSH\r\n")
      })
      expect((yield* Effect.flip(get(url))).code).toBe("NOPEA-A020")
    }).pipe(Effect.scoped),
  )
})

describe("a list", () => {
  const page = (names: ReadonlyArray<string>, next: string) => ({
    kind: "ConfigMapList",
    metadata: { resourceVersion: "9", continue: next },
    items: names.map((n) => ({ metadata: { name: n } })),
  })

  it.live("is read page by page; items say their kind", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((one, response) =>
        answer(
          response,
          200,
          one.url.includes("continue=") ? page(["b"], "") : page(["a"], "n/x="),
        ),
      )
      const kube = yield* kubeAt(url)
      const listed = yield* kube.list(me, configMaps, { labelSelector: "a=b,c" })
      expect(listed).toEqual({
        resourceVersion: "9",
        items: [
          { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } },
          { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "b" } },
        ],
      })
      expect(seen.map((one) => one.url)).toEqual([
        "/api/v1/configmaps?labelSelector=a%3Db%2Cc&limit=500",
        "/api/v1/configmaps?labelSelector=a%3Db%2Cc&limit=500&continue=n%2Fx%3D",
      ])
    }).pipe(Effect.scoped),
  )

  it.live("whose page token expired is begun again, without a trace of the first part", () =>
    Effect.gen(function* () {
      const { url } = yield* fakeServer((one, response, count) => {
        if (count === 2) answer(response, 410, "")
        else
          answer(
            response,
            200,
            one.url.includes("continue=") ? page(["c"], "") : page([`a${count}`], "n"),
          )
      })
      const kube = yield* kubeAt(url)
      const { items } = yield* kube.listMetadata(me, configMaps)
      expect(items.map((item) => item.metadata.name)).toEqual(["a3", "c"])
    }).pipe(Effect.scoped),
  )

  it.live("whose page token always expires is given up", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((one, response) =>
        one.url.includes("continue=")
          ? answer(response, 410, "")
          : answer(response, 200, page(["a"], "n")),
      )
      const kube = yield* kubeAt(url)
      expect((yield* Effect.flip(kube.list(me, configMaps))).code).toBe("NOPEA-A007")
      expect(seen.length).toBe(6)
    }).pipe(Effect.scoped),
  )
})

describe("a watch", () => {
  const watch = (url: string, options: Parameters<typeof kubeAt>[1] = {}) =>
    Stream.unwrap(
      Effect.map(kubeAt(url, options), (kube) =>
        kube.watchMetadata(me, configMaps, { resourceVersion: "5" }),
      ),
    )

  it.live("brings events and bookmarks as they come, and ends with the server's end", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response) => {
        response.writeHead(200)
        const text = line("ADDED", "6") + line("BOOKMARK", "7")
        response.write(text.slice(0, 30))
        response.write(text.slice(30))
        response.end(line("DELETED", "8").slice(0, -20))
      })
      const events = yield* Stream.runCollect(watch(url))
      expect(events.map((e) => e.type)).toEqual(["ADDED", "BOOKMARK"])
      expect(seen[0]?.url).toMatch(
        /^\/api\/v1\/configmaps\?watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=\d{3}$/,
      )
    }).pipe(Effect.scoped),
  )

  it.live("that is refused, expired, cut or senseless is a typed failure", () =>
    Effect.gen(function* () {
      const expired = {
        type: "ERROR",
        object: { kind: "Status", code: 410, reason: "Expired", message: "too old" },
      }
      const { url } = yield* fakeServer((_, response, count) => {
        if (count === 1) return answer(response, 403, "")
        if (count === 2) return answer(response, 410, "")
        response.writeHead(200)
        if (count === 3) return void response.end(`${JSON.stringify(expired)}\n`)
        if (count === 4) return void response.end("what?\n")
        response.write(line("ADDED", "6"), () => response.destroy())
      })
      const codes: Array<string> = []
      for (let i = 0; i < 5; i++) {
        const outcome = yield* Effect.result(Stream.runDrain(watch(url)))
        codes.push(Result.isFailure(outcome) ? outcome.failure.code : "none")
      }
      expect(codes).toEqual(["NOPEA-A011", "NOPEA-A007", "NOPEA-A007", "NOPEA-A020", "NOPEA-A018"])
    }).pipe(Effect.scoped),
  )

  it.live("in silence ends with a typed failure, and a line without end too", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response, count) => {
        response.writeHead(200)
        response.write(count === 1 ? line("ADDED", "6") : "x".repeat(2_000))
      })
      const silent = yield* Effect.flip(Stream.runDrain(watch(url, { watchIdle: 100 })))
      expect(silent.code).toBe("NOPEA-A028")
      const endless = yield* Effect.flip(Stream.runDrain(watch(url, { maxLine: 1_000 })))
      expect(endless.code).toBe("NOPEA-A020")
      yield* Effect.promise(() => Promise.all(seen.map((one) => one.closed)))
    }).pipe(Effect.scoped),
  )

  it.live("closes its connection at once when interrupted, also before the first answer", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((_, response, count) => {
        if (count === 1) return
        response.writeHead(200)
        response.write(line("ADDED", "6"))
      })
      for (const count of [1, 2]) {
        const watching = yield* Effect.forkChild(Stream.runDrain(watch(url)))
        while (seen.length < count) yield* Effect.sleep(1)
        yield* Fiber.interrupt(watching)
        yield* Effect.promise(() => seen[count - 1]?.closed ?? Promise.reject())
      }
    }).pipe(Effect.scoped),
  )

  it.live("takes no place in the budget, however many there are", () =>
    Effect.gen(function* () {
      const { url, seen } = yield* fakeServer((one, response) => {
        if (!one.url.includes("watch=")) return answer(response, 200, object)
        response.writeHead(200)
        response.write(line("ADDED", "6"))
      })
      const kube = yield* kubeAt(url, { requests: 1 })
      const one = Stream.runDrain(kube.watch(me, configMaps, { resourceVersion: "5" }))
      const watches = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 50 }, () => one),
          { concurrency: "unbounded" },
        ),
      )
      while (seen.length < 50) yield* Effect.sleep(1)
      expect(yield* kube.get(me, configMaps, name)).toEqual(object)
      yield* Fiber.interrupt(watches)
    }).pipe(Effect.scoped),
  )

  it.live("opens with new credentials where the old ones are refused", () =>
    Effect.gen(function* () {
      const { url } = yield* fakeServer((one, response) => {
        if (one.headers.authorization !== "Bearer new") return answer(response, 401, "")
        response.writeHead(200)
        response.end(line("ADDED", "6"))
      })
      const events = yield* Stream.runCollect(watch(url, { tokens: ["old", "new"] }))
      expect(events.length).toBe(1)
    }).pipe(Effect.scoped),
  )
})

describe("the connections", () => {
  it.live("are closed with the layer, also those of a watch that somebody still reads", () =>
    Effect.gen(function* () {
      const { url, sockets } = yield* fakeServer((one, response) => {
        if (!one.url.includes("watch=")) return answer(response, 200, object)
        response.writeHead(200)
        response.write(line("ADDED", "6"))
      })
      const outcome = yield* Effect.scoped(
        Effect.gen(function* () {
          const kube = yield* kubeAt(url)
          yield* kube.get(me, configMaps, name)
          const watching = yield* Effect.forkDetach(
            Stream.runDrain(kube.watch(me, configMaps, { resourceVersion: "5" })),
          )
          while (sockets.size < 2) yield* Effect.sleep(1)
          return watching
        }),
      )
      expect((yield* Fiber.await(outcome))._tag).toBe("Failure")
      while (sockets.size > 0) yield* Effect.sleep(1)
    }).pipe(Effect.scoped),
  )
})
