import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { Cache } from "../../src/cache/Cache.ts"
import { Claims } from "../../src/cache/Claims.ts"
import { Dependencies } from "../../src/cache/Dependencies.ts"
import { elapsedMillis } from "../../src/domain/Elapsed.ts"
import { decodeRepository, type GitRepository } from "../../src/domain/repository.ts"
import { FAULTS } from "../../src/git/failure.ts"
import { sshKey } from "../gitserver/sshKeys.ts"
import { KubeMemory, resourceType } from "../layers/KubeMemory.ts"
import { repositoryObject } from "../layers/repositories.ts"
import { sync, syncs, told } from "../layers/Syncs.ts"

const configMap = (name: string, value = "x"): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${value}"}\n`

const CONFIG_MAP = resourceType("v1", "ConfigMap")
const SECRET = resourceType("v1", "Secret")

/** A GitRepository that the API server also knows, over a Git repository of that name. */
const given = Effect.fnUntraced(function* (
  world: ReturnType<typeof syncs>,
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
) {
  const kube = yield* KubeMemory
  const git = world.git.createRepo(name)
  const fields = { spec: { url: git.url, ...spec } }
  kube.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } })
  const object = kube.put(repositoryObject(name, fields))
  return { kube, git, repository: Result.getOrThrow(decodeRepository(object)) }
})

const find = (kube: KubeMemory["Service"], name: string) =>
  kube.find(CONFIG_MAP, { namespace: "apps", name })

