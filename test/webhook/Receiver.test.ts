import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Redacted, References } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import type { KubeError } from "../../src/domain/errors.ts"
import { Supervisor } from "../../src/supervisor/Supervisor.ts"
import { type Answer, REFUSALS } from "../../src/webhook/answer.ts"
import type { ProviderName } from "../../src/webhook/providers.ts"
import { makeReceiver, type Receive } from "../../src/webhook/Receiver.ts"
import { actors, kubeError, outcome } from "../layers/Actors.ts"
import * as Memory from "../layers/KubeMemory.ts"
import { type RepositoryFields, repository, SYNCED } from "../layers/repositories.ts"
import { recorded } from "../layers/Spans.ts"
import { type Built, build, NAMES, NEW, replaced, SAMPLES, SECRET, SIGNING } from "./deliveries.ts"

interface World {
  readonly a: ReturnType<typeof actors>
  readonly s: Supervisor["Service"]
  readonly kube: Memory.KubeMemory["Service"]
  readonly receive: Receive
  readonly lines: ReadonlyArray<string>
  /** How many bodies were asked for. */
  readonly reads: () => number
  /** `status reason`, without code and fix. */
  readonly post: (path: string, built: Built) => Effect.Effect<string>
}

const world = (body: (w: World) => Effect.Effect<unknown>, ...secrets: ReadonlyArray<string>) => {
  const a = actors(0)
  const lines: Array<string> = []
  const logger = Logger.make(({ message, fiber }) => {
    lines.push(
      `${[message].flat().join(" ")} ${JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))}`,
    )
  })
  return Effect.gen(function* () {
    const s = yield* Supervisor
    const kube = yield* Memory.KubeMemory
    const webhookSecret = (secrets.length > 0 ? secrets : [SECRET]).map((one) => Redacted.make(one))
    const receive = yield* makeReceiver({ webhookSecret })
    let reads = 0
    const post = (path: string, built: Built) => {
      const bytes = Effect.sync(() => {
        reads += 1
        return built.body as Uint8Array
      })
      return Effect.map(
        receive({ path, headers: built.headers, body: bytes }),
        ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`),
      )
    }
    yield* body({ a, s, kube, receive, lines, post, reads: () => reads })
  }).pipe(
    Effect.asVoid,
    Effect.provide(
      Layer.provideMerge(Layer.mergeAll(a.layer, Memory.layer), Logger.layer([logger])),
    ),
  )
}

const follows = (name: string, fields: RepositoryFields = {}) =>
  repository(name, {
    status: SYNCED,
    ...fields,
    spec: { interval: "24h", reconcileInterval: "24h", secretRef: { name: "git" }, ...fields.spec },
  })

const shop = (provider: ProviderName, spec: object = {}) =>
  follows("shop", { spec: { url: SAMPLES[provider].url, ...spec } })

const hooks = (a: World["a"], key = "apps/shop") =>
  a.of(key).flatMap(({ trigger, commit }) => (trigger === "webhook" ? [commit ?? "-"] : []))

const settle = TestClock.adjust(0)
const github = SAMPLES.github
const push = build(github)

/** `shop` with its first sync done. */
const started = (w: World, spec: object = {}) =>
  Effect.andThen(w.s.start(shop("github", spec)), TestClock.adjust("1 minute"))

describe("a delivery", () => {
  it.effect.each(NAMES)("of %s wakes the worker with the commit, once", (name) =>
    world(({ a, s, post }) =>
      Effect.gen(function* () {
        yield* s.start(shop(name))
        yield* TestClock.adjust("1 minute")
        const built = build(SAMPLES[name])
        assert.strictEqual(yield* post(`/webhook/${name}`, built), "202")
        yield* settle
        assert.deepStrictEqual(hooks(a), [NEW])
        assert.strictEqual(yield* post(`/webhook/${name}`, built), "200")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(hooks(a), [NEW])
      }),
    ),
  )

  it.effect.each(NAMES)("of %s that is forged does nothing", (name) =>
    world(({ a, s, post }) =>
      Effect.gen(function* () {
        yield* s.start(shop(name))
        yield* TestClock.adjust("1 minute")
        const path = `/webhook/${name}`
        for (const built of [
          build(SAMPLES[name], { secret: "wrong" }),
          build(SAMPLES[name], { signed: false }),
        ]) {
          assert.strictEqual(yield* post(path, built), "401 NOPEA-W002")
        }
        assert.strictEqual(yield* post(path, build(SAMPLES[name])), "202")
        yield* settle
        assert.deepStrictEqual(hooks(a), [NEW])
      }),
    ),
  )

  it.effect(
    "is a part of its sender's trace where it is proven and names one, and no line tells of it",
    () => {
      const { layer, named, parentOf } = recorded()
      const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`
      const traced = (value: string, id: string, secret = SECRET): Built => {
        const { body, headers } = build(github, { secret })
        const more = { "x-github-delivery": id, traceparent: value, tracestate: "k=v" }
        return { body, headers: { ...headers, ...more } }
      }
      const path = "/webhook/github"
      return world((w) =>
        Effect.gen(function* () {
          yield* started(w)
          assert.match(yield* w.post(path, traced(traceparent, "1", "wrong")), /^401/u)
          assert.match(yield* w.post(path, traced("00-hostile-\u0000-01", "2")), /^202/u)
          yield* TestClock.adjust("1 minute")
          const before = named("Worker.sync").length
          assert.isAtLeast(before, 2)
          assert.match(yield* w.post(path, traced(traceparent, "3")), /^202/u)
          yield* TestClock.adjust("1 minute")
          const syncs = named("Worker.sync")
          assert.deepStrictEqual(
            syncs.slice(0, before).map(parentOf),
            Array.from({ length: before }, () => undefined),
          )
          assert.deepStrictEqual(syncs.slice(before).map(parentOf), ["b".repeat(16)])
          assert.notMatch(w.lines.join(), /hostile|bbbb|k=v/u)
        }),
      ).pipe(Effect.provide(layer))
    },
  )

  it.effect("with no proof is refused before its body is read", () =>
    world((w) =>
      Effect.gen(function* () {
        yield* started(w)
        for (const name of NAMES) {
          yield* w.post(`/webhook/${name}`, build(SAMPLES[name], { signed: false }))
        }
        yield* w.post("/webhook/gitlab", build(SAMPLES.gitlab, { secret: "wrong" }))
        yield* w.post("/webhook/azure", build(SAMPLES.azure, { secret: "wrong" }))
        yield* w.post("/webhook/apps/nobody", push)
        assert.strictEqual(w.reads(), 0)
      }),
    ),
  )

  it.effect("wakes everybody at that place who follows one of its refs, and nobody else", () =>
    world(({ a, s, post }) =>
      Effect.gen(function* () {
        const start = (name: string, namespace: string, spec: object) =>
          s.start(
            follows(name, {
              namespace,
              uid: `${namespace}-${name}`,
              spec: { url: github.url, ...spec },
            }),
          )
        yield* start("shop", "apps", {})
        yield* start("shop", "other", { url: "git@github.com:Acme/Shop.git" })
        yield* start("late", "apps", { branch: "release" })
        yield* start("tag", "apps", { branch: "tagged" })
        yield* start("else", "apps", { url: "https://github.com/acme/else" })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* post("/webhook/github", push), "202")
        yield* settle
        const woken = a.calls.filter(({ trigger }) => trigger === "webhook").map(({ key }) => key)
        assert.deepStrictEqual(woken.toSorted(), ["apps/shop", "other/shop"])
        const tagged = { ...github, body: { ...github.body, ref: "refs/tags/tagged" } }
        const headers = { "x-github-delivery": "tag-1" }
        assert.strictEqual(yield* post("/webhook/github", build(tagged, { headers })), "200")
      }),
    ),
  )

  it.effect("of ten thousand refs is looked through to the last", () =>
    world(({ a, s, post }) =>
      Effect.gen(function* () {
        yield* s.start(shop("azure"))
        yield* TestClock.adjust("1 minute")
        const other = (nth: number) => ({ name: `refs/heads/b${nth}`, newObjectId: NEW })
        const refUpdates = [
          ...Array.from({ length: 10_000 }, (_, nth) => other(nth)),
          { name: "refs/heads/main", newObjectId: NEW },
        ]
        const body = replaced(SAMPLES.azure.body, "resource.refUpdates", refUpdates)
        assert.strictEqual(yield* post("/webhook/azure", build({ ...SAMPLES.azure, body })), "202")
        yield* settle
        assert.deepStrictEqual(hooks(a), [NEW])
      }),
    ),
  )

  it.effect("is proven by each of several secrets", () =>
    world(
      (w) =>
        Effect.gen(function* () {
          yield* started(w)
          for (const [nth, secret] of ["first", "second"].entries()) {
            const headers = { "x-github-delivery": `d-${nth}` }
            const built = build(github, { secret, headers })
            assert.strictEqual(yield* w.post("/webhook/github", built), "202")
          }
        }),
      "first",
      "second",
    ),
  )

  it.effect("of GitLab is proven by its signing token too, once for each id", () =>
    world(
      (w) =>
        Effect.gen(function* () {
          yield* w.s.start(shop("gitlab"))
          yield* TestClock.adjust("1 minute")
          const { body, headers } = build(SAMPLES.gitlab, { signed: false })
          const mac = createHmac("sha256", Buffer.alloc(32, 7)).update("id-1.60.").update(body)
          const signed = {
            "idempotency-key": "id-1",
            "webhook-id": "id-1",
            "webhook-timestamp": "60",
            "webhook-signature": `v1,${mac.digest("base64")}`,
          }
          const built = { body, headers: { ...headers, ...signed } }
          assert.strictEqual(yield* w.post("/webhook/gitlab", built), "202")
          assert.strictEqual(yield* w.post("/webhook/gitlab", built), "200")
          yield* settle
          assert.deepStrictEqual(hooks(w.a), [NEW])
          yield* TestClock.adjust("6 minutes")
          assert.strictEqual(yield* w.post("/webhook/gitlab", built), "401 NOPEA-W002")
        }),
      SIGNING,
    ),
  )

  it.effect("whose repository is not known yet is taken when it comes again", () =>
    world((w) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* w.post("/webhook/github", push), "404 NOPEA-W004")
        yield* started(w)
        assert.strictEqual(yield* w.post("/webhook/github", push), "202")
      }),
    ),
  )

  it.effect("is not taken while the workers stop, and can come again", () =>
    world((w) =>
      Effect.gen(function* () {
        yield* started(w)
        w.a.script.set("apps/shop", () => Effect.as(Effect.sleep("30 seconds"), outcome()))
        yield* Effect.forkChild(w.s.syncNow("apps/shop"))
        yield* settle
        yield* Effect.forkChild(w.s.stopAll("1 minute"))
        yield* settle
        for (const _ of [1, 2]) {
          assert.strictEqual(yield* w.post("/webhook/github", push), "503 NOPEA-W008")
        }
      }),
    ),
  )
})

