import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import type { SyncError } from "../../src/domain/errors.ts"
import type { SyncOutcome } from "../../src/domain/outcome.ts"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"
import { ANNOTATION_ROLLBACK } from "../../src/domain/rollback.ts"
import { Syncer } from "../../src/worker/Syncer.ts"
import { sshKey } from "../gitserver/sshKeys.ts"
import type { GitMemory, MemoryRepo } from "../layers/GitMemory.ts"
import { KubeMemory, resourceType } from "../layers/KubeMemory.ts"
import { repositoryObject } from "../layers/repositories.ts"
import { sync, syncs, told } from "../layers/Syncs.ts"

const file = (name: string, value: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${value}"}\n`
const CONFIG_MAP = resourceType("v1", "ConfigMap")

type Kind = Parameters<typeof sync>[1]

interface World {
  readonly git: MemoryRepo
  readonly calls: GitMemory["calls"]
  readonly forget: () => void
  readonly good: string
  readonly bad: string
  /** The GitRepository with that annotation; without one where it is left out. */
  readonly asked: (text?: string) => GitRepository
  /** Value of the ConfigMap `a`. */
  readonly live: () => unknown
  readonly hasExtra: () => boolean
}

/** `good` was synced, then `bad`, which changes `a` and brings `extra`. */
const world = (
  body: (w: World) => Effect.Effect<unknown, never, Syncer | KubeMemory>,
  { spec = {}, signer }: { readonly spec?: object; readonly signer?: string } = {},
) => {
  const given = syncs()
  return Effect.gen(function* () {
    const kube = yield* KubeMemory
    const git = given.git.createRepo("web")
    kube.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } })
    const object = kube.put(repositoryObject("web", { spec: { url: git.url } }))
    const repository = Result.getOrThrow(decodeRepository(object))
    const asked = (text?: string): GitRepository => {
      const annotations = text === undefined ? {} : { [ANNOTATION_ROLLBACK]: text }
      const now = { ...repository.spec, ...spec }
      return { ...repository, spec: now, metadata: { ...repository.metadata, annotations } }
    }
    const find = (name: string) => kube.find(CONFIG_MAP, { namespace: "apps", name })
    const sign = signer === undefined ? {} : { signer }
    const good = git.commit({ "a.yaml": file("a", "good") })
    git.tag("v1")
    yield* sync(repository, "startup")
    const bad = git.commit({ "a.yaml": file("a", "bad"), "b.yaml": file("extra", "bad") }, sign)
    git.tag("v1")
    yield* sync(asked(), "webhook")
    yield* body({
      git,
      calls: given.git.calls,
      forget: () => given.git.loseMirrors(),
      good,
      bad,
      asked,
      live: () => (find("a")?.["data"] as { readonly value?: unknown } | undefined)?.value,
      hasExtra: () => find("extra") !== undefined,
    })
  }).pipe(Effect.provide(given.layer))
}

const outcomeOf = (result: Result.Result<SyncOutcome, SyncError>) => Result.getOrThrow(result)
const failureOf = (result: Result.Result<SyncOutcome, SyncError>) =>
  Result.isFailure(result) ? result.failure : undefined

