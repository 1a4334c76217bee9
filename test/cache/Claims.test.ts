import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Claims, layer } from "../../src/cache/Claims.ts"
import { repository } from "../layers/repositories.ts"

const X = "/ConfigMap/apps/x"
const ownerOf = (name: string) => ({ namespace: "apps", name, uid: repository(name).metadata.uid })

const test = (title: string, body: (claims: Claims["Service"]) => Effect.Effect<void>) =>
  it.effect(title, () => Effect.flatMap(Claims, body).pipe(Effect.provide(layer)))

/** Registers `name`; every wake is noted. */
const register = (
  claims: Claims["Service"],
  name: string,
  woken: Array<string>,
  answer = () => {},
) =>
  claims.register(repository(name), () => {
    woken.push(name)
    answer()
  })
const say = (
  claims: Claims["Service"],
  name: string,
  wants: ReadonlyArray<string>,
  startedAt: number,
) => claims.declare(ownerOf(name), { wants: new Set(wants), isWhole: true, startedAt })

describe("the claims table", () => {
  test("asks who has not looked since, and ends when all have", (claims) =>
    Effect.gen(function* () {
      const woken: Array<string> = []
      register(claims, "a", woken)
      register(claims, "b", woken)
      say(claims, "b", [], 1)
      say(claims, "a", [], 2)
      const asking = yield* Effect.forkChild(claims.ask("apps/a", [X], "5 seconds"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(woken, ["b"])
      say(claims, "b", [X], 3)
      yield* TestClock.adjust(0)
      assert.isTrue(yield* Fiber.join(asking))
      assert.strictEqual(claims.others("apps/a").wantedBy(X), "apps/b")
    }))

  test("asks anew who had no right to write it, and ends when a later try tells", (claims) =>
    Effect.gen(function* () {
      for (const name of ["a", "b"]) register(claims, name, [])
      say(claims, "b", [X], 1)
      claims.refused("apps/b", new Set([X]), 1)
      say(claims, "a", [], 2)
      const asking = yield* Effect.forkChild(claims.ask("apps/a", [X], "5 seconds"))
      say(claims, "b", [X], 3)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(asking.pollUnsafe())
      claims.refused("apps/b", new Set(), 3)
      yield* TestClock.adjust(0)
      assert.isTrue(yield* Fiber.join(asking))
      assert.strictEqual(claims.others("apps/a").wantedBy(X), "apps/b")
    }))

  test("takes a sync that failed for an answer, and nobody waits longer than the bound", (claims) =>
    Effect.gen(function* () {
      for (const name of ["a", "b"]) register(claims, name, [])
      say(claims, "a", [], 2)
      const late = yield* Effect.forkChild(claims.ask("apps/a", [X], "5 seconds"))
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(yield* Fiber.join(late))
      claims.checked("apps/b", 3)
      assert.isTrue(yield* claims.ask("apps/a", [X], "5 seconds"))
    }))

  test("is never complete while the GitRepositories are being listed", (claims) =>
    Effect.gen(function* () {
      register(claims, "a", [])
      say(claims, "a", [], 2)
      claims.listing(true)
      const asking = yield* Effect.forkChild(claims.ask("apps/a", [X], "5 seconds"))
      yield* TestClock.adjust("1 second")
      claims.listing(false)
      yield* TestClock.adjust(0)
      assert.isTrue(yield* Fiber.join(asking))
    }))

  test("wakes who waits as soon as the object is let go, or its owner is gone", (claims) =>
    Effect.sync(() => {
      const woken: Array<string> = []
      for (const name of ["a", "b"]) register(claims, name, woken)
      say(claims, "a", [X], 1)
      say(claims, "b", [X], 1)
      claims.waitFor("apps/b", X, ownerOf("a"))
      assert.deepStrictEqual(woken, [])
      say(claims, "a", [], 2)
      assert.deepStrictEqual(woken, ["b"])
      claims.drop("apps/a")
      assert.deepStrictEqual(woken, ["b", "b"])
    }))

  test("wakes who only came to wait after the object was let go", (claims) =>
    Effect.sync(() => {
      const woken: Array<string> = []
      for (const name of ["a", "b"]) register(claims, name, woken)
      say(claims, "a", [], 1)
      claims.waitFor("apps/b", X, ownerOf("a"))
      assert.deepStrictEqual(woken, ["b"])
    }))

  test("knows after a restart what a status says was waited for", (claims) =>
    Effect.sync(() => {
      const failures = [{ code: "NOPEA-A042", object: X, reason: "r", fix: "f" }]
      claims.register(repository("b", { status: { failures } }), () => {})
      assert.strictEqual(claims.others("apps/a").wantedBy(X), "apps/b")
    }))

  test("keeps the claims of a stopped worker, and asks it nothing", (claims) =>
    Effect.gen(function* () {
      const woken: Array<string> = []
      for (const name of ["a", "b"]) register(claims, name, woken)
      say(claims, "b", [X], 1)
      say(claims, "a", [], 2)
      claims.retire("apps/b")
      assert.isTrue(yield* claims.ask("apps/a", [X], "5 seconds"))
      assert.deepStrictEqual(woken, [])
      assert.strictEqual(claims.others("apps/a").wantedBy(X), "apps/b")
    }))
})