const form = (payload: string): Buffer => Buffer.from(new URLSearchParams({ payload }).toString())
const FORM = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" }

describe("a form post", () => {
  it.effect("of GitHub is signed as it came, of Gitea and its kin by the JSON in it", () =>
    world(({ a, s, post }) =>
      Effect.gen(function* () {
        for (const name of ["github", "gitea", "forgejo", "gogs"] as const) {
          const { body, headers, sign, url } = SAMPLES[name]
          yield* s.start(follows(name, { spec: { url } }))
          yield* TestClock.adjust("1 minute")
          const json = JSON.stringify({ ...body, message: "ä + 100%" })
          const bytes = form(json)
          const signed = name === "github" ? bytes : Buffer.from(json)
          const wrong = name === "github" ? Buffer.from(json) : bytes
          const built = (over: Buffer) => ({
            body: bytes,
            headers: { ...headers, ...FORM, ...sign(over) },
          })
          assert.strictEqual(yield* post(`/webhook/${name}`, built(wrong)), "401 NOPEA-W002")
          assert.strictEqual(yield* post(`/webhook/${name}`, built(signed)), "202")
          yield* settle
          assert.deepStrictEqual(hooks(a, `apps/${name}`), [NEW])
        }
      }),
    ),
  )

  it.effect("of a stranger is not taken apart", () =>
    world(({ post }) =>
      Effect.gen(function* () {
        const parser = vi.spyOn(globalThis, "URLSearchParams")
        const decoder = vi.spyOn(globalThis, "decodeURIComponent")
        const many = "a&".repeat(1000)
        for (const [name, body] of [
          ["github", many],
          ["github", `payload=%7B%7D&${many}`],
          ["bitbucket", `payload=%7B%7D&${many}`],
          ["gitea", many],
          ["gitea", `payload=%7B%7D&${many}`],
        ] as const) {
          const { headers, sign } = SAMPLES[name]
          const bytes = Buffer.from(body)
          const built = { body: bytes, headers: { ...headers, ...FORM, ...sign(bytes, "wrong") } }
          assert.strictEqual(yield* post(`/webhook/${name}`, built), "401 NOPEA-W002")
        }
        assert.strictEqual(parser.mock.calls.length, 0)
        assert.deepStrictEqual(decoder.mock.calls, [["%7B%7D"]])
      }).pipe(Effect.ensuring(Effect.sync(() => vi.restoreAllMocks()))),
    ),
  )
})