describe("a rollback", () => {
  it.effect("applies the other commit, deletes what only the left one has, and rests there", () =>
    world(({ asked, good, bad, live, hasExtra, calls }) =>
      Effect.gen(function* () {
        const back = asked(`${bad}..${good}`)
        const outcome = outcomeOf(yield* sync(back, "specChanged"))
        assert.deepStrictEqual(outcome.rollback, { from: bad, to: good })
        assert.strictEqual(outcome.commit.sha, good)
        assert.strictEqual(live(), "good")
        assert.isFalse(hasExtra())
        yield* TestClock.adjust("1 minute")
        const before = calls.length
        const poll = outcomeOf(yield* sync(back, "poll"))
        assert.strictEqual(poll.result, "nothing")
        assert.deepStrictEqual(poll.rollback, { from: bad, to: good })
        const operations = calls.slice(before).map(({ operation }) => operation)
        assert.deepStrictEqual(operations, ["head", "lsRemote"])
      }),
    ),
  )

  it.effect("ends with the next commit, and holds again where the left one comes back", () =>
    world(({ git, asked, good, bad, live }) =>
      Effect.gen(function* () {
        const back = asked(`${bad}..${good}`)
        yield* sync(back, "specChanged")
        const next = git.commit({ "a.yaml": file("a", "next") })
        yield* TestClock.adjust("1 minute")
        const outcome = outcomeOf(yield* sync(back, "poll"))
        assert.strictEqual(outcome.commit.sha, next)
        assert.isUndefined(outcome.rollback)
        assert.strictEqual(live(), "next")
        git.createBranch("main", bad)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(outcomeOf(yield* sync(back, "poll")).commit.sha, good)
        assert.strictEqual(live(), "good")
        assert.strictEqual(outcomeOf(yield* sync(asked(), "specChanged")).commit.sha, bad)
        assert.strictEqual(live(), "bad")
      }),
    ),
  )

  it.effect("holds through drift, reconciles, lost mirrors and a silent Git server", () =>
    world(({ git, asked, good, bad, live, forget }) =>
      Effect.gen(function* () {
        const kube = yield* KubeMemory
        const back = asked(`${bad}..${good}`)
        yield* sync(back, "specChanged")
        for (const kind of ["drift", "reconcile", "retry", "startup", "syncNow"] as const) {
          forget()
          kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(outcomeOf(yield* sync(back, kind)).commit.sha, good, kind)
          assert.strictEqual(live(), "good", kind)
        }
        git.fail({ kind: "error", fault: "unreachable" })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told(yield* sync(back, "poll")), ["NOPEA-G001"])
        kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
        yield* TestClock.adjust("1 second")
        const healed = outcomeOf(yield* sync(back, "drift"))
        assert.deepStrictEqual(healed.rollback, { from: bad, to: good })
        assert.strictEqual(live(), "good")
      }),
    ),
  )

  it.effect("is over where Git itself goes back, for every look since", () =>
    world(({ git, asked, good, bad }) =>
      Effect.gen(function* () {
        const back = asked(`${bad}..${good}`)
        yield* sync(back, "specChanged")
        git.createBranch("main", good)
        yield* TestClock.adjust("1 minute")
        for (const kind of ["poll", "drift", "reconcile"] as const)
          assert.isUndefined(outcomeOf(yield* sync(back, kind)).rollback, kind)
      }),
    ),
  )

  it.effect("that is not understood applies neither commit, and asks nobody", () =>
    world(({ git, asked, good, live, calls }) =>
      Effect.gen(function* () {
        git.commit({ "a.yaml": file("a", "next") })
        const before = calls.length
        for (const kind of ["specChanged", "poll", "drift", "startup"] as const)
          assert.deepStrictEqual(told(yield* sync(asked(`bad..${good}`), kind)), ["NOPEA-C008"])
        assert.strictEqual(calls.length, before)
        assert.strictEqual(live(), "bad")
      }),
    ),
  )

  it.effect("to a commit that the server lacks fails with the way out, and writes nothing", () =>
    world(({ asked, bad, live }) =>
      Effect.gen(function* () {
        const kube = yield* KubeMemory
        const back = asked(`${bad}..${"c".repeat(40)}`)
        const failure = failureOf(yield* sync(back, "specChanged"))
        assert.strictEqual(failure?.code, "NOPEA-G035")
        assert.include(failure?.reason, `rollback from ${bad.slice(0, 7)} to ccccccc: `)
        assert.include(failure?.fix, "nopea rollback web -n apps --clear")
        assert.strictEqual(live(), "bad")
        kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
        yield* TestClock.adjust("1 second")
        for (const kind of ["drift", "reconcile", "retry", "poll"] as const) {
          assert.deepStrictEqual(told(yield* sync(back, kind)), ["NOPEA-G035"], kind)
          assert.isUndefined(live())
        }
      }),
    ),
  )

  it.effect("to a commit that nobody trusted signed changes nothing", () => {
    const signers = { ann: sshKey().public }
    const verify = { secretRef: { name: "signers" } }
    const options = { spec: { verify }, signer: signers.ann.split(" ")[1] ?? "" }
    return world(
      ({ asked, good, bad, live }) =>
        Effect.gen(function* () {
          const kube = yield* KubeMemory
          const data = { ann: Buffer.from(signers.ann).toString("base64") }
          const metadata = { name: "signers", namespace: "apps" }
          kube.put({ apiVersion: "v1", kind: "Secret", metadata, data } as never)
          yield* sync(asked(), "webhook")
          const failure = failureOf(yield* sync(asked(`${bad}..${good}`), "specChanged"))
          assert.strictEqual(failure?.code, "NOPEA-G042")
          assert.include(failure?.fix, "--to COMMIT")
          assert.strictEqual(live(), "bad")
        }),
      options,
    )
  })

  it.effect("does not keep a push from being waited for that the server does not show yet", () =>
    world(({ git, asked, good, bad, live }) =>
      Effect.gen(function* () {
        const back = asked(`${bad}..${good}`)
        yield* sync(back, "specChanged")
        git.createBranch("late")
        const next = git.commit({ "a.yaml": file("a", "next") }, { branch: "late" })
        const syncer = yield* Syncer
        const trigger = { kind: "webhook", commit: next } as const
        const push = yield* Effect.forkChild(
          syncer.run({ repository: back, trigger, syncId: "01J00000000000000000000000" }),
        )
        yield* TestClock.adjust("1 second")
        git.createBranch("main", next)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual((yield* Effect.orDie(Fiber.join(push))).commit.sha, next)
        assert.strictEqual(live(), "next")
      }),
    ),
  )

  it.effect("moves no tag", () =>
    world(
      ({ git, asked, good, bad }) =>
        Effect.gen(function* () {
          yield* sync(asked(), "specChanged")
          const back = asked(`${bad}..${good}`)
          assert.deepStrictEqual(outcomeOf(yield* sync(back, "specChanged")).warnings, [])
          const next = git.commit({ "a.yaml": file("a", "next") })
          git.tag("v1")
          const moved = `the tag v1 moved from ${bad.slice(0, 12)} to ${next.slice(0, 12)}`
          assert.deepStrictEqual(outcomeOf(yield* sync(back, "webhook")).warnings, [moved])
        }),
      { spec: { ref: { tag: "v1" } } },
    ),
  )

  type Move = readonly [head: number, from: number, to: number, kind: Kind]
  const at = fc.integer({ min: 0, max: 3 })
  const kinds = fc.constantFrom<Kind>("webhook", "syncNow", "specChanged", "poll", "startup")
  const moves = fc.array(fc.tuple(at, at, at, kinds) as fc.Arbitrary<Move>, { maxLength: 12 })

  it.effect("is in force exactly while Git has the commit that was left", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(moves, (sequence) =>
          Effect.runPromise(
            world(({ git, asked, bad, good }) =>
              Effect.gen(function* () {
                const more = ["x", "y"].map((value) => git.commit({ "a.yaml": file("a", value) }))
                const all = [good, bad, ...more]
                for (const [head, from, to, kind] of sequence) {
                  git.createBranch("main", all[head])
                  yield* TestClock.adjust("1 minute")
                  const text = from === to ? undefined : `${all[from]}..${all[to]}`
                  const { commit, rollback } = outcomeOf(yield* sync(asked(text), kind))
                  const isBack = from !== to && head === from
                  assert.strictEqual(commit.sha, all[isBack ? to : head])
                  assert.strictEqual(rollback !== undefined, isBack)
                }
              }),
            ).pipe(Effect.provide(TestClock.layer())),
          ),
        ),
        { numRuns: 40 },
      ),
    ),
  )
})
