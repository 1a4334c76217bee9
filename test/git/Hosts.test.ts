import { it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { GitError } from "../../src/domain/errors.ts"
import { FAULTS, type Fault, gitError } from "../../src/git/failure.ts"
import { type Asker, type Hosts, makeHosts } from "../../src/git/Hosts.ts"

const GITHUB = "https://github.example"
const GITLAB = "https://gitlab.example"

const asker = (origin: string, who = "", subject = "shop"): Asker => ({
  origin,
  who,
  place: { operation: "ls-remote", subject },
})

type How = "inTurn" | "atOnce"

const ask = (
  hosts: Hosts,
  by: Asker,
  talk: Effect.Effect<string, GitError> = Effect.succeed("heard"),
  how: How = "inTurn",
): Effect.Effect<string, GitError> =>
  Effect.scoped(Effect.flatMap(hosts.open(by), (converse) => converse(talk, how)))

const refused = (fault: Fault, retryAfter?: number): Effect.Effect<never, GitError> =>
  Effect.fail(gitError(fault, asker("", "", "secret/repository").place, "fatal: 429", retryAfter))

const world = <A, E>(body: (hosts: Hosts) => Effect.Effect<A, E, Scope.Scope>, perSecond = 10) =>
  Effect.scoped(Effect.flatMap(makeHosts(perSecond), body))

const codeOf = (result: Result.Result<string, GitError>): string =>
  Result.isSuccess(result) ? result.success : result.failure.code

/** The answers of these askers, asked now. */
const heard = (hosts: Hosts, ...askers: ReadonlyArray<Asker>) =>
  Effect.forEach(askers, (by) => Effect.map(Effect.result(ask(hosts, by)), codeOf))

const LIMITED = FAULTS.rateLimited.code

describe("a host that asks for rest", () => {
  it.effect("is asked nothing by equal or no credentials until then, and others go on", () =>
    world((hosts) =>
      Effect.gen(function* () {
        const all = [
          asker(GITHUB, "ann"),
          asker(GITHUB),
          asker(GITHUB, "ben"),
          asker(GITLAB, "ann"),
          asker(GITLAB),
        ]
        yield* Effect.flip(ask(hosts, asker(GITHUB, "ann"), refused("rateLimited", 30_000)))
        const during = [LIMITED, LIMITED, "heard", "heard", "heard"]
        expect(yield* heard(hosts, ...all)).toEqual(during)
        yield* TestClock.adjust(29_999)
        expect(yield* heard(hosts, ...all)).toEqual(during)
        yield* TestClock.adjust(1)
        expect(yield* heard(hosts, ...all)).toEqual(new Array(5).fill("heard"))
      }),
    ),
  )

  it.effect("of anonymous ones is asked on by those with credentials", () =>
    world((hosts) =>
      Effect.gen(function* () {
        yield* Effect.flip(ask(hosts, asker(GITHUB), refused("rateLimited", 30_000)))
        const all = [asker(GITHUB), asker(GITHUB, "ann")]
        expect(yield* heard(hosts, ...all)).toEqual([LIMITED, "heard"])
      }),
    ),
  )

  it.effect("is told with server, time and code, and never with the other's repository", () =>
    world((hosts) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.UTC(2026, 10, 20, 10))
        const first = yield* Effect.flip(ask(hosts, asker(GITHUB), refused("serverError", 90_000)))
        const text = `${GITHUB} asked for rest: it is asked nothing before 2026-11-20T10:01:30Z`
        expect(first).toMatchObject({
          code: FAULTS.serverError.code,
          subject: "secret/repository",
          reason: `${text}: fatal: 429`,
        })
        yield* TestClock.adjust(20_000)
        const second = yield* Effect.flip(ask(hosts, asker(GITHUB, "", "blog")))
        expect(second).toMatchObject({
          code: FAULTS.serverError.code,
          subject: "blog",
          reason: text,
          disposition: "retry",
        })
        expect(second.retryAfter).toBeGreaterThanOrEqual(70_000)
        expect(second.retryAfter).toBeLessThanOrEqual(77_000)
      }),
    ),
  )

  it.effect("lets those who were held back come apart", () =>
    world((hosts) =>
      Effect.gen(function* () {
        yield* Effect.flip(ask(hosts, asker(GITHUB), refused("rateLimited", 60_000)))
        const errors = yield* Effect.forEach(new Array(50).fill(0), () =>
          Effect.flip(ask(hosts, asker(GITHUB))),
        )
        const times = new Set(errors.map(({ retryAfter }) => retryAfter))
        expect(times.size).toBeGreaterThan(40)
      }),
    ),
  )

  it.effect.each([
    ["nothing", undefined, 0],
    ["an instant", 0, 1000],
    ["a hundred years", 3e12, 3_600_000],
  ] as const)("for %s", ([, asked, rest]) =>
    world((hosts) =>
      Effect.gen(function* () {
        yield* Effect.flip(ask(hosts, asker(GITHUB), refused("serverError", asked)))
        const held = yield* Effect.result(ask(hosts, asker(GITHUB)))
        expect(Result.isFailure(held)).toBe(rest > 0)
        yield* TestClock.adjust(rest)
        expect(yield* ask(hosts, asker(GITHUB))).toBe("heard")
      }),
    ),
  )

  it.effect("keeps away those who wait for a place, and the longer rest of two counts", () =>
    world((hosts) =>
      Effect.gen(function* () {
        const door = yield* Deferred.make<void>()
        const talk = (rest: number) =>
          Effect.andThen(Deferred.await(door), refused("rateLimited", rest))
        const eight = [90_000, 10_000, 5000, 5000, 5000, 5000, 5000, 5000]
        const talking = yield* Effect.forEach(eight, (rest) =>
          Effect.forkChild(Effect.result(ask(hosts, asker(GITHUB), talk(rest)))),
        )
        const waiting = yield* Effect.forkChild(Effect.result(ask(hosts, asker(GITHUB))))
        yield* TestClock.adjust(0)
        yield* Deferred.succeed(door, undefined)
        yield* Effect.forEach(talking, Fiber.join)
        expect(codeOf(yield* Fiber.join(waiting))).toBe(LIMITED)
        yield* TestClock.adjust(89_999)
        expect(yield* heard(hosts, asker(GITHUB))).toEqual([LIMITED])
        yield* TestClock.adjust(1)
        expect(yield* heard(hosts, asker(GITHUB))).toEqual(["heard"])
      }),
    ),
  )

  it.effect.each([3_600_000_000, -3_600_000_000])("rests as long if the clock is set by %i", (by) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let set = 0
      const wall = () => clock.currentTimeMillisUnsafe() + set
      const ours: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, {
        currentTimeMillisUnsafe: wall,
        currentTimeMillis: Effect.sync(wall),
      })
      const body = world((hosts) =>
        Effect.gen(function* () {
          yield* Effect.flip(ask(hosts, asker(GITHUB), refused("rateLimited", 30_000)))
          set = by
          yield* TestClock.adjust(29_999)
          expect(yield* heard(hosts, asker(GITHUB))).toEqual([LIMITED])
          yield* TestClock.adjust(1)
          expect(yield* heard(hosts, asker(GITHUB))).toEqual(["heard"])
        }),
      )
      yield* Effect.provideService(body, Clock.Clock, ours)
    }),
  )

  it.effect("by another failure holds nobody back", () =>
    world((hosts) =>
      Effect.gen(function* () {
        yield* Effect.flip(ask(hosts, asker(GITHUB), refused("authentication", 30_000)))
        expect(yield* ask(hosts, asker(GITHUB))).toBe("heard")
      }),
    ),
  )
})