describe("a proven delivery that asks for nothing", () => {
  type Over = { body?: Record<string, unknown>; headers?: Record<string, string> }
  const cases: ReadonlyArray<[string, ProviderName, Over, string]> = [
    ["a ping", "github", { headers: { "x-github-event": "ping" } }, "200"],
    [
      "an organisation's ping",
      "github",
      { headers: { "x-github-event": "ping" }, body: { zen: "z", organization: {} } },
      "200",
    ],
    ["another event", "gitea", { headers: { "x-gitea-event": "issues" } }, "200"],
    ["another branch", "github", { body: { ...github.body, ref: "refs/heads/other" } }, "200"],
    [
      "a tag of the branch's name",
      "github",
      { body: { ...github.body, ref: "refs/tags/main" } },
      "200",
    ],
    ["a bare ref", "github", { body: { ...github.body, ref: "main" } }, "200"],
    ["no repository", "github", { body: { ref: "refs/heads/main", after: NEW } }, "400 NOPEA-W003"],
    [
      "no repository, of one that minds 4xx",
      "gitlab",
      { body: { object_kind: "push", ref: "refs/heads/main" } },
      "200 NOPEA-W003",
    ],
    [
      "another repository",
      "github",
      { body: replaced(github.body, "repository", { clone_url: "https://github.com/acme/else" }) },
      "404 NOPEA-W004",
    ],
    [
      "another repository, of one that minds 4xx",
      "gitlab",
      {
        body: replaced(SAMPLES.gitlab.body, "project", {
          git_http_url: "https://gitlab.com/acme/else",
        }),
      },
      "200 NOPEA-W004",
    ],
    ["no details", "azure", { body: { eventType: "git.push", resource: {} } }, "200 NOPEA-W003"],
    ["a list", "github", { body: [] as unknown as Record<string, unknown> }, "400 NOPEA-W003"],
  ]
  it.effect.each(cases)("%s of %s", ([, name, { body, headers }, expected]) =>
    world(({ a, s, post }) =>
      Effect.gen(function* () {
        yield* s.start(shop(name))
        yield* TestClock.adjust("1 minute")
        const sample = { ...SAMPLES[name], ...(body === undefined ? {} : { body }) }
        const built = build(sample, headers === undefined ? {} : { headers })
        assert.strictEqual(yield* post(`/webhook/${name}`, built), expected)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(hooks(a), [])
      }),
    ),
  )

  it.effect("what is signed and no JSON", () =>
    world(({ post }) =>
      Effect.gen(function* () {
        for (const text of ["", "{", '{"a":', "\0", "\ud800", "[".repeat(100_000)]) {
          const body = Buffer.from(text)
          const built = { body, headers: { ...github.headers, ...github.sign(body) } }
          assert.strictEqual(yield* post("/webhook/github", built), "400 NOPEA-W003")
        }
      }),
    ),
  )

  it.effect("what is proven by its headers and whose body is refused", () =>
    world(({ receive }) =>
      Effect.gen(function* () {
        const signed = { "webhook-id": "1", "webhook-timestamp": "0" }
        const signature = `v1,${Buffer.alloc(32).toString("base64")}`
        for (const refusal of [REFUSALS.tooLarge, REFUSALS.late, REFUSALS.encoded]) {
          const status = (name: ProviderName, headers: object) =>
            Effect.map(
              receive({
                path: `/webhook/${name}`,
                headers: { ...SAMPLES[name].headers, ...headers },
                body: Effect.fail(refusal),
              }),
              ({ status, code }) => `${status} ${code}`,
            )
          const bytes = Buffer.from("")
          const gentle = `200 ${refusal.code}`
          const plain = `${refusal.status} ${refusal.code}`
          assert.strictEqual(yield* status("gitlab", SAMPLES.gitlab.sign(bytes)), gentle)
          assert.strictEqual(yield* status("azure", SAMPLES.azure.sign(bytes)), gentle)
          assert.strictEqual(yield* status("github", github.sign(bytes)), plain)
          const unproven = { ...signed, "webhook-signature": signature }
          assert.strictEqual(yield* status("gitlab", unproven), plain)
        }
      }),
    ),
  )

  it.effect("Bitbucket Server's ping, which comes unsigned", () =>
    world(({ post }) =>
      Effect.gen(function* () {
        const built = build(SAMPLES["bitbucket-server"], {
          signed: false,
          headers: { "x-event-key": "diagnostics:ping" },
        })
        assert.strictEqual(yield* post("/webhook/bitbucket-server", built), "200")
      }),
    ),
  )
})