describe("a sync", () => {
  it.effect("creates what is new, changes what changed, deletes what left, and rests", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "web")
      git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b"), "c.yaml": configMap("c") })
      assert.deepStrictEqual(told(yield* sync(repository, "startup")), [
        "created ConfigMap/apps/a",
        "created ConfigMap/apps/b",
        "created ConfigMap/apps/c",
      ])
      git.commit({ "a.yaml": configMap("a", "y"), "c.yaml": null })
      assert.deepStrictEqual(told(yield* sync(repository, "webhook")), [
        "configured ConfigMap/apps/a",
        "deleted ConfigMap/apps/c",
        "unchanged ConfigMap/apps/b",
      ])
      assert.isUndefined(find(kube, "c"))
      const rest = yield* sync(repository, "reconcile")
      assert.strictEqual(Result.getOrThrow(rest).result, "nothing")
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a poll that finds the applied commit asks Git once and the cluster nothing", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "poll")
      git.commit({ "a.yaml": configMap("a") })
      yield* sync(repository, "startup")
      yield* TestClock.adjust("1 minute")
      const asked = kube.calls.length
      const before = world.git.calls.length
      const result = yield* sync(repository, "poll")
      assert.strictEqual(Result.getOrThrow(result).result, "nothing")
      assert.strictEqual(kube.calls.length, asked)
      assert.deepStrictEqual(
        world.git.calls.slice(before).map((c) => c.operation),
        ["head", "lsRemote"],
      )
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a reconcile sees what was deleted, and needs no Git server", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "offline")
      git.commit({ "a.yaml": configMap("a") })
      yield* sync(repository, "startup")
      git.fail({ kind: "error", fault: "unreachable" })
      kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told(yield* sync(repository, "reconcile")), [
        "healed ConfigMap/apps/a",
      ])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("only a look into Git answers who asks whether an object is wanted", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository } = yield* given(world, "asked")
      git.commit({ "a.yaml": configMap("a") })
      const claims = yield* Claims
      claims.register(repository, () => {})
      yield* sync(repository, "startup")
      yield* TestClock.adjust("1 minute")
      const owner = { namespace: "apps", name: "asking", uid: "uid-asking" }
      const asking = { ...repository.metadata, ...owner }
      claims.register({ ...repository, metadata: asking }, () => {})
      const startedAt = yield* elapsedMillis
      claims.declare(owner, { wants: new Set(), isWhole: true, startedAt })
      const ask = claims.ask("apps/asking", ["/ConfigMap/apps/a"], "1 second")
      const answers: Array<boolean> = []
      for (const trigger of ["drift", "reconcile", "poll"] as const) {
        yield* TestClock.adjust("1 second")
        yield* sync(repository, trigger)
        const asked = yield* Effect.forkChild(ask)
        yield* TestClock.adjust("2 seconds")
        answers.push(yield* Fiber.join(asked))
      }
      assert.deepStrictEqual(answers, [false, false, true])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("what somebody keeps us off at a newer commit is not read from Git again", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "glass")
      git.commit({ "a.yaml": configMap("a") })
      yield* sync(repository, "startup")
      const object = find(kube, "a")
      const annotations = { ...object?.metadata.annotations, "nopea.io/suspend-heal": "true" }
      kube.put({ ...object, metadata: { ...object?.metadata, annotations } } as never)
      yield* TestClock.adjust("1 second")
      git.commit({ "a.yaml": configMap("a", "y") })
      assert.deepStrictEqual(told(yield* sync(repository, "webhook")), ["held ConfigMap/apps/a"])
      const before = world.git.calls.length
      for (const trigger of ["drift", "reconcile"] as const) {
        assert.deepStrictEqual(told(yield* sync(repository, trigger)), ["held ConfigMap/apps/a"])
      }
      const read = world.git.calls.slice(before).map(({ operation }) => operation)
      assert.deepStrictEqual(read, ["head"])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect(
    "while Git cannot be reached drift is healed, Git is not asked, and that stays said",
    () => {
      const world = syncs()
      return Effect.gen(function* () {
        const { git, kube, repository } = yield* given(world, "cut")
        git.commit({ "a.yaml": configMap("a") })
        yield* sync(repository, "startup")
        git.fail({ kind: "error", fault: "unreachable" })
        yield* TestClock.adjust("1 minute")
        const [code = ""] = told(yield* sync(repository, "poll"))
        assert.match(code, /^NOPEA-G/u)
        for (const trigger of ["drift", "reconcile"] as const) {
          kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
          yield* TestClock.adjust("1 second")
          const asked = world.git.calls.length
          const result = yield* sync(repository, trigger)
          assert.deepStrictEqual(told(result), ["healed ConfigMap/apps/a"])
          assert.strictEqual(Result.getOrThrow(result).unasked?.code, code)
          assert.strictEqual(world.git.calls.length, asked)
        }
        assert.deepStrictEqual(told(yield* sync(repository, "retry")), [code])
        git.recover()
        git.commit({ "a.yaml": configMap("a", "y") })
        const after = yield* sync(repository, "retry")
        assert.deepStrictEqual(told(after), ["configured ConfigMap/apps/a"])
        assert.isUndefined(Result.getOrThrow(after).unasked)
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect(
    "a spec that Git was not asked for yet is not carried out with a commit of before",
    () => {
      const world = syncs()
      return Effect.gen(function* () {
        const { git, kube, repository } = yield* given(world, "respecced", { path: "one" })
        git.commit({ "one/a.yaml": configMap("a"), "two/b.yaml": configMap("b") })
        yield* sync(repository, "startup")
        git.fail({ kind: "error", fault: "unreachable" })
        const spec = { ...repository.spec, path: "two" }
        const second = { ...repository, metadata: { ...repository.metadata, generation: 2 }, spec }
        assert.match(told(yield* sync(second, "specChanged"))[0] ?? "", /^NOPEA-G/u)
        assert.match(told(yield* sync(second, "drift"))[0] ?? "", /^NOPEA-G/u)
        assert.isDefined(find(kube, "a"))
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect("what somebody deleted stays deleted under healPolicy manual, and is said so", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "manual", { healPolicy: "manual" })
      git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
      yield* sync(repository, "startup")
      kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told(yield* sync(repository, "reconcile")), [
        "held ConfigMap/apps/a",
        "unchanged ConfigMap/apps/b",
      ])
      git.commit({ "b.yaml": configMap("b", "y") })
      assert.deepStrictEqual(told(yield* sync(repository, "webhook")), [
        "configured ConfigMap/apps/b",
        "held ConfigMap/apps/a",
      ])
      assert.isUndefined(find(kube, "a"))
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("after the Git server failed, a retry asks it again before anything else", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository } = yield* given(world, "flaky")
      git.commit({ "a.yaml": configMap("a") })
      yield* sync(repository, "startup")
      git.commit({ "a.yaml": configMap("a", "y") })
      git.fail({ kind: "error", fault: "unreachable" }, 1)
      yield* TestClock.adjust("1 minute")
      assert.match(told(yield* sync(repository, "poll"))[0] ?? "", /^NOPEA-G/u)
      assert.deepStrictEqual(told(yield* sync(repository, "retry")), [
        "configured ConfigMap/apps/a",
      ])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("that is told to wait by an answer of the Git server knows that answer", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository } = yield* given(world, "waiting", { dependsOn: ["base"] })
      const dependencies = yield* Dependencies
      const claims = yield* Claims
      const cache = yield* Cache
      git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
      yield* sync(repository, "startup")
      dependencies.register(repository, () => {})
      claims.register(repository, () => {})
      git.commit({ "a.yaml": null, "b.yaml": configMap("b") })
      git.fail({ kind: "error", fault: "unreachable" }, 1)
      yield* TestClock.adjust("1 minute")
      assert.match(told(yield* sync(repository, "poll"))[0] ?? "", /^NOPEA-G/u)
      assert.deepStrictEqual(told(yield* sync(repository, "poll")), ["NOPEA-C050"])
      assert.isUndefined((yield* cache.commits.get("apps/waiting"))?.unasked)
      const { stand } = claims.others("apps/other")
      const stands = ["a", "b"].map((name) => stand(repository.metadata, `/ConfigMap/apps/${name}`))
      assert.deepStrictEqual(stands, ["released", "wanted"])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("that is cut short once it has applied remembers what it healed", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "cut")
      git.commit({ "a.yaml": configMap("a") })
      yield* sync(repository, "startup")
      kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
      yield* TestClock.adjust("1 hour")
      const cache = yield* Cache
      const { set } = cache.applied
      let cut = (): void => {}
      const applied = {
        ...cache.applied,
        set: (key: string, keys: ReadonlyMap<string, string>) =>
          Effect.andThen(
            set(key, keys),
            Effect.sync(() => find(kube, "a") && queueMicrotask(cut)),
          ),
      }
      Object.assign(cache, { applied })
      const running = yield* Effect.forkChild(sync(repository, "drift"))
      cut = () => running.interruptUnsafe()
      assert.isTrue(Exit.isFailure(yield* Fiber.await(running)))
      const memory = yield* cache.drift.get("apps/cut")
      assert.deepStrictEqual([...(memory?.heals.keys() ?? [])], ["/ConfigMap/apps/a"])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("after the time ran out over the Git server, a retry asks it again", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository } = yield* given(world, "late", { timeout: "30s" })
      git.commit({ "a.yaml": configMap("a") })
      yield* sync(repository, "startup")
      git.commit({ "a.yaml": configMap("a", "y") })
      git.fail({ kind: "stall" }, 1)
      const running = yield* Effect.forkChild(sync(repository, "syncNow"))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(told(yield* Fiber.join(running)), ["NOPEA-C005"])
      assert.deepStrictEqual(told(yield* sync(repository, "retry")), [
        "configured ConfigMap/apps/a",
      ])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect(
    "ends at spec.timeout with its own code, also where the Git server never answers",
    () => {
      const world = syncs()
      return Effect.gen(function* () {
        const { git, repository } = yield* given(world, "stalled", { timeout: "30s" })
        git.commit({ "a.yaml": configMap("a") })
        git.fail({ kind: "stall" })
        const running = yield* Effect.forkChild(sync(repository, "startup"))
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(told(yield* Fiber.join(running)), ["NOPEA-C005"])
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect("a bad document keeps its neighbours from being pruned, not from being applied", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "bad")
      git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
      yield* sync(repository, "startup")
      git.commit({ "a.yaml": null, "b.yaml": configMap("b", "y"), "c.yaml": "kind: [" })
      const result = yield* sync(repository, "webhook")
      assert.deepStrictEqual(told(result), ["configured ConfigMap/apps/b"])
      assert.strictEqual(Result.getOrThrow(result).failures[0]?.file, "c.yaml")
      assert.isDefined(find(kube, "a"))
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a dry run writes nothing at all, not even an annotation of its own", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, kube, repository } = yield* given(world, "dry", { dryRun: true })
      git.commit({ "a.yaml": configMap("a") })
      const result = yield* sync(repository, "startup")
      assert.deepStrictEqual(Result.getOrThrow(result).plan, [
        { object: "/ConfigMap/apps/a", action: "created" },
      ])
      assert.isUndefined(find(kube, "a"))
      const writes = kube.calls.filter(({ verb }) => verb === "apply" || verb === "delete")
      assert.deepStrictEqual(writes, [])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("everything about objects goes out in the name of the repository's account", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const spec = { serviceAccountName: "deployer" }
      const { git, kube, repository } = yield* given(world, "tenant", spec)
      git.commit({ "a.yaml": configMap("a"), "b.yaml": configMap("b") })
      yield* sync(repository, "startup")
      git.commit({ "b.yaml": null })
      yield* sync(repository, "webhook")
      const accounts = kube.calls
        .filter(({ verb }) => verb === "apply" || verb === "delete")
        .map(({ verb, caller }) => `${verb} ${caller?.impersonate}`)
      const account = "system:serviceaccount:apps:deployer"
      assert.deepStrictEqual(accounts, [
        `apply ${account}`,
        `apply ${account}`,
        `delete ${account}`,
      ])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("the controller's own rights are lent only where that is allowed", () => {
    const world = syncs({ allowControllerIdentity: false })
    return Effect.gen(function* () {
      const { git, repository } = yield* given(world, "guest")
      git.commit({ "a.yaml": configMap("a") })
      assert.deepStrictEqual(told(yield* sync(repository, "startup")), ["NOPEA-C004"])
      assert.deepStrictEqual(world.git.calls, [])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a moved tag is followed, and told once", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository } = yield* given(world, "tagged", { ref: { tag: "live" } })
      const first = git.commit({ "a.yaml": configMap("a") })
      git.tag("live")
      assert.deepStrictEqual(Result.getOrThrow(yield* sync(repository, "startup")).warnings, [])
      const second = git.commit({ "a.yaml": configMap("a", "y") })
      assert.strictEqual(Result.getOrThrow(yield* sync(repository, "poll")).result, "nothing")
      git.tag("live")
      yield* TestClock.adjust("1 minute")
      const { commit, warnings } = Result.getOrThrow(yield* sync(repository, "poll"))
      assert.strictEqual(commit.sha, second)
      const [from, to] = [first.slice(0, 12), second.slice(0, 12)]
      assert.deepStrictEqual(warnings, [`the tag live moved from ${from} to ${to}`])
      assert.deepStrictEqual(Result.getOrThrow(yield* sync(repository, "reconcile")).warnings, [])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect(
    "a commit that nobody trusted signed is not applied, and the one before is kept up",
    () => {
      const world = syncs()
      return Effect.gen(function* () {
        const [alice, bob] = [sshKey(), sshKey()]
        const [trusted = "", other = ""] = [alice, bob].map((key) => key.public.split(" ")[1])
        const verify = { secretRef: { name: "signers" } }
        const { git, kube, repository } = yield* given(world, "signed", { verify })
        git.commit({ "a.yaml": configMap("a") }, { signer: trusted })
        assert.deepStrictEqual(told(yield* sync(repository, "startup")), ["NOPEA-C002"])
        const store = (text: string) =>
          kube.put({
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name: "signers", namespace: "apps" },
            data: { team: Buffer.from(text).toString("base64") },
          })
        store("alice")
        assert.deepStrictEqual(told(yield* sync(repository, "retry")), ["NOPEA-C007"])
        store(`# the team\n${alice.public}\n`)
        assert.deepStrictEqual(told(yield* sync(repository, "retry")), ["created ConfigMap/apps/a"])
        for (const [signer, code] of [
          [undefined, FAULTS.unsigned.code],
          [other, FAULTS.untrusted.code],
        ] as const) {
          git.commit({ "a.yaml": configMap("a", code) }, signer === undefined ? {} : { signer })
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(told(yield* sync(repository, "poll")), [code])
          for (const trigger of ["drift", "reconcile"] as const) {
            kube.remove(CONFIG_MAP, { namespace: "apps", name: "a" })
            yield* TestClock.adjust("1 hour")
            const healed = yield* sync(repository, trigger)
            assert.deepStrictEqual(told(healed), ["healed ConfigMap/apps/a"])
            assert.strictEqual(Result.getOrThrow(healed).unasked?.code, code)
          }
          for (const trigger of ["webhook", "syncNow", "retry"] as const) {
            assert.deepStrictEqual(told(yield* sync(repository, trigger)), [code])
          }
          assert.deepInclude(find(kube, "a"), { data: { value: "x" } })
        }
        git.commit({ "a.yaml": configMap("a", "y") }, { signer: trusted })
        yield* TestClock.adjust("1 minute")
        const after = yield* sync(repository, "poll")
        assert.deepStrictEqual(told(after), ["configured ConfigMap/apps/a"])
        assert.isUndefined(Result.getOrThrow(after).unasked)
        const verified = world.git.callsOf("verify").length
        yield* sync(repository, "reconcile")
        assert.strictEqual(world.git.callsOf("verify").length, verified)
        store(bob.public)
        for (const trigger of ["syncNow", "poll", "webhook", "retry"] as const) {
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(told(yield* sync(repository, trigger)), [FAULTS.untrusted.code])
        }
        store(alice.public)
        yield* TestClock.adjust("1 minute")
        assert.isUndefined(Result.getOrThrow(yield* sync(repository, "poll")).unasked)
      }).pipe(Effect.provide(world.layer))
    },
  )

  it.effect("the Secret of the credentials is read once, and again after a refusal", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const spec = { secretRef: { name: "git" } }
      const { git, kube, repository } = yield* given(world, "secret", spec)
      git.commit({ "a.yaml": configMap("a") })
      assert.deepStrictEqual(told(yield* sync(repository, "startup")), ["NOPEA-C002"])
      kube.put({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "git", namespace: "apps" },
        data: { bearerToken: Buffer.from("token").toString("base64") },
      })
      yield* sync(repository, "retry")
      const reads = () =>
        kube.calls.filter(
          ({ type, verb, name }) =>
            verb === "get" && type?.kind === SECRET.kind && name?.name === "git",
        ).length
      const before = reads()
      yield* TestClock.adjust("1 minute")
      yield* sync(repository, "poll")
      assert.strictEqual(reads(), before)
      git.fail({ kind: "error", fault: "authentication" }, 1)
      yield* TestClock.adjust("1 minute")
      yield* sync(repository, "poll")
      yield* sync(repository, "retry")
      assert.strictEqual(reads(), before + 1)
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("a changed path at the same commit creates, it does not heal", () => {
    const world = syncs()
    return Effect.gen(function* () {
      const { git, repository: first } = yield* given(world, "moved", { path: "one" })
      git.commit({ "one/a.yaml": configMap("a"), "two/b.yaml": configMap("b") })
      yield* sync(first, "startup")
      const spec = { ...first.spec, path: "two" }
      const metadata = { ...first.metadata, generation: 2 }
      const second: GitRepository = { ...first, metadata, spec }
      assert.deepStrictEqual(told(yield* sync(second, "specChanged")), [
        "created ConfigMap/apps/b",
        "deleted ConfigMap/apps/a",
      ])
      assert.strictEqual((yield* (yield* Cache).commits.get("apps/moved"))?.generation, 2)
    }).pipe(Effect.provide(world.layer))
  })
})