describe("the pace", () => {
  const many = (hosts: Hosts, count: number, origin: string, began: Array<string>, how?: How) =>
    Effect.forkChild(
      Effect.all(
        Array.from({ length: count }, () =>
          ask(
            hosts,
            asker(origin),
            Effect.sync(() => {
              began.push(origin)
              return ""
            }),
            how,
          ),
        ),
        { concurrency: "unbounded" },
      ),
    )
  const count = (began: ReadonlyArray<string>, origin: string) =>
    began.filter((one) => one === origin).length

  it.effect("of a thousand polls is the setting's, and another host does not wait", () =>
    world((hosts) =>
      Effect.gen(function* () {
        const began: Array<string> = []
        yield* many(hosts, 1000, GITHUB, began)
        yield* TestClock.adjust(0)
        expect(count(began, GITHUB)).toBe(101)
        yield* TestClock.adjust(10_000)
        expect(count(began, GITHUB)).toBe(201)
        yield* many(hosts, 20, GITLAB, began)
        yield* TestClock.adjust(0)
        expect(count(began, GITLAB)).toBe(20)
        yield* TestClock.adjust(80_000)
        expect(count(began, GITHUB)).toBe(1000)
      }),
    ),
  )

  it.effect("does not hold what follows a push", () =>
    world((hosts) =>
      Effect.gen(function* () {
        const began: Array<string> = []
        yield* many(hosts, 500, GITHUB, began)
        yield* TestClock.adjust(0)
        yield* many(hosts, 5, GITHUB, began, "atOnce")
        yield* TestClock.adjust(0)
        expect(count(began, GITHUB)).toBe(106)
      }),
    ),
  )

  it.effect("tells those who would wait too long, and forgets those who left", () =>
    world((hosts) =>
      Effect.gen(function* () {
        const polls = yield* many(hosts, 1301, GITHUB, [])
        yield* TestClock.adjust(0)
        const error = yield* Effect.flip(ask(hosts, asker(GITHUB)))
        expect(error).toMatchObject({ code: "NOPEA-G045", disposition: "retry" })
        expect(error.reason).toContain(GITHUB)
        yield* Fiber.interrupt(polls)
        const began: Array<string> = []
        yield* many(hosts, 1, GITHUB, began)
        yield* TestClock.adjust(200)
        expect(began).toHaveLength(1)
      }),
    ),
  )

  it.effect("is forgotten with a host that nobody asks any more", () =>
    world((hosts) =>
      Effect.gen(function* () {
        for (let i = 0; i < 100; i++) yield* ask(hosts, asker(`https://h${i}.example`))
        expect(yield* hosts.known).toHaveLength(100)
        yield* TestClock.adjust("3 hours")
        expect(yield* hosts.known).toEqual([])
      }),
    ),
  )
})