const SECRETS = Memory.resourceType("v1", "Secret")
const NAME = { namespace: "apps", name: "hook" }
const encoded = (...values: ReadonlyArray<string>) =>
  Object.fromEntries(values.map((value, nth) => [`k${nth}`, Buffer.from(value).toString("base64")]))
const own = { webhook: { secretRef: { name: "hook" } } }
const store = (w: World, ...values: ReadonlyArray<string>) =>
  w.kube.put({ apiVersion: "v1", kind: "Secret", metadata: NAME, data: encoded(...values) })
const secretReads = (w: World) => w.kube.calls.filter(({ type }) => type?.kind === "Secret").length
const signedBy = (secret: string, id: string) =>
  build(github, { secret, headers: { "x-github-delivery": id } })

describe("a repository's own route", () => {
  it.effect("takes what one of its own secrets proves, and compares URL and branch", () =>
    world((w) =>
      Effect.gen(function* () {
        store(w, "one\n", "two")
        yield* started(w, own)
        const { post } = w
        assert.strictEqual(yield* post("/webhook/apps/shop", signedBy("one", "1")), "202")
        assert.strictEqual(yield* post("/webhook/shop", signedBy("two", "2")), "202")
        assert.strictEqual(
          yield* post("/webhook/apps/shop", signedBy(SECRET, "3")),
          "401 NOPEA-W002",
        )
        assert.strictEqual(yield* post("/webhook/github", signedBy("one", "4")), "401 NOPEA-W002")
        const else_ = replaced(github.body, "repository", {
          clone_url: "https://github.com/acme/else",
        })
        const other = build({ ...github, body: else_ }, { secret: "one" })
        assert.strictEqual(yield* post("/webhook/apps/shop", other), "404 NOPEA-W004")
        const release = { ...github, body: { ...github.body, ref: "refs/heads/release" } }
        assert.strictEqual(yield* post("/webhook/shop", build(release, { secret: "one" })), "200")
      }),
    ),
  )

  it.effect("that nobody has, or two have, or has no secret, answers as a wrong proof does", () =>
    world((w) =>
      Effect.gen(function* () {
        yield* started(w)
        yield* w.s.start(follows("twin", { namespace: "a", uid: "a", spec: own }))
        yield* w.s.start(follows("twin", { namespace: "b", uid: "b", spec: own }))
        for (const path of [
          "/webhook/apps/nobody",
          "/webhook/nobody",
          "/webhook/shop",
          "/webhook/twin",
        ]) {
          assert.strictEqual(yield* w.post(path, push), "401 NOPEA-W002", path)
        }
        assert.strictEqual(secretReads(w), 0)
      }),
    ),
  )

  it.effect(
    "reads its Secret seldom, however many wrong proofs come, and takes a new one soon",
    () =>
      world((w) =>
        Effect.gen(function* () {
          store(w, "old")
          yield* started(w, own)
          const wrong = Effect.forEach([...Array(50).keys()], (nth) =>
            w.post("/webhook/apps/shop", signedBy("new", `w${nth}`)),
          )
          assert.deepStrictEqual([...new Set(yield* wrong)], ["401 NOPEA-W002"])
          assert.strictEqual(secretReads(w), 1)
          store(w, "new")
          yield* wrong
          assert.strictEqual(secretReads(w), 1)
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* w.post("/webhook/apps/shop", signedBy("new", "n")), "202")
          assert.strictEqual(
            yield* w.post("/webhook/apps/shop", signedBy("old", "o")),
            "401 NOPEA-W002",
          )
          assert.strictEqual(secretReads(w), 2)
        }),
      ),
  )

  it.effect(
    "takes a removed secret for a minute at most, and goes on where the API server does not answer",
    () =>
      world((w) =>
        Effect.gen(function* () {
          store(w, "one")
          yield* started(w, own)
          assert.strictEqual(yield* w.post("/webhook/apps/shop", signedBy("one", "1")), "202")
          const down: { error: KubeError | undefined } = { error: kubeError("retry") }
          w.kube.intercept(() => (down.error === undefined ? Effect.void : Effect.fail(down.error)))
          yield* TestClock.adjust("61 seconds")
          assert.strictEqual(yield* w.post("/webhook/apps/shop", signedBy("one", "2")), "202")
          down.error = undefined
          w.kube.remove(SECRETS, NAME)
          yield* TestClock.adjust("61 seconds")
          assert.strictEqual(
            yield* w.post("/webhook/apps/shop", signedBy("one", "3")),
            "401 NOPEA-W002",
          )
          for (const code of ["NOPEA-W009", "NOPEA-W011"]) {
            const told = w.lines.filter((line) => line.includes(code))
            assert.strictEqual(told.length, 1, w.lines.join("\n"))
          }
        }),
      ),
  )

  it.effect.each(["fails", "hangs"] as const)(
    "asks senders to come again where the first read of its Secret %s",
    (how) =>
      world((w) =>
        Effect.gen(function* () {
          store(w, "one")
          yield* started(w, own)
          const away = how === "fails" ? Effect.fail(kubeError("retry")) : Effect.never
          w.kube.intercept(() => away)
          const post = (id: string, secret = "one") =>
            w.post("/webhook/apps/shop", signedBy(secret, id))
          const first = yield* Effect.forkChild(post("1"))
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual(yield* Fiber.join(first), "503 NOPEA-W008")
          assert.strictEqual(yield* post("1", "wrong"), "503 NOPEA-W008")
          assert.strictEqual(secretReads(w), 1)
          w.kube.intercept(() => Effect.void)
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* post("1"), "202")
          const lines = w.lines.join("\n")
          assert.include(lines, "NOPEA-W011")
          assert.notInclude(lines, "NOPEA-W009")
        }),
      ),
  )
})

describe("what is logged", () => {
  it.effect("names repository, provider and commit, and nothing that a sender wrote", () =>
    world((w) =>
      Effect.gen(function* () {
        yield* started(w)
        const text = "evil\nline"
        const loud = { ...github, body: { ...github.body, pusher: text, [text]: text } }
        const headers = { "x-github-delivery": text, "x-evil": text }
        assert.strictEqual(yield* w.post("/webhook/github", build(loud, { headers })), "202")
        const lines = w.lines.join("")
        assert.include(lines, NEW)
        assert.notInclude(lines, "evil")
        assert.notInclude(lines, SECRET)
      }),
    ),
  )
})
